#!/usr/bin/env bash
# Prints the path of a development tool, and installs it into the cache first when it is not there.
set -euo pipefail

case "${1:-}" in
  cargo-deny) version=0.20.2 ;;
  *) echo "usage: hack/tool.sh cargo-deny" >&2; exit 2 ;;
esac

cache="${FLUXBOT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/fluxbot}"
root="$cache/tools/$1-$version"
if [[ ! -x "$root/bin/$1" ]]; then
  echo "installing $1 $version (once)" >&2
  build="$(mktemp -d)"
  trap 'rm -rf "$build"' EXIT
  # A tool is run, not debugged: the cheapest build will do.
  CARGO_TARGET_DIR="$build" CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off \
    cargo install "$1" --version "$version" --locked --root "$build/install" --quiet >&2
  mkdir -p "$root/bin"
  mv "$build/install/bin/$1" "$root/bin/$1.new"
  mv "$root/bin/$1.new" "$root/bin/$1"
fi
echo "$root/bin/$1"
