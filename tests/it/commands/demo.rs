//! `fluxbot demo --no-cluster`, as somebody who plays with it. Only where the program was built with the demo.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::support::registry::http_client;

/// How long the whole may take. Generous: machines of CI are busy.
const DEADLINE: Duration = Duration::from_mins(2);

struct Demo {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    seen: Vec<String>,
}

impl Demo {
    fn start() -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_fluxbot"))
            .args(["demo", "--no-cluster"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self {
            process,
            lines,
            seen: Vec::new(),
        }
    }

    /// The next line that has this text in it.
    async fn line_with(&mut self, text: &str) -> String {
        loop {
            let line = timeout(DEADLINE, self.lines.next_line()).await.unwrap().unwrap();
            let line = line.unwrap_or_else(|| panic!("ended before '{text}':\n{}", self.seen.join("\n")));
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Sends a signal, and gives the exit code.
    async fn end_with(mut self, signal: &str) -> Option<i32> {
        let id = self.process.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-s", signal, &id]).status().await;
        assert!(sent.unwrap().success());
        let ended = timeout(DEADLINE, self.process.wait()).await.unwrap();
        ended.unwrap().code()
    }
}

/// Gives an image another tag, as the demo suggests.
async fn tag(registry: &str, repository: &str, old: &str, new: &str) {
    let client = http_client(None, None);
    let at = |tag: &str| format!("http://{registry}/v2/{repository}/manifests/{tag}");
    let found = client
        .get(at(old))
        .send()
        .await
        .unwrap()
        .error_for_status()
        .unwrap();
    let kind = found.headers()["content-type"].clone();
    let content = found.bytes().await.unwrap();
    let put = client.put(at(new)).header("content-type", kind).body(content);
    put.send().await.unwrap().error_for_status().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_of_the_user_disturb_no_scene_and_an_interrupt_ends_it_well() {
    let mut demo = Demo::start();
    let line = demo.line_with("registry    http://").await;
    let registry = line
        .split("http://")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .to_owned();
    demo.line_with("2. ").await;
    // One that beta takes, in a repository of a later scene, and one that nobody has asked for.
    tag(&registry, "btoll/debug", "1.0.0", "1.0.9").await;
    tag(&registry, "acme/worker", "build-9", "build-99").await;
    demo.line_with("4. ").await;
    tag(&registry, "acme/gateway", "2.0.0", "2.0.7").await;
    demo.line_with("Look further, while this runs").await;
    demo.line_with("The bare repository is").await;
    tag(&registry, "acme/shop", "1.4.0", "2.4.9").await;
    demo.line_with("2.4.9").await;
    assert_eq!(demo.end_with("INT").await, Some(0));
}
