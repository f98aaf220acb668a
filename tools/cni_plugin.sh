#!/bin/sh
# Prints the path of the CNI plugin's binary, built from cni/ once for each state of its sources. It is
# static, and the same bytes for the same sources, Go and processor. All else it says is on stderr.
set -eu
checkout=$(cd "$(dirname "$0")/.." && pwd)
cd "$checkout/cni"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/atoll/cni"
go=$("$checkout/tools/go.sh")
version=$(sed -n 's/^version = "\(.*\)"/\1/p' ../pyproject.toml)
flags="-s -w -X main.version=$version"
export CGO_ENABLED=0 GOTOOLCHAIN=auto GOWORK=off GOFLAGS=-modcacherw

key=$({
	"$go" env GOVERSION GOARCH GOAMD64 GOARM64
	echo "-trimpath $flags"
	for file in go.mod go.sum *.go; do
		case $file in *_test.go) ;; *) cat "$file" ;; esac
	done
} | sha256sum | cut -c1-16)

if ! [ -x "$cache/$key/atoll-cni" ]; then
	mkdir -p "$cache"
	new=$(mktemp -d "$cache/new.XXXXXX")
	trap 'rm -rf "$new"' EXIT
	if ! "$go" build -trimpath -buildvcs=false -ldflags "$flags" -o "$new/atoll-cni" . >&2; then
		echo "cni plugin: the build failed: look at the messages above and run again" >&2
		exit 1
	fi
	chmod 755 "$new"
	# Whoever built at the same time may have been first: it is the same.
	mv -T "$new" "$cache/$key" 2>/dev/null || [ -x "$cache/$key/atoll-cni" ]
fi
echo "$cache/$key/atoll-cni"
