//! What Go's package unicode says of characters.

use std::sync::LazyLock;

use regex::Regex;

macro_rules! class {
    ($(#[$doc:meta])* $name:ident, $set:ident, $pattern:literal, $ascii:expr) => {
        static $set: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(concat!(r"\A[", $pattern, r"]\z")).ok());

        $(#[$doc])*
        pub(crate) fn $name(c: char) -> bool {
            if c.is_ascii() {
                let ascii: fn(char) -> bool = $ascii;
                return ascii(c);
            }
            $set.as_ref().is_some_and(|set| set.is_match(c.encode_utf8(&mut [0; 4])))
        }
    };
}

class!(
    /// `unicode.IsLetter`.
    is_letter, LETTER, r"\p{L}", |c| c.is_ascii_alphabetic()
);
class!(
    /// `unicode.IsDigit`.
    is_digit, DIGIT, r"\p{Nd}", |c| c.is_ascii_digit()
);
class!(
    /// `unicode.IsNumber`.
    is_number, NUMBER, r"\p{N}", |c| c.is_ascii_digit()
);
class!(
    /// `unicode.IsPunct`.
    is_punct, PUNCT, r"\p{P}", |c| c.is_ascii_punctuation() && !"$+<=>^`|~".contains(c)
);
class!(
    /// `unicode.IsUpper`.
    is_upper, UPPER, r"\p{Lu}", |c| c.is_ascii_uppercase()
);
class!(
    /// `unicode.IsLower`.
    is_lower, LOWER, r"\p{Ll}", |c| c.is_ascii_lowercase()
);
class!(
    /// `unicode.IsTitle`.
    is_title, TITLE, r"\p{Lt}", |_| false
);
class!(
    /// `unicode.IsPrint`.
    is_print, PRINT, r"\p{L}\p{M}\p{N}\p{P}\p{S}", |c| (' '..='~').contains(&c)
);

/// `unicode.IsSpace`.
pub(crate) fn is_space(c: char) -> bool {
    c.is_whitespace()
}

/// `unicode.ToUpper`: one character for one.
pub(crate) fn to_upper(c: char) -> char {
    match c {
        '\u{1F80}'..='\u{1F87}' | '\u{1F90}'..='\u{1F97}' | '\u{1FA0}'..='\u{1FA7}' => shifted(c, 8),
        '\u{1FB3}' | '\u{1FC3}' | '\u{1FF3}' => shifted(c, 9),
        _ => single(c, c.to_uppercase()),
    }
}

/// `unicode.ToLower`: one character for one.
pub(crate) fn to_lower(c: char) -> char {
    match c {
        '\u{130}' => 'i',
        _ => single(c, c.to_lowercase()),
    }
}

/// `unicode.ToTitle`: one character for one.
pub(crate) fn to_title(c: char) -> char {
    match c {
        '\u{1C4}'..='\u{1C6}' => '\u{1C5}',
        '\u{1C7}'..='\u{1C9}' => '\u{1C8}',
        '\u{1CA}'..='\u{1CC}' => '\u{1CB}',
        '\u{1F1}'..='\u{1F3}' => '\u{1F2}',
        // Georgian letters are capitalised as whole words only.
        '\u{10D0}'..='\u{10FA}' | '\u{10FD}'..='\u{10FF}' => c,
        _ => to_upper(c),
    }
}

fn shifted(c: char, by: u32) -> char {
    char::from_u32(u32::from(c) + by).unwrap_or(c)
}

fn single(c: char, mut mapped: impl Iterator<Item = char>) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(only), None) => only,
        _ => c,
    }
}
