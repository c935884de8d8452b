//! A writer that is killed with no warning, again and again: what it leaves is sound and small.

use crate::support::*;
use fluxbot_git::{Mirror, RefQuery};
use std::ops::ControlFlow;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Name the directory of the lab and the URL to a process that this test starts from its own program. The server lives on: a lock
/// that a killed process leaves in a repository of its own machine would have to be removed by hand, as with Git.
const LAB: &str = "FLUXBOT_TEST_KILLED_LAB";
const URL: &str = "FLUXBOT_TEST_KILLED_URL";

/// Most bytes of a mirror whose repository has two small files, whatever happened to it.
const MOST_BYTES: u64 = 2 << 20;

/// Fetches, changes and pushes until it is killed. Does nothing when it is run as a test.
#[test]
fn writer() {
    let Some(directory) = std::env::var_os(LAB) else {
        return;
    };
    let directory = std::path::PathBuf::from(directory);
    let url = std::env::var(URL).unwrap();
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

fn start(lab: &Lab, url: &str) -> Child {
    let output = std::fs::File::create(lab.path("output")).unwrap();
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::writer"])
        .env(LAB, lab.directory.path())
        .env(URL, url)
        .stdout(Stdio::from(output))
        .spawn()
        .unwrap()
}

fn number(lab: &Lab) -> u64 {
    lab.show("main", "number").trim().parse().unwrap()
}

/// Kills the writer whenever it has pushed some more commits, at whatever it is doing then.
fn kill_again_and_again(rounds: u64, commits: u64) {
    let lab = Lab::with_files(&[("number", "0\n"), ("other", "x\n")]);
    let server = lab.serve();
    for round in 1..=rounds {
        let before = number(&lab);
        let mut writer = start(&lab, &server.url());
        let deadline = Instant::now() + Duration::from_secs(120);
        while number(&lab) < before + commits {
            assert!(
                Instant::now() < deadline,
                "round {round}: the writer does not get on"
            );
            assert!(
                writer.try_wait().unwrap().is_none(),
                "round {round}: the writer failed: {}",
                std::fs::read_to_string(lab.path("output")).unwrap()
            );
            std::thread::yield_now();
        }
        writer.kill().unwrap();
        writer.wait().unwrap();
    }
    let mirror = lab.mirror(&server.url());
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
    kill_again_and_again(6, 10);
}

/// Fetches what somebody else has pushed and pushes a change of its own, many times, with the same mirror. Neither the mirror on
/// disk nor the files that the process holds open grow with the number of rounds.
fn fetch_and_push_again_and_again(rounds: u64) {
    let lab = Lab::with_files(&[("number", "0\n"), ("other", "x\n")]);
    let server = lab.serve();
    let mirror = lab.mirror(&server.url());
    let mut most = (0, 0, 0);
    for round in 1..=rounds {
        if round % 3 == 0 {
            lab.commit("main", "human", &[("other", &format!("{round}\n"))]);
        }
        change(
            &mirror,
            &main_branch(),
            &[("number", write(&format!("{round}\n")))],
        )
        .unwrap();
        most.0 = most.0.max(count_packs(&lab.path("mirror")));
        most.1 = most.1.max(bytes_below(&lab.path("mirror")));
        most.2 = most.2.max(open_files_below(&lab.path("mirror")));
    }
    println!(
        "at most {} packs, {} bytes, {} files open",
        most.0, most.1, most.2
    );
    assert!(most.0 <= 25 && most.1 < MOST_BYTES && most.2 <= 60, "{most:?}");
    assert_eq!(number(&lab), rounds);
    assert_eq!(lab.count_commits("main") as u64, 2 + rounds + rounds / 3);
    drop(mirror);
    let mirror = lab.mirror(&server.url());
    assert_eq!(mirror.recreated_because(), None);
    assert_eq!(fetch_main(&mirror).head(&main_branch()), lab.tip("main"));
    lab.fsck();
    git(&lab.path("mirror"), &["fsck", "--strict", "--no-dangling"]);
}

/// Files below a directory that this process has open or mapped, those that are deleted included.
fn open_files_below(directory: &std::path::Path) -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let directory = directory.to_str().unwrap();
    let mapped = maps.lines().filter(|line| line.contains(directory)).count();
    let open = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let open = open.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    mapped + open.filter(|path| path.starts_with(directory)).count()
}

#[test]
fn many_fetches_and_pushes_of_one_process_leave_a_small_mirror() {
    fetch_and_push_again_and_again(60);
}

#[test]
#[ignore = "a thousand pushes over HTTP; a minute or more"]
fn a_thousand_fetches_and_pushes_of_one_process_leave_a_small_mirror() {
    fetch_and_push_again_and_again(1000);
}

#[test]
#[ignore = "a thousand pushes; minutes"]
fn a_thousand_pushes_with_kills_among_them_leave_a_sound_and_small_mirror() {
    kill_again_and_again(50, 20);
}
