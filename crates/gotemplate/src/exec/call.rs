//! Calls of functions and methods, and the arguments for them.

use std::sync::Arc;

use super::eval::Words;
use super::{At, Operand, Run, State};
use crate::builtins::{self, Builtin};
use crate::fmt;
use crate::parse::{Arg, ArgKind, Number};
use crate::value::{Arguments, Context, FunctionError, Object, Signature, Type, Value};

/// A method of an object.
pub(super) struct Method<'m> {
    pub object: &'m Arc<dyn Object>,
    pub name: &'m str,
    pub signature: Signature,
}

impl<'t> State<'t, '_> {
    fn context(&mut self) -> Context<'_> {
        Context {
            template: self.template,
            depth: self.depth,
            budget: &mut *self.budget,
        }
    }

    pub(super) fn function(
        &mut self,
        dot: &Operand,
        arg: &'t Arg,
        name: &str,
        at: At<'t>,
        args: Words<'t>,
        last: Option<Operand>,
    ) -> Run<Operand> {
        self.at = At::Arg(arg);
        let template = self.template;
        if let Some(function) = template.functions().get(name) {
            let operands = self.arguments(dot, function.signature(), name, args, last)?;
            let values = into_values(operands);
            let result = function.call(&mut self.context(), &values);
            return self.called(
                name,
                at,
                result.map(|value| Operand::of(value, &function.signature().result)),
            );
        }
        let Some(builtin) = Builtin::named(name) else {
            return self.error(format!(
                "{} is not a defined function",
                crate::quote::quoted(name)
            ));
        };
        let signature = builtin.signature();
        if matches!(builtin, Builtin::And | Builtin::Or) {
            self.check_count(&signature, name, args, last.is_some())?;
            return self.logic(dot, builtin == Builtin::Or, args, last);
        }
        let called = called_name(args, last.as_ref());
        let operands = self.arguments(dot, &signature, name, args, last)?;
        let result = builtins::call(builtin, &mut self.context(), &called, operands);
        self.called(name, at, result)
    }

    pub(super) fn method(
        &mut self,
        dot: &Operand,
        method: &Method<'_>,
        at: At<'t>,
        args: Words<'t>,
        last: Option<Operand>,
    ) -> Run<Operand> {
        let Method {
            object,
            name,
            signature,
        } = method;
        let operands = self.arguments(dot, signature, name, args, last)?;
        let values = into_values(operands);
        let result = object.call(name, &mut self.context(), &Arguments(&values));
        self.called(
            name,
            at,
            result.map(|value| Operand::of(value, &signature.result)),
        )
    }

    fn called(&mut self, name: &str, at: At<'t>, result: Result<Operand, FunctionError>) -> Run<Operand> {
        match result {
            Ok(operand) => Ok(operand),
            Err(error) => {
                self.at = at;
                self.error(format!("error calling {name}: {error}"))
            }
        }
    }

    /// `and` and `or`, which leave arguments unevaluated once the result is known.
    fn logic(
        &mut self,
        dot: &Operand,
        stop_at: bool,
        args: Words<'t>,
        last: Option<Operand>,
    ) -> Run<Operand> {
        let mut value = Operand::none();
        for arg in args.unwrap_or_default().iter().skip(1) {
            value = self.argument(dot, Some(&Type::Reflect), arg)?;
            if value.value.truth() == stop_at {
                return Ok(value);
            }
        }
        Ok(last.unwrap_or(value))
    }

    fn check_count(&self, signature: &Signature, name: &str, args: Words<'t>, has_last: bool) -> Run<()> {
        let written = args.unwrap_or_default().len().saturating_sub(1);
        let given = written + usize::from(has_last);
        let wanted = signature.parameters.len();
        if signature.variadic.is_some() {
            if given < wanted {
                return self.error(format!(
                    "wrong number of args for {name}: want at least {wanted} got {written}"
                ));
            }
        } else if given != wanted {
            return self.error(format!(
                "wrong number of args for {name}: want {wanted} got {given}"
            ));
        }
        Ok(())
    }

    fn arguments(
        &mut self,
        dot: &Operand,
        signature: &Signature,
        name: &str,
        args: Words<'t>,
        last: Option<Operand>,
    ) -> Run<Vec<Operand>> {
        self.check_count(signature, name, args, last.is_some())?;
        let mut operands = Vec::new();
        for (index, arg) in args.unwrap_or_default().iter().skip(1).enumerate() {
            operands.push(self.argument(dot, signature.parameter(index), arg)?);
        }
        if let Some(last) = last {
            let kind = signature.parameter(operands.len());
            operands.push(self.checked(last, kind)?);
        }
        Ok(operands)
    }

    /// An argument for a parameter of that type; of any when there is no parameter.
    pub(super) fn argument(&mut self, dot: &Operand, kind: Option<&Type>, arg: &'t Arg) -> Run<Operand> {
        self.at = At::Arg(arg);
        let words = Some(std::slice::from_ref(arg));
        let operand = match &arg.kind {
            ArgKind::Dot => dot.clone(),
            ArgKind::Nil => {
                return match kind {
                    Some(kind) if kind.has_nil() => Ok(Operand::of(kind.zero(), kind)),
                    Some(kind) => self.error(format!("cannot assign nil to {kind}")),
                    None => self.error(format!("indirection through explicit nil in {arg}")),
                };
            }
            ArgKind::Field(names) => self.field_chain(dot, dot, arg, names, words, None)?,
            ArgKind::Variable(names) => self.variable_chain(dot, arg, names, None, None)?,
            ArgKind::Pipe(pipe) => self.pipeline(dot, pipe)?,
            ArgKind::Identifier(name) => self.function(dot, arg, name, At::Arg(arg), None, None)?,
            ArgKind::Chain(inner, names) => self.chain(dot, arg, inner, names, None, None)?,
            ArgKind::Bool(value) => {
                let constant = Ok(Operand::plain(Value::Bool(*value)));
                return self.constant(arg, kind, constant);
            }
            ArgKind::String { text, .. } => {
                let constant = Ok(Operand::plain(Value::String(text.clone())));
                return self.constant(arg, kind, constant);
            }
            ArgKind::Number(number) => {
                if matches!(kind, None | Some(Type::Any | Type::Reflect)) {
                    return self.number(arg, number);
                }
                let constant = number_as(number, kind);
                return self.constant(arg, kind, constant);
            }
        };
        self.checked(operand, kind)
    }

    /// A constant where a type is wanted, or an error that names what is wanted.
    fn constant(&self, arg: &Arg, kind: Option<&Type>, constant: Result<Operand, ()>) -> Run<Operand> {
        let Some(kind) = kind else {
            return constant.or_else(|()| self.error(format!("can't handle {arg}")));
        };
        let operand = constant.ok().filter(|operand| {
            matches!(kind, Type::Any | Type::Reflect) || operand.value.type_of().as_ref() == Some(kind)
        });
        if let Some(operand) = operand {
            return Ok(operand);
        }
        let wanted = match kind {
            Type::Bool => "bool",
            Type::String => "string",
            Type::Int(_) => "integer",
            Type::Uint(_) => "unsigned integer",
            Type::Float(_) => "float",
            _ => return self.error(format!("can't handle {arg} for arg of type {kind}")),
        };
        self.error(format!("expected {wanted}; found {arg}"))
    }

    /// A value for a parameter of that type.
    fn checked(&self, operand: Operand, kind: Option<&Type>) -> Run<Operand> {
        let Some(kind) = kind else {
            return Ok(operand);
        };
        if operand.is_none() {
            if *kind == Type::Reflect {
                return Ok(operand);
            }
            if kind.has_nil() {
                return Ok(Operand::of(kind.zero(), kind));
            }
            return self.error(format!("invalid value; expected {kind}"));
        }
        if matches!(kind, Type::Any | Type::Reflect) {
            return Ok(operand);
        }
        match operand.value.type_of() {
            Some(own) if own == *kind => Ok(operand.unboxed()),
            Some(own) => self.error(format!("wrong type for value; expected {kind}; got {own}")),
            None => self.error(format!(
                "wrong type for value; expected {kind}; got {}",
                Type::Any
            )),
        }
    }
}

/// What `call` names in its errors.
fn called_name(args: Words<'_>, last: Option<&Operand>) -> String {
    match args.and_then(|args| args.get(1)) {
        Some(arg) => arg.to_string(),
        None => last.map_or_else(String::new, |last| match &last.value {
            Value::String(text) => text.to_string_lossy().into_owned(),
            value => format!("<{} Value>", value.type_name()),
        }),
    }
}

fn into_values(operands: Vec<Operand>) -> Vec<Value> {
    operands.into_iter().map(|operand| operand.value).collect()
}

fn number_as(number: &Number, kind: Option<&Type>) -> Result<Operand, ()> {
    let value = match kind {
        Some(Type::Int(kind)) => number.int.map(|number| Value::Int(*kind, number)),
        Some(Type::Uint(kind)) => number.uint.map(|number| Value::Uint(*kind, number)),
        Some(Type::Float(kind)) => number.float.map(|number| Value::Float(*kind, number)),
        _ => None,
    };
    value.map(Operand::plain).ok_or(())
}

/// One value in a message.
pub(crate) fn shown(value: &Value, verb: char) -> String {
    fmt::in_message(value, verb)
}
