#!/usr/bin/env bash
# Measures reading and writing of YAML beside yaml_serde, on the manifests of this repository or on files that are given.
set -euo pipefail
cd "$(dirname "$0")/.."

files=("$@")
((${#files[@]} > 0)) || files=(deploy/*.yaml charts/fluxbot/files/crds/*.yaml)
cargo run --release --quiet -p fluxbot-yaml --example speed -- "${files[@]}"
