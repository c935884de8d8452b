//! Runs the built program as a user does, with nothing of this machine around it.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// How long the program may run before the test fails. Generous: machines of CI are busy.
const DEADLINE: Duration = Duration::from_mins(1);

/// What a run of the program left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// Everything on stdout.
    pub stdout: String,
    /// Everything on stderr.
    pub stderr: String,
}

impl Run {
    /// Asserts that the program succeeded, and returns stdout.
    #[track_caller]
    pub fn success(&self) -> &str {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        &self.stdout
    }

    /// Asserts that the program failed with this exit code, and returns stderr.
    #[track_caller]
    pub fn failure(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        &self.stderr
    }
}

/// The program with its arguments and surroundings. Its home and working directory are empty and new,
/// and go away with this value.
#[derive(Debug)]
pub struct Fluxbot {
    home: TempDir,
    command: Command,
    input: Vec<u8>,
}

impl Fluxbot {
    /// The built program with these arguments.
    pub fn new<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Self {
        let home = TempDir::new().unwrap();
        let mut command = Command::from(super::command::hermetic(
            env!("CARGO_BIN_EXE_fluxbot"),
            home.path(),
        ));
        command
            .args(arguments)
            .current_dir(home.path())
            .kill_on_drop(true);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self {
            home,
            command,
            input: Vec::new(),
        }
    }

    /// The home directory, which is also where the program runs unless told otherwise.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Writes a file below the home directory, for example `.docker/config.json`.
    pub fn home_file(self, path: &str, content: &str) -> Self {
        let path = self.home().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs in this directory.
    pub fn current_dir(mut self, directory: &Path) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// What the program gets on stdin; nothing by default.
    pub fn stdin(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Runs the program to its end.
    pub async fn run(self) -> Run {
        self.start().finish().await
    }

    /// Starts the program and returns at once, for tests that stop it or change the world meanwhile.
    pub fn start(mut self) -> Running {
        let mut child = self.command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        tokio::spawn(async move {
            // The program may end without reading; that is its business, and closes the pipe.
            drop(stdin.write_all(&self.input).await);
        });
        Running {
            child,
            home: self.home,
        }
    }
}

/// The program while it runs. It is killed when this is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    home: TempDir,
}

impl Running {
    /// The home directory of the program.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Kills the program as `kill -9` does and waits until it is gone.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Waits for the end of the program.
    pub async fn finish(self) -> Run {
        let output = timeout(DEADLINE, self.child.wait_with_output()).await;
        let Output {
            status,
            stdout,
            stderr,
        } = output
            .unwrap_or_else(|_| panic!("the program did not end within {DEADLINE:?}"))
            .unwrap();
        Run {
            code: status.code(),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: String::from_utf8(stderr).unwrap(),
        }
    }
}
