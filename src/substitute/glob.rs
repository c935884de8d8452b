//! The wildcards of the trimming operators: Go's `path.Match`, with a `*` that takes slashes too.

use super::functions::Steps;

/// Why a pattern was not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Malformed {
    /// It is malformed; found only where the comparison gets as far as that.
    Pattern,
    /// It took too long.
    Steps,
}

/// Whether a pattern matches all of a name.
///
/// A `*` is settled by the first place where what follows it fits, and never tried again.
pub(super) fn matches(pattern: &[u8], name: &[u8], steps: &mut Steps) -> Result<bool, Malformed> {
    let (mut pattern, mut name) = (pattern, name);
    'chunks: while !pattern.is_empty() {
        let (has_star, chunk, rest) = split(pattern);
        pattern = rest;
        if has_star && chunk.is_empty() {
            return Ok(true);
        }
        if let Some(after) = fits(chunk, name, steps)?
            && (after.is_empty() || !pattern.is_empty())
        {
            name = after;
            continue;
        }
        if has_star {
            for skipped in 1..=name.len() {
                let start = name.get(skipped..).unwrap_or_default();
                if let Some(after) = fits(chunk, start, steps)? {
                    if pattern.is_empty() && !after.is_empty() {
                        continue;
                    }
                    name = after;
                    continue 'chunks;
                }
            }
        }
        return Ok(false);
    }
    Ok(name.is_empty())
}

/// The first character of some bytes and its length; 0 at the end, and 1 for a byte that starts none.
pub(super) fn character(bytes: &[u8]) -> (char, usize) {
    // No character is longer.
    let start = bytes.get(..4).unwrap_or(bytes);
    let whole = start
        .utf8_chunks()
        .next()
        .and_then(|chunk| chunk.valid().chars().next());
    whole.map_or_else(
        || (char::REPLACEMENT_CHARACTER, usize::from(!bytes.is_empty())),
        |character| (character, character.len_utf8()),
    )
}

/// The stars in front, what follows up to the next star outside of a class, and the rest.
fn split(pattern: &[u8]) -> (bool, &[u8], &[u8]) {
    let stars = pattern.iter().take_while(|byte| **byte == b'*').count();
    let pattern = pattern.get(stars..).unwrap_or_default();
    let mut in_class = false;
    let mut is_escaped = false;
    let end = pattern.iter().position(|byte| {
        if is_escaped {
            is_escaped = false;
            return false;
        }
        match byte {
            b'\\' => is_escaped = true,
            b'[' => in_class = true,
            b']' => in_class = false,
            b'*' => return !in_class,
            _ => {}
        }
        false
    });
    let (chunk, rest) = pattern.split_at(end.unwrap_or(pattern.len()));
    (stars > 0, chunk, rest)
}

/// What is left of a name whose beginning fits a pattern without stars.
fn fits<'n>(chunk: &[u8], name: &'n [u8], steps: &mut Steps) -> Result<Option<&'n [u8]>, Malformed> {
    let (mut chunk, mut name) = (chunk, name);
    if !steps.take(1) {
        return Err(Malformed::Steps);
    }
    while let Some((first, rest)) = chunk.split_first() {
        if !steps.take(1) {
            return Err(Malformed::Steps);
        }
        let Some((byte, after)) = name.split_first() else {
            return Ok(None);
        };
        chunk = rest;
        match first {
            b'[' => {
                let (wanted, length) = character(name);
                name = name.get(length..).unwrap_or_default();
                if !class(&mut chunk, wanted)? {
                    return Ok(None);
                }
            }
            b'?' => name = name.get(character(name).1..).unwrap_or_default(),
            b'\\' => {
                let (escaped, rest) = chunk.split_first().ok_or(Malformed::Pattern)?;
                if escaped != byte {
                    return Ok(None);
                }
                (chunk, name) = (rest, after);
            }
            _ if first == byte => name = after,
            _ => return Ok(None),
        }
    }
    Ok(Some(name))
}

/// Whether a character is in a class, whose `[` was read; reads it to its end.
fn class(chunk: &mut &[u8], wanted: char) -> Result<bool, Malformed> {
    let is_negated = chunk.first() == Some(&b'^');
    if is_negated {
        *chunk = chunk.get(1..).unwrap_or_default();
    }
    let (mut is_within, mut is_first) = (false, true);
    loop {
        if !is_first && let Some(rest) = chunk.strip_prefix(b"]") {
            *chunk = rest;
            return Ok(is_within != is_negated);
        }
        is_first = false;
        let low = bound(chunk)?;
        let mut high = low;
        if let Some(rest) = chunk.strip_prefix(b"-") {
            *chunk = rest;
            high = bound(chunk)?;
        }
        is_within |= (low..=high).contains(&wanted);
    }
}

/// One character of a class; something must follow it.
fn bound(chunk: &mut &[u8]) -> Result<char, Malformed> {
    if matches!(chunk.first(), None | Some(b'-' | b']')) {
        return Err(Malformed::Pattern);
    }
    let text = chunk.strip_prefix(b"\\").unwrap_or(chunk);
    let (found, length) = character(text);
    if length == 0 || (found == char::REPLACEMENT_CHARACTER && length == 1) {
        return Err(Malformed::Pattern);
    }
    *chunk = text
        .get(length..)
        .filter(|rest| !rest.is_empty())
        .ok_or(Malformed::Pattern)?;
    Ok(found)
}
