package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/types"
)

// Records say which attachments were handed to the default network, and with which configuration. One is
// written, whole, before the default network is called, and removed after it has let go: that it is there
// proves the agent's word. Nothing is synced: a crash of the kernel ends every attachment too.
type records struct{ folder string }

func recordsIn(cacheDir string) records {
	return records{folder: filepath.Join(ownCache(cacheDir), "attachments")}
}

// The runtime's own cache lists its attachments by files: ours beside them would be taken for its own.
func ownCache(cacheDir string) string {
	return filepath.Join(cacheDir, "atoll")
}

// Neither an identifier of a container nor the name of an interface can contain a colon.
func (r records) path(of types.GCAttachment) string {
	return filepath.Join(r.folder, of.ContainerID+":"+of.IfName)
}

func (r records) write(of types.GCAttachment, list *libcni.NetworkConfigList) error {
	content, err := json.Marshal(snapshotOf(list))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(r.folder, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(r.folder, ".new-")
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err := errors.Join(err, file.Close()); err != nil {
		_ = os.Remove(file.Name())
		return err
	}
	return os.Rename(file.Name(), r.path(of))
}

func (r records) exists(of types.GCAttachment) bool {
	_, err := os.Lstat(r.path(of))
	return err == nil
}

// list is the configuration of the ADD; nil where there is no record, or a damaged one.
func (r records) list(of types.GCAttachment) *libcni.NetworkConfigList {
	content, err := os.ReadFile(r.path(of))
	if err != nil {
		return nil
	}
	taken := snapshot{}
	if json.Unmarshal(content, &taken) != nil {
		return nil
	}
	list, err := taken.list()
	if err != nil {
		return nil
	}
	return list
}

func (r records) remove(of types.GCAttachment) error {
	err := os.Remove(r.path(of))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// all also clears away what writers left that were killed; none is at work during GC.
func (r records) all() []types.GCAttachment {
	entries, err := os.ReadDir(r.folder)
	if err != nil {
		return nil
	}
	var found []types.GCAttachment
	for _, entry := range entries {
		container, name, ok := strings.Cut(entry.Name(), ":")
		if ok {
			found = append(found, types.GCAttachment{ContainerID: container, IfName: name})
		} else if strings.HasPrefix(entry.Name(), ".new-") {
			_ = os.Remove(filepath.Join(r.folder, entry.Name()))
		}
	}
	return found
}
