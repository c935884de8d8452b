//! Figures on a repository of 10,000 files in 300 directories: `cargo test -p fluxbot-git --release -- --ignored measure`.

use crate::support::{Lab, change, fetch_main, main_branch, read_file, write};
use std::time::{Duration, Instant};

#[test]
#[ignore = "it measures, and says nothing in a debug build"]
#[expect(clippy::cast_possible_truncation, reason = "the counts are small")]
fn measure_a_large_repository() {
    let files: Vec<(String, String)> = (0..10_000)
        .map(|number| {
            let line = format!(
                "image: registry.example.com/team-{}/app-{number}:1.0.{}\n",
                number % 17,
                number % 29
            );
            (
                format!(
                    "clusters/c{}/apps/d{}/file-{number}.yaml",
                    number % 30,
                    number % 300
                ),
                line.repeat(6),
            )
        })
        .collect();
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let lab = Lab::with_files(&files);
    let server = lab.serve();
    let mirror = lab.mirror(&server.url());
    let report = |what: &str, times: &mut Vec<Duration>| {
        let (up, down) = server.take_bytes();
        let count = times.len() as u64;
        let total: Duration = times.iter().sum();
        let ours = total.saturating_sub(server.take_busy()) / times.len() as u32;
        times.sort();
        let (median, last) = (times[times.len() / 2], times[times.len() - 1]);
        println!(
            "{what}: median {median:.1?}, worst {last:.1?}, ours {ours:.1?} on average, up {} B, down {} B each",
            up / count,
            down / count
        );
        times.clear();
    };
    let mut times = Vec::new();
    let measure = |times: &mut Vec<Duration>, work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        times.push(start.elapsed());
    };
    measure(&mut times, &mut || drop(fetch_main(&mirror)));
    report("first fetch", &mut times);
    for _ in 0..50 {
        measure(&mut times, &mut || drop(fetch_main(&mirror)));
    }
    report("fetch, nothing moved", &mut times);
    let many: Vec<(&str, fluxbot_git::Edit)> = files
        .iter()
        .step_by(10)
        .map(|(path, text)| (*path, write(&text.replace(":1.0.", ":1.1."))))
        .collect();
    measure(&mut times, &mut || {
        drop(change(&mirror, &main_branch(), &many).unwrap());
    });
    report("1,000 files changed, pushed", &mut times);
    let path = files[4321].0;
    for round in 0..100 {
        let mut text = files[4321].1.to_owned();
        text.push_str(&format!("# {round}\n"));
        measure(&mut times, &mut || {
            drop(change(&mirror, &main_branch(), &[(path, write(&text))]).unwrap());
        });
    }
    report("fetch, one file changed, pushed", &mut times);
    for round in 0..30 {
        lab.commit("main", "human", &[(files[77].0, &format!("{round}\n"))]);
        measure(&mut times, &mut || drop(fetch_main(&mirror)));
    }
    report("fetch, another writer changed one file", &mut times);
    let snapshot = fetch_main(&mirror);
    assert_eq!(read_file(&snapshot, &main_branch(), files[77].0).unwrap(), "29\n");
    server.take_bytes();
    measure(&mut times, &mut || {
        let commit = snapshot.commit(&snapshot.head(&main_branch()).unwrap()).unwrap();
        let mut bytes = 0;
        let read = &mut |_: &_, entry: &fluxbot_git::TreeEntry| {
            if entry.kind.is_file() {
                bytes += snapshot.blob(&entry.id).unwrap().len();
            }
            std::ops::ControlFlow::Continue(())
        };
        snapshot.walk(&commit.tree, read).unwrap();
        assert!(bytes > 1_000_000);
    });
    report("all files read", &mut times);
    lab.fsck();
}
