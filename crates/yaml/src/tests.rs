use super::*;
use rstest::rstest;

fn read(text: &str, reading: Reading) -> serde_json::Value {
    let mut documents = parse(text, reading).unwrap();
    documents.remove(0).into_value().into()
}

#[rstest]
#[case("yes", "true", r#""yes""#)]
#[case("010", "8", "8")]
#[case("0o10", "8", "8")]
#[case("08", "8", "8")]
#[case("1_000", "1000", "1000")]
#[case("1e3", "1000", "1000")]
#[case("0b11", "3", "3")]
#[case(".5", "0.5", "0.5")]
#[case("2024-01-01", r#""2024-01-01""#, r#""2024-01-01T00:00:00Z""#)]
#[case("12345678901234567890", "12345678901234567890", "12345678901234567890")]
#[case("~", "null", "null")]
#[case("!!str 1", r#""1""#, r#""1""#)]
#[case("'1'", r#""1""#, r#""1""#)]
#[case("y: 1", r#"{"true":1}"#, r#"{"y":1}"#)]
#[case(
    "{a: &x {b: 1}, c: {<<: *x, d: 2}}",
    r#"{"a":{"b":1},"c":{"b":1,"d":2}}"#,
    r#"{"a":{"b":1},"c":{"b":1,"d":2}}"#
)]
fn scalars_are_read_as_go_yaml_reads_them(#[case] text: &str, #[case] api: &str, #[case] kustomize: &str) {
    assert_eq!(read(text, Reading::Api).to_string(), api);
    assert_eq!(read(text, Reading::Kustomize).to_string(), kustomize);
}

#[test]
fn a_repeated_key_is_an_error_for_kustomize_and_the_last_one_counts_for_the_api() {
    let text = "a: 1\nb: 2\na: 3\n";
    assert_eq!(read(text, Reading::Api).to_string(), r#"{"a":3,"b":2}"#);
    let error = parse(text, Reading::Kustomize).unwrap_err().to_string();
    assert_eq!(error, "line 3: mapping key \"a\" already defined at line 1");
}

#[test]
fn an_alias_bomb_is_stopped() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let alias = format!("*a{}, ", level - 1).repeat(10);
        text = format!("{text}a{level}: &a{level} [{alias}]\n");
    }
    let error = parse(&text, Reading::Api).unwrap_err();
    assert!(
        error.reason.starts_with("document contains excessive aliasing"),
        "{error}"
    );
}

#[test]
fn deep_nesting_is_stopped() {
    let error = parse(&"[".repeat(100_000), Reading::Api).unwrap_err();
    assert!(!error.reason.is_empty());
}

#[test]
fn nodes_know_their_place() {
    let documents = parse("# one\na:\n  b: c\n---\nx: y\n", Reading::Kustomize).unwrap();
    let item = documents[0].get("a").map(|node| (node.line, node.column));
    assert_eq!(item, Some((3, 3)));
    assert_eq!(documents[1].line, 5);
}

#[test]
fn spans_are_the_bytes_of_values() {
    let text = "\u{feff}é: \"ü\" # c\nlist:\n- a b\n- {c: 'd'}  \nblock: |\n  x\n  y\nlast: &a !!str z\n";
    let documents = parse(text, Reading::Kustomize).unwrap();
    let part = |name: &str| documents[0].get(name).map(|node| &text[node.span.clone()]);
    assert_eq!(part("é"), Some("\"ü\""));
    assert_eq!(part("list"), Some("- a b\n- {c: 'd'}"));
    assert_eq!(part("block"), Some("|\n  x\n  y\n"));
    assert_eq!(part("last"), Some("&a !!str z"));
}

