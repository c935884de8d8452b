#!/usr/bin/env bash
# Measures fluxbot on work that is generated here. Prints one table; docs/performance.md keeps the figures.
# usage: bench/run.sh [RUNS]
set -euo pipefail
cd "$(dirname "$0")/.."

runs="${1:-7}"
cargo build --release --features demo --bin fluxbot >&2
target="$(cargo metadata --format-version 1 --no-deps | sed -E 's/.*"target_directory":"([^"]*)".*/\1/')"
fluxbot="$target/release/fluxbot"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

# Prints minimum, median and maximum of the numbers on standard input.
spread() {
  sort -n | awk '{ v[NR] = $1 } END { printf "%8.1f %8.1f %8.1f", v[1], v[int((NR + 1) / 2)], v[NR] }'
}

# Runs a command several times and prints the milliseconds of each run. SETUP runs before each, untimed.
time_runs() {
  local setup="$1" start end
  shift
  for _ in $(seq "$runs"); do
    eval "$setup"
    start=$(date +%s%N)
    "$@" >/dev/null 2>&1 </dev/null
    end=$(date +%s%N)
    echo "$start $end" | awk '{ printf "%.1f\n", ($2 - $1) / 1e6 }'
  done
}

row() { printf '%-72s %s\n' "$1" "$2"; }

echo "$(nproc) cores, $(uname -m), $runs runs; milliseconds: minimum, median, maximum"

# 1. The main job in a warm process: a tag is pushed over HTTP, the commit is on the Git server. The demo's own clock
#    starts when the registry has answered the push; its chains ask the registry every 25 ms.
for _ in $(seq "$runs"); do
  "$fluxbot" demo --no-cluster --once | awk '/^Summary/ { table = 1 } table && /patch release|Helm-style/ { print $3 }'
done > "$work/warm"
row "tag pushed to commit on the server, warm process" "$(spread < "$work/warm")"

# 2. Many files: 10,000 YAML files of which 1,000 carry a marker each, of 1,000 policies.
#    Each run has a fresh copy; files that were removed just before would make ext4's search for a new inode slow.
bench/generate.sh "$work/files"
copy=0
fresh="copy=\$((copy + 1)); cp -r '$work/files/apps' '$work/copy-'\$copy; cat '$work/copy-'\$copy/*/*.yaml > /dev/null; rm -f '$work/copy'"
fresh="$fresh; ln -s '$work/copy-'\$copy '$work/copy'"
time_runs "$fresh" "$fluxbot" set "$work/copy" --policies "$work/files/policies.yaml" > "$work/set"
"$fluxbot" set "$work/files/apps" --policies "$work/files/policies.yaml" > /dev/null
row "fluxbot set, 10,000 files, 1,000 markers, 1,000 policies, whole process" "$(spread < "$work/set")"
time_runs : "$fluxbot" set "$work/files/apps" --policies "$work/files/policies.yaml" > "$work/again"
row "the same again, nothing to change" "$(spread < "$work/again")"
time_runs : "$fluxbot" markers "$work/files/apps" > "$work/markers"
row "fluxbot markers over the same files" "$(spread < "$work/markers")"

# 3. Many tags.
for major in $(seq 10); do for minor in $(seq 100); do for patch in $(seq 100); do
  echo "v$major.$minor.$patch"
done; done; done > "$work/tags"
select_tags() { "$fluxbot" policy select --semver '>=3.0.0 <7.0.0' < "$work/tags"; }
time_runs : select_tags > "$work/select"
row "fluxbot policy select --semver over 100,000 tags, whole process" "$(spread < "$work/select")"
