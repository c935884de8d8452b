//! How stored tags look in a file: a head for each list, and its tags in pieces, so that a new tag changes one piece.
//!
//! ```text
//! head:  layout, image, exclusions, version of the list, time, number of tags, checksum, held list
//! piece: for each tag: bytes shared with the tag before, the rest of it, time of first sight, digest
//! ```
//!
//! Where a piece begins depends on the tag alone: pieces on either side of a new tag stay as they are. Numbers are LEB128
//! (seven bits a byte, the last one below 128), times are differences to the one before, strings follow their length.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::StoredTags;
use super::seen::{SeenDigest, Sightings};
use crate::image::TagSnapshot;
use crate::scanner::ListVersion;

/// The layout of heads and pieces. A file with another one is not read.
pub(super) const LAYOUT: u64 = 1;

/// One tag of so many begins a piece.
const PIECE: u64 = 128;

/// Longest piece; lists can be made whose tags never begin one.
const MAX_PIECE: usize = 2048;

/// A record that cannot be what was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BrokenRecord {
    /// It ends in the middle.
    #[error("it is cut off")]
    CutOff,
    /// A number or text is none.
    #[error("it holds what is no {0}")]
    Nonsense(&'static str),
    /// The tags are not those that were written.
    #[error("its tags have another checksum")]
    Checksum,
}

/// The head of a list.
pub(super) fn head(stored: &StoredTags) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    put_number(&mut out, LAYOUT);
    put_text(&mut out, &stored.image);
    put_length(&mut out, stored.exclusions.len());
    for pattern in &stored.exclusions {
        put_text(&mut out, pattern);
    }
    match &stored.version {
        None => put_number(&mut out, 0),
        Some(version) => {
            let (url, tag) = version.parts();
            put_number(&mut out, 1);
            put_text(&mut out, url);
            put_bytes(&mut out, tag);
        }
    }
    put_number(
        &mut out,
        u64::try_from(stored.found.as_second()).unwrap_or_default(),
    );
    put_length(&mut out, stored.tags.len());
    put_text(&mut out, stored.tags.revision());
    match &stored.held {
        None => put_number(&mut out, 0),
        Some(held) => {
            put_number(&mut out, 1);
            put_length(&mut out, held.len());
            let mut before = "";
            for tag in held.tags() {
                put_tag(&mut out, before, tag);
                before = tag;
            }
        }
    }
    out
}

/// The pieces of a list, by their first tag.
pub(super) fn pieces<'s>(tags: &'s TagSnapshot, seen: &Sightings) -> BTreeMap<&'s str, Vec<u8>> {
    let mut pieces = BTreeMap::new();
    let mut open: Option<(&'s str, Vec<u8>)> = None;
    let (mut length, mut before, mut time) = (0, "", 0);
    for (position, tag) in tags.tags().enumerate() {
        if length == MAX_PIECE || length > 0 && begins_piece(tag) {
            pieces.extend(open.take());
            (length, before, time) = (0, "", 0);
        }
        let (_, out) = open.get_or_insert_with(|| (tag, Vec::new()));
        put_tag(out, before, tag);
        let first = i64::from(seen.first_seconds(position));
        let digest = seen.digest(tag);
        put_number(out, zigzag(first - time) << 1 | u64::from(digest.is_some()));
        if let Some(digest) = digest {
            put_text(out, &digest.digest);
            put_number(out, zigzag(digest.since.as_second() - first));
        }
        (length, before, time) = (length + 1, tag, first);
    }
    pieces.extend(open);
    pieces
}

