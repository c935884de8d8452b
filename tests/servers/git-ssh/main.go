// Command git-ssh serves bare repositories over SSH with keys for the tests.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"flag"
	"net"
	"os"
	"os/exec"
	"path/filepath"

	"fluxbot/tests/servers/serving"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

func main() {
	serving.EndWithParent()
	addr := flag.String("addr", "127.0.0.1:0", "host and port to listen on")
	root := flag.String("root", "", "directory with the bare repositories (default: one that goes away)")
	authorizedKeys := flag.String("authorized-keys", "", "file with the public keys that may read and write")
	flag.Parse()

	git, err := exec.LookPath("git")
	if err != nil {
		serving.Fail("looking for git", err)
	}
	keys, err := readKeys(*authorizedKeys)
	if err != nil {
		serving.Fail("reading the authorized keys", err)
	}
	scratch := serving.DirectoryOrScratch("", "fluxbot-git-ssh-")
	served := *root
	if served == "" {
		served = filepath.Join(scratch, "repositories")
	}
	served = serving.DirectoryOrScratch(served, "")

	hostKey, err := newHostKey()
	if err != nil {
		serving.Fail("creating the host key", err)
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		serving.Fail("listening", err)
	}
	control := serving.NewControl()
	address := listener.Addr().String()
	serving.Announce(serving.Ready{
		Addr: address, Control: control.Listen(), Root: served,
		KnownHosts: knownhosts.Line([]string{address}, hostKey.PublicKey()),
	})

	server := &server{git: git, root: served, control: control, config: configure(keys, hostKey)}
	for {
		connection, err := listener.Accept()
		if err != nil {
			serving.Fail("accepting", err)
		}
		go server.serve(connection)
	}
}

func readKeys(path string) ([]ssh.PublicKey, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var keys []ssh.PublicKey
	for rest := content; len(bytes.TrimSpace(rest)) > 0; {
		var key ssh.PublicKey
		if key, _, _, rest, err = ssh.ParseAuthorizedKey(rest); err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func newHostKey() (ssh.Signer, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return ssh.NewSignerFromKey(key)
}

func configure(keys []ssh.PublicKey, hostKey ssh.Signer) *ssh.ServerConfig {
	config := &ssh.ServerConfig{
		PublicKeyCallback: func(_ ssh.ConnMetadata, offered ssh.PublicKey) (*ssh.Permissions, error) {
			for _, key := range keys {
				if bytes.Equal(key.Marshal(), offered.Marshal()) {
					return &ssh.Permissions{}, nil
				}
			}
			return nil, errors.New("key is not authorized")
		},
	}
	config.AddHostKey(hostKey)
	return config
}
