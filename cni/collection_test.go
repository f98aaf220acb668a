package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestGarbageIsCollectedByBoth(t *testing.T) {
	s := newStage(t)
	s.defaultNetwork(bridgeAndPortmap)
	agent := s.answering(notOursAtAll)
	for _, container := range []string{"kept", "lost"} {
		s.call(command{name: "ADD", container: container, args: "NAME=" + container,
			input: s.config("1.1.0", `"runtimeConfig":{"portMappings":[{"HostPort":80,"ContainerPort":8080}]}`)}).prints(defaultResult)
	}
	s.forget()
	valid := `"cni.dev/valid-attachments":[{"containerID":"kept","ifname":"eth0"},{"containerID":"a-network's","ifname":"eth0"}]`
	s.call(command{name: "GC", args: " =", input: s.config("1.1.0", valid)}).prints("")

	if story := s.called(); story != "fake-portmap DEL, fake-bridge DEL, fake-bridge GC, fake-portmap GC" {
		t.Fatalf("called: %s", story)
	}
	calls := s.recorded()
	for _, one := range calls[:2] {
		told := one.Environment
		if told["CNI_CONTAINERID"] != "lost" || told["CNI_ARGS"] != "NAME=lost" || told["CNI_NETNS"] != "/run/netns/pod" {
			t.Errorf("%s was given %v", one.Plugin, one.Environment)
		}
	}
	if !strings.Contains(calls[0].Stdin, `"runtimeConfig":{"portMappings":[{"ContainerPort":8080,"HostPort":80}]}`) {
		t.Errorf("port mappings are gone from %s", calls[0].Stdin)
	}
	if !strings.Contains(calls[2].Stdin, valid) {
		t.Errorf("fake-bridge was given %s", calls[2].Stdin)
	}
	want := []any{
		map[string]any{"containerID": "kept", "ifname": "eth0"}, map[string]any{"containerID": "a-network's", "ifname": "eth0"},
	}
	asked := agent.requests[len(agent.requests)-1]
	if got := asked["config"].(map[string]any)["cni.dev/valid-attachments"]; !reflect.DeepEqual(got, want) {
		t.Errorf("the agent was given %v", got)
	}
	s.forget()
	s.call(command{name: "DEL", container: "kept"}).prints("")
	if story := s.called(); story != "fake-portmap DEL, fake-bridge DEL" {
		t.Errorf("called: %s", story)
	}
}

func TestEachInterfaceIsCollectedWithWhatItWasAddedWith(t *testing.T) {
	s := newStage(t)
	s.defaultNetwork(bridgeAndPortmap)
	s.answering(notOursAtAll)
	for _, ifName := range []string{"eth0", "net1"} {
		s.call(command{name: "ADD", ifName: ifName, args: "NAME=" + ifName}).prints(defaultResult)
	}
	s.forget()
	s.call(command{name: "GC", input: s.config("1.1.0", `"cni.dev/valid-attachments":[]`)}).prints("")
	for _, one := range s.recorded()[:4] {
		if told := one.Environment; told["CNI_ARGS"] != "NAME="+told["CNI_IFNAME"] {
			t.Errorf("%s was given %v", one.Plugin, told)
		}
	}
}

func TestWhereTheDefaultNetworkDisablesCollectionOnlyTheAgentCollects(t *testing.T) {
	s := newStage(t)
	s.defaultNetwork(strings.Replace(bridgeAndPortmap, `"name"`, `"disableGC":true,"name"`, 1))
	agent := s.answering(notOursAtAll)
	s.call(command{name: "ADD", container: "another-runtimes"}).prints(defaultResult)
	s.forget()
	s.call(command{name: "GC", input: s.config("1.1.0", `"cni.dev/valid-attachments":[]`)}).prints("")
	if asked, story := agent.commands(), s.called(); asked != "ADD GC" || story != "" {
		t.Errorf("the agent was asked %q, the default network %q", asked, story)
	}
	s.call(command{name: "DEL", container: "another-runtimes"}).prints("")
	if story := s.called(); story != "fake-portmap DEL, fake-bridge DEL" {
		t.Errorf("called: %s", story)
	}
}

