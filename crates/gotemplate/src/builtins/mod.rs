//! The functions of the language itself.

mod compare;
mod escape;
mod index;

use crate::buffer::Buffer;
use crate::exec::Operand;
use crate::fmt;
use crate::value::{Context, FunctionError, Signature, Type, Value};

macro_rules! builtins {
    ($($variant:ident = $name:literal,)*) => {
        /// A function of the language.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Builtin {
            $($variant,)*
        }

        impl Builtin {
            pub(crate) fn named(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

builtins! {
    And = "and", Call = "call", Html = "html", Index = "index", Slice = "slice", Js = "js", Len = "len", Not = "not",
    Or = "or", Print = "print", Printf = "printf", Println = "println", UrlQuery = "urlquery", Eq = "eq", Ge = "ge",
    Gt = "gt", Le = "le", Lt = "lt", Ne = "ne",
}

/// Whether the language has a function of that name.
pub(crate) fn is_builtin(name: &str) -> bool {
    Builtin::named(name).is_some()
}

impl Builtin {
    pub(crate) fn signature(self) -> Signature {
        let reflect = |count| Signature::new(vec![Type::Reflect; count], Type::Reflect);
        match self {
            Self::And | Self::Or | Self::Call | Self::Index | Self::Slice | Self::Eq => {
                reflect(1).with_variadic(Type::Reflect)
            }
            Self::Len | Self::Not => reflect(1),
            Self::Ne | Self::Lt | Self::Le | Self::Gt | Self::Ge => reflect(2),
            Self::Html | Self::Js | Self::UrlQuery | Self::Print | Self::Println => {
                Signature::new([], Type::String).with_variadic(Type::Any)
            }
            Self::Printf => Signature::new([Type::String], Type::String).with_variadic(Type::Any),
        }
    }
}

/// Calls a function; `called` is how `call` names what it calls.
pub(crate) fn call(
    builtin: Builtin,
    context: &mut Context<'_>,
    called: &str,
    operands: Vec<Operand>,
) -> Result<Operand, FunctionError> {
    let boolean = |value: Result<bool, FunctionError>| value.map(Value::Bool).map(Operand::plain);
    match builtin {
        Builtin::Index => return index::index(&operands),
        Builtin::Call => return call_value(context, called, operands),
        Builtin::Eq => return boolean(compare::eq(&operands)),
        Builtin::Ne => return boolean(compare::eq(&operands).map(|equal| !equal)),
        Builtin::Lt => return boolean(compare::lt(&operands)),
        Builtin::Le => return boolean(compare::le(&operands)),
        Builtin::Gt => return boolean(compare::le(&operands).map(|le| !le)),
        Builtin::Ge => return boolean(compare::lt(&operands).map(|lt| !lt)),
        Builtin::Len => return index::len(operands.first()).map(Operand::plain),
        Builtin::Slice => return index::slice(context, &operands).map(Operand::plain),
        Builtin::Not => {
            let truth = operands.first().is_some_and(|operand| operand.value.truth());
            return Ok(Operand::plain(Value::Bool(!truth)));
        }
        // The caller evaluates these itself.
        Builtin::And | Builtin::Or => return Ok(Operand::none()),
        _ => {}
    }
    let values: Vec<Value> = operands.into_iter().map(|operand| operand.value).collect();
    let mut out = Buffer::new(context);
    match builtin {
        Builtin::Print => fmt::print(&mut out, &values),
        Builtin::Println => fmt::println(&mut out, &values),
        Builtin::Printf => {
            if let Some((Value::String(format), values)) = values.split_first() {
                fmt::printf(&mut out, format.as_bytes(), values);
            }
        }
        _ => {
            let text = escape::text_of(context, values)?;
            match builtin {
                Builtin::Html => escape::html(&mut out, &text),
                Builtin::Js => escape::js(&mut out, &text),
                _ => escape::url_query(&mut out, &text),
            }
        }
    }
    Ok(Operand::plain(Value::string(out.finish(context)?)))
}

/// `call`: calls a function that is a value.
fn call_value(
    context: &mut Context<'_>,
    called: &str,
    operands: Vec<Operand>,
) -> Result<Operand, FunctionError> {
    let mut operands = operands.into_iter().map(|operand| operand.value);
    let function = match operands.next().unwrap_or_default() {
        Value::Nil => return Err(FunctionError::new("call of nil")),
        Value::Function(function) => function,
        value => {
            let kind = value.type_name();
            return Err(FunctionError::new(format!(
                "non-function {called} of type {kind}"
            )));
        }
    };
    let mut arguments: Vec<Value> = operands.collect();
    let signature = function.signature();
    let (given, wanted) = (arguments.len(), signature.parameters.len());
    if signature.variadic.is_some() && given < wanted {
        let text = format!("wrong number of args for {called}: got {given} want at least {wanted}");
        return Err(FunctionError::new(text));
    }
    if signature.variadic.is_none() && given != wanted {
        let text = format!("wrong number of args for {called}: got {given} want {wanted}");
        return Err(FunctionError::new(text));
    }
    for (position, argument) in arguments.iter_mut().enumerate() {
        if let Some(kind) = signature.parameter(position) {
            *argument = index::converted(argument, kind)
                .map_err(|error| FunctionError::new(format!("arg {position}: {error}")))?;
        }
    }
    let result = function.call(context, &arguments)?;
    Ok(Operand::of(result, &signature.result))
}
