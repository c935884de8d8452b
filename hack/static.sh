#!/usr/bin/env bash
# Builds the program without any shared library into dist/fluxbot, and shows that it needs nothing around it.
#
#   hack/static.sh [PROFILE]     the default is dist, what is shipped; dev builds fastest
set -euo pipefail
cd "$(dirname "$0")/.."

profile="${1:-dist}"
machine="$(uname -m)"
target="$machine-unknown-linux-musl"
if ! rustc --print target-libdir --target "$target" | xargs test -d; then
  rustup target add "$target" >&2
fi
# ring and mimalloc have C code that calls little of the C library and nothing in which musl's differs in its layout,
# so a compiler with other headers serves where no musl compiler is installed.
if ! command -v "$machine-linux-musl-gcc" musl-gcc >/dev/null; then
  export "CC_${target//-/_}=${CC:-gcc}"
  # The checked variants of functions exist in glibc only.
  export "CFLAGS_${target//-/_}=-U_FORTIFY_SOURCE"
fi
cargo build --locked --profile "$profile" --target "$target" --bin fluxbot

output="$(cargo metadata --format-version 1 --no-deps | sed -E 's/.*"target_directory":"([^"]*)".*/\1/')"
folder="$profile"
if [[ "$profile" == dev ]]; then folder=debug; fi
mkdir -p dist
install -m 0755 "$output/$target/$folder/fluxbot" dist/fluxbot

# For a static program ldd fails or says so, and never names a library.
libraries="$(ldd dist/fluxbot 2>&1 || true)"
if [[ "$libraries" != *"statically linked"* && "$libraries" != *"not a dynamic executable"* ]]; then
  echo "dist/fluxbot needs shared libraries:" >&2
  echo "$libraries" >&2
  exit 1
fi

# What a container without a base image is: a root directory that holds the program and nothing else.
root="$(mktemp -d)"
trap 'rm -rf "$root"' EXIT
cp dist/fluxbot "$root/fluxbot"
if unshare --user --map-root-user true 2>/dev/null; then
  unshare --user --map-root-user env -i "$(command -v chroot || echo /usr/sbin/chroot)" "$root" /fluxbot --version >&2
  unshare --user --map-root-user env -i "$(command -v chroot || echo /usr/sbin/chroot)" "$root" /fluxbot crds | grep -c '^kind: CustomResourceDefinition' >/dev/null
else
  echo "not run in an empty root: this system allows no user namespaces" >&2
fi
echo dist/fluxbot
