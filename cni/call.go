package main

import (
	"errors"
	"strings"

	"github.com/containernetworking/cni/pkg/ns"
	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
)

// A call is one command of the runtime: the agent is asked, and then the default network where the
// agent says so, or where it is away and something written down says so in its place.
type call struct {
	config   config
	handover handover
}

func (c *call) begin(args *skel.CmdArgs) (err error) {
	if c.config, err = parseConfig(args.StdinData); err != nil {
		return err
	}
	c.handover, err = newHandover(c.config, args)
	return err
}

func (c *call) ask(command string, args *skel.CmdArgs) (answer, error) {
	asked := agent{socket: c.config.Socket, patience: patience}
	return asked.ask(command, args, c.config.CNIVersion, nil)
}

func (c *call) add(args *skel.CmdArgs) error {
	if err := c.begin(args); err != nil {
		return err
	}
	if c.config.PrevResult != nil {
		return invalid("%s must be the first plugin of its list: the pod has an interface of another already", c.config.Type)
	}
	if err := checkNamespace(args); err != nil {
		return err
	}
	refusal := c.refusal()
	asked := agent{socket: c.config.Socket, patience: addPatience}
	said, err := asked.ask("ADD", args, c.config.CNIVersion, refusal)
	if errors.As(err, &away{}) && c.isCertainlyDefault() {
		said, err = answer{delegate: true}, nil
	}
	switch {
	case err != nil:
		return notServed(err)
	case said.refusal != nil:
		return said.refusal
	case said.delegate:
		return printed(c.handover.add())
	}
	if refusal != nil {
		// An agent that did not listen: what it has made goes at once; the runtime's DEL, which follows, finds nothing.
		_, _ = c.ask("DEL", args)
		return refusal
	}
	return printed(converted(said.result, c.config.CNIVersion))
}

// skel looks only when the work is done.
func checkNamespace(args *skel.CmdArgs) error {
	if override := strings.ToUpper(args.NetnsOverride); override == "TRUE" || override == "1" {
		return nil
	}
	own, err := ns.CheckNetNS(args.Netns)
	if err == nil && own {
		err = types.NewError(types.ErrInvalidNetNS, "CNI_NETNS: "+args.Netns+" is the node's own network namespace", "")
	}
	if err != nil {
		return err
	}
	return nil
}

// Each of these is the agent's own word, written down: that it handed this attachment over once, or that its last
// good plan puts the pod on the default network.
func (c *call) isCertainlyDefault() bool {
	if c.handover.records.exists(c.handover.attachment) {
		return true
	}
	last, err := readPlan(c.config.Plan)
	return err == nil && last.putsOnDefault(podOf(c.handover.runtime.Args))
}

// refusal is why the pod could not be of a network, if it is of one; nil if it could.
func (c *call) refusal() *types.Error {
	if c.handover.records.exists(c.handover.attachment) {
		return tryAgain("container %s is attached to the default network, and its pod is of another: it must be deleted first",
			c.handover.attachment.ContainerID)
	}
	return refusedWish(c.config.RuntimeConfig, c.handover.runtime.Args)
}

func (c *call) del(args *skel.CmdArgs) error {
	return c.attached("DEL", args, handover.del)
}

func (c *call) check(args *skel.CmdArgs) error {
	return c.attached("CHECK", args, handover.check)
}

// With a record the default network is asked whatever the agent says: what was handed over is taken back.
func (c *call) attached(command string, args *skel.CmdArgs, over func(handover) error) error {
	if err := c.begin(args); err != nil {
		return err
	}
	handedOver := c.handover.records.exists(c.handover.attachment)
	said, err := c.ask(command, args)
	if handedOver && errors.As(err, &away{}) {
		said, err = answer{delegate: true}, nil
	}
	switch {
	case err != nil:
		return notServed(err)
	case said.delegate || handedOver:
		if err := over(c.handover); err != nil {
			return err
		}
	}
	if said.refusal != nil {
		return said.refusal
	}
	return nil
}

func (c *call) gc(args *skel.CmdArgs) error {
	if err := c.begin(args); err != nil {
		return err
	}
	valid, err := c.config.valid()
	if err != nil {
		return err
	}
	said, err := c.ask("GC", args)
	if said.refusal != nil {
		err = said.refusal
	}
	return together(notServed(err), c.handover.collect(valid))
}

func (c *call) status(args *skel.CmdArgs) error {
	if err := c.begin(args); err != nil {
		return err
	}
	said, err := c.ask("STATUS", args)
	switch {
	case err != nil:
		return types.NewError(types.ErrPluginNotAvailable, err.Error(), "")
	case said.refusal != nil:
		return said.refusal
	}
	return c.handover.status()
}

func notServed(err error) error {
	if errors.As(err, &away{}) {
		return tryAgain("%s", err)
	}
	return err
}

// The first code, and all that is to say: skel would print the first error alone.
func together(failures ...error) error {
	var first *types.Error
	all := errors.Join(failures...)
	if all == nil {
		return nil
	}
	if !errors.As(all, &first) {
		return all
	}
	return types.NewError(first.Code, strings.ReplaceAll(all.Error(), "\n", "; "), "")
}
