//! Comments, and the scalars that they belong to.
//!
//! The rules are those of go-yaml, which Flux reads with. A comment behind a scalar on its line belongs to that
//! scalar. A comment on lines of its own belongs to the scalar below it when that is an item of a sequence or a value
//! that has the line for itself, when no comment stands behind that scalar, and when it is a single line; a
//! paragraph directly below an item, with a blank line behind it, belongs to the item above.

use std::ops::Range;

use super::locate::{Collection, ImpossibleReason};
use super::stream::{Node, Role, Stream, line_end, next_line};

/// Where a comment belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Attachment {
    /// It belongs to the scalar with this number in [`Stream::nodes`].
    To(usize),
    /// It belongs to no scalar that a marker could set.
    Nowhere(ImpossibleReason),
}

/// A comment of a stream.
#[derive(Debug)]
pub(super) struct Comment {
    /// From its `#` to the end of its line.
    pub(super) span: Range<usize>,
    /// Whether it has its line for itself.
    pub(super) alone: bool,
    /// Where it belongs.
    pub(super) attachment: Attachment,
}

/// The text between two nodes, in which no quote and no block scalar can hide a `#`.
struct Gap {
    span: Range<usize>,
    previous: Option<usize>,
    next: Option<usize>,
}

/// All comments of a text in their order, each with where it belongs.
pub(super) fn comments(text: &str, stream: &Stream<'_>) -> Vec<Comment> {
    let mut found = Vec::new();
    let mut commented = vec![false; stream.nodes.len()];
    let gaps: Vec<_> = gaps(text, &stream.nodes)
        .into_iter()
        .map(|gap| {
            let spans = comment_spans(text, &gap.span);
            let begin = found.len();
            for span in spans {
                let comment = behind(text, stream, &gap, span);
                if let Attachment::To(node) = comment.attachment
                    && let Some(commented) = commented.get_mut(node)
                {
                    *commented = true;
                }
                found.push(comment);
            }
            (gap, begin..found.len())
        })
        .collect();
    for (gap, range) in gaps {
        if let Some(comments) = found.get_mut(range).filter(|comments| !comments.is_empty()) {
            let blocked = gap
                .next
                .and_then(|next| commented.get(next))
                .copied()
                .unwrap_or(false);
            above(text, stream, &gap, comments, blocked);
        }
    }
    found
}

/// What lies between the nodes, and between the header and the body of block scalars.
fn gaps(text: &str, nodes: &[Node]) -> Vec<Gap> {
    let mut gaps = Vec::with_capacity(nodes.len() + 1);
    let mut begin = 0;
    let mut previous = None;
    for (number, node) in nodes.iter().enumerate() {
        gaps.push(Gap {
            span: begin..node.span.start,
            previous,
            next: Some(number),
        });
        if is_block(node) {
            gaps.push(Gap {
                span: node.span.end..node.body.start,
                previous: Some(number),
                next: None,
            });
        }
        begin = node.body.end;
        previous = Some(number);
    }
    gaps.push(Gap {
        span: begin..text.len(),
        previous,
        next: None,
    });
    gaps
}

/// Whether the node is a literal or folded block scalar.
pub(super) fn is_block(node: &Node) -> bool {
    use saphyr_parser::ScalarStyle::{Folded, Literal};
    matches!(node.style, Some(Literal | Folded))
}

fn comment_spans(text: &str, gap: &Range<usize>) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut spans = Vec::new();
    let mut offset = gap.start;
    while let Some(length) = bytes
        .get(offset..gap.end)
        .and_then(|rest| memchr::memchr(b'#', rest))
    {
        let start = offset + length;
        // A `#` inside a tag or an anchor begins no comment.
        let begins = match start.checked_sub(1).and_then(|before| bytes.get(before)) {
            None | Some(b' ' | b'\t' | b'\n' | b'\r') => true,
            Some(_) => start == '\u{feff}'.len_utf8() && text.starts_with('\u{feff}'),
        };
        offset = start + 1;
        if begins {
            offset = line_end(text, start);
            spans.push(start..offset);
        }
    }
    spans
}

