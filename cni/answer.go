package main

import (
	"encoding/json"
	"fmt"

	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/types/create"
)

// An answer is the agent's word on one call: it refuses, or the pod is not Atoll's, or it is done, which
// for ADD comes with a result.
type answer struct {
	refusal  *types.Error
	delegate bool
	result   types.Result
}

// Whatever is not exactly one of these is no answer: to guess could put a pod on the wrong network.
func parseAnswer(command string, line []byte) (answer, error) {
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(line, &fields); err != nil || fields == nil {
		return answer{}, notUnderstood(line)
	}
	if _, failed := fields["code"]; failed {
		return parseRefusal(line)
	}
	if said, ok := fields["delegate"]; ok {
		if len(fields) != 1 || string(said) != "true" {
			return answer{}, notUnderstood(line)
		}
		return answer{delegate: true}, nil
	}
	if command != "ADD" {
		if len(fields) != 0 {
			return answer{}, notUnderstood(line)
		}
		return answer{}, nil
	}
	result, err := create.CreateFromBytes(line)
	if err != nil || !attaches(result) {
		return answer{}, notUnderstood(line)
	}
	return answer{result: result}, nil
}

// attaches says whether a pod has an interface and an address by the result.
func attaches(result types.Result) bool {
	said, err := current.NewResultFromResult(result)
	return err == nil && len(said.Interfaces) > 0 && len(said.IPs) > 0
}

func parseRefusal(line []byte) (answer, error) {
	refusal := &types.Error{}
	if err := json.Unmarshal(line, refusal); err != nil || refusal.Code == 0 {
		return answer{}, notUnderstood(line)
	}
	return answer{refusal: refusal}, nil
}

func notUnderstood(line []byte) away {
	shown := line[:min(len(line), 200)]
	return away{fmt.Sprintf("what it said is not understood: %q", shown)}
}
