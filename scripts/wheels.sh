#!/usr/bin/env bash
# Fills a directory with the wheels that the images install: this checkout's own, and the pinned ones that it needs.
# The images' Dockerfiles take the directory by `--build-context wheels=DIRECTORY`, and then need no package index.
# Usage: scripts/wheels.sh DIRECTORY [NAME...]     NAMEs of files in requirements/ (default: base operator)
set -euo pipefail

[ $# -gt 0 ] || { sed -n 's/^# Usage: /Usage: /p' "$0" >&2; exit 2; }
wheels=$(realpath --canonicalize-missing "$1")
cd "$(dirname "$0")/.."
shift
[ $# -gt 0 ] || set -- base operator

IMAGE_PYTHON=3.11 # that of the images, which need not be the one that runs here

say() { printf '%s\n' "$*" >&2; }
die() { say "$@"; exit 1; }

python=python3
[ ! -x .venv/bin/python ] || python=.venv/bin/python
pip() { "$python" -m pip --disable-pip-version-check "$@"; }

fetch() { # fetch NAME: the wheels of requirements/NAME.txt, unless they are there
    local pins="requirements/$1.txt" stamp="$wheels/.fetched-$1"
    [ -e "$pins" ] || die "There is no $pins. There are: $(cd requirements && echo *.txt)"
    [ "$(cat "$stamp" 2>/dev/null)" != "$(cksum <"$pins")" ] || return 0
    say "Fetching the wheels of $pins"
    pip download --quiet --no-deps --only-binary :all: --python-version "$IMAGE_PYTHON" --require-hashes \
        --requirement "$pins" --dest "$wheels" ||
        die "The wheels of $pins could not be fetched (see above). The first time needs a package index that pip can reach."
    cksum <"$pins" >"$stamp"
}

build() { # this checkout's own wheel, by the pinned build tools
    "$python" -m venv "$scratch/venv"
    "$scratch/venv/bin/pip" install --quiet --disable-pip-version-check --no-index --find-links "$wheels" \
        --require-hashes --requirement requirements/build.txt
    "$scratch/venv/bin/pip" wheel --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation \
        --wheel-dir "$scratch" .
    rm -f "$wheels"/holdfast-*.whl
    mv "$scratch"/holdfast-*.whl "$wheels"
}

mkdir -p "$wheels"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for name in build "$@"; do fetch "$name"; done
build
say "$(find "$wheels" -name '*.whl' | wc -l) wheels are in $wheels"
