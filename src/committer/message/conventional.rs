//! A message as a conventional commit (conventionalcommits.org 1.0.0), with trailers that programs can read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::image::{ImageRef, PolicyKey, Selections};
use crate::setters::{ChangeSet, Field};

/// Longest subject; forges cut longer ones.
const LONGEST_SUBJECT: usize = 72;

/// Characters of a digest that a line shows.
const SHORT_DIGEST: usize = 12;

/// One image that was written.
struct Written<'a> {
    policy: &'a PolicyKey,
    image: &'a ImageRef,
    /// What the places had before.
    before: BTreeSet<String>,
    /// What they have now, in the same words.
    after: String,
}

/// The message: `chore(images): update debug 1.0.3 -> 1.0.4`, a line for each image, and trailers with its policy and, where it
/// is reflected, its digest.
pub(super) fn message(changes: &ChangeSet, selections: &Selections) -> String {
    let written = written(changes, selections);
    let mut message = subject(&written);
    message.push_str("\n\n");
    let distinct: BTreeSet<String> = written
        .iter()
        .map(|written| format!("- {} {}", written.image.name(), written.step()))
        .collect();
    for line in distinct {
        message.push_str(&line);
        message.push('\n');
    }
    message.push('\n');
    for written in &written {
        // Writing to a string cannot fail.
        writeln!(
            message,
            "Image-Policy: {}/{}",
            written.policy.namespace, written.policy.name
        )
        .ok();
    }
    let digests: BTreeSet<String> = written
        .iter()
        .filter(|written| written.image.digest().is_some())
        .map(|written| format!("Image-Digest: {}\n", written.image))
        .collect();
    message.extend(digests);
    message
}

fn subject(written: &[Written<'_>]) -> String {
    const TYPE: &str = "chore(images): update";
    let steps: BTreeSet<String> = written
        .iter()
        .map(|written| {
            let name = written.image.name();
            format!("{} {}", name.rsplit('/').next().unwrap_or(name), written.step())
        })
        .collect();
    let count = steps.len();
    let all: Vec<String> = steps.into_iter().collect();
    let subject = format!("{TYPE} {}", all.join(", "));
    if subject.chars().count() <= LONGEST_SUBJECT || count == 1 {
        return subject;
    }
    format!("{TYPE} {count} images")
}

/// The images of the policies whose markers changed something, by policy.
fn written<'a>(changes: &'a ChangeSet, selections: &'a Selections) -> Vec<Written<'a>> {
    let mut by_policy: BTreeMap<&PolicyKey, Written<'a>> = BTreeMap::new();
    for (_, change) in changes.changes() {
        let policy = &change.marker.policy;
        let Some(image) = selections.get(policy) else {
            continue;
        };
        let written = by_policy.entry(policy).or_insert_with(|| Written {
            policy,
            image,
            before: BTreeSet::new(),
            after: image.tag().to_owned(),
        });
        if let Some(tag) = tag_before(change.marker.field, &change.old) {
            written.before.insert(tag.to_owned());
        }
    }
    by_policy.into_values().collect()
}

/// The tag that a marked scalar held.
fn tag_before(field: Field, old: &str) -> Option<&str> {
    let tag = match field {
        Field::Tag => old,
        Field::Image => {
            let name = old.split('@').next().unwrap_or(old);
            let (_, tag) = name.rsplit_once(':')?;
            // The colon of a port is no tag's.
            (!tag.contains('/')).then_some(tag)?
        }
        Field::Name | Field::Digest => return None,
    };
    let is_tag = !tag.is_empty() && !tag.contains(|c: char| c.is_whitespace() || c.is_control());
    is_tag.then_some(tag)
}

impl Written<'_> {
    /// `1.0.3 -> 1.0.4`, `to 1.0.4` where it is not known what was there, or the digest where the tag is the same.
    fn step(&self) -> String {
        let before: Vec<&str> = self
            .before
            .iter()
            .map(String::as_str)
            .filter(|before| *before != self.after)
            .collect();
        if !before.is_empty() {
            return format!("{} -> {}", before.join(", "), self.after);
        }
        match self.image.digest().and_then(|digest| digest.split_once(':')) {
            Some((_, hexadecimal)) => {
                let short = hexadecimal.get(..SHORT_DIGEST).unwrap_or(hexadecimal);
                format!("{} to {short}", self.after)
            }
            None => format!("to {}", self.after),
        }
    }
}
