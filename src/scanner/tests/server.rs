//! An HTTP/1.1 server whose answers a test writes as a function of the request.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::http::HttpClients;
use crate::image::ImageName;
use crate::scanner::{Access, Credential, Keychain, Limits, Registry};

/// A request as the server saw it.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) method: String,
    /// Path and query.
    pub(super) target: String,
    pub(super) authorization: Option<String>,
    pub(super) if_none_match: Option<String>,
    pub(super) body: String,
}

/// What the server does.
pub(super) enum Reply {
    /// Status, headers, body.
    Full(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// These bytes, then the connection is closed.
    Raw(Vec<u8>),
    /// These bytes, then silence until the client gives up.
    Silence(Vec<u8>),
}

impl Reply {
    pub(super) fn json(status: u16, body: impl Into<String>) -> Self {
        Self::Full(
            status,
            vec![("Content-Type", "application/json".into())],
            body.into().into_bytes(),
        )
    }

    pub(super) fn tags(tags: &[&str]) -> Self {
        Self::json(
            200,
            serde_json::json!({"name": "team/app", "tags": tags}).to_string(),
        )
    }

    pub(super) fn status(status: u16) -> Self {
        Self::Full(status, Vec::new(), Vec::new())
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        if let Self::Full(_, headers, _) = &mut self {
            headers.push((name, value.into()));
        }
        self
    }

    /// A 401 with a challenge.
    pub(super) fn challenge(challenge: impl Into<String>) -> Self {
        Self::json(
            401,
            r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#,
        )
        .with("WWW-Authenticate", challenge)
    }
}

/// A running server; it stops when the test's process ends.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// Starts a server on a free port. It answers `/v2/` with 200 unless `answer` does otherwise, so that the client
    /// finds out that it speaks plain HTTP.
    pub(super) fn start(answer: impl Fn(&Seen, SocketAddr) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (Arc::clone(&seen), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                std::thread::spawn(move || {
                    // A client that goes away is no failure of the server.
                    drop(serve(stream, &log, &|request| answer(request, address)));
                });
            }
        });
        Self { address, seen }
    }

    /// The requests so far, without the first contact.
    pub(super) fn seen(&self) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .filter(|request| request.target != "/v2/")
            .cloned()
            .collect()
    }

    /// How often a client made first contact.
    pub(super) fn contacts(&self) -> usize {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|request| request.target == "/v2/").count()
    }

    /// The targets of the requests so far, without the first contact.
    pub(super) fn targets(&self) -> Vec<String> {
        self.seen().into_iter().map(|request| request.target).collect()
    }

    pub(super) fn image(&self) -> ImageName {
        format!("{}/team/app", self.address).parse().unwrap()
    }
}

/// A client that retries without waiting.
pub(super) fn registry() -> Registry {
    registry_with(Limits::default())
}

pub(super) fn registry_with(limits: Limits) -> Registry {
    Registry::with_limits(
        HttpClients::new(),
        Limits {
            retry_delay: Duration::from_millis(1),
            ..limits
        },
    )
}

/// Access with one credential for every registry on 127.0.0.1 that `image` is on.
pub(super) fn access_with(image: &ImageName, credential: Credential) -> Access {
    Access {
        keychain: Arc::new(Keychain::single(image.registry(), credential)),
        ..Access::default()
    }
}

pub(super) fn basic(username: &str, password: &str) -> Credential {
    Credential::Basic {
        username: username.to_owned(),
        password: password.to_owned(),
    }
}

fn serve(
    mut stream: TcpStream,
    log: &Mutex<Vec<Seen>>,
    answer: &dyn Fn(&Seen) -> Reply,
) -> std::io::Result<()> {
    let mut first = [0];
    // The first byte of a TLS handshake.
    if stream.peek(&mut first)? == 1 && first == [0x16] {
        return stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\nthis server speaks plain HTTP");
    }
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(request) = read_request(&mut reader)? {
        log.lock().unwrap().push(request.clone());
        let reply = match answer(&request) {
            Reply::Full(404, ..) if request.target == "/v2/" => Reply::status(200),
            reply => reply,
        };
        match reply {
            Reply::Full(status, headers, body) => {
                let mut head = format!("HTTP/1.1 {status} X\r\n");
                for (name, value) in headers {
                    write!(head, "{name}: {value}\r\n").unwrap();
                }
                write!(head, "Content-Length: {}\r\n\r\n", body.len()).unwrap();
                let mut bytes = head.into_bytes();
                if request.method != "HEAD" {
                    bytes.extend(body);
                }
                stream.write_all(&bytes)?;
            }
            Reply::Raw(bytes) => return stream.write_all(&bytes),
            Reply::Silence(bytes) => {
                stream.write_all(&bytes)?;
                let mut rest = Vec::new();
                return reader.read_to_end(&mut rest).map(|_| ());
            }
        }
    }
    Ok(())
}

fn read_request(reader: &mut BufReader<TcpStream>) -> std::io::Result<Option<Seen>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_ascii_whitespace();
    let mut request = Seen {
        method: words.next().unwrap_or_default().to_owned(),
        target: words.next().unwrap_or_default().to_owned(),
        ..Seen::default()
    };
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => request.authorization = Some(value.to_owned()),
            "if-none-match" => request.if_none_match = Some(value.to_owned()),
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    request.body = String::from_utf8(body).unwrap();
    Ok(Some(request))
}
