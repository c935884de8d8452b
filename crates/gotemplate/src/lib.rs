#![doc = include_str!("../README.md")]
// Go converts between numbers by wrapping and rounding, and this crate does as Go does.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss
)]

mod buffer;
mod builtins;
mod convert;
mod exec;
mod fmt;
mod json;
mod lex;
mod limits;
mod number;
mod parse;
mod quote;
mod sprig;
mod template;
mod text;
mod unicode;
mod value;

pub use exec::ExecError;
pub use limits::Limits;
pub use parse::ParseError;
pub use template::{Functions, MissingKey, Template};
pub use text::Text;
pub use value::{
    Arguments, Context, FloatKind, Function, FunctionError, IntKind, Key, List, Map, Object, Signature, Type,
    UintKind, Value,
};
