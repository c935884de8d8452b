//! What is changed, what is not, and what is said about it.

use rstest::rstest;

use super::*;

const MARKER: &str = r#"{"$imagepolicy": "ns:policy"}"#;
const NEW: &str = "index.repo.fake/updated:v1.0.1";

/// Writes `@` for the marker, and `OLD` for the scalar that it sets.
fn check(template: &str, old: &str, new: &str) {
    let before = template.replace('@', MARKER).replace("OLD", old);
    let after = template.replace('@', MARKER).replace("OLD", new);
    let edited = set(&before);
    assert_eq!(text_of(&edited, &before), after, "{:?}", edited.skipped);
    assert_eq!(edited.skipped, []);
}

#[rstest]
#[case::mapping_value("image: OLD # @\n")]
#[case::no_final_newline("image: OLD # @")]
#[case::sequence_item("list:\n- OLD # @\n- other:v1\n")]
#[case::crlf("a: b\r\nimage: OLD # @\r\nc: d\r\n")]
#[case::lone_carriage_returns("a: b\rimage: OLD # @\rc: d\r")]
#[case::byte_order_mark("\u{feff}image: OLD # @\n")]
#[case::tab_before_the_comment("image: OLD\t# @\n")]
#[case::tab_behind_the_colon("image:\tOLD # @\n")]
#[case::spaces("image:    OLD       # @   \n")]
#[case::four_space_indent("a:\n    b:\n        - c:   OLD # @\n\n\n          d: 1      # far\n")]
#[case::emoji("a: \u{1F600} # \u{1F600}\n\u{1F600}: \"\u{1F600}\"\nimage: OLD # @\nb: é\n")]
#[case::directives("%YAML 1.2\n%TAG ! tag:x,2000:\n--- # c\nimage: OLD # @\n...\n")]
#[case::documents("# only a comment\n---\n# nothing\n---\na: b\n---\nimage: OLD # @\n---\n...\n---\nc: d\n")]
#[case::repeated_key("image: OLD # @\nimage: x\nimage: OLD # @\n")]
#[case::complex_keys("? complex\n: v\n? [a, b]\n: OLD # @\n? {c: d}\n: e\n")]
#[case::anchor("image: &x OLD # @\nother: *x\n")]
#[case::tag("image: !!str OLD # @\nother: !<tag:yaml.org,2002:str> OLD # @\n")]
#[case::tag_and_anchor("image: &a#b !!str OLD # @\nlist:\n- !local &c   OLD # @\n")]
#[case::anchor_on_the_line_before("image: &x # c\n  OLD # @\n")]
#[case::value_on_the_next_line("image:\n  OLD # @\n")]
#[case::comment_between_key_and_value("image:\n  # @\n  OLD\n")]
#[case::comment_behind_the_dash("list:\n- # @\n  OLD\n")]
#[case::head_comment("list:\n# @\n- OLD\n- b\n")]
#[case::head_comment_of_a_later_item("list:\n- a # x\n# @\n- OLD\n")]
#[case::head_comment_below_a_foot("list:\n- a\n# foot\n# foot\n\n# @\n- OLD\n")]
#[case::head_comment_of_a_first_item_with_a_blank_line("list:\n# @\n\n- OLD\n")]
#[case::head_comment_after_a_mapping("list:\n- a: b\n# @\n- OLD\n")]
#[case::head_comment_of_another_indentation("list:\n  - a\n# @\n  - OLD\n      # @\n  - OLD\n")]
#[case::head_comment_of_an_anchored_item("list:\n# @\n- &x OLD\n")]
#[case::head_comment_in_a_nested_sequence("list:\n- - a\n  # @\n  - OLD\n")]
#[case::head_comment_of_a_flow_item("list: [\n  # @\n  OLD,\n  # @\n  OLD\n]\n")]
#[case::flow_mapping("a: {\n  image: OLD, # @\n  image2: OLD # @\n}\n")]
#[case::flow_sequence("a: [\n  x, OLD, # @\n  OLD # @\n]\n")]
#[case::flow_comma_on_the_next_line("a: [\n  OLD\n  , # @\n  b\n]\n")]
#[case::json("{\n  \"a\": {\"b\": [\"c\"]}, \"image\": \"OLD\" # @\n}\n")]
#[case::merge_keys("a: &a {b: c}\nd:\n  <<: *a\n  image: OLD # @\n")]
#[case::aligned_comments("image: OLD # @\n           # more\n")]
#[case::strings_with_hashes("a: 'x # @'\nb: \"y # z\"\nimage: OLD # @\nc: d#e\n")]
#[case::urls_in_plain_text("a: http://x/#y\nimage: OLD # @\n")]
#[case::root_scalar("--- OLD # @\n")]
#[case::top_level_sequence("- image: OLD # @\n- image: b\n- OLD # @\n")]
#[case::null("image: OLD # @\nimage2: null\n")]
#[case::trailing_spaces_in_block_text("a: |\n  x  \n  y\nimage: OLD # @\nb: >\n  z  \n\n   w\n")]
#[case::two_documents_without_a_final_newline("image: OLD # @\n---\nimage: OLD # @")]
fn only_the_scalar_changes(
    #[case] template: &str,
    #[values("old:v1", "~", "null", "123", "a_b-c.d/e", "http://x:1/y")] old: &str,
) {
    check(template, old, NEW);
}

