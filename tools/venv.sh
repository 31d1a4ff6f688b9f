#!/bin/sh
# tools/venv.sh run|dev
# Makes .venv if there is none, installs what requirements/$1.txt names, exactly and checked by
# hash, and then the project itself, so that its commands are in .venv/bin and follow the source.
set -eu
cd "$(dirname "$0")/.."
requirements=requirements/$1.txt

PIP_DISABLE_PIP_VERSION_CHECK=1
PIP_ROOT_USER_ACTION=ignore
export PIP_DISABLE_PIP_VERSION_CHECK PIP_ROOT_USER_ACTION

# An interrupted attempt, or a Python that was upgraded away, leaves one that does not work.
if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    python=$(tools/python.sh)
    echo "Making .venv with $python"
    "$python" -m venv --clear .venv
fi

echo "Installing $requirements into .venv"
# The file is complete, so nothing is to be resolved. Told to look all the same, pip meets "coverage[toml]",
# which the file spells "coverage", and stops as soon as there is a later release than the file's.
.venv/bin/python -m pip install --quiet --no-deps --require-hashes --requirement "$requirements"
.venv/bin/python -m pip check --quiet
# The tool that builds is among the requirements: nothing is fetched for this.
PYTHONWARNINGS=ignore .venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
