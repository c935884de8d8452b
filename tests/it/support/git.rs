//! A Git server over smart HTTP, and repositories on it that the real Git reads and writes.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};

use tempfile::TempDir;
use url::Url;

use super::command::{git, hermetic, stdout, stdout_with_input};
use super::control::Control;
use super::server::{Ready, Server};

/// The user whom every test server knows.
pub const USER: &str = "fluxbot";
/// The password of that user.
pub const PASSWORD: &str = "correct-horse-31337";

/// What is special about a server of one's own.
#[derive(Debug, Clone, Copy, Default)]
pub struct GitServerOptions {
    /// Serve HTTPS with a certificate of a new authority.
    pub tls: bool,
    /// With `tls`: refuse clients without a certificate of that authority.
    pub require_client_certificate: bool,
    /// Let everybody read; writing still asks for credentials.
    pub anonymous_read: bool,
    /// Accept this bearer token besides user and password.
    pub bearer: Option<&'static str>,
}

/// A running Git server over HTTP that asks for [`USER`] and [`PASSWORD`].
#[derive(Debug, Clone)]
pub struct GitServer {
    server: Arc<Server>,
    control: Control,
    scheme: &'static str,
}

impl GitServer {
    /// The server of this test process, over plain HTTP.
    pub fn shared() -> Self {
        static SHARED: LazyLock<Arc<Server>> = LazyLock::new(|| Arc::new(Server::start("git-http", &[])));
        Self::of(Arc::clone(&SHARED), "http")
    }

    /// A server of one's own.
    pub fn start(options: GitServerOptions) -> Self {
        let mut arguments = Vec::new();
        if options.tls {
            arguments.push("--tls");
        }
        if options.require_client_certificate {
            arguments.push("--require-client-certificate");
        }
        if options.anonymous_read {
            arguments.push("--anonymous-read");
        }
        if let Some(token) = options.bearer {
            arguments.extend(["--bearer", token]);
        }
        let server = Arc::new(Server::start("git-http", &arguments));
        Self::of(server, if options.tls { "https" } else { "http" })
    }

    fn of(server: Arc<Server>, scheme: &'static str) -> Self {
        // Not shared between tests: connections belong to the runtime of the test that opened them.
        let control = Control::new(&server.ready().control);
        Self {
            server,
            control,
            scheme,
        }
    }

    /// Address, data directory and certificates.
    pub fn ready(&self) -> &Ready {
        self.server.ready()
    }

    /// The request log and the faults.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Creates a bare repository whose branch `main` has one commit with these files; no files, no
    /// commit. The name may have directories: `team/apps`.
    pub fn create_repository(&self, name: &str, files: &[(&str, &str)]) -> Repository {
        let bare = self.ready().root.join(format!("{name}.git"));
        assert!(!bare.exists(), "two tests use the repository {name}");
        std::fs::create_dir_all(&bare).unwrap();
        // Without a template: nobody needs the sample hooks.
        stdout(git(&bare).args([
            "init",
            "--quiet",
            "--bare",
            "--template=",
            "--initial-branch=main",
        ]));
        let url = Url::parse(&format!("{}://{}/{name}.git", self.scheme, self.ready().addr)).unwrap();
        let repository = Repository {
            name: name.to_owned(),
            bare,
            url,
            server: Arc::clone(&self.server),
        };
        if !files.is_empty() {
            repository.commit_files("main", "initial", files);
        }
        repository
    }
}

/// A bare repository on a server. The functions block; they run the real Git.
#[derive(Debug, Clone)]
pub struct Repository {
    /// The name on the server, without `.git`.
    pub name: String,
    /// The directory of the bare repository.
    pub bare: PathBuf,
    /// The URL, without credentials.
    pub url: Url,
    /// Keeps the server running.
    server: Arc<Server>,
}

impl Repository {
    /// The URL with user and password.
    pub fn url_with_credentials(&self) -> Url {
        let mut url = self.url.clone();
        url.set_username(USER).unwrap();
        url.set_password(Some(PASSWORD)).unwrap();
        url
    }

    /// The Git command line in the bare repository.
    pub fn git(&self) -> Command {
        git(&self.bare)
    }

    /// Commits these files on top of a branch, directly on the server's disk, and returns the commit.
    /// Creates the branch when it does not exist. Other files stay as they are.
    pub fn commit_files(&self, branch: &str, message: &str, files: &[(&str, &str)]) -> String {
        self.commit_with(branch, message, files, &[])
    }

