//! An artifact from the repository to a consumer that downloads and unpacks it.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use fluxbot::http::HttpClients;
use fluxbot::objects::Files as _;
use fluxbot::source::{
    FetchArtifactError, Retention, SourceKey, Storage, UnpackLimits, fetch_artifact, pack, serve,
};
use fluxbot_api::source::Artifact;
use jiff::Timestamp;
use reqwest::{Method, StatusCode};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::fixture::{Lab, branch};
use crate::support::command::{hermetic, run, stdout, stdout_with_input};
use crate::support::git::{GitServer, Repository};
use crate::support::registry::http_client;

/// A repository with all kinds of entries, and with files that are ignored in different ways.
fn repository(name: &str) -> Repository {
    let repository = GitServer::shared().create_repository(name, &[]);
    let long = format!("long/{}/{}.yaml", "a".repeat(90), "b".repeat(90));
    let mut stream =
        "commit refs/heads/main\ncommitter Ada <ada@example.com> 1767323045 +0000\ndata 3\nall\n".to_owned();
    for (mode, path, content) in [
        ("100644", "apps/a.yaml", "a: 1\n"),
        ("100644", "apps/empty.yaml", ""),
        ("100755", "bin/run.sh", "#!/bin/sh\n"),
        ("120000", "link", "/etc/passwd"),
        ("120000", "apps/dir-link", "../bin"),
        ("100644", "docs/readme.md", "ignored by the root\n"),
        ("100644", "docs/keep.md", "kept\n"),
        ("100644", "apps/secret.txt", "ignored by its folder\n"),
        ("100644", ".sourceignore", "docs/\n!docs/keep.md\n"),
        ("100644", "apps/.sourceignore", "/secret.txt\n"),
        ("100644", ".gitignore", "always ignored\n"),
        ("100644", long.as_str(), "long\n"),
    ] {
        use std::fmt::Write as _;
        write!(
            stream,
            "M {mode} inline {path}\ndata {}\n{content}\n",
            content.len()
        )
        .unwrap();
    }
    stdout_with_input(
        repository.git().args(["fast-import", "--quiet"]),
        stream.as_bytes(),
    );
    repository
}

/// Every file below a folder with its content and whether it can be executed.
fn contents(root: &Path) -> BTreeMap<String, (Vec<u8>, bool)> {
    fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<String, (Vec<u8>, bool)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                let executable = path.metadata().unwrap().permissions().mode() & 0o111 != 0;
                found.insert(name, (std::fs::read(&path).unwrap(), executable));
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(root, root, &mut found);
    found
}

/// A storage behind a running server, with the artifact of a repository in it.
struct Served {
    lab: Lab,
    artifact: Artifact,
    _storage: TempDir,
    stop: tokio::sync::oneshot::Sender<()>,
    server: tokio::task::JoinHandle<()>,
}

async fn served(repository: &Repository) -> Served {
    let lab = Lab::new();
    let checkout = lab.checkout(repository, &branch("main")).await;
    let folder = TempDir::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let storage = Storage::new(folder.path(), &address, Retention::default()).unwrap();
    let key = SourceKey::new("GitRepository", "flux-system", &repository.name);
    let file = format!("{}.tar.gz", checkout.commit);
    let artifact = storage
        .store(&key, &file, &checkout.revision, &checkout.tree, Timestamp::now())
        .unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let server = tokio::spawn(async move {
        serve(listener, storage, async { drop(stopped.await) })
            .await
            .unwrap();
    });
    Served {
        lab,
        artifact,
        _storage: folder,
        stop,
        server,
    }
}

#[tokio::test]
async fn a_consumer_downloads_what_git_has_without_links_and_what_is_ignored() {
    let repository = repository("artifact-consumer");
    let Served {
        artifact,
        stop,
        server,
        lab: _lab,
        _storage: _folder,
    } = served(&repository).await;
    let body = http_client(None, None)
        .get(&artifact.url)
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    let digest = crate::support::image::hexadecimal(&Sha256::digest(&body));
    assert_eq!(artifact.digest.unwrap(), format!("sha256:{digest}"));
    assert_eq!(artifact.size, i64::try_from(body.len()).ok());
    let commit = repository.revision("main").unwrap();
    assert_eq!(
        artifact.path,
        format!("gitrepository/flux-system/artifact-consumer/{commit}.tar.gz")
    );
    assert_eq!(artifact.revision, format!("main@sha1:{commit}"));

    let (ours, theirs) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    stdout_with_input(
        hermetic("tar", ours.path())
            .current_dir(ours.path())
            .args(["-xzf", "-"]),
        &body,
    );
    let archive = run(repository.git().args(["archive", "--format=tar", "main"]), b"").stdout;
    stdout_with_input(
        hermetic("tar", theirs.path())
            .current_dir(theirs.path())
            .args(["-xf", "-"]),
        &archive,
    );
    let mut expected = contents(theirs.path());
    for gone in [
        ".gitignore",
        "docs/readme.md",
        "apps/secret.txt",
        "link",
        "apps/dir-link/run.sh",
    ] {
        expected.remove(gone);
    }
    assert_eq!(contents(ours.path()), expected);
    assert_eq!(expected.len(), 7);

    let file = ours.path().join("artifact.tar.gz");
    std::fs::write(&file, &body).unwrap();
    let listing = stdout(hermetic("tar", ours.path()).args(["-tvzf"]).arg(&file));
    let lines: Vec<&str> = listing.lines().collect();
    assert!(
        lines[0].starts_with("-rw------- 0/0 ") && lines[0].ends_with("1970-01-01 00:00 .sourceignore"),
        "{listing}"
    );
    assert!(
        listing.contains("drwxr-x--- 0/0 ") && listing.contains("-rwx------ 0/0 "),
        "{listing}"
    );
    assert!(
        !listing.contains(" docs/\n"),
        "an ignored folder has no entry of its own"
    );

    stop.send(()).unwrap();
    server.await.unwrap();
}

