package main

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/containernetworking/cni/pkg/types"
)

// What only the default network's plugins could give, and what a pod of a network does instead.
// Capabilities that merely tell something (dns, cgroupPath, aliases, annotations) are not here.
var wishes = []struct {
	capability string
	asked      func(json.RawMessage) bool
	remedy     string
}{
	{"portMappings", asksForHostPort, "Remove hostPort from the pod's containers: a Service of type NodePort" +
		" or LoadBalancer, opened by the network, leads to the pod"},
	{"bandwidth", asksForRate, "Remove the annotations kubernetes.io/ingress-bandwidth and" +
		" kubernetes.io/egress-bandwidth from the pod"},
	{"ips", asksForAnything, noChoice},
	{"mac", asksForAnything, noChoice},
	{"ipRanges", asksForAnything, noChoice},
	{"infinibandGUID", asksForAnything, noChoice},
	{"deviceID", asksForAnything, noChoice},
}

const noChoice = "Remove the request: in a network the agent alone gives addresses and interfaces"

// refusedWish is what the pod of a network asks for and cannot have; nil if there is nothing.
func refusedWish(runtimeConfig map[string]json.RawMessage, arguments [][2]string) *types.Error {
	for _, wish := range wishes {
		if value, given := runtimeConfig[wish.capability]; given && wish.asked(value) {
			return unsupported("runtimeConfig."+wish.capability, string(value), wish.remedy)
		}
	}
	for _, argument := range arguments {
		if slices.Contains([]string{"IP", "MAC", "GATEWAY"}, argument[0]) && argument[1] != "" {
			return unsupported("CNI_ARGS "+argument[0], argument[1], noChoice)
		}
	}
	return nil
}

func unsupported(key, value, remedy string) *types.Error {
	message := fmt.Sprintf("a pod of a network cannot have %s: %s", key, value)
	return types.NewError(types.ErrUnsupportedField, message, remedy)
}

// Runtimes write the keys in either case, which encoding/json does not distinguish.
func asksForHostPort(value json.RawMessage) bool {
	var mappings []struct{ HostPort int64 }
	if json.Unmarshal(value, &mappings) != nil {
		return true
	}
	return slices.ContainsFunc(mappings, func(mapping struct{ HostPort int64 }) bool { return mapping.HostPort != 0 })
}

func asksForRate(value json.RawMessage) bool {
	var limits struct{ IngressRate, EgressRate json.Number }
	if json.Unmarshal(value, &limits) != nil {
		return true
	}
	return !slices.Contains([]string{"", "0"}, limits.IngressRate.String()) ||
		!slices.Contains([]string{"", "0"}, limits.EgressRate.String())
}

func asksForAnything(value json.RawMessage) bool {
	return !slices.Contains([]string{"null", `""`, "[]", "{}"}, string(value))
}
