#!/bin/sh
# Installs the pinned componentize-py, once, into a virtual environment of its own. It carries the CPython that goes into
# the guest, so the Python that runs it may be any.
set -eu
cd "$(dirname "$0")"
[ .venv/installed -nt requirements.txt ] && exit 0
python3 -m venv .venv
.venv/bin/pip install --quiet --disable-pip-version-check --requirement requirements.txt
touch .venv/installed
