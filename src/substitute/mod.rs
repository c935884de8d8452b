//! Variables in text: `${name}` and what Flux's envsubst can do with one, on any text and on the text of an object.
//!
//! The grammar is that of `github.com/fluxcd/pkg/envsubst`, measured against it: what it accepts, what it answers, and the words
//! with which it refuses. What differs on purpose stands in `docs/deviations.md`.
//!
//! ```text
//! Template::parse(text) --> Template --expand(lookup)--> bytes       any text: `fluxbot envsubst`
//! object + Variables + Rules --> substitute::object --> object       spec.postBuild of a Kustomization
//! ```

mod error;
mod functions;
mod glob;
mod object;
mod template;
mod variables;

pub use error::{Place, SubstituteError};
pub use object::{ObjectError, Rules, is_disabled, object};
pub use template::Template;
pub use variables::Variables;

/// Replaces the variables of a text by what `lookup` gives.
///
/// A variable for which it gives `None` is an error, unless the expression has a default (Flux's strict mode); a lookup that
/// gives `Some("")` instead makes it empty.
///
/// # Errors
/// A text that breaks the grammar, a variable that is not set, a length below zero, a result that is too large or no UTF-8.
pub fn expand<'v>(text: &str, lookup: impl Fn(&str) -> Option<&'v str>) -> Result<String, SubstituteError> {
    let bytes = Template::parse(text)?.expand(&lookup)?;
    String::from_utf8(bytes).map_err(|_| SubstituteError::NotUtf8)
}

#[cfg(test)]
mod tests;
