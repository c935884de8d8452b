//! Fetching into a mirror, and keeping it sound and small.

use crate::support::{
    Lab, change, count_packs, fetch_main, git, main_branch, push_commit, read_file, request, write,
};
use fluxbot_git::{Credential, EntryKind, Limits, Mirror, MirrorError, RefName, RefQuery, RepoPath};
use rstest::rstest;
use std::ops::ControlFlow;

/// Every path of a snapshot with its object, in the format of `git ls-tree -r`.
fn listing(snapshot: &fluxbot_git::Snapshot) -> Vec<String> {
    let commit = snapshot.commit(&snapshot.head(&main_branch()).unwrap()).unwrap();
    let mut lines = Vec::new();
    let visit = &mut |path: &RepoPath, entry: &fluxbot_git::TreeEntry| {
        let mode = match entry.kind {
            EntryKind::Blob => "100644 blob",
            EntryKind::Executable => "100755 blob",
            EntryKind::Symlink => "120000 blob",
            EntryKind::Submodule => "160000 commit",
            EntryKind::Tree => return ControlFlow::Continue(()),
        };
        lines.push(format!("{mode} {}\t{path}", entry.id));
        ControlFlow::Continue(())
    };
    snapshot.walk(&commit.tree, visit).unwrap();
    lines
}

#[rstest]
#[case::http(true)]
#[case::file(false)]
fn the_first_fetch_brings_the_tip_without_history_and_the_next_ones_only_what_changed(#[case] http: bool) {
    let lab = Lab::with_files(&[("a/one.yaml", "one\n"), ("a/b/two.yaml", "two\n"), ("z", "z\n")]);
    let server = lab.serve();
    let mirror = lab.mirror(&if http { server.url() } else { lab.file_url() });

    let first = fetch_main(&mirror);
    assert_eq!(first.head(&main_branch()), lab.tip("main"));
    let expected = git(&lab.repo(), &["ls-tree", "-r", "main"]);
    assert_eq!(listing(&first), expected.lines().collect::<Vec<_>>());
    let commit = first.commit(&lab.tip("main").unwrap()).unwrap();
    assert_eq!(
        (commit.message.as_str(), commit.author.0.name.as_str()),
        ("second", "Human")
    );
    assert!(
        first.commit(&commit.parents[0]).is_err(),
        "the history came along"
    );

    lab.commit("main", "third", &[("a/one.yaml", "changed\n")]);
    server.take_bytes();
    let second = fetch_main(&mirror);
    assert_eq!(
        read_file(&second, &main_branch(), "a/one.yaml").unwrap(),
        "changed\n"
    );
    assert_eq!(
        read_file(&second, &main_branch(), "a/b/two.yaml").unwrap(),
        "two\n"
    );
    assert_eq!(
        read_file(&first, &main_branch(), "a/one.yaml").unwrap(),
        "one\n",
        "an old snapshot changed"
    );
    git(&lab.path("mirror"), &["fsck", "--strict", "--no-dangling"]);
}

#[test]
fn when_nothing_moved_one_request_is_made_and_nothing_is_written() {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let server = lab.serve();
    let mirror = lab.mirror(&server.url());
    fetch_main(&mirror);
    assert_eq!(server.take_log().len(), 3);
    let before = std::fs::metadata(lab.path("mirror/packed-refs"))
        .unwrap()
        .modified()
        .unwrap();
    fetch_main(&mirror);
    assert_eq!(server.take_log(), ["POST /repo.git/git-upload-pack"]);
    assert_eq!(
        std::fs::metadata(lab.path("mirror/packed-refs"))
            .unwrap()
            .modified()
            .unwrap(),
        before
    );
}

