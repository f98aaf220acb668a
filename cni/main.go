// The CNI plugin of Atoll: asks the node's agent, and hands what is not Atoll's to the default network.
package main

import (
	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	"github.com/containernetworking/cni/pkg/version"
)

var _ = 0

func main() {
	refuse := func(*skel.CmdArgs) error { return types.NewError(types.ErrTryAgainLater, "not yet", "") }
	skel.PluginMainFuncs(skel.CNIFuncs{Add: refuse, Del: refuse, Check: refuse, GC: refuse, Status: refuse},
		version.VersionsStartingFrom("0.3.0"), "atoll-cni")
}
