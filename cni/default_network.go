package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containernetworking/cni/libcni"
)

var configExtensions = []string{".conf", ".conflist", ".json"}

// errNoDefault: nothing there, at least now. Whoever writes the file may be about to.
var errNoDefault = errors.New("the default network has no configuration")

// defaultList is the configuration of the cluster's default network, as runtimes would load it. Without a name it is
// the first behind the plugin's own: what sorts before that calls the plugin, as Multus does, or it would not be called.
func defaultList(config config) (*libcni.NetworkConfigList, error) {
	if slices.Contains(configExtensions, filepath.Ext(config.DefaultNetwork)) {
		return namedList(filepath.Join(config.ConfDir, config.DefaultNetwork), config.Type)
	}
	files, err := libcni.ConfFiles(config.ConfDir, configExtensions)
	if err != nil {
		return nil, tryAgain("%s: %s", config.ConfDir, err)
	}
	slices.Sort(files)
	var chosen *libcni.NetworkConfigList
	var broken []string
	own := false
	for _, file := range files {
		list, err := loadList(file)
		switch {
		case err != nil:
			broken = append(broken, file+": "+err.Error())
		case callsType(list, config.Type):
			if config.DefaultNetwork == "" && !own {
				chosen = nil
			}
			own = true
		case chosen == nil && (config.DefaultNetwork == "" || config.DefaultNetwork == list.Name):
			chosen = list
		}
	}
	if chosen == nil {
		return nil, fmt.Errorf("%w in %s%s", errNoDefault, config.ConfDir, because(config.DefaultNetwork, broken))
	}
	return chosen, nil
}

func because(name string, broken []string) string {
	text := ""
	if name != "" {
		text = fmt.Sprintf(" of the name %q", name)
	}
	if len(broken) > 0 {
		text += " (" + strings.Join(broken, "; ") + ")"
	}
	return text
}

func namedList(file, ownType string) (*libcni.NetworkConfigList, error) {
	list, err := loadList(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: there is no %s", errNoDefault, file)
	case err != nil:
		return nil, tryAgain("%s: %s", file, err)
	case callsType(list, ownType):
		return nil, invalid("%s: it calls %s itself and cannot be the default network", file, ownType)
	}
	return list, nil
}

func loadList(file string) (*libcni.NetworkConfigList, error) {
	if filepath.Ext(file) == ".conflist" {
		return libcni.NetworkConfFromFile(file)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return listOfOne(content)
}

func listOfOne(content []byte) (*libcni.NetworkConfigList, error) {
	single, err := libcni.NetworkPluginConfFromBytes(content)
	if err != nil {
		return nil, err
	}
	if single.Network.Name == "" {
		return nil, errors.New("the configuration has no name")
	}
	//lint:ignore SA1019 deprecated, and what containerd and CRI-O do with a file of one plugin
	return libcni.ConfListFromConf(single)
}

func callsType(list *libcni.NetworkConfigList, ownType string) bool {
	return slices.ContainsFunc(list.Plugins, func(plugin *libcni.PluginConfig) bool {
		return plugin.Network.Type == ownType
	})
}

// cachedList is the configuration that a runtime wrote into its cache.
func cachedList(content []byte) (*libcni.NetworkConfigList, error) {
	list, err := libcni.NetworkConfFromBytes(content)
	if err == nil && len(list.Plugins) > 0 {
		return list, nil
	}
	return listOfOne(content)
}

// A snapshot is a list as an attachment was made with it, plugins of other files included.
type snapshot struct {
	Name         string            `json:"name"`
	CNIVersion   string            `json:"cniVersion"`
	DisableCheck bool              `json:"disableCheck,omitempty"`
	DisableGC    bool              `json:"disableGC,omitempty"`
	Plugins      []json.RawMessage `json:"plugins"`
}

func snapshotOf(list *libcni.NetworkConfigList) snapshot {
	taken := snapshot{
		Name: list.Name, CNIVersion: list.CNIVersion, DisableCheck: list.DisableCheck, DisableGC: list.DisableGC,
	}
	for _, plugin := range list.Plugins {
		taken.Plugins = append(taken.Plugins, plugin.Bytes)
	}
	return taken
}

func (s snapshot) list() (*libcni.NetworkConfigList, error) {
	content, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	return libcni.NetworkConfFromBytes(content)
}
