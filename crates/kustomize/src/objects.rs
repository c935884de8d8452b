//! From the text of a file to objects.

use std::collections::VecDeque;
use std::thread;

use fluxbot_yaml::{Data, Limits, Node, Reading, Text, Value};

use crate::cache::{Cache, Parsed};
use crate::resource::Resource;
use crate::shares::cores;
use crate::{BuildError, Origin};

/// Why a text holds no objects: the line and the reason.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) line: usize,
    pub(crate) reason: String,
}

/// Reads all objects of a file; lists are replaced by their items, after the other objects.
pub(crate) fn read(path: &str, content: &[u8], cache: Option<&Cache>) -> Result<Vec<Resource>, Fault> {
    let found = match cache {
        Some(cache) => match &*cache.get(content, || parse(content)) {
            Ok(found) => found.clone(),
            Err(fault) => return Err(fault.clone()),
        },
        None => parse(content)?,
    };
    let path = Text::from(path);
    let resources = found.into_iter().map(|(value, line)| {
        let origin = Origin {
            path: path.clone(),
            line,
        };
        Resource::new(value, origin)
    });
    Ok(resources.collect())
}

/// Reads a file of configuration: the first document, as the API reads YAML.
pub(crate) fn configuration(path: &str, content: &[u8]) -> Result<Value, BuildError> {
    let invalid = |line: usize, reason: String| BuildError::Invalid {
        file: path.to_owned(),
        line,
        reason,
    };
    let text = std::str::from_utf8(content).map_err(|_| invalid(1, "not UTF-8".to_owned()))?;
    let documents = fluxbot_yaml::parse(text, Reading::Api).map_err(|error| {
        invalid(
            error.line,
            format!("error converting YAML to JSON: yaml: {}", error.reason),
        )
    })?;
    Ok(documents.into_iter().next().map_or(Value::NULL, Node::into_value))
}

fn parse(content: &[u8]) -> Parsed {
    let source = std::str::from_utf8(content).map_err(|_| Fault {
        line: 1,
        reason: "not UTF-8".to_owned(),
    })?;
    check_separators(source)?;
    if let Some(found) = parse_in_parts(source) {
        return Ok(found);
    }
    let (mut found, mut items) = parse_part(source, Limits::default())?;
    while let Some(node) = items.pop_front() {
        found.extend(object(source, node, &mut items)?);
    }
    found.shrink_to_fit();
    Ok(found)
}

/// The objects of a text with their lines, and the items of its lists.
type Part = (Vec<(Value, usize)>, VecDeque<Node>);

/// Reads the documents of a text, the items of lists apart: they come after all other objects.
fn parse_part(source: &str, limits: Limits) -> Result<Part, Fault> {
    let (mut found, mut items) = (Vec::new(), VecDeque::new());
    for document in fluxbot_yaml::documents(source, Reading::Kustomize, limits) {
        let node = document.map_err(|error| Fault {
            line: error.line,
            reason: format!("MalformedYAMLError: yaml: {}", error.reason),
        })?;
        found.extend(object(source, node, &mut items)?);
    }
    Ok((found, items))
}

/// Reads a long text by all cores, as far as that gives what reading it in one piece gives.
///
/// `None` where it is short, where its parts depend on each other, and where there is any fault, which is then found again.
fn parse_in_parts(source: &str) -> Option<Vec<(Value, usize)>> {
    /// A part of this many bytes takes some hundred times as long as starting a thread.
    const SHARE: usize = 128 * 1024;
    if source.len() < 2 * SHARE {
        return None;
    }
    let count = cores().min(source.len() / SHARE);
    if count < 2 || !is_divisible(source) {
        return None;
    }
    let parts = parts(source, count);
    let whole = Limits::default();
    let limits = Limits {
        nodes: whole.nodes / parts.len(),
        aliased: whole.aliased / parts.len(),
        ..whole
    };
    let read = |part: &str| {
        parse_part(part, limits)
            .ok()
            .filter(|(_, items)| items.is_empty())
    };
    let read: Vec<Option<_>> = thread::scope(|scope| {
        let mut parts = parts.iter();
        let first = parts.next();
        let others: Vec<_> = parts.map(|part| scope.spawn(move || read(part))).collect();
        let first = first.and_then(|part| read(part));
        let others = others.into_iter().map(|other| other.join().ok().flatten());
        std::iter::once(first).chain(others).collect()
    });
    let (mut found, mut lines) = (Vec::new(), 0);
    for (part, read) in parts.iter().zip(read) {
        let (objects, _) = read?;
        found.reserve_exact(objects.len());
        found.extend(objects.into_iter().map(|(value, line)| (value, line + lines)));
        lines += part.bytes().filter(|byte| *byte == b'\n').count();
    }
    Some(found)
}

/// Whether the documents of a text are independent: directives are for what follows, and lines are counted by line feeds here.
fn is_divisible(source: &str) -> bool {
    let has_directives = source.starts_with('%') || source.contains("\n%");
    let other_breaks = ['\r', '\u{85}', '\u{2028}', '\u{2029}'];
    !has_directives && !source.contains('\r') && (source.is_ascii() || !source.contains(other_breaks))
}

/// Divides a text before marks between documents: nothing that YAML has goes on behind such a line.
fn parts(source: &str, count: usize) -> Vec<&str> {
    let (mut parts, mut rest) = (Vec::new(), source);
    for others in (1..count).rev() {
        let share = rest.len() / (others + 1);
        let mark = rest
            .as_bytes()
            .get(share..)
            .and_then(|behind| behind.windows(5).position(|window| window == b"\n---\n"));
        let Some((part, behind)) = mark.and_then(|mark| rest.split_at_checked(share + mark + 1)) else {
            break;
        };
        parts.push(part);
        rest = behind;
    }
    parts.push(rest);
    parts
}