#[test]
fn a_layout_has_the_scalars_and_comments_of_a_text() {
    let text = "# one\nkey: 'it''s' # two\n\t# three\nb: |- # four\n  x # none\nc:\nd: *a\n";
    let layout = layout(text).unwrap();
    let comments: Vec<(&str, usize)> = layout
        .comments
        .iter()
        .map(|comment| (&text[comment.span.clone()], comment.line))
        .collect();
    assert_eq!(
        comments,
        [("# one", 1), ("# two", 2), ("# three", 3), ("# four", 4)]
    );
    let scalars: Vec<(&str, &str, Style, usize)> = layout
        .scalars
        .iter()
        .map(|scalar| {
            (
                &*scalar.value,
                &text[scalar.span.clone()],
                scalar.style,
                scalar.line,
            )
        })
        .collect();
    assert_eq!(
        scalars,
        [
            ("key", "key", Style::Plain, 2),
            ("it's", "'it''s'", Style::SingleQuoted, 2),
            ("b", "b", Style::Plain, 4),
            ("x # none", "|- # four\n  x # none\n", Style::Literal, 4),
            ("c", "c", Style::Plain, 6),
            ("", "", Style::Plain, 6),
            ("d", "d", Style::Plain, 7),
        ]
    );
}

#[test]
fn documents_before_a_fault_are_read() {
    let mut documents = documents("a: 1\n---\nb: [\n---\nc: 1\n", Reading::Api, Limits::default());
    assert!(documents.next().is_some_and(|document| document.is_ok()));
    assert!(documents.next().is_some_and(|document| document.is_err()));
    assert!(documents.next().is_none());
}

#[test]
fn an_error_has_the_file_the_place_and_the_message_of_the_original() {
    let error = parse("a: 1\nb: c: d\n", Reading::Api).unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 2: mapping values are not allowed in this context"
    );
    assert_eq!(
        error.original(),
        "yaml: line 2: mapping values are not allowed in this context"
    );
    insta::assert_snapshot!(error.in_file("x/app.yaml"), @"x/app.yaml:2:5: mapping values are not allowed in this context");
}

#[test]
fn limits_bound_nesting_size_and_aliases() {
    let limits = |depth, nodes, aliased| Limits {
        depth,
        nodes,
        aliased,
    };
    let read = |text: &str, limits| parse_with(text, Reading::Api, limits).map_err(|error| error.reason);
    assert!(read("[[1]]", limits(2, 3, 0)).is_ok());
    assert_eq!(
        read("[[1]]", limits(1, 9, 9)).unwrap_err(),
        "nested more than 1 deep"
    );
    assert!(
        read("[[1]]", limits(9, 2, 9))
            .unwrap_err()
            .starts_with("more than 2 values")
    );
    let reason = read("[&a [1, 2], *a]", limits(9, 99, 2)).unwrap_err();
    assert!(
        reason.starts_with("document contains excessive aliasing"),
        "{reason}"
    );
    assert!(read("[&a [1, 2], *a]", limits(9, 99, 3)).is_ok());
}

#[rstest]
#[case("a: 1\na: 2\n", "key \"a\" already set in map")]
#[case("x: &x {a: 1}\ny: {a: 2, <<: *x}\n", "key \"a\" already set in map")]
fn a_strict_reading_refuses_equal_keys(#[case] text: &str, #[case] reason: &str) {
    assert_eq!(parse(text, Reading::ApiStrict).unwrap_err().reason, reason);
    assert!(parse(text, Reading::Api).is_ok());
}

proptest::proptest! {
    #[test]
    fn what_is_written_is_read_again(text in "\\PC{0,120}", key in "[a-zA-Z0-9 :#\\-é]{0,140}") {
        let value = serde_json::json!({ key: [text.clone(), { "k": text }] });
        // These are line breaks, or no content, for go-yaml.
        if !value.to_string().contains(['\u{feff}', '\u{2028}', '\u{2029}']) {
            for reading in [Reading::Api, Reading::Kustomize] {
                proptest::prop_assert_eq!(&read(&to_string(&value), reading), &value);
            }
        }
    }

    #[test]
    fn no_text_makes_a_reader_panic(text in "[-\\[\\]{}:,?&*!|>'\"%@ \n\ta1~<é]{0,60}") {
        for reading in [Reading::Api, Reading::ApiStrict, Reading::Kustomize] {
            for node in parse(&text, reading).unwrap_or_default() {
                proptest::prop_assert!(text.get(node.span.clone()).is_some());
            }
        }
        if let Ok(layout) = layout(&text) {
            for scalar in layout.scalars {
                proptest::prop_assert!(text.get(scalar.span).is_some());
            }
        }
    }
}
