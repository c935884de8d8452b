//! URLs of remotes: what is accepted, and how credentials are taken out of them.

use super::Credential;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where a remote repository is: `http://`, `https://`, `ssh://`, `file://`, or a path of this machine.
///
/// Guarantees: userinfo is taken out into [`RemoteUrl::credential`] and never printed, neither by `Display` nor by
/// `Debug`; of an `ssh://` URL the user is part of the place and is printed, and a password is refused. Refused are other schemes (`ext::`, `fd::`, `git://`), a leading `-`, control characters, backslashes,
/// `?`, `#` and a second `@`, which parsers read in different ways (CVE-2026-41506, GHSA-jrcm-326h-gpp8).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RemoteUrl {
    location: Location,
    userinfo: Credential,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Location {
    /// Without userinfo, query, fragment, and trailing slash.
    Http(String),
    Ssh(SshLocation),
    File(PathBuf),
}

/// A repository behind an SSH server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct SshLocation {
    /// Who logs in; `git` where the URL names nobody, as with every forge.
    pub user: String,
    /// A name or an address, the latter without brackets.
    pub host: String,
    pub port: u16,
    /// The path as the server gets it: absolute, or relative to the home of the user when it starts with `~`.
    pub path: String,
}

/// A text cannot be used as the URL of a remote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRemoteUrl {
    /// The text is malformed or hostile; it is not repeated, as it may hold a password.
    #[error("git URL is not valid: {problem}")]
    Malformed {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The transport is known to Git but not to this crate.
    #[error(
        "git URL with transport {transport:?} is not supported: use https://, http://, ssh:// or file://"
    )]
    Unsupported {
        /// The scheme or the kind of URL.
        transport: String,
    },
    /// The short form of SSH, which Flux refuses as well; the text is not repeated.
    #[error("git URL of the form 'user@host:path' is not supported: write it as ssh://user@host/path")]
    ScpLike,
}

impl RemoteUrl {
    /// The credential that was written into the URL, else [`Credential::None`].
    #[must_use]
    pub fn credential(&self) -> &Credential {
        &self.userinfo
    }

    /// The remote at a path of this machine.
    #[must_use]
    pub fn from_path(path: &Path) -> Self {
        Self {
            location: Location::File(path.to_owned()),
            userinfo: Credential::None,
        }
    }

    /// The path, for a remote on this machine.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.location {
            Location::File(path) => Some(path),
            Location::Http(_) | Location::Ssh(_) => None,
        }
    }

    /// The remote behind the short form `user@host:path`, as Git reads it: a path without a slash in front starts at the home
    /// of the user. Objects cannot name remotes in this form; people's checkouts do.
    ///
    /// # Errors
    /// [`InvalidRemoteUrl`] for other texts, and for what is refused in `ssh://` URLs as well.
    pub fn from_scp_like(text: &str) -> Result<Self, InvalidRemoteUrl> {
        let malformed = |problem| InvalidRemoteUrl::Malformed { problem };
        let short = malformed("it does not have the form 'user@host:path'");
        let (place, path) = text.split_once(':').ok_or_else(|| short.clone())?;
        if place.contains(['/', '[']) || path.starts_with("//") || path.contains('%') {
            return Err(short);
        }
        let long = format!("ssh://{place}/{}", path.trim_start_matches('/'));
        let mut url: Self = long.parse()?;
        if let (Location::Ssh(location), false) = (&mut url.location, path.starts_with('/')) {
            location.path = location.path.trim_start_matches('/').to_owned();
        }
        Ok(url)
    }

    /// Whether it is reached over SSH.
    #[must_use]
    pub fn is_ssh(&self) -> bool {
        matches!(self.location, Location::Ssh(_))
    }

    pub(crate) fn location(&self) -> &Location {
        &self.location
    }
}

impl FromStr for RemoteUrl {
    type Err = InvalidRemoteUrl;

