package main

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"fluxbot/tests/servers/serving"

	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.uber.org/zap"
)

// longestSocketPath is what fits into the address of a Unix socket on every system.
const longestSocketPath = 100

// startEtcd serves a store whose data are below root, on a Unix socket, and returns its URL.
func startEtcd(root string) (string, error) {
	sockets := filepath.Join(root, "sockets")
	if err := os.Mkdir(sockets, 0o700); err != nil {
		return "", err
	}
	if len(filepath.Join(sockets, "client")) > longestSocketPath {
		elsewhere, err := os.MkdirTemp("", "fluxbot-etcd-")
		if err != nil {
			return "", err
		}
		serving.OnExit(func() { _ = os.RemoveAll(elsewhere) })
		sockets = elsewhere
	}
	client := url.URL{Scheme: "unix", Path: filepath.Join(sockets, "client")}
	peer := url.URL{Scheme: "unix", Path: filepath.Join(sockets, "peer")}

	// Allocated before they are needed; the default is 64 MB each.
	wal.SegmentSizeBytes = 8 << 20
	config := embed.NewConfig()
	config.Dir = filepath.Join(root, "etcd")
	config.ListenClientUrls, config.ListenPeerUrls = []url.URL{client}, []url.URL{peer}
	// Names must be given and are told to nobody: there is one member.
	config.AdvertiseClientUrls = []url.URL{{Scheme: "http", Host: "127.0.0.1:2379"}}
	config.AdvertisePeerUrls = []url.URL{{Scheme: "http", Host: "127.0.0.1:2380"}}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	config.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	// The data need not outlive a power cut.
	config.UnsafeNoFsync = true
	// Alone it elects itself; waiting for others is time lost.
	config.TickMs, config.ElectionMs = 10, 50
	etcd, err := embed.StartEtcd(config)
	if err != nil {
		return "", err
	}
	select {
	case <-etcd.Server.ReadyNotify():
	case err := <-etcd.Err():
		return "", err
	case <-time.After(30 * time.Second):
		return "", errors.New("not ready within 30 s")
	}
	go func() { serving.Fail("running etcd", <-etcd.Err()) }()
	return client.String(), nil
}