#[rstest]
#[case::http(true)]
#[case::file(false)]
fn a_merge_does_not_pull_the_history_of_the_merged_branch(#[case] http: bool) {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let server = lab.serve();
    let mirror = lab.mirror(&if http { server.url() } else { lab.file_url() });
    fetch_main(&mirror);
    git(&lab.repo(), &["branch", "side", "main~1"]);
    for number in 0..20 {
        lab.commit("side", "side", &[("side", &format!("{number}\n"))]);
    }
    let work = lab.path("work");
    git(
        lab.directory.path(),
        &[
            "clone",
            "--quiet",
            lab.repo().to_str().unwrap(),
            work.to_str().unwrap(),
        ],
    );
    git(
        &work,
        &["merge", "--quiet", "--no-ff", "-m", "merge", "origin/side"],
    );
    git(&work, &["push", "--quiet", "origin", "main"]);
    let snapshot = fetch_main(&mirror);
    let merge = snapshot.commit(&lab.tip("main").unwrap()).unwrap();
    assert_eq!(merge.parents.len(), 2);
    assert!(
        snapshot.commit(&merge.parents[1]).is_err(),
        "the merged branch came along"
    );
    assert_eq!(read_file(&snapshot, &main_branch(), "side").unwrap(), "19\n");
}

#[rstest]
#[case::http(true)]
#[case::file(false)]
fn many_rounds_of_two_writers_leave_a_sound_mirror_with_few_packs(#[case] http: bool) {
    let lab = Lab::with_files(&[("a/one.yaml", "0\n"), ("b/two.yaml", "0\n")]);
    let server = lab.serve();
    let mirror = lab.mirror(&if http { server.url() } else { lab.file_url() });
    let first = fetch_main(&mirror);
    for round in 0..60 {
        let line = format!("{round}\n");
        lab.commit("main", "human", &[("a/one.yaml", &line)]);
        change(&mirror, &main_branch(), &[("b/two.yaml", write(&line))]).unwrap();
        assert!(count_packs(&lab.path("mirror")) <= 25, "packs pile up");
    }
    let last = fetch_main(&mirror);
    assert_eq!(read_file(&last, &main_branch(), "a/one.yaml").unwrap(), "59\n");
    assert_eq!(read_file(&last, &main_branch(), "b/two.yaml").unwrap(), "59\n");
    assert_eq!(
        read_file(&first, &main_branch(), "a/one.yaml").unwrap(),
        "0\n",
        "an old snapshot is gone"
    );
    assert_eq!(lab.count_commits("main"), 122);
    lab.fsck();
    git(&lab.path("mirror"), &["fsck", "--strict", "--no-dangling"]);
    let shallow = std::fs::read_to_string(lab.path("mirror/shallow")).unwrap();
    assert_eq!(shallow.lines().count(), 1, "the shallow file grows");

    drop(mirror);
    let reopened = lab.mirror(&if http { server.url() } else { lab.file_url() });
    assert_eq!(reopened.recreated_because(), None);
    server.take_log();
    let again = fetch_main(&reopened);
    assert_eq!(listing(&again), listing(&last));
    assert!(server.take_log().len() <= 2, "objects were fetched again");
}

#[test]
fn a_tip_that_comes_back_after_its_objects_were_dropped_is_fetched_again() {
    let lab = Lab::with_files(&[("a/one.yaml", "0\n")]);
    let server = lab.serve();
    let limits = Limits {
        most_packs: 2,
        ..Limits::default()
    };
    let remote = crate::support::remote(&server.url(), Credential::None);
    let mirror = Mirror::open_with(&lab.path("mirror"), remote, limits).unwrap();
    let tips: Vec<_> = (0..12)
        .map(|round| {
            let tip = lab.commit("main", "human", &[("a/one.yaml", &format!("{round}\n"))]);
            fetch_main(&mirror);
            tip
        })
        .collect();
    for (round, tip) in tips.iter().enumerate().rev() {
        git(&lab.repo(), &["update-ref", "refs/heads/main", &tip.to_string()]);
        let snapshot = fetch_main(&mirror);
        assert_eq!(
            read_file(&snapshot, &main_branch(), "a/one.yaml").unwrap(),
            format!("{round}\n")
        );
    }
}

