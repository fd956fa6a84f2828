#!/bin/sh
# Install the course from this folder, without a network, and open it.
set -e
cd "$(dirname "$0")/course"
if [ ! -e .venv/.stick-installed ]; then
    "${PYTHON:-python3}" -m venv .venv
    pip=".venv/bin/python -m pip --disable-pip-version-check -q"
    echo "Installing from the stick: a few minutes, and only once ..."
    $pip install --no-index --find-links ../packages --require-hashes -r requirements.lock
    $pip install --no-index --no-deps --no-build-isolation -e .
    touch .venv/.stick-installed
fi
exec .venv/bin/python -m unet_helpers lab "$@"
