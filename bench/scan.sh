#!/usr/bin/env bash
# Measures the image controllers on 1,000 repositories and policies, with a real API server and registry, beside a plain client
# that sends the same writes. Prints one table; docs/performance.md keeps the figures.
# usage: bench/scan.sh [OPTION...]     options are those of the bench program, see --help
set -euo pipefail
cd "$(dirname "$0")/.."

profile="${PROFILE:-release}"
control_plane="$(tests/servers/build.sh control-plane)"
registry="$(tests/servers/build.sh registry)"
cargo build --profile "$profile" --features demo --bin fluxbot --bin fluxbot-bench >&2
target="$(cargo metadata --format-version 1 --no-deps | sed -E 's/.*"target_directory":"([^"]*)".*/\1/')/$profile"

"$target/fluxbot-bench" --control-plane "$control_plane" --registry "$registry" --fluxbot "$target/fluxbot" "$@"