#[rstest]
#[case("image: OLD # @\n", "'it''s'", "'index.repo.fake/updated:v1.0.1'")]
#[case("image: OLD # @\n", r#""a\"b\\""#, r#""index.repo.fake/updated:v1.0.1""#)]
#[case("image: OLD # @\n", "\"\"", r#""index.repo.fake/updated:v1.0.1""#)]
#[case("list:\n# @\n- OLD\n", "''", "'index.repo.fake/updated:v1.0.1'")]
#[case(
    "image: OLD # @\n",
    "\"a\\\n  b # c\n  d\"",
    r#""index.repo.fake/updated:v1.0.1""#
)]
#[case("image: OLD # @\nb: c\n", "'a\n\n  b'", "'index.repo.fake/updated:v1.0.1'")]
#[case("image: OLD # @\nb: c\n", "old\n  more\n\n  lines", NEW)]
#[case("image: OLD # @\r\nb: c\r\n", "old\r\n  more", NEW)]
#[case("image: &x !!str OLD # @\n", "'a'", "'index.repo.fake/updated:v1.0.1'")]
#[case("image: | # @\n  OLD\nb: c\n", "old:v1", NEW)]
#[case("image: > # @\n  OLD\n\n\nb: c\n", "old:v1", NEW)]
#[case("image: |+ # @\n  OLD\n\n\nb: c\n", "old:v1", NEW)]
#[case("image: >- # @\n    OLD\n  # comment\nb: c\n", "old:v1", NEW)]
#[case("image: |2 # @\r\n  OLD\r\nb: c\r\n", "old:v1  ", NEW)]
#[case("list:\n- |- # @\n  OLD", "# old", NEW)]
#[case("list:\n# @\n- |\n  OLD\n- b\n", "old", NEW)]
fn the_style_of_the_scalar_stays(#[case] template: &str, #[case] old: &str, #[case] new: &str) {
    check(template, old, new);
}

