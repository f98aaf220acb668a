package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestTheVersionIsTold(t *testing.T) {
	output, err := exec.Command(plugin, "--version").Output()
	if want := "atoll-cni 1.2.3 (CNI 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0)\n"; err != nil || string(output) != want {
		t.Errorf("said %q, %v", output, err)
	}
}

func TestTheProtocolsVersionsAreTold(t *testing.T) {
	s := newStage(t)
	s.call(command{name: "VERSION", input: `{"cniVersion":"1.1.0"}`}).prints(
		`{"cniVersion":"1.1.0","supportedVersions":["0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]}`)
}

func TestWhoCallsItByHandIsToldWhatItIs(t *testing.T) {
	process := exec.Command(plugin)
	process.Env = []string{}
	output, err := process.CombinedOutput()
	want := "CNI plugin atoll-cni 1.2.3\nCNI protocol versions supported: 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0\n"
	if err != nil || string(output) != want {
		t.Errorf("said %q, %v", output, err)
	}
}

func TestTheBinaryNeedsNoLibraries(t *testing.T) {
	output, _ := exec.Command("ldd", plugin).CombinedOutput()
	if !strings.Contains(string(output), "not a dynamic executable") {
		t.Errorf("ldd says %s", output)
	}
}

func TestWhatIsWrongWithACallIsNamed(t *testing.T) {
	s := newStage(t)
	s.answering(notOursAtAll)
	for name, wrong := range map[string]struct {
		call    command
		code    int
		message string
		details string
	}{
		"no JSON":       {command{name: "ADD", input: "{"}, 6, "error unmarshall network config: unexpected end of JSON input", ""},
		"no name":       {command{name: "ADD", input: `{"cniVersion":"1.1.0"}`}, 7, "missing network name", ""},
		"odd container": {command{name: "ADD", container: "../x"}, 4, "invalid characters in containerID", "../x"},
		"odd arguments": {command{name: "ADD", args: "a=b;c"}, 4, `CNI_ARGS: "c" is not of the form key=value`, ""},
		"too old": {
			command{name: "ADD", input: s.config("0.2.0")}, 1, "incompatible CNI versions",
			`config is "0.2.0", plugin supports ["0.3.0" "0.3.1" "0.4.0" "1.0.0" "1.1.0"]`,
		},
		"too new": {
			command{name: "ADD", input: s.config("2.0.0")}, 1, "incompatible CNI versions",
			`config is "2.0.0", plugin supports ["0.3.0" "0.3.1" "0.4.0" "1.0.0" "1.1.0"]`,
		},
		"too old to check":   {command{name: "CHECK", input: s.config("0.3.1")}, 1, "config version does not allow CHECK", ""},
		"too old to collect": {command{name: "GC", input: s.config("1.0.0")}, 1, "config version does not allow GC", ""},
		"a relative socket": {
			command{name: "ADD", input: `{"cniVersion":"1.1.0","name":"a","socket":"agent.sock"}`}, 7,
			`socket: "agent.sock" is not an absolute path`, "",
		},
		"a path in the default network's place": {
			command{name: "ADD", input: s.config("1.1.0", `"defaultNetwork":"/etc/a.conflist"`)}, 7,
			`defaultNetwork: "/etc/a.conflist": give the name of a file in confDir or of a network`, "",
		},
		"a number for a path": {
			command{name: "ADD", input: s.config("1.1.0", `"confDir":7`)}, 6,
			"the network configuration: json: cannot unmarshal number into Go struct field config.confDir of type string", "",
		},
		"behind another plugin": {
			command{name: "ADD", input: s.config("1.1.0", `"prevResult":`+result110)}, 7,
			"atoll-cni must be the first plugin of its list: the pod has an interface of another already", "",
		},
		"unknown command": {command{name: "MOVE"}, 4, "unknown CNI_COMMAND: MOVE", ""},
	} {
		t.Run(name, func(t *testing.T) {
			outcome := s.call(wrong.call)
			outcome.t = t
			outcome.failsWith(wrong.code, wrong.message, wrong.details)
		})
	}
	if asked := s.agent.commands(); asked != "" {
		t.Errorf("the agent was asked %s", asked)
	}
}

func TestTheNodesOwnNamespaceIsNoPods(t *testing.T) {
	s := newStage(t)
	agent := s.answering(map[string]string{"ADD": result110})
	process := s.process(command{name: "ADD"})
	process.Env = append(process.Env, "CNI_NETNS=/proc/self/ns/net")
	output, err := process.Output()
	if err == nil || !strings.Contains(string(output), "CNI_NETNS: /proc/self/ns/net is the node's own network namespace") {
		t.Errorf("said %s, %v", output, err)
	}
	if asked := agent.commands(); asked != "" {
		t.Errorf("the agent was asked %s", asked)
	}
}

func TestARecordThatCannotBeWrittenStopsTheHandover(t *testing.T) {
	s := newStage(t)
	s.defaultNetwork(bridgeAndPortmap)
	s.answering(notOursAtAll)
	must(t, os.RemoveAll(s.cache))
	s.write(s.cache, "a file where the folder should be")
	s.call(command{name: "ADD"}).fails(5, "no record can be kept: mkdir "+s.cache+": not a directory")
	if story := s.called(); story != "" {
		t.Errorf("the default network was called: %s", story)
	}
}
