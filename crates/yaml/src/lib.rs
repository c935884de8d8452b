//! YAML as the Kubernetes ecosystem reads and writes it: go-yaml's rules, with positions.
//!
//! [`parse`] reads a stream of documents with one of two [`Reading`]s; [`to_string`] writes a value as `sigs.k8s.io/yaml`
//! does, byte for byte, which is what `kustomize build` prints and what Flux substitutes variables in.

mod build;
mod check;
mod emit;
mod error;
mod event;
mod node;
mod number;
mod parse;
mod resolve;
mod scan;
mod value;

pub use emit::{to_string, write_to};
pub use error::ParseError;
pub use node::{Data, Node};
pub use number::Number;
pub use parse::{Documents, Limits, Reading, documents, parse, parse_with};
pub use scan::Style;
pub use value::{Map, Value};

#[cfg(test)]
mod tests;
