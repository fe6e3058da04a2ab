#!/usr/bin/env bash
# Creates .venv/ from requirements/test.txt and installs this checkout in it, editable.
# Does nothing, and needs no network, when the stamp says that it is done already.
# Usage: scripts/venv.sh [NAME]     NAME of a file in requirements/ (default: test)
set -euo pipefail
cd "$(dirname "$0")/.."

pins="requirements/${1:-test}.txt"
stamp=".venv/.installed-${1:-test}"

say() { printf '%s\n' "$*" >&2; }
die() { say "$@"; exit 1; }

install_hint() { # the command that installs Debian package $1, or its likes
    if command -v apt-get >/dev/null; then echo "apt-get install $1"
    elif command -v dnf >/dev/null; then echo "dnf install python3"
    elif command -v brew >/dev/null; then echo "brew install python"
    else echo "your system's package manager: $1"; fi
}

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if is_new_enough "$candidate"; then echo "$candidate"; return; fi
    done
    die "Holdfast needs Python 3.11 or newer; found: $(python3 --version 2>/dev/null || echo none)." \
        "Install it with: $(install_hint "python3 python3-venv")   or name one: make PYTHON=/path/to/python"
}

create_environment() {
    local python
    python=$(find_python)
    "$python" -c 'import ensurepip, venv' 2>/dev/null || die "$python cannot create virtual environments." \
        "Install what is missing with: $(install_hint python3-venv)"
    say "Creating .venv with $("$python" --version)"
    rm -rf .venv
    "$python" -m venv .venv
}

show_progress() { # pip's log on stdin, one line per package on stderr
    local line total done=0
    total=$(grep -c '^[A-Za-z0-9]' "$pins")
    while IFS= read -r line; do
        case "$line" in
            Collecting*) done=$((done + 1)); line=${line#Collecting }; say "  [$done/$total] ${line%% *}" ;;
            Installing*) say "  installing" ;;
        esac
    done
}

# Whoever comes second waits here, and then finds the work done.
if command -v flock >/dev/null; then exec 9>.venv.lock; flock 9; fi

state=$(cat "$pins" pyproject.toml <(pwd) | cksum)
is_new_enough .venv/bin/python || create_environment
[ "$(cat "$stamp" 2>/dev/null)" != "$state" ] || exit 0

rm -f "$stamp"
say "Installing $pins into .venv"
.venv/bin/python -m pip install --disable-pip-version-check --require-hashes -r "$pins" | show_progress ||
    die "The packages of $pins could not be installed (see above). The first time needs a package index that" \
        "pip can reach; run the same command again to go on."
.venv/bin/python -m pip install --disable-pip-version-check --quiet \
    --no-index --no-deps --no-build-isolation --editable .
echo "$state" >"$stamp"
say "The virtual environment .venv is ready"
