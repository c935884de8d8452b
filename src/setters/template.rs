//! Template files, read as the YAML that is left when their expressions are blanked out.

use super::locate;

/// A text whose template expressions (`{{ ... }}`) are blanked out without moving any other byte.
///
/// Expressions that have their lines for themselves become blank lines, and all others become a word. What
/// parses then has its block scalars, quotes and comments where the file has them, whatever the template prints.
pub(super) struct Masked(String);

impl Masked {
    /// Masks a text; nothing when it has no template expression.
    pub(super) fn new(text: &str) -> Option<Self> {
        text.contains("{{").then(|| {
            let mut bytes = text.as_bytes().to_vec();
            let mut offset = 0;
            while let Some(found) = text.get(offset..).and_then(|rest| rest.find("{{")) {
                let start = offset + found;
                let end = expression_end(text, start);
                for byte in bytes.get_mut(start..end).into_iter().flatten() {
                    if !matches!(byte, b'\n' | b'\r') {
                        *byte = MASK;
                    }
                }
                offset = end;
            }
            blank_lines(&mut bytes);
            // Whole characters were replaced by ASCII, so the text is still UTF-8.
            Self(String::from_utf8(bytes).unwrap_or_default())
        })
    }

    /// The same with comments apart from what stands before them.
    pub(super) fn separate_comments(self) -> Self {
        Self(locate::separate_comments(self.0.into()).into_owned())
    }

    /// The masked text: as long as the file, line by line.
    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

/// Stands for one byte of an expression until its line is judged; no text file has it.
const MASK: u8 = 0x1a;

/// Behind the `}}` that ends the expression, or the end of the line when nothing ends it.
fn expression_end(text: &str, start: usize) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    let is_comment = rest.trim_start_matches(['{', '-']).trim_start().starts_with("/*");
    let from = if is_comment {
        rest.find("*/").unwrap_or(0)
    } else {
        0
    };
    let end = rest
        .get(from..)
        .and_then(|rest| rest.find("}}"))
        .map(|end| from + end + 2);
    start + end.or_else(|| rest.find(['\n', '\r'])).unwrap_or(rest.len())
}

/// Turns masks into white space on lines that have nothing else, and into letters elsewhere.
fn blank_lines(bytes: &mut [u8]) {
    for line in bytes.split_mut(|byte| *byte == b'\n') {
        let is_blank = line
            .iter()
            .all(|byte| *byte == MASK || byte.is_ascii_whitespace());
        for byte in line.iter_mut().filter(|byte| **byte == MASK) {
            *byte = if is_blank { b' ' } else { b'x' };
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("a: {{ .x }}\nb: c\n", "a: xxxxxxxx\nb: c\n")]
    #[case(
        "{{- if .x }}\r\na: b\r\n{{- end }}{{ end }}",
        "            \r\na: b\r\n                   "
    )]
    #[case("{{- /* two\nlines }} */ -}}\na: b", "          \n               \na: b")]
    #[case("a: \"{{ .é }}\"", "a: \"xxxxxxxxx\"")]
    #[case("a: {{ .x\nb: c", "a: xxxxx\nb: c")]
    #[case("  {{ .key }}: b", "  xxxxxxxxxx: b")]
    fn expressions_are_blanked_in_place(#[case] text: &str, #[case] expected: &str) {
        let masked = Masked::new(text).unwrap();
        assert_eq!(masked.text(), expected);
        assert_eq!(masked.text().len(), text.len());
    }

    #[test]
    fn a_text_without_expressions_has_no_mask() {
        assert!(Masked::new("a: {b: c}").is_none());
    }
}
