#!/bin/sh
# Prints the folder that holds kubelet, coredns, crictl and multus, for the tests with a real container
# runtime, in the versions of tools/kubelet/go.mod and, as Multus does not go with so new a Kubernetes, of
# tools/kubelet/multus/go.mod: a cache, filled once by building them from their Go modules. All else it
# says is on stderr.
set -eu
checkout=$(cd "$(dirname "$0")/.." && pwd)
cd "$checkout/tools/kubelet"
subject=kubelet
cache="${XDG_CACHE_HOME:-$HOME/.cache}/atoll/kubelet"
. "$checkout/tools/build_once.sh"
effort="kubelet $version, CoreDNS, crictl and Multus (about 8 minutes on two cores)"

compile() {
	"$go" build -trimpath -ldflags "$flags" -o "$1/" tool ./coredns >&2 &&
		"$go" -C multus build -trimpath -ldflags "$flags" -o "$1/" tool >&2
}

print_built coredns/main.go multus/go.mod multus/go.sum
