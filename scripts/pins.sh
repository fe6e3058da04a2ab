#!/usr/bin/env bash
# Writes requirements/*.txt from pyproject.toml: exact versions with the hashes of every file of each
# release, for every Python from 3.11 on. One resolution of everything comes first and binds the parts,
# so that any of the files can be installed on top of another.
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install --quiet uv
[ -z "${PIP_CERT:-}" ] || export SSL_CERT_FILE="$PIP_CERT"

compile() {
    "$scratch/venv/bin/uv" pip compile pyproject.toml --quiet --universal --python-version 3.11 \
        --generate-hashes --no-emit-index-url --no-emit-find-links \
        --custom-compile-command "make pins" "$@"
}

compile --all-extras --upgrade --output-file "$scratch/all.txt"
part() {
    echo "requirements/$1.txt"
    compile --constraint "$scratch/all.txt" --no-annotate "${@:2}" --output-file "$scratch/$1.txt"
    mv "$scratch/$1.txt" "requirements/$1.txt"
}
part base
part build --extra build
part dev --extra dev
part operator --extra operator
part test --extra dev --extra operator --extra test
part bench --extra dev --extra operator --extra test --extra bench
