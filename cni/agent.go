package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	cniversion "github.com/containernetworking/cni/pkg/version"
)

const (
	// The agent waits up to 60 seconds for a plan with the pod; runtimes give up after two minutes at least.
	addPatience = 90 * time.Second
	patience    = 30 * time.Second
	maxAnswer   = 1 << 20

	attachmentsField = "cni.dev/valid-attachments"
)

// An agent answers on a Unix socket, one line of JSON each way (agent/server.py).
type agent struct {
	socket   string
	patience time.Duration
}

// away is the reason why there is no answer that could be understood.
type away struct{ reason string }

func (a away) Error() string { return "the agent of Atoll gave no answer: " + a.reason }

// ask also says what a pod of a network would be refused with, if anything: the agent then makes nothing.
func (a agent) ask(command string, args *skel.CmdArgs, protocol string, refusal *types.Error) (answer, error) {
	request, err := requestLine(command, args, protocol, refusal)
	if err != nil {
		return answer{}, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), a.patience)
	defer cancel()
	line, err := a.exchange(ctx, request)
	switch {
	case errors.Is(err, context.DeadlineExceeded) || isTimeout(err):
		return answer{}, away{fmt.Sprintf("%s: silent for %s", a.socket, a.patience)}
	case err != nil:
		return answer{}, away{fmt.Sprintf("%s: %s", a.socket, plain(err))}
	}
	return parseAnswer(command, line)
}

func (a agent) exchange(ctx context.Context, request []byte) ([]byte, error) {
	connection, err := a.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := connection.SetDeadline(deadline); err != nil {
			return nil, err
		}
	}
	_, unheard := connection.Write(request)
	line, err := bufio.NewReader(io.LimitReader(connection, maxAnswer)).ReadBytes('\n')
	switch {
	case err != nil && unheard != nil:
		return nil, unheard // an agent with too many callers answers, and hangs up, without a look at the request
	case errors.Is(err, io.EOF) && len(line) == maxAnswer:
		return nil, fmt.Errorf("an answer longer than %d bytes", maxAnswer)
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("it hung up after %d bytes of an answer", len(line))
	}
	return line, err
}

// A Unix socket with a full backlog refuses at once (EAGAIN, unix(7)): many pods start together.
func (a agent) connect(ctx context.Context) (net.Conn, error) {
	for {
		connection, err := (&net.Dialer{}).DialContext(ctx, "unix", a.socket)
		if !errors.Is(err, syscall.EAGAIN) {
			return connection, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// The socket's path is said already. containerd takes a DEL for done whose error says "no such file or directory".
func plain(err error) string {
	var operation *net.OpError
	switch {
	case errors.Is(err, syscall.ENOENT):
		return "there is no socket"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nobody listens"
	case errors.As(err, &operation):
		return operation.Err.Error()
	}
	return err.Error()
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

func requestLine(command string, args *skel.CmdArgs, protocol string, refusal *types.Error) ([]byte, error) {
	input := map[string]json.RawMessage{}
	if err := json.Unmarshal(args.StdinData, &input); err != nil {
		return nil, err
	}
	protocolText, err := json.Marshal(agentProtocol(protocol))
	if err != nil {
		return nil, err
	}
	input["cniVersion"] = protocolText
	if string(input[attachmentsField]) == "null" {
		input[attachmentsField] = json.RawMessage("[]")
	}
	request := map[string]any{
		"CNI_COMMAND":     command,
		"CNI_CONTAINERID": args.ContainerID,
		"CNI_NETNS":       args.Netns,
		"CNI_IFNAME":      args.IfName,
		"CNI_ARGS":        args.Args,
		"CNI_PATH":        args.Path,
		"config":          input,
	}
	if refusal != nil {
		request["refusal"] = refusal
	}
	line, err := json.Marshal(request)
	return append(line, '\n'), err
}

// The agent speaks 1.0.0 and later; results of 1.0.0 can be converted to all that went before.
func agentProtocol(protocol string) string {
	if newer, err := cniversion.GreaterThanOrEqualTo(protocol, "1.0.0"); err == nil && newer {
		return protocol
	}
	return "1.0.0"
}
