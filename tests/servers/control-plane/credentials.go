package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// credentials are the files of a throwaway authority and what it signed. Every process of the
// cluster acts as the administrator; tests make ServiceAccounts for anything less.
type credentials struct {
	ca, caKey                    string
	serverCertificate, serverKey string
	adminCertificate, adminKey   string
	serviceAccountKey            string
	authority                    *x509.Certificate
	authorityKey                 *ecdsa.PrivateKey
}

func createCredentials(directory string) (*credentials, error) {
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return nil, err
	}
	file := func(name string) string { return filepath.Join(directory, name) }
	c := &credentials{
		ca: file("ca.pem"), caKey: file("ca-key.pem"),
		serverCertificate: file("apiserver.pem"), serverKey: file("apiserver-key.pem"),
		adminCertificate: file("admin.pem"), adminKey: file("admin-key.pem"),
		serviceAccountKey: file("service-account-key.pem"),
	}

	authority := certificate(1, pkix.Name{CommonName: "fluxbot test authority"})
	authority.IsCA, authority.BasicConstraintsValid = true, true
	authority.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	c.authority = authority
	if err := c.issue(authority, c.ca, c.caKey); err != nil {
		return nil, err
	}

	server := certificate(2, pkix.Name{CommonName: "kube-apiserver"})
	server.DNSNames = []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"}
	server.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback, net.IPv4(10, 96, 0, 1)}
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if err := c.issue(server, c.serverCertificate, c.serverKey); err != nil {
		return nil, err
	}

	admin := certificate(3, pkix.Name{CommonName: "kubernetes-admin", Organization: []string{"system:masters"}})
	admin.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if err := c.issue(admin, c.adminCertificate, c.adminKey); err != nil {
		return nil, err
	}

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return c, writeKey(c.serviceAccountKey, key)
}

func certificate(serial int64, name pkix.Name) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      name,
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(365 * 24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
}

// issue creates a key, has it certified by the authority and writes both. The first certificate is
// the authority's own.
func (c *credentials) issue(certificate *x509.Certificate, certificatePath, keyPath string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	if c.authorityKey == nil {
		c.authorityKey = key
	}
	der, err := x509.CreateCertificate(rand.Reader, certificate, c.authority, &key.PublicKey, c.authorityKey)
	if err != nil {
		return err
	}
	if err := writePEM(certificatePath, "CERTIFICATE", der); err != nil {
		return err
	}
	return writeKey(keyPath, key)
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	// The API server finds the public half of a ServiceAccount key in this form only.
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(path, "EC PRIVATE KEY", der)
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

// writeKubeconfig writes the administrator's kubeconfig, whole in itself.
func (c *credentials) writeKubeconfig(path, name, server string) error {
	var contents [3][]byte
	for i, file := range []string{c.ca, c.adminCertificate, c.adminKey} {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		contents[i] = content
	}
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: contents[0]}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{ClientCertificateData: contents[1], ClientKeyData: contents[2]}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	content, err := clientcmd.Write(*config)
	if err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o600)
}

// client trusts the authority and acts as the administrator.
func (c *credentials) client() (*http.Client, error) {
	identity, err := tls.LoadX509KeyPair(c.adminCertificate, c.adminKey)
	if err != nil {
		return nil, err
	}
	authority, err := os.ReadFile(c.ca)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	return &http.Client{
		Timeout: 5 * time.Second,
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{
				RootCAs: roots, Certificates: []tls.Certificate{identity}, MinVersion: tls.VersionTLS12,
			},
			// Each probe shall reach the server of the moment.
			DisableKeepAlives: true,
		},
	}, nil
}
