//! Files that are no YAML.

use rstest::rstest;

use super::*;

const NEW: &str = "index.repo.fake/updated:v1.0.1";

fn check(template: &str, expected_skips: &[&str]) {
    let marker = r#"{"$imagepolicy": "ns:policy"}"#;
    let before = template.replace('@', marker).replace("OLD", "old:v1");
    let after = template.replace('@', marker).replace("OLD", NEW);
    let edited = set(&before);
    assert_eq!(text_of(&edited, &before), after, "{:?}", edited.skipped);
    assert_eq!(reasons(&edited), expected_skips);
    assert!(crate::setters::locate(before.as_bytes()).unparsable.is_some());
}

#[rstest]
#[case::condition("kind: Foo\n{{- if .Values.x }}\nimage: OLD # @\n{{- end }}\n")]
#[case::crlf("kind: Foo\r\n{{- if .Values.x }}\r\nimage: \"OLD\" # @\r\n{{- end }}\r\n")]
#[case::both_branches("{{ if .x }}\na:\n  image: OLD # @\n{{ else }}\na:\n  image: 'OLD' # @\n{{ end }}\n")]
#[case::expressions_elsewhere(
    "a: {{ .x | quote }}\nb:\n  {{- toYaml .y | nindent 2 }}\nimage: OLD # @\n{{ .k }}: v\n"
)]
#[case::comment_over_lines("{{- /* it's\n  a: | text\n*/ -}}\nlist:\n# @\n- OLD\n")]
#[case::block_scalars("a: |\n  {{ .x }}\n  image: x # y\n{{- if .z }}\nimage: OLD # @\n{{- end }}\n")]
#[case::broken_elsewhere("a: b: c\n---\nspec:\n  image: OLD # @\n")]
#[case::broken_second_document("image: OLD # @\n---\na: [\n")]
#[case::undefined_alias("a: *nowhere\nimage: 'OLD' # @\n")]
fn marked_scalars_of_templates_are_set(#[case] template: &str) {
    check(template, &[]);
}

#[rstest]
#[case::expression_on_the_line(
    "{{ if .x }}\nimage: {{ .y }} # @\n{{ end }}\n",
    "2: the line has a template expression, so its value is not known before the template runs"
)]
#[case::expression_in_the_key(
    "{{ if .x }}\n{{ .k }}: old # @\n{{ end }}\n",
    "2: the line has a template expression, so its value is not known before the template runs"
)]
#[case::expression_in_a_part_of_the_value(
    "{{ if .x }}\nimage: \"old:{{ .y }}\" # @\n{{ end }}\n",
    "2: the line has a template expression, so its value is not known before the template runs"
)]
#[case::inside_a_block_scalar(
    "{{ if .x }}\na: |\n  image: old # @\n{{ end }}\n",
    "3: the marker stands inside a block scalar, where it is text and no comment"
)]
#[case::inside_a_block_scalar_of_a_broken_file(
    "x: y: z\na: |\n  image: old # @\n",
    "3: the file was left alone: no valid YAML: line 1, column 5: mapping values are not allowed in this context"
)]
fn what_cannot_be_understood_is_left_alone_and_reported(#[case] template: &str, #[case] reason: &str) {
    check(template, &[reason]);
}
