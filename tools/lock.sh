#!/bin/sh
# Writes requirements.lock from pyproject.toml: every package that runs, tests and checks Atoll, for
# every Python and platform, by version and hash. Names no registry.
set -eu
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
.venv/bin/python -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check uv
"$folder/venv/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url --upgrade --extra dev --output-file "$folder/lock" pyproject.toml
{
	echo "# From pyproject.toml by \`make lock\`."
	cat "$folder/lock"
} >requirements.lock
echo "lock: $(grep -c '==' requirements.lock) packages in requirements.lock"
