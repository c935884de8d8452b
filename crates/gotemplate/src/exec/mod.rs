//! Running templates.

mod call;
mod eval;

use std::sync::Arc;

pub(crate) use call::shown;

use crate::buffer::Buffer;
use crate::fmt;
use crate::limits::Budget;
use crate::parse::{Arg, Branch, Command, List, Node, Pipe, Tree};
use crate::quote::quoted;
use crate::template::Template;
use crate::value::{FunctionError, IntKind, Type, UintKind, Value};

/// A template that failed while it ran. The text is the one of Go.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct ExecError {
    template: String,
    text: String,
}

impl ExecError {
    /// The name of the template that was running.
    #[must_use]
    pub fn template(&self) -> &str {
        &self.template
    }
}

/// A value and whether it is in an interface: what tells `nil` of the type `interface {}` from no value at all.
#[derive(Debug, Clone)]
pub(crate) struct Operand {
    pub value: Value,
    pub boxed: bool,
}

impl Operand {
    pub(crate) const fn plain(value: Value) -> Self {
        Self { value, boxed: false }
    }

    /// A value out of a place of that type.
    pub(crate) fn of(value: Value, place: &Type) -> Self {
        Self {
            value,
            boxed: *place == Type::Any,
        }
    }

    /// Go's invalid value.
    pub(crate) const fn none() -> Self {
        Self::plain(Value::Nil)
    }

    fn is_none(&self) -> bool {
        !self.boxed && matches!(self.value, Value::Nil)
    }

    /// What is in the interface.
    fn unboxed(self) -> Self {
        Self::plain(self.value)
    }

    /// The type of the place that the value is from.
    fn type_name(&self) -> String {
        if self.boxed {
            Type::Any.to_string()
        } else {
            self.value.type_name()
        }
    }
}

/// Why a template does not go on.
enum Stop {
    Break,
    Continue,
    Error(Box<ExecError>),
}

type Run<T> = Result<T, Stop>;

