//! The processes: servers that print a line when they answer, and the controller that is measured.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};

use super::figures::Usage;
use super::registry::get;

/// A server of `tests/servers`. It ends with this process, or when it is dropped.
pub struct Server {
    ready: Value,
    _stdin: Option<ChildStdin>,
    _child: Child,
}

impl Server {
    pub async fn start(program: &Path, arguments: &[&str]) -> anyhow::Result<Self> {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let stdout = child.stdout.take().context("the server has a standard output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).await?;
        let ready = serde_json::from_str(&line);
        Ok(Self {
            ready: ready.with_context(|| format!("{} did not become ready", program.display()))?,
            _stdin: child.stdin.take(),
            _child: child,
        })
    }

    /// A field of the line that the server printed.
    pub fn ready(&self, field: &str) -> anyhow::Result<&str> {
        let value = self.ready.get(field).and_then(Value::as_str);
        value.with_context(|| format!("the server printed no {field}"))
    }

    pub fn kubeconfig(&self) -> anyhow::Result<&Path> {
        self.ready("kubeconfig").map(Path::new)
    }
}

/// A controller that runs.
pub struct Controller {
    pub started: Instant,
    child: Child,
    metrics: String,
    log: PathBuf,
}

impl Controller {
    pub fn start(
        program: &Path,
        kubeconfig: &Path,
        namespace: &str,
        storage: &Path,
        log: &Path,
        more: &[String],
    ) -> anyhow::Result<Self> {
        // Nobody else on this machine takes ports meanwhile.
        let metrics = std::net::TcpListener::bind("127.0.0.1:0")?
            .local_addr()?
            .to_string();
        let mut command = Command::new(program);
        command
            .args([
                "controller",
                "--controllers",
                "image",
                "--watch-all-namespaces=false",
            ])
            .args(["--namespace", namespace, "--metrics-addr", &metrics])
            .args(["--storage-addr", "127.0.0.1:0", "--health-addr", "127.0.0.1:0"])
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .arg("--storage-path")
            .arg(storage)
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(log)?)
            .kill_on_drop(true);
        let started = Instant::now();
        let child = command
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        Ok(Self {
            started,
            child,
            metrics,
            log: log.to_owned(),
        })
    }

    fn id(&self) -> anyhow::Result<u32> {
        let log = || std::fs::read_to_string(&self.log).unwrap_or_default();
        self.child
            .id()
            .with_context(|| format!("the controller ended:\n{}", log()))
    }

    /// What the process used so far. Linux only.
    pub fn usage(&self) -> anyhow::Result<Usage> {
        let process = PathBuf::from(format!("/proc/{}", self.id()?));
        let status = std::fs::read_to_string(process.join("status"))?;
        let field = |name: &str| -> f64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let text = line.map(|line| line.trim().trim_end_matches(" kB"));
            text.and_then(|text| text.parse().ok()).unwrap_or_default()
        };
        let stat = std::fs::read_to_string(process.join("stat"))?;
        // After the name, which may hold spaces: state is the first field, user and system time the 12th and 13th.
        let fields: Vec<&str> = stat
            .rsplit_once(')')
            .map(|(_, rest)| rest.split_whitespace().collect())
            .unwrap_or_default();
        let ticks = |at: usize| {
            fields
                .get(at)
                .and_then(|text| text.parse::<u64>().ok())
                .unwrap_or_default()
        };
        // A tick is 10 ms on all Linux platforms that matter here.
        let cpu = Duration::from_millis(10 * (ticks(11) + ticks(12)));
        Ok(Usage {
            resident: field("VmRSS:"),
            anonymous: field("RssAnon:"),
            peak: field("VmHWM:"),
            cpu,
        })
    }

    /// How many runs of image repositories and policies have succeeded.
    pub async fn reconciled(&self) -> usize {
        // Not there yet while the process starts.
        let text = get(&self.metrics, "GET", "/metrics").await.unwrap_or_default();
        let counts = text
            .lines()
            .filter(|line| line.starts_with("fluxbot_reconcile") && line.contains("success"))
            .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
        // Counts are whole numbers far below the limits of the types.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "see above"
        )]
        counts.map(|count| count as usize).sum()
    }

    /// Asks the process to end, and waits until it has.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let id = self.id()?.to_string();
        let asked = Command::new("kill").args(["-s", "TERM", &id]).status().await?;
        ensure!(asked.success(), "the controller cannot be stopped");
        let Ok(status) = tokio::time::timeout(Duration::from_mins(1), self.child.wait()).await else {
            bail!("the controller does not end");
        };
        let status = status?;
        ensure!(
            status.success(),
            "the controller ended with {status}, see {}",
            self.log.display()
        );
        Ok(())
    }
}
