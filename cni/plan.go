package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

// planFormat is FORMAT of compiler/codec.py.
const planFormat = 1

// A plan is the part of the agent's last good plan that says where the node's pods belong. It is the agent's own
// memory: an agent that starts while the cluster cannot be reached goes by the same file.
type plan struct {
	Format int `json:"format"`
	Pods   []struct {
		Name    string `json:"name"`
		UID     string `json:"uid"`
		Network *int   `json:"network"`
	} `json:"pods"`
}

// readPlan takes nothing for a plan that is not whole.
func readPlan(path string) (plan, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return plan{}, err
	}
	var envelope struct {
		Digest string          `json:"digest"`
		Plan   json.RawMessage `json:"plan"`
	}
	if err := json.Unmarshal(content, &envelope); err != nil {
		return plan{}, err
	}
	if envelope.Digest != fmt.Sprintf("sha256:%x", sha256.Sum256(bytes.TrimSpace(envelope.Plan))) {
		return plan{}, errors.New("the plan is not the one of its digest")
	}
	var read plan
	if err := json.Unmarshal(envelope.Plan, &read); err != nil {
		return plan{}, err
	}
	if read.Format != planFormat {
		return plan{}, fmt.Errorf("format %d is not known", read.Format)
	}
	return read, nil
}

// putsOnDefault says whether the pod is in the plan and of the default network, which has the number 0.
func (p plan) putsOnDefault(name, uid string) bool {
	for _, pod := range p.Pods {
		if pod.Name == name && pod.UID == uid {
			return uid != "" && pod.Network != nil && *pod.Network == 0
		}
	}
	return false
}

// podOf is the pod that the runtime names, as plans name it. Multus says all twice; two different words count for nothing.
func podOf(arguments [][2]string) (name, uid string) {
	said := map[string]string{}
	for _, argument := range arguments {
		if before, twice := said[argument[0]]; twice && before != argument[1] && argument[0] != "IgnoreUnknown" {
			return "", ""
		}
		said[argument[0]] = argument[1]
	}
	return said["K8S_POD_NAMESPACE"] + "/" + said["K8S_POD_NAME"], said["K8S_POD_UID"]
}
