//! Docker configurations: which credentials a registry and repository get.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

use super::key::{key_matches, normalise};
use crate::image::ImageName;

/// What a registry accepts as proof of identity. `Debug` shows the kind and nothing else.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Credential {
    /// A user name with its password or access token.
    Basic {
        /// The user name.
        username: String,
        /// The password.
        password: String,
    },
    /// A refresh token for the `OAuth2` flow of the token server (`identitytoken`).
    IdentityToken(String),
    /// A token that the registry itself takes as bearer (`registrytoken`).
    RegistryToken(String),
}

impl Credential {
    /// Texts that must never appear in a message.
    pub(super) fn secrets(&self) -> Vec<String> {
        match self {
            Self::Basic { username, password } => {
                vec![password.clone(), basic_value(username, password)]
            }
            Self::IdentityToken(token) | Self::RegistryToken(token) => vec![token.clone()],
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Basic { .. } => "Credential::Basic(***)",
            Self::IdentityToken(_) => "Credential::IdentityToken(***)",
            Self::RegistryToken(_) => "Credential::RegistryToken(***)",
        })
    }
}

/// What follows `Basic ` in an `Authorization` header.
pub(super) fn basic_value(username: &str, password: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(format!("{username}:{password}"))
}

/// The credentials of one or more docker configurations, by the part of the name space that they are for.
///
/// Lookup is the kubelet's: a key is a host with optional port and path, and may have glob patterns (`*`, `?`,
/// `[a-z]`) within the labels of the host. Port and number of labels must be equal, the key's path must be a prefix of
/// the repository, and of several keys that fit, the last in byte order wins, which is the longest path and an exact
/// host before a pattern.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Keychain {
    /// In descending order of the key; for equal keys in the order of their addition.
    entries: Vec<Entry>,
    ignored: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Entry {
    key: String,
    credential: Credential,
}

/// Why a docker configuration cannot be read. No variant holds a value of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDockerConfig {
    /// The text is no JSON object of the expected form.
    #[error("the docker configuration is no valid JSON: {category} at line {line} column {column}")]
    Json {
        /// Whether the syntax, the type of a value or the end of the text is the problem.
        category: &'static str,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// An `auth` value is not `base64(user:password)`.
    #[error("the docker configuration's auth for '{registry}' is not base64 of user:password")]
    Auth {
        /// The key of the entry.
        registry: String,
    },
    /// The Secret's type is not one that holds a docker configuration.
    #[error(
        "a Secret of type '{kind}' holds no docker configuration; use kubernetes.io/dockerconfigjson or kubernetes.io/dockercfg"
    )]
    SecretType {
        /// The Secret's type.
        kind: String,
    },
    /// The Secret lacks the key that its type requires.
    #[error("the Secret has no key '{key}'")]
    MissingKey {
        /// The key.
        key: &'static str,
    },
}

