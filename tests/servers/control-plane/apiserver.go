package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"fluxbot/tests/servers/serving"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/client-go/rest"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"
)

// apiserverCommand is the first argument of the process that is the API server.
const apiserverCommand = "kube-apiserver"

// apiserverDeadline is how long the API server may take to start or to stop. Generous: machines of CI
// are busy.
const apiserverDeadline = 2 * time.Minute

// apiserver runs kube-apiserver as a process of its own, because it shall be killed and started again
// while the others live.
type apiserver struct {
	addr, etcd, log string
	credentials     *credentials
	client          *http.Client

	// ending is set once this process is about to end.
	ending  atomic.Bool
	mutex   sync.Mutex
	process *apiserverProcess
}

type apiserverProcess struct {
	command *exec.Cmd
	// stdin ends the process when it closes, which happens also when this one dies.
	stdin io.Closer
	ended chan struct{}
}

func newAPIServer(root string, credentials *credentials) (*apiserver, error) {
	addr, err := reservePort()
	if err != nil {
		return nil, err
	}
	client, err := credentials.client()
	if err != nil {
		return nil, err
	}
	a := &apiserver{
		addr: addr, log: filepath.Join(root, "kube-apiserver.log"), credentials: credentials, client: client,
	}
	serving.OnExit(func() {
		a.ending.Store(true)
		_ = a.kill()
	})
	return a, nil
}

func (a *apiserver) url() string { return "https://" + a.addr }

// start starts the process and returns once it is ready.
func (a *apiserver) start() error {
	process, err := a.spawn()
	if err != nil {
		return err
	}
	deadline := time.Now().Add(apiserverDeadline)
	for !a.isReady() {
		select {
		case <-process.ended:
			if a.ending.Load() {
				// No failure, and nothing is left to do.
				select {}
			}
			_ = a.kill()
			return fmt.Errorf("kube-apiserver ended with %v:\n%s", process.command.ProcessState, a.lastWords())
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("kube-apiserver was not ready within %v:\n%s", apiserverDeadline, a.lastWords())
		}
	}
	return nil
}

func (a *apiserver) spawn() (*apiserverProcess, error) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if a.process != nil {
		return nil, errors.New("kube-apiserver runs already")
	}
	program, err := ownProgram()
	if err != nil {
		return nil, err
	}
	listener, err := listen(a.addr)
	if err != nil {
		return nil, err
	}
	defer func() { _ = listener.Close() }()
	log, err := os.OpenFile(a.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()

	command := exec.Command(program, append([]string{apiserverCommand}, a.arguments()...)...)
	command.Stdout, command.Stderr = log, log
	// A quarter less memory for a little more work.
	command.Env = append(os.Environ(), "GOGC=50")
	command.ExtraFiles = []*os.File{listener}
	stdin, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	a.process = &apiserverProcess{command: command, stdin: stdin, ended: make(chan struct{})}
	go func(ended chan struct{}) {
		_ = command.Wait()
		close(ended)
	}(a.process.ended)
	return a.process, nil
}

// ownProgram is the path of this program. On Linux it is one that also works when the file was removed
// meanwhile, as caches do with old versions.
func ownProgram() (string, error) {
	const self = "/proc/self/exe"
	if _, err := os.Stat(self); err == nil {
		return self, nil
	}
	return os.Executable()
}

func (a *apiserver) arguments() []string {
	host, port, _ := net.SplitHostPort(a.addr)
	c := a.credentials
	return []string{
		"--bind-address=" + host,
		"--secure-port=" + port,
		// Else it looks for the address of a network, and there may be none.
		"--advertise-address=" + host,
		"--etcd-servers=" + a.etcd,
		"--tls-cert-file=" + c.serverCertificate,
		"--tls-private-key-file=" + c.serverKey,
		"--client-ca-file=" + c.ca,
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + c.serviceAccountKey,
		"--service-account-signing-key-file=" + c.serviceAccountKey,
		"--authorization-mode=RBAC",
		"--service-cluster-ip-range=10.96.0.0/16",
		"--allow-privileged=true",
		// It would publish an address that no pod can reach.
		"--endpoint-reconciler-type=none",
		// Many tests at once are no flood.
		"--enable-priority-and-fairness=false",
		"--max-requests-inflight=0",
		"--max-mutating-requests-inflight=0",
		"--profiling=false",
	}
}

