//! What the operators make of a value. Lengths and positions count bytes.

use std::borrow::Cow;

use super::error::SubstituteError;
use super::glob::{self, Malformed};

/// How many comparisons all expressions of a text may take to trim with wildcards.
const MAX_STEPS: u64 = 50_000_000;

/// How many bytes all expressions of a text may make, those in arguments included.
const MAX_BYTES: usize = 16 << 20;

/// What an expression does with the value of its variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    /// `${x}`
    Value,
    /// `${#x}`
    Length,
    /// `${x=d}`, `${x:=d}`, `${x:-d}`, and, with the same meaning, `${x:+d}` and `${x:?d}`.
    Default,
    /// `${x:from}`, `${x:from:length}`
    Substring,
    /// `${x,}`
    LowerFirst,
    /// `${x,,}`
    Lower,
    /// `${x^}`
    UpperFirst,
    /// `${x^^}`
    Upper,
    /// `${x,^}` and `${x^,}`, which are accepted and do nothing.
    Unchanged,
    /// `${x#p}`
    TrimPrefix,
    /// `${x##p}`
    TrimLongestPrefix,
    /// `${x%p}`
    TrimSuffix,
    /// `${x%%p}`
    TrimLongestSuffix,
    /// `${x/a/b}`
    ReplaceFirst,
    /// `${x//a/b}`
    ReplaceAll,
    /// `${x/#a/b}`
    ReplacePrefix,
    /// `${x/%a/b}`
    ReplaceSuffix,
}

impl Operator {
    /// Whether a variable without a value is no error.
    pub(super) fn has_default(self) -> bool {
        self == Self::Default
    }
}

/// Steps and bytes that are left.
#[derive(Debug)]
pub(super) struct Steps {
    comparisons: u64,
    bytes: usize,
}

impl Default for Steps {
    fn default() -> Self {
        Self {
            comparisons: MAX_STEPS,
            bytes: MAX_BYTES,
        }
    }
}

impl Steps {
    /// Takes some; false when there are not so many.
    pub(super) fn take(&mut self, count: u64) -> bool {
        let left = self.comparisons.checked_sub(count);
        self.comparisons = left.unwrap_or_default();
        left.is_some()
    }

    /// Takes the bytes that an expression made.
    pub(super) fn produce(&mut self, name: &str, count: usize) -> Result<(), SubstituteError> {
        let left = self.bytes.checked_sub(count);
        self.bytes = left.unwrap_or_default();
        if left.is_some() {
            return Ok(());
        }
        Err(SubstituteError::Size {
            name: name.to_owned(),
            limit: MAX_BYTES,
        })
    }
}

/// What an operator makes of the value of a variable. Its bytes are taken from `steps`.
pub(super) fn apply<'v>(
    operator: Operator,
    name: &str,
    value: &'v str,
    arguments: &[Vec<u8>],
    steps: &mut Steps,
) -> Result<Cow<'v, [u8]>, SubstituteError> {
    let bytes = value.as_bytes();
    let first = arguments.first().map(Vec::as_slice).unwrap_or_default();
    let second = arguments.get(1).map(Vec::as_slice);
    let replaced = match operator {
        Operator::ReplaceFirst => Some((second.unwrap_or_default(), 1)),
        Operator::ReplaceAll => Some((second.unwrap_or_default(), usize::MAX)),
        Operator::ReplacePrefix if bytes.starts_with(first) => second.map(|second| (second, 1)),
        _ => None,
    };
    if let Some((new, count)) = replaced {
        return Ok(Cow::Owned(replace(name, bytes, (first, new), count, steps)?));
    }
    let result = match operator {
        Operator::Default if value.is_empty() => Cow::Owned(arguments.concat()),
        // What replaces and comes here finds nothing.
        Operator::Value
        | Operator::Unchanged
        | Operator::Default
        | Operator::ReplaceFirst
        | Operator::ReplaceAll
        | Operator::ReplacePrefix => Cow::Borrowed(bytes),
        Operator::Length => Cow::Owned(value.len().to_string().into_bytes()),
        Operator::Substring => Cow::Borrowed(substring(name, bytes, first, second)?),
        Operator::LowerFirst => first_character(value, lower),
        Operator::UpperFirst => first_character(value, upper),
        Operator::Lower => Cow::Owned(value.chars().map(lower).collect::<String>().into_bytes()),
        Operator::Upper => Cow::Owned(value.chars().map(upper).collect::<String>().into_bytes()),
        Operator::TrimPrefix | Operator::TrimLongestPrefix => {
            let is_longest = operator == Operator::TrimLongestPrefix;
            Cow::Borrowed(trim(name, bytes, first, is_longest, steps)?)
        }
        Operator::TrimSuffix | Operator::TrimLongestSuffix => {
            let is_longest = operator == Operator::TrimLongestSuffix;
            let reversed = reverse(bytes);
            let trimmed = trim(name, &reversed, &reverse(first), is_longest, steps)?;
            Cow::Owned(reverse(trimmed))
        }
        Operator::ReplaceSuffix => match (second, bytes.strip_suffix(first)) {
            (Some(second), Some(start)) => Cow::Owned([start, second].concat()),
            _ => Cow::Borrowed(bytes),
        },
    };
    steps.produce(name, result.len())?;
    Ok(result)
}