/// Judges a comment by what stands before it on its line.
fn behind(text: &str, stream: &Stream<'_>, gap: &Gap, span: Range<usize>) -> Comment {
    let between = text.get(gap.span.start..span.start).unwrap_or_default();
    let code = match between.rfind(['\n', '\r']) {
        Some(line_break) => between.get(line_break + 1..).unwrap_or_default(),
        None => between,
    };
    let code = code.trim_start_matches('\u{feff}').trim();
    let same_line = gap.previous.is_some() && !between.contains(['\n', '\r']);
    let previous = gap
        .previous
        .and_then(|number| Some((number, stream.nodes.get(number)?)));
    let attachment = match (previous, code) {
        (Some((number, node)), "" | ",") if same_line || (code == "," && between.trim() == ",") => {
            behind_node(number, node)
        }
        (_, code) if code.ends_with('}') => nowhere(ImpossibleReason::BehindCollection(Collection::Mapping)),
        (_, code) if code.ends_with(']') => nowhere(ImpossibleReason::BehindCollection(Collection::Sequence)),
        (Some((_, node)), _) if same_line => match node.role {
            Role::Key { empty_value: true } => nowhere(ImpossibleReason::EmptyValue),
            Role::Key { empty_value: false } => nowhere(ImpossibleReason::BehindKey),
            _ => nowhere(ImpossibleReason::NoScalar),
        },
        _ => nowhere(ImpossibleReason::NoScalar),
    };
    Comment {
        span,
        alone: code.is_empty() && !same_line,
        attachment,
    }
}

fn behind_node(number: usize, node: &Node) -> Attachment {
    match (node.style, node.role) {
        (None, _) => nowhere(ImpossibleReason::BehindAlias),
        (Some(_), Role::Key { empty_value: true }) => nowhere(ImpossibleReason::EmptyValue),
        (Some(_), Role::Key { .. }) => nowhere(ImpossibleReason::BehindKey),
        (Some(_), _) if node.in_key => nowhere(ImpossibleReason::BehindKey),
        (Some(_), _) => Attachment::To(number),
    }
}

fn nowhere(reason: ImpossibleReason) -> Attachment {
    Attachment::Nowhere(reason)
}

/// Judges the comments that stand above a node, on lines of their own or behind the dash of its item.
fn above(text: &str, stream: &Stream<'_>, gap: &Gap, comments: &mut [Comment], blocked: bool) {
    let node = gap
        .next
        .and_then(|number| Some((number, stream.nodes.get(number)?)));
    let candidates: Vec<usize> = (0..comments.len())
        .filter(|&number| {
            comments
                .get(number)
                .is_some_and(|comment| stands_above(text, gap, comment))
        })
        .collect();
    let spans: Vec<_> = candidates
        .iter()
        .filter_map(|&number| Some(comments.get(number)?.span.clone()))
        .collect();
    let Some((target, node)) = node else {
        return;
    };
    let foot = match node.role {
        Role::Item { first } if !first || node.in_flow => foot_length(text, gap.span.start, &spans),
        _ => 0,
    };
    let head = spans.get(foot..).unwrap_or_default();
    let before = head
        .first()
        .map(|first| code_before(text, gap, comments, first.start));
    let before = before.unwrap_or_default();
    let verdict = match node.role {
        Role::Key { .. } => nowhere(ImpossibleReason::AboveKey),
        _ if node.in_key => nowhere(ImpossibleReason::AboveKey),
        _ if node.style.is_none() => nowhere(ImpossibleReason::NoScalar),
        _ if !reaches(text, node, head, &before) => nowhere(ImpossibleReason::NoScalar),
        _ if !is_aligned(text, stream, gap, node, head, &before) => nowhere(ImpossibleReason::BelongsAbove),
        _ if blocked => nowhere(ImpossibleReason::OtherComment),
        _ if head.len() > 1 => nowhere(ImpossibleReason::SeveralLines),
        _ => Attachment::To(target),
    };
    for (position, number) in candidates.into_iter().enumerate() {
        if let Some(comment) = comments.get_mut(number) {
            comment.attachment = if position < foot {
                nowhere(ImpossibleReason::BelongsAbove)
            } else {
                verdict.clone()
            };
        }
    }
}