#[rstest]
#[case::double("image: OLD# @\nb: c\n", "\"old\"", "\"index.repo.fake/updated:v1.0.1\"")]
#[case::single("list:\n- OLD# @\n", "'old'", "'index.repo.fake/updated:v1.0.1'")]
#[case::without_any_space("image: OLD#@\nb: 'x'# c\n", "\"old\"", "\"index.repo.fake/updated:v1.0.1\"")]
#[case::in_flow(
    "a: {\n  b: OLD,# @\n  c: OLD# @\n}\n",
    "\"old\"",
    "\"index.repo.fake/updated:v1.0.1\""
)]
#[case::block_scalar("image: |# @\n  OLD\n", "old", NEW)]
#[case::other_comments("a: [b]# é\nc: {d: e}#f\nimage: OLD # @\n", "old", NEW)]
#[case::no_yaml("\t:\nimage: OLD# @\n", "\"old\"", "\"index.repo.fake/updated:v1.0.1\"")]
fn a_comment_right_behind_a_quote_or_a_bracket_is_one(
    #[case] template: &str,
    #[case] old: &str,
    #[case] new: &str,
) {
    check(template, old, new);
}

#[rstest]
#[case("ns:num:tag", "\"123\"")]
#[case("ns:float:tag", "\"1.10\"")]
#[case("ns:octal:tag", "\"0123\"")]
#[case("ns:exp:tag", "\"1e6\"")]
#[case("ns:bool:tag", "\"on\"")]
#[case("ns:date:tag", "\"2024-01-02\"")]
#[case("ns:tru:tag", "\"true\"")]
#[case("ns:six", "\"[::1]:5000/img:v2\"")]
#[case("ns:num", "img:123")]
#[case("ns:a/b", "img:x")]
#[case("ns:policy:name", "index.repo.fake/updated")]
#[case("ns:policy:tag", "v1.0.1")]
#[case("ns:policy:digest", "\"\"")]
#[case("ns:pinned:digest", DIGEST)]
#[case("ns:pinned:tag", "v2")]
fn a_plain_scalar_gets_quotes_only_where_it_needs_them(#[case] setter: &str, #[case] written: &str) {
    for (open, close) in [("a: ", ""), ("- ", ""), ("{a: ", "\n}"), ("[ ", "\n]")] {
        let before = format!("{open}old # {{\"$imagepolicy\": \"{setter}\"}}{close}\n");
        let after = before.replacen("old", written, 1);
        let edited = set(&before);
        assert_eq!(text_of(&edited, &before), after);
    }
}

#[test]
fn a_bare_marker_writes_name_tag_and_digest() {
    let before = r#"a: old # {"$imagepolicy": "ns:pinned"}"#;
    let edited = set(before);
    assert_eq!(edited.changes[0].new, format!("img:v2@{DIGEST}"));
}

#[rstest]
#[case("image: index.repo.fake/updated:v1.0.1 # @")]
#[case("image: 'index.repo.fake/updated:v1.0.1' # @")]
#[case("image: \"index.repo.fake\\/updated:v1.0.1\" # @")]
#[case("image: |\n  # not yet\n")]
#[case("image: >+ # @\n  index.repo.fake/updated:v1.0.1\n\n\n")]
#[case("a: 1.10 # {\"$imagepolicy\": \"ns:float:tag\"}")]
#[case("a: '' # {\"$imagepolicy\": \"ns:policy:digest\"}")]
#[case("# a: b # @\n")]
#[case("# the $imagepolicy marker\na: b\n")]
fn a_value_that_is_there_already_is_no_change(#[case] template: &str) {
    let edited = set(&template.replace('@', MARKER));
    assert_eq!(edited, super::super::Edited::default());
}

