//! YAML as the Kubernetes ecosystem reads and writes it: go-yaml's rules, with positions.
//!
//! [`parse`] reads a stream of documents with one of the [`Reading`]s of go-yaml; [`to_string`] writes a value as
//! `sigs.k8s.io/yaml` does, byte for byte, which is what `kustomize build` prints and what Flux substitutes variables in;
//! [`layout`](layout()) tells where scalars and comments stand.
//!
//! A text goes through a scanner and a parser that accept what libyaml accepts, which go-yaml is a translation of, with the same
//! messages. What comes out depends on the text, the reading and the [`Limits`] alone: no network, no files, no global state.
#![cfg_attr(doctest, doc = include_str!("../README.md"))]

mod build;
mod check;
mod emit;
mod error;
mod event;
mod layout;
mod map;
mod node;
mod number;
mod parse;
mod resolve;
mod scan;
mod value;

pub use emit::{to_string, write_to};
pub use error::ParseError;
pub use layout::{Comment, Layout, Scalar, layout};
pub use map::Map;
pub use node::{Data, Node};
pub use number::Number;
pub use parse::{Documents, Limits, Reading, documents, parse, parse_with};
pub use scan::Style;
pub use value::{Text, Value};

#[cfg(test)]
mod tests;
