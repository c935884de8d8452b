//! Pushing: what lands, what is refused, and what is said about it.

use crate::support::{
    Action, Lab, ServerOptions, change, fetch_main, git, main_branch, push_commit, read_file, request, write,
};
use fluxbot_git::{
    CommitError, Edit, FileKind, PushError, PushOptions, RefName, RefQuery, RefUpdate, RemoteFailure,
};
use rstest::rstest;

#[rstest]
#[case::http(true)]
#[case::file(false)]
fn a_commit_lands_with_exactly_the_changed_files_and_is_not_fetched_again(#[case] http: bool) {
    let lab = Lab::with_files(&[
        ("a/one.yaml", "one\n"),
        ("a/two.yaml", "two\n"),
        ("b/three.yaml", "three\n"),
    ]);
    let server = lab.serve();
    let mirror = lab.mirror(&if http { server.url() } else { lab.file_url() });
    let edits = [
        ("a/one.yaml", write("ONE\n")),
        ("a/two.yaml", Edit::Remove),
        ("b/three.yaml", Edit::Remove),
        (
            "new/deep/run.sh",
            Edit::Write {
                content: b"#!/bin/sh\n".to_vec(),
                kind: Some(FileKind::Executable),
            },
        ),
    ];
    let (commit, _) = change(&mirror, &main_branch(), &edits).unwrap();
    assert_eq!(lab.tip("main"), Some(commit.id()));
    let changes = git(
        &lab.repo(),
        &["diff-tree", "-r", "--name-status", "main~1", "main"],
    );
    assert_eq!(
        changes,
        "M\ta/one.yaml\nD\ta/two.yaml\nD\tb/three.yaml\nA\tnew/deep/run.sh"
    );
    assert!(git(&lab.repo(), &["ls-tree", "main", "new/deep/run.sh"]).starts_with("100755"));
    let log = git(&lab.repo(), &["log", "-1", "--format=%an <%ae> %at %s", "main"]);
    assert_eq!(log, "fluxbot <fluxbot@example.com> 1700000100 change");
    lab.fsck();

    server.take_log();
    let snapshot = fetch_main(&mirror);
    assert_eq!(
        read_file(&snapshot, &main_branch(), "a/one.yaml").unwrap(),
        "ONE\n"
    );
    let expected: &[&str] = if http {
        &["POST /repo.git/git-upload-pack"]
    } else {
        &[]
    };
    assert_eq!(server.take_log(), expected);
    git(&lab.path("mirror"), &["fsck", "--strict", "--no-dangling"]);
}

#[test]
fn the_second_push_needs_one_request() {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let server = lab.serve();
    let mirror = lab.mirror(&server.url());
    change(&mirror, &main_branch(), &[("a", write("b\n"))]).unwrap();
    server.take_log();
    change(&mirror, &main_branch(), &[("a", write("c\n"))]).unwrap();
    assert_eq!(
        server.take_log(),
        [
            "POST /repo.git/git-upload-pack",
            "POST /repo.git/git-receive-pack"
        ]
    );
    lab.fsck();
}

#[rstest]
#[case::http_first_push(true, false)]
#[case::http_later_push(true, true)]
#[case::file(false, false)]
fn a_lost_race_is_stale_and_names_both_commits(#[case] http: bool, #[case] pushed_before: bool) {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let server = lab.serve();
    let mirror = lab.mirror(&if http { server.url() } else { lab.file_url() });
    if pushed_before {
        change(&mirror, &main_branch(), &[("a", write("b\n"))]).unwrap();
    }
    let snapshot = fetch_main(&mirror);
    let parent = snapshot.head(&main_branch());
    let commit = snapshot
        .prepare(&request(parent, "ours", &[("a", write("c\n"))]))
        .unwrap();
    let theirs = lab.commit("main", "theirs", &[("other", "x\n")]);
    match push_commit(&mirror, &main_branch(), &commit) {
        Err(PushError::Stale {
            name,
            expected,
            actual,
            ..
        }) => {
            assert_eq!((name, expected, actual), (main_branch(), parent, Some(theirs)));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(lab.tip("main"), Some(theirs));
    let (landed, _) = change(&mirror, &main_branch(), &[("a", write("c\n"))]).unwrap();
    assert_eq!(
        (landed.parent(), lab.tip("main")),
        (Some(theirs), Some(landed.id()))
    );
}

#[rstest]
#[case::http(true)]
#[case::file(false)]
fn five_writers_on_one_branch_all_land(#[case] http: bool) {
    const ROUNDS: usize = 4;
    let lab = Lab::with_files(&[("shared", "x\n")]);
    let server = lab.serve();
    let url = if http { server.url() } else { lab.file_url() };
    std::thread::scope(|scope| {
        for writer in 0..5 {
            let mirror = lab.mirror_in(&format!("mirror-{writer}"), &url, fluxbot_git::Credential::None);
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let path = format!("writer-{writer}/{round}");
                    loop {
                        match change(&mirror, &main_branch(), &[(&path, write("x\n"))]) {
                            Ok(_) => break,
                            Err(PushError::Stale { .. }) => {}
                            Err(other) => panic!("writer {writer}: {other}"),
                        }
                    }
                }
            });
        }
    });
    assert_eq!(lab.count_commits("main"), 2 + 5 * ROUNDS);
    assert_eq!(
        git(&lab.repo(), &["ls-tree", "-r", "--name-only", "main"])
            .lines()
            .count(),
        2 + 5 * ROUNDS
    );
    lab.fsck();
}

