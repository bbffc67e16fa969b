#!/bin/sh
# Run as `sh js/build.sh`; leaves js/build/js.wasm.
set -eu
cd "$(dirname "$0")/.."
sh npm-toolchain.sh
mkdir -p js/build
node_modules/.bin/jco componentize js/handler.js --wit wit --world-name handler -o js/build/js.wasm