#[test]
fn the_default_branch_and_tags_are_found() {
    let lab = Lab::with_files(&[("a", "a\n")]);
    git(&lab.repo(), &["tag", "-a", "-m", "release", "v1", "main"]);
    git(&lab.repo(), &["tag", "v0", "main~1"]);
    let server = lab.serve();
    for (name, url) in [("http", server.url()), ("file", lab.file_url())] {
        let mirror = lab.mirror_in(name, &url, Credential::None);
        let snapshot = mirror
            .fetch(&[RefQuery::DefaultBranch, RefQuery::all_tags()])
            .unwrap();
        assert_eq!(snapshot.default_branch(), Some(&main_branch()));
        let names: Vec<_> = snapshot
            .references()
            .map(|reference| reference.name.to_string())
            .collect();
        assert_eq!(names, ["refs/heads/main", "refs/tags/v0", "refs/tags/v1"]);
        assert_eq!(snapshot.head(&RefName::tag("v1").unwrap()), lab.tip("main"));
        let tag = snapshot
            .references()
            .find(|reference| reference.name.short() == "v1")
            .unwrap();
        assert_eq!(Some(snapshot.peel(&tag.id).unwrap().id), lab.tip("main"));
        drop(mirror);
        let reopened = lab.mirror_in(name, &url, Credential::None);
        assert_eq!(reopened.recreated_because(), None);
    }
}

#[test]
fn a_branch_that_is_gone_is_not_in_the_snapshot() {
    let lab = Lab::with_files(&[("a", "a\n")]);
    git(&lab.repo(), &["branch", "other", "main"]);
    let server = lab.serve();
    let mirror = lab.mirror(&server.url());
    let other = RefName::branch("other").unwrap();
    assert!(
        mirror
            .fetch(&[other.clone().into()])
            .unwrap()
            .head(&other)
            .is_some()
    );
    git(&lab.repo(), &["branch", "-D", "other"]);
    assert!(
        mirror
            .fetch(&[other.clone().into()])
            .unwrap()
            .head(&other)
            .is_none()
    );
    git(&lab.repo(), &["branch", "other/below", "main"]);
    let below = RefName::branch("other/below").unwrap();
    assert_eq!(
        mirror.fetch(&[below.clone().into()]).unwrap().head(&below),
        lab.tip("main")
    );
}

#[test]
fn left_overs_of_a_killed_process_are_removed_and_what_was_there_is_used() {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let server = lab.serve();
    drop(fetch_main(&lab.mirror(&server.url())));
    let mirror = lab.path("mirror");
    for name in ["shallow.lock", "packed-refs.lock", "packed-refs.new", "HEAD.lock"] {
        std::fs::write(mirror.join(name), "half").unwrap();
    }
    for name in [
        ".tmpAbCd",
        "tmp_pack_x",
        "pack-0123.pack",
        "pack-4567.keep",
        "merge.new",
    ] {
        std::fs::write(mirror.join("objects/pack").join(name), "half").unwrap();
    }
    let opened = lab.mirror(&server.url());
    assert_eq!(opened.recreated_because(), None);
    assert_eq!(std::fs::read_dir(mirror.join("objects/pack")).unwrap().count(), 2);
    lab.commit("main", "next", &[("a", "b\n")]);
    assert_eq!(
        read_file(&fetch_main(&opened), &main_branch(), "a").unwrap(),
        "b\n"
    );
}

