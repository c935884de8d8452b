//! Signatures: those we make, checked by Git; those that Git makes, checked by us.

use crate::support::ssh::{keygen, output};
use crate::support::*;
use fluxbot_git::{RefName, RefQuery, SigningKey, TrustedKeys};
use rstest::rstest;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Later than everything that the tests make.
const NOW: i64 = 2_000_000_000;

/// A home of gpg of its own; its agent ends with it.
struct Gnupg {
    home: tempfile::TempDir,
}

impl Gnupg {
    fn new() -> Option<Self> {
        if Command::new("gpg").arg("--version").output().is_err() {
            eprintln!("skipped: gpg is not installed");
            return None;
        }
        // The path of a socket must be short.
        let home = tempfile::Builder::new().prefix("gpg").tempdir().unwrap();
        // As many rounds as the agent takes by itself cost a program without optimisation a minute.
        std::fs::write(home.path().join("gpg-agent.conf"), "s2k-count 65536\n").unwrap();
        Some(Self { home })
    }

    fn run(&self, arguments: &[&str]) -> String {
        let output = self
            .command("gpg")
            .args(["--batch", "--quiet", "--pinentry-mode", "loopback"])
            .args(arguments)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "gpg {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("GNUPGHOME", self.home.path());
        command
    }

    fn generate(&self, kind: &str, user: &str, passphrase: &str, expires: &str) {
        self.run(&[
            "--passphrase",
            passphrase,
            "--quick-generate-key",
            user,
            kind,
            "sign",
            expires,
        ]);
    }

    fn secret(&self, user: &str, passphrase: &str) -> String {
        self.run(&[
            "--armor",
            "--passphrase",
            passphrase,
            "--export-secret-keys",
            user,
        ])
    }

    fn public(&self, user: &str) -> String {
        self.run(&["--armor", "--export", user])
    }

    /// The ID of the primary key of a user.
    fn id(&self, user: &str) -> String {
        let listing = self.run(&["--with-colons", "--list-keys", user]);
        let line = listing.lines().find(|line| line.starts_with("pub:")).unwrap();
        line.split(':').nth(4).unwrap().to_owned()
    }
}

impl Drop for Gnupg {
    fn drop(&mut self) {
        self.command("gpgconf").args(["--kill", "all"]).status().ok();
    }
}

/// Commits with our signature on `main` of the server's repository.
fn push_signed(lab: &Lab, key: &SigningKey) {
    let mirror = lab.mirror(&lab.file_url());
    let snapshot = fetch_main(&mirror);
    let commit = snapshot
        .prepare(&request(
            snapshot.head(&main_branch()),
            "signed\n\nwith a body",
            &[("a", write("b\n"))],
        ))
        .unwrap()
        .signed(key)
        .unwrap();
    push_commit(&mirror, &main_branch(), &commit).unwrap();
    lab.fsck();
}

fn rings(text: &str) -> TrustedKeys {
    TrustedKeys {
        key_rings: vec![text.to_owned()],
        authorized_keys: Vec::new(),
    }
}

fn authorized(text: &str) -> TrustedKeys {
    TrustedKeys {
        key_rings: Vec::new(),
        authorized_keys: vec![text.to_owned()],
    }
}

/// What our check says of the commit at the tip of `main`.
fn check_commit(lab: &Lab, keys: &TrustedKeys, now: i64) -> Result<String, String> {
    let mirror = lab.mirror_in("checker", &lab.file_url(), fluxbot_git::Credential::None);
    let snapshot = fetch_main(&mirror);
    let object = snapshot
        .signed_commit(&snapshot.head(&main_branch()).unwrap())
        .unwrap();
    object
        .verify("commit", keys, now)
        .map_err(|error| error.to_string())
}

