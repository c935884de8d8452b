//! SSH servers: our own in Go, and OpenSSH's where it is installed.

use super::Lab;
use fluxbot_git::{Mirror, Remote, Ssh, SshCredential, SshOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
});

/// The kinds of servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `tests/servers/git-ssh`, on golang.org/x/crypto/ssh.
    Go,
    /// sshd that passes `GIT_PROTOCOL` on.
    OpenSsh,
    /// sshd as it is installed: it drops the environment, so Git speaks version 0.
    OpenSshPlain,
}

/// A server that stops with this value.
pub struct SshServer {
    child: Child,
    pub host: String,
    pub root: PathBuf,
    pub identity: String,
    pub known_hosts: String,
    user: String,
}

pub fn connections(options: &SshOptions) -> Ssh {
    Ssh::new(RUNTIME.handle().clone(), options).unwrap()
}

impl SshServer {
    /// `None`, with a word about it, where OpenSSH's server is not installed.
    pub fn start(lab: &Lab, kind: Kind) -> Option<Self> {
        match kind {
            Kind::Go => Some(Self::start_go(lab)),
            Kind::OpenSsh => Self::start_openssh(lab, "AcceptEnv GIT_PROTOCOL\n"),
            Kind::OpenSshPlain => Self::start_openssh(lab, ""),
        }
    }

    fn start_go(lab: &Lab) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/servers/build.sh");
        let built = Command::new(script)
            .arg("git-ssh")
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(built.status.success(), "tests/servers/git-ssh cannot be built");
        let program = String::from_utf8(built.stdout).unwrap();
        let mut child = Command::new(program.trim())
            .arg("--root")
            .arg(lab.path("srv"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
        let text = |key: &str| ready[key].as_str().unwrap().to_owned();
        Self {
            host: text("addr"),
            root: PathBuf::new(),
            identity: std::fs::read_to_string(text("client_key")).unwrap(),
            known_hosts: std::fs::read_to_string(text("known_hosts")).unwrap(),
            user: "git".to_owned(),
            child,
        }
    }

    /// An sshd with more lines of configuration; in them `DIR` stands for its directory.
    pub fn start_openssh(lab: &Lab, configuration: &str) -> Option<Self> {
        let sshd = ["/usr/sbin/sshd", "/usr/bin/sshd", "/usr/local/sbin/sshd"]
            .into_iter()
            .find(|path| Path::new(path).exists());
        let Some(sshd) = sshd else {
            eprintln!("skipped: OpenSSH's sshd is not installed");
            return None;
        };
        let user = output("id", &["-un"]);
        if user == "root" && std::fs::create_dir_all("/run/sshd").is_err() {
            eprintln!("skipped: sshd wants /run/sshd");
            return None;
        }
        let directory = lab.path("sshd");
        std::fs::create_dir_all(&directory).unwrap();
        for name in ["host_key", "id"] {
            if !directory.join(name).exists() {
                keygen(&directory.join(name), &["-t", "ed25519", "-N", ""]);
            }
        }
        let public = std::fs::read_to_string(directory.join("id.pub")).unwrap();
        let authorized = directory.join("authorized_keys");
        if !authorized.exists() {
            std::fs::write(&authorized, public).unwrap();
        }
        let shown = directory.display().to_string();
        let host_key = if configuration.contains("HostKey") {
            String::new()
        } else {
            format!("HostKey {shown}/host_key\n")
        };
        let configuration = configuration.replace("DIR", &shown);
        let text = format!(
            "ListenAddress 127.0.0.1\nAuthorizedKeysFile {shown}/authorized_keys\nStrictModes no\nPidFile none\n\
             UsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n\
             {host_key}{configuration}"
        );
        let config = directory.join("sshd_config");
        std::fs::write(&config, text).unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let log = std::fs::File::create(directory.join("log")).unwrap();
        let child = Command::new(sshd)
            .args(["-D", "-e", "-f"])
            .arg(&config)
            .args(["-p", &port.to_string()])
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = std::fs::read_to_string(directory.join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "sshd does not listen: {log}");
            std::thread::yield_now();
        }
        let host_key = std::fs::read_to_string(directory.join("host_key.pub")).unwrap_or_default();
        Some(Self {
            child,
            host: format!("127.0.0.1:{port}"),
            root: lab.path("srv"),
            identity: std::fs::read_to_string(directory.join("id")).unwrap(),
            known_hosts: format!("[127.0.0.1]:{port} {host_key}"),
            user,
        })
    }

    pub fn port(&self) -> &str {
        self.host.rsplit(':').next().unwrap()
    }

    pub fn url(&self) -> String {
        self.url_at(&self.host)
    }

    pub fn url_at(&self, host: &str) -> String {
        format!("ssh://{}@{host}{}/repo.git", self.user, self.root.display())
    }

    pub fn credential(&self) -> SshCredential {
        SshCredential::new(self.identity.as_bytes(), None, self.known_hosts.as_bytes()).unwrap()
    }

    pub fn mirror(&self, lab: &Lab) -> Mirror {
        Self::mirror_with(lab, &self.url(), self.credential(), &SshOptions::default())
    }

    pub fn mirror_with(lab: &Lab, url: &str, credential: SshCredential, options: &SshOptions) -> Mirror {
        let remote = Remote::over_ssh(url.parse().unwrap(), credential, connections(options));
        Mirror::open(&lab.path("mirror"), remote).unwrap()
    }
}

impl Drop for SshServer {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Passes connections on to a server, and counts them.
pub struct Relay {
    pub port: u16,
    pub count: Arc<AtomicUsize>,
    open: Arc<std::sync::Mutex<Vec<TcpStream>>>,
}

impl Relay {
    pub fn to(host: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (count, open) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::<std::sync::Mutex<Vec<TcpStream>>>::default(),
        );
        let (counter, streams, host) = (count.clone(), open.clone(), host.to_owned());
        std::thread::spawn(move || {
            for client in listener.incoming() {
                counter.fetch_add(1, Ordering::SeqCst);
                let (client, server) = (client.unwrap(), TcpStream::connect(&host).unwrap());
                streams.lock().unwrap().push(client.try_clone().unwrap());
                for (mut from, mut to) in [
                    (client.try_clone().unwrap(), server.try_clone().unwrap()),
                    (server, client),
                ] {
                    std::thread::spawn(move || {
                        let mut buffer = vec![0; 1 << 16];
                        while let Ok(count @ 1..) = from.read(&mut buffer) {
                            if to.write_all(&buffer[..count]).is_err() {
                                break;
                            }
                        }
                        to.shutdown(std::net::Shutdown::Both).ok();
                    });
                }
            }
        });
        Self { port, count, open }
    }

    /// Cuts all connections.
    pub fn cut(&self) {
        for stream in self.open.lock().unwrap().drain(..) {
            stream.shutdown(std::net::Shutdown::Both).ok();
        }
    }
}

pub fn keygen(path: &Path, arguments: &[&str]) {
    let status = Command::new("ssh-keygen")
        .args(["-q", "-C", "test", "-f"])
        .arg(path)
        .args(arguments)
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "ssh-keygen {arguments:?}");
}

pub fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

pub fn script(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}
