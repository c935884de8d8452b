//! Image names: what `ImageRepository.spec.image` holds.

use std::fmt;
use std::str::FromStr;

/// The registry that a name without one means.
const DEFAULT_REGISTRY: &str = "index.docker.io";

/// Longest repository path that registries accept (distribution specification, "repository name").
const MAX_REPOSITORY_LENGTH: usize = 255;

/// The name of an image in a registry, without tag and digest.
///
/// It keeps the text as the user wrote it (Flux puts that text, not the canonical one, into
/// `status.latestRef.name`), and knows the registry and repository that it stands for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageName {
    text: String,
    registry: String,
    repository: String,
}

impl ImageName {
    /// The name as written, for example `nginx`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Host and optional port of the registry, for example `index.docker.io` or `localhost:5000`.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Path of the repository in its registry, for example `library/nginx`.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The canonical name, as in `ImageRepository.status.canonicalImageName`.
    #[must_use]
    pub fn canonical(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Why a text is no image name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidImageName {
    /// The name starts with something like `https://`.
    #[error("image '{image}' should not include URL scheme; remove '{scheme}://'")]
    Scheme {
        /// The text as given.
        image: String,
        /// The scheme without `://`.
        scheme: String,
    },
    /// The name ends with a tag.
    #[error("image '{image}' should not include a tag; remove ':{tag}'")]
    Tag {
        /// The text as given.
        image: String,
        /// What follows the last colon.
        tag: String,
    },
    /// A part of the name has a character or a length that registries do not accept.
    #[error("could not parse reference: {image}: {reason}")]
    Malformed {
        /// The text as given.
        image: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl FromStr for ImageName {
    type Err = InvalidImageName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some((scheme, _)) = text.split_once("://") {
            return Err(InvalidImageName::Scheme {
                image: text.to_owned(),
                scheme: scheme.to_owned(),
            });
        }
        let last_segment = text.rsplit('/').next().unwrap_or(text);
        let tag_of = if text.contains('/') { last_segment } else { text };
        if let Some((_, tag)) = tag_of.split_once(':') {
            return Err(InvalidImageName::Tag {
                image: text.to_owned(),
                tag: tag.to_owned(),
            });
        }
        let malformed = |reason: &str| InvalidImageName::Malformed {
            image: text.to_owned(),
            reason: reason.to_owned(),
        };
        let (registry, repository) = match text.split_once('/') {
            Some((host, rest)) if is_registry(host) => (host, rest.to_owned()),
            _ => (DEFAULT_REGISTRY, text.to_owned()),
        };
        let registry = if registry == "docker.io" {
            DEFAULT_REGISTRY
        } else {
            registry
        };
        let repository = if registry == DEFAULT_REGISTRY && !repository.contains('/') {
            format!("library/{repository}")
        } else {
            repository
        };
        check_registry(registry).map_err(malformed)?;
        check_repository(&repository).map_err(malformed)?;
        Ok(Self {
            text: text.to_owned(),
            registry: registry.to_owned(),
            repository,
        })
    }
}

/// Tells a registry host from the first segment of a path, as all container tools do.
fn is_registry(segment: &str) -> bool {
    segment.contains(['.', ':']) || segment == "localhost"
}

fn check_registry(registry: &str) -> Result<(), &'static str> {
    let (host, port) = match registry.rsplit_once(':') {
        // The colons of an IPv6 address stand inside its brackets.
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (registry, None),
    };
    let is_ipv6 = host.starts_with('[') && host.ends_with(']');
    let host_ok = if is_ipv6 {
        host[1..host.len() - 1].parse::<std::net::Ipv6Addr>().is_ok()
    } else {
        !host.is_empty()
            && !host.starts_with('-')
            && host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
    };
    if !host_ok {
        return Err("the registry must be a host name, optionally with a port");
    }
    match port {
        Some(port) if port.parse::<u16>().is_err() => Err("the registry's port must be a number below 65536"),
        _ => Ok(()),
    }
}

fn check_repository(repository: &str) -> Result<(), &'static str> {
    if repository.is_empty() || repository.len() > MAX_REPOSITORY_LENGTH {
        return Err("the repository must have 1 to 255 characters");
    }
    let allowed =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'.' | b'/');
    if !repository.bytes().all(allowed) {
        return Err(
            "the repository can only contain the characters `abcdefghijklmnopqrstuvwxyz0123456789_-./`",
        );
    }
    if repository
        .split('/')
        .any(|segment| segment.is_empty() || segment == "." || segment == "..")
    {
        return Err("the repository must not have an empty segment or a segment of dots");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("nginx", "index.docker.io", "library/nginx")]
    #[case("btoll/debug", "index.docker.io", "btoll/debug")]
    #[case("docker.io/btoll/debug", "index.docker.io", "btoll/debug")]
    #[case("ghcr.io/stefanprodan/podinfo", "ghcr.io", "stefanprodan/podinfo")]
    #[case("localhost:5000/app", "localhost:5000", "app")]
    #[case("localhost/app", "localhost", "app")]
    #[case("127.0.0.1:41234/team/app.x_y-z", "127.0.0.1:41234", "team/app.x_y-z")]
    #[case("[::1]:5000/app", "[::1]:5000", "app")]
    #[case("[fd00::1]/app", "[fd00::1]", "app")]
    fn a_name_knows_its_registry_and_repository(
        #[case] text: &str,
        #[case] registry: &str,
        #[case] repository: &str,
    ) {
        let name: ImageName = text.parse().unwrap();
        assert_eq!((name.registry(), name.repository()), (registry, repository));
        assert_eq!(name.to_string(), text);
    }

    #[rstest]
    #[case(
        "https://ghcr.io/a/b",
        "image 'https://ghcr.io/a/b' should not include URL scheme; remove 'https://'"
    )]
    #[case(
        "ghcr.io/a/b:1.0",
        "image 'ghcr.io/a/b:1.0' should not include a tag; remove ':1.0'"
    )]
    #[case("nginx:1.29", "image 'nginx:1.29' should not include a tag; remove ':1.29'")]
    #[case(
        "a/b@sha256:00",
        "image 'a/b@sha256:00' should not include a tag; remove ':00'"
    )]
    fn a_scheme_or_a_tag_is_refused_in_flux_words(#[case] text: &str, #[case] message: &str) {
        assert_eq!(text.parse::<ImageName>().unwrap_err().to_string(), message);
    }

    #[rstest]
    #[case("")]
    #[case("UPPER/case")]
    #[case("a//b")]
    #[case("ghcr.io/a/../b")]
    #[case("ghcr.io:99999/a")]
    #[case("-host.example/a")]
    #[case("ghcr.io/a b")]
    #[case("ghcr.io/a?x=1")]
    #[case("user@host.example/a")]
    fn hostile_names_are_refused(#[case] text: &str) {
        assert!(text.parse::<ImageName>().is_err(), "{text}");
    }
}