    fn from_str(text: &str) -> Result<Self, InvalidRemoteUrl> {
        let malformed = |problem| InvalidRemoteUrl::Malformed { problem };
        if text.is_empty() {
            return Err(malformed("it is empty"));
        }
        if text.starts_with('-') {
            return Err(malformed("it starts with a dash"));
        }
        if text.chars().any(char::is_control) {
            return Err(malformed("it contains a control character"));
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            return match scheme.to_ascii_lowercase().as_str() {
                "http" | "https" => parse_http(text, rest),
                "file" => parse_file(rest),
                "ssh" => parse_ssh(text, rest),
                other => Err(InvalidRemoteUrl::Unsupported {
                    transport: other.chars().take(20).collect(),
                }),
            };
        }
        let before_slash = text.split('/').next().unwrap_or_default();
        if before_slash.contains("::") {
            let transport = before_slash.split("::").next().unwrap_or_default();
            return Err(InvalidRemoteUrl::Unsupported {
                transport: transport.chars().take(20).collect(),
            });
        }
        if before_slash.contains(':') {
            // `host:path` and `user@host:path` are SSH to Git.
            return Err(InvalidRemoteUrl::ScpLike);
        }
        Ok(Self::from_path(Path::new(text)))
    }
}

impl fmt::Display for RemoteUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Location::Http(base) => formatter.write_str(base),
            Location::Ssh(location) => location.fmt(formatter),
            Location::File(path) => write!(formatter, "{}", path.display()),
        }
    }
}

impl fmt::Debug for RemoteUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RemoteUrl({self})")
    }
}

fn parse_http(text: &str, rest: &str) -> Result<RemoteUrl, InvalidRemoteUrl> {
    let malformed = |problem| InvalidRemoteUrl::Malformed { problem };
    if text.contains(['?', '#', '\\', ' ']) {
        return Err(malformed("it contains one of `?`, `#`, a backslash or a space"));
    }
    let authority = rest.split('/').next().unwrap_or_default();
    if authority.is_empty() {
        return Err(malformed("it names no host"));
    }
    if authority.matches('@').count() > 1 {
        return Err(malformed("its host part contains more than one `@`"));
    }
    let mut url = url::Url::parse(text).map_err(|_| malformed("it cannot be parsed"))?;
    if !url
        .host_str()
        .is_some_and(|host| !host.is_empty() && !host.starts_with('-'))
    {
        return Err(malformed("it names no host"));
    }
    let userinfo = match (url.username(), url.password()) {
        ("", None) => Credential::None,
        (username, password) => Credential::Basic {
            username: percent_decode(username).ok_or_else(|| malformed("its user name is not text"))?,
            password: percent_decode(password.unwrap_or_default())
                .ok_or_else(|| malformed("its password is not text"))?,
        },
    };
    url.set_username("")
        .and_then(|()| url.set_password(None))
        .map_err(|()| malformed("it names no host"))?;
    let base = url.as_str().trim_end_matches('/').to_owned();
    Ok(RemoteUrl {
        location: Location::Http(base),
        userinfo,
    })
}

impl SshLocation {
    /// Host, and port where it is not 22.
    pub(crate) fn address(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        match self.port {
            22 => host,
            port => format!("{host}:{port}"),
        }
    }
}

impl fmt::Display for SshLocation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, path, .. } = self;
        let slash = if path.starts_with('/') { "" } else { "/" };
        write!(formatter, "ssh://{user}@{}{slash}{path}", self.address())
    }
}

/// The checks keep out what a shell on the other side, or an `ssh` program, would take for something else (CVE-2017-1000117,
/// CVE-2024-32884, CVE-2026-45570); none is started here, and servers get the path in quotes.
fn parse_ssh(text: &str, rest: &str) -> Result<RemoteUrl, InvalidRemoteUrl> {
    let malformed = |problem| InvalidRemoteUrl::Malformed { problem };
    if text.contains(['?', '#', '\\', ' ']) {
        return Err(malformed("it contains one of `?`, `#`, a backslash or a space"));
    }
    let authority = rest.split('/').next().unwrap_or_default();
    if authority.matches('@').count() > 1 {
        return Err(malformed("its host part contains more than one `@`"));
    }
    let url = url::Url::parse(text).map_err(|_| malformed("it cannot be parsed"))?;
    if url.password().is_some() {
        return Err(malformed("it holds a password: SSH takes a key, from the Secret"));
    }
    let host = url.host_str().unwrap_or_default();
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
    if host.is_empty() || host.starts_with('-') || !host.bytes().all(known) {
        return Err(malformed("it names no host"));
    }
    let user = percent_decode(url.username()).ok_or_else(|| malformed("its user name is not text"))?;
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+@=".contains(&byte);
    if user.starts_with('-') || !user.bytes().all(known) {
        return Err(malformed(
            "its user name contains a character other than letters, digits and `._-+@=`",
        ));
    }
    let path = percent_decode(url.path()).ok_or_else(|| malformed("its path is not text"))?;
    let path = path.trim_end_matches('/');
    let path = path
        .strip_prefix('/')
        .filter(|path| path.starts_with('~'))
        .unwrap_or(path);
    if path.is_empty() {
        return Err(malformed("it names no repository"));
    }
    if path.contains(['\'', '\n', '`', '$']) {
        return Err(malformed("its path contains a quote, `$` or a backtick"));
    }
    if path.trim_start_matches('/').starts_with('-') {
        return Err(malformed("its path starts with a dash"));
    }
    Ok(RemoteUrl {
        location: Location::Ssh(SshLocation {
            user: if user.is_empty() { "git".to_owned() } else { user },
            host: host.to_ascii_lowercase(),
            port: url.port().unwrap_or(22),
            path: path.to_owned(),
        }),
        userinfo: Credential::None,
    })
}