/// A position that is no number leaves the value as it is; one behind the end gives nothing.
fn substring<'v>(
    name: &str,
    value: &'v [u8],
    position: &[u8],
    length: Option<&[u8]>,
) -> Result<&'v [u8], SubstituteError> {
    let Some(position) = number(position) else {
        return Ok(value);
    };
    let start = if position < 0 {
        let back = usize::try_from(position.unsigned_abs()).unwrap_or(usize::MAX);
        value.len().saturating_sub(back)
    } else {
        usize::try_from(position).unwrap_or(usize::MAX)
    };
    let rest = value.get(start..).unwrap_or_default();
    let Some(length) = length else {
        return Ok(rest);
    };
    let Some(length) = number(length) else {
        return Ok(value);
    };
    match usize::try_from(length) {
        Ok(length) => Ok(rest.get(..length).unwrap_or(rest)),
        // Where the end is behind the value all the same, the length does not count.
        Err(_) if length < 0 => {
            let end = i128::try_from(start).unwrap_or(i128::MAX) + i128::from(length);
            if end >= i128::try_from(value.len()).unwrap_or(i128::MAX) {
                Ok(rest)
            } else {
                Err(SubstituteError::NegativeLength {
                    name: name.to_owned(),
                })
            }
        }
        Err(_) => Ok(rest),
    }
}

/// A decimal number with or without a sign.
fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn first_character(value: &str, change: fn(char) -> char) -> Cow<'_, [u8]> {
    let mut characters = value.chars();
    let Some(first) = characters.next() else {
        return Cow::Borrowed(value.as_bytes());
    };
    let mut changed = String::with_capacity(value.len());
    changed.push(change(first));
    changed.push_str(characters.as_str());
    Cow::Owned(changed.into_bytes())
}

/// One character for one, as Go has it.
fn upper(character: char) -> char {
    let shifted = |by: u32| char::from_u32(u32::from(character) + by).unwrap_or(character);
    match character {
        '\u{1F80}'..='\u{1F87}' | '\u{1F90}'..='\u{1F97}' | '\u{1FA0}'..='\u{1FA7}' => shifted(8),
        '\u{1FB3}' | '\u{1FC3}' | '\u{1FF3}' => shifted(9),
        _ => single(character, character.to_uppercase()),
    }
}

fn lower(character: char) -> char {
    match character {
        '\u{130}' => 'i',
        _ => single(character, character.to_lowercase()),
    }
}

fn single(character: char, mut mapped: impl Iterator<Item = char>) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(only), None) => only,
        _ => character,
    }
}

/// Cuts off the shortest or the longest beginning that matches. A malformed pattern cuts nothing.
fn trim<'v>(
    name: &str,
    value: &'v [u8],
    pattern: &[u8],
    is_longest: bool,
    steps: &mut Steps,
) -> Result<&'v [u8], SubstituteError> {
    let mut found = None;
    for end in (1..=value.len()).rev() {
        let start = value.get(..end).unwrap_or_default();
        match glob::matches(pattern, start, steps) {
            Ok(true) if is_longest => return Ok(value.get(end..).unwrap_or_default()),
            Ok(true) => found = Some(end),
            Ok(false) => {}
            Err(Malformed::Pattern) => return Ok(value),
            Err(Malformed::Steps) => {
                return Err(SubstituteError::Steps {
                    name: name.to_owned(),
                });
            }
        }
    }
    Ok(found.and_then(|end| value.get(end..)).unwrap_or(value))
}

/// The characters in reverse; what is no UTF-8 becomes replacement characters, byte by byte.
fn reverse(bytes: &[u8]) -> Vec<u8> {
    let mut characters: Vec<char> = Vec::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        characters.extend(chunk.valid().chars());
        characters.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    characters.into_iter().rev().collect::<String>().into_bytes()
}

/// Replaces the first so many places of what is old by what is new. Nothing is found in front of each character and at the end.
fn replace(
    name: &str,
    value: &[u8],
    (old, new): (&[u8], &[u8]),
    mut count: usize,
    steps: &mut Steps,
) -> Result<Vec<u8>, SubstituteError> {
    let mut output = Vec::with_capacity(value.len());
    // Each place may add a megabyte, so that the bytes are taken before they are made.
    let mut add = |bytes: &[u8]| {
        steps.produce(name, bytes.len())?;
        output.extend_from_slice(bytes);
        Ok::<(), SubstituteError>(())
    };
    let mut rest = value;
    if old.is_empty() {
        while count > 0 {
            add(new)?;
            count -= 1;
            let length = glob::character(rest).1;
            let (character, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            if character.is_empty() {
                return Ok(output);
            }
            add(character)?;
            rest = after;
        }
    }
    while count > 0
        && let Some(at) = rest.windows(old.len().max(1)).position(|window| window == old)
    {
        add(rest.get(..at).unwrap_or_default())?;
        add(new)?;
        rest = rest.get(at + old.len()..).unwrap_or_default();
        count -= 1;
    }
    add(rest)?;
    Ok(output)
}
