// Command git-ssh serves bare repositories over SSH with keys for the tests.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
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
	authorizedKeys := flag.String("authorized-keys", "", "file with public keys that may read and write, besides the one that is created")
	flag.Parse()

	git, err := exec.LookPath("git")
	if err != nil {
		serving.Fail("looking for git", err)
	}
	scratch := serving.DirectoryOrScratch("", "fluxbot-git-ssh-")
	served := *root
	if served == "" {
		served = filepath.Join(scratch, "repositories")
	}
	served = serving.DirectoryOrScratch(served, "")

	keys, err := readKeys(*authorizedKeys)
	if err != nil {
		serving.Fail("reading the authorized keys", err)
	}
	hostKey, _, err := newKey()
	if err != nil {
		serving.Fail("creating the host key", err)
	}
	clientKey := filepath.Join(scratch, "id_ed25519")
	public, err := createClientKey(clientKey)
	if err != nil {
		serving.Fail("creating the client key", err)
	}
	keys = append(keys, public)
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		serving.Fail("listening", err)
	}
	control := serving.NewControl()
	address := listener.Addr().String()
	knownHosts := filepath.Join(scratch, "known_hosts")
	line := knownhosts.Line([]string{address}, hostKey.PublicKey())
	if err := os.WriteFile(knownHosts, []byte(line+"\n"), 0o600); err != nil {
		serving.Fail("writing the known hosts", err)
	}
	serving.Announce(serving.Ready{
		Addr: address, Control: control.Listen(), Root: served, ClientKey: clientKey, KnownHosts: knownHosts,
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
	if path == "" {
		return nil, nil
	}
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

func newKey() (ssh.Signer, ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	signer, err := ssh.NewSignerFromKey(key)
	return signer, key, err
}

// createClientKey writes a private key in OpenSSH format and returns the public one.
func createClientKey(path string) (ssh.PublicKey, error) {
	signer, key, err := newKey()
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(key, "fluxbot-test")
	if err != nil {
		return nil, err
	}
	return signer.PublicKey(), os.WriteFile(path, pem.EncodeToMemory(block), 0o600)
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