#[rstest]
#[case::truncated_pack("pack", Some(40))]
#[case::empty_pack("pack", Some(0))]
#[case::truncated_index("idx", Some(1100))]
#[case::empty_index("idx", Some(0))]
#[case::missing_pack("pack", None)]
#[case::missing_index("idx", None)]
fn a_damaged_mirror_is_replaced_when_it_is_opened(#[case] extension: &str, #[case] keep: Option<u64>) {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let server = lab.serve();
    drop(fetch_main(&lab.mirror(&server.url())));
    let files = std::fs::read_dir(lab.path("mirror/objects/pack")).unwrap();
    let file = files
        .map(|file| file.unwrap().path())
        .find(|path| path.extension().unwrap() == extension)
        .unwrap();
    match keep {
        Some(length) => {
            let mut permissions = std::fs::metadata(&file).unwrap().permissions();
            #[expect(
                clippy::permissions_set_readonly_false,
                reason = "the file is in a directory of this test"
            )]
            permissions.set_readonly(false);
            std::fs::set_permissions(&file, permissions).unwrap();
            std::fs::OpenOptions::new()
                .write(true)
                .open(&file)
                .unwrap()
                .set_len(length)
                .unwrap();
        }
        None => std::fs::remove_file(&file).unwrap(),
    }
    let opened = lab.mirror(&server.url());
    assert!(opened.recreated_because().is_some());
    assert_eq!(
        read_file(&fetch_main(&opened), &main_branch(), "a").unwrap(),
        "a\n"
    );
}

#[rstest]
#[case("config")]
#[case("packed-refs")]
fn a_mirror_with_garbage_in_a_file_is_replaced(#[case] name: &str) {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let server = lab.serve();
    drop(fetch_main(&lab.mirror(&server.url())));
    std::fs::write(lab.path("mirror").join(name), b"\xff\xfegarbage\n").unwrap();
    let opened = lab.mirror(&server.url());
    assert!(opened.recreated_because().is_some());
    assert_eq!(
        read_file(&fetch_main(&opened), &main_branch(), "a").unwrap(),
        "a\n"
    );
}

#[test]
fn a_directory_is_used_by_one_mirror_at_a_time_and_for_one_remote() {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let server = lab.serve();
    let mirror = lab.mirror(&server.url());
    fetch_main(&mirror);
    let second = Mirror::open(
        &lab.path("mirror"),
        crate::support::remote(&server.url(), Credential::None),
    );
    assert!(matches!(second, Err(MirrorError::InUse { .. })));
    drop(mirror);
    let other = lab.mirror(&lab.file_url());
    assert!(
        other.recreated_because().is_some(),
        "objects of another remote were kept"
    );
}

#[test]
fn an_empty_repository_gets_its_first_commit() {
    for http in [true, false] {
        let lab = Lab::empty();
        let server = lab.serve();
        let mirror = lab.mirror(&if http { server.url() } else { lab.file_url() });
        let snapshot = mirror.fetch(&[RefQuery::DefaultBranch]).unwrap();
        assert_eq!(
            (snapshot.default_branch(), snapshot.head(&main_branch())),
            (Some(&main_branch()), None)
        );
        let commit = snapshot
            .prepare(&request(None, "first", &[("a/b", write("x\n"))]))
            .unwrap();
        push_commit(&mirror, &main_branch(), &commit).unwrap();
        assert_eq!(
            (lab.tip("main"), lab.show("main", "a/b").as_str()),
            (Some(commit.id()), "x")
        );
        lab.fsck();
        change(&mirror, &main_branch(), &[("c", write("y\n"))]).unwrap();
        lab.fsck();
    }
}

#[test]
fn a_change_that_is_taken_back_brings_its_objects_again() {
    let lab = Lab::with_files(&[("a/one.yaml", "old\n")]);
    lab.commit("main", "new", &[("a/one.yaml", "new\n")]);
    let server = lab.serve();
    let mirror = lab.mirror(&server.url());
    fetch_main(&mirror);
    // The content is in the history of the tip, which the mirror does not have.
    lab.commit("main", "take it back", &[("a/one.yaml", "old\n")]);
    assert_eq!(
        read_file(&fetch_main(&mirror), &main_branch(), "a/one.yaml").unwrap(),
        "old\n"
    );
    change(&mirror, &main_branch(), &[("a/one.yaml", write("new\n"))]).unwrap();
    lab.commit("main", "take it back again", &[("a/one.yaml", "old\n")]);
    assert_eq!(
        read_file(&fetch_main(&mirror), &main_branch(), "a/one.yaml").unwrap(),
        "old\n"
    );
}