fn parse_file(rest: &str) -> Result<RemoteUrl, InvalidRemoteUrl> {
    let malformed = |problem| InvalidRemoteUrl::Malformed { problem };
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if !path.starts_with('/') {
        return Err(malformed("a file:// URL needs an absolute path and no host"));
    }
    let path = percent_decode(path).ok_or_else(|| malformed("its path is not text"))?;
    if path.contains('\0') {
        return Err(malformed("it contains NUL"));
    }
    Ok(RemoteUrl::from_path(Path::new(&path)))
}

/// Decodes `%41`; a percent sign without two digits stands for itself. Control characters are no text.
fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let digits = tail.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        let decoded = digits
            .filter(|pair| *first == b'%' && pair.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|pair| u8::from_str_radix(pair, 16).ok());
        bytes.push(decoded.unwrap_or(*first));
        rest = if decoded.is_some() {
            tail.get(2..).unwrap_or_default()
        } else {
            tail
        };
    }
    String::from_utf8(bytes)
        .ok()
        .filter(|text| !text.chars().any(char::is_control))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("", "it is empty")]
    #[case("--upload-pack=x", "it starts with a dash")]
    #[case("ext::sh -c id", "transport \"ext\" is not supported")]
    #[case("EXT::sh -c id", "transport \"EXT\" is not supported")]
    #[case("fd::17", "transport \"fd\" is not supported")]
    #[case("git://example.com/x", "transport \"git\" is not supported")]
    #[case("git+ssh://git@example.com/x", "transport \"git+ssh\" is not supported")]
    #[case("ssh://-oProxyCommand=x/y", "it names no host")]
    #[case("ssh://git@-oProxyCommand=x/y", "it names no host")]
    #[case(
        "ssh://-oProxyCommand=x@host/y",
        "its user name contains a character other than letters, digits and `._-+@=`"
    )]
    #[case(
        "ssh://%2doProxyCommand=x@host/y",
        "its user name contains a character other than letters, digits and `._-+@=`"
    )]
    #[case("ssh://git:hunter2@host/y", "it holds a password")]
    #[case("ssh://git@host", "it names no repository")]
    #[case("ssh://git@host/", "it names no repository")]
    #[case("ssh://git@host:x/y", "it cannot be parsed")]
    #[case("ssh://git@host:99999/y", "it cannot be parsed")]
    #[case(
        "ssh://git@host/x'; id; '",
        "it contains one of `?`, `#`, a backslash or a space"
    )]
    #[case("ssh://git@host/x%27;id;%27", "its path contains a quote, `$` or a backtick")]
    #[case("ssh://git@host/x%0aid", "its path is not text")]
    #[case("ssh://git@host/-u", "its path starts with a dash")]
    #[case("ssh://git@host/`id`", "its path contains a quote, `$` or a backtick")]
    #[case("ssh://git@host/$(id)", "its path contains a quote, `$` or a backtick")]
    #[case("ssh://git@a@b/x", "more than one `@`")]
    #[case("ssh://git@a?@b/x", "it contains one of `?`, `#`, a backslash or a space")]
    #[case("ssh://git@a%20b/x", "it names no host")]
    #[case(
        "ssh://git`id`@host/x",
        "its user name contains a character other than letters, digits and `._-+@=`"
    )]
    #[case("git@example.com:x/y.git", "write it as ssh://user@host/path")]
    #[case("javascript://x/y", "transport \"javascript\" is not supported")]
    #[case("https://", "it names no host")]
    #[case("https:///x", "it names no host")]
    #[case("https://a?@b/x", "it contains one of `?`, `#`, a backslash or a space")]
    #[case("https://a#@b/x", "it contains one of `?`, `#`, a backslash or a space")]
    #[case("https://a\\@b/x", "it contains one of `?`, `#`, a backslash or a space")]
    #[case("https://a@b@c/x", "more than one `@`")]
    #[case("https://-host/x", "it names no host")]
    #[case("https://a b/x", "it contains one of `?`, `#`, a backslash or a space")]
    #[case("https://user:p%0d%0aX@host/x", "its password is not text")]
    #[case("https://example.com/x\r\nHost: y", "it contains a control character")]
    #[case("https://example.com/x\0", "it contains a control character")]
    #[case("file://host/x", "needs an absolute path and no host")]
    #[case("file:///a%00b", "its path is not text")]
    fn a_hostile_or_unsupported_url_is_refused_with_its_reason(#[case] text: &str, #[case] reason: &str) {
        let error = text.parse::<RemoteUrl>().unwrap_err().to_string();
        assert!(error.contains(reason), "{text:?}: {error}");
    }

    #[rstest]
    #[case("https://example.com/a/b.git", "https://example.com/a/b.git")]
    #[case("HTTPS://example.com:8443/a/b/", "https://example.com:8443/a/b")]
    #[case("http://user:secret@example.com/a", "http://example.com/a")]
    #[case("file:///srv/a%20b.git", "/srv/a b.git")]
    #[case("ssh://git@Example.com/a/b.git", "ssh://git@example.com/a/b.git")]
    #[case("ssh://example.com:2222/a/b/", "ssh://git@example.com:2222/a/b")]
    #[case("ssh://git@example.com:22/a", "ssh://git@example.com/a")]
    #[case("ssh://me@[::1]:2222/~me/x", "ssh://me@[::1]:2222/~me/x")]
    #[case(
        "ssh://APKAEIBAERJR2EXAMPLE@git-codecommit.eu-west-1.amazonaws.com/v1/repos/x",
        "ssh://APKAEIBAERJR2EXAMPLE@git-codecommit.eu-west-1.amazonaws.com/v1/repos/x"
    )]
    #[case("/srv/x.git", "/srv/x.git")]
    #[case("./x", "./x")]
    fn an_ordinary_url_is_accepted_and_prints_without_credentials(#[case] text: &str, #[case] printed: &str) {
        assert_eq!(text.parse::<RemoteUrl>().unwrap().to_string(), printed);
    }

    #[rstest]
    #[case(
        "git@example.com:team/fleet.git",
        "ssh://git@example.com/team/fleet.git",
        "team/fleet.git"
    )]
    #[case("example.com:fleet", "ssh://git@example.com/fleet", "fleet")]
    #[case(
        "me@example.com:/srv/fleet.git",
        "ssh://me@example.com/srv/fleet.git",
        "/srv/fleet.git"
    )]
    #[case("me@example.com:~/fleet", "ssh://me@example.com/~/fleet", "~/fleet")]
    fn the_short_form_of_a_checkout_is_read_as_git_reads_it(
        #[case] text: &str,
        #[case] printed: &str,
        #[case] path: &str,
    ) {
        let url = RemoteUrl::from_scp_like(text).unwrap();
        assert_eq!(url.to_string(), printed);
        let Location::Ssh(location) = url.location() else {
            panic!("{url}");
        };
        assert_eq!(location.path, path);
    }

    #[rstest]
    #[case("-oProxyCommand=x@host:y")]
    #[case("git@-oProxyCommand=x:y")]
    #[case("git@host:-u")]
    #[case("git@host:")]
    #[case("git@host:a'b")]
    #[case("git@host:$(id)")]
    #[case("git@host:a%0ab")]
    #[case("git@host")]
    #[case("a/b:c")]
    #[case("git@[::1]:x")]
    #[case("https://example.com/x")]
    fn a_hostile_short_form_is_refused(#[case] text: &str) {
        assert!(RemoteUrl::from_scp_like(text).is_err(), "{text:?} was accepted");
    }

    #[test]
    fn userinfo_becomes_a_credential_that_nothing_prints() {
        let url: RemoteUrl = "https://robot:s%65cret%21@example.com/x".parse().unwrap();
        let expected = Credential::Basic {
            username: "robot".into(),
            password: "secret!".into(),
        };
        assert_eq!(url.credential(), &expected);
        let printed = format!("{url} {url:?} {expected} {expected:?}");
        assert!(!printed.contains("ecret!"), "{printed}");
    }

    #[test]
    fn an_error_does_not_repeat_the_url() {
        let error = "https://robot:hunter2@a@b/x".parse::<RemoteUrl>().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