/// What errors point at.
#[derive(Clone, Copy)]
enum At<'t> {
    Nothing,
    List(&'t List),
    Node(&'t Node),
    Pipe(&'t Pipe),
    Command(&'t Command),
    Arg(&'t Arg),
}

impl At<'_> {
    /// Place and text.
    fn describe(self) -> Option<(usize, String)> {
        Some(match self {
            Self::Nothing => return None,
            Self::List(list) => (list.pos, list.to_string()),
            Self::Node(node) => (node.pos(), node.to_string()),
            Self::Pipe(pipe) => (pipe.pos, pipe.to_string()),
            Self::Command(command) => (command.pos, command.to_string()),
            Self::Arg(arg) => (arg.pos, arg.to_string()),
        })
    }
}

struct Variable {
    name: String,
    value: Operand,
}

/// A template that runs.
struct State<'t, 'b> {
    template: &'t Template,
    tree: &'t Tree,
    at: At<'t>,
    variables: Vec<Variable>,
    depth: usize,
    budget: &'b mut Budget,
    out: &'b mut Buffer,
}

/// Renders the template of that name.
pub(crate) fn render(
    template: &Template,
    name: &str,
    data: &Value,
    budget: &mut Budget,
) -> Result<Vec<u8>, ExecError> {
    render_within(template, name, data, budget, 0)
}

/// Renders the template of that name for one that runs already.
pub(crate) fn render_within(
    template: &Template,
    name: &str,
    data: &Value,
    budget: &mut Budget,
    depth: usize,
) -> Result<Vec<u8>, ExecError> {
    let fail = |text: String| ExecError {
        template: name.to_owned(),
        text,
    };
    let Some(tree) = template.tree(name) else {
        let (name, own) = (quoted(name), quoted(template.name()));
        return Err(fail(format!(
            "template: no template {name} associated with template {own}"
        )));
    };
    let limit = budget.limits().output;
    let mut out = Buffer::with_limit(limit);
    let dot = Operand::plain(data.clone());
    let mut state = State {
        template,
        tree,
        at: At::Nothing,
        variables: vec![Variable {
            name: "$".to_owned(),
            value: dot.clone(),
        }],
        depth,
        budget,
        out: &mut out,
    };
    match state.list(&dot, &tree.root) {
        Ok(()) | Err(Stop::Break | Stop::Continue) => {}
        Err(Stop::Error(error)) => return Err(*error),
    }
    out.into_output().ok_or_else(|| {
        fail(format!(
            "template: {name}: the output is longer than {limit} bytes"
        ))
    })
}

impl<'t> State<'t, '_> {
    fn error<T>(&self, text: impl AsRef<str>) -> Run<T> {
        let (name, text) = (&self.tree.name, text.as_ref());
        let text = match self.at.describe() {
            None => format!("template: {name}: {text}"),
            Some((pos, context)) => {
                let location = self.tree.location(pos);
                format!(
                    "template: {location}: executing {} at <{context}>: {text}",
                    quoted(name)
                )
            }
        };
        Err(Stop::Error(Box::new(ExecError {
            template: name.clone(),
            text,
        })))
    }

    /// An error of the budget.
    fn paid(&self, result: Result<(), FunctionError>) -> Run<()> {
        result.or_else(|error| self.error(error.to_string()))
    }

    fn step(&mut self) -> Run<()> {
        let paid = self.budget.step(1);
        self.paid(paid)
    }

    /// Goes one level deeper.
    fn nested<T>(&mut self, run: impl FnOnce(&mut Self) -> Run<T>) -> Run<T> {
        let limit = self.budget.limits().depth;
        if self.depth >= limit {
            return self.error(format!("exceeded maximum template depth ({limit})"));
        }
        self.depth += 1;
        let result = run(self);
        self.depth -= 1;
        result
    }

    fn list(&mut self, dot: &Operand, list: &'t List) -> Run<()> {
        self.nested(|state| {
            state.at = At::List(list);
            for node in &list.nodes {
                state.step()?;
                state.node(dot, node)?;
            }
            Ok(())
        })
    }

    fn node(&mut self, dot: &Operand, node: &'t Node) -> Run<()> {
        self.at = At::Node(node);
        match node {
            Node::Text { text, .. } => {
                self.out.push(text.as_bytes());
                self.check_output()
            }
            Node::Action { pipe, .. } => {
                let value = self.pipeline(dot, pipe)?;
                if pipe.variables.is_empty() {
                    self.at = At::Node(node);
                    self.print(node, &value)?;
                }
                Ok(())
            }
            Node::Break { .. } => Err(Stop::Break),
            Node::Continue { .. } => Err(Stop::Continue),
            Node::If(branch) => self.if_or_with(dot, branch, false),
            Node::With(branch) => self.if_or_with(dot, branch, true),
            Node::Range(branch) => self.range(dot, branch),
            Node::Template { name, pipe, .. } => self.call_template(dot, name, pipe.as_ref()),
        }
    }

    fn check_output(&self) -> Run<()> {
        if self.out.is_spent() {
            let limit = self.budget.limits().output;
            return self.error(format!("the output is longer than {limit} bytes"));
        }
        Ok(())
    }

    fn print(&mut self, node: &Node, operand: &Operand) -> Run<()> {
        match &operand.value {
            Value::Nil => self.out.push(b"<no value>"),
            Value::Function(_) => {
                let kind = operand.value.type_name();
                return self.error(format!("can't print {node} of type {kind}"));
            }
            value => {
                self.out.allow_steps(self.budget.steps_left());
                fmt::print(self.out, std::slice::from_ref(value));
                let paid = self.budget.step(self.out.steps());
                self.paid(paid)?;
            }
        }
        if self.out.is_too_deep() {
            return self.error(FunctionError::too_deep().to_string());
        }
        self.check_output()
    }

    fn if_or_with(&mut self, dot: &Operand, branch: &'t Branch, is_with: bool) -> Run<()> {
        let mark = self.variables.len();
        let value = self.pipeline(dot, &branch.pipe)?;
        let result = if value.value.truth() {
            self.list(if is_with { &value } else { dot }, &branch.list)
        } else if let Some(list) = &branch.else_list {
            self.list(dot, list)
        } else {
            Ok(())
        };
        self.variables.truncate(mark);
        result
    }

    fn range(&mut self, dot: &Operand, branch: &'t Branch) -> Run<()> {
        let outer = self.variables.len();
        let value = self.pipeline(dot, &branch.pipe)?.value;
        let result = match self.iterate(&value, branch) {
            Ok(true) | Err(Stop::Break) => Ok(()),
            Ok(false) => match &branch.else_list {
                Some(list) => self.list(dot, list),
                None => Ok(()),
            },
            Err(stop) => Err(stop),
        };
        self.variables.truncate(outer);
        result
    }

    /// Runs the body for each element; whether there was one.
    fn iterate(&mut self, value: &Value, branch: &'t Branch) -> Run<bool> {
        match value {
            Value::Nil => Ok(false),
            Value::Int(..) | Value::Uint(..) if branch.pipe.variables.len() > 1 => {
                let shown = fmt::in_message(value, 'v');
                self.error(format!(
                    "can't use {shown} to iterate over more than one variable"
                ))
            }
            Value::Int(kind, end) => self.count(branch, u64::try_from(*end).unwrap_or_default(), Err(*kind)),
            Value::Uint(kind, end) => self.count(branch, *end, Ok(*kind)),
            Value::List(list) => {
                for (index, item) in (0..).zip(list.items()) {
                    let item = Operand::of(item.clone(), list.element());
                    self.iteration(branch, Operand::plain(Value::int(index)), &item)?;
                }
                Ok(!list.is_empty())
            }
            Value::Map(map) => {
                let entries = map.entries();
                for (key, item) in entries.iter() {
                    let key = Operand::of(key.value().clone(), map.key());
                    self.iteration(branch, key, &Operand::of(item.clone(), map.element()))?;
                }
                Ok(!entries.is_empty())
            }
            _ => {
                let shown = fmt::in_message(value, 'v');
                self.error(format!("range can't iterate over {shown}"))
            }
        }
    }

    fn count(&mut self, branch: &'t Branch, end: u64, kind: Result<UintKind, IntKind>) -> Run<bool> {
        for number in 0..end {
            let item = match kind {
                Ok(kind) => Value::Uint(kind, number),
                Err(kind) => Value::Int(kind, i64::try_from(number).unwrap_or(i64::MAX)),
            };
            self.iteration(branch, Operand::none(), &Operand::plain(item))?;
        }
        Ok(end > 0)
    }

    fn iteration(&mut self, branch: &'t Branch, index: Operand, item: &Operand) -> Run<()> {
        self.step()?;
        let mark = self.variables.len();
        let names = &branch.pipe.variables;
        if branch.pipe.is_assign {
            match names.as_slice() {
                [only] => self.assign(only, item)?,
                [first, second, ..] => {
                    self.assign(first, &index)?;
                    self.assign(second, item)?;
                }
                [] => {}
            }
        } else {
            let mut declared = self.variables.iter_mut().rev().take(names.len());
            if let Some(last) = declared.next() {
                last.value = item.clone();
            }
            if let Some(first) = declared.next() {
                first.value = index;
            }
        }
        let result = self.list(item, &branch.list);
        self.variables.truncate(mark);
        match result {
            Err(Stop::Continue) => Ok(()),
            result => result,
        }
    }

    fn call_template(&mut self, dot: &Operand, name: &str, pipe: Option<&'t Pipe>) -> Run<()> {
        let template = self.template;
        let Some(tree) = template.tree(name) else {
            return self.error(format!("template {} not defined", quoted(name)));
        };
        let dot = match pipe {
            Some(pipe) => self.pipeline(dot, pipe)?,
            None => Operand::none(),
        };
        let mut inner = State {
            template,
            tree: Arc::as_ref(tree),
            at: self.at,
            variables: vec![Variable {
                name: "$".to_owned(),
                value: dot.clone(),
            }],
            depth: self.depth,
            budget: &mut *self.budget,
            out: &mut *self.out,
        };
        if inner.depth >= inner.budget.limits().depth {
            let limit = inner.budget.limits().depth;
            return self.error(format!("exceeded maximum template depth ({limit})"));
        }
        inner.list(&dot, &tree.root)
    }

    fn assign(&mut self, name: &str, value: &Operand) -> Run<()> {
        match self
            .variables
            .iter_mut()
            .rev()
            .find(|variable| variable.name == name)
        {
            Some(variable) => {
                variable.value = value.clone();
                Ok(())
            }
            None => self.error(format!("undefined variable: {name}")),
        }
    }

    fn variable(&self, name: &str) -> Run<Operand> {
        match self.variables.iter().rev().find(|variable| variable.name == name) {
            Some(variable) => Ok(variable.value.clone()),
            None => self.error(format!("undefined variable: {name}")),
        }
    }
}
