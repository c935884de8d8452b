//! What holds for every text.

use proptest::prelude::*;
use proptest::strategy::ValueTree;

use super::super::{SkipReason, locate, set, settled};
use super::*;

const MARKERS: [&str; 8] = [
    r#" # {"$imagepolicy": "ns:policy"}"#,
    r#" # {"$imagepolicy": "ns:float:tag"}"#,
    r#" # {"$imagepolicy": "ns:policy:digest"}"#,
    r#" # {"$imagepolicy": "ns:six:name"}"#,
    r#" # {"$imagepolicy": "ns:gone"}"#,
    " # plain comment",
    "",
    "",
];

const SCALARS: [&str; 14] = [
    "old:v1",
    "'old'",
    "\"o\\\"ld\"",
    "~",
    "123",
    "a b",
    "é\u{1F600}",
    "&x old",
    "!!str old",
    "\"\"",
    "|\n      old",
    ">-\n      old",
    "{a: b}",
    "[a, b]",
];

/// Pieces that make hostile texts more often YAML than random characters do.
const PIECES: [&str; 42] = [
    "a",
    ":",
    ": ",
    "- ",
    "-",
    "? ",
    "\n",
    "\r\n",
    "\r",
    "\t",
    " ",
    "  ",
    "    ",
    "#",
    " # ",
    "{",
    "}",
    "[",
    "]",
    ",",
    "'",
    "\"",
    "\\",
    "|",
    ">",
    "|2-",
    "&a ",
    "*a",
    "!!str ",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "\u{feff}",
    "é",
    "\u{1F600}",
    "{{ .x }}",
    "{{",
    "old",
    "\"old\"# {\"$imagepolicy\": \"ns:policy\"}\n",
    "#{\"$imagepolicy\": \"ns:policy\"}\n",
    " # {\"$imagepolicy\": \"ns:policy\"}\n",
    "# {\"$imagepolicy\": \"ns:policy:tag\"}\n",
];

fn document() -> impl Strategy<Value = String> {
    let line = (0usize..4, 0usize..4, 0..SCALARS.len(), 0..MARKERS.len()).prop_map(
        |(form, depth, scalar, marker)| {
            let scalar = SCALARS[scalar];
            // The comment of a block scalar stands behind its header.
            let marked = match scalar.split_once('\n') {
                Some((header, body)) => format!("{header}{}\n{body}", MARKERS[marker]),
                None => format!("{scalar}{}", MARKERS[marker]),
            };
            let nested = ["", "k0:\n", "k0:\n k1:\n", "k0:\n k1:\n  k2:\n"][depth];
            let indent = " ".repeat(depth);
            match form {
                0 => format!("{nested}{indent}image: {marked}\n"),
                1 => format!("{nested}{indent}- {marked}\n{indent}- x\n"),
                2 => format!(
                    "{nested}{indent}-\n{indent} {}\n{indent}- {scalar}\n",
                    MARKERS[marker].trim()
                ),
                _ => format!(
                    "{nested}{indent}f: {{\n {indent}  a: b,{}\n {indent} }}\n",
                    MARKERS[marker]
                ),
            }
        },
    );
    let separator = prop_oneof![3 => Just("---\n"), 1 => Just("...\n---\n"), 1 => Just("--- # c\n")];
    let crlf = any::<bool>();
    (prop::collection::vec((line, separator), 1..8), crlf).prop_map(|(lines, crlf)| {
        let text: String = lines
            .into_iter()
            .flat_map(|(line, separator)| [separator.to_owned(), line])
            .collect();
        if crlf { text.replace('\n', "\r\n") } else { text }
    })
}

/// Asserts the laws for one text, and gives the number of changes.
fn assert_laws(before: &[u8]) -> usize {
    let located = locate(before);
    let edited = set(before, &selections());
    assert_eq!(edited.content.is_none(), edited.changes.is_empty());
    if let Some(skipped) = settled(&located, &selections()) {
        assert_eq!((&edited.content, &edited.skipped), (&None, &skipped));
    } else {
        let is_unsafe = edited.skipped.iter().any(|s| s.reason == SkipReason::Unsafe);
        assert!(edited.content.is_some() || is_unsafe);
    }
    let Some(after) = &edited.content else {
        return 0;
    };
    assert_ne!(after, before);
    // The bytes between the spans of changed scalars follow each other in the result.
    let mut rest = after.as_slice();
    let mut offset = 0;
    for scalar in &located.scalars {
        let Some(change) = edited
            .changes
            .iter()
            .find(|c| (c.line, c.column) == (scalar.line, scalar.column))
        else {
            continue;
        };
        let outside = &before[offset..scalar.span.start];
        rest = rest.strip_prefix(outside).unwrap();
        let plain = change.new.as_bytes();
        let quoted = format!("\"{}\"", change.new);
        let single = format!("'{}'", change.new);
        let forms = [plain, quoted.as_bytes(), single.as_bytes()];
        let longest = forms
            .iter()
            .filter(|form| rest.starts_with(form))
            .max_by_key(|form| form.len());
        rest = &rest[longest.unwrap().len()..];
        offset = scalar.span.end;
    }
    assert_eq!(rest, &before[offset..]);
    let again = set(after, &selections());
    assert_eq!(again.content, None);
    // The content of a marked block scalar may have looked like a marker itself.
    assert!(again.skipped.len() <= edited.skipped.len());
    edited.changes.len()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) })]

    #[test]
    fn bytes_outside_the_scalars_stay_and_the_second_run_does_nothing(text in document()) {
        assert_laws(text.as_bytes());
    }

    #[test]
    fn texts_that_are_almost_yaml_obey_the_same_laws(pieces in prop::collection::vec(0..PIECES.len(), 0..60)) {
        let text: String = pieces.into_iter().map(|piece| PIECES[piece]).collect();
        assert_laws(text.as_bytes());
    }

    #[test]
    fn random_bytes_obey_the_same_laws(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        bytes.extend_from_slice(b"\na: old # {\"$imagepolicy\": \"ns:policy\"}\n");
        assert_laws(&bytes);
    }

    #[test]
    fn truncated_documents_obey_the_same_laws(text in document(), cut in any::<prop::sample::Index>()) {
        let bytes = text.as_bytes();
        assert_laws(&bytes[..cut.index(bytes.len())]);
    }
}

#[test]
fn most_generated_documents_do_change() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let changes: usize = (0..200)
        .map(|_| {
            let tree = document().new_tree(&mut runner).unwrap();
            assert_laws(tree.current().as_bytes())
        })
        .sum();
    assert!(changes > 100, "{changes}");
}
