package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/containernetworking/cni/pkg/skel"
)

// holder keeps whoever connects until it is told to let go, and sees them end.
func hold(t *testing.T, socket string) <-chan net.Conn {
	t.Helper()
	listener, err := net.Listen("unix", socket)
	must(t, err)
	t.Cleanup(func() { listener.Close() })
	held := make(chan net.Conn, 1)
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			held <- connection
		}
	}()
	return held
}

// ends waits until the other side of a connection is gone.
func ends(t *testing.T, connection net.Conn) {
	t.Helper()
	must(t, connection.SetReadDeadline(time.Now().Add(30*time.Second)))
	if _, err := io.Copy(io.Discard, connection); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("still there: %v", err)
	}
}

func TestAKilledPluginLetsGoOfTheAgent(t *testing.T) {
	s := newStage(t)
	held := hold(t, s.socket)
	process := s.process(command{name: "ADD"})
	must(t, process.Start())
	connection := <-held
	must(t, process.Process.Kill())
	ends(t, connection)
	_ = process.Wait()
}

func TestAKilledPluginTakesTheDefaultNetworksAlongAndCanBeCalledAgain(t *testing.T) {
	s := newStage(t)
	s.defaultNetwork(bridgeAndPortmap)
	s.answering(notOursAtAll)
	held := hold(t, filepath.Join(s.journal, "hold"))
	process := s.process(command{name: "ADD"})
	must(t, process.Start())
	connection := <-held
	must(t, process.Process.Kill())
	ends(t, connection)
	_ = process.Wait()

	must(t, os.Remove(filepath.Join(s.journal, "hold")))
	must(t, os.Remove(s.socket))
	s.forget()
	s.call(command{name: "ADD"}).prints(defaultResult)
	s.call(command{name: "DEL"}).prints("")
	if story := s.called(); story != "fake-bridge ADD, fake-portmap ADD, fake-portmap DEL, fake-bridge DEL" {
		t.Errorf("called: %s", story)
	}
}

func TestAnAgentThatIsKilledInMidAddLeavesTheDecisionToTheNextOne(t *testing.T) {
	s := newStage(t)
	s.defaultNetwork(bridgeAndPortmap)
	held := hold(t, s.socket)
	done := make(chan outcome)
	go func() { done <- s.call(command{name: "ADD"}) }()
	connection := <-held
	_, err := connection.Read(make([]byte, 1<<16))
	must(t, err)
	must(t, connection.Close())
	(<-done).fails(11, s.without("SOCKET: it hung up after 0 bytes of an answer"))
	must(t, os.Remove(s.socket))
	s.answering(map[string]string{"ADD": result110})
	if outcome := s.call(command{name: "ADD"}); outcome.status != 0 {
		t.Errorf("refused: %s", outcome.stdout)
	}
}

func TestAnAgentThatRefusesBeforeItHasReadTheRequestIsHeard(t *testing.T) {
	s := newStage(t)
	s.serve(func(connection net.Conn) {
		fmt.Fprintln(connection, `{"cniVersion": "1.1.0", "code": 11, "msg": "too many requests at once"}`)
	})
	padding := `"runtimeConfig":{"aliases":["` + strings.Repeat("a", 1<<20) + `"]}`
	s.call(command{name: "ADD", input: s.config("1.1.0", padding)}).fails(11, "too many requests at once")
}

func TestASilentAgentIsAway(t *testing.T) {
	s := newStage(t)
	s.serve(func(connection net.Conn) { _, _ = io.Copy(io.Discard, connection) })
	silent := agent{socket: s.socket, patience: 50 * time.Millisecond}
	_, err := silent.ask("ADD", &skel.CmdArgs{StdinData: []byte("{}")}, "1.1.0", nil)
	want := away{s.socket + ": silent for 50ms"}
	if err != want {
		t.Errorf("said %v, expected %v", err, want)
	}
}

func TestAFullBacklogIsWaitedFor(t *testing.T) {
	s := newStage(t)
	listening, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	must(t, err)
	defer syscall.Close(listening)
	must(t, syscall.Bind(listening, &syscall.SockaddrUnix{Name: s.socket}))
	must(t, syscall.Listen(listening, 0))
	first, err := net.Dial("unix", s.socket)
	must(t, err)
	defer first.Close()

	ask := func(patience time.Duration) error {
		_, err := agent{socket: s.socket, patience: patience}.ask("DEL", &skel.CmdArgs{StdinData: []byte("{}")}, "1.1.0", nil)
		return err
	}
	if err, want := ask(50*time.Millisecond), (away{s.socket + ": silent for 50ms"}); err != want {
		t.Errorf("said %v, expected %v", err, want)
	}
	answered := make(chan error)
	go func() { answered <- ask(30 * time.Second) }()
	must(t, syscall.SetsockoptTimeval(listening, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &syscall.Timeval{Sec: 20}))
	_, _, err = syscall.Accept(listening) // the first one
	must(t, err)
	second, _, err := syscall.Accept(listening)
	must(t, err)
	_, err = syscall.Read(second, make([]byte, 1<<16))
	must(t, err)
	_, err = syscall.Write(second, []byte("{}\n"))
	must(t, err)
	must(t, <-answered)
}

func TestManyPodsAtOnce(t *testing.T) {
	s := newStage(t)
	s.defaultNetwork(bridgeAndPortmap)
	s.answering(notOursAtAll)
	var all sync.WaitGroup
	for number := range 50 {
		all.Go(func() {
			container := fmt.Sprintf("container-%d", number)
			s.call(command{name: "ADD", container: container}).prints(defaultResult)
			s.call(command{name: "CHECK", container: container}).prints("")
			s.call(command{name: "DEL", container: container}).prints("")
		})
	}
	all.Wait()
	if calls := len(s.recorded()); calls != 50*6 {
		t.Errorf("%d calls of the default network, expected 300", calls)
	}
	if left, _ := filepath.Glob(filepath.Join(s.cache, "atoll", "*", "*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}
