package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/containernetworking/cni/pkg/types"
)

// A config is the plugin's standard input: what docs/reference/cni.md describes, and what runtimes add.
type config struct {
	CNIVersion     string `json:"cniVersion"`
	Type           string `json:"type"`
	Socket         string `json:"socket"`
	Plan           string `json:"plan"`
	ConfDir        string `json:"confDir"`
	DefaultNetwork string `json:"defaultNetwork"`
	CacheDir       string `json:"cacheDir"`

	// As it came: the default network's plugins must read the same bytes.
	RuntimeConfig map[string]json.RawMessage `json:"runtimeConfig"`

	Attachments json.RawMessage `json:"cni.dev/valid-attachments"`
	PrevResult  json.RawMessage `json:"prevResult"`
}

func parseConfig(input []byte) (config, error) {
	parsed := config{
		Socket:   "/run/atoll/agent.sock",
		Plan:     "/var/lib/atoll/plan.json",
		ConfDir:  "/etc/cni/net.d",
		CacheDir: "/var/lib/cni",
	}
	if err := json.Unmarshal(input, &parsed); err != nil {
		return parsed, types.NewError(types.ErrDecodingFailure, "the network configuration: "+err.Error(), "")
	}
	for field, path := range map[string]string{
		"socket": parsed.Socket, "plan": parsed.Plan, "confDir": parsed.ConfDir, "cacheDir": parsed.CacheDir,
	} {
		if !filepath.IsAbs(path) {
			return parsed, invalid("%s: %q is not an absolute path", field, path)
		}
	}
	if strings.Contains(parsed.DefaultNetwork, "/") {
		return parsed, invalid("defaultNetwork: %q: give the name of a file in confDir or of a network", parsed.DefaultNetwork)
	}
	return parsed, nil
}

// valid are the attachments that GC must leave. Libcni writes null for none; a call without the field says
// nothing of any attachment, and must not end them all.
func (c config) valid() ([]types.GCAttachment, error) {
	var attachments []types.GCAttachment
	if c.Attachments == nil {
		return nil, invalid("cni.dev/valid-attachments: missing")
	}
	if err := json.Unmarshal(c.Attachments, &attachments); err != nil {
		return nil, invalid("cni.dev/valid-attachments: %s", err)
	}
	return attachments, nil
}

func invalid(format string, values ...any) *types.Error {
	return types.NewError(types.ErrInvalidNetworkConfig, fmt.Sprintf(format, values...), "")
}

// Runtimes retry what fails with this code.
func tryAgain(format string, values ...any) *types.Error {
	return types.NewError(types.ErrTryAgainLater, fmt.Sprintf(format, values...), "")
}