#[rstest]
#[case::flow_mapping(
    "spec: {image: x, b: c} # @",
    "1: the marker stands behind a mapping; it must stand behind the scalar that it sets"
)]
#[case::flow_sequence(
    "a: [x] # @",
    "1: the marker stands behind a sequence; it must stand behind the scalar that it sets"
)]
#[case::flow_end(
    "a: [\n x\n ] # @",
    "3: the marker stands behind a sequence; it must stand behind the scalar that it sets"
)]
#[case::flow_inside("a: [{x: y}, # @\n z]", "1: no scalar stands before the marker on its line")]
#[case::alias(
    "a: &a x\nb: *a # @",
    "2: the marker stands behind an alias; it must stand behind the scalar that has the anchor"
)]
#[case::empty("tag: # @\n", "1: the value is empty; write a first value before the marker")]
#[case::empty_with_tag(
    "tag: !!str # @\nb: c",
    "1: the value is empty; write a first value before the marker"
)]
#[case::empty_with_anchor(
    "tag: &x # @\nb: *x",
    "1: the value is empty; write a first value before the marker"
)]
#[case::empty_in_flow(
    "{tag: , # @\n b: c}",
    "1: the value is empty; write a first value before the marker"
)]
#[case::empty_item("- # @\n- b", "1: no scalar stands before the marker on its line")]
#[case::key_of_a_mapping(
    "spec: # @\n  a: b",
    "1: the marker stands behind a key; it must stand behind the scalar that it sets"
)]
#[case::key_of_a_scalar(
    "image: # @\n  old",
    "1: the marker stands behind a key; it must stand behind the scalar that it sets"
)]
#[case::complex_key(
    "? a # @\n: b",
    "1: the marker stands behind a key; it must stand behind the scalar that it sets"
)]
#[case::inside_a_complex_key(
    "? - a # @\n: b",
    "1: the marker stands behind a key; it must stand behind the scalar that it sets"
)]
#[case::above_a_key(
    "# @\nimage: x",
    "1: the marker stands above a mapping key; it must stand behind the value, on the same line"
)]
#[case::above_an_item_with_a_key(
    "# @\n- image: x",
    "1: the marker stands above a mapping key; it must stand behind the value, on the same line"
)]
#[case::above_a_sequence("a:\n# @\n- - x", "2: no scalar stands before the marker on its line")]
#[case::above_the_root("# @\nold", "1: no scalar stands before the marker on its line")]
#[case::blocked(
    "# @\n- img # pinned",
    "1: another comment stands behind the scalar; the marker must take its place"
)]
#[case::several_lines(
    "a:\n# x\n# @\n- img",
    "3: the comment above the item has several lines; the marker must be its only one"
)]
#[case::several_paragraphs(
    "a:\n# x\n\n# @\n- img",
    "4: the comment above the item has several lines; the marker must be its only one"
)]
#[case::foot(
    "a:\n- b\n# @\n\n- img",
    "3: by its indentation or the blank line below it, the comment belongs to what stands above it"
)]
#[case::at_the_end("a: b\n# @\n", "2: no scalar stands before the marker on its line")]
#[case::document_separator("--- # @\na: b", "1: no scalar stands before the marker on its line")]
#[case::two_line_block("a: | # @\n  x\n  y\n", "1: the block scalar does not have exactly one line")]
#[case::indented_block("a: |1 # @\n   x\n", "1: the block scalar does not have exactly one line")]
#[case::empty_block(
    "a: | # @\n\nb: c",
    "1: the value is empty; write a first value before the marker"
)]
#[case::inside_a_block_scalar(
    "a: |\n  image: x # @\n",
    "2: the marker stands inside a block scalar, where it is text and no comment"
)]
#[case::malformed(
    "a: b # @ pinned",
    "1: the comment has text behind the marker; the marker must be all of the comment"
)]
fn a_marker_that_cannot_work_is_reported(#[case] template: &str, #[case] reason: &str) {
    let before = template.replace('@', MARKER);
    let edited = set(&before);
    assert_eq!(edited.changes, []);
    assert_eq!(reasons(&edited), [reason]);
}

#[test]
fn a_block_scalar_is_never_blanked() {
    let edited = set("a: | # {\"$imagepolicy\": \"ns:policy:digest\"}\n  x\n");
    assert_eq!(edited.content, None);
    assert_eq!(edited.skipped.len(), 1);
}

