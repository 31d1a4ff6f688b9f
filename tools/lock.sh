#!/bin/sh
# Writes requirements/run.txt and requirements/dev.txt: every package that the project needs, and
# every package that those need, each with its version and the hashes of all its files.
# Further arguments go to pip-compile, for instance `--upgrade` or `--upgrade-package flask`.
set -eu
cd "$(dirname "$0")/.."

python=${PYTHON:-.venv/bin/python}

# An operator's own pip settings (mirrors, local folders) must not reach the files.
PIP_CONFIG_FILE=/dev/null
CUSTOM_COMPILE_COMMAND="make lock"
export PIP_CONFIG_FILE CUSTOM_COMPILE_COMMAND
unset PIP_FIND_LINKS PIP_INDEX_URL PIP_EXTRA_INDEX_URL

compile() {
    "$python" -m piptools compile --quiet --no-config \
        --generate-hashes --strip-extras --allow-unsafe \
        --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
        "$@" pyproject.toml
}

compile --build-deps-for editable --output-file requirements/run.txt "$@"
compile --build-deps-for editable --extra dev --constraint requirements/run.txt \
    --output-file requirements/dev.txt "$@"
