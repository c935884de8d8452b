#!/usr/bin/env bash
# Builds the test servers into a cache outside the checkout and prints the path of each, one a line.
#
#   tests/servers/build.sh [NAME...]     all of them without a name
#
# Besides the servers there are the command-line tools that tests run: helm, and kubectl, which is a
# link to control-plane.
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

# Of the way it is built, a server's files and those of the module that all servers share, names included.
source_hash() {
  (
    cd "$sources"
    {
      target "$1"
      for file in "$1"/go.mod "$1"/go.sum "$1"/*.go "$1"/*/go.mod "$1"/*/*.go serving/go.mod serving/*.go; do
        if [ -f "$file" ]; then echo "== $file" && cat "$file"; fi
      done
    } | checksum
  )
}

# The package that is built, then the flags of the linker. Kubernetes' parts and helm take their version
# from there, and without it say v0.0.0, which clients cannot read.
target() {
  local version minor
  case $1 in
    control-plane)
      version=$(required "$1" k8s.io/kubernetes) minor=$(cut -d. -f2 <<<"$version")
      echo .
      echo "-s -w -X k8s.io/component-base/version.gitVersion=$version" \
        "-X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=$minor"
      ;;
    helm)
      version=$(required "$1" helm.sh/helm/v3) minor=$(required "$1" k8s.io/client-go | cut -d. -f2)
      echo helm.sh/helm/v3/cmd/helm
      echo "-s -w -X helm.sh/helm/v3/internal/version.version=$version" \
        "-X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=$minor" \
        "-X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor=$minor"
      ;;
    *)
      echo .
      echo "-s -w"
      ;;
  esac
}

# The version of a module in a go.mod.
required() {
  awk -v module="$2" '$1 == module { print $2; exit }' "$sources/$1/go.mod"
}

# Of what go build -v says, every hundredth package with its number; everything else as it is.
progress() {
  local total=$1 count=0 line
  while IFS= read -r line; do
    case $line in
      *[\ :]*) echo "$line" ;;
      *)
        count=$((count + 1))
        if [ $((count % 100)) -eq 0 ]; then echo "  $count of $total packages" >&2; fi
        ;;
    esac
  done >&2
}

build() {
  local name=$1 directory=$2 started=$SECONDS unfinished package flags total
  if ! command -v go >/dev/null; then
    echo "building the test server $name needs Go 1.26 or newer: https://go.dev/dl" >&2
    return 1
  fi
  echo "building test server $name ..." >&2
  mkdir -p "$directory"
  # Nobody debugs a server, so the compiler need not prepare for it.
  #
  # Built aside and renamed: whoever builds at the same time replaces the file by an equal one, and
  # nobody ever sees half of it.
  unfinished=$(mktemp "$directory/.building.XXXXXX")
  { read -r package && read -r flags; } < <(target "$name")
  export CGO_ENABLED=0 GOFLAGS=-mod=readonly GOWORK=off
  # What is compiled already is not counted, so fewer may come.
  total=$(cd "$sources/$name" && go list -deps "$package" | wc -l)
  if ! (cd "$sources/$name" &&
    go build -v -buildvcs=false -trimpath -gcflags=all=-dwarf=false -ldflags="$flags" -o "$unfinished" "$package" 2>&1 |
      progress "$total"); then
    rm -f "$unfinished"
    rmdir "$directory" 2>/dev/null || true
    echo "building the test server $name failed" >&2
    return 1
  fi
  mv -f "$unfinished" "$directory/$name"
  if [ "$name" = control-plane ]; then ln -sf control-plane "$directory/kubectl"; fi
  echo "built test server $name in $((SECONDS - started)) s" >&2
}

# The directory's time is that of its last use, so the versions of several branches live together.
remove_old_versions() {
  local name=$1 old
  { ls -1td "$cache/$name"-* || true; } | tail -n "+$((kept_versions + 1))" | while read -r old; do
    rm -rf "$old"
  done
}

if [ $# -eq 0 ]; then set -- registry git-http git-ssh control-plane kubectl helm; fi
for program in "$@"; do
  name=$program
  if [ "$program" = kubectl ]; then name=control-plane; fi
  if [ ! -f "$sources/$name/go.mod" ] || [ "$name" = serving ]; then
    echo "no test server is called $name" >&2
    exit 2
  fi
  directory=$cache/$name-$(source_hash "$name")
  if [ -x "$directory/$program" ]; then
    touch "$directory"
  else
    build "$name" "$directory"
    remove_old_versions "$name"
  fi
  echo "$directory/$program"
done
