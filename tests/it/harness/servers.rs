//! The lifetime of the servers.

use std::path::Path;

use crate::support::registry::{Registry, RegistryOptions};
use crate::support::server::Server;

#[test]
fn a_server_ends_and_removes_its_data_when_its_handle_is_dropped() {
    let server = Server::start("git-http", &[]);
    let (root, process) = (server.ready().root.clone(), process(&server));
    assert!(root.exists());
    assert!(process.exists());
    drop(server);
    assert!(!root.exists());
    assert!(!process.exists());
}

#[test]
fn a_server_ends_and_removes_its_data_on_sigterm() {
    let mut server = Server::start("git-ssh", &[]);
    let (root, process) = (server.ready().root.clone(), process(&server));
    server.terminate();
    assert!(!root.exists());
    assert!(!process.exists());
}

#[test]
#[should_panic(expected = "flag provided but not defined: -nonsense")]
fn a_server_that_does_not_start_says_why() {
    drop(Server::start("git-http", &["--nonsense"]));
}

#[test]
fn a_server_with_data_of_the_test_leaves_them_alone() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start("git-http", &["--root", directory.path().to_str().unwrap()]);
    assert_eq!(server.ready().root, directory.path());
    drop(server);
    assert!(directory.path().exists());
}

#[tokio::test]
async fn handles_of_one_server_keep_it_running() {
    let registry = Registry::start(RegistryOptions::default());
    let second = registry.clone();
    drop(registry);
    assert!(
        second
            .client()
            .get(second.url("/v2/"))
            .send()
            .await
            .unwrap()
            .status()
            .is_success()
    );
}

/// The process as the Linux kernel shows it; elsewhere a path that never exists, so that only the
/// data directory counts.
fn process(server: &Server) -> std::path::PathBuf {
    let path = Path::new("/proc").join(server.id().to_string());
    if cfg!(target_os = "linux") {
        path
    } else {
        server.ready().root.clone()
    }
}
