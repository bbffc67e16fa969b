#!/bin/sh
# Run as `sh assemblyscript/build.sh`; leaves assemblyscript/build/assemblyscript.wasm.
set -eu
cd "$(dirname "$0")/.."
sh npm-toolchain.sh
build=assemblyscript/build
mkdir -p $build
# `abort` would be an import of JavaScript's; without it a failed assertion is a plain trap.
node_modules/.bin/asc assemblyscript/handler.ts -O --runtime minimal --use abort= \
  --transform ./assemblyscript/exports.js -o $build/core.wasm
# The core module gets its WIT and becomes a component.
node_modules/.bin/jco embed $build/core.wasm --wit wit --world-name handler -o $build/embedded.wasm
node_modules/.bin/jco new $build/embedded.wasm -o $build/assemblyscript.wasm
