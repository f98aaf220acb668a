package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	cniversion "github.com/containernetworking/cni/pkg/version"
)

// Set for all that the default network calls: who finds it was called in a circle.
const circleMark = "ATOLL_CNI_HANDED_OVER"

// A handover calls the default network in the runtime's place, by the library that runtimes use, with
// a cache of its own.
type handover struct {
	config     config
	attachment types.GCAttachment
	runtime    *libcni.RuntimeConf
	path       []string
	records    records
}

// newHandover is for all commands; those without an attachment have empty names.
func newHandover(config config, args *skel.CmdArgs) (handover, error) {
	if os.Getenv(circleMark) != "" {
		return handover{}, invalid("the default network calls %s again: name another configuration in defaultNetwork", config.Type)
	}
	arguments, err := parseArguments(args.Args)
	if err != nil {
		return handover{}, err
	}
	if err := os.Setenv(circleMark, "1"); err != nil {
		return handover{}, err
	}
	return handover{
		config:     config,
		attachment: types.GCAttachment{ContainerID: args.ContainerID, IfName: args.IfName},
		path:       filepath.SplitList(args.Path),
		records:    recordsIn(config.CacheDir),
		runtime: &libcni.RuntimeConf{
			ContainerID:    args.ContainerID,
			NetNS:          args.Netns,
			IfName:         args.IfName,
			Args:           arguments,
			CapabilityArgs: capabilityArguments(config.RuntimeConfig),
		},
	}, nil
}

// The default network must read the same CNI_ARGS: what libcni would write otherwise is refused.
func parseArguments(text string) ([][2]string, error) {
	if text == "" {
		return nil, nil
	}
	var pairs [][2]string
	for part := range strings.SplitSeq(text, ";") {
		key, value, found := strings.Cut(part, "=")
		if !found {
			return nil, types.NewError(types.ErrInvalidEnvironmentVariables,
				fmt.Sprintf("CNI_ARGS: %q is not of the form key=value", part), "")
		}
		pairs = append(pairs, [2]string{key, value})
	}
	return pairs, nil
}

func capabilityArguments(given map[string]json.RawMessage) map[string]any {
	values := make(map[string]any, len(given))
	for capability, value := range given {
		values[capability] = value
	}
	return values
}

func (h handover) cni(cache string, execution *execution) *libcni.CNIConfig {
	return libcni.NewCNIConfigWithCacheDir(h.path, cache, execution)
}

func (h handover) own() *libcni.CNIConfig {
	return h.cni(ownCache(h.config.CacheDir), newExecution())
}

// add returns what the runtime shall read: the last plugin's own words, where it speaks the same version.
func (h handover) add() ([]byte, error) {
	list, err := defaultList(h.config)
	if err != nil {
		return nil, notNow(err)
	}
	if err := h.records.write(h.attachment, list); err != nil {
		return nil, types.NewError(types.ErrIOFailure, "no record can be kept: "+err.Error(), "")
	}
	execution := newExecution()
	result, err := h.cni(ownCache(h.config.CacheDir), execution).AddNetworkList(context.Background(), list, h.runtime)
	if err != nil {
		return nil, err
	}
	if list.CNIVersion == h.config.CNIVersion {
		return execution.printed, nil
	}
	return converted(result, h.config.CNIVersion)
}

func (h handover) del() error {
	list, cni, err := h.attachedWith()
	if errors.Is(err, errNoDefault) && !h.isFormer() {
		return nil // nothing knows of it, and there is nobody to ask
	}
	if err != nil {
		return notNow(err)
	}
	if err := cni.DelNetworkList(context.Background(), list, h.runtime); err != nil {
		return err
	}
	return h.records.remove(h.attachment)
}

func (h handover) check() error {
	list, cni, err := h.attachedWith()
	if err != nil {
		return notNow(err)
	}
	if able, err := cniversion.GreaterThanOrEqualTo(list.CNIVersion, "0.4.0"); err != nil || !able {
		return err
	}
	return cni.CheckNetworkList(context.Background(), list, h.runtime)
}

// attachedWith is the configuration of the attachment's ADD and the cache that holds its result: ours; or the
// runtime's, of the time before Atoll was installed; or at last what the default network is now.
func (h handover) attachedWith() (*libcni.NetworkConfigList, *libcni.CNIConfig, error) {
	if list := h.records.list(h.attachment); list != nil {
		return list, h.own(), nil
	}
	list, err := defaultList(h.config)
	if err != nil {
		return nil, nil, err
	}
	// Of another name it may be a meta-plugin's, which is just calling this one.
	if former := h.former()[list.Name]; former != nil {
		return former, h.cni(h.config.CacheDir, newExecution()), nil
	}
	return list, h.own(), nil
}

// former are the configurations by which the runtime itself attached the interface, by their names.
func (h handover) former() map[string]*libcni.NetworkConfigList {
	cached, err := h.cni(h.config.CacheDir, newExecution()).GetCachedAttachments(h.attachment.ContainerID)
	if err != nil {
		return nil
	}
	lists := map[string]*libcni.NetworkConfigList{}
	for _, attachment := range cached {
		if attachment.IfName != h.attachment.IfName {
			continue
		}
		if list, err := cachedList(attachment.Config); err == nil && !callsType(list, h.config.Type) {
			lists[attachment.Network] = list
		}
	}
	return lists
}

func (h handover) isFormer() bool {
	return len(h.former()) > 0
}

// collect detaches what the runtime no longer knows, then calls the default network's own GC. Where its list disables
// GC, it does neither, as a runtime would: what this one does not know may be another's.
func (h handover) collect(valid []types.GCAttachment) error {
	list, err := defaultList(h.config)
	if err == nil && list.DisableGC {
		return nil
	}
	var failures []error
	for _, attachment := range h.records.all() {
		if !slices.Contains(valid, attachment) {
			if err := h.of(attachment).del(); err != nil {
				failures = append(failures, fmt.Errorf("%s: %w", attachment.ContainerID, err))
			}
		}
	}
	if err == nil {
		err = h.own().GCNetworkList(context.Background(), list, &libcni.GCArgs{ValidAttachments: valid})
	}
	if err != nil && !errors.Is(err, errNoDefault) {
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

// of is the same for an attachment whose runtime no longer tells anything: with what its ADD was told.
func (h handover) of(attachment types.GCAttachment) handover {
	h.attachment = attachment
	h.runtime = &libcni.RuntimeConf{ContainerID: attachment.ContainerID, IfName: attachment.IfName}
	cached, err := h.own().GetCachedAttachments(attachment.ContainerID)
	if err != nil {
		return h
	}
	for _, known := range cached {
		if known.IfName == attachment.IfName {
			h.runtime.NetNS = known.NetNS
			h.runtime.Args = known.CniArgs
			h.runtime.CapabilityArgs = known.CapabilityArgs
		}
	}
	return h
}

func (h handover) status() error {
	list, err := defaultList(h.config)
	if err != nil {
		return types.NewError(types.ErrPluginNotAvailable, err.Error(), "")
	}
	return h.own().GetStatusNetworkList(context.Background(), list)
}

func notNow(err error) error {
	if errors.Is(err, errNoDefault) {
		return tryAgain("%s", err)
	}
	return err
}