#[test]
fn an_unknown_policy_stops_only_its_own_markers() {
    let before = "a: x # {\"$imagepolicy\": \"ns:gone\"}\nb: x # {\"$imagepolicy\": \"NS:policy\"}\nc: x # {\"$imagepolicy\": \"ns:a/b\"}\n";
    let edited = set(before);
    assert_eq!(
        reasons(&edited),
        [
            "1: the policy 'ns:gone' has no selected image",
            "2: the policy 'NS:policy' has no selected image"
        ]
    );
    assert_eq!(text_of(&edited, before), before.replace("c: x", "c: img:x"));
}

#[test]
fn the_long_form_counts_where_flux_looks() {
    let long = r##"a: x # {"$ref": "#/definitions/io.k8s.cli.setters.ns:a/b"}"##;
    let screened = format!("{long}\nb: img:x # {{\"$imagepolicy\": \"ns:a/b\"}}\n");
    assert_eq!(
        text_of(&set(&screened), &screened),
        screened.replace("a: x", "a: img:x")
    );
    let unscreened = format!("{long}\nb: c # {{'$imagepolicy': 'ns:a/b'}}\n");
    let edited = set(&unscreened);
    assert_eq!(edited.content, None);
    assert_eq!(edited.skipped.len(), 2);
}

#[test]
fn changes_name_their_object() {
    let before = format!(
        "kind: List\napiVersion: v1\nmetadata: {{name: all}}\nitems:\n- metadata:\n    namespace: apps\n    name: one\n  kind: Foo\n  \
         apiVersion: v1\n  spec: {{metadata: {{name: no}}}}\n  image: old # {MARKER}\n- image: old # {MARKER}\n---\nkind: Bar\nitems:\n- kind: \
         Foo\n  image: old # {MARKER}\n---\nimage: old # {MARKER}\n"
    );
    let edited = set(&before);
    let objects: Vec<_> = edited
        .changes
        .iter()
        .map(|change| format!("{}:{} {}", change.line, change.column, change.object))
        .collect();
    assert_eq!(
        objects,
        ["11:10 Foo/apps/one", "12:10 List/all", "17:10 Bar", "19:8 "]
    );
    assert_eq!(edited.changes[0].object.api_version, "v1");
    assert_eq!(edited.changes[0].old, "old");
    assert_eq!(edited.changes[0].marker.to_string(), "ns:policy");
}

#[test]
fn text_that_is_not_utf8_is_reported_and_left_alone() {
    let before = format!("a: b\nc: \u{fffd} \nimage: old # {MARKER}\n").into_bytes();
    let before: Vec<u8> = before.into_iter().filter(|byte| *byte != 0xbf).collect();
    let edited = super::super::set(&before, &selections());
    assert_eq!(edited.content, None);
    assert_eq!(
        reasons(&edited),
        ["3: the file was left alone: no valid YAML: line 2, column 4: the file is not UTF-8"]
    );
}

#[test]
fn deep_nesting_and_long_lines_are_read() {
    let deep = format!(
        "{}{}\nimage: old # {MARKER}\n",
        "a: ".to_owned() + &"[".repeat(200),
        "]".repeat(200)
    );
    assert_eq!(text_of(&set(&deep), &deep), deep.replace("old", NEW));
    let long = format!("a: {}\nimage: old # {MARKER}\n", "x ".repeat(500_000));
    assert_eq!(text_of(&set(&long), &long), long.replace("old", NEW));
    let anchors: Vec<_> = (1..60)
        .map(|n| format!("a{n}: &a{n} [*a{0}, *a{0}]", n - 1))
        .collect();
    let bomb = format!("a0: &a0 x\n{}\nimage: old # {MARKER}\n", anchors.join("\n"));
    assert_eq!(text_of(&set(&bomb), &bomb), bomb.replace("old", NEW));
}

#[test]
fn nesting_without_end_is_refused() {
    let hostile = format!("image: old # {MARKER}\nb: {}", "[".repeat(100_000));
    let edited = set(&hostile);
    assert!(edited.changes.len() <= 1);
    let hostile = format!("image: old # {MARKER}\n{}", "- ".repeat(100_000));
    set(&hostile);
}
