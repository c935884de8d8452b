#!/usr/bin/env bash
# Measures updates on the demo's two clusters: from a tag in the registry to the commit, to the applied object and to ready pods,
# and the memory of the controllers. Prints one table; docs/performance.md keeps the figures.
# usage: bench/latency.sh [UPDATES]
set -euo pipefail
cd "$(dirname "$0")/.."

updates="${1:-20}"
profile="${PROFILE:-release}"
control_plane="$(tests/servers/build.sh control-plane)"
cargo build --profile "$profile" --features demo --bin fluxbot >&2
target="$(cargo metadata --format-version 1 --no-deps | sed -E 's/.*"target_directory":"([^"]*)".*/\1/')"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

if ! "$target/$profile/fluxbot" demo --once --control-plane "$control_plane" \
  --updates "$updates" --figures "$work/figures.json" >"$work/screen" </dev/null; then
  cat "$work/screen" >&2
  exit 1
fi

# Prints a field of the updates that are there to be measured, one a line.
field() {
  awk -v name="\"$1\":" '$1 == "\"measured\":" { measured = $2 == "true," }
    $1 == name && measured { gsub(/,/, "", $2); print $2 }' "$work/figures.json"
}

# Prints minimum, median and 99th percentile (nearest rank) of the numbers on standard input.
spread() {
  sort -n | awk '{ v[NR] = $1 } END { p = int(NR * 0.99); if (p < NR * 0.99) p++
    printf "%8.1f %8.1f %8.1f", v[1], v[int((NR + 1) / 2)], v[p] }'
}

echo "$(nproc) cores, $(uname -m), $updates updates; milliseconds: minimum, median, 99th percentile"
for step in selected committed fetched applied ready; do
  printf '%-40s %s\n' "tag in the registry to $step" "$(field "${step}_ms" | spread)"
done
awk '$1 == "\"cluster\":" { cluster = $2; gsub(/[",]/, "", cluster) } $1 == "\"rss_bytes\":" { now = $2 }
  $1 == "\"peak_rss_bytes\":" { printf "memory of the controller of %s: %.1f MiB, at most %.1f MiB\n",
    cluster, now / 1048576, $2 / 1048576 }' "$work/figures.json"
