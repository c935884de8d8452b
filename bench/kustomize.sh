#!/usr/bin/env bash
# Measures builds of kustomizations: many Deployments with a prefix, a namespace, labels, an image and a generator; four of them; and
# 500 overlays of one base in one process. The peer is the Go library, through the program of hack/oracle/kustomize.
# usage: bench/kustomize.sh [RUNS]; FLUXBOT names a program to measure `fluxbot build` of instead of the library's example,
# KUSTOMIZE_ORACLE a peer that is built, and with PEER_LARGE=1 the peer builds 4,000 objects, too, which takes minutes.
set -euo pipefail
cd "$(dirname "$0")/.."

runs="${1:-7}"
cargo build --release --quiet -p fluxbot-kustomize --examples >&2
target="$(cargo metadata --format-version 1 --no-deps | sed -E 's/.*"target_directory":"([^"]*)".*/\1/')"
examples="$target/release/examples"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

peer="${KUSTOMIZE_ORACLE:-}"
if [[ -z "$peer" ]] && command -v go > /dev/null; then
  peer="$work/oracle"
  (cd hack/oracle/kustomize && go build -o "$peer" .) >&2 || peer=
fi
[[ -n "$peer" ]] || echo "no Go and no KUSTOMIZE_ORACLE: the peer is left out" >&2

deployments() {
  awk -v count="$1" 'BEGIN { for (i = 0; i < count; i++) printf "---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n" \
    "  name: app-%d\n  labels:\n    app: app-%d\nspec:\n  replicas: 2\n  selector:\n    matchLabels:\n      app: app-%d\n" \
    "  template:\n    metadata:\n      labels:\n        app: app-%d\n    spec:\n      containers:\n      - name: app\n" \
    "        image: registry.example/team/app:1.0.0\n        ports:\n        - containerPort: 8080\n        envFrom:\n" \
    "        - configMapRef:\n            name: settings\n        resources:\n          requests:\n            cpu: 100m\n" \
    "            memory: 128Mi\n", i, i, i, i }'
}
kustomization() {
  printf 'resources: [all.yaml]\nnamePrefix: p-\nnamespace: production\ncommonLabels: {team: one}\n'
  printf 'images:\n- name: registry.example/team/app\n  newTag: 2.0.0\nconfigMapGenerator:\n- name: settings\n  literals: [a=b]\n'
}
for count in 4 1000 4000 16000; do
  mkdir -p "$work/$count"
  deployments "$count" > "$work/$count/all.yaml"
  kustomization > "$work/$count/kustomization.yaml"
done
mkdir -p "$work/base"
deployments 4 > "$work/base/all.yaml"
printf 'resources: [all.yaml]\n' > "$work/base/kustomization.yaml"
for i in $(seq 500); do
  mkdir -p "$work/overlays/$i"
  printf 'resources: [../../base]\nnamePrefix: o%d-\n' "$i" > "$work/overlays/$i/kustomization.yaml"
done

# Prints wall time, processor time and memory of the fastest of several runs: seconds, seconds, KiB.
fastest() {
  for _ in $(seq "$runs"); do
    /usr/bin/time -o "$work/time" -f '%e %U %S %M' "$@" > "$work/out"
    cat "$work/time"
  done | sort -n | awk 'NR == 1 { printf "%.2f %.2f %d", $1, $2 + $3, $4 }'
}
build() {
  if [[ -n "${FLUXBOT:-}" ]]; then
    fastest "$FLUXBOT" build "$1" --reorder none --load-restrictor LoadRestrictionsNone
  else
    fastest "$examples/answer" "$1"
  fi
}

echo "$(nproc) cores, $(uname -m), the fastest of $runs runs"
printf '%8s %10s %10s %10s %10s %10s   %s\n' objects "input kB" "wall s" "cpu s" "memory kB" "x input" "the Go library: s, kB"
for count in 4 1000 4000 16000; do
  read -r wall cpu memory <<< "$(build "$work/$count")"
  cp "$work/out" "$work/ours"
  input=$(stat -c %s "$work/$count/all.yaml")
  theirs=
  if [[ -n "$peer" ]] && { ((count <= 1000)) || [[ -n "${PEER_LARGE:-}" && "$count" == 4000 ]]; }; then
    /usr/bin/time -o "$work/time" -f '%e, %M' "$peer" time "$work/$count" > /dev/null
    theirs=$(cat "$work/time")
    echo "$work/$count" | "$peer" folders > "$work/folders"
    jq -j .expected "$work/folders" | cmp - "$work/ours" || theirs="$theirs (THE OUTPUT DIFFERS)"
  fi
  awk -v n="$count" -v i="$input" -v w="$wall" -v c="$cpu" -v m="$memory" -v t="$theirs" 'BEGIN {
    printf "%8d %10d %10.2f %10.2f %10d %10.1f   %s\n", n, i / 1000, w, c, m, m * 1024 / i, t }'
done

# One process is too short for the clock of time(1): many, one after the other.
start=$(date +%s%N)
for _ in $(seq 100); do
  if [[ -n "${FLUXBOT:-}" ]]; then "$FLUXBOT" build "$work/4"; else "$examples/answer" "$work/4"; fi
done > /dev/null
end=$(date +%s%N)
awk -v t=$((end - start)) 'BEGIN { printf "4 objects, whole process, mean of 100: %.1f ms\n", t / 1e8 }'

for _ in $(seq "$runs"); do "$examples/overlays" "$work" 500; done | sort -t: -k2 -n | head -1
if [[ -n "$peer" ]]; then
  find "$work/overlays" -mindepth 1 -maxdepth 1 > "$work/list"
  /usr/bin/time -f '  the Go library in one process: %e s, %M kB' "$peer" folders < "$work/list" > /dev/null
fi
