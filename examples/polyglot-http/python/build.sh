#!/bin/sh
# Run as `sh python/build.sh`; leaves python/build/python.wasm.
set -eu
cd "$(dirname "$0")"
sh toolchain.sh
mkdir -p build
.venv/bin/componentize-py --quiet --wit-path ../wit --world handler componentize handler --output build/python.wasm
