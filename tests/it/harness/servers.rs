//! The lifetime of the servers.

use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

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
fn a_server_ends_and_removes_its_data_when_the_test_process_is_killed() {
    let mut tests = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "harness::servers::wait_with_a_server",
            "--ignored",
            "--nocapture",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(tests.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let [addr, root] = lines
        .filter_map(|line| line.strip_prefix("server ").map(str::to_owned))
        .take(2)
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    assert!(Path::new(&root).exists());

    // An idle connection: its end is the end of the server, however that comes.
    let mut connection = TcpStream::connect(addr).unwrap();
    tests.kill().unwrap();
    tests.wait().unwrap();
    let end = connection.read(&mut [0]).or_else(|error| match error.kind() {
        ErrorKind::ConnectionReset => Ok(0),
        _ => Err(error),
    });
    assert_eq!(end.unwrap(), 0);
    assert!(!Path::new(&root).exists());
}

#[test]
#[ignore = "the test above runs this in a process that it kills"]
fn wait_with_a_server() {
    let server = Server::start("git-http", &[]);
    println!(
        "\nserver {}\nserver {}",
        server.ready().addr,
        server.ready().root.display()
    );
    loop {
        thread::park();
    }
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
fn process(server: &Server) -> PathBuf {
    let path = Path::new("/proc").join(server.id().to_string());
    if cfg!(target_os = "linux") {
        path
    } else {
        server.ready().root.clone()
    }
}