/// Reads a list back. The pieces are in the order of the tags, which is a descending one.
pub(super) fn read<'p>(
    head: &[u8],
    pieces: impl Iterator<Item = Result<Vec<u8>, BrokenRecord>> + 'p,
) -> Result<StoredTags, BrokenRecord> {
    let mut reader = Reader { rest: head };
    if reader.number()? != LAYOUT {
        return Err(BrokenRecord::Nonsense("layout"));
    }
    let image = reader.text()?.to_owned();
    let exclusions = (0..reader.number()?)
        .map(|_| reader.text().map(str::to_owned))
        .collect::<Result<_, _>>()?;
    let version = match reader.number()? {
        0 => None,
        _ => ListVersion::from_parts(reader.text()?, reader.bytes()?),
    };
    let found = timestamp(reader.signed()?)?;
    let count = reader.length()?;
    let revision = reader.text()?;
    let held = match reader.number()? {
        0 => None,
        _ => Some(reader.tags()?),
    };

    let mut tags = Vec::with_capacity(count.min(1 << 20));
    let (mut first, mut digests) = (Vec::with_capacity(tags.capacity()), BTreeMap::new());
    for piece in pieces {
        let piece = piece?;
        let mut reader = Reader { rest: &piece };
        let (mut before, mut time) = (String::new(), 0);
        while !reader.rest.is_empty() {
            before = reader.tag(&before)?;
            let number = reader.number()?;
            time = unzigzag(number >> 1)
                .checked_add(time)
                .ok_or(BrokenRecord::Nonsense("time"))?;
            first.push(u32::try_from(time).map_err(|_| BrokenRecord::Nonsense("time"))?);
            if number & 1 == 1 {
                let digest = reader.text()?.to_owned();
                let since = unzigzag(reader.number()?).saturating_add(time);
                let since = timestamp(since)?;
                digests.insert(before.clone(), SeenDigest { digest, since });
            }
            tags.push(before.clone());
        }
    }
    let snapshot = TagSnapshot::from_descending(tags.iter().map(String::as_str));
    if snapshot.len() != count || snapshot.revision() != revision {
        return Err(BrokenRecord::Checksum);
    }
    Ok(StoredTags {
        image,
        exclusions,
        tags: snapshot.into(),
        held: held.map(Into::into),
        version,
        found,
        seen: Sightings::restored(first, digests),
        is_restored: true,
    })
}

/// Whether a piece begins at this tag (FNV-1a, whose low bits are then mixed with the high ones).
fn begins_piece(tag: &str) -> bool {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in tag.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    (hash ^ (hash >> 32)).is_multiple_of(PIECE)
}

fn timestamp(second: i64) -> Result<Timestamp, BrokenRecord> {
    Timestamp::from_second(second).map_err(|_| BrokenRecord::Nonsense("time"))
}

const fn zigzag(number: i64) -> u64 {
    (number.cast_unsigned() << 1) ^ (number >> 63).cast_unsigned()
}

const fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}

fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    put_number(out, u64::try_from(length).unwrap_or(u64::MAX));
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_length(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_bytes(out, text.as_bytes());
}

fn put_tag(out: &mut Vec<u8>, before: &str, tag: &str) {
    let mut shared = before
        .bytes()
        .zip(tag.bytes())
        .take_while(|(a, b)| a == b)
        .count();
    while !tag.is_char_boundary(shared) {
        shared -= 1;
    }
    put_length(out, shared);
    put_text(out, tag.get(shared..).unwrap_or_default());
}

struct Reader<'r> {
    rest: &'r [u8],
}

