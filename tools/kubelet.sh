#!/bin/sh
# Prints the folder that holds kubelet and coredns, for the tests with a real container runtime, in the
# versions of tools/kubelet/go.mod: a cache, filled once by building them from their Go modules. All else
# it says is on stderr.
set -eu
checkout=$(cd "$(dirname "$0")/.." && pwd)
cd "$checkout/tools/kubelet"
subject=kubelet
cache="${XDG_CACHE_HOME:-$HOME/.cache}/atoll/kubelet"
. "$checkout/tools/build_once.sh"
effort="kubelet $version and CoreDNS (about 6 minutes on two cores)"

compile() {
	"$go" build -trimpath -ldflags "$flags" -o "$1/" k8s.io/kubernetes/cmd/kubelet ./coredns >&2
}

print_built coredns/main.go
