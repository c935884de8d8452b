//! One page of a tag list: reading it with bounds, and judging what it adds.

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher, RandomState};

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::manifest::is_digest;
use super::registry::KnownTag;
use crate::image::TagSnapshot;

/// Longest tag that the distribution specification allows.
const MAX_TAG_LENGTH: usize = 128;

/// Tags in the order in which they came, in one buffer: a list may have a hundred thousand of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct TagBuffer {
    text: String,
    /// Where each tag ends in `text`.
    ends: Vec<usize>,
}

impl TagBuffer {
    pub(super) fn push(&mut self, tag: &str) {
        self.text.push_str(tag);
        self.ends.push(self.text.len());
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn last(&self) -> Option<&str> {
        self.get(self.len().checked_sub(1)?)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).filter_map(|position| self.get(position))
    }

    /// Adds the tags of `other`; the first ones cost nothing.
    pub(super) fn append(&mut self, other: Self) {
        if self.ends.is_empty() {
            *self = other;
            return;
        }
        for tag in other.iter() {
            self.push(tag);
        }
    }

    /// The list, complete.
    pub(super) fn snapshot(&self) -> TagSnapshot {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_unstable_by(|a, b| self.get(*b).cmp(&self.get(*a)));
        // Tags that came twice are left out on the way.
        TagSnapshot::from_descending(order.into_iter().filter_map(|position| self.get(position)))
    }

    fn get(&self, position: usize) -> Option<&str> {
        let end = *self.ends.get(position)?;
        let start = match position.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        self.text.get(start..end)
    }
}

/// The tags of one page.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct TagPage {
    pub(super) tags: TagBuffer,
    /// Entries that are no tags: too long, or with characters that no tag has. They can never be pulled.
    pub(super) illegal: u32,
    /// What the page says of its tags beside their names.
    pub(super) known: Vec<KnownTag>,
}

/// Why a page is no page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidPage {
    #[error("more tags than wanted")]
    TooMany,
    #[error("the answer is not a tag list: {0}")]
    NotATagList(String),
}

impl TagPage {
    /// Reads a page with at most `limit` tags. `null` is how some registries write an empty list.
    pub(super) fn parse(body: &[u8], limit: usize) -> Result<Self, InvalidPage> {
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        let list = deserializer
            .deserialize_map(ListVisitor { limit })
            .and_then(|list| deserializer.end().map(|()| list))
            .map_err(|err| InvalidPage::NotATagList(describe(body, &err)))?;
        let (list, known) = list;
        match list {
            Listed::Tags(page) => Ok(Self { known, ..page }),
            Listed::TooMany => Err(InvalidPage::TooMany),
            Listed::Missing => Err(InvalidPage::NotATagList(
                "it has neither 'tags' nor 'name'".to_owned(),
            )),
        }
    }
}

/// Whether `tag` is one by the distribution specification: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
fn is_tag(tag: &str) -> bool {
    let starts_well = tag
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
    starts_well
        && tag.len() <= MAX_TAG_LENGTH
        && tag
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

/// Remembers which tags earlier pages had, by a hash with a random key: eight bytes a tag.
pub(super) struct SeenTags {
    hasher: RandomState,
    hashes: HashSet<u64>,
}

impl SeenTags {
    pub(super) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            hashes: HashSet::new(),
        }
    }

    /// Adds tags; tells how many of them are new.
    pub(super) fn add(&mut self, tags: &TagBuffer) -> usize {
        tags.iter()
            .filter(|tag| self.hashes.insert(self.hasher.hash_one(tag)))
            .count()
    }
}

enum Listed {
    Tags(TagPage),
    TooMany,
    Missing,
}

struct ListVisitor {
    limit: usize,
}

impl<'de> Visitor<'de> for ListVisitor {
    type Value = (Listed, Vec<KnownTag>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a list of tags")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut listed = Listed::Missing;
        let mut known = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "tags" => listed = map.next_value_seed(Tags { limit: self.limit })?,
                "name" => {
                    map.next_value::<IgnoredAny>()?;
                    // Some registries leave an empty list out.
                    if matches!(listed, Listed::Missing) {
                        listed = Listed::Tags(TagPage::default());
                    }
                }
                "manifest" => Manifests(known) = map.next_value()?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok((listed, known))
    }
}

struct Tags {
    limit: usize,
}

impl<'de> serde::de::DeserializeSeed<'de> for Tags {
    type Value = Listed;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Listed, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tags {
    type Value = Listed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of tags")
    }

    fn visit_unit<E>(self) -> Result<Listed, E> {
        Ok(Listed::Tags(TagPage::default()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Listed, A::Error> {
        let mut page = TagPage::default();
        let mut is_too_long = false;
        let limit = self.limit;
        while let Some(is_within) = sequence.next_element_seed(NextTag {
            page: &mut page,
            limit,
        })? {
            is_too_long |= !is_within;
        }
        Ok(if is_too_long {
            Listed::TooMany
        } else {
            Listed::Tags(page)
        })
    }
}

/// Puts one tag into a page; gives whether there was room.
struct NextTag<'p> {
    page: &'p mut TagPage,
    limit: usize,
}

impl<'de> serde::de::DeserializeSeed<'de> for NextTag<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NextTag<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tag")
    }

