//! Writing packs: complete objects, or deltas against objects that the reader has (gitformat-pack).

use super::{Object, ObjectKind};
use crate::ObjectId;
use gix::zlib::{Compression, stream::deflate};
use std::collections::HashMap;
use std::io::{self, Write};

/// An object to be written: complete, or the difference to another one.
pub(crate) enum Entry<'a> {
    Complete(&'a Object),
    Difference { base: ObjectId, delta: &'a [u8] },
}

/// Writes a pack of `count` entries.
pub(crate) fn write<'a>(
    out: impl Write,
    count: u32,
    entries: impl IntoIterator<Item = io::Result<EntryToWrite<'a>>>,
) -> io::Result<()> {
    let mut out = Hashed {
        out,
        hasher: gix::hash::hasher(gix::hash::Kind::Sha1),
    };
    out.write_all(b"PACK\0\0\0\x02")?;
    out.write_all(&count.to_be_bytes())?;
    for entry in entries {
        match entry? {
            EntryToWrite::Borrowed(Entry::Complete(object)) => write_object(&mut out, object)?,
            EntryToWrite::Owned(object) => write_object(&mut out, &object)?,
            EntryToWrite::Borrowed(Entry::Difference { base, delta }) => {
                write_header(&mut out, 7, delta.len())?;
                out.write_all(base.as_bytes())?;
                write_compressed(&mut out, delta)?;
            }
        }
    }
    let Hashed { mut out, hasher } = out;
    let checksum = hasher.try_finalize().map_err(io::Error::other)?;
    out.write_all(checksum.as_slice())?;
    out.flush()
}

/// An entry that is borrowed, or an object that was read just now.
pub(crate) enum EntryToWrite<'a> {
    Borrowed(Entry<'a>),
    Owned(Object),
}

/// A pack of a few entries in memory.
pub(crate) fn to_vec(entries: Vec<Entry<'_>>) -> io::Result<Vec<u8>> {
    let mut pack = Vec::new();
    let count = u32::try_from(entries.len()).map_err(io::Error::other)?;
    write(
        &mut pack,
        count,
        entries.into_iter().map(|entry| Ok(EntryToWrite::Borrowed(entry))),
    )?;
    Ok(pack)
}

fn write_object(out: &mut impl Write, object: &Object) -> io::Result<()> {
    let kind = match object.kind {
        ObjectKind::Commit => 1,
        ObjectKind::Tree => 2,
        ObjectKind::Blob => 3,
        ObjectKind::Tag => 4,
    };
    write_header(out, kind, object.data.len())?;
    write_compressed(out, &object.data)
}

/// The kind, and the size with 4 bits in the first byte and 7 in each that follows.
fn write_header(out: &mut impl Write, kind: u8, size: usize) -> io::Result<()> {
    let mut rest = size >> 4;
    let mut byte = (kind << 4) | low_bits(size, 4);
    while rest > 0 {
        out.write_all(&[byte | 0x80])?;
        byte = low_bits(rest, 7);
        rest >>= 7;
    }
    out.write_all(&[byte])
}

fn write_compressed(out: &mut impl Write, data: &[u8]) -> io::Result<()> {
    let mut compressed = deflate::Write::new(Vec::with_capacity(data.len() / 2 + 64), Compression::DEFAULT);
    compressed.write_all(data)?;
    compressed.flush()?;
    out.write_all(&compressed.into_inner())
}

/// The instructions that turn `base` into `target`, or `None` when they would save less than half.
///
/// Both are cut into pieces (entries of a tree, lines of a text); a piece of the target that the base has is copied.
pub(crate) fn delta(kind: ObjectKind, base: &[u8], target: &[u8]) -> Option<Vec<u8>> {
    let pieces = |data| match kind {
        ObjectKind::Tree => tree_pieces(data),
        _ => line_pieces(data),
    };
    let mut known: HashMap<&[u8], usize> = HashMap::new();
    let mut position = 0;
    for piece in pieces(base) {
        known.entry(piece).or_insert(position);
        position += piece.len();
    }
    let mut out = Vec::new();
    write_size(&mut out, base.len());
    write_size(&mut out, target.len());
    let mut literal: Vec<u8> = Vec::new();
    let mut copy: Option<(usize, usize)> = None;
    for piece in pieces(target) {
        // A piece that follows the last copy in the base lengthens it, wherever else it also occurs.
        if let Some((start, length)) = copy
            && base.get(start + length..start + length + piece.len()) == Some(piece)
        {
            copy = Some((start, length + piece.len()));
            continue;
        }
        if let Some((start, length)) = copy.take() {
            write_copy(&mut out, start, length)?;
        }
        // A copy instruction takes up to 7 bytes; a shorter piece is cheaper as it is.
        if let Some(start) = known.get(piece).filter(|_| piece.len() > 7) {
            write_literal(&mut out, &literal);
            literal.clear();
            copy = Some((*start, piece.len()));
        } else {
            literal.extend_from_slice(piece);
        }
    }
    if let Some((start, length)) = copy {
        write_copy(&mut out, start, length)?;
    }
    write_literal(&mut out, &literal);
    (out.len() * 2 < target.len()).then_some(out)
}

