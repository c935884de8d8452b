#!/usr/bin/env bash
# Writes the files that are generated from the source, or with --check fails when they differ.
set -euo pipefail
cd "$(dirname "$0")/.."

out="$(mktemp -d)"
trap 'rm -rf "$out"' EXIT

fluxbot() { cargo run --quiet --locked --bin fluxbot -- "$@"; }

# Replaces what stands between the two marker lines of a Markdown file by standard input.
between_markers() {
  awk -v table=/dev/stdin '
    /^<!-- end of generated/ { skipping = 0 }
    !skipping { print }
    /^<!-- generated/ { skipping = 1; while ((getline line < table) > 0) print line }
  ' "$1"
}

# The chart as plain manifests: in the namespace that the field expects, and without what only Helm reads.
manifests() {
  cat <<'YAML'
# Generated from charts/fluxbot. Apply it with: kubectl apply --server-side -f FILE
---
apiVersion: v1
kind: Namespace
metadata:
  name: flux-system
  labels:
    pod-security.kubernetes.io/enforce: restricted
    pod-security.kubernetes.io/warn: restricted
YAML
  HELM_CACHE_HOME="$out/helm" HELM_CONFIG_HOME="$out/helm" HELM_DATA_HOME="$out/helm" \
    "$helm" template fluxbot "$out/charts/fluxbot" --namespace flux-system "$@" |
    sed -E '/^# Source: /d; /^ +app\.kubernetes\.io\/managed-by: Helm$/d; /^ +helm\.sh\/chart: /d' |
    cat -s
}

helm="$(tests/servers/build.sh helm)"
mkdir -p "$out/charts" "$out/deploy"
cp -R charts/fluxbot "$out/charts/fluxbot"
rm -rf "$out/charts/fluxbot/files/crds"
mkdir -p "$out/charts/fluxbot/files/crds"
fluxbot crds --directory "$out/charts/fluxbot/files/crds"
fluxbot reference "$out/docs"
awk -f hack/chart-values.awk charts/fluxbot/values.yaml |
  between_markers charts/fluxbot/README.md >"$out/charts/fluxbot/README.md"
manifests >"$out/deploy/fluxbot.yaml"
manifests --set 'controllers={image}' >"$out/deploy/fluxbot-image.yaml"

generated=(charts/fluxbot/files/crds charts/fluxbot/README.md deploy docs/api docs/cli.md)
if [[ "${1:-}" == --check ]]; then
  for path in "${generated[@]}"; do
    if ! diff -r "$out/$path" "$path"; then
      echo "generated files differ from their source: run 'make generate' and commit the result" >&2
      exit 1
    fi
  done
else
  for path in "${generated[@]}"; do
    rm -rf "$path"
    mkdir -p "$(dirname "$path")"
    cp -R "$out/$path" "$path"
  done
fi
