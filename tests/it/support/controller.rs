//! `fluxbot controller` as its own process, against a cluster of the harness.

use std::collections::HashMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::cluster::Cluster;
use super::command::hermetic;
use super::eventually::eventually;

/// How long a stop may take: the runs' grace and the events'.
const STOP: Duration = Duration::from_secs(30);

/// The folder in which a controller keeps its mirrors and artifacts; it outlives the processes.
#[derive(Debug)]
pub struct Storage(TempDir);

impl Storage {
    /// An empty one.
    pub fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

/// A running controller that looks after one namespace. It is killed when this is dropped.
#[derive(Debug)]
pub struct Controller {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    addresses: HashMap<String, String>,
    home: TempDir,
}

impl Controller {
    /// Starts the controller for a namespace, with more flags, and returns once its servers listen. It may still wait for
    /// the lease.
    pub async fn start(cluster: &Cluster, namespace: &str, storage: &Storage, flags: &[&str]) -> Self {
        Self::start_as(cluster.kubeconfig_path(), namespace, storage, flags).await
    }

    /// The same with another kubeconfig than the administrator's.
    pub async fn start_as(kubeconfig: &Path, namespace: &str, storage: &Storage, flags: &[&str]) -> Self {
        let home = TempDir::new().unwrap();
        let mut command = Command::from(hermetic(env!("CARGO_BIN_EXE_fluxbot"), home.path()));
        command
            .arg("controller")
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .args(["--namespace", namespace, "--watch-all-namespaces=false"])
            .arg("--storage-path")
            .arg(storage.path())
            .args(["--storage-addr", "127.0.0.1:0", "--metrics-addr", "127.0.0.1:0"])
            .args([
                "--health-addr",
                "127.0.0.1:0",
                "--log-level",
                "debug,hyper=info,kube=info,tower=info",
            ])
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let mut reader = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = Arc::clone(&lines);
        tokio::spawn(async move {
            while let Ok(Some(line)) = reader.next_line().await {
                log.lock().unwrap().push(line);
            }
        });
        let mut controller = Self {
            child,
            lines,
            addresses: HashMap::new(),
            home,
        };
        controller.addresses = eventually("the controller serves its probes", async || {
            let addresses = controller.listening();
            if addresses.contains_key("health") && addresses.contains_key("metrics") {
                return Ok(addresses);
            }
            Err(format!("it said\n{}", controller.log().join("\n")))
        })
        .await;
        controller
    }

    /// Waits until the controller is ready: it leads and has seen all objects.
    pub async fn ready(self) -> Self {
        eventually("the controller is ready", async || {
            match self.get("health", "readyz").await {
                (200, _) => Ok(()),
                (code, text) => Err(format!("{code} {text}\n{}", self.log().join("\n"))),
            }
        })
        .await;
        self
    }

    /// What one of its servers answers: `health`, `metrics` or `storage`.
    pub async fn get(&self, server: &str, path: &str) -> (u16, String) {
        let address = self.listening().remove(server).unwrap_or_default();
        let answer = super::registry::http_client(None, None)
            .get(format!("http://{address}/{path}"))
            .send()
            .await;
        match answer {
            Ok(answer) => (answer.status().as_u16(), answer.text().await.unwrap_or_default()),
            Err(error) => (0, error.to_string()),
        }
    }

    /// Every line that it logged so far.
    pub fn log(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Kills it as `kill -9` does and waits until it is gone.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Asks it to stop, and gives its exit code.
    pub async fn stop(mut self) -> Option<i32> {
        let id = self.id().to_string();
        assert!(
            std::process::Command::new("kill")
                .args(["-TERM", &id])
                .status()
                .unwrap()
                .success()
        );
        let status = timeout(STOP, self.child.wait()).await;
        let status = status.unwrap_or_else(|_| panic!("it did not stop:\n{}", self.log().join("\n")));
        status.unwrap().code()
    }

    /// The addresses that it logged.
    fn listening(&self) -> HashMap<String, String> {
        let of = |line: &String| {
            let line: Value = serde_json::from_str(line).ok()?;
            let address = line.get("address")?.as_str()?;
            Some((line.get("server")?.as_str()?.to_owned(), address.to_owned()))
        };
        self.log().iter().filter_map(of).collect()
    }
}

/// Who holds the lease of a namespace's controllers.
pub async fn leader(cluster: &Cluster, namespace: &str) -> Option<String> {
    let leases: Api<Lease> = Api::namespaced(cluster.client().await, namespace);
    let lease = leases.get_opt("fluxbot-image-source-kustomize").await.unwrap()?;
    lease.spec?.holder_identity.filter(|holder| !holder.is_empty())
}
