//! How a value is written in the place of another one.

use super::Style;

/// The text that reads as the string `value` where a scalar of this style stands; nothing when there is none.
///
/// The quotes stay as they are. A plain scalar gets double quotes when the value would be anything but a string
/// for a YAML 1.1 or 1.2 reader, or could end the scalar early.
pub(super) fn written(style: Style, value: &str) -> Option<String> {
    // Image references have none of these; with them, each style would need escapes of its own.
    let is_simple = !value.contains(|c: char| c.is_control() || matches!(c, '"' | '\'' | '\\'));
    match style {
        _ if !is_simple => None,
        Style::Plain if reads_as_string(value) => Some(value.to_owned()),
        Style::Plain | Style::Double => Some(format!("\"{value}\"")),
        Style::Single => Some(format!("'{value}'")),
        Style::Literal | Style::Folded => {
            let is_line = !value.is_empty() && value.trim() == value;
            is_line.then(|| value.to_owned())
        }
    }
}

/// Whether a plain scalar with this text is a string for every reader, and ends where the text ends.
fn reads_as_string(text: &str) -> bool {
    let first_is_safe = text.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_'));
    let rest_is_safe = text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'.' | b'-' | b':' | b'@' | b'+'));
    first_is_safe
        && rest_is_safe
        && !text.ends_with(':')
        && !is_word(text)
        && !is_number(text)
        && !is_sexagesimal(text)
        && !is_date(text)
}

/// null and the booleans of YAML 1.1, in any mix of letters.
fn is_word(text: &str) -> bool {
    ["null", "true", "false", "yes", "no", "on", "off", "y", "n"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
}

/// Integers and floats of YAML 1.1 and 1.2, with underscores.
fn is_number(text: &str) -> bool {
    let text = text.replace('_', "");
    let digits_of = |prefix: &str, radix: u32| {
        text.strip_prefix(prefix)
            .is_some_and(|digits| digits.chars().all(|c| c.is_digit(radix)))
    };
    let is_float = || {
        let has_number_letters = text
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
        text.starts_with(|c: char| c.is_ascii_digit()) && has_number_letters && text.parse::<f64>().is_ok()
    };
    is_float()
        || digits_of("0x", 16)
        || digits_of("0X", 16)
        || digits_of("0o", 8)
        || digits_of("0O", 8)
        || digits_of("0b", 2)
        || digits_of("0B", 2)
}

/// YAML 1.1 reads `12:30:45` and `12:30.5` as numbers to the base of 60.
fn is_sexagesimal(text: &str) -> bool {
    text.contains(':')
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b':' | b'_' | b'.'))
}

/// Timestamps begin with a date: four digits, one or two, one or two.
fn is_date(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let is_digits = |part: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
    };
    let (Some(year), Some(month), Some(day)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let day = day.split(['T', 't', ' ']).next().unwrap_or(day);
    is_digits(year, 4..=4) && is_digits(month, 1..=2) && is_digits(day, 1..=2)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    fn plain_text_that_is_no_string_for_some_reader_is_quoted(
        #[values(
            "",
            "123",
            "1.10",
            "0123",
            "1e6",
            "1E6",
            "12e03",
            "1_000",
            "0x1F",
            "0o17",
            "0b101",
            "1.",
            "on",
            "Off",
            "yes",
            "NO",
            "y",
            "true",
            "False",
            "null",
            "NULL",
            "2024-01-02",
            "2024-1-2",
            "2024-01-02T10:00:00Z",
            "12:30:45",
            "1:30",
            "[::1]:5000/a:v1",
            ".5",
            ".inf",
            "-1",
            "-",
            "~",
            "a:",
            "@a",
            "a b",
            "a,b",
            "a#b"
        )]
        value: &str,
    ) {
        assert_eq!(written(Style::Plain, value).unwrap(), format!("\"{value}\""));
    }

    #[rstest]
    fn plain_text_that_is_a_string_for_every_reader_stays_plain(
        #[values(
            "v1.0.1",
            "1.2.3",
            "1.2.3-rc.1",
            "1.10-alpine",
            "img:123",
            "index.repo.fake/updated:v1.0.1",
            "localhost:5000/a:1",
            "a/b:v1@sha256:6745aaad46d795c9836632e1fb62f24b",
            "sha256:123",
            "main-5d1a0e2-1700000000",
            "_a",
            "2024-01-02-x",
            "20240102-1",
            "1e6x",
            "online",
            "nightly",
            "0xg"
        )]
        value: &str,
    ) {
        assert_eq!(written(Style::Plain, value).unwrap(), value);
    }

    #[test]
    fn quotes_stay_as_they_are() {
        assert_eq!(written(Style::Double, "1.10").unwrap(), "\"1.10\"");
        assert_eq!(written(Style::Single, "v1").unwrap(), "'v1'");
        assert_eq!(written(Style::Single, "").unwrap(), "''");
        assert_eq!(written(Style::Literal, "v1").unwrap(), "v1");
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        assert_eq!(written(Style::Literal, ""), None);
        assert_eq!(written(Style::Plain, "a\nb"), None);
        assert_eq!(written(Style::Double, "a\"b"), None);
    }
}
