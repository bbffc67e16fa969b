#!/bin/sh
# Builds every foreign guest into one target directory: $CARGO_TARGET_DIR, else `target` beside this file. Each crate is a
# workspace of its own, but what two of them have in common is compiled once.
set -eu
cd "$(dirname "$0")"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
for manifest in */Cargo.toml; do
  cargo build --quiet --locked --release --target wasm32-wasip2 --manifest-path "$manifest"
done
ls -l "$CARGO_TARGET_DIR"/wasm32-wasip2/release/*.wasm