#[derive(Deserialize)]
struct ConfigFile {
    #[serde(default)]
    auths: Option<BTreeMap<String, AuthEntry>>,
    #[serde(default, rename = "credHelpers")]
    helpers: Option<BTreeMap<String, String>>,
    #[serde(default, rename = "credsStore")]
    store: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct AuthEntry {
    username: Option<String>,
    password: Option<String>,
    auth: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

impl Keychain {
    /// Reads a `config.json` as docker writes it, which is also what Secrets of type
    /// `kubernetes.io/dockerconfigjson` hold.
    ///
    /// Credential helpers and stores are programs and are not run; [`Keychain::ignored`] says which were skipped.
    ///
    /// # Errors
    /// [`InvalidDockerConfig`] when the JSON or one of its entries cannot be read.
    pub fn from_docker_config(json: &[u8]) -> Result<Self, InvalidDockerConfig> {
        let config: ConfigFile = serde_json::from_slice(json).map_err(|err| json_error(&err))?;
        let mut keychain = Self::from_auths(config.auths.unwrap_or_default())?;
        if let Some(store) = config.store.filter(|store| !store.is_empty()) {
            keychain.ignored.push(format!(
                "credsStore '{store}' is a program and is not run; put the credentials under 'auths'"
            ));
        }
        for (registry, helper) in config.helpers.unwrap_or_default() {
            keychain.ignored.push(format!(
                "credHelpers '{helper}' for '{registry}' is a program and is not run; put the credentials under 'auths'"
            ));
        }
        Ok(keychain)
    }

    /// Reads the old `.dockercfg` form, which has the entries at the top level.
    ///
    /// # Errors
    /// [`InvalidDockerConfig`] when the JSON or one of its entries cannot be read.
    pub fn from_dockercfg(json: &[u8]) -> Result<Self, InvalidDockerConfig> {
        Self::from_auths(serde_json::from_slice(json).map_err(|err| json_error(&err))?)
    }

    /// Reads a Kubernetes Secret of type `kind` with the decoded `data`.
    ///
    /// # Errors
    /// [`InvalidDockerConfig`] for other types, a missing key, or content that cannot be read.
    pub fn from_secret(kind: &str, data: &BTreeMap<String, Vec<u8>>) -> Result<Self, InvalidDockerConfig> {
        let (key, read): (_, fn(&[u8]) -> _) = match kind {
            "kubernetes.io/dockerconfigjson" => (".dockerconfigjson", Self::from_docker_config),
            "kubernetes.io/dockercfg" => (".dockercfg", Self::from_dockercfg),
            other => {
                return Err(InvalidDockerConfig::SecretType {
                    kind: other.to_owned(),
                });
            }
        };
        read(data.get(key).ok_or(InvalidDockerConfig::MissingKey { key })?)
    }

    /// A keychain with one credential for one key, for example `ghcr.io` or `ghcr.io/team`.
    #[must_use]
    pub fn single(key: &str, credential: Credential) -> Self {
        Self {
            entries: vec![Entry {
                key: normalise(key),
                credential,
            }],
            ignored: Vec::new(),
        }
    }

    /// Adds the entries of `other`; for equal keys the ones already here come first.
    pub fn extend(&mut self, other: Self) {
        self.entries.extend(other.entries);
        self.entries.sort_by(|a, b| b.key.cmp(&a.key));
        self.ignored.extend(other.ignored);
    }

    /// The credential for `image`, or `None` for anonymous access.
    #[must_use]
    pub fn find(&self, image: &ImageName) -> Option<&Credential> {
        self.entries
            .iter()
            .find(|entry| key_matches(&entry.key, image.registry(), image.repository()))
            .map(|entry| &entry.credential)
    }

    /// What the configuration holds that is not used, and why; for messages to the user.
    #[must_use]
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// Whether there is no credential at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn from_auths(auths: BTreeMap<String, AuthEntry>) -> Result<Self, InvalidDockerConfig> {
        let mut keychain = Self::default();
        for (registry, auth) in auths {
            match credential(auth).map_err(|()| InvalidDockerConfig::Auth {
                registry: registry.clone(),
            })? {
                Some(credential) => keychain.entries.push(Entry {
                    key: normalise(&registry),
                    credential,
                }),
                None => keychain
                    .ignored
                    .push(format!("the entry for '{registry}' has no credentials")),
            }
        }
        keychain.entries.sort_by(|a, b| b.key.cmp(&a.key));
        Ok(keychain)
    }
}

/// The strongest credential of an entry; `None` for an empty one, as docker leaves behind beside a store.
fn credential(entry: AuthEntry) -> Result<Option<Credential>, ()> {
    let given = |value: Option<String>| value.filter(|value| !value.is_empty());
    if let Some(token) = given(entry.registrytoken) {
        return Ok(Some(Credential::RegistryToken(token)));
    }
    if let Some(token) = given(entry.identitytoken) {
        return Ok(Some(Credential::IdentityToken(token)));
    }
    if let Some(auth) = given(entry.auth) {
        let (username, password) = decode_auth(&auth).ok_or(())?;
        return Ok(Some(Credential::Basic { username, password }));
    }
    Ok(match (given(entry.username), entry.password) {
        (Some(username), Some(password)) => Some(Credential::Basic { username, password }),
        _ => None,
    })
}

/// Decodes `base64(user:password)`, with or without padding; docker pads the password with zero bytes.
fn decode_auth(auth: &str) -> Option<(String, String)> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let bytes = LENIENT.decode(auth.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (username, password) = text.split_once(':')?;
    Some((username.to_owned(), password.trim_end_matches('\0').to_owned()))
}

fn json_error(err: &serde_json::Error) -> InvalidDockerConfig {
    // serde's own message may quote a value, and the values are secrets.
    let category = match err.classify() {
        serde_json::error::Category::Io => "unreadable text",
        serde_json::error::Category::Syntax => "wrong syntax",
        serde_json::error::Category::Data => "a value of the wrong type",
        serde_json::error::Category::Eof => "unexpected end",
    };
    InvalidDockerConfig::Json {
        category,
        line: err.line(),
        column: err.column(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn user(keychain: &Keychain, image: &str) -> Option<String> {
        match keychain.find(&image.parse().unwrap())? {
            Credential::Basic { username, .. } => Some(username.clone()),
            Credential::IdentityToken(token) | Credential::RegistryToken(token) => Some(token.clone()),
        }
    }

    fn keychain_of(keys: &[&str]) -> Keychain {
        let auths: serde_json::Map<_, _> = keys
            .iter()
            .map(|key| {
                (
                    (*key).to_owned(),
                    serde_json::json!({"username": key, "password": "p"}),
                )
            })
            .collect();
        let json = serde_json::json!({ "auths": auths }).to_string();
        Keychain::from_docker_config(json.as_bytes()).unwrap()
    }

    #[rstest]
    #[case::host(&["ghcr.io"], "ghcr.io/a/b", Some("ghcr.io"))]
    #[case::other_host(&["ghcr.io"], "quay.io/a/b", None)]
    #[case::scheme_and_version(&["https://ghcr.io/v2/"], "ghcr.io/a/b", Some("https://ghcr.io/v2/"))]
    #[case::a_path_that_looks_like_a_version(&["https://ghcr.io/v1"], "ghcr.io/a", None)]
    #[case::docker_hub_by_its_old_address(&["https://index.docker.io/v1/"], "nginx", Some("https://index.docker.io/v1/"))]
    #[case::docker_hub_by_its_short_name(&["docker.io"], "team/app", Some("docker.io"))]
    #[case::longest_path_first(&["r.example/team", "r.example", "r.example/team/app"], "r.example/team/app", Some("r.example/team/app"))]
    #[case::path_of_another_team(&["r.example/team"], "r.example/other/app", None)]
    #[case::path_is_a_prefix(&["r.example/te"], "r.example/team/app", Some("r.example/te"))]
    #[case::falls_back_to_the_host(&["r.example/team", "r.example"], "r.example/other", Some("r.example"))]
    #[case::glob(&["*.gcr.io"], "eu.gcr.io/p/a", Some("*.gcr.io"))]
    #[case::a_glob_stays_within_a_label(&["*.io"], "eu.gcr.io/p/a", None)]
    #[case::a_glob_needs_the_label(&["*.gcr.io"], "gcr.io/p/a", None)]
    #[case::exact_before_glob(&["*.gcr.io", "eu.gcr.io"], "eu.gcr.io/p/a", Some("eu.gcr.io"))]
    #[case::glob_with_path(&["*.gcr.io/p"], "eu.gcr.io/q/a", None)]
    #[case::class(&["[a-e]u.gcr.io"], "eu.gcr.io/p/a", Some("[a-e]u.gcr.io"))]
    #[case::port(&["r.example:5000"], "r.example:5000/a", Some("r.example:5000"))]
    #[case::other_port(&["r.example:5000"], "r.example:5001/a", None)]
    #[case::no_port(&["r.example"], "r.example:5001/a", None)]
    #[case::no_suffix_match(&["example.com"], "example.com.evil.example/a", None)]
    #[case::ipv6(&["[::1]:5000"], "[::1]:5000/a", Some("[::1]:5000"))]
    #[case::case_of_the_host(&["GHCR.io"], "ghcr.io/a", Some("GHCR.io"))]
    fn a_repository_gets_the_credentials_that_the_kubelet_would_use(
        #[case] keys: &[&str],
        #[case] image: &str,
        #[case] expected: Option<&str>,
    ) {
        assert_eq!(user(&keychain_of(keys), image).as_deref(), expected);
    }

    #[derive(Deserialize)]
    struct Golden {
        keys: Vec<String>,
        image: String,
        first: String,
    }

    /// The kubelet's keyring gave the answers (`hack/oracle/keyring`).
    #[test]
    fn keys_are_read_as_the_kubelet_reads_them() {
        // The documentation of Kubernetes has them; its code takes such a key for no address and ignores it.
        let more = [
            ("a?.r.example", "ab.r.example/app"),
            ("[a-c].r.example", "a.r.example/app"),
            ("[^a-c].r.example", "d.r.example/app"),
        ];
        let mut wrong = Vec::new();
        for line in include_str!("golden/keyring.jsonl").lines() {
            let golden: Golden = serde_json::from_str(line).unwrap();
            let keys: Vec<&str> = golden.keys.iter().map(String::as_str).collect();
            let expected = more
                .iter()
                .find(|(key, image)| keys == [*key] && golden.image == *image)
                .map_or(golden.first.as_str(), |(key, _)| *key);
            let found = user(&keychain_of(&keys), &golden.image).unwrap_or_default();
            if found != expected {
                wrong.push(format!(
                    "{keys:?} {}: {found:?}, expected {expected:?}",
                    golden.image
                ));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn every_form_of_an_entry_is_read() {
        let json = br#"{"auths": {
            "a.example": {"auth": "dXNlcjpwYTpzcw=="},
            "b.example": {"auth": "dXNlcjpwYTpzcw"},
            "c.example": {"username": "u", "password": ""},
            "d.example": {"username": "00000000", "identitytoken": "refresh"},
            "e.example": {"registrytoken": "bearer"},
            "f.example": {"auth": "dXNlcjpwAAA=", "username": "ignored", "password": "ignored"},
            "g.example": {}
        }, "credHelpers": {"gcr.io": "gcloud"}, "credsStore": "desktop", "HttpHeaders": {"x": "y"}}"#;
        let keychain = Keychain::from_docker_config(json).unwrap();
        let find = |host: &str| keychain.find(&format!("{host}/app").parse().unwrap()).cloned();
        let basic = |username: &str, password: &str| {
            Some(Credential::Basic {
                username: username.into(),
                password: password.into(),
            })
        };
        assert_eq!(find("a.example"), basic("user", "pa:ss"));
        assert_eq!(find("b.example"), basic("user", "pa:ss"));
        assert_eq!(find("c.example"), basic("u", ""));
        assert_eq!(
            find("d.example"),
            Some(Credential::IdentityToken("refresh".into()))
        );
        assert_eq!(
            find("e.example"),
            Some(Credential::RegistryToken("bearer".into()))
        );
        assert_eq!(find("f.example"), basic("user", "p"));
        assert_eq!(find("g.example"), None);
        insta::assert_snapshot!(keychain.ignored().join("\n"), @r"
        the entry for 'g.example' has no credentials
        credsStore 'desktop' is a program and is not run; put the credentials under 'auths'
        credHelpers 'gcloud' for 'gcr.io' is a program and is not run; put the credentials under 'auths'
        ");
    }

    #[test]
    fn both_secret_types_are_read_and_others_are_refused() {
        let data = |key: &str, json: &str| BTreeMap::from([(key.to_owned(), json.as_bytes().to_vec())]);
        let entry = r#"{"r.example": {"auth": "dTpw"}}"#;
        let new = data(".dockerconfigjson", &format!(r#"{{"auths": {entry}}}"#));
        let old = data(".dockercfg", entry);
        for (kind, data) in [
            ("kubernetes.io/dockerconfigjson", &new),
            ("kubernetes.io/dockercfg", &old),
        ] {
            let keychain = Keychain::from_secret(kind, data).unwrap();
            assert_eq!(user(&keychain, "r.example/a").as_deref(), Some("u"));
        }
        insta::assert_snapshot!(Keychain::from_secret("Opaque", &new).unwrap_err(), @"a Secret of type 'Opaque' holds no docker configuration; use kubernetes.io/dockerconfigjson or kubernetes.io/dockercfg");
        insta::assert_snapshot!(Keychain::from_secret("kubernetes.io/dockercfg", &new).unwrap_err(), @"the Secret has no key '.dockercfg'");
    }

    #[test]
    fn the_first_of_two_secrets_wins_for_the_same_key() {
        let secret = |user: &str| {
            Keychain::single(
                "r.example",
                Credential::Basic {
                    username: user.into(),
                    password: "p".into(),
                },
            )
        };
        let mut keychain = secret("first");
        keychain.extend(secret("second"));
        keychain.extend(keychain_of(&["r.example/team"]));
        assert_eq!(user(&keychain, "r.example/a").as_deref(), Some("first"));
        assert_eq!(
            user(&keychain, "r.example/team/a").as_deref(),
            Some("r.example/team")
        );
    }

    #[rstest]
    #[case(r#"{"auths": {"r.example": {"auth": "CANARY!"}}}"#)]
    #[case(r#"{"auths": {"r.example": {"auth": "Q0FOQVJZ"}}}"#)]
    #[case(r#"{"auths": {"r.example": {"auth": 1, "password": "CANARY"}}}"#)]
    #[case(r#"{"auths": {"r.example": "CANARY"}}"#)]
    #[case(r#"{"auths": {"r.example": {"password": "CANARY"#)]
    #[case("CANARY")]
    fn errors_never_repeat_a_value(#[case] json: &str) {
        let err = Keychain::from_docker_config(json.as_bytes()).unwrap_err();
        assert!(!format!("{err} {err:?}").contains("CANARY"), "{err}");
        assert!(!format!("{err} {err:?}").contains("Q0FOQVJZ"), "{err}");
    }
}
