package serving

import (
	"crypto/tls"
	"flag"
	"io"
	"log"
	"net"
	"net/http"
	"path/filepath"
)

// HTTPFlags are the command-line options that all HTTP servers share.
type HTTPFlags struct {
	addr                     *string
	tls                      *bool
	tlsDirectory             *string
	requireClientCertificate *bool
}

// RegisterHTTPFlags declares the shared options; call it before flag.Parse.
func RegisterHTTPFlags() HTTPFlags {
	return HTTPFlags{
		addr:                     flag.String("addr", "127.0.0.1:0", "host and port to listen on"),
		tls:                      flag.Bool("tls", false, "serve HTTPS with a certificate of a new authority"),
		tlsDirectory:             flag.String("tls-dir", "", "directory for the certificates (default: below the data)"),
		requireClientCertificate: flag.Bool("require-client-certificate", false, "with --tls: refuse clients without one"),
	}
}

// Site is a bound listener whose address is known before anything is served on it.
type Site struct {
	// URL is the address with its scheme, without a slash at the end.
	URL string
	// Ready has the address and the certificates filled in.
	Ready    Ready
	listener net.Listener
}

// Listen binds the address. scratch is where certificates go unless the flags say otherwise.
func (f HTTPFlags) Listen(scratch string) *Site {
	listener, err := net.Listen("tcp", *f.addr)
	if err != nil {
		Fail("listening", err)
	}
	site := &Site{listener: listener, Ready: Ready{Addr: listener.Addr().String()}}
	site.URL = "http://" + site.Ready.Addr
	if !*f.tls {
		return site
	}
	directory := *f.tlsDirectory
	if directory == "" {
		directory = filepath.Join(scratch, "tls")
	}
	certificates, err := CreateCertificates(directory)
	if err != nil {
		Fail("creating certificates", err)
	}
	config, err := certificates.ServerConfig(*f.requireClientCertificate)
	if err != nil {
		Fail("configuring TLS", err)
	}
	site.URL = "https://" + site.Ready.Addr
	site.Ready.CA = certificates.CA
	site.Ready.ClientCertificate, site.Ready.ClientKey = certificates.ClientCertificate, certificates.ClientKey
	site.listener = tls.NewListener(listener, config)
	return site
}

// Serve answers with handler until the process ends. Accepted connections have TCP_NODELAY set, as
// Go does for every TCP connection: without it small answers wait for delayed acknowledgements.
func (s *Site) Serve(handler http.Handler) {
	// Clients that hang up, or refuse a certificate, are part of what tests do.
	server := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}
	Fail("serving", server.Serve(s.listener))
}
