#!/usr/bin/env bash
# Writes the files that are generated from the source, or with --check fails when they differ.
set -euo pipefail
cd "$(dirname "$0")/.."

out="$(mktemp -d)"
trap 'rm -rf "$out"' EXIT
mkdir -p "$out/charts/fluxbot/crds"

fluxbot() { cargo run --quiet --locked --bin fluxbot -- "$@"; }
fluxbot crds --directory "$out/charts/fluxbot/crds"
fluxbot reference "$out/docs"

if [[ "${1:-}" == --check ]]; then
  differs() {
    echo "generated files differ from their source: run 'make generate' and commit the result" >&2
    exit 1
  }
  diff -r "$out/charts/fluxbot/crds" charts/fluxbot/crds || differs
  diff -r "$out/docs/api" docs/api || differs
  diff "$out/docs/cli.md" docs/cli.md || differs
else
  mkdir -p charts/fluxbot/crds docs/api
  rm -f charts/fluxbot/crds/*.yaml docs/api/*.md
  cp "$out"/charts/fluxbot/crds/*.yaml charts/fluxbot/crds/
  cp "$out"/docs/api/*.md docs/api/
  cp "$out/docs/cli.md" docs/cli.md
fi
