//! Starts the test servers of `tests/servers` and stops them for certain.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use serde::Deserialize;

/// How long a server may take to answer, and to end when asked. Generous: machines of CI are busy.
const DEADLINE: Duration = Duration::from_mins(2);

/// What a server prints once it answers; see `tests/servers/serving`.
#[derive(Debug, Deserialize)]
pub struct Ready {
    /// Host and port of the server.
    pub addr: String,
    /// Host and port of its private control listener.
    pub control: String,
    /// The directory with the data that it serves.
    pub root: PathBuf,
    /// The file with the authority to trust, on servers with TLS.
    pub ca: Option<PathBuf>,
    /// The file with a client certificate that the server accepts, on servers with TLS.
    pub client_certificate: Option<PathBuf>,
    /// The key of the client certificate; on servers that speak SSH a key in OpenSSH format.
    pub client_key: Option<PathBuf>,
    /// The `known_hosts` file with the server's key and no other, on servers that speak SSH.
    pub known_hosts: Option<PathBuf>,
    /// The administrator's kubeconfig, of a control plane.
    pub kubeconfig: Option<PathBuf>,
}

/// A running server. It ends, and removes its data, when this is dropped or this process dies.
#[derive(Debug)]
pub struct Server {
    name: &'static str,
    child: Child,
    /// Open while the server shall live.
    stdin: Option<ChildStdin>,
    ended: Mutex<Receiver<()>>,
    complaints: Arc<Mutex<String>>,
    ready: Ready,
}

impl Server {
    /// Builds the server when needed, starts it and waits until it answers.
    pub fn start(name: &'static str, arguments: &[&str]) -> Self {
        let mut child = Command::new(binary(name))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("starting the test server {name}: {error}"));
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().unwrap();
        let stderr = child.stderr.take().unwrap();

        let complaints = Arc::new(Mutex::new(String::new()));
        let collected = Arc::clone(&complaints);
        let collecting = thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut collected = collected.lock().unwrap();
                collected.push_str(&line);
                collected.push('\n');
            }
        });

        let (ready_sender, ready_receiver) = channel();
        let (ended_sender, ended) = channel::<()>();
        thread::spawn(move || {
            let mut stdout = BufReader::new(stdout);
            let mut line = String::new();
            if stdout.read_line(&mut line).is_ok() && ready_sender.send(line).is_ok() {
                // Returns at the end of the process; dropping the sender tells so.
                drop(stdout.read_to_end(&mut Vec::new()));
            }
            drop(ended_sender);
        });

        let line = ready_receiver.recv_timeout(DEADLINE);
        let Some(ready) = line.ok().and_then(|line| serde_json::from_str(&line).ok()) else {
            drop(child.kill());
            drop(child.wait());
            // What it said last may not be collected yet.
            drop(collecting.join());
            panic!(
                "the test server {name} did not become ready: {}",
                complaints.lock().unwrap()
            );
        };
        Self {
            name,
            child,
            stdin,
            ended: Mutex::new(ended),
            complaints,
            ready,
        }
    }

    /// What the server said when it started.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What the server wrote to stderr so far.
    pub fn complaints(&self) -> String {
        self.complaints.lock().unwrap().clone()
    }

    /// Sends SIGTERM and waits for the end, as whoever runs a server stops it.
    pub fn terminate(&mut self) {
        let status = Command::new("kill").arg(self.id().to_string()).status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "sending SIGTERM to {}",
            self.name
        );
        self.wait_for_end();
    }

    fn wait_for_end(&mut self) {
        let ended = self.ended.get_mut().unwrap();
        if ended.recv_timeout(DEADLINE) == Err(RecvTimeoutError::Timeout) {
            drop(self.child.kill());
        }
        drop(self.child.wait());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stdin.take());
        self.wait_for_end();
    }
}

/// The path of the binary of a server or a tool (`kubectl`, `helm`), built at the first call of this
/// process unless the cache has it.
pub fn binary(name: &'static str) -> PathBuf {
    static BINARIES: OnceLock<Mutex<BTreeMap<&'static str, PathBuf>>> = OnceLock::new();
    let mut binaries = BINARIES
        .get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(|poisoned| {
            // A failed build in another test says nothing about this server.
            poisoned.into_inner()
        });
    binaries.entry(name).or_insert_with(|| build(name)).clone()
}

fn build(name: &str) -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/build.sh");
    // Two test processes would otherwise compile the same sources side by side.
    let lock = File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join("test-servers.lock")).unwrap();
    lock.lock().unwrap();
    let output = Command::new(&script).arg(name).stderr(Stdio::inherit()).output();
    drop(lock);
    let output = output.unwrap_or_else(|error| panic!("running {}: {error}", script.display()));
    assert!(
        output.status.success(),
        "{} {name} failed with {}",
        script.display(),
        output.status
    );
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim_end())
}
