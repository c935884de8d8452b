//! Token servers that the administrator lets see the credentials of a registry.

use std::fmt;
use std::str::FromStr;

/// A token server on another host than its registry, as a self-managed GitLab has it: `REGISTRY=HOST`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenHost {
    registry: String,
    host: String,
}

/// The text names no registry and token server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{text}' is no registry and token server, expected REGISTRY=HOST such as registry.example.com=gitlab.example.com"
)]
pub struct InvalidTokenHost {
    /// The text.
    pub text: String,
}

impl TokenHost {
    /// Whether `host` may see the credentials of `registry` (host with optional port).
    pub(super) fn allows(&self, registry: &str, host: &str) -> bool {
        let name = match registry.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => name,
            _ => registry,
        };
        (self.registry.eq_ignore_ascii_case(registry) || self.registry.eq_ignore_ascii_case(name))
            && self.host.eq_ignore_ascii_case(host)
    }
}

impl FromStr for TokenHost {
    type Err = InvalidTokenHost;

    fn from_str(text: &str) -> Result<Self, InvalidTokenHost> {
        let invalid = || InvalidTokenHost {
            text: text.to_owned(),
        };
        let (registry, host) = text.trim().split_once('=').ok_or_else(invalid)?;
        // No scheme, path, port or wildcard: a rule that matches nothing would look like one that works.
        let is_host = |text: &str| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b))
        };
        if is_host(registry) && is_host(host) && (!host.contains(':') || host.starts_with('[')) {
            Ok(Self {
                registry: registry.to_owned(),
                host: host.to_owned(),
            })
        } else {
            Err(invalid())
        }
    }
}

impl fmt::Display for TokenHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.registry, self.host)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("registry.example=sso.example", "registry.example", "sso.example", true)]
    #[case("registry.example=sso.example", "registry.example:5050", "SSO.example", true)]
    #[case(
        "registry.example:5050=sso.example",
        "registry.example:5050",
        "sso.example",
        true
    )]
    #[case("registry.example:5050=sso.example", "registry.example", "sso.example", false)]
    #[case("registry.example=sso.example", "other.example", "sso.example", false)]
    #[case("registry.example=sso.example", "registry.example", "evil.sso.example", false)]
    fn a_rule_is_for_one_registry_and_one_token_server(
        #[case] rule: &str,
        #[case] registry: &str,
        #[case] host: &str,
        #[case] expected: bool,
    ) {
        assert_eq!(
            rule.parse::<TokenHost>().unwrap().allows(registry, host),
            expected
        );
    }

    #[rstest]
    #[case("registry.example")]
    #[case("=sso.example")]
    #[case("registry.example=")]
    #[case("registry.example=https://sso.example/token")]
    #[case("registry.example=sso.example:443")]
    #[case("registry.example=*.example")]
    fn anything_else_is_refused(#[case] rule: &str) {
        assert!(rule.parse::<TokenHost>().is_err());
    }
}
