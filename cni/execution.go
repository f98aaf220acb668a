package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/containernetworking/cni/pkg/invoke"
	"github.com/containernetworking/cni/pkg/types"
	cniversion "github.com/containernetworking/cni/pkg/version"
)

// An execution runs the default network's plugins as libcni's own RawExec does, to the letter of its errors.
// It adds two things: what the last one printed is kept, and each ends when this process is killed, as it
// would if the runtime had started and killed it.
type execution struct {
	cniversion.PluginDecoder
	printed []byte
	pause   func() // before a binary that is just being written is tried again
}

func newExecution() *execution {
	return &execution{pause: func() { time.Sleep(time.Second) }}
}

func (e *execution) FindInPath(plugin string, paths []string) (string, error) {
	return invoke.FindInPath(plugin, paths)
}

func (e *execution) ExecPlugin(ctx context.Context, path string, input []byte, environment []string) ([]byte, error) {
	for attempt := 0; ; attempt++ {
		var stdout, stderr bytes.Buffer
		command := exec.CommandContext(ctx, path)
		command.Env = environment
		command.Stdin = bytes.NewReader(input)
		command.Stdout, command.Stderr = &stdout, &stderr
		command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		err := command.Run()
		if err == nil {
			_, _ = io.Copy(os.Stderr, &stderr)
			e.printed = stdout.Bytes()
			return e.printed, nil
		}
		if attempt < 5 && errors.Is(err, syscall.ETXTBSY) {
			e.pause()
			continue
		}
		return nil, pluginError(err, stdout.Bytes(), stderr.String())
	}
}

func pluginError(err error, stdout []byte, stderr string) error {
	told := types.Error{}
	switch {
	case len(stdout) == 0 && stderr == "":
		told.Msg = fmt.Sprintf("netplugin failed with no error message: %v", err)
	case len(stdout) == 0:
		told.Msg = fmt.Sprintf("netplugin failed: %q: %v", stderr, err)
	default:
		if problem := json.Unmarshal(stdout, &told); problem != nil {
			told.Msg = fmt.Sprintf("netplugin failed but error parsing its diagnostic message %q: %v", stdout, problem)
		}
	}
	return &told
}