#[rstest]
#[case::http(true)]
#[case::file(false)]
fn branches_are_created_and_deleted(#[case] http: bool) {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let server = lab.serve();
    let mirror = lab.mirror(&if http { server.url() } else { lab.file_url() });
    let snapshot = fetch_main(&mirror);
    let tip = snapshot.head(&main_branch());
    let commit = snapshot
        .prepare(&request(tip, "on a branch", &[("a", write("b\n"))]))
        .unwrap();
    let branch = RefName::branch("fluxbot/updates").unwrap();
    let push = |old, new, commits: &[_]| {
        let update = RefUpdate {
            name: branch.clone(),
            old,
            new,
        };
        mirror.push(&[update], commits, &PushOptions::default())
    };
    push(None, Some(commit.id()), &[&commit]).unwrap();
    assert_eq!(lab.tip("fluxbot/updates"), Some(commit.id()));
    assert!(matches!(
        push(None, Some(commit.id()), &[&commit]),
        Err(PushError::Stale { .. })
    ));
    assert!(matches!(push(tip, None, &[]), Err(PushError::Stale { .. })));
    push(Some(commit.id()), None, &[]).unwrap();
    assert_eq!(lab.tip("fluxbot/updates"), None);
    push(None, tip, &[]).unwrap();
    assert_eq!(lab.tip("fluxbot/updates"), tip);
    lab.fsck();
}

#[test]
fn stacked_commits_are_pushed_at_once() {
    let lab = Lab::with_files(&[("a/x", "1\n"), ("a/y", "1\n")]);
    let server = lab.serve();
    let mirror = lab.mirror(&server.url());
    let snapshot = fetch_main(&mirror);
    let base = snapshot.head(&main_branch());
    let first = snapshot
        .prepare(&request(base, "first", &[("a/x", write("2\n"))]))
        .unwrap();
    let stacked = snapshot.with(&first);
    let second = stacked
        .prepare(&request(Some(first.id()), "second", &[("a/y", write("2\n"))]))
        .unwrap();
    let update = RefUpdate {
        name: main_branch(),
        old: base,
        new: Some(second.id()),
    };
    mirror
        .push(&[update], &[&first, &second], &PushOptions::default())
        .unwrap();
    assert_eq!(
        git(&lab.repo(), &["log", "-2", "--format=%s", "main"]),
        "second\nfirst"
    );
    assert_eq!(
        (lab.show("main", "a/x"), lab.show("main", "a/y")),
        ("2".to_owned(), "2".to_owned())
    );
    lab.fsck();
    git(&lab.path("mirror"), &["fsck", "--strict", "--no-dangling"]);
    change(&mirror, &main_branch(), &[("a/x", write("3\n"))]).unwrap();
    lab.fsck();
}

