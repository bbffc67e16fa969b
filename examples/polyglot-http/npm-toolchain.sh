#!/bin/sh
# Installs the pinned npm packages that the builds share, once. Builds may start side by side, hence the lock.
set -eu
cd "$(dirname "$0")"
# npm writes this file last, with the lock file's time or later.
fresh='[ node_modules/.package-lock.json -nt package-lock.json ]'
sh -c "$fresh" && exit 0
install="$fresh || npm ci --no-audit --no-fund"
if command -v flock >/dev/null; then
  flock .npm-toolchain.lock sh -c "$install"
else
  sh -c "$install"
fi
