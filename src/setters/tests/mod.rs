//! Tests of the setters as a whole.

mod conformance;
mod edits;
mod index;
mod laws;
mod parity;
mod random;
mod templates;

use crate::image::{ImageRef, PolicyKey, Selections};

const DIGEST: &str = "sha256:6745aaad46d795c9836632e1fb62f24b7e7f4c843144da8e47a5465c411a14be";

/// The policies behind the conformance cases, and one with a digest.
fn selections() -> Selections {
    [
        ("policy", "index.repo.fake/updated", "v1.0.1", None),
        ("num", "img", "123", None),
        ("float", "img", "1.10", None),
        ("octal", "img", "0123", None),
        ("exp", "img", "1e6", None),
        ("bool", "img", "on", None),
        ("date", "img", "2024-01-02", None),
        ("tru", "img", "true", None),
        ("a/b", "img", "x", None),
        ("pinned", "img", "v2", Some(DIGEST.to_owned())),
        ("six", "[::1]:5000/img", "v2", None),
    ]
    .into_iter()
    .map(|(policy, name, tag, digest)| {
        (
            PolicyKey::new("ns", policy),
            ImageRef::new(name, tag, digest).unwrap(),
        )
    })
    .collect()
}

/// Edits a text and asserts what holds for every edit: it reads the same the second time.
fn set(text: &str) -> super::Edited {
    let edited = super::set(text.as_bytes(), &selections());
    assert_eq!(edited.content.is_none(), edited.changes.is_empty());
    if let Some(content) = &edited.content {
        let again = super::set(content, &selections());
        assert_eq!(again.content, None, "the second run changes {:?}", again.changes);
        // The content of a marked block scalar may have looked like a marker itself.
        assert!(again.skipped.len() <= edited.skipped.len());
    }
    edited
}

/// The edited text; the text as it was when nothing changed.
fn text_of(edited: &super::Edited, before: &str) -> String {
    match &edited.content {
        Some(content) => String::from_utf8(content.clone()).unwrap(),
        None => before.to_owned(),
    }
}

fn reasons(edited: &super::Edited) -> Vec<String> {
    edited
        .skipped
        .iter()
        .map(|skipped| format!("{}: {}", skipped.line, skipped.reason))
        .collect()
}