    /// As [`Self::commit_files`], and removes the files of these paths.
    pub fn commit_with(&self, branch: &str, message: &str, files: &[(&str, &str)], gone: &[&str]) -> String {
        let mut stream = format!("commit refs/heads/{branch}\n");
        let when = 1_767_323_045;
        writeln!(stream, "author Ada <ada@example.com> {when} +0000").unwrap();
        writeln!(stream, "committer Ada <ada@example.com> {when} +0000").unwrap();
        writeln!(stream, "data {}\n{message}", message.len()).unwrap();
        if self.revision(branch).is_some() {
            writeln!(stream, "from refs/heads/{branch}^0").unwrap();
        }
        for (path, content) in files {
            writeln!(
                stream,
                "M 100644 inline {path}\ndata {}\n{content}",
                content.len()
            )
            .unwrap();
        }
        for path in gone {
            writeln!(stream, "D {path}").unwrap();
        }
        stdout_with_input(self.git().args(["fast-import", "--quiet"]), stream.as_bytes());
        self.revision(branch).unwrap()
    }

    /// The commit that a branch or other revision points to; none when there is no such thing.
    pub fn revision(&self, revision: &str) -> Option<String> {
        let mut command = self.git();
        command.args([
            "rev-parse",
            "--verify",
            "--quiet",
            &format!("{revision}^{{commit}}"),
        ]);
        let output = super::command::run(&mut command, b"");
        output
            .status
            .success()
            .then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
    }

    /// The subjects of the commits that lead to a revision, newest first.
    pub fn log(&self, revision: &str) -> Vec<String> {
        stdout(self.git().args(["log", "--format=%s", revision]))
            .lines()
            .map(str::to_owned)
            .collect()
    }

    /// The content of a file in a revision, byte for byte.
    pub fn show(&self, revision: &str, path: &str) -> String {
        let mut command = self.git();
        command.args(["cat-file", "blob", &format!("{revision}:{path}")]);
        let output = super::command::run(&mut command, b"");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// The changed lines between two revisions, without context.
    pub fn diff(&self, from: &str, to: &str) -> String {
        stdout(
            self.git()
                .args(["diff", "--unified=0", "--no-color", "--no-renames", from, to]),
        )
    }

    /// Installs a shell script as a server-side hook, for example `pre-receive`.
    pub fn install_hook(&self, name: &str, script: &str) {
        let hooks = self.bare.join("hooks");
        std::fs::create_dir_all(&hooks).unwrap();
        // Written by another process: a file that this one has open for writing at the moment when
        // some test starts a program could not be executed ("text file busy").
        let mut command = hermetic("sh", &hooks);
        command
            .args(["-c", "cat > \"$1\" && chmod 755 \"$1\"", "sh"])
            .arg(hooks.join(name));
        stdout_with_input(&mut command, format!("#!/bin/sh\n{script}\n").as_bytes());
    }

    /// Checks every object of the repository.
    pub fn fsck(&self) {
        stdout(self.git().args(["fsck", "--full", "--strict", "--no-dangling"]));
    }

    /// The Git command line in a directory, trusting the server's certificate when it has one.
    pub fn client(&self, directory: &Path) -> Command {
        let mut command = git(directory);
        if let Some(ca) = &self.server.ready().ca {
            command.env("GIT_SSL_CAINFO", ca);
        }
        command
    }

    /// Clones over the network into a new directory.
    pub fn clone_to(&self, directory: &Path) {
        self.clone_from(self.url_with_credentials().as_str(), directory);
    }

    fn clone_from(&self, url: &str, directory: &Path) {
        let parent = directory.parent().unwrap();
        stdout(
            self.client(parent)
                .args(["clone", "--quiet", "--depth=1", url])
                .arg(directory),
        );
    }

    /// Clones, commits these files and pushes over the network, as a colleague does in between.
    /// Returns the commit.
    pub fn push_from_another_writer(&self, branch: &str, message: &str, files: &[(&str, &str)]) -> String {
        let directory = TempDir::new().unwrap();
        let clone = directory.path().join("clone");
        self.clone_to(&clone);
        for (path, content) in files {
            let path = clone.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        stdout(self.client(&clone).args(["add", "--all"]));
        stdout(
            self.client(&clone)
                .args(["commit", "--quiet", "--message", message]),
        );
        stdout(
            self.client(&clone)
                .args(["push", "--quiet", "origin", &format!("HEAD:{branch}")]),
        );
        stdout(self.client(&clone).args(["rev-parse", "HEAD"]))
    }
}
