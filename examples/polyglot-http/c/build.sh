#!/bin/sh
# Run as `sh c/build.sh`; leaves c/build/c.wasm.
#
# Debian: `apt install clang lld wasi-libc libclang-rt-dev-wasm32`. Elsewhere: CC="$WASI_SDK/bin/clang".
#
# The bindings are committed, so that a build needs no generator. They were made, in this folder, by
#   wit-bindgen c ../wit --world handler --out-dir bindings
# of `cargo install wit-bindgen-cli@0.63.0 --no-default-features --features c`.
set -eu
cd "$(dirname "$0")/.."
sh npm-toolchain.sh
mkdir -p c/build
# A reactor has no `main`: the host calls its export. The object file holds no code, only the world's type.
${CC:-clang} --target=wasm32-wasi -mexec-model=reactor -D_GNU_SOURCE -O2 -Wall -Wextra -Wl,--strip-debug \
  -o c/build/core.wasm c/plugin.c c/bindings/handler.c c/bindings/handler_component_type.o
# The core module becomes a component; what libc asks of WASI 0.1 is adapted to 0.2.
node_modules/.bin/jco new c/build/core.wasm --wasi-reactor -o c/build/c.wasm
