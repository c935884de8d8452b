// Command control-plane runs a whole Kubernetes control plane on loopback: etcd, kube-apiserver,
// kube-controller-manager, kube-scheduler, and one pretended node whose pods become ready.
//
//	control-plane [--name NAME] [--dir DIR]
//
// It prints one line of JSON once the cluster is usable (a Deployment would become ready), and runs
// until its stdin closes or SIGTERM or SIGINT comes; no process is left then.
//
//	{"name": "beta", "kubeconfig": "/…/kubeconfig", "version": "v1.34.4", "addr": "127.0.0.1:40001",
//	 "control": "127.0.0.1:40002", "root": "/…", "ca": "/…/ca.pem",
//	 "client_certificate": "/…/admin.pem", "client_key": "/…/admin-key.pem"}
//
// --name is the cluster's name in the kubeconfig (context, cluster and user). --dir is where the data,
// the certificates, the kubeconfig and the logs go; it must be empty or absent, and is left there.
// Without it they are in a temporary directory that goes away with the process. All ports are free
// ones of 127.0.0.1; etcd listens on a Unix socket in a directory that only the user can enter.
//
// `control` takes orders over HTTP, each answered when it is done:
//
//	POST /apiserver/kill    kills the API server as kill -9 does; its port refuses connections then
//	POST /apiserver/stop    ends it gracefully, as SIGTERM does
//	POST /apiserver/start   starts it again on the same port and answers once it is ready
//
// What the node does to a pod is told by annotations of the pod: see kubelet.go.
//
//	control-plane kubectl ...
//
// is kubectl; so is a link to this program whose name is kubectl.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"

	"fluxbot/tests/servers/serving"

	"k8s.io/component-base/version"
	"k8s.io/klog/v2"
)

// ready is the line that tells that the cluster is usable.
type ready struct {
	Name       string `json:"name"`
	Kubeconfig string `json:"kubeconfig"`
	Version    string `json:"version"`
	serving.Ready
}

func main() {
	if filepath.Base(os.Args[0]) == "kubectl" {
		kubectl(os.Args)
	}
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "kubectl":
			kubectl(os.Args[1:])
		case apiserverCommand:
			runAPIServer(os.Args[2:])
		}
	}
	serving.EndWithParent()
	// A set of its own: linked packages declare flags of theirs in the common one.
	flags := flag.NewFlagSet("control-plane", flag.ExitOnError)
	name := flags.String("name", "test", "name of the cluster in the kubeconfig")
	directory := flags.String("dir", "", "directory for data, certificates, kubeconfig and logs (default: one that goes away)")
	_ = flags.Parse(os.Args[1:])
	if flags.NArg() > 0 {
		serving.Fail("reading the arguments", fmt.Errorf("%q is not an option", flags.Arg(0)))
	}
	run(*name, *directory)
	select {}
}

// run returns once the cluster is usable and its line is printed.
func run(name, directory string) {
	if entries, _ := os.ReadDir(directory); len(entries) > 0 {
		serving.Fail("creating the data directory", fmt.Errorf("%s is not empty", directory))
	}
	root, err := filepath.Abs(serving.DirectoryOrScratch(directory, "fluxbot-control-plane-"))
	if err != nil {
		serving.Fail("finding the data directory", err)
	}
	logTo(filepath.Join(root, "control-plane.log"))
	credentials, err := createCredentials(filepath.Join(root, "pki"))
	if err != nil {
		serving.Fail("creating the credentials", err)
	}
	apiserver, err := newAPIServer(root, credentials)
	if err != nil {
		serving.Fail("reserving a port", err)
	}
	kubeconfig := filepath.Join(root, "kubeconfig")
	if err := credentials.writeKubeconfig(kubeconfig, name, apiserver.url()); err != nil {
		serving.Fail("writing the kubeconfig", err)
	}
	etcd, err := startEtcd(root)
	if err != nil {
		serving.Fail("starting etcd", err)
	}
	apiserver.etcd = etcd
	if err := apiserver.start(); err != nil {
		serving.Fail("starting kube-apiserver", err)
	}
	if err := startComponents(kubeconfig, credentials); err != nil {
		serving.Fail("starting the controllers", err)
	}
	// What starting needed is garbage now.
	debug.SetGCPercent(50)
	debug.FreeOSMemory()

	announce(ready{
		Name: name, Kubeconfig: kubeconfig, Version: version.Get().GitVersion,
		Ready: serving.Ready{
			Addr: apiserver.addr, Control: control(apiserver), Root: root,
			CA: credentials.ca, ClientCertificate: credentials.adminCertificate, ClientKey: credentials.adminKey,
		},
	})
}

func announce(line ready) {
	if err := json.NewEncoder(os.Stdout).Encode(line); err != nil {
		serving.Fail("printing the ready line", err)
	}
}

// logTo sends what the linked components have to say to a file: stderr is for what the user must know.
func logTo(path string) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		serving.Fail("creating the log", err)
	}
	klog.LogToStderr(false)
	klog.SetOutput(file)
}

// control serves the orders on a free port and returns its address.
func control(apiserver *apiserver) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		serving.Fail("listening for control", err)
	}
	order := func(do func() error) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if err := do(); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			_, _ = io.WriteString(w, "done\n")
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /apiserver/kill", order(apiserver.kill))
	mux.HandleFunc("POST /apiserver/stop", order(apiserver.stop))
	mux.HandleFunc("POST /apiserver/start", order(apiserver.start))
	go func() { serving.Fail("serving control", http.Serve(listener, mux)) }()
	return listener.Addr().String()
}
