// Package serving holds what the test servers share: their lifetime, their ready line, their
// certificates, and the control listener on which a test reads requests and orders faults.
// It uses the standard library only, so that no server inherits a dependency from it.
package serving

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// Ready is the single line of JSON that a server prints on stdout once it answers.
type Ready struct {
	// Addr is the host and port of the server.
	Addr string `json:"addr"`
	// Control is the host and port of the private listener with the request log and the faults.
	Control string `json:"control"`
	// Root is the directory that holds the served data.
	Root string `json:"root"`
	// CA is the file with the certificate authority to trust; empty without TLS.
	CA string `json:"ca,omitempty"`
	// ClientCertificate and ClientKey are files with an identity that the server accepts. For SSH,
	// which has no certificate here, ClientKey is in OpenSSH format.
	ClientCertificate string `json:"client_certificate,omitempty"`
	ClientKey         string `json:"client_key,omitempty"`
	// KnownHosts is an OpenSSH known_hosts file with the server's key; empty unless it speaks SSH.
	KnownHosts string `json:"known_hosts,omitempty"`
}

var lifetime struct {
	sync.Mutex
	cleanups []func()
}

// OnExit registers work for the end of the process.
func OnExit(cleanup func()) {
	lifetime.Lock()
	defer lifetime.Unlock()
	lifetime.cleanups = append(lifetime.cleanups, cleanup)
}

// Exit runs the registered cleanups, newest first, and ends the process.
func Exit(code int) {
	// Never unlocked: whoever comes second waits here for the end of the process.
	lifetime.Lock()
	for i := len(lifetime.cleanups) - 1; i >= 0; i-- {
		lifetime.cleanups[i]()
	}
	os.Exit(code)
}

// Fail ends the process with a message on stderr.
func Fail(doing string, err error) {
	fmt.Fprintf(os.Stderr, "%s: %v\n", doing, err)
	Exit(1)
}

// DirectoryOrScratch returns the given directory, or a fresh one that goes away with the process
// when none was given. The server removes it, not the test: a killed test cannot clean up.
func DirectoryOrScratch(directory, prefix string) string {
	if directory != "" {
		if err := os.MkdirAll(directory, 0o755); err != nil {
			Fail("creating the data directory", err)
		}
		return directory
	}
	scratch, err := os.MkdirTemp("", prefix)
	if err != nil {
		Fail("creating a scratch directory", err)
	}
	OnExit(func() {
		// Work in progress may still put files into what is being removed.
		for attempt := 0; os.RemoveAll(scratch) != nil && attempt < 50; attempt++ {
			time.Sleep(20 * time.Millisecond)
		}
	})
	return scratch
}

// EndWithParent ends the process when stdin closes, which the kernel does for a parent that dies
// in any way, and on SIGTERM and SIGINT. Call it before anything is created on disk.
func EndWithParent() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-signals
		Exit(0)
	}()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		Exit(0)
	}()
}

// Announce prints the ready line.
func Announce(ready Ready) {
	if err := json.NewEncoder(os.Stdout).Encode(ready); err != nil {
		Fail("printing the ready line", err)
	}
}