#[rstest]
#[case::ed25519("ed25519", "")]
#[case::rsa("rsa2048", "")]
#[case::ecdsa("nistp256", "")]
#[case::ecdsa_521("nistp521", "")]
#[case::with_a_passphrase("ed25519", "hunter2")]
fn git_accepts_our_openpgp_signatures_and_so_do_we(#[case] kind: &str, #[case] passphrase: &str) {
    let Some(gnupg) = Gnupg::new() else { return };
    gnupg.generate(kind, "Bot <bot@example.com>", passphrase, "0");
    let secret = gnupg.secret("bot@example.com", passphrase);
    if !passphrase.is_empty() {
        let refused = |passphrase| {
            SigningKey::openpgp(secret.as_bytes(), passphrase)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            refused(None),
            "the key is protected by a passphrase, and none is given"
        );
        assert_eq!(
            refused(Some("other")),
            "the key cannot be decrypted: the passphrase is wrong"
        );
    }
    let key = SigningKey::openpgp(secret.as_bytes(), Some(passphrase)).unwrap();
    assert!(!format!("{key:?}").contains("BEGIN"));
    let lab = Lab::with_files(&[("a", "a\n")]);
    push_signed(&lab, &key);
    let mut git = git_command(&lab.repo(), &["verify-commit", "main"]);
    let checked = git.env("GNUPGHOME", gnupg.home.path()).output().unwrap();
    assert!(
        checked.status.success(),
        "{}",
        String::from_utf8_lossy(&checked.stderr)
    );
    let public = gnupg.public("bot@example.com");
    assert_eq!(
        check_commit(&lab, &rings(&public), NOW).unwrap(),
        gnupg.id("bot@example.com")
    );
}

#[test]
fn signatures_of_git_with_gnupg_are_judged_by_their_keys() {
    let Some(gnupg) = Gnupg::new() else { return };
    gnupg.generate("ed25519", "Human <human@example.com>", "", "2030-01-01");
    gnupg.generate("ed25519", "Other <other@example.com>", "", "0");
    let lab = Lab::with_files(&[("a", "a\n")]);
    let tree = git(&lab.repo(), &["rev-parse", "main^{tree}"]);
    let mut make = git_command(
        &lab.repo(),
        &[
            "commit-tree",
            "-Shuman@example.com",
            "-p",
            "main",
            "-m",
            "signed",
            &tree,
        ],
    );
    let made = make.env("GNUPGHOME", gnupg.home.path()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    git(
        &lab.repo(),
        &[
            "update-ref",
            "refs/heads/main",
            String::from_utf8(made.stdout).unwrap().trim(),
        ],
    );
    let (human, other) = (
        gnupg.public("human@example.com"),
        gnupg.public("other@example.com"),
    );
    let id = gnupg.id("human@example.com");
    let (before, after) = (1_890_000_000, 1_900_000_000);
    assert_eq!(check_commit(&lab, &rings(&human), before), Ok(id.clone()));
    let both = TrustedKeys {
        key_rings: vec!["rubbish".to_owned(), other.clone(), human.clone()],
        ..TrustedKeys::default()
    };
    assert_eq!(check_commit(&lab, &both, before), Ok(id.clone()));
    assert_eq!(
        check_commit(&lab, &rings(&format!("{other}\n{human}")), before),
        Ok(id.clone())
    );
    let text = "unable to verify Git commit: unable to verify payload with any of the given key rings: no matching key";
    assert_eq!(check_commit(&lab, &rings(&other), before).unwrap_err(), text);
    assert_eq!(
        check_commit(&lab, &rings(&human), after).unwrap_err(),
        format!("{text} (the key is expired)")
    );
    assert_eq!(
        check_commit(&lab, &rings("rubbish"), before).unwrap_err(),
        "unable to verify Git commit: unable to read armored key ring"
    );
    assert_eq!(
        check_commit(&lab, &TrustedKeys::default(), before).unwrap_err(),
        "PGP signature detected but no PGP public keys found in secret (keys with .asc suffix)"
    );
    revoke(&gnupg, &id);
    let revoked = gnupg.public("human@example.com");
    assert_eq!(
        check_commit(&lab, &rings(&revoked), before).unwrap_err(),
        format!("{text} (the key is revoked)")
    );
}

/// Revokes a key with the certificate that gpg wrote when it made the key.
fn revoke(gnupg: &Gnupg, id: &str) {
    let folder = gnupg.home.path().join("openpgp-revocs.d");
    let file = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.file_stem().unwrap().to_str().unwrap().ends_with(id));
    let text = std::fs::read_to_string(file.unwrap())
        .unwrap()
        .replace(":-----BEGIN", "-----BEGIN");
    let path = gnupg.home.path().join("revocation");
    std::fs::write(&path, text).unwrap();
    gnupg.run(&["--import", path.to_str().unwrap()]);
}