#[test]
fn a_push_into_a_repository_of_this_machine_stays_readable_for_others() {
    use std::os::unix::fs::PermissionsExt;
    let lab = Lab::with_files(&[("a", "a\n")]);
    change(
        &lab.mirror(&lab.file_url()),
        &main_branch(),
        &[("a", write("b\n"))],
    )
    .unwrap();
    for file in std::fs::read_dir(lab.repo().join("objects/pack")).unwrap() {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert!(mode & 0o444 == 0o444, "{name} has mode {mode:o}");
    }
    let private = std::fs::metadata(lab.path("mirror"))
        .unwrap()
        .permissions()
        .mode()
        & 0o777;
    assert_eq!(private, 0o700);
}

/// The other process of the test below: changes a file again and again until it is killed.
#[test]
#[ignore = "it is started by the test below"]
fn child_that_fetches_and_pushes_until_it_is_killed() {
    let (Ok(directory), Ok(url)) = (
        std::env::var("FLUXBOT_TEST_MIRROR"),
        std::env::var("FLUXBOT_TEST_URL"),
    ) else {
        return;
    };
    let limits = Limits {
        most_packs: 4,
        ..Limits::default()
    };
    let remote = crate::support::remote(&url, Credential::None);
    let mirror = Mirror::open_with(directory.as_ref(), remote, limits).unwrap();
    for round in 0_u64.. {
        let content = format!("{} {round}\n", std::process::id());
        change(&mirror, &main_branch(), &[("a/one.yaml", write(&content))]).unwrap();
    }
}

#[test]
fn a_process_that_is_killed_at_any_moment_leaves_a_mirror_that_goes_on() {
    let lab = Lab::with_files(&[("a/one.yaml", "0\n"), ("b/two.yaml", "0\n")]);
    let server = lab.serve();
    for round in 0..15_u32 {
        let child = "mirror::child_that_fetches_and_pushes_until_it_is_killed";
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", child, "--ignored"])
            .env("FLUXBOT_TEST_MIRROR", lab.path("mirror"))
            .env("FLUXBOT_TEST_URL", server.url())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // Some requests, and then a different number of turns each time, so that the end comes at different steps.
        let mut requests = 0;
        while requests < 6 + round as usize {
            requests += server.take_log().len();
            std::thread::yield_now();
        }
        for _ in 0..round * 400 {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();

        let mirror = lab.mirror(&server.url());
        assert_eq!(mirror.recreated_because(), None, "round {round}");
        let content = format!("{round}\n");
        // The server may still be at work on the last push of the child.
        while let Err(error) = change(&mirror, &main_branch(), &[("b/two.yaml", write(&content))]) {
            assert!(matches!(error, fluxbot_git::PushError::Stale { .. }), "{error}");
        }
        let snapshot = fetch_main(&mirror);
        assert_eq!(
            read_file(&snapshot, &main_branch(), "b/two.yaml").unwrap(),
            content
        );
        listing(&snapshot);
        git(&lab.path("mirror"), &["fsck", "--strict", "--no-dangling"]);
    }
    lab.fsck();
}

#[test]
fn a_broken_reference_does_not_hide_the_others() {
    let lab = Lab::with_files(&[("a", "a\n")]);
    std::fs::write(
        lab.repo().join("refs/heads/broken"),
        format!("{}\n", "1".repeat(40)),
    )
    .unwrap();
    assert_eq!(
        fetch_main(&lab.mirror(&lab.file_url())).head(&main_branch()),
        lab.tip("main")
    );
}

#[test]
fn a_mirror_and_its_snapshots_are_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>(value: &T) -> &T {
        value
    }
    let lab = Lab::with_files(&[("a", "a\n")]);
    let mirror = lab.mirror(&lab.file_url());
    let snapshot = fetch_main(shared(&mirror));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let snapshot = shared(&snapshot).clone();
            scope.spawn(move || assert_eq!(read_file(&snapshot, &main_branch(), "a").unwrap(), "a\n"));
        }
    });
}
