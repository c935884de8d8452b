//! A Git server over smart HTTP: `git http-backend` behind a small HTTP/1.1 server.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// How a server behaves.
#[derive(Default)]
pub struct ServerOptions {
    /// The `Authorization` header that it wants.
    pub authorization: Option<String>,
    /// Answers discoveries with a redirect to this base URL.
    pub redirect_to: Option<String>,
    /// Answers posts with a redirect to this base URL.
    pub redirect_posts_to: Option<String>,
    /// Does not allow pushes, as a server does for a read-only key.
    pub read_only: bool,
    /// Runs at the moment when a request is served; may replace the answer.
    pub script: Option<Script>,
}

/// Sees the line of each request before it is served.
pub type Script = Box<dyn Fn(&str) -> Action + Send + Sync>;

/// What to do with a request.
pub enum Action {
    Serve,
    /// Serves it, then closes the connection without an answer.
    DropAnswer,
    /// Answers with this status.
    Status(u16),
    /// Answers with this body of a result of upload-pack or receive-pack.
    Body(&'static str, Vec<u8>),
}

/// A running server; it stops with this value.
pub struct Server {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
    shared: Arc<Shared>,
}

struct Shared {
    root: PathBuf,
    options: ServerOptions,
    log: Mutex<Vec<String>>,
    received: AtomicU64,
    sent: AtomicU64,
    busy: AtomicU64,
}

impl Server {
    pub fn start(root: &Path, options: ServerOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stopped = Arc::new(AtomicBool::new(false));
        let shared = Arc::new(Shared {
            root: root.to_owned(),
            options,
            log: Mutex::default(),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            busy: AtomicU64::new(0),
        });
        let server = Self {
            address,
            stopped: stopped.clone(),
            shared: shared.clone(),
        };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let shared = shared.clone();
                std::thread::spawn(move || shared.answer(stream.unwrap()));
            }
        });
        server
    }

    pub fn url(&self) -> String {
        format!("http://{}/repo.git", self.address)
    }

    /// The lines of the requests so far, each with `+auth` when it carried a credential.
    pub fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.log.lock().unwrap())
    }

    /// Time spent on answers since the last call.
    pub fn take_busy(&self) -> std::time::Duration {
        std::time::Duration::from_micros(self.shared.busy.swap(0, Ordering::SeqCst))
    }

    /// Bytes received and sent since the last call, heads included.
    pub fn take_bytes(&self) -> (u64, u64) {
        (
            self.shared.received.swap(0, Ordering::SeqCst),
            self.shared.sent.swap(0, Ordering::SeqCst),
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    fn read(stream: &TcpStream, received: &AtomicU64) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        let mut total = reader.read_line(&mut line).ok()?;
        let mut words = line.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut headers = Vec::new();
        loop {
            line.clear();
            total += reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                break;
            };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let mut request = Self {
            method,
            target,
            headers,
            body: Vec::new(),
        };
        let length: usize = request.header("content-length").parse().unwrap_or(0);
        request.body = vec![0; length];
        reader.read_exact(&mut request.body).ok()?;
        received.fetch_add((total + length) as u64, Ordering::SeqCst);
        Some(request)
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value)
    }
}

impl Shared {
    fn answer(&self, mut stream: TcpStream) {
        stream.set_nodelay(true).unwrap();
        let Some(request) = Request::read(&stream, &self.received) else {
            return;
        };
        let start = std::time::Instant::now();
        let credential = request.header("authorization");
        let mark = if credential.is_empty() { "" } else { " +auth" };
        let line = format!("{} {}", request.method, request.target);
        self.log.lock().unwrap().push(format!("{line}{mark}"));
        let action = self
            .options
            .script
            .as_ref()
            .map_or(Action::Serve, |script| script(&line));
        let answer = match action {
            Action::Serve => self.serve(&request),
            Action::DropAnswer => {
                self.serve(&request);
                return;
            }
            Action::Status(status) => head(status, &[], b"no"),
            Action::Body(content_type, body) => head(200, &[("content-type", content_type)], &body),
        };
        let busy = u64::try_from(start.elapsed().as_micros()).unwrap();
        self.busy.fetch_add(busy, Ordering::SeqCst);
        self.sent.fetch_add(answer.len() as u64, Ordering::SeqCst);
        // The client may be gone.
        stream.write_all(&answer).ok();
    }

    fn serve(&self, request: &Request) -> Vec<u8> {
        let redirect = match request.method.as_str() {
            "GET" => &self.options.redirect_to,
            _ => &self.options.redirect_posts_to,
        };
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        if let Some(base) = redirect {
            let rest = path.split_once("/repo.git").map_or("", |(_, rest)| rest);
            let location = if query.is_empty() {
                format!("{base}{rest}")
            } else {
                format!("{base}{rest}?{query}")
            };
            return head(302, &[("location", &location)], b"");
        }
        if let Some(wanted) = &self.options.authorization
            && request.header("authorization") != wanted
        {
            return head(
                401,
                &[("www-authenticate", "Basic realm=\"git\"")],
                b"who are you?",
            );
        }
        if self.options.read_only && request.target.contains("git-receive-pack") {
            return head(403, &[], b"read only");
        }
        self.run_backend(request, path, query)
    }

    fn run_backend(&self, request: &Request, path: &str, query: &str) -> Vec<u8> {
        let mut command = Command::new("git");
        command.arg("http-backend");
        super::git_environment(&mut command);
        command
            .env("GIT_PROJECT_ROOT", &self.root)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("PATH_INFO", path)
            .env("QUERY_STRING", query)
            .env("REQUEST_METHOD", &request.method)
            .env("CONTENT_TYPE", request.header("content-type"))
            .env("CONTENT_LENGTH", request.body.len().to_string())
            .env("GIT_PROTOCOL", request.header("git-protocol"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let body = request.body.clone();
        let writer = std::thread::spawn(move || {
            stdin.write_all(&body).ok();
        });
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        let output = output.stdout;
        let end = output.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
        let text = String::from_utf8_lossy(&output[..end]).into_owned();
        let mut status = 200;
        let mut headers = Vec::new();
        for (name, value) in text.lines().filter_map(|line| line.split_once(": ")) {
            if name.eq_ignore_ascii_case("status") {
                status = value[..3].parse().unwrap();
            } else {
                headers.push((name, value));
            }
        }
        head(status, &headers, &output[end + 4..])
    }
}

fn head(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!(
        "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    [head.as_bytes(), b"\r\n", body].concat()
}