/// Whether nothing but dashes stands before the comment on its line.
fn stands_above(text: &str, gap: &Gap, comment: &Comment) -> bool {
    let before = text.get(gap.span.start..comment.span.start).unwrap_or_default();
    let code = before.rsplit(['\n', '\r']).next().unwrap_or(before);
    let at_line_start = before.len() > code.len() || gap.span.start == 0;
    comment.alone || (at_line_start && code.trim() == "-")
}

/// How many of the comments are the foot of what stands above them.
fn foot_length(text: &str, above: usize, comments: &[Range<usize>]) -> usize {
    let mut line = next_line(text, above);
    for (number, comment) in comments.iter().enumerate() {
        if !text
            .get(line..comment.start)
            .is_some_and(|before| before.trim().is_empty() && !before.contains(['\n', '\r']))
        {
            // A blank line or a dash stands before this comment.
            let is_blank = text
                .get(line..line_end(text, line))
                .is_some_and(|line| line.trim().is_empty());
            return if is_blank { number } else { 0 };
        }
        line = next_line(text, comment.start);
    }
    let is_blank = text
        .get(line..line_end(text, line))
        .is_some_and(|line| line.trim().is_empty());
    if is_blank { comments.len() } else { 0 }
}

/// Whether only the node's own dash or colon stands between the comments and the node.
fn reaches(text: &str, node: &Node, comments: &[Range<usize>], before: &str) -> bool {
    let Some(last) = comments.last() else {
        return false;
    };
    let behind = text.get(last.end..node.outer).unwrap_or_default().trim();
    match node.role {
        Role::Item { .. } if node.in_flow => behind.is_empty(),
        Role::Item { .. } => behind == if before.ends_with('-') { "" } else { "-" },
        Role::Value => behind.is_empty() && before.ends_with(':'),
        Role::Root | Role::Key { .. } => false,
    }
}

/// Whether the indentation and the blank lines around the comments above an item leave them to the item.
///
/// Behind a nested collection, a comment must stand in the column of the dash; a blank line below the comment takes it
/// away from an item whose dash stands above it, and from a first item that is indented deeper.
fn is_aligned(
    text: &str,
    stream: &Stream<'_>,
    gap: &Gap,
    node: &Node,
    comments: &[Range<usize>],
    before: &str,
) -> bool {
    let (Role::Item { first }, Some(last)) = (node.role, comments.last()) else {
        return true;
    };
    if node.in_flow {
        return true;
    }
    let line_before = |offset: usize| {
        let before = text.get(..offset).unwrap_or_default();
        before.rsplit(['\n', '\r']).next().unwrap_or(before)
    };
    let next = next_line(text, last.end);
    let blank_below = text
        .get(next..line_end(text, next))
        .is_some_and(|line| line.trim().is_empty());
    if before.ends_with('-') {
        return !(blank_below && line_before(last.start).trim().is_empty());
    }
    let dash = text
        .get(last.end..node.outer)
        .and_then(|between| between.find('-'));
    let dash = dash.map_or(0, |offset| line_before(last.end + offset).len());
    let previous = gap.previous.and_then(|number| stream.nodes.get(number));
    let is_nested =
        !first && previous.is_some_and(|previous| !previous.in_flow && previous.depth > node.depth);
    let comment = line_before(last.start).len();
    let belongs_above = (is_nested && comment != dash) || (first && blank_below && comment < dash);
    !belongs_above
}

/// What stands in the gap before `end`, without comments and the white space behind it.
fn code_before(text: &str, gap: &Gap, comments: &[Comment], end: usize) -> String {
    let mut code = String::new();
    let mut offset = gap.span.start;
    for comment in comments.iter().filter(|comment| comment.span.end <= end) {
        code.push_str(text.get(offset..comment.span.start).unwrap_or_default());
        offset = comment.span.end;
    }
    code.push_str(text.get(offset..end).unwrap_or_default());
    code.truncate(code.trim_end().len());
    code
}
