//! Splices new values into the marked scalars of a file, and proves that nothing else changed.

use saphyr_parser::{Event, ScalarStyle};

use super::locate::{Located, Reading, Texts};
use super::scalar::written;
use super::{
    Change, ImpossibleReason, MarkedScalar, SkipReason, Skipped, Style, lines, locate, mentions_marker,
};
use crate::image::Selections;

/// What [`set`] made of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edited {
    /// The new content; nothing when the file stays as it is.
    pub content: Option<Vec<u8>>,
    /// The scalars that changed, in the order of the file; empty exactly when `content` is nothing.
    pub changes: Vec<Change>,
    /// The markers that were not applied, in the order of the file. Scalars that hold their value already are not
    /// among them.
    pub skipped: Vec<Skipped>,
}

/// Writes the selected images into a file's marked scalars.
///
/// Every byte outside those scalars stays, and so do quotes, tags and anchors; see [`locate`] for what counts as
/// marked. The edited text is parsed again: when it would differ in anything but the marked values, the file
/// stays as it is and its markers are reported. Setting twice is the same as setting once. Never fails: any bytes do.
///
/// # Deviation
/// Flux blanks lines, indentation, quotes and comments of the whole file on the way, and skips files that it cannot
/// parse. Of a repeated key it sets the first only; here each marked scalar is set.
#[must_use]
pub fn set(content: &[u8], selections: &Selections) -> Edited {
    if !mentions_marker(content) {
        return Edited::default();
    }
    let Ok(text) = std::str::from_utf8(content) else {
        return Edited {
            skipped: impossible(&locate(content)),
            ..Edited::default()
        };
    };
    let texts = Texts::new(text);
    let (located, events) = texts.locate();
    let mut edits = Vec::new();
    let mut skipped = impossible(&located);
    for scalar in &located.scalars {
        match Edit::new(scalar, selections) {
            Ok(Some(edit)) => edits.push(edit),
            Ok(None) => {}
            Err(reason) => skipped.push(skip(scalar, reason)),
        }
    }
    let content = if edits.is_empty() {
        None
    } else {
        apply(text, &edits).filter(|after| is_faithful(located.reading, text, &events, after, &edits))
    };
    let changes = if content.is_some() {
        edits.into_iter().map(Edit::into_change).collect()
    } else {
        skipped.extend(edits.iter().map(|edit| skip(edit.scalar, SkipReason::Unsafe)));
        Vec::new()
    };
    skipped.sort_by_key(|skipped| skipped.line);
    Edited {
        content: content.map(String::into_bytes),
        changes,
        skipped,
    }
}

/// What [`set`] says of a file that it would not change, known from its markers alone; nothing when a scalar has another value
/// than its policy selected, so that the file has to be read.
#[must_use]
pub fn settled(located: &Located, selections: &Selections) -> Option<Vec<Skipped>> {
    let mut skipped = impossible(located);
    for scalar in &located.scalars {
        let policy = &scalar.marker.policy;
        match selections.get(policy) {
            None => skipped.push(skip(scalar, SkipReason::NotSelected(policy.clone()))),
            Some(image) if scalar.marker.value(image) != scalar.value => return None,
            Some(_) => {}
        }
    }
    skipped.sort_by_key(|skipped| skipped.line);
    Some(skipped)
}

/// The markers that can not work.
fn impossible(located: &Located) -> Vec<Skipped> {
    let impossible = located.impossible.iter();
    impossible
        .map(|impossible| Skipped {
            line: impossible.line,
            setter: impossible.setter.clone(),
            reason: match (&located.unparsable, &impossible.reason) {
                (Some(failure), ImpossibleReason::LineNotUnderstood) => {
                    SkipReason::Unparsable(failure.clone())
                }
                (_, reason) => SkipReason::Impossible(reason.clone()),
            },
        })
        .collect()
}

fn skip(scalar: &MarkedScalar, reason: SkipReason) -> Skipped {
    Skipped {
        line: scalar.line,
        setter: scalar.marker.to_string(),
        reason,
    }
}

/// A marked scalar that gets another value.
struct Edit<'a> {
    scalar: &'a MarkedScalar,
    value: String,
    written: String,
}

impl<'a> Edit<'a> {
    fn new(scalar: &'a MarkedScalar, selections: &Selections) -> Result<Option<Self>, SkipReason> {
        let policy = &scalar.marker.policy;
        let Some(image) = selections.get(policy) else {
            return Err(SkipReason::NotSelected(policy.clone()));
        };
        let value = scalar.marker.value(image);
        if value == scalar.value {
            return Ok(None);
        }
        let written = written(scalar.style, &value).ok_or(SkipReason::Unsafe)?;
        Ok(Some(Self {
            scalar,
            value,
            written,
        }))
    }

    fn into_change(self) -> Change {
        Change {
            line: self.scalar.line,
            column: self.scalar.column,
            object: self.scalar.object.clone(),
            marker: self.scalar.marker.clone(),
            old: self.scalar.value.clone(),
            new: self.value,
        }
    }
}

/// The text with the new values in their places. Edits are in the order of the file.
fn apply(text: &str, edits: &[Edit<'_>]) -> Option<String> {
    let mut after =
        String::with_capacity(text.len() + edits.iter().map(|edit| edit.written.len()).sum::<usize>());
    let mut offset = 0;
    for edit in edits {
        after.push_str(text.get(offset..edit.scalar.span.start)?);
        after.push_str(&edit.written);
        offset = edit.scalar.span.end;
    }
    after.push_str(text.get(offset..)?);
    Some(after)
}

/// Whether the edited text reads in the same way as before, and says the same in all but the edited values.
fn is_faithful(reading: Reading, text: &str, events: &[Event<'_>], after: &str, edits: &[Edit<'_>]) -> bool {
    let texts = Texts::new(after);
    let Some(after_events) = texts.events(reading) else {
        return false;
    };
    if reading == Reading::Lines {
        let expected: Vec<_> = edits
            .iter()
            .map(|edit| (edit.scalar.line, &edit.scalar.marker, edit.value.as_str()))
            .collect();
        return lines::is_faithful(text, after, &expected);
    }
    let mut edits = edits.iter().peekable();
    let pairs = events.iter().zip(&after_events).enumerate();
    let all_match = pairs.into_iter().all(|(number, (old, new))| {
        match edits.next_if(|edit| edit.scalar.event == Some(number)) {
            Some(edit) => is_edit_of(old, new, edit),
            None => old == new,
        }
    });
    all_match && edits.next().is_none() && events.len() == after_events.len()
}

/// Whether `new` is `old` with the edit's value: the same tag, anchor, line ends and quotes, but for quotes that a
/// plain scalar had to get.
fn is_edit_of(old: &Event<'_>, new: &Event<'_>, edit: &Edit<'_>) -> bool {
    let (
        Event::Scalar(old, old_style, old_anchor, old_tag),
        Event::Scalar(new, new_style, new_anchor, new_tag),
    ) = (old, new)
    else {
        return false;
    };
    let line_ends = match edit.scalar.style {
        Style::Literal | Style::Folded => old.get(old.trim_end_matches('\n').len()..).unwrap_or_default(),
        Style::Plain | Style::Single | Style::Double => "",
    };
    let gained_quotes = (*old_style, *new_style) == (ScalarStyle::Plain, ScalarStyle::DoubleQuoted);
    new.strip_prefix(edit.value.as_str()) == Some(line_ends)
        && (old_style == new_style || gained_quotes)
        && (old_anchor, old_tag) == (new_anchor, new_tag)
}
