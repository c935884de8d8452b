//! A GitHub of one's own: the part of its API that Apps need, and the repositories of a [`GitServer`] behind the tokens.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use rustls::SignatureScheme;
use serde_json::{Value, json};
use url::Url;

use super::git::{GitServer, PASSWORD, Repository, USER};
use super::proxy::head;

/// The App that it knows.
pub const APP: &str = "31337";
/// The App's installation, of the user [`OWNER`].
pub const INSTALLATION: &str = "42";
/// Who has installed the App.
pub const OWNER: &str = "some-user";

/// It ends with the test's process.
#[derive(Clone)]
pub struct GitHub {
    address: String,
    /// The private key of the App, in the format in which GitHub hands it out.
    pub key: String,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: Url,
    /// The App's public key (RFC 8017, A.1.1).
    public: Vec<u8>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    lines: Vec<String>,
    issued: usize,
    /// The tokens that count.
    valid: Vec<String>,
    lifetime: i64,
    refusal: Option<(u16, &'static str)>,
}

impl GitHub {
    /// In front of [`GitServer::shared`].
    pub fn start() -> Self {
        let (key, public) = key_pair();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let upstream = format!("http://{}", GitServer::shared().ready().addr);
        let shared = Arc::new(Shared {
            upstream: upstream.parse().unwrap(),
            public,
            state: Mutex::new(State {
                lifetime: 3600,
                ..State::default()
            }),
        });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&serving);
                // A client that goes away is no failure of the server.
                std::thread::spawn(move || drop(shared.serve(stream)));
            }
        });
        Self { address, key, shared }
    }

    /// The URL of a repository, for who has a token.
    pub fn url(&self, repository: &Repository) -> String {
        format!("http://{}/{}.git", self.address, repository.name)
    }

    /// `githubAppBaseURL`: the API below a path, as of an Enterprise server.
    pub fn api(&self) -> String {
        format!("http://{}/api/v3", self.address)
    }

    /// How many seconds the tokens that are issued from now on live.
    pub fn set_lifetime(&self, seconds: i64) {
        self.shared.state.lock().unwrap().lifetime = seconds;
    }

    /// Answers the next requests for tokens with this status and message; `None` ends it.
    pub fn refuse(&self, refusal: Option<(u16, &'static str)>) {
        self.shared.state.lock().unwrap().refusal = refusal;
    }

    /// Takes all tokens back.
    pub fn revoke(&self) {
        self.shared.state.lock().unwrap().valid.clear();
    }

    /// How many tokens were issued.
    pub fn issued(&self) -> usize {
        self.shared.state.lock().unwrap().issued
    }

    /// The lines of all requests to the API.
    pub fn lines(&self) -> Vec<String> {
        self.shared.state.lock().unwrap().lines.clone()
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let Some(head) = head(&mut stream)? else {
            return Ok(());
        };
        let find = |name: &str| {
            head.lines().find_map(|line| {
                let (key, value) = line.split_once(": ")?;
                key.eq_ignore_ascii_case(name).then(|| value.to_owned())
            })
        };
        let length = find("content-length").map_or(0, |value| value.parse().unwrap());
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        let line = head.lines().next().unwrap_or_default().to_owned();
        let authorization = find("authorization").unwrap_or_default();
        if let Some((method, path)) = line.split_once(" /api/v3/") {
            let path = path.split(' ').next().unwrap_or_default();
            let (status, answer) = self.api(&format!("{method} {path}"), &authorization);
            let answer = answer.to_string();
            let length = answer.len();
            return write!(
                stream,
                "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{answer}"
            );
        }
        let token = authorization
            .strip_prefix("Basic ")
            .and_then(|pair| String::from_utf8(BASE64_STANDARD.decode(pair).ok()?).ok())
            .and_then(|pair| pair.strip_prefix("x-access-token:").map(str::to_owned));
        let is_valid = token.is_some_and(|token| self.state.lock().unwrap().valid.contains(&token));
        if !is_valid {
            return stream.write_all(
                b"HTTP/1.1 401 X\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            );
        }
        self.forward(&mut stream, &head, &body)
    }

    /// Passes a request on with the credential of the server behind.
    fn forward(&self, stream: &mut TcpStream, head: &str, body: &[u8]) -> std::io::Result<()> {
        let own = BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}"));
        let kept: Vec<&str> = head
            .lines()
            .filter(|line| {
                let line = line.to_ascii_lowercase();
                !line.is_empty()
                    && !["authorization:", "connection:", "host:"]
                        .iter()
                        .any(|name| line.starts_with(name))
            })
            .collect();
        let address = self.upstream.socket_addrs(|| None)?;
        let mut server = TcpStream::connect(&*address)?;
        let head = format!(
            "{}\r\nHost: {}\r\nAuthorization: Basic {own}\r\nConnection: close\r\n\r\n",
            kept.join("\r\n"),
            self.upstream.authority()
        );
        server.write_all(head.as_bytes())?;
        server.write_all(body)?;
        std::io::copy(&mut server, stream).map(drop)
    }

    fn api(&self, line: &str, authorization: &str) -> (u16, Value) {
        let mut state = self.state.lock().unwrap();
        state.lines.push(line.to_owned());
        if let Err(problem) = self.check(authorization) {
            return (401, json!({ "message": problem }));
        }
        if let Some((status, message)) = state.refusal {
            return (status, json!({ "message": message }));
        }
        if line == format!("GET users/{OWNER}/installation") {
            return (200, json!({ "id": 42, "app_id": 31337 }));
        }
        if line == format!("POST app/installations/{INSTALLATION}/access_tokens") {
            state.issued += 1;
            let token = format!("ghs_t0ken{}", state.issued);
            state.valid.push(token.clone());
            let expires = Timestamp::now().as_second() + state.lifetime;
            let expires = Timestamp::from_second(expires).unwrap().to_string();
            return (
                201,
                json!({ "token": token, "expires_at": expires, "permissions": {} }),
            );
        }
        (404, json!({ "message": "Not Found" }))
    }

    /// Checks the App's web token as GitHub does.
    fn check(&self, authorization: &str) -> Result<(), &'static str> {
        let malformed = "A JSON web token could not be decoded";
        let token = authorization.strip_prefix("Bearer ").ok_or(malformed)?;
        let (signed, signature) = token.rsplit_once('.').ok_or(malformed)?;
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed)?;
        let provider = rustls::crypto::ring::default_provider();
        let mapping = provider.signature_verification_algorithms.mapping;
        let (_, algorithms) = mapping
            .iter()
            .find(|(scheme, _)| *scheme == SignatureScheme::RSA_PKCS1_SHA256)
            .unwrap();
        algorithms[0]
            .verify_signature(&self.public, signed.as_bytes(), &signature)
            .map_err(|_| "A JSON web token could not be decoded")?;
        let parts: Vec<Value> = signed
            .split('.')
            .map(|part| serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
            .collect();
        let now = Timestamp::now().as_second();
        let (issued, expires) = (
            parts[1]["iat"].as_i64().unwrap(),
            parts[1]["exp"].as_i64().unwrap(),
        );
        if parts[0] != json!({ "alg": "RS256", "typ": "JWT" }) || parts[1]["iss"] != APP {
            return Err("Integration not found");
        }
        if issued > now || expires <= now || expires - issued > 600 {
            return Err("'Expiration time' claim ('exp') is too far in the future");
        }
        Ok(())
    }
}

/// A private key as GitHub hands it out, and its public half.
pub fn key_pair() -> (String, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let run = |arguments: &[&str]| {
        let output = Command::new("ssh-keygen")
            .args(arguments)
            .arg("-f")
            .arg(&path)
            .output();
        let output = output.expect("ssh-keygen is needed");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    };
    run(&["-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", ""]);
    let public = run(&["-e", "-m", "PEM"]);
    // "RSA PUBLIC KEY" is no section that rustls names.
    let lines = String::from_utf8(public).unwrap();
    let body: String = lines.lines().filter(|line| !line.starts_with('-')).collect();
    let public = BASE64_STANDARD.decode(body).unwrap();
    (std::fs::read_to_string(&path).unwrap(), public)
}
