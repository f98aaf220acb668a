package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/types"
)

const (
	bridgeAndPortmap = `{"cniVersion":"1.1.0","name":"default","plugins":[
		{"type":"fake-bridge","bridge":"cni0","mtu":1450,"ipam":{"type":"host-local","ranges":[[{"subnet":"10.9.0.0/24"}]]}},
		{"type":"fake-portmap","capabilities":{"portMappings":true,"io.kubernetes.cri.pod-annotations":true},"snat":true}]}`
	defaultResult = `{"cniVersion":"1.1.0","interfaces":[{"name":"eth0","sandbox":"/run/netns/pod"}],` +
		`"ips":[{"address":"10.9.0.7/24","gateway":"10.9.0.1","interface":0}]}`
)

// As containerd hands it over: structs, whose keys do not come in the order of the alphabet.
type portMapping struct {
	HostPort, ContainerPort int32
	Protocol, HostIP        string
}

func (s *stage) pod() *libcni.RuntimeConf {
	return &libcni.RuntimeConf{
		ContainerID: "container-1", NetNS: "/run/netns/pod", IfName: "eth0",
		Args: [][2]string{{"K8S_POD_NAME", "cart-0"}, {"IgnoreUnknown", "1"}, {"ODD", "a=b"}, {"EMPTY", ""}},
		CapabilityArgs: map[string]any{
			"portMappings":                      []portMapping{{HostPort: 8080, ContainerPort: 80, Protocol: "tcp"}},
			"io.kubernetes.cri.pod-annotations": map[string]string{"text": "<a> & \"b\" é\u2028", "number": "1e21"},
			"dns":                               map[string]any{"Servers": []string{"10.96.0.10"}},
			"bandwidth":                         map[string]uint64{"IngressRate": 18446744073709551615},
		},
	}
}

func (s *stage) ownList(fields ...string) string {
	capabilities := `"capabilities":{"portMappings":true,"bandwidth":true,"dns":true,"io.kubernetes.cri.pod-annotations":true}`
	return `{"cniVersion":"1.1.0","name":"atoll","plugins":[` + s.config("1.1.0", append(fields, capabilities)...) + `]}`
}

// A story is what one runtime makes of a list: all commands, in the order in which they come in a pod's life.
func (s *stage) story(content string) []recorded {
	s.t.Helper()
	runtime, called, pod := s.runtime(), list(s.t, content), s.pod()
	result, err := runtime.AddNetworkList(background, called, pod)
	must(s.t, err)
	must(s.t, runtime.GetStatusNetworkList(background, called))
	must(s.t, runtime.CheckNetworkList(background, called, pod))
	valid := []types.GCAttachment{{ContainerID: "container-1", IfName: "eth0"}}
	must(s.t, runtime.GCNetworkList(background, called, &libcni.GCArgs{ValidAttachments: valid}))
	must(s.t, runtime.DelNetworkList(background, called, pod))
	must(s.t, runtime.GCNetworkList(background, called, &libcni.GCArgs{}))
	s.write(filepath.Join(s.journal, "result"), compactResult(s.t, result))
	return s.recorded()
}

func compactResult(t *testing.T, result types.Result) string {
	t.Helper()
	var text strings.Builder
	must(t, result.PrintTo(&text))
	return compact(text.String())
}

