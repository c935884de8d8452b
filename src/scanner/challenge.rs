//! The headers with which a registry asks for credentials and names the next page.

use url::Url;

/// One challenge of a `WWW-Authenticate` header (RFC 9110, section 11.6.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// User name and password with every request.
    Basic,
    /// A token from the server at `realm` (distribution specification, token authentication).
    Bearer {
        /// The address of the token server, as written.
        realm: String,
        /// The name of the registry at the token server.
        service: Option<String>,
        /// What the token must allow, for example `repository:library/nginx:pull`.
        scope: Option<String>,
    },
    /// A scheme that registries do not use for pulling.
    Other(String),
}

/// Reads the challenges of one header value; a header may hold several.
///
/// The reading is lenient where the meaning is clear: schemes and names in any case, unquoted values with any
/// characters but commas and spaces, a missing closing quote. A Bearer challenge without a realm counts as
/// [`Challenge::Other`]. It never fails: what makes no sense is skipped.
#[must_use]
pub fn parse_challenges(header: &str) -> Vec<Challenge> {
    let mut rest = Cursor { text: header };
    let mut found: Vec<(String, Vec<(String, String)>)> = Vec::new();
    loop {
        rest.skip(|c| c == ',' || c.is_ascii_whitespace());
        if rest.text.is_empty() {
            break;
        }
        let word = rest.take(|c| c != ',' && c != '=' && !c.is_ascii_whitespace());
        let mut ahead = Cursor { text: rest.text };
        ahead.skip(|c| c.is_ascii_whitespace());
        match (ahead.text.strip_prefix('='), found.last_mut()) {
            // `name=value` belongs to the scheme before it.
            (Some(value), Some((_, parameters))) if !word.is_empty() => {
                rest.text = value;
                rest.skip(|c| c.is_ascii_whitespace());
                let value = rest.value();
                parameters.push((word.to_ascii_lowercase(), value));
            }
            (Some(stray), _) => rest.text = stray,
            (None, _) => found.push((word.to_owned(), Vec::new())),
        }
    }
    found
        .into_iter()
        .map(|(scheme, parameters)| challenge(scheme, &parameters))
        .collect()
}

/// Why a `Link` header is not followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLink {
    /// The target is no URL.
    #[error("the link to the next page is no URL")]
    Malformed,
    /// The target is on another host than the page that names it.
    #[error("the link to the next page leads to another host, {host}")]
    OtherHost {
        /// The host that the link names.
        host: String,
    },
}

/// Finds the next page in a `Link` header (RFC 8288) of the page at `base`.
///
/// The result keeps scheme, host and port of `base`: registries behind a proxy often write `http` or their inner port
/// into absolute links.
///
/// # Errors
/// [`InvalidLink`] when there is a next page, and it cannot or must not be followed.
pub fn next_page(header: &str, base: &Url) -> Result<Option<Url>, InvalidLink> {
    let Some(target) = next_target(header) else {
        return Ok(None);
    };
    let linked = base.join(&target).map_err(|_| InvalidLink::Malformed)?;
    if !matches!(linked.scheme(), "http" | "https") {
        return Err(InvalidLink::Malformed);
    }
    if linked.host_str() != base.host_str() {
        return Err(InvalidLink::OtherHost {
            host: linked.host_str().unwrap_or_default().to_owned(),
        });
    }
    let mut next = base.clone();
    next.set_path(linked.path());
    next.set_query(linked.query());
    next.set_fragment(None);
    Ok(Some(next))
}

fn challenge(scheme: String, parameters: &[(String, String)]) -> Challenge {
    let parameter = |name: &str| {
        parameters
            .iter()
            .find(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.clone())
    };
    if scheme.eq_ignore_ascii_case("basic") {
        return Challenge::Basic;
    }
    match parameter("realm") {
        Some(realm) if scheme.eq_ignore_ascii_case("bearer") => Challenge::Bearer {
            realm,
            service: parameter("service"),
            scope: parameter("scope"),
        },
        _ => Challenge::Other(scheme),
    }
}

/// The target of the first link whose relations include `next`.
fn next_target(header: &str) -> Option<String> {
    let mut rest = Cursor { text: header };
    loop {
        rest.skip(|c| c != '<');
        rest.text = rest.text.strip_prefix('<')?;
        let target = rest.take(|c| c != '>').trim().to_owned();
        rest.text = rest.text.strip_prefix('>')?;
        let mut is_next = false;
        loop {
            rest.skip(|c| c.is_ascii_whitespace());
            let Some(parameters) = rest.text.strip_prefix(';') else {
                break;
            };
            rest.text = parameters;
            rest.skip(|c| c.is_ascii_whitespace());
            let name = rest.take(|c| !matches!(c, '=' | ';' | ',') && !c.is_ascii_whitespace());
            rest.skip(|c| c.is_ascii_whitespace());
            let Some(value) = rest.text.strip_prefix('=') else {
                continue;
            };
            rest.text = value;
            rest.skip(|c| c.is_ascii_whitespace());
            let value = rest.value();
            is_next |= name.eq_ignore_ascii_case("rel")
                && value
                    .split_ascii_whitespace()
                    .any(|relation| relation.eq_ignore_ascii_case("next"));
        }
        if is_next {
            return Some(target);
        }
    }
}

/// What is left to read of a header.
struct Cursor<'t> {
    text: &'t str,
}

impl<'t> Cursor<'t> {
    fn skip(&mut self, matches: impl Fn(char) -> bool) {
        self.text = self.text.trim_start_matches(matches);
    }

