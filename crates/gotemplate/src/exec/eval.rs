//! Pipelines, fields and constants.

use super::call::Method;
use super::{At, Operand, Run, State, Variable};
use crate::parse::{Arg, ArgKind, Command, Number, Pipe};
use crate::quote::quoted;
use crate::template::MissingKey;
use crate::value::{Key, Type, Value};

/// The arguments of a command: its words, the first being what is called.
pub(super) type Words<'t> = Option<&'t [Arg]>;

impl<'t> State<'t, '_> {
    pub(super) fn pipeline(&mut self, dot: &Operand, pipe: &'t Pipe) -> Run<Operand> {
        self.nested(|state| {
            state.at = At::Pipe(pipe);
            let mut value = None;
            for command in &pipe.commands {
                state.step()?;
                value = Some(state.command(dot, command, value)?.unboxed());
            }
            let value = value.unwrap_or_else(Operand::none);
            for name in &pipe.variables {
                if pipe.is_assign {
                    state.assign(name, &value)?;
                } else {
                    state.variables.push(Variable {
                        name: name.clone(),
                        value: value.clone(),
                    });
                }
            }
            Ok(value)
        })
    }

    fn not_a_function(&self, args: Words<'t>, last: Option<&Operand>) -> Run<()> {
        let args = args.unwrap_or_default();
        match args.first() {
            Some(first) if args.len() > 1 || last.is_some() => {
                self.error(format!("can't give argument to non-function {first}"))
            }
            _ => Ok(()),
        }
    }

    fn command(&mut self, dot: &Operand, command: &'t Command, last: Option<Operand>) -> Run<Operand> {
        let Some(first) = command.args.first() else {
            return Ok(Operand::none());
        };
        let args = Some(command.args.as_slice());
        match &first.kind {
            ArgKind::Field(names) => {
                self.at = At::Arg(first);
                self.field_chain(dot, dot, first, names, args, last)
            }
            ArgKind::Chain(inner, names) => self.chain(dot, first, inner, names, args, last),
            ArgKind::Identifier(name) => self.function(dot, first, name, At::Command(command), args, last),
            ArgKind::Pipe(pipe) => {
                self.not_a_function(args, last.as_ref())?;
                self.pipeline(dot, pipe)
            }
            ArgKind::Variable(names) => self.variable_chain(dot, first, names, args, last),
            kind => {
                self.at = At::Arg(first);
                self.not_a_function(args, last.as_ref())?;
                match kind {
                    ArgKind::Bool(value) => Ok(Operand::plain(Value::Bool(*value))),
                    ArgKind::Dot => Ok(dot.clone()),
                    ArgKind::Number(number) => self.number(first, number),
                    ArgKind::String { text, .. } => Ok(Operand::plain(Value::String(text.clone()))),
                    _ => self.error("nil is not a command"),
                }
            }
        }
    }

    /// A number where nothing says which type is wanted: a float if it is written as one, an int otherwise.
    pub(super) fn number(&mut self, arg: &'t Arg, number: &Number) -> Run<Operand> {
        self.at = At::Arg(arg);
        let literal = number.literal.as_str();
        let is_hex = literal.len() > 2
            && matches!(literal.get(..2), Some("0x" | "0X"))
            && !literal.contains(['p', 'P']);
        let looks_float =
            !is_hex && !literal.starts_with('\'') && literal.contains(['.', 'e', 'E', 'p', 'P']);
        if let Some(float) = number.float.filter(|_| looks_float) {
            return Ok(Operand::plain(Value::float(float)));
        }
        match number.int {
            Some(int) => Ok(Operand::plain(Value::int(int))),
            None => self.error(format!("{literal} overflows int")),
        }
    }

    pub(super) fn chain(
        &mut self,
        dot: &Operand,
        arg: &'t Arg,
        inner: &'t Arg,
        names: &[String],
        args: Words<'t>,
        last: Option<Operand>,
    ) -> Run<Operand> {
        self.at = At::Arg(arg);
        let receiver = self.argument(dot, None, inner)?;
        self.field_chain(dot, &receiver, arg, names, args, last)
    }

    pub(super) fn variable_chain(
        &mut self,
        dot: &Operand,
        arg: &'t Arg,
        names: &[String],
        args: Words<'t>,
        last: Option<Operand>,
    ) -> Run<Operand> {
        self.at = At::Arg(arg);
        let (name, fields) = names
            .split_first()
            .map_or(("", names), |(first, rest)| (first.as_str(), rest));
        let value = self.variable(name)?;
        if fields.is_empty() {
            self.not_a_function(args, last.as_ref())?;
            return Ok(value);
        }
        self.field_chain(dot, &value, arg, fields, args, last)
    }

    pub(super) fn field_chain(
        &mut self,
        dot: &Operand,
        receiver: &Operand,
        arg: &'t Arg,
        names: &[String],
        args: Words<'t>,
        last: Option<Operand>,
    ) -> Run<Operand> {
        let Some((name, before)) = names.split_last() else {
            return Ok(receiver.clone());
        };
        let mut receiver = receiver.clone();
        for name in before {
            receiver = self.field(dot, name, arg, None, None, &receiver)?;
        }
        self.field(dot, name, arg, args, last, &receiver)
    }

    /// A field, a method or a key.
    fn field(
        &mut self,
        dot: &Operand,
        name: &str,
        arg: &'t Arg,
        args: Words<'t>,
        last: Option<Operand>,
        receiver: &Operand,
    ) -> Run<Operand> {
        if receiver.is_none() {
            if self.template.missing_key() == MissingKey::Error {
                return self.error(format!("nil data; no entry for key {}", quoted(name)));
            }
            return Ok(Operand::none());
        }
        let has_arguments = args.is_some_and(|args| args.len() > 1) || last.is_some();
        match &receiver.value {
            Value::Nil => {
                return self.error(format!("nil pointer evaluating {}.{name}", receiver.type_name()));
            }
            Value::Object(object) => {
                if let Some(signature) = object.method(name) {
                    let method = Method {
                        object,
                        name,
                        signature,
                    };
                    return self.method(dot, &method, At::Arg(arg), args, last);
                }
                if let Some(value) = object.field(name) {
                    if !name.starts_with(char::is_uppercase) {
                        let kind = receiver.type_name();
                        return self.error(format!("{name} is an unexported field of struct type {kind}"));
                    }
                    if has_arguments {
                        return self.error(format!("{name} has arguments but cannot be invoked as function"));
                    }
                    let boxed = object.is_interface(name);
                    return Ok(Operand { value, boxed });
                }
            }
            Value::Map(map) if map.key().takes(&Type::String) => {
                if has_arguments {
                    return self.error(format!("{name} is not a method but has arguments"));
                }
                if let Some(value) = map.get(&Key::from(name)) {
                    return Ok(Operand::of(value, map.element()));
                }
                return match self.template.missing_key() {
                    MissingKey::Default => Ok(Operand::none()),
                    MissingKey::Zero => Ok(Operand::of(map.element().zero(), map.element())),
                    MissingKey::Error => self.error(format!("map has no entry for key {}", quoted(name))),
                };
            }
            _ => {}
        }
        let kind = receiver.type_name();
        self.error(format!("can't evaluate field {name} in type {kind}"))
    }
}
