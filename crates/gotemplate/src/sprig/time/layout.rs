//! Pieces of layouts.

/// What a piece of a layout stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunk {
    LongMonth,
    Month,
    NumMonth,
    ZeroMonth,
    LongWeekday,
    Weekday,
    Day,
    UnderDay,
    ZeroDay,
    UnderYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    UpperPm,
    LowerPm,
    Zone,
    Offset {
        is_iso: bool,
        colon: bool,
        end: OffsetEnd,
    },
    Fraction {
        digits: usize,
        trimmed: bool,
        separator: char,
    },
}

/// What an offset ends with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum OffsetEnd {
    Hours,
    Minutes,
    Seconds,
}

const fn offset(is_iso: bool, colon: bool, end: OffsetEnd) -> Chunk {
    Chunk::Offset { is_iso, colon, end }
}

/// Pieces of layouts, the longer before those that start alike.
const CHUNKS: &[(&str, Chunk)] = &[
    ("January", Chunk::LongMonth),
    ("Jan", Chunk::Month),
    ("Monday", Chunk::LongWeekday),
    ("Mon", Chunk::Weekday),
    ("MST", Chunk::Zone),
    ("01", Chunk::ZeroMonth),
    ("02", Chunk::ZeroDay),
    ("03", Chunk::ZeroHour12),
    ("04", Chunk::ZeroMinute),
    ("05", Chunk::ZeroSecond),
    ("06", Chunk::Year),
    ("002", Chunk::ZeroYearDay),
    ("15", Chunk::Hour),
    ("1", Chunk::NumMonth),
    ("2006", Chunk::LongYear),
    ("2", Chunk::Day),
    ("_2", Chunk::UnderDay),
    ("__2", Chunk::UnderYearDay),
    ("3", Chunk::Hour12),
    ("4", Chunk::Minute),
    ("5", Chunk::Second),
    ("PM", Chunk::UpperPm),
    ("pm", Chunk::LowerPm),
    ("-070000", offset(false, false, OffsetEnd::Seconds)),
    ("-07:00:00", offset(false, true, OffsetEnd::Seconds)),
    ("-0700", offset(false, false, OffsetEnd::Minutes)),
    ("-07:00", offset(false, true, OffsetEnd::Minutes)),
    ("-07", offset(false, false, OffsetEnd::Hours)),
    ("Z070000", offset(true, false, OffsetEnd::Seconds)),
    ("Z07:00:00", offset(true, true, OffsetEnd::Seconds)),
    ("Z0700", offset(true, false, OffsetEnd::Minutes)),
    ("Z07:00", offset(true, true, OffsetEnd::Minutes)),
    ("Z07", offset(true, false, OffsetEnd::Hours)),
];

/// What is before the next piece, the piece, and what is behind it.
pub(super) fn next_chunk(layout: &str) -> Option<(&str, Chunk, &str)> {
    for (at, _) in layout.char_indices() {
        let (prefix, here) = layout.split_at(at);
        if let Some((chunk, length)) = chunk_at(here) {
            return Some((prefix, chunk, here.get(length..).unwrap_or_default()));
        }
        if here.starts_with("_2006") {
            let (prefix, here) = layout.split_at(at + 1);
            return Some((prefix, Chunk::LongYear, here.get(4..).unwrap_or_default()));
        }
    }
    None
}

fn chunk_at(text: &str) -> Option<(Chunk, usize)> {
    if text.starts_with("_2006") {
        return None;
    }
    if let Some(rest) = text.strip_prefix(['.', ','])
        && let Some(digit) = rest.chars().next().filter(|c| matches!(c, '0' | '9'))
    {
        let digits = rest.len() - rest.trim_start_matches(digit).len();
        let behind = rest.get(digits..).unwrap_or_default();
        if !behind.starts_with(|c: char| c.is_ascii_digit()) {
            let chunk = Chunk::Fraction {
                digits,
                trimmed: digit == '9',
                separator: text.chars().next().unwrap_or('.'),
            };
            return Some((chunk, digits + 1));
        }
    }
    CHUNKS.iter().find_map(|(name, chunk)| {
        let rest = text.strip_prefix(name)?;
        // Jan and Mon are no abbreviations in front of small letters.
        let is_abbreviation = matches!(chunk, Chunk::Month | Chunk::Weekday);
        let in_word = is_abbreviation && rest.starts_with(|c: char| c.is_ascii_lowercase());
        (!in_word).then_some((*chunk, name.len()))
    })
}
