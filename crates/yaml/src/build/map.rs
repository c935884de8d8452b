//! The fields of a map while it is read.

use std::collections::HashMap;

use crate::scan::Mark;
use crate::{Data, Node, ParseError, Reading, Text};

/// From this number of fields on, they are found by a hash table.
const INDEXED: usize = 16;

/// A key whose value has not been seen.
#[derive(Debug)]
pub(super) enum Key {
    Name(Text),
    /// `<<`
    Merge,
}

/// The fields of a map that is open.
#[derive(Debug)]
pub(super) struct Fields {
    entries: Vec<(Text, Node)>,
    index: HashMap<Text, usize>,
    merges: Vec<Node>,
    pub(super) key: Option<Key>,
    /// The place of the line of the first key among those of all open maps.
    pub(super) first_line: usize,
}

impl Fields {
    pub(super) fn new(first_line: usize) -> Self {
        Self {
            entries: Vec::new(),
            index: HashMap::new(),
            merges: Vec::new(),
            key: None,
            first_line,
        }
    }

    fn place(&self, name: &str) -> Option<usize> {
        if self.entries.len() > INDEXED {
            return self.index.get(name).copied();
        }
        self.entries.iter().position(|(key, _)| key == name)
    }

    fn push(&mut self, name: Text, node: Node) {
        if self.entries.len() >= INDEXED {
            if self.index.is_empty() {
                self.index = self.entries.iter().map(|(key, _)| key.clone()).zip(0..).collect();
            }
            self.index.insert(name.clone(), self.entries.len());
        }
        self.entries.push((name, node));
    }

    /// Adds a field. Gives whether it took the place of another.
    pub(super) fn set(
        &mut self,
        name: Text,
        node: Node,
        reading: Reading,
        lines: &[usize],
    ) -> Result<bool, ParseError> {
        let Some(place) = self.place(&name) else {
            self.push(name, node);
            return Ok(false);
        };
        match reading {
            Reading::Api => {
                if let Some(field) = self.entries.get_mut(place) {
                    field.1 = node;
                }
                Ok(true)
            }
            Reading::ApiStrict => Err(already_set(&name, &node)),
            Reading::Kustomize => {
                let line = lines.get(self.first_line + place).copied().unwrap_or(0);
                let at = lines.last().copied().unwrap_or(node.line);
                let reason = format!("mapping key {} already defined at line {line}", quote(&name));
                let at = Mark {
                    line: at.saturating_sub(1),
                    ..Mark::default()
                };
                Err(ParseError::decoding(at, reason))
            }
        }
    }

    /// Adds what stands after `<<`.
    pub(super) fn merge(&mut self, node: Node, reading: Reading) -> Result<(), ParseError> {
        check(&node, reading)?;
        if reading == Reading::Kustomize {
            if !self.merges.is_empty() {
                let at = start(&node);
                return Err(ParseError::of_reference(at, "duplicate merge key", reading));
            }
            self.merges.push(node);
            return Ok(());
        }
        // Earlier maps of a list win, and what stands later in the map wins over both.
        let maps = match node.data {
            Data::List(items) => items,
            _ => vec![node],
        };
        for map in maps.into_iter().rev() {
            if let Data::Map(fields) = map.data {
                for (name, node) in fields {
                    self.set(name, node, reading, &[])?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn finish(mut self, reading: Reading) -> Vec<(Text, Node)> {
        if reading == Reading::Kustomize {
            for node in std::mem::take(&mut self.merges) {
                self.add_missing(node);
            }
        }
        self.entries
    }

    /// Adds the fields of a merged map that are not there. The first of several maps that has a field counts.
    fn add_missing(&mut self, node: Node) {
        match node.data {
            Data::Map(fields) => {
                for (name, node) in fields {
                    if self.place(&name).is_none() {
                        self.push(name, node);
                    }
                }
            }
            Data::List(items) => items.into_iter().for_each(|item| self.add_missing(item)),
            _ => {}
        }
    }
}

fn start(node: &Node) -> Mark {
    Mark {
        line: node.line - 1,
        column: node.column - 1,
        offset: node.span.start,
    }
}

fn already_set(name: &str, node: &Node) -> ParseError {
    ParseError::decoding(start(node), format!("key {} already set in map", quote(name)))
}

/// A key as Go prints it in messages.
fn quote(name: &str) -> String {
    format!("{name:?}")
}

fn check(node: &Node, reading: Reading) -> Result<(), ParseError> {
    let is_map = |node: &Node| matches!(node.data, Data::Map(_));
    match &node.data {
        Data::Map(_) => Ok(()),
        Data::List(items) if items.iter().all(is_map) => Ok(()),
        _ => {
            let reason = not_mergeable(reading, false);
            Err(ParseError::of_reference(start(node), reason, reading))
        }
    }
}

/// What is said of a value that cannot be merged.
pub(super) fn not_mergeable(reading: Reading, is_alias: bool) -> &'static str {
    if reading == Reading::Kustomize && is_alias {
        "invalid map merge: received alias for a non-map value"
    } else {
        "map merge requires map or sequence of maps as the value"
    }
}