#[test]
fn a_subkey_signs_and_is_shown_as_its_primary_key() {
    let Some(gnupg) = Gnupg::new() else { return };
    gnupg.run(&[
        "--passphrase",
        "",
        "--quick-generate-key",
        "Bot <bot@example.com>",
        "ed25519",
        "cert",
        "0",
    ]);
    let listing = gnupg.run(&["--with-colons", "--list-keys", "bot@example.com"]);
    let fingerprint = listing
        .lines()
        .find(|line| line.starts_with("fpr:"))
        .unwrap()
        .split(':')
        .nth(9)
        .unwrap()
        .to_owned();
    let without = gnupg.secret("bot@example.com", "");
    assert_eq!(
        SigningKey::openpgp(without.as_bytes(), None)
            .unwrap_err()
            .to_string(),
        "no part of the OpenPGP key can sign now: it is expired, revoked, or not made for signing"
    );
    gnupg.run(&[
        "--passphrase",
        "",
        "--quick-add-key",
        &fingerprint,
        "ed25519",
        "sign",
        "0",
    ]);
    let key = SigningKey::openpgp(gnupg.secret("bot@example.com", "").as_bytes(), None).unwrap();
    let lab = Lab::with_files(&[("a", "a\n")]);
    push_signed(&lab, &key);
    let public = gnupg.public("bot@example.com");
    assert_eq!(
        check_commit(&lab, &rings(&public), NOW).unwrap(),
        gnupg.id("bot@example.com")
    );
    let mut git = git_command(&lab.repo(), &["verify-commit", "main"]);
    assert!(
        git.env("GNUPGHOME", gnupg.home.path())
            .output()
            .unwrap()
            .status
            .success()
    );
}

#[test]
fn keys_that_cannot_sign_are_refused() {
    let Some(gnupg) = Gnupg::new() else { return };
    gnupg.generate("ed25519", "One <one@example.com>", "", "0");
    gnupg.generate("ed25519", "Two <two@example.com>", "", "0");
    let refused = |text: &str| {
        SigningKey::openpgp(text.as_bytes(), None)
            .unwrap_err()
            .to_string()
    };
    let all = gnupg.run(&["--armor", "--passphrase", "", "--export-secret-keys"]);
    assert_eq!(
        refused(&all),
        "multiple entities read, could not determine which signing key to use"
    );
    assert_eq!(
        refused(&gnupg.public("one@example.com")),
        "the OpenPGP key cannot be read: it is a public key"
    );
    assert_eq!(
        refused("rubbish"),
        "the OpenPGP key cannot be read: it is not in the armored format"
    );
}

fn ssh_key(lab: &Lab, name: &str, arguments: &[&str]) -> (PathBuf, String) {
    let path = lab.path(name);
    keygen(&path, arguments);
    let public = std::fs::read_to_string(path.with_extension("pub")).unwrap();
    (path, public)
}

fn fingerprint(path: &Path) -> String {
    output("ssh-keygen", &["-lf", &path.display().to_string()])
        .split(' ')
        .nth(1)
        .unwrap()
        .to_owned()
}

