//! What becomes of folded block scalars when the original writes and reads an object again, as it does with each.
//!
//! Its emitter puts an empty line behind each line of a folded scalar, before lines that are indented deeper too, where readers
//! keep it: such a text gains a line break.

use fluxbot_yaml::{Data, Node};

/// Changes all folded scalars of a document as the original's own writing and reading changes them.
pub(crate) fn rewrite(source: &str, node: &mut Node) {
    match &mut node.data {
        Data::String(text) => {
            let folded = source.as_bytes().get(node.span.start) == Some(&b'>');
            if folded && text.contains('\n') && may_be_block(text) {
                let written = written(text);
                *text = read(text, &written).into();
            }
        }
        Data::List(items) => items.iter_mut().for_each(|item| rewrite(source, item)),
        Data::Map(fields) => fields.iter_mut().for_each(|(_, node)| rewrite(source, node)),
        _ => {}
    }
}

/// Whether the emitter writes a text as a block at all.
fn may_be_block(text: &str) -> bool {
    !text.ends_with(' ')
        && !text.trim_matches('\n').is_empty()
        && text.chars().all(|c| c == '\n' || c == '\t' || !c.is_control())
}

/// The lines that the emitter writes.
fn written(text: &str) -> String {
    let is_blank = |c: Option<char>| matches!(c, Some(' ' | '\t'));
    let begins_blank = is_blank(text.trim_start_matches('\n').chars().next());
    let mut out = String::new();
    let (mut breaks, mut leading_spaces) = (true, true);
    for character in text.chars() {
        if character == '\n' {
            // The emitter looks at the beginning of the text where it should look behind the break.
            if !breaks && !leading_spaces && !begins_blank {
                out.push('\n');
            }
            out.push('\n');
            breaks = true;
        } else {
            if breaks {
                leading_spaces = is_blank(Some(character));
            }
            out.push(character);
            breaks = false;
        }
    }
    out
}

/// Reads lines as a folded scalar, with the line breaks at the end that the text had.
fn read(text: &str, lines: &str) -> String {
    let is_blank = |line: &str| line.starts_with([' ', '\t']);
    let mut result = String::new();
    let (mut leading_break, mut trailing_breaks) = ("", String::new());
    let mut leading_blank = false;
    for line in lines.split('\n') {
        if line.is_empty() {
            trailing_breaks.push('\n');
            continue;
        }
        if !leading_break.is_empty() && !leading_blank && !is_blank(line) {
            if trailing_breaks.is_empty() {
                result.push(' ');
            }
        } else {
            result.push_str(leading_break);
        }
        result.push_str(&trailing_breaks);
        trailing_breaks.clear();
        leading_blank = is_blank(line);
        result.push_str(line);
        leading_break = "\n";
    }
    // The last of the breaks stands for the end of the lines.
    trailing_breaks.pop();
    if text.ends_with('\n') {
        result.push_str(leading_break);
    }
    if text.ends_with("\n\n") {
        result.push_str(&trailing_breaks);
    }
    result
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::{read, written};

    #[rstest]
    #[case("a\nb", "a\nb")]
    #[case("a\n\nb\n", "a\n\nb\n")]
    #[case("a(\n  b\n)", "a(\n\n  b\n)")]
    #[case("a\n  b\n  c\nd\n", "a\n\n  b\n  c\nd\n")]
    fn lines_before_deeper_ones_gain_a_break(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(read(text, &written(text)), expected);
    }
}
