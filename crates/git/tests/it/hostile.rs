//! What a hostile repository or server sends.

use crate::support::{
    Action, Lab, ServerOptions, change, count_packs, fetch_main, git_command, git_with_input, main_branch,
    remote, request, write,
};
use fluxbot_git::{
    CommitError, Credential, FetchError, Limits, Mirror, ReadError, RefName, RefQuery, RemoteFailure,
    Snapshot,
};
use rstest::rstest;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Puts a commit whose root directory has these raw entries on `main`.
fn with_raw_tree(lab: &Lab, entries: &[(&str, &[u8])]) {
    let blob = git_with_input(&lab.repo(), &["hash-object", "-w", "--stdin"], b"x\n");
    let blob: Vec<u8> = (0..20)
        .map(|byte| u8::from_str_radix(&blob[byte * 2..byte * 2 + 2], 16).unwrap())
        .collect();
    let mut tree = Vec::new();
    for (mode, name) in entries {
        tree.extend([mode.as_bytes(), b" ", name, b"\0", &blob].concat());
    }
    let arguments = ["hash-object", "-t", "tree", "-w", "--literally", "--stdin"];
    let tree = git_with_input(&lab.repo(), &arguments, &tree);
    let commit = git_with_input(&lab.repo(), &["commit-tree", &tree], b"evil\n");
    git_with_input(&lab.repo(), &["update-ref", "refs/heads/main", &commit], b"");
}

fn walk(snapshot: &Snapshot) -> Result<(), ReadError> {
    let commit = snapshot.commit(&snapshot.head(&main_branch()).unwrap()).unwrap();
    snapshot.walk(&commit.tree, &mut |_, _| ControlFlow::Continue(()))
}

#[rstest]
#[case::git(&[("100644", b".git" as &[u8])])]
#[case::upper_case(&[("100644", b".GIT" as &[u8])])]
#[case::short_name(&[("100644", b"git~1" as &[u8])])]
#[case::trailing_dot(&[("100644", b".git." as &[u8])])]
#[case::dot(&[("100644", b"." as &[u8])])]
#[case::dot_dot(&[("100644", b".." as &[u8])])]
#[case::slash(&[("100644", b"a/b" as &[u8])])]
#[case::absolute(&[("100644", b"/etc/passwd" as &[u8])])]
#[case::twice(&[("100644", b"a" as &[u8]), ("100644", b"a")])]
#[case::twice_apart(&[("100644", b"a" as &[u8]), ("100644", b"b"), ("120000", b"a")])]
fn a_hostile_directory_is_refused_by_name(#[case] entries: &[(&str, &[u8])]) {
    let lab = Lab::with_files(&[("a", "a\n")]);
    with_raw_tree(&lab, entries);
    let server = lab.serve();
    let mirror = lab.mirror(&server.url());
    let snapshot = fetch_main(&mirror);
    assert!(
        matches!(walk(&snapshot), Err(ReadError::HostileEntry { .. })),
        "{:?}",
        walk(&snapshot)
    );
    let request = request(snapshot.head(&main_branch()), "x", &[("new", write("x\n"))]);
    let outcome = snapshot.prepare(&request);
    assert!(
        matches!(outcome, Err(CommitError::Read(ReadError::HostileEntry { .. }))),
        "{outcome:?}"
    );
}

#[test]
fn links_and_submodules_are_listed_and_never_followed() {
    let lab = Lab::empty();
    let stream = "commit refs/heads/main\ncommitter H <h@example.com> 1 +0000\ndata 1\nx\n\
                  M 120000 inline link\ndata 11\n/etc/passwd\n\
                  M 160000 4b825dc642cb6eb9a060e54bf8d69288fbee4904 module\n";
    git_with_input(&lab.repo(), &["fast-import", "--quiet"], stream.as_bytes());
    let server = lab.serve();
    let mirror = lab.mirror(&server.url());
    let snapshot = fetch_main(&mirror);
    walk(&snapshot).unwrap();
    assert_eq!(server.take_log().len(), 3);
    change(&mirror, &main_branch(), &[("file", write("x\n"))]).unwrap();
    lab.fsck();
}

