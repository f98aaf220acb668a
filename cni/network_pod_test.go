package main

import (
	"crypto/sha256"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// What agent/cni.py says of a pod of a network.
const (
	result110 = `{"cniVersion": "1.1.0", "interfaces": [{"name": "at0badcafe", "mac": "02:61:74:00:00:01"},` +
		` {"name": "eth0", "mac": "02:00:00:00:00:07", "sandbox": "/run/netns/pod", "mtu": 1450}],` +
		` "ips": [{"address": "10.1.0.7/32", "gateway": "169.254.7.1", "interface": 1},` +
		` {"address": "fd00:1::7/128", "gateway": "fe80::1", "interface": 1}],` +
		` "routes": [{"dst": "0.0.0.0/0", "gw": "169.254.7.1"}, {"dst": "::/0", "gw": "fe80::1"}], "dns": {}}`
	result100 = `{"cniVersion": "1.0.0", "interfaces": [{"name": "at0badcafe", "mac": "02:61:74:00:00:01"},` +
		` {"name": "eth0", "mac": "02:00:00:00:00:07", "sandbox": "/run/netns/pod"}],` +
		` "ips": [{"address": "10.1.0.7/32", "gateway": "169.254.7.1", "interface": 1}],` +
		` "routes": [{"dst": "0.0.0.0/0", "gw": "169.254.7.1"}], "dns": {}}`
)

const shown040 = `"interfaces":[{"name":"at0badcafe","mac":"02:61:74:00:00:01"},` +
	`{"name":"eth0","mac":"02:00:00:00:00:07","sandbox":"/run/netns/pod"}],` +
	`"ips":[{"version":"4","interface":1,"address":"10.1.0.7/32","gateway":"169.254.7.1"}],` +
	`"routes":[{"dst":"0.0.0.0/0","gw":"169.254.7.1"}],"dns":{}}`

func TestTheResultIsOfTheVersionThatWasAskedFor(t *testing.T) {
	for protocol, want := range map[string]struct{ said, printed string }{
		"1.1.0": {result110, `{"cniVersion":"1.1.0","interfaces":[{"mac":"02:61:74:00:00:01","name":"at0badcafe"},` +
			`{"mac":"02:00:00:00:00:07","mtu":1450,"name":"eth0","sandbox":"/run/netns/pod"}],` +
			`"ips":[{"address":"10.1.0.7/32","gateway":"169.254.7.1","interface":1},` +
			`{"address":"fd00:1::7/128","gateway":"fe80::1","interface":1}],` +
			`"routes":[{"dst":"0.0.0.0/0","gw":"169.254.7.1"},{"dst":"::/0","gw":"fe80::1"}]}`},
		"1.0.0": {result100, `{"cniVersion":"1.0.0","interfaces":[{"mac":"02:61:74:00:00:01","name":"at0badcafe"},` +
			`{"mac":"02:00:00:00:00:07","name":"eth0","sandbox":"/run/netns/pod"}],` +
			`"ips":[{"address":"10.1.0.7/32","gateway":"169.254.7.1","interface":1}],` +
			`"routes":[{"dst":"0.0.0.0/0","gw":"169.254.7.1"}]}`},
		"0.4.0": {result100, `{"cniVersion":"0.4.0",` + shown040},
		"0.3.1": {result100, `{"cniVersion":"0.3.1",` + shown040},
		"0.3.0": {result100, `{"cniVersion":"0.3.0",` + shown040},
	} {
		t.Run(protocol, func(t *testing.T) {
			s := newStage(t)
			s.answering(map[string]string{"ADD": want.said})
			s.call(command{name: "ADD", input: s.config(protocol)}).prints(want.printed)
		})
	}
}

func TestTheAgentIsToldEverything(t *testing.T) {
	s := newStage(t)
	agent := s.answering(map[string]string{"ADD": result100})
	s.call(command{name: "ADD", input: s.config("0.4.0", `"runtimeConfig":{"dns":{"Servers":["10.96.0.10"]}}`)})
	want := map[string]any{
		"CNI_COMMAND": "ADD", "CNI_CONTAINERID": "container-1", "CNI_NETNS": "/run/netns/pod", "CNI_IFNAME": "eth0",
		"CNI_ARGS": podArgs, "CNI_PATH": s.plugins,
		"config": map[string]any{
			"cniVersion": "1.0.0", "name": "atoll", "type": "atoll-cni", "socket": s.socket, "confDir": s.conf,
			"cacheDir": s.cache, "plan": s.plan, "runtimeConfig": map[string]any{"dns": map[string]any{"Servers": []any{"10.96.0.10"}}},
		},
	}
	if len(agent.requests) != 1 || !reflect.DeepEqual(agent.requests[0], want) {
		t.Errorf("the agent was asked %v", agent.requests)
	}
}

func TestWhatTheAgentDidNeedsNoDefaultNetwork(t *testing.T) {
	for _, name := range []string{"DEL", "CHECK"} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.defaultNetwork(bridgeAndPortmap)
			s.answering(map[string]string{name: "{}"})
			s.call(command{name: name}).prints("")
			if story := s.called(); story != "" {
				t.Errorf("the default network was called: %s", story)
			}
		})
	}
}

