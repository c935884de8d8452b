package serving

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
	"os"
	"path/filepath"
	"time"
)

// Certificates are a throwaway authority and the identities that it signed, as PEM files.
type Certificates struct {
	CA, ServerCertificate, ServerKey, ClientCertificate, ClientKey string
}

// CreateCertificates writes a new authority, a server identity for the loopback names and a client
// identity below directory.
func CreateCertificates(directory string) (Certificates, error) {
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return Certificates{}, err
	}
	file := func(name string) string { return filepath.Join(directory, name) }
	paths := Certificates{
		CA:                file("ca.pem"),
		ServerCertificate: file("server.pem"), ServerKey: file("server-key.pem"),
		ClientCertificate: file("client.pem"), ClientKey: file("client-key.pem"),
	}

	authority := template(1, "fluxbot test authority")
	authority.IsCA, authority.BasicConstraintsValid = true, true
	authority.KeyUsage = x509.KeyUsageCertSign
	authorityKey, err := issue(authority, authority, nil, paths.CA, "")
	if err != nil {
		return Certificates{}, err
	}

	server := template(2, "localhost")
	server.DNSNames = []string{"localhost"}
	server.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if _, err := issue(server, authority, authorityKey, paths.ServerCertificate, paths.ServerKey); err != nil {
		return Certificates{}, err
	}

	client := template(3, "fluxbot test client")
	client.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if _, err := issue(client, authority, authorityKey, paths.ClientCertificate, paths.ClientKey); err != nil {
		return Certificates{}, err
	}
	return paths, nil
}

// ServerConfig is the TLS configuration of a server with these certificates.
func (c Certificates) ServerConfig(requireClientCertificate bool) (*tls.Config, error) {
	identity, err := tls.LoadX509KeyPair(c.ServerCertificate, c.ServerKey)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{
		Certificates: []tls.Certificate{identity},
		NextProtos:   []string{"h2", "http/1.1"},
		MinVersion:   tls.VersionTLS12,
	}
	if requireClientCertificate {
		authority, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, err
		}
		config.ClientAuth = tls.RequireAndVerifyClientCert
		config.ClientCAs = x509.NewCertPool()
		config.ClientCAs.AppendCertsFromPEM(authority)
	}
	return config, nil
}

func template(serial int64, name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
}

// issue creates a key, has it certified and writes both; a nil parentKey means self-signed, and an
// empty keyPath keeps the key off the disk.
func issue(
	certificate, parent *x509.Certificate, parentKey *ecdsa.PrivateKey, certificatePath, keyPath string,
) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if parentKey == nil {
		parentKey = key
	}
	der, err := x509.CreateCertificate(rand.Reader, certificate, parent, &key.PublicKey, parentKey)
	if err != nil {
		return nil, err
	}
	if err := writePEM(certificatePath, "CERTIFICATE", der); err != nil {
		return nil, err
	}
	if keyPath == "" {
		return key, nil
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writePEM(keyPath, "PRIVATE KEY", keyDER)
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
