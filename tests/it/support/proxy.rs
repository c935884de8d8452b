//! Proxies: HTTP with and without TLS, and SOCKS 5, all with a user and a password.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// The user that a proxy knows.
pub const PROXY_USER: &str = "proxy-user";

/// The password of the user.
pub const PROXY_PASSWORD: &str = "proxy-p4ssword";

/// A running proxy; it ends with the test's process.
pub struct Proxy {
    /// Its address as a URL.
    pub url: String,
    /// The certificate to trust, where there is one, in PEM.
    pub authority: Option<String>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// An HTTP proxy for plain HTTP; it offers no tunnels.
    pub fn http() -> Self {
        let (listener, url, seen) = bind("http");
        let log = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let log = Arc::clone(&log);
                // A client that goes away is no failure of the proxy.
                std::thread::spawn(move || drop(relay(stream, &log)));
            }
        });
        Self {
            url,
            authority: None,
            seen,
        }
    }

    /// The same over TLS, with a certificate of its own.
    pub fn https() -> Self {
        let (listener, url, seen) = bind("https");
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let certificate = certificate.self_signed(&key).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .unwrap();
        let (log, config) = (Arc::clone(&seen), Arc::new(config));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, config) = (Arc::clone(&log), Arc::clone(&config));
                std::thread::spawn(move || {
                    let connection = ServerConnection::new(config).unwrap();
                    drop(relay(StreamOwned::new(connection, stream), &log));
                });
            }
        });
        Self {
            url,
            authority: Some(certificate.pem()),
            seen,
        }
    }

    /// A SOCKS 5 proxy.
    pub fn socks() -> Self {
        let (listener, url, seen) = bind("socks5");
        let log = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let log = Arc::clone(&log);
                std::thread::spawn(move || drop(tunnel(stream, &log)));
            }
        });
        Self {
            url,
            authority: None,
            seen,
        }
    }

    /// What went through: request lines, or addresses.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

fn bind(scheme: &str) -> (TcpListener, String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("{scheme}://{}", listener.local_addr().unwrap());
    (listener, url, Arc::default())
}

/// Reads the head of a request.
pub fn head(stream: &mut impl Read) -> std::io::Result<Option<String>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
    }
    Ok(Some(String::from_utf8_lossy(&head).into_owned()))
}

/// Answers one request by asking the server that it names.
fn relay(mut stream: impl Read + Write, log: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let Some(head) = head(&mut stream)? else {
        return Ok(());
    };
    let expected = format!(
        "proxy-authorization: basic {}",
        BASE64_STANDARD.encode(format!("{PROXY_USER}:{PROXY_PASSWORD}"))
    );
    let is_known = head.lines().any(|line| line.eq_ignore_ascii_case(&expected));
    let line = head.lines().next().unwrap_or_default().to_owned();
    if !is_known {
        return stream.write_all(
            b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        );
    }
    let target = line.split(' ').nth(1).unwrap_or_default();
    let Some((authority, _)) = target
        .strip_prefix("http://")
        .and_then(|rest| rest.split_once('/'))
    else {
        return stream
            .write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    };
    log.lock().unwrap().push(line.clone());
    let mut server = TcpStream::connect(authority)?;
    let rest: Vec<&str> = head
        .lines()
        .filter(|line| !line.is_empty() && !line.to_ascii_lowercase().starts_with("proxy-"))
        .collect();
    server.write_all(format!("{}\r\nConnection: close\r\n\r\n", rest.join("\r\n")).as_bytes())?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    stream.write_all(&answer)?;
    stream.flush()
}

/// Opens a tunnel (RFC 1928, RFC 1929).
fn tunnel(mut stream: TcpStream, log: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut take = |count: usize| {
        let mut bytes = vec![0; count];
        stream.read_exact(&mut bytes).map(|()| bytes)
    };
    let methods = take(2)?[1];
    if !take(usize::from(methods))?.contains(&2) {
        return stream.write_all(&[5, 0xff]);
    }
    stream.write_all(&[5, 2])?;
    let mut take = |count: usize| {
        let mut bytes = vec![0; count];
        stream.read_exact(&mut bytes).map(|()| bytes)
    };
    let length = take(2)?[1];
    let user = take(usize::from(length))?;
    let length = take(1)?[0];
    let password = take(usize::from(length))?;
    if user != PROXY_USER.as_bytes() || password != PROXY_PASSWORD.as_bytes() {
        return stream.write_all(&[1, 1]);
    }
    stream.write_all(&[1, 0])?;
    let mut take = |count: usize| {
        let mut bytes = vec![0; count];
        stream.read_exact(&mut bytes).map(|()| bytes)
    };
    let kind = take(4)?[3];
    let is_address = kind == 1;
    let host = if is_address {
        let bytes = take(4)?;
        let parts: Vec<String> = bytes.iter().map(ToString::to_string).collect();
        parts.join(".")
    } else {
        let length = take(1)?[0];
        String::from_utf8_lossy(&take(usize::from(length))?).into_owned()
    };
    let port = take(2)?;
    let address = format!("{host}:{}", u16::from_be_bytes([port[0], port[1]]));
    log.lock().unwrap().push(address.clone());
    let server = TcpStream::connect(&address)?;
    stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
    let (mut from, mut to) = (stream.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || {
        drop(std::io::copy(&mut from, &mut to));
        drop(to.shutdown(Shutdown::Write));
    });
    let (mut from, mut to) = (server, stream);
    std::io::copy(&mut from, &mut to)?;
    to.shutdown(Shutdown::Write)
}

/// The address of a listener that nobody listens on any more.
pub fn unused_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
