package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/invoke"
)

// The binary under test, built once, and this test's own binary, which plays the default network's plugins.
var plugin, player string

func TestMain(m *testing.M) {
	if strings.HasPrefix(filepath.Base(os.Args[0]), "fake-") {
		os.Exit(play())
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	folder, err := os.MkdirTemp("", "atoll-cni-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(folder)
	plugin = filepath.Join(folder, "atoll-cni")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-X main.version=1.2.3", "-o", plugin, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%s%s\n", output, err)
		return 1
	}
	if player, err = os.Executable(); err != nil {
		panic(err)
	}
	return m.Run()
}

// A stage is a node as far as the plugin sees it: folders, an agent that answers by `answers`, the default network
// made of fake plugins, and libcni in the part of the runtime.
type stage struct {
	t       *testing.T
	conf    string
	cache   string
	socket  string
	plan    string
	plugins string
	journal string

	agent *fakeAgent
}

func newStage(t *testing.T) *stage {
	t.Helper()
	root, err := os.MkdirTemp("", "cni") // short: a socket's path has 107 bytes at most
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(root) })
	s := &stage{
		t: t, conf: filepath.Join(root, "net.d"), cache: filepath.Join(root, "cache"),
		socket: filepath.Join(root, "run", "agent.sock"), plugins: filepath.Join(root, "bin"),
		journal: filepath.Join(root, "journal"), plan: filepath.Join(root, "plan.json"),
	}
	for _, folder := range []string{s.conf, s.cache, filepath.Dir(s.socket), s.plugins, s.journal} {
		must(t, os.Mkdir(folder, 0o755))
	}
	must(t, os.Symlink(plugin, filepath.Join(s.plugins, "atoll-cni")))
	for _, name := range []string{"fake-bridge", "fake-portmap"} {
		must(t, os.Symlink(player, filepath.Join(s.plugins, name)))
	}
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s *stage) write(path, content string) {
	s.t.Helper()
	must(s.t, os.WriteFile(path, []byte(content), 0o644))
}

// defaultNetwork writes the default network's configuration file.
func (s *stage) defaultNetwork(content string) {
	s.t.Helper()
	s.write(filepath.Join(s.conf, "10-default.conflist"), content)
}

// config is the plugin's standard input as libcni makes it, with further fields.
func (s *stage) config(protocol string, fields ...string) string {
	own := fmt.Sprintf(`"cniVersion":%q,"name":"atoll","type":"atoll-cni","socket":%q,"plan":%q,"confDir":%q,"cacheDir":%q`,
		protocol, s.socket, s.plan, s.conf, s.cache)
	return "{" + strings.Join(append([]string{own}, fields...), ",") + "}"
}

// A command is one call of the binary: the defaults are a pod's.
type command struct {
	name      string
	container string
	ifName    string
	args      string
	input     string
}

func (s *stage) call(c command) outcome {
	s.t.Helper()
	process := s.process(c)
	var stdout, stderr bytes.Buffer
	process.Stdout, process.Stderr = &stdout, &stderr
	err := process.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return outcome{t: s.t, status: process.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String()}
}

const podArgs = "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart-0;K8S_POD_UID=uid-1"

func (s *stage) process(c command) *exec.Cmd {
	if c.container == "" {
		c.container = "container-1"
	}
	if c.ifName == "" {
		c.ifName = "eth0"
	}
	if c.args == "" {
		c.args = podArgs
	}
	if c.input == "" {
		c.input = s.config("1.1.0")
	}
	process := exec.Command(filepath.Join(s.plugins, "atoll-cni"))
	process.Stdin = strings.NewReader(c.input)
	process.Env = append(os.Environ(), "FAKE_JOURNAL="+s.journal,
		"CNI_COMMAND="+c.name, "CNI_CONTAINERID="+c.container, "CNI_NETNS=/run/netns/pod", "CNI_IFNAME="+c.ifName,
		"CNI_ARGS="+c.args, "CNI_PATH="+s.plugins)
	return process
}

type outcome struct {
	t              *testing.T
	status         int
	stdout, stderr string
}

func (o outcome) prints(want string) {
	o.t.Helper()
	if o.status != 0 || compact(o.stdout) != compact(want) {
		o.t.Errorf("status %d, printed %s, expected %s", o.status, compact(o.stdout), compact(want))
	}
}

