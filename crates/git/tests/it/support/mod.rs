//! Repositories made with the `git` command line, a server around `git http-backend`, and a small HTTP client.

pub mod client;
pub mod server;
pub mod ssh;

use fluxbot_git::{
    CommitRequest, Credential, Edit, Mirror, ObjectId, Person, PreparedCommit, PushError, PushOptions,
    Pushed, RefName, RefQuery, RefUpdate, Remote, RemoteUrl, RepoPath, Snapshot, Timestamp,
};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

pub use client::TestClient;
pub use server::{Action, Server, ServerOptions};

/// A directory for one test, with a bare repository `repo.git` below `srv`.
pub struct Lab {
    pub directory: tempfile::TempDir,
}

impl Lab {
    /// An empty bare repository with `main` as its default branch.
    pub fn empty() -> Self {
        let lab = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        std::fs::create_dir(lab.path("srv")).unwrap();
        git(
            &lab.path("srv"),
            &["init", "--quiet", "--bare", "--initial-branch=main", "repo.git"],
        );
        let config = [
            ("http.receivepack", "true"),
            ("receive.advertisePushOptions", "true"),
        ];
        for (key, value) in config {
            git(&lab.repo(), &["config", key, value]);
        }
        lab
    }

    /// A repository with some commits on `main`.
    pub fn with_files(files: &[(&str, &str)]) -> Self {
        let lab = Self::empty();
        lab.commit("main", "first", &[("README", "read me\n")]);
        lab.commit("main", "second", files);
        lab
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn repo(&self) -> PathBuf {
        self.path("srv/repo.git")
    }

    /// Commits files on a branch of the bare repository, as another writer would.
    pub fn commit(&self, branch: &str, message: &str, files: &[(&str, &str)]) -> ObjectId {
        let reference = format!("refs/heads/{branch}");
        let mut stream =
            format!("commit {reference}\ncommitter Human <human@example.com> 1700000000 +0100\n");
        stream.push_str(&format!("data {}\n{message}\n", message.len()));
        if git_try(&self.repo(), &["rev-parse", "--verify", "--quiet", &reference]).is_some() {
            stream.push_str(&format!("from {reference}^0\n"));
        }
        for (path, content) in files {
            stream.push_str(&format!(
                "M 100644 inline {path}\ndata {}\n{content}\n",
                content.len()
            ));
        }
        git_with_input(&self.repo(), &["fast-import", "--quiet"], stream.as_bytes());
        self.tip(branch).unwrap()
    }

    pub fn tip(&self, branch: &str) -> Option<ObjectId> {
        let reference = format!("refs/heads/{branch}");
        git_try(&self.repo(), &["rev-parse", "--verify", "--quiet", &reference]).map(|id| id.parse().unwrap())
    }

    /// The content of a file as Git sees it on the server.
    pub fn show(&self, branch: &str, path: &str) -> String {
        git(&self.repo(), &["show", &format!("refs/heads/{branch}:{path}")])
    }

    pub fn count_commits(&self, branch: &str) -> usize {
        git(&self.repo(), &["rev-list", "--count", branch])
            .parse()
            .unwrap()
    }

    pub fn fsck(&self) {
        git(&self.repo(), &["fsck", "--strict", "--no-dangling"]);
    }

    pub fn hook(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.repo().join("hooks").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub fn serve(&self) -> Server {
        self.serve_with(ServerOptions::default())
    }

    pub fn serve_with(&self, options: ServerOptions) -> Server {
        Server::start(&self.path("srv"), options)
    }

    pub fn mirror(&self, url: &str) -> Mirror {
        self.mirror_in("mirror", url, Credential::None)
    }

    pub fn mirror_in(&self, name: &str, url: &str, credential: Credential) -> Mirror {
        Mirror::open(&self.path(name), remote(url, credential)).unwrap()
    }

    pub fn file_url(&self) -> String {
        format!("file://{}", self.repo().display())
    }
}

pub fn remote(url: &str, credential: Credential) -> Remote {
    let url: RemoteUrl = url.parse().unwrap();
    Remote::new(url, credential, Arc::new(TestClient))
}

pub fn main_branch() -> RefName {
    RefName::branch("main").unwrap()
}

pub fn fetch_main(mirror: &Mirror) -> Snapshot {
    mirror.fetch(&[RefQuery::from(main_branch())]).unwrap()
}

pub fn read_file(snapshot: &Snapshot, branch: &RefName, path: &str) -> Option<String> {
    let commit = snapshot.commit(&snapshot.head(branch)?).unwrap();
    let entry = snapshot
        .lookup(&commit.tree, &RepoPath::new(path).unwrap())
        .unwrap()?;
    Some(String::from_utf8(snapshot.blob(&entry.id).unwrap()).unwrap())
}

pub fn write(content: &str) -> Edit {
    Edit::Write {
        content: content.as_bytes().to_vec(),
        kind: None,
    }
}

pub fn request(parent: Option<ObjectId>, message: &str, edits: &[(&str, Edit)]) -> CommitRequest {
    let bot = Person {
        name: "fluxbot".to_owned(),
        email: "fluxbot@example.com".to_owned(),
    };
    CommitRequest {
        parent,
        edits: edits
            .iter()
            .map(|(path, edit)| (RepoPath::new(path).unwrap(), edit.clone()))
            .collect::<BTreeMap<_, _>>(),
        author: bot.clone(),
        committer: bot,
        time: Timestamp {
            seconds: 1_700_000_100,
            offset_minutes: 0,
        },
        message: message.to_owned(),
    }
}

/// Fetches a branch, changes files on it, and pushes.
pub fn change(
    mirror: &Mirror,
    branch: &RefName,
    edits: &[(&str, Edit)],
) -> Result<(PreparedCommit, Pushed), PushError> {
    let snapshot = mirror.fetch(&[RefQuery::from(branch.clone())]).unwrap();
    let parent = snapshot.head(branch);
    let commit = snapshot.prepare(&request(parent, "change", edits)).unwrap();
    let pushed = push_commit(mirror, branch, &commit)?;
    Ok((commit, pushed))
}

pub fn push_commit(mirror: &Mirror, branch: &RefName, commit: &PreparedCommit) -> Result<Pushed, PushError> {
    let update = RefUpdate {
        name: branch.clone(),
        old: commit.parent(),
        new: Some(commit.id()),
    };
    mirror.push(&[update], &[commit], &PushOptions::default())
}

pub fn count_packs(mirror: &Path) -> usize {
    let files = std::fs::read_dir(mirror.join("objects/pack")).unwrap();
    files
        .filter(|file| {
            file.as_ref()
                .unwrap()
                .path()
                .extension()
                .is_some_and(|name| name == "pack")
        })
        .count()
}

/// Runs git without any configuration of the machine.
pub fn git(directory: &Path, arguments: &[&str]) -> String {
    git_with_input(directory, arguments, b"")
}

pub fn git_try(directory: &Path, arguments: &[&str]) -> Option<String> {
    let output = git_command(directory, arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

pub fn git_with_input(directory: &Path, arguments: &[&str], input: &[u8]) -> String {
    let mut command = git_command(directory, arguments);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {arguments:?} failed: {errors}");
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

pub fn git_command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.current_dir(directory).args(arguments);
    git_environment(&mut command);
    command
}

pub fn git_environment(command: &mut Command) {
    command
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1");
    for role in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{role}_NAME"), "Human")
            .env(format!("GIT_{role}_EMAIL"), "human@example.com");
    }
}
