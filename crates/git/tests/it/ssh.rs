//! Fetches and pushes over SSH, against our own server and against OpenSSH's.

use crate::support::ssh::{Kind, Relay, SshServer, connections, keygen, output, script};
use crate::support::*;
use fluxbot_git::{
    FetchError, Mirror, PushError, PushOptions, RefName, RefQuery, RefUpdate, Remote, RemoteFailure,
    SshCredential, SshOptions,
};
use rstest::rstest;
use std::net::TcpListener;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// A file that names a server which does not exist.
const KNOWN_HOSTS: &[u8] =
    b"x ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

fn failure(mirror: &Mirror) -> RemoteFailure {
    match mirror.fetch(&[RefQuery::from(main_branch())]) {
        Err(FetchError::Remote(failure)) => failure,
        other => panic!("{other:?}"),
    }
}

#[rstest]
fn fetches_and_pushes_take_turns(#[values(Kind::Go, Kind::OpenSsh, Kind::OpenSshPlain)] kind: Kind) {
    let lab = Lab::with_files(&[("a", "a\n"), ("dir/b", "b\n")]);
    let Some(server) = SshServer::start(&lab, kind) else {
        return;
    };
    let mirror = server.mirror(&lab);
    for round in 0..5 {
        lab.commit("main", "human", &[("human", &format!("{round}\n"))]);
        change(
            &mirror,
            &main_branch(),
            &[("dir/b", write(&format!("bot {round}\n")))],
        )
        .unwrap();
    }
    assert_eq!(
        (lab.show("main", "human"), lab.show("main", "dir/b")),
        ("4".into(), "bot 4".into())
    );
    assert_eq!(lab.count_commits("main"), 12);
    let snapshot = fetch_main(&mirror);
    assert_eq!(read_file(&snapshot, &main_branch(), "dir/b").unwrap(), "bot 4\n");
    lab.fsck();
    git(&lab.path("mirror"), &["fsck", "--strict", "--no-dangling"]);
}

#[rstest]
fn tags_default_branch_and_commits_by_name_are_found(
    #[values(Kind::Go, Kind::OpenSsh, Kind::OpenSshPlain)] kind: Kind,
) {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let first = lab.tip("main").unwrap();
    git(&lab.repo(), &["tag", "-a", "-m", "one", "v1", "main"]);
    lab.commit("main", "later", &[("a", "later\n")]);
    git(&lab.repo(), &["tag", "v2", "main"]);
    git(&lab.repo(), &["config", "uploadpack.allowAnySHA1InWant", "true"]);
    let hidden = lab.commit("gone", "hidden", &[("a", "hidden\n")]);
    git(&lab.repo(), &["update-ref", "-d", "refs/heads/gone"]);
    let Some(server) = SshServer::start(&lab, kind) else {
        return;
    };
    let mirror = server.mirror(&lab);
    let snapshot = mirror
        .fetch(&[RefQuery::DefaultBranch, RefQuery::all_tags()])
        .unwrap();
    assert_eq!(snapshot.default_branch(), Some(&main_branch()));
    let [one, two] = ["v1", "v2"].map(|name| snapshot.head(&RefName::tag(name).unwrap()));
    assert_eq!((one, two), (Some(first), lab.tip("main")));
    let pinned = mirror.fetch_commit(hidden).unwrap();
    assert_eq!(pinned.commit(&hidden).unwrap().message, "hidden");
    let unknown = "00000000000000000000000000000000000000aa".parse().unwrap();
    let error = mirror.fetch_commit(unknown).unwrap_err().to_string();
    assert!(error.contains("not our ref"), "{error}");
}

