//! The order of keys: letters after everything else, digits by the number that they form.

use std::cmp::Ordering;
use std::sync::LazyLock;

/// Sorts fields by their keys.
///
/// The order of go-yaml is not transitive (`1` < `01` < `0o7` < `1`), which the standard library's sort may answer with a
/// panic, so the lists are merged here.
pub(super) fn sorted<'f, V>(fields: Vec<(&'f str, &'f V)>) -> Vec<(&'f str, &'f V)> {
    if fields.len() < 2 || fields.is_sorted_by(|(one, _), (other, _)| compare(one, other).is_le()) {
        return fields;
    }
    let mut left = fields;
    let right = left.split_off(left.len() / 2);
    let mut right = sorted(right).into_iter().peekable();
    let mut merged = Vec::new();
    for field in sorted(left) {
        while let Some(other) = right.next_if(|other| compare(other.0, field.0).is_lt()) {
            merged.push(other);
        }
        merged.push(field);
    }
    merged.extend(right);
    merged
}

/// Compares two keys as go-yaml v2 does.
fn compare(one: &str, other: &str) -> Ordering {
    let (first, second) = (one.as_bytes(), other.as_bytes());
    let at = first.iter().zip(second).position(|(a, b)| a != b);
    // Without numbers and letters of other scripts at the place, nothing before it counts.
    match at.and_then(|at| Some((first.get(at)?, second.get(at)?))) {
        None => return one.len().cmp(&other.len()),
        Some((a, b)) if a.is_ascii() && b.is_ascii() => {
            match (a.is_ascii_alphabetic(), b.is_ascii_alphabetic()) {
                (true, true) => return a.cmp(b),
                (true, false) => return Ordering::Greater,
                (false, true) => return Ordering::Less,
                (false, false) => {}
            }
        }
        Some(_) => {}
    }
    compare_characters(one, other)
}

fn compare_characters(one: &str, other: &str) -> Ordering {
    let left: Vec<char> = one.chars().collect();
    let right: Vec<char> = other.chars().collect();
    let Some(at) = left.iter().zip(&right).position(|(a, b)| a != b) else {
        return left.len().cmp(&right.len());
    };
    let (Some(&a), Some(&b)) = (left.get(at), right.get(at)) else {
        return Ordering::Equal;
    };
    match (is_letter(a), is_letter(b)) {
        (true, true) => return a.cmp(&b),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let mut start = 0_i64;
    if a == '0' || b == '0' {
        let before = left.get(..at).unwrap_or_default().iter().rev();
        let nonzero = before.take_while(|c| is_digit(**c)).any(|c| *c != '0');
        start = i64::from(nonzero);
    }
    let (left_end, left_number) = digits(&left, at, start);
    let (right_end, right_number) = digits(&right, at, start);
    left_number
        .cmp(&right_number)
        .then(left_end.cmp(&right_end))
        .then(a.cmp(&b))
}

/// The end of the digits from a place on, and their number. Numbers wrap as Go's do.
fn digits(text: &[char], from: usize, start: i64) -> (usize, i64) {
    let mut number = start;
    let mut end = from;
    for &character in text.get(from..).unwrap_or_default() {
        if !is_digit(character) {
            break;
        }
        let digit = i64::from(u32::from(character)) - i64::from(u32::from('0'));
        number = number.wrapping_mul(10).wrapping_add(digit);
        end += 1;
    }
    (end, number)
}

/// The letters and digits outside of ASCII: those of Go's version of Unicode, which is not that of the standard library.
static CLASSES: LazyLock<Classes> = LazyLock::new(|| Classes::of(include_str!("letters.txt")));

/// Ranges of characters, in order.
#[derive(Debug, Default)]
struct Classes {
    letters: Vec<(u32, u32)>,
    digits: Vec<(u32, u32)>,
}

impl Classes {
    /// Reads lines of `L first last` and `D first last`.
    fn of(table: &str) -> Self {
        let mut classes = Self::default();
        for line in table.lines() {
            let mut words = line.split(' ');
            let class = words.next();
            let mut number = || u32::from_str_radix(words.next()?, 16).ok();
            let (Some(first), Some(last)) = (number(), number()) else {
                continue;
            };
            match class {
                Some("L") => classes.letters.push((first, last)),
                Some("D") => classes.digits.push((first, last)),
                _ => {}
            }
        }
        classes
    }
}

fn is_in(ranges: &[(u32, u32)], character: char) -> bool {
    let code = u32::from(character);
    let place = ranges.partition_point(|(_, last)| *last < code);
    ranges.get(place).is_some_and(|(first, _)| *first <= code)
}

fn is_letter(character: char) -> bool {
    character.is_ascii_alphabetic() || (!character.is_ascii() && is_in(&CLASSES.letters, character))
}

fn is_digit(character: char) -> bool {
    character.is_ascii_digit() || (!character.is_ascii() && is_in(&CLASSES.digits, character))
}
