//! What a Secret says about a GitHub App. Tokens are shown by the integration tests, against an API.

use rstest::rstest;

use super::*;

/// A private key, made for this process.
fn key() -> &'static str {
    use std::sync::LazyLock;
    static KEY: LazyLock<String> = LazyLock::new(|| generate("2048"));
    &KEY
}

fn generate(bits: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let output = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "rsa", "-b", bits, "-m", "PEM", "-N", "", "-f"])
        .arg(&path)
        .output()
        .expect("ssh-keygen is needed");
    assert!(output.status.success());
    std::fs::read_to_string(&path).unwrap()
}

fn read(pairs: &[(&str, &str)]) -> Result<GitHubApp, String> {
    let data = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()))
        .collect();
    GitHubApp::read("apps/github", &data).map_err(|error| error.to_string())
}

#[rstest]
#[case(&[("githubAppPrivateKey", "x"), ("githubAppInstallationID", "1")], "secret 'apps/github': key 'githubAppID' not found")]
#[case(&[("githubAppID", "  "), ("githubAppPrivateKey", "x")], "secret 'apps/github': key 'githubAppID' not found")]
#[case(&[("githubAppID", "1"), ("githubAppInstallationID", "1")], "secret 'apps/github': key 'githubAppPrivateKey' not found")]
#[case(&[("githubAppID", "1"), ("githubAppPrivateKey", "x")], "secret 'apps/github' must contain exactly one of 'githubAppInstallationOwner' or 'githubAppInstallationID'")]
#[case(&[("githubAppID", "1"), ("githubAppPrivateKey", "x"), ("githubAppInstallationID", "1"), ("githubAppInstallationOwner", "o")], "secret 'apps/github' must contain exactly one of 'githubAppInstallationOwner' or 'githubAppInstallationID'")]
#[case(&[("githubAppID", "hunter2"), ("githubAppPrivateKey", "x"), ("githubAppInstallationID", "1")], "secret 'apps/github': the value of 'githubAppID' is no positive number")]
#[case(&[("githubAppID", "1"), ("githubAppPrivateKey", "x"), ("githubAppInstallationID", "0")], "secret 'apps/github': the value of 'githubAppInstallationID' is no positive number")]
#[case(&[("githubAppID", "1"), ("githubAppPrivateKey", "x"), ("githubAppInstallationOwner", "../../hunter2")], "secret 'apps/github': the value of 'githubAppInstallationOwner' is no name of an organization or user")]
#[case(&[("githubAppID", "1"), ("githubAppPrivateKey", "hunter2"), ("githubAppInstallationID", "1")], "secret 'apps/github': the value of 'githubAppPrivateKey' is no unencrypted private key in PEM")]
#[case(&[("githubAppID", "1"), ("githubAppPrivateKey", "x"), ("githubAppInstallationID", "1"), ("githubAppBaseURL", "hunter2")], "secret 'apps/github': the value of 'githubAppBaseURL' is no URL")]
#[case(&[("githubAppID", "1"), ("githubAppPrivateKey", "x"), ("githubAppInstallationID", "1"), ("githubAppBaseURL", "ftp://h")], "secret 'apps/github': the value of 'githubAppBaseURL' is no https:// URL")]
#[case(&[("githubAppID", "1"), ("githubAppPrivateKey", "x"), ("githubAppInstallationID", "1"), ("githubAppBaseURL", "https://u:hunter2@h")], "secret 'apps/github': the value of 'githubAppBaseURL' has more than a host and a path")]
fn what_is_missing_or_wrong_is_named_without_its_value(
    #[case] pairs: &[(&str, &str)],
    #[case] expected: &str,
) {
    assert_eq!(read(pairs).unwrap_err(), expected);
}

#[test]
fn a_key_that_is_too_short_or_not_rsa_is_refused() {
    let short = generate("1024");
    let with = |key: &str| {
        read(&[
            ("githubAppID", "1"),
            ("githubAppPrivateKey", key),
            ("githubAppInstallationID", "1"),
        ])
    };
    let expected =
        "secret 'apps/github': the value of 'githubAppPrivateKey' is no RSA key of 2048 to 4096 bits";
    assert_eq!(with(&short).unwrap_err(), expected);
    let other = rcgen::KeyPair::generate().unwrap().serialize_pem();
    assert_eq!(with(&other).unwrap_err(), expected);
}

#[test]
fn equal_apps_have_equal_identities_whatever_their_secrets_are_called() {
    let with = |id: &str, installation: (&str, &str), base: &str| {
        read(&[
            ("githubAppID", id),
            ("githubAppPrivateKey", key()),
            installation,
            ("githubAppBaseURL", base),
        ])
        .unwrap()
    };
    let one = with("1", ("githubAppInstallationID", "2"), "");
    assert_eq!(one, with("1\n", ("githubAppInstallationID", "2"), PUBLIC_API));
    let others = [
        with("2", ("githubAppInstallationID", "2"), ""),
        with("1", ("githubAppInstallationID", "3"), ""),
        with("1", ("githubAppInstallationOwner", "2"), ""),
        with(
            "1",
            ("githubAppInstallationID", "2"),
            "https://github.example.org/api/v3",
        ),
    ];
    for other in &others {
        assert_ne!(one, *other);
    }
    assert_eq!(others[3].api.as_str(), "https://github.example.org/api/v3/");
    let shown = format!("{one:?}");
    assert!(
        !shown.contains("PRIVATE") && shown.contains("apps/github"),
        "{shown}"
    );
}

#[test]
fn a_web_token_is_dated_a_little_back_and_counts_for_two_minutes() {
    let app = read(&[
        ("githubAppID", "31337"),
        ("githubAppPrivateKey", key()),
        ("githubAppInstallationID", "1"),
    ]);
    let token = app
        .unwrap()
        .web_token(Timestamp::from_second(1_000_000).unwrap())
        .unwrap();
    let parts: Vec<serde_json::Value> = token
        .split('.')
        .take(2)
        .map(|part| serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
        .collect();
    assert_eq!(parts[0], serde_json::json!({ "alg": "RS256", "typ": "JWT" }));
    assert_eq!(
        parts[1],
        serde_json::json!({ "iat": 999_970, "exp": 1_000_090, "iss": "31337" })
    );
}