fn tree_pieces(tree: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut rest = tree;
    while !rest.is_empty() {
        let end = rest
            .iter()
            .position(|byte| *byte == 0)
            .map_or(rest.len(), |nul| (nul + 21).min(rest.len()));
        let (piece, tail) = rest.split_at(end);
        pieces.push(piece);
        rest = tail;
    }
    pieces
}

fn line_pieces(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

fn write_size(out: &mut Vec<u8>, mut size: usize) {
    while size > 0x7f {
        out.push(low_bits(size, 7) | 0x80);
        size >>= 7;
    }
    out.push(low_bits(size, 7));
}

/// Copies of at most 0xffff bytes; `None` when the base is too large for an offset of four bytes.
fn write_copy(out: &mut Vec<u8>, mut start: usize, mut length: usize) -> Option<()> {
    while length > 0 {
        let count = length.min(0xffff);
        let offset = u32::try_from(start).ok()?.to_le_bytes();
        let size = u16::try_from(count).ok()?.to_le_bytes();
        let instruction = out.len();
        out.push(0x80);
        let mut flags = 0x80;
        for (bit, byte) in offset.into_iter().chain(size).enumerate() {
            if byte != 0 {
                flags |= 1 << bit;
                out.push(byte);
            }
        }
        if let Some(byte) = out.get_mut(instruction) {
            *byte = flags;
        }
        start += count;
        length -= count;
    }
    Some(())
}

fn write_literal(out: &mut Vec<u8>, literal: &[u8]) {
    for chunk in literal.chunks(0x7f) {
        out.push(low_bits(chunk.len(), 7));
        out.extend_from_slice(chunk);
    }
}

fn low_bits(value: usize, bits: u32) -> u8 {
    u8::try_from(value & ((1 << bits) - 1)).unwrap_or_default()
}

/// Hashes what passes through.
struct Hashed<W> {
    out: W,
    hasher: gix::hash::Hasher,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.out.write(buffer)?;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Applies a delta as gitformat-pack describes it.
    fn apply(base: &[u8], delta: &[u8]) -> Vec<u8> {
        let mut bytes = delta.iter().copied();
        let mut size = || {
            let (mut value, mut shift) = (0, 0);
            loop {
                let byte = bytes.next().unwrap();
                value |= usize::from(byte & 0x7f) << shift;
                shift += 7;
                if byte & 0x80 == 0 {
                    return value;
                }
            }
        };
        assert_eq!(size(), base.len());
        let expected = size();
        let mut out = Vec::new();
        while let Some(instruction) = bytes.next() {
            if instruction & 0x80 == 0 {
                out.extend(bytes.by_ref().take(usize::from(instruction)));
            } else {
                let mut values = [0_usize; 7];
                for (bit, value) in values.iter_mut().enumerate() {
                    if instruction & (1 << bit) != 0 {
                        *value = usize::from(bytes.next().unwrap());
                    }
                }
                let start = values[0] | values[1] << 8 | values[2] << 16 | values[3] << 24;
                let length = values[4] | values[5] << 8;
                out.extend_from_slice(&base[start..start + length]);
            }
        }
        assert_eq!(out.len(), expected);
        out
    }

    #[test]
    fn one_changed_line_of_a_large_file_costs_few_bytes() {
        let base = (0..20_000)
            .map(|line| format!("line number {line}\n"))
            .collect::<Vec<_>>()
            .concat();
        let target = base.replace("line number 7777\n", "changed\n");
        let delta = delta(ObjectKind::Blob, base.as_bytes(), target.as_bytes()).unwrap();
        assert!(delta.len() < 80, "{} bytes", delta.len());
        assert_eq!(apply(base.as_bytes(), &delta), target.as_bytes());
    }

    proptest! {
        #[test]
        fn a_delta_applied_to_its_base_gives_the_target(
            base in "([a-c]{0,12}\n){0,60}",
            start in 0..400_usize,
            length in 0..50_usize,
            insert in "([a-d]{0,12}\n?){0,3}",
        ) {
            let start = start.min(base.len());
            let end = (start + length).min(base.len());
            let target = format!("{}{}{}", &base[..start], insert, &base[end..]);
            if let Some(delta) = delta(ObjectKind::Blob, base.as_bytes(), target.as_bytes()) {
                prop_assert_eq!(apply(base.as_bytes(), &delta), target.as_bytes());
            }
        }

        #[test]
        fn an_arbitrary_tree_never_panics(
            base in proptest::collection::vec(any::<u8>(), 0..200),
            target in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            if let Some(delta) = delta(ObjectKind::Tree, &base, &target) {
                prop_assert_eq!(apply(&base, &delta), target);
            }
        }
    }
}
