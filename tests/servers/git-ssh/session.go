package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path"
	"strings"
	"sync/atomic"

	"fluxbot/tests/servers/serving"

	"golang.org/x/crypto/ssh"
)

// server runs Git commands for the sessions of authenticated connections.
type server struct {
	git, root string
	control   *serving.Control
	config    *ssh.ServerConfig
}

func (s *server) serve(tcp net.Conn) {
	defer func() { _ = tcp.Close() }()
	connection, channels, requests, err := ssh.NewServerConn(tcp, s.config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for offered := range channels {
		if offered.ChannelType() != "session" {
			_ = offered.Reject(ssh.UnknownChannelType, "only sessions are served")
			continue
		}
		channel, requests, err := offered.Accept()
		if err != nil {
			return
		}
		go s.session(connection, channel, requests)
	}
}

// session waits for one exec request; the environment that it needs comes before it.
func (s *server) session(connection ssh.Conn, channel ssh.Channel, requests <-chan *ssh.Request) {
	defer func() { _ = channel.Close() }()
	protocol := ""
	for request := range requests {
		switch request.Type {
		case "env":
			var variable struct{ Name, Value string }
			accepted := ssh.Unmarshal(request.Payload, &variable) == nil && variable.Name == "GIT_PROTOCOL"
			if accepted {
				protocol = variable.Value
			}
			_ = request.Reply(accepted, nil)
		case "exec":
			var command struct{ Line string }
			service, repository, err := parseCommand(request.Payload, &command)
			_ = request.Reply(err == nil, nil)
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return
			}
			go ssh.DiscardRequests(requests)
			s.run(connection, channel, service, repository, protocol)
			return
		default:
			_ = request.Reply(false, nil)
		}
	}
}

// parseCommand reads `git-upload-pack '/name.git'`.
func parseCommand(payload []byte, command *struct{ Line string }) (service, repository string, err error) {
	if err := ssh.Unmarshal(payload, command); err != nil {
		return "", "", err
	}
	service, argument, _ := strings.Cut(command.Line, " ")
	if service != "git-upload-pack" && service != "git-receive-pack" {
		return "", "", fmt.Errorf("refusing to run %q", command.Line)
	}
	repository = strings.ReplaceAll(strings.Trim(argument, "'"), `'\''`, "'")
	return service, path.Clean("/" + repository), nil
}

func (s *server) run(connection ssh.Conn, channel ssh.Channel, service, repository, protocol string) {
	record := &serving.Request{
		Method: service, Path: repository, Protocol: protocol, ContentLength: -1, Headers: map[string]string{},
	}
	s.control.Record(record)
	fault := s.control.Take(service, repository)
	action := ""
	if fault != nil {
		action = fault.Action
		s.control.Update(func() { record.Fault = action })
	}
	switch action {
	case serving.DropRequest, serving.AnswerStatus:
		_ = connection.Close()
		return
	case serving.HoldRequest:
		s.control.Hold(fault)
	}

	// A push has two answers: what the refs are, and what came of the commands. Only the second one
	// may be dropped or held, so the gate closes once the client has started to send.
	answer := &gate{to: channel}
	input := &meter{from: channel, onFirst: func() {
		if action == serving.DropResponse || action == serving.HoldResponse {
			answer.closed.Store(true)
		}
	}}
	command := exec.Command(s.git, strings.TrimPrefix(service, "git-"), s.root+repository)
	command.Env = append(serving.GitEnvironment(s.root), serving.GitProtocol(protocol)...)
	command.Stdout = answer
	command.Stderr = channel.Stderr()
	status := execute(command, input)
	s.control.Update(func() {
		record.BytesReceived, record.BytesSent, record.Status = input.count.Load(), answer.count.Load(), status
	})

	switch action {
	case serving.DropResponse:
		_ = connection.Close()
		return
	case serving.HoldResponse:
		s.control.Hold(fault)
		_, _ = channel.Write(answer.kept.Bytes())
	}
	_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(status)}))
}

// execute runs the command and returns its exit status. The input is fed beside it instead of being
// waited for: a client that keeps its side open must not keep the session from ending.
func execute(command *exec.Cmd, input io.Reader) int {
	stdin, err := command.StdinPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", command, err)
		return 127
	}
	go func() {
		_, _ = io.Copy(stdin, input)
		_ = stdin.Close()
	}()
	if err := command.Wait(); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", command, err)
	}
	return command.ProcessState.ExitCode()
}

// meter counts what it passes on, and tells when the first bytes come.
type meter struct {
	from    io.Reader
	onFirst func()
	count   atomic.Int64
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.from.Read(p)
	if n > 0 && m.count.Add(int64(n)) == int64(n) {
		m.onFirst()
	}
	return n, err
}

// gate passes bytes on until it is closed, and keeps the rest.
type gate struct {
	to     io.Writer
	closed atomic.Bool
	kept   bytes.Buffer
	count  atomic.Int64
}

func (g *gate) Write(p []byte) (int, error) {
	g.count.Add(int64(len(p)))
	if g.closed.Load() {
		return g.kept.Write(p)
	}
	return g.to.Write(p)
}