impl<'r> Reader<'r> {
    fn number(&mut self) -> Result<u64, BrokenRecord> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.rest.split_first().ok_or(BrokenRecord::CutOff)?;
            self.rest = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(BrokenRecord::Nonsense("number"))
    }

    fn signed(&mut self) -> Result<i64, BrokenRecord> {
        i64::try_from(self.number()?).map_err(|_| BrokenRecord::Nonsense("number"))
    }

    fn length(&mut self) -> Result<usize, BrokenRecord> {
        usize::try_from(self.number()?).map_err(|_| BrokenRecord::Nonsense("length"))
    }

    fn bytes(&mut self) -> Result<&'r [u8], BrokenRecord> {
        let length = self.length()?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(BrokenRecord::CutOff)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn text(&mut self) -> Result<&'r str, BrokenRecord> {
        std::str::from_utf8(self.bytes()?).map_err(|_| BrokenRecord::Nonsense("text"))
    }

    fn tag(&mut self, before: &str) -> Result<String, BrokenRecord> {
        let shared = self.length()?;
        let shared = before.get(..shared).ok_or(BrokenRecord::Nonsense("length"))?;
        Ok(format!("{shared}{}", self.text()?))
    }

    fn tags(&mut self) -> Result<TagSnapshot, BrokenRecord> {
        let count = self.length()?;
        let mut tags: Vec<String> = Vec::with_capacity(count.min(1 << 16));
        for _ in 0..count {
            let before = tags.last().map(String::as_str).unwrap_or_default();
            tags.push(self.tag(before)?);
        }
        Ok(TagSnapshot::from_descending(tags.iter().map(String::as_str)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn stored(tags: Vec<String>, held: Option<Vec<String>>, digests: &[String]) -> StoredTags {
        let snapshot = TagSnapshot::new(tags);
        let half = TagSnapshot::from_descending(snapshot.tags().step_by(2));
        let mut seen = Sightings::new(&half, at(1_700_000_000)).carried(&half, &snapshot, at(1_800_000_000));
        for tag in digests.iter().filter(|tag| snapshot.contains(tag)) {
            seen = seen
                .with_digest(tag, "sha256:0123", at(1_790_000_000))
                .unwrap_or(seen);
        }
        StoredTags {
            image: "r.example/app".to_owned(),
            exclusions: vec!["^.*\\.sig$".to_owned(), "ä".to_owned()],
            tags: snapshot.into(),
            held: held.map(|held| TagSnapshot::new(held).into()),
            version: ListVersion::from_parts("https://r.example/v2/app/tags/list", b"\"v1\""),
            found: at(1_800_000_000),
            seen,
            is_restored: true,
        }
    }

    fn read_back(head: &[u8], pieces: &BTreeMap<&str, Vec<u8>>) -> Result<StoredTags, BrokenRecord> {
        read(head, pieces.values().rev().cloned().map(Ok))
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_back(tags in vec("[a-c0-9ä.]{0,6}", 0..400), held in proptest::option::of(vec("[ab]{1,3}", 0..5))) {
            let digests: Vec<String> = tags.iter().step_by(3).cloned().collect();
            let stored = stored(tags, held, &digests);
            let pieces = pieces(&stored.tags, &stored.seen);
            prop_assert_eq!(read_back(&head(&stored), &pieces), Ok(stored));
        }

        #[test]
        fn broken_bytes_are_an_error_and_never_a_panic(head in vec(any::<u8>(), 0..60), piece in vec(any::<u8>(), 0..60)) {
            drop(read(&head, std::iter::once(Ok(piece))));
        }

        #[test]
        fn a_head_or_piece_that_is_cut_off_is_no_list(tags in vec("[a-c]{1,6}", 1..50), cut in 0usize..200) {
            let stored = stored(tags, None, &[]);
            let (whole, mut pieces) = (head(&stored), pieces(&stored.tags, &stored.seen));
            let short = whole.get(..cut.min(whole.len() - 1)).unwrap();
            prop_assert!(read_back(short, &pieces).is_err());
            if let Some(piece) = pieces.values_mut().next() {
                piece.truncate(cut.min(piece.len() - 1));
            }
            prop_assert!(read_back(&whole, &pieces).is_err());
        }
    }

    #[test]
    fn a_new_tag_changes_a_piece_or_two_of_many() {
        let tags: Vec<String> = (0..20_000)
            .map(|n| format!("v1.{}.{}", n / 100, n % 100))
            .collect();
        let before = stored(tags.clone(), None, &[]);
        let more = [tags, vec!["v1.77.100".to_owned()]].concat();
        let after = TagSnapshot::new(more);
        let seen = before.seen.carried(&before.tags, &after, at(1_900_000_000));
        let (old, new) = (pieces(&before.tags, &before.seen), pieces(&after, &seen));
        let changed: Vec<usize> = new
            .iter()
            .filter(|(first, piece)| old.get(*first) != Some(*piece))
            .map(|(_, piece)| piece.len())
            .collect();
        assert!(old.len() > 100, "{} pieces", old.len());
        assert!(
            changed.len() <= 2 && changed.iter().sum::<usize>() < 8192,
            "{changed:?}"
        );
        assert!(new.len() - old.len() <= 1);
    }
}