// fails compares an error without its cniVersion, which is the configuration's.
func (o outcome) fails(code int, message string) {
	o.t.Helper()
	o.failsWith(code, message, "")
}

func (o outcome) failsWith(code int, message, details string) {
	o.t.Helper()
	var told struct {
		CNIVersion, Msg, Details string
		Code                     int
	}
	err := json.Unmarshal([]byte(o.stdout), &told)
	if err != nil || o.status != 1 || told.Code != code || told.Msg != message || told.Details != details || told.CNIVersion == "" {
		o.t.Errorf("status %d, printed %s, expected code %d, %q, %q", o.status, o.stdout, code, message, details)
	}
}

func compact(text string) string {
	var short bytes.Buffer
	if json.Compact(&short, []byte(text)) != nil {
		return text
	}
	return short.String()
}

// A fakeAgent answers each request with what `answers` says for its command.
type fakeAgent struct {
	answers  map[string]string
	mutex    sync.Mutex
	requests []map[string]any
}

// answering starts an agent with an answer for each command.
func (s *stage) answering(answers map[string]string) *fakeAgent {
	s.t.Helper()
	s.agent = &fakeAgent{answers: answers}
	s.serve(func(connection net.Conn) {
		line, err := bufio.NewReader(connection).ReadBytes('\n')
		if err == nil {
			fmt.Fprintln(connection, s.agent.answer(line))
		}
	})
	return s.agent
}

func (s *stage) serve(each func(net.Conn)) {
	s.t.Helper()
	listener, err := net.Listen("unix", s.socket)
	must(s.t, err)
	s.t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer connection.Close()
				each(connection)
			}()
		}
	}()
}

func (f *fakeAgent) answer(line []byte) string {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	request := map[string]any{}
	if err := json.Unmarshal(line, &request); err != nil {
		return err.Error()
	}
	f.requests = append(f.requests, request)
	text := f.answers[request["CNI_COMMAND"].(string)]
	return strings.ReplaceAll(text, "CONTAINER", request["CNI_CONTAINERID"].(string))
}

func (f *fakeAgent) commands() string {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	var asked []string
	for _, request := range f.requests {
		asked = append(asked, request["CNI_COMMAND"].(string))
	}
	return strings.Join(asked, " ")
}

const notOurs = `{"delegate": true}`

// notOursAtAll is the agent of a node whose pods are all of the default network.
var notOursAtAll = map[string]string{"ADD": notOurs, "DEL": notOurs, "CHECK": notOurs, "GC": "{}", "STATUS": "{}"}

// A recorded call of one of the default network's plugins.
type recorded struct {
	Plugin, Stdin string
	Environment   map[string]string
}

func (s *stage) recorded() []recorded {
	s.t.Helper()
	content, err := os.ReadFile(filepath.Join(s.journal, "calls"))
	if err != nil && !os.IsNotExist(err) {
		s.t.Fatal(err)
	}
	var calls []recorded
	for line := range strings.Lines(string(content)) {
		var one recorded
		must(s.t, json.Unmarshal([]byte(line), &one))
		calls = append(calls, one)
	}
	return calls
}

// called is the default network's story: plugin and command of each call.
func (s *stage) called() string {
	s.t.Helper()
	var story []string
	for _, one := range s.recorded() {
		story = append(story, one.Plugin+" "+one.Environment["CNI_COMMAND"])
	}
	return strings.Join(story, ", ")
}

func (s *stage) forget() {
	s.t.Helper()
	must(s.t, os.RemoveAll(filepath.Join(s.journal, "calls")))
}

// says makes a fake plugin answer a command with this, and fail if it is an error.
func (s *stage) says(plugin, command, text string) {
	s.t.Helper()
	s.write(filepath.Join(s.journal, plugin+"."+command), text)
}

// runtime is libcni as container runtimes use it, with a cache in its usual place.
func (s *stage) runtime() *libcni.CNIConfig {
	s.t.Setenv("FAKE_JOURNAL", s.journal)
	return libcni.NewCNIConfigWithCacheDir([]string{s.plugins}, s.cache, &invoke.DefaultExec{
		RawExec: &invoke.RawExec{Stderr: os.Stderr},
	})
}

func list(t *testing.T, content string) *libcni.NetworkConfigList {
	t.Helper()
	parsed, err := libcni.NetworkConfFromBytes([]byte(content))
	must(t, err)
	return parsed
}

var background = context.Background()
