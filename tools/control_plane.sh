#!/bin/sh
# Prints the folder that holds etcd, kube-apiserver, kubectl and helm, for the cluster tests and the
# demo: KUBEBUILDER_ASSETS where that is set and has them; else a cache, filled once by building them
# from their Go modules, in the versions of tools/controlplane/go.mod. All else it says is on stderr.
set -eu
checkout=$(cd "$(dirname "$0")/.." && pwd)
cd "$checkout/tools/controlplane"
subject="control plane"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/atoll/controlplane"
. "$checkout/tools/build_once.sh"
remedy=", or set KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver, kubectl and helm"
effort="etcd, kube-apiserver $version, kubectl and helm (about 7 minutes on two cores, 3 GB meanwhile)"

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

# The pipe hides whether the build failed: what it lacks tells.
compile() {
	"$go" build -v -trimpath -ldflags "$flags" -o "$1/" tool 2>&1 | report "$("$go" list -deps tool | wc -l)"
	for program in server helm kube-apiserver kubectl; do
		[ -x "$1/$program" ] || {
			say "there is no $program"
			return 1
		}
	done
	mv "$1/server" "$1/etcd"
}

[ -z "${KUBEBUILDER_ASSETS:-}" ] || use_assets
print_built