func TestTheDefaultNetworkSeesWhatTheRuntimeWouldGiveItByteForByte(t *testing.T) {
	for name, defaults := range map[string]string{
		"1.1.0": bridgeAndPortmap,
		"1.0.0": strings.Replace(bridgeAndPortmap, "1.1.0", "1.0.0", 1),
		"0.4.0": strings.Replace(bridgeAndPortmap, "1.1.0", "0.4.0", 1),
		"numbers and signs": `{"cniVersion":"1.1.0","name":"default","plugins":[{"type":"fake-bridge","big":1e21,"small":1e-7,
			"whole":9007199254740993,"float":1.50,"text":"<&>\u2028é","empty":{},"none":null,"capabilities":{"bandwidth":true}}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			direct := newStage(t)
			want := direct.story(defaults)
			s := newStage(t)
			s.defaultNetwork(defaults)
			s.answering(notOursAtAll)
			got := s.story(s.ownList())
			for index := range want {
				want[index].Environment["CNI_PATH"] = s.plugins
			}
			if len(want) < 3 || !reflect.DeepEqual(got, want) {
				t.Errorf("through the plugin:\n%s\ndirectly:\n%s", lines(got), lines(want))
			}
		})
	}
}

func lines(calls []recorded) string {
	var text []string
	for _, one := range calls {
		text = append(text, one.Plugin+" "+one.Environment["CNI_COMMAND"]+" "+one.Environment["CNI_ARGS"]+" "+one.Stdin)
	}
	return strings.Join(text, "\n")
}

func TestTheDefaultNetworksResultIsPassedOnByteForByte(t *testing.T) {
	s := newStage(t)
	s.defaultNetwork(bridgeAndPortmap)
	s.answering(notOursAtAll)
	said := `{ "cniVersion": "1.1.0", "ips": [{"address": "10.9.0.7/24"}],
	  "x-vendor": {"b": 1, "a": 2}, "dns": {"nameservers": ["10.9.0.1"]} }`
	s.says("fake-portmap", "ADD", said)
	if outcome := s.call(command{name: "ADD"}); outcome.stdout != said {
		t.Errorf("printed %s", outcome.stdout)
	}
}

func TestAResultOfAnotherVersionIsConverted(t *testing.T) {
	for name, protocols := range map[string][2]string{
		"newer list": {"0.3.1", "1.1.0"},
		"older list": {"1.1.0", "0.4.0"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.defaultNetwork(strings.Replace(bridgeAndPortmap, "1.1.0", protocols[0], 1))
			s.answering(notOursAtAll)
			want := map[string]string{
				"1.1.0": defaultResult,
				"0.4.0": `{"cniVersion":"0.4.0","interfaces":[{"name":"eth0","sandbox":"/run/netns/pod"}],` +
					`"ips":[{"version":"4","interface":0,"address":"10.9.0.7/24","gateway":"10.9.0.1"}],"dns":{}}`,
			}
			s.call(command{name: "ADD", input: s.config(protocols[1])}).prints(want[protocols[1]])
		})
	}
}

func TestTheDefaultNetworksErrorIsPassedOn(t *testing.T) {
	for _, name := range []string{"ADD", "DEL", "CHECK", "STATUS", "GC"} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.defaultNetwork(bridgeAndPortmap)
			s.answering(notOursAtAll)
			s.says("fake-portmap", name, `{"cniVersion":"1.1.0","code":103,"msg":"iptables is gone","details":"exit status 3"}`)
			outcome := s.call(command{name: name, input: s.config("1.1.0", `"cni.dev/valid-attachments":[]`)})
			if name == "GC" {
				outcome.fails(103, "failed to GC plugin fake-portmap: iptables is gone; exit status 3")
				return
			}
			outcome.failsWith(103, "iptables is gone", "exit status 3")
		})
	}
}

func TestWordsThatAreNoErrorOfCniAreToldAsLibcniTellsThem(t *testing.T) {
	s := newStage(t)
	s.defaultNetwork(bridgeAndPortmap)
	s.answering(notOursAtAll)
	s.says("fake-bridge", "ADD", `panic: "code" is broken`)
	_, err := s.runtime().AddNetworkList(background, list(t, s.ownList()), s.pod())
	_, direct := s.runtime().AddNetworkList(background, list(t, bridgeAndPortmap), s.pod())
	want := strings.Replace(direct.Error(), `type="fake-bridge"`, `type="atoll-cni" name="atoll"`, 1)
	if err == nil || err.Error() != want {
		t.Errorf("%v\nexpected %s", err, want)
	}
}

func TestAPluginThatIsNotInstalledIsNamed(t *testing.T) {
	s := newStage(t)
	s.defaultNetwork(strings.Replace(bridgeAndPortmap, "fake-bridge", "fake-missing", 1))
	s.answering(notOursAtAll)
	s.call(command{name: "ADD"}).fails(999, `plugin type="fake-missing" failed (add): failed to find plugin "fake-missing" in path [`+s.plugins+`]`)
}

// containerd goes on as if a DEL had been done whose error has one of these texts (go-cni, Remove).
func TestNoErrorOfDelSoundsAsIfItWereDone(t *testing.T) {
	s := newStage(t)
	undone := []outcome{s.call(command{name: "DEL"})}
	s.answering(notOursAtAll)
	_, err := s.runtime().AddNetworkList(background, list(t, bridgeAndPortmap), s.pod())
	must(t, err)
	undone = append(undone, s.call(command{name: "DEL"}))
	missing := s.config("1.1.0", `"defaultNetwork":"10-default.conflist"`)
	undone = append(undone, s.call(command{name: "DEL", input: missing}))
	for _, outcome := range undone {
		if outcome.status != 1 || strings.Contains(outcome.stdout, "no such file or directory") || strings.Contains(outcome.stdout, "not found") {
			t.Errorf("status %d, printed %s", outcome.status, outcome.stdout)
		}
	}
}

func TestWhatWasAddedIsCheckedAndDeletedByTheConfigurationOfThatTime(t *testing.T) {
	s := newStage(t)
	s.defaultNetwork(bridgeAndPortmap)
	s.answering(notOursAtAll)
	s.call(command{name: "ADD"}).prints(defaultResult)
	s.defaultNetwork(strings.NewReplacer("default", "renewed", "cni0", "cni9", "fake-portmap", "fake-bridge").Replace(bridgeAndPortmap))
	s.forget()
	s.call(command{name: "CHECK"}).prints("")
	s.call(command{name: "DEL"}).prints("")
	if story := s.called(); story != "fake-bridge CHECK, fake-portmap CHECK, fake-portmap DEL, fake-bridge DEL" {
		t.Errorf("called: %s", story)
	}
	for _, one := range s.recorded() {
		if !strings.Contains(one.Stdin, `"name":"default"`) || !strings.Contains(one.Stdin, `"prevResult":{"cniVersion":"1.1.0"`) {
			t.Errorf("%s was given %s", one.Plugin, one.Stdin)
		}
	}
}

func TestDeletingTwiceAndDeletingWhatNeverWasAreNoErrors(t *testing.T) {
	s := newStage(t)
	s.defaultNetwork(bridgeAndPortmap)
	s.answering(notOursAtAll)
	s.call(command{name: "DEL", container: "never-added"}).prints("")
	s.call(command{name: "ADD"}).prints(defaultResult)
	s.call(command{name: "DEL"}).prints("")
	s.call(command{name: "DEL"}).prints("")
	must(t, os.Remove(filepath.Join(s.conf, "10-default.conflist")))
	s.call(command{name: "DEL"}).prints("")
	if left, _ := filepath.Glob(filepath.Join(s.cache, "atoll", "*", "*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestWhatWasHandedOverIsTakenBackWithoutTheAgent(t *testing.T) {
	s := newStage(t)
	s.defaultNetwork(bridgeAndPortmap)
	s.answering(notOursAtAll)
	s.call(command{name: "ADD"}).prints(defaultResult)
	must(t, os.Remove(s.socket))
	must(t, os.Remove(filepath.Join(s.conf, "10-default.conflist")))
	s.forget()
	s.call(command{name: "CHECK"}).prints("")
	s.call(command{name: "DEL"}).prints("")
	if story := s.called(); story != "fake-bridge CHECK, fake-portmap CHECK, fake-portmap DEL, fake-bridge DEL" {
		t.Errorf("called: %s", story)
	}
}

func TestADamagedRecordIsStillARecord(t *testing.T) {
	s := newStage(t)
	s.defaultNetwork(bridgeAndPortmap)
	folder := filepath.Join(s.cache, "atoll", "attachments")
	must(t, os.MkdirAll(folder, 0o700))
	s.write(filepath.Join(folder, "container-1:eth0"), "")
	s.call(command{name: "DEL"}).prints("")
	if story := s.called(); story != "fake-portmap DEL, fake-bridge DEL" {
		t.Errorf("called: %s", story)
	}
}

func TestAnAddThatFailedCanBeDeletedAndRepeatedWithoutTheAgent(t *testing.T) {
	s := newStage(t)
	s.defaultNetwork(bridgeAndPortmap)
	s.answering(notOursAtAll)
	s.says("fake-portmap", "ADD", `{"code":103,"msg":"not now"}`)
	s.call(command{name: "ADD"}).fails(103, "not now")
	must(t, os.Remove(s.socket))
	must(t, os.Remove(filepath.Join(s.journal, "fake-portmap.ADD")))
	s.call(command{name: "ADD"}).prints(defaultResult)
	s.call(command{name: "DEL"}).prints("")
	s.call(command{name: "ADD"}).fails(11, s.without("SOCKET: there is no socket"))
}

func TestAPodOfTheTimeBeforeAtollIsDeletedAsItWasAdded(t *testing.T) {
	s := newStage(t)
	_, err := s.runtime().AddNetworkList(background, list(t, bridgeAndPortmap), s.pod())
	must(t, err)
	s.defaultNetwork(strings.Replace(bridgeAndPortmap, "cni0", "cni9", 1))
	s.answering(notOursAtAll)
	s.forget()
	s.call(command{name: "DEL"}).prints("")
	calls := s.recorded()
	if story := s.called(); story != "fake-portmap DEL, fake-bridge DEL" {
		t.Fatalf("called: %s", story)
	}
	if given := calls[1].Stdin; !strings.Contains(given, `"bridge":"cni0"`) || !strings.Contains(given, `"prevResult":{`) {
		t.Errorf("the bridge was given %s", given)
	}
}

func TestAPodOfTheTimeBeforeAtollWaitsForTheDefaultNetworksConfiguration(t *testing.T) {
	s := newStage(t)
	_, err := s.runtime().AddNetworkList(background, list(t, bridgeAndPortmap), s.pod())
	must(t, err)
	s.answering(notOursAtAll)
	s.call(command{name: "DEL"}).fails(11, "the default network has no configuration in "+s.conf)
}

func TestWhatTheRuntimeKnowsOfThisPluginIsNoFormerDefaultNetwork(t *testing.T) {
	s := newStage(t)
	s.answering(map[string]string{"ADD": result110, "DEL": notOurs})
	runtime, own := s.runtime(), list(t, s.ownList())
	pod := s.pod()
	pod.CapabilityArgs = nil
	_, err := runtime.AddNetworkList(background, own, pod)
	must(t, err)
	must(t, runtime.DelNetworkList(background, own, pod))
}

func TestAnInterfaceIsDeletedByTheConfigurationOfItsOwn(t *testing.T) {
	s := newStage(t)
	second := s.pod()
	second.IfName = "net1"
	_, err := s.runtime().AddNetworkList(background, list(t, strings.Replace(bridgeAndPortmap, "cni0", "cni1", 1)), second)
	must(t, err)
	s.defaultNetwork(bridgeAndPortmap)
	s.answering(notOursAtAll)
	s.forget()
	s.call(command{name: "DEL"}).prints("")
	if given := s.recorded()[1].Stdin; !strings.Contains(given, `"bridge":"cni0"`) {
		t.Errorf("the bridge was given %s", given)
	}
}

func TestWhatThePluginsOfTheDefaultNetworkLogIsPassedOn(t *testing.T) {
	s := newStage(t)
	s.defaultNetwork(bridgeAndPortmap)
	s.answering(notOursAtAll)
	s.write(filepath.Join(s.journal, "fake-bridge.stderr"), "made cni0\n")
	if outcome := s.call(command{name: "ADD"}); outcome.status != 0 || outcome.stderr != "made cni0\n" {
		t.Errorf("status %d, logged %q", outcome.status, outcome.stderr)
	}
}

func TestWhatTheAgentAndTheDefaultNetworkBothKnowIsDeletedByBoth(t *testing.T) {
	s := newStage(t)
	s.defaultNetwork(bridgeAndPortmap)
	agent := s.answering(map[string]string{"ADD": notOurs, "DEL": "{}"})
	s.call(command{name: "ADD"}).prints(defaultResult)
	agent.answers["ADD"] = result110
	s.call(command{name: "ADD"}).fails(11, "container container-1 is attached to the default network, and its pod is of another:"+
		" it must be deleted first")
	s.forget()
	s.call(command{name: "DEL"}).prints("")
	if story := s.called(); story != "fake-portmap DEL, fake-bridge DEL" {
		t.Errorf("called: %s", story)
	}
	s.call(command{name: "ADD"})
	if asked := agent.commands(); asked != "ADD ADD DEL DEL ADD" {
		t.Errorf("the agent was asked %s", asked)
	}
}

func TestAListThatCannotCheckIsNotAsked(t *testing.T) {
	s := newStage(t)
	s.defaultNetwork(strings.Replace(bridgeAndPortmap, "1.1.0", "0.3.1", 1))
	s.answering(notOursAtAll)
	s.call(command{name: "ADD"}).prints(defaultResult)
	s.forget()
	s.call(command{name: "CHECK"}).prints("")
	s.call(command{name: "STATUS"}).prints("")
	if story := s.called(); story != "" {
		t.Errorf("called: %s", story)
	}
}

func TestADefaultNetworkThatCallsAtollIsRefused(t *testing.T) {
	s := newStage(t)
	must(t, os.Symlink(plugin, filepath.Join(s.plugins, "alias")))
	s.write(filepath.Join(s.conf, "00-multus.conflist"), `{"cniVersion":"1.1.0","name":"multus","plugins":[`+
		strings.Replace(s.config("1.1.0"), `"type":"atoll-cni"`, `"type":"alias"`, 1)+`]}`)
	s.answering(notOursAtAll)
	s.call(command{name: "ADD"}).fails(7, "the default network calls alias again: name another configuration in defaultNetwork")
}