func TestARefusalOfTheAgentIsPassedOn(t *testing.T) {
	for _, name := range []string{"ADD", "DEL", "CHECK", "STATUS"} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.defaultNetwork(bridgeAndPortmap)
			s.answering(map[string]string{
				name: `{"cniVersion": "1.1.0", "code": 101, "msg": "network shop/db has no free address", "details": "a /29 on node-1"}`,
			})
			outcome := s.call(command{name: name})
			outcome.failsWith(101, "network shop/db has no free address", "a /29 on node-1")
			if story := s.called(); story != "" {
				t.Errorf("the default network was called: %s", story)
			}
		})
	}
}

func TestAnErrorNamesTheVersionInUse(t *testing.T) {
	s := newStage(t)
	s.answering(map[string]string{"ADD": `{"cniVersion": "1.0.0", "code": 11, "msg": "wait"}`})
	outcome := s.call(command{name: "ADD", input: s.config("0.4.0")})
	if want := `{"cniVersion":"0.4.0","code":11,"msg":"wait"}`; compact(outcome.stdout) != want {
		t.Errorf("printed %s, expected %s", outcome.stdout, want)
	}
}

func TestTheAgentIsToldWhatAPodOfANetworkIsRefusedWith(t *testing.T) {
	s := newStage(t)
	s.defaultNetwork(bridgeAndPortmap)
	agent := s.answering(notOursAtAll)
	asked := `"runtimeConfig":{"mac":"02:00:00:00:00:99"}`
	s.call(command{name: "ADD", input: s.config("1.1.0", asked)}).prints(defaultResult)
	s.call(command{name: "DEL", input: s.config("1.1.0", asked)}).prints("")
	want := map[string]any{
		"code": 2.0, "msg": `a pod of a network cannot have runtimeConfig.mac: "02:00:00:00:00:99"`,
		"details": "Remove the request: in a network the agent alone gives addresses and interfaces",
	}
	if got := agent.requests[0]["refusal"]; !reflect.DeepEqual(got, want) {
		t.Errorf("the agent was told %v", got)
	}
	if got, told := agent.requests[1]["refusal"]; told {
		t.Errorf("with DEL the agent was told %v", got)
	}
}

func TestAPodOfANetworkIsRefusedWhatItCannotHave(t *testing.T) {
	for name, want := range map[string]struct{ asked, args, message, remedy string }{
		"host port": {
			`{"portMappings":[{"HostPort":8080,"ContainerPort":80,"Protocol":"tcp","HostIP":""}]}`, "",
			`runtimeConfig.portMappings: [{"HostPort":8080,"ContainerPort":80,"Protocol":"tcp","HostIP":""}]`,
			"Remove hostPort from the pod's containers: a Service of type NodePort or LoadBalancer, opened by the network, leads to the pod",
		},
		"bandwidth": {
			`{"bandwidth":{"IngressRate":1000000,"IngressBurst":4294967295,"EgressRate":0,"EgressBurst":0}}`, "",
			`runtimeConfig.bandwidth: {"IngressRate":1000000,"IngressBurst":4294967295,"EgressRate":0,"EgressBurst":0}`,
			"Remove the annotations kubernetes.io/ingress-bandwidth and kubernetes.io/egress-bandwidth from the pod",
		},
		"bandwidth as CRI-O writes it": {
			`{"bandwidth":{"egressBurst":34359738359,"egressRate":5}}`, "",
			`runtimeConfig.bandwidth: {"egressBurst":34359738359,"egressRate":5}`,
			"Remove the annotations kubernetes.io/ingress-bandwidth and kubernetes.io/egress-bandwidth from the pod",
		},
		"an address": {
			`{"ips":["10.9.0.9/24"]}`, "", `runtimeConfig.ips: ["10.9.0.9/24"]`,
			"Remove the request: in a network the agent alone gives addresses and interfaces",
		},
		"an address among the arguments": {
			`{}`, podArgs + ";IP=10.9.0.9", `CNI_ARGS IP: 10.9.0.9`,
			"Remove the request: in a network the agent alone gives addresses and interfaces",
		},
		"something odd": {
			`{"portMappings":"all"}`, "", `runtimeConfig.portMappings: "all"`,
			"Remove hostPort from the pod's containers: a Service of type NodePort or LoadBalancer, opened by the network, leads to the pod",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			agent := s.answering(map[string]string{"ADD": result110, "DEL": "{}"})
			outcome := s.call(command{name: "ADD", args: want.args, input: s.config("1.1.0", `"runtimeConfig":`+want.asked)})
			outcome.failsWith(2, "a pod of a network cannot have "+want.message, want.remedy)
			if asked := agent.commands(); asked != "ADD DEL" {
				t.Errorf("the agent was asked %s: what it had made must go", asked)
			}
		})
	}
}