#[rstest]
#[case::objects(Limits { most_objects: 3, ..Limits::default() }, "3 objects")]
#[case::bytes(Limits { most_pack_bytes: 100, ..Limits::default() }, "100 bytes")]
fn a_pack_above_a_limit_is_refused_and_leaves_nothing(#[case] limits: Limits, #[case] text: &str) {
    let lab = Lab::with_files(&[("a", "a\n"), ("b", "b\n")]);
    let server = lab.serve();
    let mirror = Mirror::open_with(
        &lab.path("mirror"),
        remote(&server.url(), Credential::None),
        limits,
    )
    .unwrap();
    let error = mirror.fetch(&[RefQuery::DefaultBranch]).unwrap_err();
    assert!(
        matches!(error, FetchError::Remote(RemoteFailure::TooLarge { .. })),
        "{error:?}"
    );
    assert!(error.to_string().contains(text), "{error}");
    assert_eq!(
        std::fs::read_dir(lab.path("mirror/objects/pack"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn an_object_that_inflates_beyond_the_limit_is_refused() {
    let lab = Lab::with_files(&[("zeros", &"0".repeat(4 << 20))]);
    let server = lab.serve();
    let limits = Limits {
        largest_object: 1 << 20,
        ..Limits::default()
    };
    let mirror = Mirror::open_with(
        &lab.path("mirror"),
        remote(&server.url(), Credential::None),
        limits,
    )
    .unwrap();
    let outcome = mirror.fetch(&[RefQuery::DefaultBranch]);
    let refused = match outcome {
        Err(FetchError::Pack { .. }) => true,
        Err(other) => panic!("{other:?}"),
        // Only deltas need memory while a pack is taken in; a complete object is refused when it is read.
        Ok(snapshot) => {
            let commit = snapshot.commit(&snapshot.head(&main_branch()).unwrap()).unwrap();
            let entry = snapshot
                .tree_entries(&commit.tree)
                .unwrap()
                .into_iter()
                .find(|entry| entry.name == b"zeros");
            snapshot.blob(&entry.unwrap().id).is_err()
        }
    };
    assert!(refused);
}

/// A server whose answer to the fetch is cut, changed or made up; everything before is real.
fn fetch_answer(answer: Vec<u8>) -> (Lab, FetchError) {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let posts = AtomicUsize::new(0);
    let script = move |line: &str| match line {
        "POST /repo.git/git-upload-pack" if posts.fetch_add(1, Ordering::SeqCst) == 1 => {
            Action::Body("application/x-git-upload-pack-result", answer.clone())
        }
        _ => Action::Serve,
    };
    let server = lab.serve_with(ServerOptions {
        script: Some(Box::new(script)),
        ..ServerOptions::default()
    });
    let mirror = lab.mirror(&server.url());
    let error = mirror.fetch(&[RefQuery::DefaultBranch]).unwrap_err();
    // The mirror is sound after it.
    assert_eq!(count_packs(&lab.path("mirror")), 0);
    assert_eq!(fetch_main(&mirror).head(&main_branch()), lab.tip("main"));
    (lab, error)
}

fn packets(lines: &[&[u8]]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::new();
    for line in lines {
        out.extend([format!("{:04x}", line.len() + 4).as_bytes(), line].concat());
    }
    out.extend(b"0000");
    out
}

#[rstest]
#[case::no_pack(b"")]
#[case::not_a_pack(b"\x01PACKAGE of something else")]
#[case::empty_pack(b"\x01PACK\0\0\0\x02\0\0\0\0\x02\x9d\x08\x82\x3b\xd8\xa8\xea\xb5\x10\xad\x6a\xc7\x5c\x82\x3c\xfd\x3e\xd3\x1e")]
#[case::cut(b"\x01PACK\0\0\0\x02\0\0\0\x05\x95\x0a")]
#[case::many_promised(b"\x01PACK\0\0\0\x02\xff\xff\xff\xff")]
#[case::huge_object(
    b"\x01PACK\0\0\0\x02\0\0\0\x01\xbf\xff\xff\xff\xff\xff\xff\xff\x7f\x78\x9c\x03\0\0\0\0\x01"
)]
#[case::delta_before_the_start(b"\x01PACK\0\0\0\x02\0\0\0\x01\x61\xff\xff\x7f\x78\x9c\x03\0\0\0\0\x01")]
#[case::error(b"ERR \x1b[31mupload-pack: not our ref\n")]
#[case::band_three(b"\x03disk full")]
#[case::band_nine(b"\x09x")]
fn a_made_up_answer_is_an_error_and_the_mirror_stays_sound(#[case] answer: &[u8]) {
    let lines: &[&[u8]] = if answer.starts_with(b"ERR ") {
        &[answer]
    } else {
        &[b"packfile\n", answer]
    };
    let (_lab, error) = fetch_answer(packets(lines));
    let text = error.to_string();
    assert!(!text.contains('\x1b') && !text.is_empty(), "{text:?}");
}

#[test]
fn a_reference_with_a_hostile_name_is_not_seen() {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let tip = lab.tip("main").unwrap();
    let lines = [
        format!("{tip} refs/heads/../../x\n"),
        format!("{tip} refs/heads/-x\n"),
        format!("{tip} refs/heads/main\n"),
    ];
    let answer = packets(&lines.iter().map(String::as_bytes).collect::<Vec<_>>());
    let script = move |line: &str| match line {
        "POST /repo.git/git-upload-pack" => {
            Action::Body("application/x-git-upload-pack-result", answer.clone())
        }
        _ => Action::Serve,
    };
    let server = lab.serve_with(ServerOptions {
        script: Some(Box::new(script)),
        ..ServerOptions::default()
    });
    let listed = lab
        .mirror(&server.url())
        .list(&[RefQuery::all_branches()])
        .unwrap();
    let names: Vec<RefName> = listed.into_iter().map(|reference| reference.name).collect();
    assert_eq!(names, [main_branch()]);
}

#[test]
fn a_snapshot_of_a_mirror_that_lost_objects_tells_and_the_next_fetch_heals() {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let server = lab.serve();
    let mirror = lab.mirror(&server.url());
    let snapshot = fetch_main(&mirror);
    let unknown = "00000000000000000000000000000000000000aa".parse().unwrap();
    assert!(matches!(snapshot.blob(&unknown), Err(ReadError::Missing { .. })));
    server.take_log();
    fetch_main(&mirror);
    assert_eq!(server.take_log().len(), 2, "the objects were not fetched again");
    walk(&fetch_main(&mirror)).unwrap();
    walk(&snapshot).unwrap();
}

#[test]
fn modes_of_old_repositories_stay_as_they_are() {
    let lab = Lab::with_files(&[("a", "a\n")]);
    with_raw_tree(
        &lab,
        &[
            ("100664", b"a"),
            ("100664", b"b"),
            ("100775", b"c"),
            ("100644", b"d"),
        ],
    );
    let mirror = lab.mirror(&lab.file_url());
    change(&mirror, &main_branch(), &[("b", write("new\n"))]).unwrap();
    let tree = git_command(&lab.repo(), &["cat-file", "tree", "main"])
        .output()
        .unwrap()
        .stdout;
    let modes: Vec<_> = ["100664 a", "100664 b", "100775 c", "100644 d"]
        .into_iter()
        .filter(|entry| tree.windows(entry.len()).any(|window| window == entry.as_bytes()))
        .collect();
    assert_eq!(modes.len(), 4, "{modes:?}");
}
