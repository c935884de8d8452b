//! The functions of Masterminds/sprig v3 that give the same result each time.

mod cases;
mod convert;
mod crypto;
mod dates;
mod decimal;
mod dicts;
mod encoding;
mod lists;
mod math;
mod paths;
mod reflect;
mod regex;
mod semver;
mod strings;
mod time;
mod urls;
mod words;

use std::sync::Arc;

use crate::template::Functions;
use crate::value::{Arguments, Context, Function, FunctionError, Signature, Type, Value};

/// What a function gives.
type Outcome = Result<Value, FunctionError>;

type Body = fn(&mut Context<'_>, &Arguments<'_>) -> Outcome;

fn fail<T>(text: impl Into<String>) -> Result<T, FunctionError> {
    Err(FunctionError::new(text))
}

/// The type that a letter of a [`signature`] stands for.
fn kind(letter: char) -> Type {
    match letter {
        's' => Type::String,
        'i' => Type::INT,
        'l' => Type::INT64,
        'f' => Type::FLOAT64,
        'b' => Type::Bool,
        'd' => Type::dict(),
        't' => Type::Object("time.Time".into()),
        'S' => Type::string_list(),
        'I' => Type::List(Arc::new(Type::INT)),
        'A' => Type::any_list(),
        'C' => Type::List(Arc::new(Type::any_list())),
        'M' => Type::Map(Arc::new(Type::String), Arc::new(Type::String)),
        'V' => Type::Object("*semver.Version".into()),
        'u' => Type::Uint(crate::value::UintKind::Uint64),
        'U' => Type::Uint(crate::value::UintKind::Uint32),
        _ => Type::Any,
    }
}

/// A signature in short: a letter for each parameter, `*` behind the last if there may be any number of it, and behind a
/// colon the result.
fn signature(short: &str) -> Signature {
    let (parameters, result) = short.split_once(':').unwrap_or((short, "a"));
    let result = result.chars().next().map_or(Type::Any, kind);
    let mut parameters: Vec<Type> = parameters.chars().map(kind).collect();
    if short.contains('*') {
        parameters.pop();
        let variadic = parameters.pop().unwrap_or(Type::Any);
        return Signature::new(parameters, result).with_variadic(variadic);
    }
    Signature::new(parameters, result)
}

/// A table of functions: name, signature, body.
type Table<'a> = &'a [(&'static str, &'static str, Body)];

fn add(functions: &mut Functions, table: Table<'_>) {
    for &(name, short, body) in table {
        functions.add(name, Function::new(signature(short), body));
    }
}

/// All functions.
pub(crate) fn functions() -> Functions {
    let mut functions = Functions::new();
    for table in [
        strings::TABLE,
        words::TABLE,
        cases::TABLE,
        convert::TABLE,
        math::TABLE,
        decimal::TABLE,
        lists::TABLE,
        dicts::TABLE,
        encoding::TABLE,
        crypto::TABLE,
        reflect::TABLE,
        regex::TABLE,
        paths::TABLE,
        urls::TABLE,
        semver::TABLE,
        dates::TABLE,
    ] {
        add(&mut functions, table);
    }
    functions
}

/// Makes room for so many elements of a list.
fn room(context: &mut Context<'_>, count: usize) -> Result<(), FunctionError> {
    context.step(count)?;
    context.reserve(count.saturating_mul(size_of::<Value>()))
}

/// The base64 text of bytes.
pub(crate) fn base64(bytes: &[u8]) -> String {
    encoding::base64(bytes)
}
