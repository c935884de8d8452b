//! From the text of a file to objects.

use std::collections::VecDeque;

use fluxbot_yaml::{Data, Limits, Node, Reading, Value};

use crate::cache::{Cache, Parsed};
use crate::folded;
use crate::resource::Resource;
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
    let resources = found.into_iter().map(|(value, line)| {
        let origin = Origin {
            path: path.to_owned(),
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
    let mut found = Vec::new();
    // The items of lists come after the other objects.
    let mut items = VecDeque::new();
    for document in fluxbot_yaml::documents(source, Reading::Kustomize, Limits::default()) {
        let node = document.map_err(|error| Fault {
            line: error.line,
            reason: format!("MalformedYAMLError: yaml: {}", error.reason),
        })?;
        found.extend(object(source, node, &mut items)?);
    }
    while let Some(node) = items.pop_front() {
        found.extend(object(source, node, &mut items)?);
    }
    found.shrink_to_fit();
    Ok(found)
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
        Some(Data::String(text)) => text.clone(),
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
    folded::rewrite(source, &mut node);
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
        let is_plain = !written.starts_with(['"', '\'', '|', '>', '!', '&', '*']);
        if is_plain
            && matches!(node.data, Data::Bool(_) | Data::Number(_) | Data::String(_))
            && !written.contains('\n')
        {
            node.data = Data::String(written.to_owned());
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
