//! `.gitmodules`: which repository a submodule comes from.

use std::collections::HashMap;

/// The URLs of submodules by path.
///
/// The file has the form of Git's configuration: sections, `key = value`, comments, quotes, lines that go on behind a backslash.
/// What is malformed counts as nothing; of two values the later one counts.
pub(super) fn parse(text: &str) -> HashMap<String, String> {
    let mut modules: HashMap<String, (Option<String>, Option<String>)> = HashMap::new();
    let mut section = None;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let mut line = line.trim().to_owned();
        while line.ends_with('\\')
            && !line.ends_with("\\\\")
            && let Some(next) = lines.next()
        {
            line.pop();
            line.push_str(next.trim_end());
        }
        if let Some(header) = line.strip_prefix('[') {
            section = header.split_once(']').and_then(|(header, _)| submodule(header));
        } else if let (Some(name), Some((key, value))) = (&section, line.split_once('=')) {
            let (path, url) = modules.entry(name.clone()).or_default();
            match key.trim().to_ascii_lowercase().as_str() {
                "path" => *path = Some(unquoted(value)),
                "url" => *url = Some(unquoted(value)),
                _ => {}
            }
        }
    }
    modules
        .into_values()
        .filter_map(|(path, url)| Some((path?.trim_end_matches('/').to_owned(), url?)))
        .collect()
}

/// The name in `submodule "name"`.
fn submodule(header: &str) -> Option<String> {
    let (kind, name) = header.trim().split_once(char::is_whitespace)?;
    let name = name.trim().strip_prefix('"')?.strip_suffix('"')?;
    kind.eq_ignore_ascii_case("submodule").then(|| name.to_owned())
}

/// A value without quotes, escapes and the comment behind it.
fn unquoted(value: &str) -> String {
    let mut text = String::new();
    // Where the last character stands that is not a space outside of quotes.
    let mut end = 0;
    let mut is_quoted = false;
    let mut characters = value.trim_start().chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => {
                is_quoted = !is_quoted;
                continue;
            }
            '\\' => match characters.next() {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some(other) => text.push(other),
                None => break,
            },
            '#' | ';' if !is_quoted => break,
            other => {
                text.push(other);
                if other.is_whitespace() && !is_quoted {
                    continue;
                }
            }
        }
        end = text.len();
    }
    text.truncate(end);
    text
}

/// The address of a submodule whose URL may be relative to that of the repository it belongs to.
///
/// # Errors
/// A URL that leads to this machine, or above the root of the server.
pub(super) fn address(parent: &str, url: &str) -> Result<String, String> {
    if url.contains("://") {
        return Ok(url.to_owned());
    }
    let first = url.split('/').next().unwrap_or_default();
    if let Some((login, _)) = first.split_once(':') {
        // The short form of SSH: what stands behind the colon is relative to the home of the user.
        let path = url.get(login.len() + 1..).unwrap_or_default();
        return Ok(format!("ssh://{login}/{}", path.trim_start_matches('/')));
    }
    if url.is_empty() || url.starts_with('/') || url.starts_with('\\') {
        return Err(format!(
            "the URL {url:?} leads to the file system of this machine"
        ));
    }
    let (scheme, rest) = parent
        .split_once("://")
        .ok_or_else(|| format!("the URL {url:?} is relative to a repository without one"))?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
    for name in url.split('/') {
        match name {
            "" | "." => {}
            ".." => {
                names.pop().ok_or_else(|| {
                    format!("the URL {url:?} leads above the root of {scheme}://{authority}")
                })?;
            }
            name => names.push(name),
        }
    }
    Ok(format!("{scheme}://{authority}/{}", names.join("/")))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::{address, parse};

    #[test]
    fn a_modules_file_is_read_as_git_reads_it() {
        let modules = parse(
            "# ours\n[core]\n\turl = no\n[submodule \"a\"]\n\tpath = libs/a\n\turl = ../a.git ; comment\n\
             [Submodule \"b \\\"x\\\"\"]\npath=\"libs/b #1\"/\nURL = https://example.org/\\\nb.git\n\
             [submodule \"no url\"]\npath = c\n[submodule \"a\"]\nurl = ../a2.git\n",
        );
        let mut found: Vec<_> = modules.into_iter().collect();
        found.sort();
        let pairs = [
            ("libs/a", "../a2.git"),
            ("libs/b #1", "https://example.org/b.git"),
        ];
        assert_eq!(found, pairs.map(|(path, url)| (path.to_owned(), url.to_owned())));
    }

    #[rstest]
    #[case(
        "https://example.org/team/app.git",
        "../lib.git",
        Ok("https://example.org/team/lib.git")
    )]
    #[case(
        "https://example.org/team/app.git",
        "./lib.git",
        Ok("https://example.org/team/app.git/lib.git")
    )]
    #[case(
        "https://example.org/team/app",
        "../../other/lib",
        Ok("https://example.org/other/lib")
    )]
    #[case(
        "ssh://git@example.org:2222/team/app",
        "../lib",
        Ok("ssh://git@example.org:2222/team/lib")
    )]
    #[case(
        "https://example.org/app",
        "https://other.org/lib",
        Ok("https://other.org/lib")
    )]
    #[case(
        "https://example.org/app",
        "git@other.org:team/lib.git",
        Ok("ssh://git@other.org/team/lib.git")
    )]
    #[case("https://example.org/app", "../../lib", Err("above the root"))]
    #[case("https://example.org/app", "/etc/lib", Err("file system of this machine"))]
    #[case("https://example.org/app", "", Err("file system of this machine"))]
    fn an_address_is_relative_to_the_repository(
        #[case] parent: &str,
        #[case] url: &str,
        #[case] expected: Result<&str, &str>,
    ) {
        match (address(parent, url), expected) {
            (Ok(address), Ok(expected)) => assert_eq!(address, expected),
            (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
            other => panic!("{other:?}"),
        }
    }
}
