//! Figures of the committer on a repository of 10,000 files: `bench/commit.sh`.

use std::fmt::Write as _;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use fluxbot::committer::{PlanDefaults, Work, Writer, plan};
use fluxbot::git::GitHttp;
use fluxbot::http::{ClientSettings, HttpClients};
use fluxbot::image::{ImageRef, PolicyKey, Selections};
use fluxbot_git::{Credential, Remote};
use tempfile::TempDir;

use crate::support::command::stdout_with_input;
use crate::support::git::{GitServer, PASSWORD, Repository, USER};

const FILES: usize = 10_000;
const COMMITS: usize = 3_000;
const POLICIES: usize = 1_000;
const AUTOMATIONS: usize = 20;
const UPDATES: usize = 50;

fn path(number: usize) -> String {
    format!(
        "clusters/c{}/apps/d{}/file-{number}.yaml",
        number % 30,
        number % 300
    )
}

/// Each tenth file has a marker; the rest of it is what manifests are full of.
fn content(number: usize) -> String {
    let mut text = format!("kind: Deployment\nmetadata: {{name: app-{number}}}\nspec:\n  replicas: 2\n");
    for line in 0..6 {
        writeln!(text, "  field-{line}: value-{}", number * 31 % 977).unwrap();
    }
    if number.is_multiple_of(FILES / POLICIES) {
        let policy = number / (FILES / POLICIES);
        writeln!(
            text,
            "  image: r.example/app:1.0.0 # {{\"$imagepolicy\": \"ns:p{policy}\"}}"
        )
        .unwrap();
    }
    text
}

/// A repository with a history: each commit after the first changes one file that has no marker.
fn repository(name: &str) -> Repository {
    let repository = GitServer::shared().create_repository(name, &[]);
    let mut stream = String::new();
    for commit in 0..COMMITS {
        let when = 1_700_000_000 + commit;
        write!(
            stream,
            "commit refs/heads/main\ncommitter Ada <ada@example.com> {when} +0000\ndata 1\n.\n"
        )
        .unwrap();
        let changed = if commit == 0 { 0..FILES } else { commit..commit + 1 };
        for number in changed {
            let mut text = content(number);
            if commit > 0 {
                writeln!(text, "# {commit}").unwrap();
            }
            write!(
                stream,
                "M 100644 inline {}\ndata {}\n{text}\n",
                path(number),
                text.len()
            )
            .unwrap();
        }
    }
    stdout_with_input(
        repository.git().args(["fast-import", "--quiet"]),
        stream.as_bytes(),
    );
    stdout_with_input(repository.git().args(["gc", "--quiet"]), b"");
    repository
}

fn work(number: usize, selections: Selections) -> Work {
    let text = format!(
        "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageUpdateAutomation\nmetadata: {{name: a{number}, namespace: ns}}\n\
         spec:\n  interval: 1m\n  sourceRef: {{kind: GitRepository, name: fleet}}\n  git:\n    \
         commit: {{author: {{email: bot@example.org, name: bot}}}}\n    push: {{branch: main}}\n    \
         checkout: {{ref: {{branch: main}}}}\n"
    );
    let automation = yaml_serde::from_str(&text).unwrap();
    Work {
        plan: plan(&automation, None, &PlanDefaults::default()).unwrap(),
        identity: format!("a{number}"),
        selections,
        foreign: (0..POLICIES)
            .map(|policy| PolicyKey::new("ns", format!("p{policy}")))
            .collect(),
        signing_key: None,
    }
}

fn selections(policies: impl Iterator<Item = usize>, tag: &str) -> Selections {
    policies
        .map(|policy| {
            let image = ImageRef::new("r.example/app", tag, None).unwrap();
            (PolicyKey::new("ns", format!("p{policy}")), image)
        })
        .collect()
}

fn writer(repository: &Repository, folder: &TempDir, name: &str) -> Writer {
    let http = GitHttp::new(HttpClients::new(), ClientSettings::default());
    let credential = Credential::Basic {
        username: USER.to_owned(),
        password: PASSWORD.to_owned(),
    };
    let url = repository.url.as_str().parse().unwrap();
    Writer::open(
        &folder.path().join(name),
        Remote::new(url, credential, Arc::new(http)),
    )
    .unwrap()
}

fn report(what: &str, times: &mut [Duration]) {
    times.sort();
    let median = times[times.len() / 2];
    let last = times[times.len() - 1];
    println!(
        "{what}: {} times, median {median:.1?}, worst {last:.1?}",
        times.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it measures, and says nothing in a debug build"]
async fn measure_the_committer() {
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || measure(&runtime))
        .await
        .unwrap();
}

fn measure(runtime: &tokio::runtime::Handle) {
    let repository = repository("measure-committer");
    let folder = TempDir::new().unwrap();
    let first = writer(&repository, &folder, "first");
    let start = Instant::now();
    let landing = first.land(&[work(0, selections(0..POLICIES, "1.0.1"))]).unwrap();
    report(
        "first run, 1,000 files changed, to pushed",
        &mut [start.elapsed()],
    );
    assert_eq!(landing.landed[0].as_ref().unwrap().changes.files.len(), POLICIES);

    let mut times = Vec::new();
    let mut all = selections(0..POLICIES, "1.0.1");
    for round in 0..UPDATES {
        all.extend(selections(std::iter::once(round * 7), &format!("1.1.{round}")));
        let works = [work(0, all.clone())];
        let start = Instant::now();
        let landing = first.land(&works).unwrap();
        times.push(start.elapsed());
        assert_eq!(landing.layers.len(), 1);
    }
    report("one selection changes, to pushed", &mut times);

    let mut times = Vec::new();
    for _ in 0..UPDATES {
        let works = [work(0, all.clone())];
        let start = Instant::now();
        first.land(&works).unwrap();
        times.push(start.elapsed());
    }
    report("nothing to change", &mut times);

    let share = POLICIES / AUTOMATIONS;
    let works = |tag: &str| -> Vec<Work> {
        (0..AUTOMATIONS)
            .map(|number| work(number, selections(number * share..number * share + 5, tag)))
            .collect()
    };
    let mut times = Vec::new();
    for round in 0..10 {
        let works = works(&format!("2.0.{round}"));
        let start = Instant::now();
        let landing = first.land(&works).unwrap();
        times.push(start.elapsed());
        assert_eq!(landing.layers.len(), AUTOMATIONS);
    }
    report(
        "20 automations at once, 5 files each, stacked, to pushed",
        &mut times,
    );

    let writers: Vec<Writer> = (0..AUTOMATIONS)
        .map(|number| writer(&repository, &folder, &format!("writer-{number}")))
        .collect();
    for writer in &writers {
        writer.read(Some("main")).unwrap();
    }
    let start = Instant::now();
    let races: u32 = thread::scope(|scope| {
        let running: Vec<_> = writers
            .iter()
            .zip(works("3.0.0"))
            .map(|(writer, work)| {
                let runtime = runtime.clone();
                scope.spawn(move || {
                    let _entered = runtime.enter();
                    writer.land(&[work]).unwrap().lost_races
                })
            })
            .collect();
        running.into_iter().map(|running| running.join().unwrap()).sum()
    });
    report(
        "20 writers without each other's knowledge on one branch, all landed",
        &mut [start.elapsed()],
    );
    println!("races lost by them: {races}");
    repository.fsck();
}
