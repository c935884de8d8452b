//! The content of a scalar while it is read: a part of the text as long as that is possible.

use std::borrow::Cow;

use super::reader::Reader;

/// The line breaks between two lines of a scalar.
#[derive(Debug, Default)]
pub(super) struct Breaks {
    pub(super) first: Option<char>,
    pub(super) rest: String,
}

impl Breaks {
    pub(super) fn clear(&mut self) {
        self.first = None;
        self.rest.clear();
    }
}

/// The content of a scalar: the bytes of the text from `start` to `end`, unless it has content of its own.
#[derive(Debug, Default)]
pub(super) struct Text {
    start: usize,
    end: usize,
    own: Option<String>,
}

impl Text {
    /// The content to which anything can be added.
    pub(super) fn own(&mut self, reader: &Reader<'_>) -> &mut String {
        self.own
            .get_or_insert_with(|| reader.slice(self.start, self.end).to_owned())
    }

    /// Adds a part of the text.
    pub(super) fn push(&mut self, reader: &Reader<'_>, from: usize, to: usize) {
        if self.own.is_none() {
            if self.start == self.end {
                (self.start, self.end) = (from, to);
                return;
            }
            if self.end == from {
                self.end = to;
                return;
            }
        }
        self.own(reader).push_str(reader.slice(from, to));
    }

    /// Adds the line breaks between two lines: one becomes a space, of several the first is dropped.
    pub(super) fn fold(&mut self, reader: &Reader<'_>, breaks: &mut Breaks) {
        let text = self.own(reader);
        match breaks.first {
            Some('\n') if breaks.rest.is_empty() => text.push(' '),
            Some('\n') | None => text.push_str(&breaks.rest),
            Some(other) => {
                text.push(other);
                text.push_str(&breaks.rest);
            }
        }
        breaks.clear();
    }

    pub(super) fn finish<'t>(self, reader: &Reader<'t>) -> Cow<'t, str> {
        match self.own {
            None => Cow::Borrowed(reader.slice(self.start, self.end)),
            Some(text) => Cow::Owned(text),
        }
    }
}
