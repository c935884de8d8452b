#!/usr/bin/env bash
# Measures builds beside the original, in the same run: many Deployments with a prefix, a namespace, labels, an image and a generator;
# four objects; and 500 overlays of one base. The argument is the program of hack/oracle/kustomize.
set -euo pipefail
oracle="$1"
cargo build --release --quiet -p fluxbot-kustomize --examples
examples="${CARGO_TARGET_DIR:-target}/release/examples"
dir=$(mktemp -d)
trap 'rm -r "$dir"' EXIT

deployments() {
  awk -v count="$1" 'BEGIN { for (i = 0; i < count; i++) printf "---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n" \
    "  name: app-%d\n  labels:\n    app: app-%d\nspec:\n  replicas: 2\n  selector:\n    matchLabels:\n      app: app-%d\n" \
    "  template:\n    metadata:\n      labels:\n        app: app-%d\n    spec:\n      containers:\n      - name: app\n" \
    "        image: registry.example/team/app:1.0.0\n        ports:\n        - containerPort: 8080\n        envFrom:\n" \
    "        - configMapRef:\n            name: settings\n        resources:\n          requests:\n            cpu: 100m\n" \
    "            memory: 128Mi\n", i, i, i, i }'
}
kustomization() {
  printf 'resources: [all.yaml]\nnamePrefix: p-\nnamespace: production\ncommonLabels: {team: one}\nimages:\n- name: registry.example/team/app\n  newTag: 2.0.0\nconfigMapGenerator:\n- name: settings\n  literals: [a=b]\n'
}
for count in 4 1000 4000 16000; do
  mkdir -p "$dir/$count"
  deployments "$count" > "$dir/$count/all.yaml"
  kustomization > "$dir/$count/kustomization.yaml"
done
mkdir -p "$dir/base"
deployments 4 > "$dir/base/all.yaml"
printf 'resources: [all.yaml]\n' > "$dir/base/kustomization.yaml"
for i in $(seq 500); do
  mkdir -p "$dir/overlays/$i"
  printf 'resources: [../../base]\nnamePrefix: o%d-\n' "$i" > "$dir/overlays/$i/kustomization.yaml"
done
for count in 4 1000 4000 16000; do
  echo "$count objects, $(stat -c %s "$dir/$count/all.yaml") bytes:"
  for _ in 1 2 3; do
    /usr/bin/time -f '  fluxbot %e s, %M kB' "$examples/answer" "$dir/$count" > "$dir/ours"
  done
done
"$examples/overlays" "$dir" 500
for count in 4 1000 ${PEER_LARGE:+4000}; do
  /usr/bin/time -f "  original, $count objects, whole process: %e s, %M kB" "$oracle" time "$dir/$count"
done