    fn take(&mut self, matches: impl Fn(char) -> bool) -> &'t str {
        let rest = self.text.trim_start_matches(&matches);
        let (taken, _) = self.text.split_at(self.text.len() - rest.len());
        self.text = rest;
        taken
    }

    /// A quoted string, or everything up to the next separator.
    fn value(&mut self) -> String {
        let Some(quoted) = self.text.strip_prefix('"') else {
            return self
                .take(|c| !matches!(c, ',' | ';') && !c.is_ascii_whitespace())
                .to_owned();
        };
        let mut value = String::new();
        let mut characters = quoted.chars();
        while let Some(character) = characters.next() {
            match character {
                '"' => break,
                '\\' => value.extend(characters.next()),
                other => value.push(other),
            }
        }
        self.text = characters.as_str();
        value
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
            scope: scope.map(str::to_owned),
        }
    }

    #[rstest]
    #[case::docker_hub(
        r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/nginx:pull""#,
        vec![bearer("https://auth.docker.io/token", Some("registry.docker.io"), Some("repository:library/nginx:pull"))]
    )]
    #[case::comma_in_a_quoted_scope(
        r#"Bearer realm="https://r/t", scope="repository:a:pull,push""#,
        vec![bearer("https://r/t", None, Some("repository:a:pull,push"))]
    )]
    #[case::escapes(r#"bearer REALM="https://r/\"x\\y""#, vec![bearer(r#"https://r/"x\y"#, None, None)])]
    #[case::two_challenges_in_one_header(
        r#"Basic realm="registry", Bearer realm="https://r/t",service="s""#,
        vec![Challenge::Basic, bearer("https://r/t", Some("s"), None)]
    )]
    #[case::the_other_order(
        r#"Bearer realm="https://r/t", Basic realm="x""#,
        vec![bearer("https://r/t", None, None), Challenge::Basic]
    )]
    #[case::no_parameters("Basic", vec![Challenge::Basic])]
    #[case::unquoted_values("Bearer realm=https://r/t,service=s", vec![bearer("https://r/t", Some("s"), None)])]
    #[case::spaces_around_equals(r#"Bearer realm = "https://r/t" , service = "s""#, vec![bearer("https://r/t", Some("s"), None)])]
    #[case::a_token68_is_no_parameter_of_the_next(
        r#"Negotiate abc=, Basic realm="x""#,
        vec![Challenge::Other("Negotiate".into()), Challenge::Basic]
    )]
    #[case::no_closing_quote(r#"Bearer realm="https://r/t"#, vec![bearer("https://r/t", None, None)])]
    #[case::bearer_without_realm(r#"Bearer service="s""#, vec![Challenge::Other("Bearer".into())])]
    #[case::empty("", vec![])]
    #[case::noise(",,= ,=", vec![])]
    fn challenges_are_read(#[case] header: &str, #[case] expected: Vec<Challenge>) {
        assert_eq!(parse_challenges(header), expected);
    }

    #[rstest]
    #[case::relative(
        r#"</v2/a/tags/list?last=x&n=100>; rel="next""#,
        Some("https://r.example:8443/v2/a/tags/list?last=x&n=100")
    )]
    #[case::relative_to_the_page(
        r"<list?last=x>; rel=next",
        Some("https://r.example:8443/v2/a/tags/list?last=x")
    )]
    #[case::absolute(
        r#"<https://r.example:8443/next?token=a,b;c>; rel="next""#,
        Some("https://r.example:8443/next?token=a,b;c")
    )]
    #[case::the_scheme_and_port_of_the_page_stay(
        r#"<http://r.example/next>; rel="next""#,
        Some("https://r.example:8443/next")
    )]
    #[case::user_information_is_dropped(
        r#"<https://u:p@r.example/next>; rel="next""#,
        Some("https://r.example:8443/next")
    )]
    #[case::second_link(
        r#"</a>; rel="prev", </b>; title="x, y"; rel="last next""#,
        Some("https://r.example:8443/b")
    )]
    #[case::no_next(r#"</a>; rel="prev""#, None)]
    #[case::no_relation("</a>", None)]
    #[case::broken("/a; rel=next", None)]
    #[case::unclosed("</a; rel=next", None)]
    #[case::empty("", None)]
    fn the_next_page_stays_on_the_host(#[case] header: &str, #[case] expected: Option<&str>) {
        let base = Url::parse("https://r.example:8443/v2/a/tags/list").unwrap();
        assert_eq!(
            next_page(header, &base).unwrap().map(String::from).as_deref(),
            expected
        );
    }

    #[rstest]
    #[case("<http://evil.example/v2/a/tags/list>; rel=next", InvalidLink::OtherHost { host: "evil.example".into() })]
    #[case("<//evil.example/x>; rel=next", InvalidLink::OtherHost { host: "evil.example".into() })]
    #[case("<https://r.example.evil/x>; rel=next", InvalidLink::OtherHost { host: "r.example.evil".into() })]
    #[case("<file:///etc/passwd>; rel=next", InvalidLink::Malformed)]
    #[case("<https://>; rel=next", InvalidLink::Malformed)]
    fn a_link_elsewhere_is_refused(#[case] header: &str, #[case] expected: InvalidLink) {
        let base = Url::parse("https://r.example:8443/v2/a/tags/list").unwrap();
        assert_eq!(next_page(header, &base), Err(expected));
    }

    proptest::proptest! {
        #[test]
        fn no_header_makes_the_readers_fail(header in "[\\x20-\\x7e]{0,80}") {
            let base = Url::parse("https://r.example/v2/").unwrap();
            drop(parse_challenges(&header));
            if let Ok(Some(next)) = next_page(&header, &base) {
                proptest::prop_assert_eq!(next.host_str(), Some("r.example"));
            }
        }
    }
}