func (a *apiserver) isReady() bool {
	response, err := a.client.Get(a.url() + "/readyz")
	if err != nil {
		return false
	}
	defer func() { _ = response.Body.Close() }()
	return response.StatusCode == http.StatusOK
}

// lastWords are the end of the log.
func (a *apiserver) lastWords() []byte {
	content, err := os.ReadFile(a.log)
	if err != nil {
		return []byte(err.Error())
	}
	lines := bytes.Split(bytes.TrimSpace(content), []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-20):], []byte("\n"))
}

func (a *apiserver) kill() error { return a.end(syscall.SIGKILL) }

func (a *apiserver) stop() error { return a.end(syscall.SIGTERM) }

// end returns once the process is gone. No process is no error: the aim is reached.
func (a *apiserver) end(signal syscall.Signal) error {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if a.process == nil {
		return nil
	}
	process := a.process
	_ = process.command.Process.Signal(signal)
	select {
	case <-process.ended:
	case <-time.After(apiserverDeadline):
		_ = process.command.Process.Kill()
		<-process.ended
	}
	_ = process.stdin.Close()
	a.process = nil
	return nil
}

// runAPIServer is the other process. The listener comes as its first extra file, so that nobody can
// take the port between its choice and its use.
func runAPIServer(arguments []string) {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	err := serveAPI(ctx, arguments)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func serveAPI(ctx context.Context, arguments []string) error {
	server := options.NewServerRunOptions()
	flags := pflag.NewFlagSet(apiserverCommand, pflag.ContinueOnError)
	for _, set := range server.Flags().FlagSets {
		flags.AddFlagSet(set)
	}
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	listener, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return err
	}
	server.SecureServing.Listener = listener

	registry := server.GenericServerRunOptions.ComponentGlobalsRegistry
	if err := registry.Set(); err != nil {
		return err
	}
	if err := logsapi.ValidateAndApply(server.Logs, registry.FeatureGateFor("kube")); err != nil {
		return err
	}
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	completed, err := server.Complete(ctx)
	if err != nil {
		return err
	}
	if errs := completed.Validate(); len(errs) > 0 {
		return utilerrors.NewAggregate(errs)
	}
	return app.Run(ctx, completed)
}

// reservation is the bound socket that keeps the port ours while nobody listens on it.
var reservation int

// reservePort binds a free port of 127.0.0.1 without listening: connections are refused, and nobody
// else is given the port.
func reservePort() (string, error) {
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return "", err
	}
	syscall.CloseOnExec(socket)
	if err := shareAddress(uintptr(socket)); err != nil {
		return "", err
	}
	if err := syscall.Bind(socket, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return "", err
	}
	bound, err := syscall.Getsockname(socket)
	if err != nil {
		return "", err
	}
	reservation = socket
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(bound.(*syscall.SockaddrInet4).Port)), nil
}

// listen opens a listener beside the reservation, as a file that a child can inherit.
func listen(addr string) (*os.File, error) {
	config := net.ListenConfig{Control: func(_, _ string, connection syscall.RawConn) error {
		var failed error
		if err := connection.Control(func(socket uintptr) { failed = shareAddress(socket) }); err != nil {
			return err
		}
		return failed
	}}
	listener, err := config.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer func() { _ = listener.Close() }()
	return listener.(*net.TCPListener).File()
}

func shareAddress(socket uintptr) error {
	if err := syscall.SetsockoptInt(int(socket), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return err
	}
	return unix.SetsockoptInt(int(socket), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
}