func TestWhatAsksForNothingIsNoWish(t *testing.T) {
	for _, asked := range []string{
		`{"portMappings":[]}`, `{"portMappings":[{"HostPort":0,"ContainerPort":80}]}`, `{"portMappings":null}`,
		`{"bandwidth":{"IngressRate":0,"EgressRate":0}}`, `{"bandwidth":null}`, `{"ips":[]}`, `{"mac":""}`, `{"ipRanges":null}`,
		`{"dns":{"Servers":["10.96.0.10"]},"cgroupPath":"/kubepods","aliases":["a"],"io.kubernetes.cri.pod-annotations":{"a":"b"}}`,
	} {
		t.Run(asked, func(t *testing.T) {
			s := newStage(t)
			s.answering(map[string]string{"ADD": result110})
			outcome := s.call(command{name: "ADD", input: s.config("1.1.0", `"runtimeConfig":`+asked)})
			if outcome.status != 0 {
				t.Errorf("refused: %s", outcome.stdout)
			}
		})
	}
}

// Each of these agents is away, as far as the plugin can tell.
var absences = map[string]struct {
	present func(*stage)
	reason  string
}{
	"no socket":        {func(*stage) {}, "SOCKET: there is no socket"},
	"nobody listens":   {deadSocket, "SOCKET: nobody listens"},
	"it hangs up":      {saying(""), "SOCKET: it hung up after 0 bytes of an answer"},
	"cut short":        {saying(`{"delegate": tr`), "SOCKET: it hung up after 15 bytes of an answer"},
	"complete but cut": {saying(`{"delegate": true}`), "SOCKET: it hung up after 18 bytes of an answer"},
	"no JSON":          {saying("Traceback\n"), `what it said is not understood: "Traceback\n"`},
	"no object":        {saying("null\n"), `what it said is not understood: "null\n"`},
	"a list":           {saying("[]\n"), `what it said is not understood: "[]\n"`},
	"half a word":      {saying(`{"delegate": 1}` + "\n"), `what it said is not understood: "{\"delegate\": 1}\n"`},
	"no":               {saying(`{"delegate": false}` + "\n"), `what it said is not understood: "{\"delegate\": false}\n"`},
	"two words": {
		saying(`{"delegate": true, "ips": []}` + "\n"), `what it said is not understood: "{\"delegate\": true, \"ips\": []}\n"`,
	},
	"an error without a code": {saying(`{"code": 0, "msg": ""}` + "\n"), `what it said is not understood: "{\"code\": 0, \"msg\": \"\"}\n"`},
	"an odd code":             {saying(`{"code": "x"}` + "\n"), `what it said is not understood: "{\"code\": \"x\"}\n"`},
	"without end":             {saying(strings.Repeat("x", maxAnswer+1)), "SOCKET: an answer longer than 1048576 bytes"},
}

func deadSocket(s *stage) {
	listener, err := net.Listen("unix", s.socket)
	must(s.t, err)
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	must(s.t, listener.Close())
}

func saying(text string) func(*stage) {
	return func(s *stage) {
		s.serve(func(connection net.Conn) {
			_, _ = connection.Read(make([]byte, 1<<16))
			fmt.Fprint(connection, text)
		})
	}
}

func (s *stage) without(reason string) string {
	return "the agent of Atoll gave no answer: " + strings.ReplaceAll(reason, "SOCKET", s.socket)
}

func TestWithoutTheAgentNothingFallsThroughToTheDefaultNetwork(t *testing.T) {
	for name, absence := range absences {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.defaultNetwork(bridgeAndPortmap)
			absence.present(s)
			for _, name := range []string{"ADD", "DEL", "CHECK"} {
				s.call(command{name: name}).fails(11, s.without(absence.reason))
			}
			s.call(command{name: "STATUS"}).fails(50, s.without(absence.reason))
			if story := s.called(); story != "" {
				t.Errorf("the default network was called: %s", story)
			}
		})
	}
}

