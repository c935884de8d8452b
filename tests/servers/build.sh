#!/usr/bin/env bash
# Builds the test servers into a cache outside the checkout and prints the path of each, one a line.
#
#   tests/servers/build.sh [NAME...]     all of them without a name
#
# The cache is $FLUXBOT_CACHE, or fluxbot below $XDG_CACHE_HOME or ~/.cache. A server is built once
# for each state of its sources, module file and lock file; when it is there, Go is not needed.
set -euo pipefail

sources=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${FLUXBOT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/fluxbot}/test-servers
kept_versions=3

checksum() {
  if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -c1-16
}

# Of a server's files and those of the module that all servers share, names included.
source_hash() {
  (
    cd "$sources"
    for file in "$1"/go.mod "$1"/go.sum "$1"/*.go "$1"/*/go.mod "$1"/*/*.go serving/go.mod serving/*.go; do
      if [ -f "$file" ]; then echo "== $file" && cat "$file"; fi
    done | checksum
  )
}

build() {
  local name=$1 directory=$2 started=$SECONDS unfinished
  if ! command -v go >/dev/null; then
    echo "building the test server $name needs Go 1.26 or newer: https://go.dev/dl" >&2
    return 1
  fi
  echo "building test server $name ..." >&2
  mkdir -p "$directory"
  # Built aside and renamed: whoever builds at the same time replaces the file by an equal one, and
  # nobody ever sees half of it.
  unfinished=$(mktemp "$directory/.building.XXXXXX")
  if ! (cd "$sources/$name" &&
    CGO_ENABLED=0 GOFLAGS=-mod=readonly GOWORK=off \
      go build -buildvcs=false -ldflags='-s -w' -o "$unfinished" . >&2); then
    rm -f "$unfinished"
    rmdir "$directory" 2>/dev/null || true
    echo "building the test server $name failed" >&2
    return 1
  fi
  mv -f "$unfinished" "$directory/$name"
  echo "built test server $name in $((SECONDS - started)) s" >&2
}

# The directory's time is that of its last use, so the versions of several branches live together.
remove_old_versions() {
  local name=$1 old
  { ls -1td "$cache/$name"-* || true; } | tail -n "+$((kept_versions + 1))" | while read -r old; do
    rm -rf "$old"
  done
}

if [ $# -eq 0 ]; then set -- registry git-http git-ssh; fi
for name in "$@"; do
  if [ ! -f "$sources/$name/main.go" ]; then
    echo "no test server is called $name" >&2
    exit 2
  fi
  directory=$cache/$name-$(source_hash "$name")
  if [ -x "$directory/$name" ]; then
    touch "$directory"
  else
    build "$name" "$directory"
    remove_old_versions "$name"
  fi
  echo "$directory/$name"
done
