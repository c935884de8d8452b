//! Functions that templates call.

use std::fmt;

use super::{List, Map, Type, Value};
use crate::limits::Budget;
use crate::template::Template;
use crate::text::Text;

/// The types of a function's parameters and of its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The types of the parameters that must be given.
    pub parameters: Vec<Type>,
    /// The type of any number of further arguments.
    pub variadic: Option<Type>,
    /// The type of the result.
    pub result: Type,
}

impl Signature {
    /// A function of these parameters.
    #[must_use]
    pub fn new(parameters: impl Into<Vec<Type>>, result: Type) -> Self {
        Self {
            parameters: parameters.into(),
            variadic: None,
            result,
        }
    }

    /// The same with any number of further arguments.
    #[must_use]
    pub fn with_variadic(mut self, variadic: Type) -> Self {
        self.variadic = Some(variadic);
        self
    }

    /// The type of the argument at `index`.
    pub(crate) fn parameter(&self, index: usize) -> Option<&Type> {
        self.parameters.get(index).or(self.variadic.as_ref())
    }
}

type Body = dyn Fn(&mut Context<'_>, &Arguments<'_>) -> Result<Value, FunctionError> + Send + Sync;

/// A function that a template can call.
pub struct Function {
    signature: Signature,
    body: Box<Body>,
}

impl Function {
    /// A function. `body` gets arguments of the types that the signature names.
    #[must_use]
    pub fn new(
        signature: Signature,
        body: impl Fn(&mut Context<'_>, &Arguments<'_>) -> Result<Value, FunctionError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            signature,
            body: Box::new(body),
        }
    }

    /// The types of the parameters and the result.
    #[must_use]
    pub const fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Calls the function with arguments that the caller has checked.
    pub(crate) fn call(
        &self,
        context: &mut Context<'_>,
        arguments: &[Value],
    ) -> Result<Value, FunctionError> {
        (self.body)(context, &Arguments(arguments))
    }

    /// The type as Go prints it.
    pub(crate) fn type_name(&self) -> String {
        let mut parameters: Vec<String> = self
            .signature
            .parameters
            .iter()
            .map(ToString::to_string)
            .collect();
        parameters.extend(
            self.signature
                .variadic
                .iter()
                .map(|variadic| format!("...{variadic}")),
        );
        format!("func({}) {}", parameters.join(", "), self.signature.result)
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.type_name())
    }
}

/// Why a function failed. The text goes into the error of the rendering.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FunctionError(String);

impl FunctionError {
    /// A failure with this text: lower case, no full stop.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn too_deep() -> Self {
        Self(format!("a value nests more than {} deep", super::MAX_NESTING))
    }

    /// What Go says where a nil has no type.
    pub(crate) fn nil_dereference() -> Self {
        Self("runtime error: invalid memory address or nil pointer dereference".to_owned())
    }
}

impl From<String> for FunctionError {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// What a function may use of the rendering that calls it.
pub struct Context<'a> {
    pub(crate) budget: &'a mut Budget,
    pub(crate) template: &'a Template,
    pub(crate) depth: usize,
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("depth", &self.depth)
            .finish_non_exhaustive()
    }
}

impl Context<'_> {
    /// Pays for work: one for each element that a function walks over.
    ///
    /// # Errors
    /// When the rendering has used up its [`Limits`](crate::Limits).
    pub fn step(&mut self, count: usize) -> Result<(), FunctionError> {
        self.budget.step(count)
    }

    /// Pays for memory in bytes, before it is taken.
    ///
    /// # Errors
    /// When the rendering has used up its [`Limits`](crate::Limits).
    pub fn reserve(&mut self, bytes: usize) -> Result<(), FunctionError> {
        self.budget.reserve(bytes)
    }

    /// Renders a template that is defined beside the running one, such as Helm's `include` does.
    ///
    /// # Errors
    /// With the text of the error in that template, or when there is none of that name.
    pub fn render(&mut self, name: &str, data: &Value) -> Result<Text, FunctionError> {
        let (template, depth) = (self.template, self.depth);
        crate::exec::render_within(template, name, data, self.budget, depth)
            .map(Text::from)
            .map_err(|error| FunctionError(error.to_string()))
    }
}

/// The arguments of a call. The accessors give empty values for what is not there; the caller has checked that all
/// arguments are there and have their types.
#[derive(Debug, Clone, Copy)]
pub struct Arguments<'a>(pub(crate) &'a [Value]);

impl<'a> Arguments<'a> {
    /// All arguments.
    #[must_use]
    pub const fn all(&self) -> &'a [Value] {
        self.0
    }

    /// The arguments from `index` on.
    #[must_use]
    pub fn from(&self, index: usize) -> &'a [Value] {
        self.0.get(index..).unwrap_or_default()
    }

    /// The argument at `index`.
    #[must_use]
    pub fn value(&self, index: usize) -> &'a Value {
        const NIL: &Value = &Value::Nil;
        self.0.get(index).unwrap_or(NIL)
    }

    /// A string.
    #[must_use]
    pub fn text(&self, index: usize) -> Text {
        match self.value(index) {
            Value::String(text) => text.clone(),
            _ => Text::default(),
        }
    }

    /// An integer.
    #[must_use]
    pub fn int(&self, index: usize) -> i64 {
        match self.value(index) {
            Value::Int(_, number) => *number,
            _ => 0,
        }
    }

    /// A boolean.
    #[must_use]
    pub fn bool(&self, index: usize) -> bool {
        matches!(self.value(index), Value::Bool(true))
    }

    /// A map; an empty one when it is none.
    #[must_use]
    pub fn map(&self, index: usize) -> Map {
        match self.value(index) {
            Value::Map(map) => map.clone(),
            _ => Map::nil(Type::String, Type::Any),
        }
    }

    /// A slice; an empty one when it is none.
    #[must_use]
    pub fn list(&self, index: usize) -> List {
        match self.value(index) {
            Value::List(list) => list.clone(),
            _ => List::nil(Type::Any),
        }
    }
}