#[rstest]
fn branches_are_created_and_deleted_with_options_and_messages(#[values(Kind::Go, Kind::OpenSsh)] kind: Kind) {
    let lab = Lab::with_files(&[("a", "a\n")]);
    git(&lab.repo(), &["config", "receive.advertiseAtomic", "true"]);
    lab.hook(
        "pre-receive",
        "#!/bin/sh\nprintf 'got \\033[31m%s\\033[0m\\n' \"$GIT_PUSH_OPTION_0\"\n",
    );
    let Some(server) = SshServer::start(&lab, kind) else {
        return;
    };
    let mirror = server.mirror(&lab);
    let snapshot = fetch_main(&mirror);
    let base = snapshot.head(&main_branch());
    let commit = snapshot
        .prepare(&request(base, "x", &[("a", write("b\n"))]))
        .unwrap();
    let side = RefName::branch("side").unwrap();
    let create = RefUpdate {
        name: side.clone(),
        old: None,
        new: Some(commit.id()),
    };
    let options = PushOptions {
        atomic: true,
        push_options: vec!["merge_request.create".to_owned()],
    };
    let pushed = mirror.push(&[create], &[&commit], &options).unwrap();
    assert_eq!(pushed.messages, ["got merge_request.create"]);
    assert_eq!(lab.tip("side"), Some(commit.id()));
    let delete = RefUpdate {
        name: side,
        old: Some(commit.id()),
        new: None,
    };
    mirror.push(&[delete], &[], &PushOptions::default()).unwrap();
    assert_eq!(lab.tip("side"), None);
    lab.fsck();
}

