#!/bin/sh
# Prints the folder that holds etcd, kube-apiserver, kubectl and helm, for the cluster tests and the
# demo: KUBEBUILDER_ASSETS where that is set and has them; else a cache, filled once by building them
# from their Go modules, in the versions of tools/controlplane/go.mod. All else it says is on stderr.
set -eu
checkout=$(cd "$(dirname "$0")/.." && pwd)
cd "$checkout/tools/controlplane"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/atoll/controlplane"

say() {
	echo "control plane: $*" >&2
}

fail() {
	say "$@"
	exit 1
}

version=$(awk '$1 == "k8s.io/kubernetes" { print $2; exit }' go.mod)
numbers=${version#v}
stamp=k8s.io/component-base/version
names="-X $stamp.gitVersion=$version -X $stamp.gitMajor=${numbers%%.*} -X $stamp.gitMinor=$(echo "$numbers" | cut -d. -f2)"
flags="-s -w $names"
key=$(cat go.mod go.sum - <<END | sha256sum | cut -c1-16
-trimpath $flags
END
)

use_assets() {
	for program in etcd kube-apiserver; do
		if ! [ -x "$KUBEBUILDER_ASSETS/$program" ]; then
			say "KUBEBUILDER_ASSETS=$KUBEBUILDER_ASSETS has no $program: not used"
			return
		fi
	done
	[ -x "$KUBEBUILDER_ASSETS/kubectl" ] || say "no kubectl in $KUBEBUILDER_ASSETS: tests that read its output will be skipped"
	[ -x "$KUBEBUILDER_ASSETS/helm" ] || say "no helm in $KUBEBUILDER_ASSETS: the chart's tests will be skipped"
	(cd "$KUBEBUILDER_ASSETS" && pwd)
	exit
}

find_go() {
	go=$("$checkout/tools/go.sh") ||
		fail "there is neither etcd and kube-apiserver nor a Go to build them with. Install Go 1.21 or newer" \
			"(https://go.dev/doc/install), or set KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver, kubectl and helm"
	# Modules of a Go that nobody here works with need not stay.
	if ! command -v go >/dev/null; then
		GOMODCACHE=$cache/build/modules
		export GOMODCACHE
	fi
}

# A line for every hundredth package; compiling takes most of the time, then come four links.
report() {
	count=0
	while read -r line; do
		case $line in
		*[!a-zA-Z0-9._/-]*) say "$line" ;;
		*)
			count=$((count + 1))
			[ $((count % 100)) != 0 ] || say "$count packages of $1"
			;;
		esac
	done
}

build() {
	find_go
	say "building etcd, kube-apiserver $version, kubectl and helm, once, into $cache (about 7 minutes on two cores)"
	# Its own cache of objects, 3 GB, is removed in the end; a build that was interrupted goes on from it.
	export GOCACHE="$cache/build/objects" GOTOOLCHAIN=auto GOFLAGS=-modcacherw GOWORK=off CGO_ENABLED=0
	"$go" mod download >&2 || fail "the Go modules could not be downloaded: look at the message above and run again"
	rm -rf "$cache/build/new"
	mkdir -p "$cache/build/new"
	{
		"$go" build -v -trimpath -ldflags "$flags" -o "$cache/build/new/" tool 2>&1 || echo "the build failed"
	} | report "$("$go" list -deps tool | wc -l)"
	for program in server helm kube-apiserver kubectl; do
		[ -x "$cache/build/new/$program" ] || fail "there is no $program: look at the messages above and run again"
	done
	mv "$cache/build/new/server" "$cache/build/new/etcd"
	mv "$cache/build/new" "$cache/$key"
	rm -rf "$cache/build"
	say "built"
}

[ -z "${KUBEBUILDER_ASSETS:-}" ] || use_assets
if ! [ -d "$cache/$key" ]; then
	mkdir -p "$cache/build"
	exec 9>"$cache/lock"
	flock 9 # whoever builds at the same time
	[ -d "$cache/$key" ] || build
fi
echo "$cache/$key"
