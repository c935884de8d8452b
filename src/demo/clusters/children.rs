//! The processes that the demo starts, none of which outlives it.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::sync::watch;

/// How long a process may take to end after it was asked to; a controller gives running work 20 seconds.
const GRACE: Duration = Duration::from_secs(30);

/// What a process is for: in this order they are stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Controller,
    ControlPlane,
}

/// A running process.
#[derive(Clone)]
pub(super) struct Handle {
    pub id: u32,
    ended: watch::Receiver<Option<String>>,
}

impl Handle {
    /// Waits for the end. Gives the exit status in words.
    pub(super) async fn ended(mut self) -> String {
        let status = self.ended.wait_for(Option::is_some).await;
        status
            .ok()
            .and_then(|status| status.clone())
            .unwrap_or_else(|| "gone".to_owned())
    }

    /// Memory that the process holds now, and the most that it ever held, in bytes. Known on Linux only.
    pub(super) fn memory(&self) -> Option<(u64, u64)> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id)).ok()?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
            Some(kibibytes * 1024)
        };
        Some((field("VmRSS:")?, field("VmHWM:")?))
    }

    async fn signal(&self, name: &str) {
        let id = self.id.to_string();
        let command = "kill -s \"$1\" \"$2\" 2>/dev/null";
        drop(
            Command::new("sh")
                .args(["-c", command, "sh", name, &id])
                .status()
                .await,
        );
    }

    async fn stop(self) {
        self.signal("TERM").await;
        if tokio::time::timeout(GRACE, self.clone().ended()).await.is_err() {
            tracing::warn!(id = self.id, "a process did not end when asked, and was killed");
            self.signal("KILL").await;
            self.ended().await;
        }
    }
}

struct Child {
    role: Role,
    handle: Handle,
    /// Open while the process shall live: a control plane ends with whoever started it.
    _stdin: Option<ChildStdin>,
}

/// All of them.
#[derive(Clone, Default)]
pub(super) struct Children(Arc<Mutex<Vec<Child>>>);

impl Children {
    /// Starts a process that writes its standard error to `log`. Gives its standard output when the command pipes it.
    pub(super) fn start(
        &self,
        role: Role,
        mut command: Command,
        log: &Path,
    ) -> anyhow::Result<(Handle, Option<ChildStdout>)> {
        let program = command.as_std().get_program().to_string_lossy().into_owned();
        let log = std::fs::File::create(log).with_context(|| format!("creating {}", log.display()))?;
        command
            .stdin(std::process::Stdio::piped())
            .stderr(log)
            // Ctrl-C is for the demo, which stops the others in order.
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("starting {program}"))?;
        let id = child.id().with_context(|| format!("{program} ended at once"))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (sender, ended) = watch::channel(None);
        tokio::spawn(async move {
            let status = child
                .wait()
                .await
                .map_or_else(|error| error.to_string(), |status| status.to_string());
            // Nobody waits any more when the demo has ended.
            drop(sender.send(Some(status)));
        });
        let handle = Handle { id, ended };
        let child = Child {
            role,
            handle: handle.clone(),
            _stdin: stdin,
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(child);
        Ok((handle, stdout))
    }

    /// Stops all controllers, then all control planes, and returns when none is left.
    pub(super) async fn stop(&self) {
        let children = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for role in [Role::Controller, Role::ControlPlane] {
            let of_role = children.iter().filter(|child| child.role == role);
            futures::future::join_all(of_role.map(|child| child.handle.clone().stop())).await;
        }
    }
}