#[tokio::test]
async fn the_same_commit_is_packed_to_the_same_bytes_from_another_mirror() {
    let repository = repository("artifact-same");
    let mut archives = Vec::new();
    for _ in 0..2 {
        let checkout = Lab::new().checkout(&repository, &branch("main")).await;
        let mut bytes = Vec::new();
        pack(&checkout.tree, &mut bytes).unwrap();
        archives.push(bytes);
    }
    assert_eq!(archives[0], archives[1]);
}

#[tokio::test]
async fn the_server_answers_for_its_files_alone() {
    let repository = repository("artifact-server");
    let Served {
        artifact,
        stop,
        server,
        lab: _lab,
        _storage: _folder,
    } = served(&repository).await;
    let client = http_client(None, None);
    let root = artifact.url.strip_suffix(&artifact.path).unwrap().to_owned();
    let status = async |method: Method, path: &str| {
        let request = client.request(method, format!("{root}{path}"));
        request.send().await.unwrap().status()
    };
    assert_eq!(status(Method::GET, "").await, StatusCode::OK, "readiness");
    for path in [
        "gitrepository",
        "gitrepository/",
        "gitrepository/flux-system/artifact-server/",
        "gitrepository/flux-system/artifact-server/missing.tar.gz",
        "..%2f..%2f..%2fetc/passwd",
        "gitrepository/flux-system/artifact-server/..%2f..%2f..%2fx",
        "gitrepository/flux-system/%2e%2e/artifact-server",
        "gitrepository/flux-system/artifact-server/%00",
        "%",
    ] {
        assert_eq!(status(Method::GET, path).await, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(
        status(Method::POST, &artifact.path).await,
        StatusCode::METHOD_NOT_ALLOWED
    );

    let head = client.head(&artifact.url).send().await.unwrap();
    let header = |name: &str| head.headers().get(name).unwrap().to_str().unwrap().to_owned();
    assert_eq!(header("content-length"), artifact.size.unwrap().to_string());
    assert_eq!(header("content-type"), "application/gzip");
    let whole = client
        .get(&artifact.url)
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    let part = client
        .get(&artifact.url)
        .header("Range", "bytes=10-")
        .send()
        .await
        .unwrap();
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.bytes().await.unwrap(), whole.slice(10..));
    let known = client
        .get(&artifact.url)
        .header("If-None-Match", header("etag"))
        .send()
        .await
        .unwrap();
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    stop.send(()).unwrap();
    server.await.unwrap();
}

#[tokio::test]
async fn the_artifact_of_another_controller_becomes_the_same_tree() {
    let repository = repository("artifact-foreign");
    let Served {
        lab,
        artifact,
        stop,
        server,
        _storage: _folder,
    } = served(&repository).await;
    let own = lab.checkout(&repository, &branch("main")).await.tree;
    let clients = HttpClients::new();
    let limits = UnpackLimits::default();
    let digest = artifact.digest.clone().unwrap();
    let tree = fetch_artifact(&artifact.url, &digest, &clients, &limits)
        .await
        .unwrap();
    assert_eq!(tree.list("").unwrap(), own.list("").unwrap());
    for path in own.list("").unwrap() {
        assert_eq!(tree.read(&path).unwrap(), own.read(&path).unwrap());
        assert_eq!(tree.kind(&path), own.kind(&path));
    }
    let wrong = format!("sha256:{}", "0".repeat(64));
    let outcome = fetch_artifact(&artifact.url, &wrong, &clients, &limits).await;
    assert!(
        matches!(outcome, Err(FetchArtifactError::Digest { .. })),
        "{outcome:?}"
    );
    let outcome = fetch_artifact(&format!("{}x", artifact.url), &digest, &clients, &limits).await;
    assert!(
        matches!(outcome, Err(FetchArtifactError::NotFound)),
        "{outcome:?}"
    );
    stop.send(()).unwrap();
    server.await.unwrap();
    let outcome = fetch_artifact(&artifact.url, &digest, &clients, &limits).await;
    assert!(matches!(outcome, Err(FetchArtifactError::Http(_))), "{outcome:?}");
}