func TestASuccessWithoutAResultIsNoAnswerToAdd(t *testing.T) {
	for _, said := range []string{
		"{}", `{"cniVersion": "1.1.0"}`, `{"cniVersion": "1.1.0", "ips": []}`, `{"cniVersion": "7.0.0", "ips": [], "interfaces": []}`,
		`{"cniVersion": "1.1.0", "ips": [], "interfaces": []}`, `{"cniVersion": "1.1.0", "ips": null, "interfaces": null}`,
		`{"cniVersion": "1.1.0", "ips": [], "interfaces": [{"name": "eth0"}]}`,
		`{"cniVersion": "1.1.0", "ips": [{"address": "10.1.0.7/32"}], "interfaces": []}`,
		`{"cniVersion": "1.1.0", "ips": [{"address": "10.1.0.7"}], "interfaces": [{"name": "eth0"}]}`,
	} {
		t.Run(said, func(t *testing.T) {
			s := newStage(t)
			s.answering(map[string]string{"ADD": said})
			s.call(command{name: "ADD"}).fails(11, s.without(fmt.Sprintf("what it said is not understood: %q", said+"\n")))
		})
	}
}

func podNamed(name, uid string) string {
	return "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=" + name + ";K8S_POD_UID=" + uid
}

func TestWithoutTheAgentItsLastGoodPlanSaysWhoIsOfTheDefaultNetwork(t *testing.T) {
	example, err := os.ReadFile(filepath.Join("testdata", "plan.json")) // tests/agent/test_plan_for_plugin.py wrote it
	must(t, err)
	whole := string(example)
	for name, want := range map[string]struct {
		plan, args string
		served     bool
	}{
		"of the default network":    {whole, podNamed("cart-0", "uid-1"), true},
		"of a network":              {whole, podNamed("db-0", "uid-2"), false},
		"of no network yet":         {whole, podNamed("lost-0", "uid-3"), false},
		"unknown":                   {whole, podNamed("new-0", "uid-9"), false},
		"another of the same name":  {whole, podNamed("cart-0", "uid-9"), false},
		"another of the same UID":   {whole, podNamed("cart-1", "uid-1"), false},
		"without UID":               {whole, podNamed("odd-0", ""), false},
		"of another namespace":      {whole, strings.Replace(podNamed("cart-0", "uid-1"), "shop", "shop2", 1), false},
		"named twice":               {whole, podNamed("db-0", "uid-2") + ";" + podNamed("cart-0", "uid-1"), false},
		"named twice alike":         {whole, "IgnoreUnknown=true;" + podNamed("cart-0", "uid-1") + ";" + podNamed("cart-0", "uid-1"), true},
		"no Kubernetes pod":         {whole, "IgnoreUnknown=1", false},
		"a plan that was edited":    {strings.Replace(whole, `"network": 1`, `"network": 0`, 1), podNamed("cart-0", "uid-1"), false},
		"half a plan":               {whole[:len(whole)-9], podNamed("cart-0", "uid-1"), false},
		"an empty plan":             {"", podNamed("cart-0", "uid-1"), false},
		"a plan of a later release": {sealed(`{"format": 2, "pods": [{"name": "shop/cart-0", "uid": "uid-1", "network": 0}]}`), podNamed("cart-0", "uid-1"), false},
		"a pod without its network": {sealed(`{"format": 1, "pods": [{"name": "shop/cart-0", "uid": "uid-1"}]}`), podNamed("cart-0", "uid-1"), false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.defaultNetwork(bridgeAndPortmap)
			s.write(s.plan, want.plan)
			outcome := s.call(command{name: "ADD", args: want.args})
			if want.served {
				outcome.prints(defaultResult)
				return
			}
			outcome.fails(11, s.without("SOCKET: there is no socket"))
			if story := s.called(); story != "" {
				t.Errorf("the default network was called: %s", story)
			}
		})
	}
}

// sealed is a plan file whose digest is right.
func sealed(plan string) string {
	return fmt.Sprintf(`{"digest": "sha256:%x", "plan": %s}`, sha256.Sum256([]byte(plan)), plan)
}

func TestTheAgentsWordCountsMoreThanItsLastPlan(t *testing.T) {
	s := newStage(t)
	s.defaultNetwork(bridgeAndPortmap)
	s.write(s.plan, sealed(`{"format": 1, "pods": [{"name": "shop/cart-0", "uid": "uid-1", "network": 0}]}`))
	s.answering(map[string]string{"ADD": `{"code": 11, "msg": "no plan with the pod yet"}`})
	s.call(command{name: "ADD"}).fails(11, "no plan with the pod yet")
	if story := s.called(); story != "" {
		t.Errorf("the default network was called: %s", story)
	}
}