#[test]
fn a_rejecting_hook_is_reported_with_its_text_made_safe() {
    let lab = Lab::with_files(&[("a", "a\n")]);
    lab.hook(
        "pre-receive",
        "#!/bin/sh\nprintf '\\033[31mno \\007commits\\033[0m on\\r\\nfriday\\n' >&2\nexit 1\n",
    );
    let server = lab.serve();
    let mirror = lab.mirror(&server.url());
    let before = lab.tip("main");
    match change(&mirror, &main_branch(), &[("a", write("b\n"))]) {
        Err(PushError::Rejected {
            name,
            reason,
            messages,
        }) => {
            assert_eq!(
                (name, reason.as_str()),
                (main_branch(), "pre-receive hook declined")
            );
            assert_eq!(messages, ["no commits on", "friday"]);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(lab.tip("main"), before);
}

#[test]
fn a_refusal_of_a_branch_that_someone_else_moved_meanwhile_is_a_lost_race() {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let server = lab.serve();
    let mirror = lab.mirror(&server.url());
    change(&mirror, &main_branch(), &[("a", write("b\n"))]).unwrap();
    let snapshot = fetch_main(&mirror);
    let commit = snapshot
        .prepare(&request(
            snapshot.head(&main_branch()),
            "ours",
            &[("a", write("c\n"))],
        ))
        .unwrap();
    // The server takes the push in, and refuses it with words that no client should have to know.
    let theirs = lab.commit("main", "theirs", &[("a", "d\n")]);
    lab.hook(
        "pre-receive",
        "#!/bin/sh\necho 'Bitte erneut versuchen' >&2\nexit 1\n",
    );
    let outcome = push_commit(&mirror, &main_branch(), &commit);
    assert!(
        matches!(&outcome, Err(PushError::Stale { actual, .. }) if *actual == Some(theirs)),
        "{outcome:?}"
    );
}

#[test]
fn messages_and_push_options_go_both_ways() {
    let lab = Lab::with_files(&[("a", "a\n")]);
    lab.hook(
        "post-receive",
        "#!/bin/sh\necho \"options: $GIT_PUSH_OPTION_COUNT $GIT_PUSH_OPTION_0\"\necho 'see https://git.example.com/mr/1'\n",
    );
    let server = lab.serve();
    let mirror = lab.mirror(&server.url());
    let snapshot = fetch_main(&mirror);
    let base = snapshot.head(&main_branch());
    let commit = snapshot
        .prepare(&request(base, "x", &[("a", write("b\n"))]))
        .unwrap();
    let update = RefUpdate {
        name: main_branch(),
        old: base,
        new: Some(commit.id()),
    };
    let options = PushOptions {
        atomic: true,
        push_options: vec!["merge_request.create".to_owned()],
    };
    let pushed = mirror.push(&[update], &[&commit], &options).unwrap();
    assert_eq!(
        pushed.messages,
        [
            "options: 1 merge_request.create",
            "see https://git.example.com/mr/1"
        ]
    );
}

#[test]
fn an_atomic_push_moves_all_references_or_none() {
    let lab = Lab::with_files(&[("a", "a\n")]);
    lab.hook("update", "#!/bin/sh\ntest \"$1\" != refs/heads/locked\n");
    let server = lab.serve();
    let mirror = lab.mirror(&server.url());
    let snapshot = fetch_main(&mirror);
    let base = snapshot.head(&main_branch());
    let commit = snapshot
        .prepare(&request(base, "x", &[("a", write("b\n"))]))
        .unwrap();
    let updates = [
        RefUpdate {
            name: main_branch(),
            old: base,
            new: Some(commit.id()),
        },
        RefUpdate {
            name: RefName::branch("locked").unwrap(),
            old: None,
            new: Some(commit.id()),
        },
    ];
    let atomic = PushOptions {
        atomic: true,
        ..PushOptions::default()
    };
    assert!(matches!(
        mirror.push(&updates, &[&commit], &atomic),
        Err(PushError::Rejected { .. })
    ));
    assert_eq!(lab.tip("main"), base);
    match mirror.push(&updates, &[&commit], &PushOptions::default()) {
        Err(PushError::Partial { accepted, name, .. }) => {
            assert_eq!((accepted, name.short()), (vec![main_branch()], "locked"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(lab.tip("main"), Some(commit.id()));
}

#[rstest]
#[case::landed(false)]
#[case::someone_pushed_on_top(true)]
fn when_the_answer_is_lost_the_remote_tells_what_became_of_it(#[case] someone_else: bool) {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let drop_answer = |line: &str| match line {
        "POST /repo.git/git-receive-pack" => Action::DropAnswer,
        _ => Action::Serve,
    };
    let server = lab.serve_with(ServerOptions {
        script: Some(Box::new(drop_answer)),
        ..ServerOptions::default()
    });
    let mirror = lab.mirror(&server.url());
    let snapshot = fetch_main(&mirror);
    let base = snapshot.head(&main_branch());
    let commit = snapshot
        .prepare(&request(base, "x", &[("a", write("b\n"))]))
        .unwrap();
    let outcome = push_commit(&mirror, &main_branch(), &commit);
    assert!(
        matches!(outcome, Err(PushError::AnswerLost { .. })),
        "{outcome:?}"
    );
    if someone_else {
        lab.commit("main", "human", &[("b", "b\n")]);
    }
    let again = fetch_main(&mirror);
    let commit = again
        .prepare(&request(again.head(&main_branch()), "x", &[("a", write("b\n"))]))
        .unwrap();
    assert!(commit.changes_nothing(), "the change would be made twice");
}

#[rstest]
#[case::gateway_timeout(504, true)]
#[case::too_large(413, false)]
fn a_status_of_a_gateway_leaves_the_outcome_open_and_one_of_the_server_does_not(
    #[case] status: u16,
    #[case] open: bool,
) {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let fail = move |line: &str| match line {
        "POST /repo.git/git-receive-pack" => Action::Status(status),
        _ => Action::Serve,
    };
    let server = lab.serve_with(ServerOptions {
        script: Some(Box::new(fail)),
        ..ServerOptions::default()
    });
    let outcome = change(&lab.mirror(&server.url()), &main_branch(), &[("a", write("b\n"))]);
    assert_eq!(
        matches!(outcome, Err(PushError::AnswerLost { .. })),
        open,
        "{outcome:?}"
    );
}

#[test]
fn a_server_that_cannot_use_a_thin_pack_gets_a_complete_one() {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let first = std::sync::atomic::AtomicBool::new(true);
    let refuse_once = move |line: &str| {
        if line == "POST /repo.git/git-receive-pack" && first.swap(false, std::sync::atomic::Ordering::SeqCst)
        {
            let report = b"0026unpack index-pack abnormal exit 1\n0000".to_vec();
            let body = [
                format!("{:04x}\u{1}", report.len() + 5).into_bytes(),
                report,
                b"0000".to_vec(),
            ]
            .concat();
            return Action::Body("application/x-git-receive-pack-result", body);
        }
        Action::Serve
    };
    let server = lab.serve_with(ServerOptions {
        script: Some(Box::new(refuse_once)),
        ..ServerOptions::default()
    });
    let (commit, _) = change(&lab.mirror(&server.url()), &main_branch(), &[("a", write("b\n"))]).unwrap();
    assert_eq!(lab.tip("main"), Some(commit.id()));
    lab.fsck();
}

#[test]
fn a_read_only_credential_is_told_apart() {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let server = lab.serve_with(ServerOptions {
        read_only: true,
        ..ServerOptions::default()
    });
    let outcome = change(&lab.mirror(&server.url()), &main_branch(), &[("a", write("b\n"))]);
    let Err(PushError::Remote(failure @ RemoteFailure::Forbidden { .. })) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(
        failure
            .to_string()
            .ends_with("is forbidden: the credential may not write"),
        "{failure}"
    );
}

#[test]
fn a_signature_becomes_a_header_that_git_reads() {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let server = lab.serve();
    let mirror = lab.mirror(&server.url());
    let snapshot = fetch_main(&mirror);
    let base = snapshot.head(&main_branch());
    let unsigned = snapshot
        .prepare(&request(base, "signed\n\nbody", &[("a", write("b\n"))]))
        .unwrap();
    let armor = "-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----\n";
    let signed = unsigned.with_header("gpgsig", armor).unwrap();
    assert_ne!(signed.id(), unsigned.id());
    push_commit(&mirror, &main_branch(), &signed).unwrap();
    lab.fsck();
    let raw = git(&lab.repo(), &["cat-file", "commit", "main"]);
    let without: String = raw.replace(
        "gpgsig -----BEGIN PGP SIGNATURE-----\n \n abc\n -----END PGP SIGNATURE-----\n",
        "",
    );
    assert_eq!(format!("{without}\n").as_bytes(), unsigned.payload());
    let read = fetch_main(&mirror).commit(&signed.id()).unwrap();
    assert_eq!(
        (read.message.as_str(), read.extra_headers[0].0.as_str()),
        ("signed\n\nbody\n", "gpgsig")
    );
    assert!(matches!(
        unsigned.with_header("gpg sig", "x"),
        Err(CommitError::InvalidHeader { .. })
    ));
}

#[rstest]
#[case::through_a_file("a/b/c", "x")]
#[case::over_a_directory("d", "x")]
#[case::over_a_link("link", "x")]
#[case::through_a_link("link/x", "x")]
fn a_path_that_is_not_a_file_of_its_own_is_refused(#[case] path: &str, #[case] content: &str) {
    let lab = Lab::with_files(&[("a/b", "b\n"), ("d/x", "x\n")]);
    git_link(&lab);
    let snapshot = fetch_main(&lab.mirror(&lab.file_url()));
    let request = request(snapshot.head(&main_branch()), "x", &[(path, write(content))]);
    assert!(matches!(
        snapshot.prepare(&request),
        Err(CommitError::Conflict { .. })
    ));
}

fn git_link(lab: &Lab) {
    let stream = "commit refs/heads/main\ncommitter H <h@example.com> 1 +0000\ndata 1\nx\nfrom refs/heads/main^0\n\
                  M 120000 inline link\ndata 11\n/etc/passwd\n";
    crate::support::git_with_input(&lab.repo(), &["fast-import", "--quiet"], stream.as_bytes());
}

#[test]
fn a_change_that_changes_nothing_is_known_before_it_is_pushed() {
    let lab = Lab::with_files(&[("a/x", "1\n")]);
    let snapshot = fetch_main(&lab.mirror(&lab.file_url()));
    let parent = snapshot.head(&main_branch());
    let prepare = |edits: &[_]| snapshot.prepare(&request(parent, "x", edits)).unwrap();
    assert!(prepare(&[("a/x", write("1\n"))]).changes_nothing());
    assert!(prepare(&[("b/none", Edit::Remove)]).changes_nothing());
    assert!(!prepare(&[("a/x", write("2\n"))]).changes_nothing());
}

#[rstest]
#[case::hook(true)]
#[case::checked_out(false)]
fn a_repository_on_this_machine_that_would_need_more_than_a_push_is_refused(#[case] hook: bool) {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let url = if hook {
        lab.hook("pre-receive", "#!/bin/sh\nexit 0\n");
        lab.file_url()
    } else {
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
        work.to_str().unwrap().to_owned()
    };
    let outcome = change(&lab.mirror(&url), &main_branch(), &[("a", write("b\n"))]);
    let Err(PushError::Remote(RemoteFailure::Local { detail, .. })) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(
        detail.contains(if hook { "pre-receive" } else { "checked out" }),
        "{detail}"
    );
}

#[test]
fn queries_for_a_missing_branch_find_nothing() {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let server = lab.serve();
    let snapshot = lab
        .mirror(&server.url())
        .fetch(&[RefQuery::branch("none").unwrap()])
        .unwrap();
    assert_eq!(snapshot.references().count(), 0);
}

#[rstest]
#[case::nothing(&[], &[], "no reference is named")]
#[case::twice(&["main", "main"], &[], "a reference is named twice")]
#[case::line_feed(&["main"], &["a\nb"], "a push option contains a line feed or NUL, or is longer than 16 KiB")]
#[case::nul(&["main"], &["a\0b"], "a push option contains a line feed or NUL, or is longer than 16 KiB")]
fn a_push_that_makes_no_sense_is_refused_before_anything_is_sent(
    #[case] branches: &[&str],
    #[case] options: &[&str],
    #[case] reason: &str,
) {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let server = lab.serve();
    let mirror = lab.mirror(&server.url());
    let updates: Vec<RefUpdate> = branches
        .iter()
        .map(|branch| RefUpdate {
            name: RefName::branch(branch).unwrap(),
            old: lab.tip("main"),
            new: None,
        })
        .collect();
    let options = PushOptions {
        atomic: false,
        push_options: options.iter().map(|option| (*option).to_owned()).collect(),
    };
    let error = mirror.push(&updates, &[], &options).unwrap_err();
    assert_eq!(error.to_string(), format!("push is not possible: {reason}"));
    assert_eq!(server.take_log(), Vec::<String>::new());
}

#[test]
fn a_lock_in_a_repository_of_this_machine_is_named_and_not_broken() {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let mirror = lab.mirror(&lab.file_url());
    let lock = lab.repo().join("refs/heads/main.lock");
    std::fs::write(&lock, "").unwrap();
    let before = lab.tip("main");
    let error = change(&mirror, &main_branch(), &[("a", write("b\n"))]).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("main.lock is there: another program changes the reference") && lock.exists(),
        "{text}"
    );
    assert_eq!(lab.tip("main"), before);
    std::fs::remove_file(&lock).unwrap();
    change(&mirror, &main_branch(), &[("a", write("b\n"))]).unwrap();
    lab.fsck();
}