func TestNoAttachmentIsValidWhereTheRuntimeKnowsNone(t *testing.T) {
	for _, none := range []string{"null", "[]"} {
		s := newStage(t)
		agent := s.answering(notOursAtAll)
		s.call(command{name: "GC", input: s.config("1.1.0", `"cni.dev/valid-attachments":`+none)}).prints("")
		got, err := json.Marshal(agent.requests[0]["config"].(map[string]any)["cni.dev/valid-attachments"])
		if err != nil || string(got) != "[]" {
			t.Errorf("the agent was given %s", got)
		}
	}
}

func TestACollectionThatNamesNoAttachmentsEndsNone(t *testing.T) {
	s := newStage(t)
	s.defaultNetwork(bridgeAndPortmap)
	agent := s.answering(notOursAtAll)
	s.call(command{name: "GC"}).fails(7, "cni.dev/valid-attachments: missing")
	s.call(command{name: "GC", input: s.config("1.1.0", `"cni.dev/valid-attachments":"all"`)}).fails(7,
		"cni.dev/valid-attachments: json: cannot unmarshal string into Go value of type []types.GCAttachment")
	if asked, story := agent.commands(), s.called(); asked != "" || story != "" {
		t.Errorf("the agent was asked %q, the default network %q", asked, story)
	}
}

func TestTheDefaultNetworksGarbageIsCollectedEvenWithoutTheAgent(t *testing.T) {
	s := newStage(t)
	s.defaultNetwork(bridgeAndPortmap)
	s.call(command{name: "GC", input: s.config("1.1.0", `"cni.dev/valid-attachments":[]`)}).fails(11,
		s.without("SOCKET: there is no socket"))
	if story := s.called(); story != "fake-bridge GC, fake-portmap GC" {
		t.Errorf("called: %s", story)
	}
}

func TestBothFailuresOfACollectionAreTold(t *testing.T) {
	s := newStage(t)
	s.defaultNetwork(bridgeAndPortmap)
	s.answering(map[string]string{"GC": `{"code": 100, "msg": "cannot remove link"}`})
	s.says("fake-bridge", "GC", `{"code": 103, "msg": "cannot release"}`)
	s.call(command{name: "GC", input: s.config("1.1.0", `"cni.dev/valid-attachments":[]`)}).fails(100,
		"cannot remove link; failed to GC plugin fake-bridge: cannot release")
	if story := s.called(); story != "fake-bridge GC, fake-portmap GC" {
		t.Errorf("called: %s", story)
	}
}

func TestACollectionClearsAwayWhatAKilledWriterLeft(t *testing.T) {
	s := newStage(t)
	s.answering(notOursAtAll)
	folder := filepath.Join(s.cache, "atoll", "attachments")
	must(t, os.MkdirAll(folder, 0o700))
	s.write(filepath.Join(folder, ".new-123"), "{")
	s.call(command{name: "GC", input: s.config("1.1.0", `"cni.dev/valid-attachments":[]`)}).prints("")
	if left, _ := os.ReadDir(folder); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestTheNodeIsReadyOnlyWithAgentAndDefaultNetwork(t *testing.T) {
	for name, want := range map[string]struct {
		agent, network string
		code           int
		message        string
	}{
		"both ready":                {"{}", "", 0, ""},
		"the agent is not":          {`{"code": 50, "msg": "this node has no plan yet"}`, "", 50, "this node has no plan yet"},
		"the default network isn't": {"{}", `{"code": 51, "msg": "no subnet yet"}`, 51, "no subnet yet"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.defaultNetwork(bridgeAndPortmap)
			s.answering(map[string]string{"STATUS": want.agent})
			if want.network != "" {
				s.says("fake-portmap", "STATUS", want.network)
			}
			outcome := s.call(command{name: "STATUS"})
			if want.code == 0 {
				outcome.prints("")
			} else {
				outcome.fails(want.code, want.message)
			}
		})
	}
}

func TestTheNodeIsNotReadyWithoutTheDefaultNetworksConfiguration(t *testing.T) {
	s := newStage(t)
	s.answering(notOursAtAll)
	s.call(command{name: "STATUS"}).fails(50, "the default network has no configuration in "+s.conf)
	s.call(command{name: "ADD"}).fails(11, "the default network has no configuration in "+s.conf)
	s.call(command{name: "CHECK"}).fails(11, "the default network has no configuration in "+s.conf)
}