#[rstest]
fn refusals_are_told_apart_by_the_report(#[values(Kind::Go, Kind::OpenSsh)] kind: Kind) {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let Some(server) = SshServer::start(&lab, kind) else {
        return;
    };
    let mirror = server.mirror(&lab);
    let snapshot = fetch_main(&mirror);
    let base = snapshot.head(&main_branch());
    let commit = snapshot
        .prepare(&request(base, "x", &[("a", write("b\n"))]))
        .unwrap();
    lab.hook("update", "#!/bin/sh\necho 'branch is protected'\nexit 1\n");
    match push_commit(&mirror, &main_branch(), &commit) {
        Err(PushError::Rejected { reason, messages, .. }) => {
            assert_eq!(
                (reason.as_str(), messages.as_slice()),
                (
                    "hook declined",
                    &[
                        "branch is protected".to_owned(),
                        "error: hook declined to update refs/heads/main".to_owned()
                    ][..]
                )
            );
        }
        other => panic!("{other:?}"),
    }
    lab.hook("update", "#!/bin/sh\n");
    let theirs = lab.commit("main", "human", &[("b", "b\n")]);
    match push_commit(&mirror, &main_branch(), &commit) {
        Err(PushError::Stale { actual, .. }) => assert_eq!(actual, Some(theirs)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_that_may_only_read_is_told_from_the_servers_words() {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let only_read = lab.path("only-read");
    script(
        &only_read,
        "#!/bin/sh\ncase \"$SSH_ORIGINAL_COMMAND\" in\ngit-upload-pack*) eval \"exec $SSH_ORIGINAL_COMMAND\" ;;\nesac\n\
         echo 'ERROR: The key you are authenticating with has been marked as read only.' >&2\nexit 1\n",
    );
    let forced = format!("AcceptEnv GIT_PROTOCOL\nForceCommand {}\n", only_read.display());
    let Some(server) = SshServer::start_openssh(&lab, &forced) else {
        return;
    };
    let mirror = server.mirror(&lab);
    let outcome = change(&mirror, &main_branch(), &[("a", write("b\n"))]);
    let Err(PushError::Remote(RemoteFailure::Denied { action, message, .. })) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(
        (action, message.as_str()),
        (
            "write",
            "ERROR: The key you are authenticating with has been marked as read only."
        )
    );
}

#[rstest]
fn a_repository_that_is_not_there_is_named(#[values(Kind::Go, Kind::OpenSsh)] kind: Kind) {
    let lab = Lab::empty();
    let Some(server) = SshServer::start(&lab, kind) else {
        return;
    };
    let url = server.url().replace("repo.git", "other.git");
    let mirror = SshServer::mirror_with(&lab, &url, server.credential(), &SshOptions::default());
    let RemoteFailure::Denied { url, action, message } = failure(&mirror) else {
        panic!("{:?}", failure(&mirror));
    };
    assert!(url.ends_with("/other.git") && action == "read", "{url} {action}");
    assert!(
        message.contains("does not appear to be a git repository"),
        "{message}"
    );
}

#[rstest]
fn a_key_that_the_server_does_not_know_is_named(#[values(Kind::Go, Kind::OpenSsh)] kind: Kind) {
    let lab = Lab::empty();
    let Some(server) = SshServer::start(&lab, kind) else {
        return;
    };
    let other = lab.path("other");
    keygen(&other, &["-t", "ed25519", "-N", ""]);
    let identity = std::fs::read(&other).unwrap();
    let credential = SshCredential::new(&identity, None, server.known_hosts.as_bytes()).unwrap();
    let shown = output("ssh-keygen", &["-lf", &other.display().to_string()]);
    let fingerprint = shown.split(' ').nth(1).unwrap();
    let mirror = SshServer::mirror_with(&lab, &server.url(), credential, &SshOptions::default());
    let text = failure(&mirror).to_string();
    assert!(
        text.starts_with("authentication rejected by 127.0.0.1:"),
        "{text}"
    );
    assert!(
        text.contains(&format!(
            "the key ssh-ed25519 {fingerprint} is not accepted for the user "
        )),
        "{text}"
    );
}

#[rstest]
#[case::unknown("elsewhere", "is not in known_hosts")]
#[case::changed("[127.0.0.1]:PORT", "known_hosts has another one for it")]
fn a_host_key_that_nobody_vouches_for_ends_the_connection(#[case] host: &str, #[case] expected: &str) {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let server = SshServer::start(&lab, Kind::Go).unwrap();
    let other = lab.path("other");
    keygen(&other, &["-t", "ed25519", "-N", ""]);
    let key = std::fs::read_to_string(lab.path("other.pub")).unwrap();
    let known = format!("{} {key}", host.replace("PORT", server.port()));
    let credential = SshCredential::new(server.identity.as_bytes(), None, known.as_bytes()).unwrap();
    let mirror = SshServer::mirror_with(&lab, &server.url(), credential, &SshOptions::default());
    let RemoteFailure::HostKey { problem, .. } = failure(&mirror) else {
        panic!("{:?}", failure(&mirror));
    };
    std::fs::write(
        lab.path("server.pub"),
        server.known_hosts.split_once(' ').unwrap().1,
    )
    .unwrap();
    let shown = output(
        "ssh-keygen",
        &["-lf", &lab.path("server.pub").display().to_string()],
    );
    assert!(
        problem.contains(expected) && problem.contains(shown.split(' ').nth(1).unwrap()),
        "{problem}"
    );
}

#[test]
fn hashed_names_rsa_host_keys_and_host_certificates_are_understood() {
    let lab = Lab::with_files(&[("a", "a\n")]);
    std::fs::create_dir_all(lab.path("sshd")).unwrap();
    let [rsa, authority] = ["sshd/rsa_key", "sshd/authority"].map(|name| lab.path(name));
    keygen(&rsa, &["-t", "rsa", "-b", "2048", "-N", ""]);
    keygen(&authority, &["-t", "ed25519", "-N", ""]);
    let signed = std::process::Command::new("ssh-keygen")
        .args(["-q", "-s"])
        .arg(&authority)
        .args(["-h", "-I", "host", "-n", "127.0.0.1", "-V", "-1h:+1h"])
        .arg(lab.path("sshd/rsa_key.pub"))
        .status()
        .unwrap();
    assert!(signed.success());
    let configuration = "AcceptEnv GIT_PROTOCOL\nHostKey DIR/rsa_key\nHostCertificate DIR/rsa_key-cert.pub\n";
    let Some(server) = SshServer::start_openssh(&lab, configuration) else {
        return;
    };
    let read = |path: &str| std::fs::read_to_string(lab.path(path)).unwrap();
    let plain = lab.path("known");
    std::fs::write(
        &plain,
        format!("[127.0.0.1]:{} {}", server.port(), read("sshd/rsa_key.pub")),
    )
    .unwrap();
    let hashed = std::process::Command::new("ssh-keygen")
        .args(["-H", "-f"])
        .arg(&plain)
        .output()
        .unwrap();
    assert!(hashed.status.success());
    let hashed = std::fs::read_to_string(&plain).unwrap();
    assert!(hashed.starts_with("|1|"), "{hashed}");
    let ca = format!("@cert-authority [127.0.0.1]:* {}", read("sshd/authority.pub"));
    let revoked = format!("{ca}@revoked * {}", read("sshd/authority.pub"));
    for (index, (known, works)) in [(hashed, true), (ca, true), (revoked, false)]
        .into_iter()
        .enumerate()
    {
        let credential = SshCredential::new(server.identity.as_bytes(), None, known.as_bytes()).unwrap();
        let remote = Remote::over_ssh(
            server.url().parse().unwrap(),
            credential,
            connections(&SshOptions::default()),
        );
        let mirror = Mirror::open(&lab.path(&format!("mirror-{index}")), remote).unwrap();
        let outcome = mirror.fetch(&[RefQuery::from(main_branch())]);
        assert_eq!(outcome.is_ok(), works, "{known}: {outcome:?}");
    }
}

#[rstest]
#[case::ed25519(&["-t", "ed25519"])]
#[case::ecdsa_256(&["-t", "ecdsa", "-b", "256"])]
#[case::ecdsa_384(&["-t", "ecdsa", "-b", "384"])]
#[case::ecdsa_521(&["-t", "ecdsa", "-b", "521"])]
#[case::rsa(&["-t", "rsa", "-b", "2048"])]
#[case::rsa_pem(&["-t", "rsa", "-b", "2048", "-m", "PEM"])]
#[case::rsa_pkcs8(&["-t", "rsa", "-b", "2048", "-m", "PKCS8"])]
#[case::ecdsa_pkcs8(&["-t", "ecdsa", "-b", "384", "-m", "PKCS8"])]
fn keys_of_all_kinds_and_formats_log_in(
    #[case] arguments: &[&str],
    #[values("", "a passphrase")] passphrase: &str,
) {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let key = lab.path("key");
    keygen(&key, &[arguments, &["-N", passphrase]].concat());
    std::fs::create_dir_all(lab.path("sshd")).unwrap();
    std::fs::copy(lab.path("key.pub"), lab.path("sshd/authorized_keys")).unwrap();
    let identity = std::fs::read(&key).unwrap();
    let read = |passphrase| SshCredential::new(&identity, passphrase, KNOWN_HOSTS);
    if !passphrase.is_empty() && arguments.contains(&"PKCS8") {
        assert_eq!(
            read(Some(passphrase)).unwrap_err().to_string(),
            "the private key cannot be read: encrypted PKCS #8 is not supported; write it anew with `ssh-keygen -p`"
        );
        return;
    }
    if !passphrase.is_empty() {
        assert_eq!(
            read(None).unwrap_err().to_string(),
            "the private key is encrypted and no passphrase is given"
        );
        assert_eq!(
            read(Some("other")).unwrap_err().to_string(),
            "the private key cannot be decrypted: the passphrase is wrong, or the key is damaged"
        );
    }
    let credential = read(Some(passphrase)).unwrap();
    assert!(!format!("{credential:?}").contains("PRIVATE"));
    let Some(server) = SshServer::start(&lab, Kind::OpenSsh) else {
        return;
    };
    let credential = SshCredential::new(&identity, Some(passphrase), server.known_hosts.as_bytes()).unwrap();
    let mirror = SshServer::mirror_with(&lab, &server.url(), credential, &SshOptions::default());
    assert_eq!(fetch_main(&mirror).head(&main_branch()), lab.tip("main"));
}

#[rstest]
#[case("")]
#[case("a passphrase")]
fn an_ecdsa_key_in_the_old_format_is_read_and_refused_when_it_is_encrypted(#[case] passphrase: &str) {
    let lab = Lab::empty();
    keygen(
        &lab.path("key"),
        &["-t", "ecdsa", "-b", "256", "-m", "PEM", "-N", passphrase],
    );
    let identity = std::fs::read(lab.path("key")).unwrap();
    let outcome = SshCredential::new(&identity, Some(passphrase), KNOWN_HOSTS);
    if passphrase.is_empty() {
        assert!(
            outcome
                .unwrap()
                .fingerprint()
                .starts_with("ecdsa-sha2-nistp256 SHA256:")
        );
    } else {
        assert_eq!(
            outcome.unwrap_err().to_string(),
            "the private key cannot be read: its encryption is that of the old PEM format; write it anew with `ssh-keygen -p`"
        );
    }
}

#[test]
fn key_exchange_options_reach_a_server_that_knows_nothing_else() {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let Some(server) = SshServer::start_openssh(&lab, "KexAlgorithms ecdh-sha2-nistp256\n") else {
        return;
    };
    let RemoteFailure::Protocol { detail, .. } = failure(&server.mirror(&lab)) else {
        panic!("it connected");
    };
    assert!(
        detail.starts_with("no SSH Kex algorithm in common: it offers ecdh-sha2-nistp256"),
        "{detail}"
    );
    let options = SshOptions {
        key_exchanges: vec!["ecdh-sha2-nistp256".to_owned()],
        ..SshOptions::default()
    };
    fetch_main(&SshServer::mirror_with(
        &lab,
        &server.url(),
        server.credential(),
        &options,
    ));
}

#[test]
fn one_connection_serves_all_commands_until_it_is_cut() {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let server = SshServer::start(&lab, Kind::Go).unwrap();
    let relay = Relay::to(&server.host);
    let known = server.known_hosts.replace(server.port(), &relay.port.to_string());
    let credential = SshCredential::new(server.identity.as_bytes(), None, known.as_bytes()).unwrap();
    let url = server.url_at(&format!("127.0.0.1:{}", relay.port));
    let mirror = SshServer::mirror_with(&lab, &url, credential, &SshOptions::default());
    for round in 0..3 {
        change(&mirror, &main_branch(), &[("a", write(&format!("{round}\n")))]).unwrap();
    }
    assert_eq!(relay.count.load(Ordering::SeqCst), 1);
    relay.cut();
    change(&mirror, &main_branch(), &[("a", write("after\n"))]).unwrap();
    assert_eq!(
        (lab.show("main", "a").as_str(), relay.count.load(Ordering::SeqCst)),
        ("after", 2)
    );
}

#[test]
fn a_server_that_says_nothing_costs_no_more_than_the_time_that_is_allowed() {
    let lab = Lab::empty();
    let server = SshServer::start(&lab, Kind::Go).unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = server.url_at(&silent.local_addr().unwrap().to_string());
    let options = SshOptions {
        connect_timeout: Duration::from_millis(200),
        ..SshOptions::default()
    };
    let mirror = SshServer::mirror_with(&lab, &url, server.credential(), &options);
    let RemoteFailure::Unreachable { detail, .. } = failure(&mirror) else {
        panic!()
    };
    assert_eq!(detail, "no SSH connection: nothing happened within 0.2 s");
}

#[test]
fn closing_ends_what_waits() {
    let lab = Lab::empty();
    let server = SshServer::start(&lab, Kind::Go).unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = server.url_at(&silent.local_addr().unwrap().to_string());
    let ssh = connections(&SshOptions {
        connect_timeout: Duration::from_secs(600),
        ..SshOptions::default()
    });
    let remote = Remote::over_ssh(url.parse().unwrap(), server.credential(), ssh.clone());
    let mirror = Mirror::open(&lab.path("mirror"), remote).unwrap();
    let started = Instant::now();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| failure(&mirror));
        // Its connection stands as soon as it can be taken off the queue.
        let _held = silent.accept().unwrap();
        ssh.close();
        let RemoteFailure::Unreachable { detail, .. } = waiting.join().unwrap() else {
            panic!()
        };
        assert_eq!(detail, "no SSH connection: it was cancelled");
    });
    assert!(started.elapsed() < Duration::from_secs(300));
}

