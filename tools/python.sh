#!/bin/sh
# Prints the path of a Python 3.11 or newer that can make virtual environments. Where only Debian's
# venv package is missing, installs it if that needs no password; otherwise says what to do.
# $PYTHON, when set, is the only one tried.
set -eu

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    for candidate in ${PYTHON:-python3.11 python3 python3.14 python3.13 python3.12}; do
        if command -v "$candidate" >/dev/null && new_enough "$candidate"; then
            "$candidate" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    echo "HttpCA needs Python 3.11 or newer, and ${PYTHON:-python3} is not that." >&2
    echo "Install it (Debian 12: apt-get install python3 python3-venv), or name it: make PYTHON=..." >&2
    exit 1
}

can_make_environments() {
    "$1" -c 'import ensurepip, venv' 2>/dev/null
}

# Debian keeps `venv` in a package of its own, one for each version of Python.
venv_package() {
    "$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'
}

# apt-get's own output goes to stderr: stdout is for the path.
install_package() {
    if ! command -v apt-get >/dev/null; then
        return 1
    elif [ "$(id -u)" -eq 0 ]; then
        as_root=
    elif sudo -n true 2>/dev/null; then
        as_root="sudo -n"
    else
        return 1
    fi
    echo "Installing $1, without which Python makes no virtual environment." >&2
    # A machine that has just started may be updating itself: then this waits for its turn.
    $as_root apt-get -o DPkg::Lock::Timeout=600 update -q >&2 &&
        $as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get -o DPkg::Lock::Timeout=600 install -q -y --no-install-recommends "$1" >&2
}

python=$(find_python)
if ! can_make_environments "$python"; then
    package=$(venv_package "$python")
    if ! install_package "$package" || ! can_make_environments "$python"; then
        echo "$python cannot make a virtual environment: its \`venv\` is not installed." >&2
        echo "On Debian and Ubuntu, run: sudo apt-get install $package" >&2
        exit 1
    fi
fi
echo "$python"
