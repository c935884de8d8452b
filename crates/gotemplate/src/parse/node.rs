//! The tree of a template. Printing a node gives what Go's error messages show of it.

use std::fmt;
use std::sync::Arc;

use crate::quote::quoted;
use crate::text::Text;

/// Where a template comes from.
#[derive(Debug)]
pub(crate) struct Source {
    /// The name that errors give.
    pub name: String,
    pub text: String,
}

/// A template with a name.
#[derive(Debug)]
pub(crate) struct Tree {
    pub name: String,
    pub source: Arc<Source>,
    pub root: List,
}

impl Tree {
    /// The place of a byte: name, line from 1 and column from 0.
    pub(crate) fn location(&self, pos: usize) -> String {
        let before = self.source.text.get(..pos).unwrap_or_default();
        let line = 1 + before.matches('\n').count();
        let column = before.rfind('\n').map_or(pos, |newline| pos - newline - 1);
        format!("{}:{line}:{column}", self.source.name)
    }
}

#[derive(Debug)]
pub(crate) struct List {
    pub pos: usize,
    pub nodes: Vec<Node>,
}

impl List {
    /// Whether there is nothing but space.
    pub(crate) fn is_blank(&self) -> bool {
        self.nodes.iter().all(|node| match node {
            Node::Text { text, .. } => text.to_string_lossy().trim().is_empty(),
            _ => false,
        })
    }
}

#[derive(Debug)]
pub(crate) enum Node {
    Text {
        pos: usize,
        text: Text,
    },
    Action {
        pos: usize,
        pipe: Pipe,
    },
    Break {
        pos: usize,
    },
    Continue {
        pos: usize,
    },
    If(Branch),
    Range(Branch),
    With(Branch),
    Template {
        pos: usize,
        name: String,
        pipe: Option<Pipe>,
    },
}

impl Node {
    pub(crate) const fn pos(&self) -> usize {
        match self {
            Self::Text { pos, .. }
            | Self::Action { pos, .. }
            | Self::Break { pos }
            | Self::Continue { pos }
            | Self::Template { pos, .. } => *pos,
            Self::If(branch) | Self::Range(branch) | Self::With(branch) => branch.pipe.pos,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Branch {
    pub pipe: Pipe,
    pub list: List,
    pub else_list: Option<List>,
}

#[derive(Debug)]
pub(crate) struct Pipe {
    pub pos: usize,
    pub is_assign: bool,
    pub variables: Vec<String>,
    pub commands: Vec<Command>,
}

#[derive(Debug)]
pub(crate) struct Command {
    pub pos: usize,
    pub args: Vec<Arg>,
}

#[derive(Debug)]
pub(crate) struct Arg {
    pub pos: usize,
    pub kind: ArgKind,
}

#[derive(Debug)]
pub(crate) enum ArgKind {
    Identifier(String),
    /// A variable and the fields behind it.
    Variable(Vec<String>),
    Dot,
    Nil,
    Field(Vec<String>),
    Chain(Box<Arg>, Vec<String>),
    Bool(bool),
    Number(Number),
    String {
        literal: String,
        text: Text,
    },
    Pipe(Pipe),
}

/// A number, in all the kinds that it can have.
#[derive(Debug, Default)]
pub(crate) struct Number {
    pub literal: String,
    pub int: Option<i64>,
    pub uint: Option<u64>,
    pub float: Option<f64>,
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.nodes.iter().try_for_each(|node| node.fmt(f))
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { text, .. } => f.write_str(&text.to_string_lossy()),
            Self::Action { pipe, .. } => write!(f, "{{{{{pipe}}}}}"),
            Self::Break { .. } => f.write_str("{{break}}"),
            Self::Continue { .. } => f.write_str("{{continue}}"),
            Self::If(branch) => branch.write("if", f),
            Self::Range(branch) => branch.write("range", f),
            Self::With(branch) => branch.write("with", f),
            Self::Template { name, pipe, .. } => {
                write!(f, "{{{{template {}", quoted(name))?;
                if let Some(pipe) = pipe {
                    write!(f, " {pipe}")?;
                }
                f.write_str("}}")
            }
        }
    }
}

impl Branch {
    fn write(&self, keyword: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{{{keyword} {}}}}}{}", self.pipe, self.list)?;
        if let Some(list) = &self.else_list {
            write!(f, "{{{{else}}}}{list}")?;
        }
        f.write_str("{{end}}")
    }
}

impl fmt::Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.variables.is_empty() {
            let sign = if self.is_assign { "=" } else { ":=" };
            write!(f, "{} {sign} ", self.variables.join(", "))?;
        }
        for (index, command) in self.commands.iter().enumerate() {
            if index > 0 {
                f.write_str(" | ")?;
            }
            command.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, arg) in self.args.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            match &arg.kind {
                ArgKind::Pipe(pipe) => write!(f, "({pipe})")?,
                _ => arg.fmt(f)?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Arg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ArgKind::Identifier(name) => f.write_str(name),
            ArgKind::Variable(names) => f.write_str(&names.join(".")),
            ArgKind::Dot => f.write_str("."),
            ArgKind::Nil => f.write_str("nil"),
            ArgKind::Field(names) => names.iter().try_for_each(|name| write!(f, ".{name}")),
            ArgKind::Chain(inner, names) => {
                match &inner.kind {
                    ArgKind::Pipe(pipe) => write!(f, "({pipe})")?,
                    _ => inner.fmt(f)?,
                }
                names.iter().try_for_each(|name| write!(f, ".{name}"))
            }
            ArgKind::Bool(value) => write!(f, "{value}"),
            ArgKind::Number(number) => f.write_str(&number.literal),
            ArgKind::String { literal, .. } => f.write_str(literal),
            ArgKind::Pipe(pipe) => pipe.fmt(f),
        }
    }
}
