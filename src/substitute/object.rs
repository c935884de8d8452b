//! `spec.postBuild` for one object: its YAML text with the variables put in, read again.

use fluxbot_yaml::Reading;
use serde_json::Value;

use super::error::SubstituteError;
use super::template::Template;
use super::variables::Variables;

/// The label or annotation that leaves an object as it is.
const SWITCH: &str = "kustomize.toolkit.fluxcd.io/substitute";

/// How variables are put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Whether a variable without value and default is an error. Flux's default since 2.9.
    pub strict: bool,
    /// Whether objects are substituted even where there is no variable (`substituteStrategy: Always`).
    pub always: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            strict: true,
            always: false,
        }
    }
}

/// The variables cannot be put into an object. The texts are Flux's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// A variable has a name that none may have.
    #[error("envsubst error: '{0}' var name is invalid, must match '^[_[:alpha:]][_[:alpha:][:digit:]]*$'")]
    Name(String),
    /// The text breaks the grammar, or a variable is missing.
    #[error("envsubst error: variable substitution failed: {0}")]
    Substitute(#[from] SubstituteError),
    /// The value of a Secret that is used is no text.
    #[error("envsubst error: variable substitution failed: the value of '{0}' is no UTF-8")]
    Binary(String),
    /// With the values in it, the text is no YAML any more. The reason may quote the text, with values: mask it.
    #[error("envsubst error: YAMLToJSON: {0}")]
    Yaml(String),
    /// With the values in it, the text is no object any more.
    #[error("UnmarshalJSON: the text is no object any more: {0}")]
    NotAnObject(&'static str),
}

/// Whether a label or annotation keeps variables out of an object. Its value counts in this case only.
#[must_use]
pub fn is_disabled(object: &Value) -> bool {
    ["labels", "annotations"].iter().any(|field| {
        let entries = object.get("metadata").and_then(|metadata| metadata.get(field));
        entries.and_then(|entries| entries.get(SWITCH)?.as_str()) == Some("disabled")
    })
}

/// The object with the variables put in; `None` when it stays as it is.
///
/// The variables are put into the YAML that kustomize prints for the object, and the result is read as Flux reads it, so that
/// `port: ${PORT}` becomes a number and `"${FLAG}"` may become a boolean.
///
/// # Errors
/// The object as a whole fails with the first expression that does.
pub fn object(object: &Value, variables: &Variables, rules: Rules) -> Result<Option<Value>, ObjectError> {
    if (variables.is_empty() && !rules.always) || is_disabled(object) {
        return Ok(None);
    }
    if let Some(name) = variables.invalid_name() {
        return Err(ObjectError::Name(name.to_owned()));
    }
    if !is_touched(object) {
        return Ok(None);
    }
    let text = fluxbot_yaml::to_string(object);
    let template = Template::parse(&text)?;
    if let Some(name) = template
        .names()
        .into_iter()
        .find(|name| variables.is_binary(name))
    {
        return Err(ObjectError::Binary(name.to_owned()));
    }
    let lookup = |name: &str| variables.get(name).or_else(|| (!rules.strict).then_some(""));
    let expanded = String::from_utf8(template.expand(&lookup)?).map_err(|_| SubstituteError::NotUtf8)?;
    let documents = fluxbot_yaml::parse(&expanded, Reading::Api)
        .map_err(|error| ObjectError::Yaml(error.original().to_owned()))?;
    let value = documents
        .into_iter()
        .next()
        .map_or(Value::Null, |node| Value::from(node.into_value()));
    let is_named = |path: &str| {
        value
            .pointer(path)
            .and_then(Value::as_str)
            .is_some_and(|text| !text.is_empty())
    };
    if !value.is_object() {
        return Err(ObjectError::NotAnObject("it is no mapping"));
    }
    if !is_named("/kind") {
        return Err(ObjectError::NotAnObject("kind is missing"));
    }
    Ok(Some(value))
}

/// Whether writing and reading an object can change it: a dollar sign somewhere, or a number with a fraction or an exponent,
/// which may be written without.
fn is_touched(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('$'),
        Value::Number(number) => number.is_f64(),
        Value::Array(items) => items.iter().any(is_touched),
        Value::Object(entries) => entries
            .iter()
            .any(|(name, value)| name.contains('$') || is_touched(value)),
        Value::Null | Value::Bool(_) => false,
    }
}