/// The object of a document; nothing when it is empty, or a list, whose items are put behind the others.
fn object(source: &str, mut node: Node, items: &mut VecDeque<Node>) -> Result<Option<(Value, usize)>, Fault> {
    let empty = match &node.data {
        Data::Map(fields) => fields.is_empty(),
        Data::List(items) => items.is_empty(),
        Data::Null { .. } => true,
        _ => false,
    };
    if empty {
        return Ok(None);
    }
    let line = node.line;
    let fault = |reason: String| Fault { line, reason };
    let text = |node: Option<&Node>| match node.map(|node| &node.data) {
        Some(Data::String(text)) => text.to_string(),
        Some(Data::Number(number)) => number.to_string(),
        Some(Data::Bool(value)) => value.to_string(),
        _ => String::new(),
    };
    let kind = text(node.get("kind"));
    let name = text(node.get("metadata").and_then(|metadata| metadata.get("name")));
    if kind.is_empty() {
        return Err(fault("missing kind in object".to_owned()));
    }
    if kind.ends_with("List") && node.get("items").is_some() {
        let more = take_items(&mut node);
        items.extend(more.ok_or_else(|| fault(format!("expected array in {kind}/items")))?);
        return Ok(None);
    }
    if name.is_empty() && !kind.ends_with("List") {
        return Err(fault(format!("missing metadata.name in object {kind}")));
    }
    spell_annotations(source, &mut node);
    let value = node.into_value();
    if !matches!(
        value.get("metadata"),
        None | Some(Value::Map(_) | Value::Null { .. })
    ) {
        return Err(fault(format!("metadata of {kind} is no map")));
    }
    Ok(Some((value, line)))
}

/// Refuses content beside the marks between documents, as the original does.
fn check_separators(text: &str) -> Result<(), Fault> {
    for (index, line) in text.lines().enumerate().skip(1) {
        let beside = line.strip_prefix("---").map(str::trim);
        if beside.is_some_and(|beside| !beside.is_empty() && !beside.starts_with('#')) {
            return Err(Fault {
                line: index + 1,
                reason: format!("invalid document separator: {}", line.trim()),
            });
        }
    }
    Ok(())
}

/// Makes annotations texts as they are written: that is what they are in the end, and a date has lost its form by then.
fn spell_annotations(text: &str, object: &mut Node) {
    let Data::Map(fields) = &mut object.data else {
        return;
    };
    let Some((_, metadata)) = fields.iter_mut().find(|(key, _)| key == "metadata") else {
        return;
    };
    let Data::Map(fields) = &mut metadata.data else {
        return;
    };
    let Some((_, annotations)) = fields.iter_mut().find(|(key, _)| key == "annotations") else {
        return;
    };
    let Data::Map(entries) = &mut annotations.data else {
        return;
    };
    for (_, node) in entries {
        let Some(written) = text.get(node.span.clone()) else {
            continue;
        };
        // A number tells itself how it was written.
        let is_plain = !written.starts_with(['"', '\'', '|', '>', '!', '&', '*']);
        if is_plain && matches!(node.data, Data::Bool(_) | Data::String(_)) && !written.contains('\n') {
            node.data = Data::String(written.into());
        }
    }
}

/// The items of a list. `None` when they are something else.
fn take_items(node: &mut Node) -> Option<Vec<Node>> {
    let Data::Map(fields) = &mut node.data else {
        return None;
    };
    let items = fields.iter_mut().find(|(name, _)| name == "items")?;
    match std::mem::replace(&mut items.1.data, Data::Null { written: false }) {
        Data::List(items) => Some(items),
        Data::Null { .. } => Some(Vec::new()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents(count: usize, extra: &str) -> String {
        let document = |number: usize| {
            let comments = format!("# {}\n", "long ".repeat(60)).repeat(number % 7);
            format!("# {number}\nkind: A\nmetadata:\n  name: n{number}\n{comments}---\n")
        };
        let text: String = (0..count).map(document).collect();
        format!("{text}{extra}")
    }

    #[test]
    fn a_text_read_in_parts_gives_the_same_objects_and_lines() {
        let text = documents(400, "kind: B\nmetadata: {name: last}\n");
        let whole = parse_part(&text, Limits::default()).unwrap().0;
        assert_eq!(whole.len(), 401);
        for count in [1, 2, 3, 7, 64] {
            let parts = parts(&text, count);
            assert_eq!((parts.len(), parts.concat() == text), (count, true));
        }
        assert_eq!(parse_in_parts(&text), (cores() > 1).then_some(whole));
    }

    #[test]
    fn a_fault_is_that_of_the_whole_text() {
        let text = documents(400, "kind: B\nmetadata: {name: last\n");
        assert_eq!(parse_in_parts(&text), None);
        // The end of the text is where something is missing.
        assert_eq!(parse(text.as_bytes()).unwrap_err().line, text.lines().count() + 1);
    }

    #[test]
    fn parts_that_depend_on_each_other_are_read_together() {
        let list = documents(400, "kind: List\nitems: [{kind: B, metadata: {name: b}}]\n");
        assert_eq!(parse_in_parts(&list), None);
        assert_eq!(parse(list.as_bytes()).unwrap().len(), 401);
        for text in ["%YAML 1.1\n---\na: b\n", "a: b\r\n", "a: \u{85}b"] {
            assert!(!is_divisible(text), "{text:?}");
        }
    }
}
