#!/usr/bin/env bash
# Measures the committer on a repository that is generated here: 10,000 files, 3,000 commits, 1,000 policies, on a Git server over
# local HTTP. docs/performance.md keeps the figures.
# usage: bench/commit.sh
set -euo pipefail
cd "$(dirname "$0")/.."
echo "$(nproc) cores, $(uname -m), load $(cut -d' ' -f1 /proc/loadavg)"
cargo test --profile "${PROFILE:-release}" --test it -- --ignored --nocapture --exact chain::measure::measure_the_committer |
  grep -E 'median|races' || { echo 'the measurement failed' >&2; exit 1; }