    fn visit_str<E>(self, text: &str) -> Result<bool, E> {
        if !is_tag(text) {
            self.page.illegal = self.page.illegal.saturating_add(1);
        } else if self.page.tags.len() >= self.limit {
            return Ok(false);
        } else {
            self.page.tags.push(text);
        }
        Ok(true)
    }
}

/// What registries at Google add to a list: the manifests by digest, with their tags and times. Anything else under the same
/// name is somebody else's business.
#[derive(Default)]
struct Manifests(Vec<KnownTag>);

/// How many of them are kept, and how many tags of each: a list of this kind costs many times as much memory as text.
pub(super) const MAX_KNOWN: usize = 100_000;
const MAX_TAGS_OF_ONE: usize = 1_000;

/// Takes any other value for nothing.
macro_rules! nothing_else {
    ($value:ty) => {
        fn visit_unit<E>(self) -> Result<$value, E> {
            Ok(<$value>::default())
        }

        fn visit_bool<E>(self, _: bool) -> Result<$value, E> {
            Ok(<$value>::default())
        }

        fn visit_i64<E>(self, _: i64) -> Result<$value, E> {
            Ok(<$value>::default())
        }

        fn visit_u64<E>(self, _: u64) -> Result<$value, E> {
            Ok(<$value>::default())
        }

        fn visit_f64<E>(self, _: f64) -> Result<$value, E> {
            Ok(<$value>::default())
        }
    };
}

/// One of them; the times are numbers in strings. Read value by value, so that no part of it is ever kept whole.
#[derive(Default)]
struct Uploaded {
    tags: Vec<String>,
    time: Option<String>,
}

impl<'de> Deserialize<'de> for Uploaded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct UploadedVisitor;
        impl<'de> Visitor<'de> for UploadedVisitor {
            type Value = Uploaded;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Uploaded, A::Error> {
                let mut uploaded = Uploaded::default();
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "tag" => uploaded.tags = map.next_value::<Texts>()?.0,
                        "timeUploadedMs" => uploaded.time = map.next_value::<Texts>()?.0.pop(),
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(uploaded)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Uploaded, A::Error> {
                while sequence.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Uploaded::default())
            }

            fn visit_str<E>(self, _: &str) -> Result<Uploaded, E> {
                Ok(Uploaded::default())
            }

            nothing_else!(Uploaded);
        }
        deserializer.deserialize_any(UploadedVisitor)
    }
}

/// A text, or the first texts of a list.
#[derive(Default)]
struct Texts(Vec<String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextsVisitor;
        impl<'de> Visitor<'de> for TextsVisitor {
            type Value = Texts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }

            fn visit_str<E>(self, text: &str) -> Result<Texts, E> {
                Ok(Texts(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Texts, A::Error> {
                let mut texts = Vec::new();
                while texts.len() < MAX_TAGS_OF_ONE {
                    match sequence.next_element::<Texts>()? {
                        Some(more) => texts.extend(more.0),
                        None => return Ok(Texts(texts)),
                    }
                }
                while sequence.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Texts(texts))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Texts, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Texts::default())
            }

            nothing_else!(Texts);
        }
        deserializer.deserialize_any(TextsVisitor)
    }
}

impl<'de> Deserialize<'de> for Manifests {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ManifestsVisitor;
        impl<'de> Visitor<'de> for ManifestsVisitor {
            type Value = Manifests;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Manifests, A::Error> {
                let mut known = Vec::new();
                // One at a time: all of them together are many times as large as the list.
                while let Some((digest, manifest)) = map.next_entry::<String, Uploaded>()? {
                    if !is_digest(&digest) {
                        continue;
                    }
                    let milliseconds = manifest.time.and_then(|time| time.parse::<i64>().ok());
                    let milliseconds = milliseconds.filter(|time| *time > 0);
                    let uploaded = milliseconds.and_then(|time| Timestamp::from_millisecond(time).ok());
                    let tags = manifest.tags.into_iter().filter(|tag| is_tag(tag));
                    let room = MAX_KNOWN.saturating_sub(known.len());
                    known.extend(tags.take(room).map(|tag| KnownTag {
                        tag: tag.into(),
                        digest: digest.as_str().into(),
                        uploaded,
                    }));
                }
                Ok(Manifests(known))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Manifests, A::Error> {
                while sequence.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Manifests::default())
            }

            fn visit_str<E>(self, _: &str) -> Result<Manifests, E> {
                Ok(Manifests::default())
            }

            nothing_else!(Manifests);
        }
        deserializer.deserialize_any(ManifestsVisitor)
    }
}

/// Says what is wrong without repeating foreign text at length.
fn describe(body: &[u8], err: &serde_json::Error) -> String {
    let start = body.trim_ascii_start();
    if start.is_empty() {
        return "it is empty".to_owned();
    }
    if start.first() == Some(&b'<') {
        return "it is an HTML or XML page".to_owned();
    }
    match err.classify() {
        serde_json::error::Category::Eof => "it ends too early".to_owned(),
        _ => format!("wrong JSON at line {} column {}", err.line(), err.column()),
    }
}

#[cfg(test)]
mod tests;