#[test]
fn a_lost_answer_is_not_a_failure_that_may_be_tried_again() {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let server = SshServer::start(&lab, Kind::Go).unwrap();
    let relay = std::sync::Arc::new(Relay::to(&server.host));
    // The hook runs after the commands and the pack came, and before the answer.
    lab.hook(
        "post-receive",
        "#!/bin/sh\ntouch landed\nwhile [ ! -e go ]; do :; done\n",
    );
    let known = server.known_hosts.replace(server.port(), &relay.port.to_string());
    let credential = SshCredential::new(server.identity.as_bytes(), None, known.as_bytes()).unwrap();
    let url = server.url_at(&format!("127.0.0.1:{}", relay.port));
    let mirror = SshServer::mirror_with(&lab, &url, credential, &SshOptions::default());
    let snapshot = fetch_main(&mirror);
    let commit = snapshot
        .prepare(&request(
            snapshot.head(&main_branch()),
            "x",
            &[("a", write("b\n"))],
        ))
        .unwrap();
    std::thread::scope(|scope| {
        let pushing = scope.spawn(|| push_commit(&mirror, &main_branch(), &commit));
        let deadline = Instant::now() + Duration::from_secs(30);
        while !lab.repo().join("landed").exists() {
            assert!(Instant::now() < deadline);
            std::thread::yield_now();
        }
        relay.cut();
        let outcome = pushing.join().unwrap();
        assert!(
            matches!(outcome, Err(PushError::AnswerLost { .. })),
            "{outcome:?}"
        );
        std::fs::write(lab.repo().join("go"), "").unwrap();
    });
    assert_eq!(fetch_main(&mirror).head(&main_branch()), Some(commit.id()));
}