#[rstest]
#[case::ed25519(&["-t", "ed25519", "-N", ""], None)]
#[case::ecdsa_256(&["-t", "ecdsa", "-b", "256", "-N", ""], None)]
#[case::ecdsa_384(&["-t", "ecdsa", "-b", "384", "-N", ""], None)]
#[case::ecdsa_521(&["-t", "ecdsa", "-b", "521", "-N", ""], None)]
#[case::rsa(&["-t", "rsa", "-b", "3072", "-N", ""], None)]
#[case::with_a_passphrase(&["-t", "ed25519", "-N", "hunter2"], Some("hunter2"))]
fn git_accepts_our_ssh_signatures_and_so_do_we(#[case] arguments: &[&str], #[case] passphrase: Option<&str>) {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let (path, public) = ssh_key(&lab, "key", arguments);
    let key = SigningKey::ssh(&std::fs::read(&path).unwrap(), passphrase).unwrap();
    push_signed(&lab, &key);
    std::fs::write(lab.path("allowed"), format!("fluxbot@example.com {public}")).unwrap();
    let allowed = format!("gpg.ssh.allowedSignersFile={}", lab.path("allowed").display());
    git(
        &lab.repo(),
        &["-c", "gpg.format=ssh", "-c", &allowed, "verify-commit", "main"],
    );
    assert_eq!(
        check_commit(&lab, &authorized(&public), NOW).unwrap(),
        fingerprint(&path)
    );
}

#[test]
fn ssh_signatures_of_git_are_judged_by_their_keys() {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let (path, public) = ssh_key(&lab, "key", &["-t", "ed25519", "-N", ""]);
    let (_, other) = ssh_key(&lab, "other", &["-t", "ecdsa", "-N", ""]);
    let signer = format!("-S{}", path.display());
    let tree = git(&lab.repo(), &["rev-parse", "main^{tree}"]);
    let made = git(
        &lab.repo(),
        &[
            "-c",
            "gpg.format=ssh",
            "commit-tree",
            &signer,
            "-p",
            "main",
            "-m",
            "x",
            &tree,
        ],
    );
    git(&lab.repo(), &["update-ref", "refs/heads/main", &made]);
    let listed = format!("# people\n\n{other}cert-authority,no-pty {public}");
    assert_eq!(
        check_commit(&lab, &authorized(&listed), NOW),
        Ok(fingerprint(&path))
    );
    let text = "unable to verify Git commit SSH signature: unable to verify payload with any of the given authorized keys: no matching key";
    assert_eq!(check_commit(&lab, &authorized(&other), NOW).unwrap_err(), text);
    assert_eq!(
        check_commit(&lab, &authorized(&format!("{public}rubbish\n")), NOW).unwrap_err(),
        "unable to verify Git commit SSH signature: unable to parse authorized keys: line 2 cannot be read"
    );
    // The signature of one commit in another one.
    let raw = git(&lab.repo(), &["cat-file", "commit", "main"]).replace("\n\nx", "\n\nforged");
    let forged = git_with_input(
        &lab.repo(),
        &["hash-object", "-t", "commit", "-w", "--stdin"],
        format!("{raw}\n").as_bytes(),
    );
    git(&lab.repo(), &["update-ref", "refs/heads/main", &forged]);
    assert_eq!(
        check_commit(&lab, &authorized(&public), NOW).unwrap_err(),
        format!("{text} (the signature is not of this content)")
    );
}

#[test]
fn signed_tags_are_judged_as_commits_are() {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let (path, public) = ssh_key(&lab, "key", &["-t", "ed25519", "-N", ""]);
    let user = path.display().to_string();
    git(
        &lab.repo(),
        &[
            "-c",
            "gpg.format=ssh",
            "tag",
            "-u",
            &user,
            "-m",
            "one",
            "v1",
            "main",
        ],
    );
    git(&lab.repo(), &["tag", "-a", "-m", "two", "v2", "main"]);
    let mirror = lab.mirror(&lab.file_url());
    let snapshot = mirror.fetch(&[RefQuery::all_tags()]).unwrap();
    let tag = |name: &str| {
        let name = RefName::tag(name).unwrap();
        let id = snapshot
            .references()
            .find(|reference| reference.name == name)
            .unwrap()
            .id;
        snapshot.signed_tag(&id).unwrap()
    };
    assert_eq!(
        tag("v1").verify("tag", &authorized(&public), NOW),
        Ok(fingerprint(&path))
    );
    assert!(!tag("v2").is_signed());
}
