//! Where the submodules of a source come from: the mirrors of the process, with the credential of the source only on its own
//! server.

use std::fmt;
use std::sync::Arc;

use fluxbot_git::{Mirror, RemoteUrl};

use crate::git::{GitAccess, Mirrors};
use crate::http::{ClientSettings, Url};
use crate::source::git::Submodules;

/// Opens the repositories of submodules.
pub(super) struct Repositories<'a> {
    mirrors: &'a Mirrors,
    /// The repository of the source.
    url: &'a str,
    access: &'a GitAccess,
}

impl<'a> Repositories<'a> {
    pub(super) fn new(mirrors: &'a Mirrors, url: &'a str, access: &'a GitAccess) -> Self {
        Self { mirrors, url, access }
    }
}

impl Submodules for Repositories<'_> {
    fn open(&self, url: &str) -> Result<Arc<Mirror>, String> {
        let remote: RemoteUrl = url.parse().map_err(|error| format!("{error}"))?;
        if remote.path().is_some() {
            return Err("the URL leads to the file system of this machine".to_owned());
        }
        let is_own = server(self.url).is_some_and(|own| server(url).as_ref() == Some(&own));
        if is_own {
            return self
                .mirrors
                .open(url, self.access)
                .map_err(|error| error.to_string());
        }
        if remote.is_ssh() {
            return Err(format!(
                "'{remote}' is on another server than the source, whose key is not shown to it: use an https URL, or a \
                 GitRepository of its own with spec.include"
            ));
        }
        let settings = &self.access.settings;
        let access = GitAccess {
            settings: ClientSettings {
                root_certificates: settings.root_certificates.clone(),
                proxy: settings.proxy.clone(),
                ..ClientSettings::default()
            },
            credential: remote.credential().clone(),
            ..GitAccess::default()
        };
        self.mirrors.open(url, &access).map_err(|error| error.to_string())
    }
}

impl fmt::Debug for Repositories<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Repositories").finish_non_exhaustive()
    }
}

/// Scheme, host and port: what a credential was given for.
fn server(url: &str) -> Option<(String, String, u16)> {
    let url = Url::parse(url).ok()?;
    let port = url.port_or_known_default().unwrap_or(22);
    Some((
        url.scheme().to_owned(),
        url.host_str()?.to_ascii_lowercase(),
        port,
    ))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::server;

    #[rstest]
    #[case("https://example.org/a", "https://EXAMPLE.org:443/b", true)]
    #[case("https://user:pw@example.org/a", "https://example.org/b", true)]
    #[case("https://example.org/a", "http://example.org/b", false)]
    #[case("https://example.org/a", "https://example.org:8443/b", false)]
    #[case("https://example.org/a", "https://example.org.evil.net/b", false)]
    #[case("https://example.org/a", "https://sub.example.org/b", false)]
    #[case("ssh://git@example.org/a", "ssh://git@example.org:22/b", true)]
    #[case("ssh://git@example.org/a", "https://example.org/b", false)]
    #[case("no url", "no url", false)]
    fn a_credential_is_for_one_server(#[case] own: &str, #[case] other: &str, #[case] expected: bool) {
        assert_eq!(
            server(own).is_some_and(|own| server(other) == Some(own)),
            expected
        );
    }
}
