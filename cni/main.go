// The CNI plugin of Atoll: one process for each call of the container runtime.
//
// It asks the node's agent. What the agent calls its own is done then; everything else is handed, whole,
// to the cluster's default network. A pod of a network never ends up there: where the agent is silent
// and nothing written down says whose the pod is, the call fails and the runtime tries again.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	cniversion "github.com/containernetworking/cni/pkg/version"
)

// Set by the linker.
var version = "unknown"

var supported = cniversion.VersionsStartingFrom("0.3.0")

// A plugin that is called on behalf of the default network must end with this process, and the kernel
// ties that to the thread that started it (PR_SET_PDEATHSIG, prctl(2)): main keeps to the first one.
func init() {
	runtime.LockOSThread()
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "--version" {
		fmt.Printf("atoll-cni %s (CNI %s)\n", version, strings.Join(supported.SupportedVersions(), ", "))
		return
	}
	call := &call{}
	functions := skel.CNIFuncs{
		Add: call.add, Del: call.del, Check: call.check, GC: call.gc, Status: call.status,
	}
	if err := skel.PluginMainFuncsWithError(functions, supported, "CNI plugin atoll-cni "+version); err != nil {
		printError(call.config.CNIVersion, err)
		os.Exit(1)
	}
}

// The specification wants cniVersion in errors too, which types.Error does not have.
func printError(protocol string, err *types.Error) {
	if protocol == "" {
		protocol = cniversion.Current()
	}
	text, problem := json.MarshalIndent(struct {
		CNIVersion string `json:"cniVersion"`
		types.Error
	}{protocol, *err}, "", "    ")
	if problem == nil {
		_, problem = fmt.Println(string(text))
	}
	if problem != nil {
		fmt.Fprintln(os.Stderr, err, problem)
	}
}
