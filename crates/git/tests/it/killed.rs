//! A writer that is killed with no warning, again and again: what it leaves is sound and small.

use crate::support::*;
use fluxbot_git::{Mirror, RefQuery};
use std::ops::ControlFlow;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Names the directory of the lab to a process that this test starts from its own program.
const LAB: &str = "FLUXBOT_TEST_KILLED_LAB";

/// Most bytes of a mirror whose repository has two small files, whatever happened to it.
const MOST_BYTES: u64 = 2 << 20;

/// Fetches, changes and pushes until it is killed. Does nothing when it is run as a test.
#[test]
fn writer() {
    let Some(directory) = std::env::var_os(LAB) else {
        return;
    };
    let directory = std::path::PathBuf::from(directory);
    let url = format!("file://{}", directory.join("srv/repo.git").display());
    let mirror = Mirror::open(
        &directory.join("mirror"),
        remote(&url, fluxbot_git::Credential::None),
    )
    .unwrap();
    assert_eq!(mirror.recreated_because(), None, "what a kill leaves is used");
    loop {
        let snapshot = mirror.fetch(&[RefQuery::from(main_branch())]).unwrap();
        let number: u64 = read_file(&snapshot, &main_branch(), "number")
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        let edits = [("number", write(&format!("{}\n", number + 1)))];
        let commit = snapshot
            .prepare(&request(snapshot.head(&main_branch()), "count", &edits))
            .unwrap();
        push_commit(&mirror, &main_branch(), &commit).unwrap();
    }
}

fn start(lab: &Lab) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::writer"])
        .env(LAB, lab.directory.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn number(lab: &Lab) -> u64 {
    lab.show("main", "number").trim().parse().unwrap()
}

/// Kills the writer whenever it has pushed some more commits, at whatever it is doing then.
fn kill_again_and_again(rounds: u64, commits: u64) {
    let lab = Lab::with_files(&[("number", "0\n"), ("other", "x\n")]);
    for round in 1..=rounds {
        let before = number(&lab);
        let mut writer = start(&lab);
        let deadline = Instant::now() + Duration::from_secs(120);
        while number(&lab) < before + commits {
            assert!(
                Instant::now() < deadline,
                "round {round}: the writer does not get on"
            );
            assert!(
                writer.try_wait().unwrap().is_none(),
                "round {round}: the writer failed"
            );
            std::thread::yield_now();
        }
        writer.kill().unwrap();
        writer.wait().unwrap();
    }
    let mirror = lab.mirror(&lab.file_url());
    assert_eq!(mirror.recreated_because(), None);
    let snapshot = fetch_main(&mirror);
    let head = snapshot.head(&main_branch()).unwrap();
    assert_eq!(Some(head), lab.tip("main"));
    snapshot
        .walk(&snapshot.commit(&head).unwrap().tree, &mut |_, _| {
            ControlFlow::Continue(())
        })
        .unwrap();
    // Nothing was lost, and nothing was made twice.
    assert_eq!(lab.count_commits("main") as u64, number(&lab) + 2);
    assert!(number(&lab) >= rounds * commits);
    assert!(count_packs(&lab.path("mirror")) <= 25);
    let bytes = bytes_below(&lab.path("mirror"));
    assert!(bytes < MOST_BYTES, "{bytes} bytes");
    lab.fsck();
    git(&lab.path("mirror"), &["fsck", "--strict", "--no-dangling"]);
}

fn bytes_below(directory: &std::path::Path) -> u64 {
    std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            if metadata.is_dir() {
                bytes_below(&entry.path())
            } else {
                metadata.len()
            }
        })
        .sum()
}

#[test]
fn a_writer_that_is_killed_leaves_a_sound_mirror() {
    kill_again_and_again(6, 5);
}

#[test]
#[ignore = "a thousand pushes; minutes"]
fn a_thousand_pushes_with_kills_among_them_leave_a_sound_and_small_mirror() {
    kill_again_and_again(50, 20);
}
