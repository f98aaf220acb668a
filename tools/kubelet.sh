#!/bin/sh
# Prints the folder that holds kubelet and coredns, for the tests with a real container runtime, in the
# versions of tools/kubelet/go.mod: a cache, filled once by building them from their Go modules. All else
# it says is on stderr.
set -eu
checkout=$(cd "$(dirname "$0")/.." && pwd)
cd "$checkout/tools/kubelet"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/atoll/kubelet"

fail() {
	echo "kubelet: $*" >&2
	exit 1
}

version=$(awk '$1 == "k8s.io/kubernetes" { print $2; exit }' go.mod)
numbers=${version#v}
stamp=k8s.io/component-base/version
names="-X $stamp.gitVersion=$version -X $stamp.gitMajor=${numbers%%.*} -X $stamp.gitMinor=$(echo "$numbers" | cut -d. -f2)"
flags="-s -w $names"
key=$(cat go.mod go.sum coredns/main.go - <<END | sha256sum | cut -c1-16
-trimpath $flags
END
)

build() {
	go=$("$checkout/tools/go.sh") || fail "there is no Go to build with: install Go 1.21 or newer (https://go.dev/doc/install)"
	if ! command -v go >/dev/null; then
		GOMODCACHE=$cache/build/modules
		export GOMODCACHE
	fi
	echo "kubelet: building kubelet $version and CoreDNS, once, into $cache (about 6 minutes on two cores)" >&2
	# Its own cache of objects is removed in the end; a build that was interrupted goes on from it.
	export GOCACHE="$cache/build/objects" GOTOOLCHAIN=auto GOFLAGS=-modcacherw GOWORK=off CGO_ENABLED=0
	"$go" mod download >&2 || fail "the Go modules could not be downloaded: look at the message above and run again"
	rm -rf "$cache/build/new"
	mkdir -p "$cache/build/new"
	"$go" build -trimpath -ldflags "$flags" -o "$cache/build/new/" k8s.io/kubernetes/cmd/kubelet ./coredns >&2 ||
		fail "the build failed: look at the messages above and run again"
	mv "$cache/build/new" "$cache/$key"
	rm -rf "$cache/build"
}

if ! [ -d "$cache/$key" ]; then
	mkdir -p "$cache/build"
	exec 9>"$cache/lock"
	flock 9 # whoever builds at the same time
	[ -d "$cache/$key" ] || build
fi
echo "$cache/$key"
