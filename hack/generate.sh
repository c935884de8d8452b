#!/usr/bin/env bash
# Writes the files that are generated from the source, or with --check fails when they differ.
set -euo pipefail
cd "$(dirname "$0")/.."

out="$(mktemp -d)"
trap 'rm -rf "$out"' EXIT
mkdir -p "$out/charts/fluxbot/crds" "$out/docs"

fluxbot() { cargo run --quiet --features demo --bin fluxbot -- "$@"; }
fluxbot crds --directory "$out/charts/fluxbot/crds"
fluxbot reference > "$out/docs/cli.md"

if [[ "${1:-}" == --check ]]; then
  diff -r "$out/charts/fluxbot/crds" charts/fluxbot/crds && diff "$out/docs/cli.md" docs/cli.md || {
    echo "generated files differ from their source: run 'make generate' and commit the result" >&2
    exit 1
  }
else
  mkdir -p charts/fluxbot/crds docs
  rm -f charts/fluxbot/crds/*.yaml
  cp "$out"/charts/fluxbot/crds/*.yaml charts/fluxbot/crds/
  cp "$out/docs/cli.md" docs/cli.md
fi
