//! Text of a server, made safe to show.

/// Most bytes of a server's text that are kept.
const LONGEST_TEXT: usize = 8 * 1024;

/// Lines of a server's text without control characters and escape sequences; at most 8 KiB, never empty lines.
pub(crate) fn lines(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text.get(..LONGEST_TEXT).unwrap_or(text)).into_owned();
    text.split(['\n', '\r'])
        .map(clean)
        .filter(|line| !line.is_empty())
        .collect()
}

/// One line of a server's text, made safe.
pub(crate) fn line(text: &[u8]) -> String {
    lines(text).join(" ")
}

fn clean(line: &str) -> String {
    let mut result = String::new();
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            // A control sequence (`ESC [ … letter`) goes as a whole, so that `[31m` does not stay behind.
            if characters.next_if_eq(&'[').is_some() {
                while characters.next_if(|next| !next.is_ascii_alphabetic()).is_some() {}
                characters.next();
            }
        } else if character == '\t' {
            result.push(' ');
        } else if !character.is_control() && !is_invisible(character) {
            result.push(character);
        }
    }
    result.trim().to_owned()
}

/// Characters that turn the direction of text around or hide in it.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_escape_sequences_are_removed() {
        let text = b"\x1b[31mred\x1b[0m\x07 alert\r\nnext\tline\n\n\xff";
        assert_eq!(lines(text), ["red alert", "next line", "\u{fffd}"]);
    }

    #[test]
    fn text_is_bounded() {
        let total: usize = lines(&vec![b'x'; 1 << 20]).iter().map(String::len).sum();
        assert!(total <= LONGEST_TEXT);
    }
}
