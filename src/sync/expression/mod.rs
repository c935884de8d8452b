//! Expressions in the Common Expression Language (CEL) over Kubernetes objects.

use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use cel::objects::Key;
use cel::{Program, Value as CelValue};
use serde_json::{Map, Value};

mod bounds;
mod functions;

use bounds::{loops, operators};

/// The longest expression. What people write has some hundred characters.
const MAX_LENGTH: usize = 4096;

/// How many operators an expression may have. Each may nest the tree by one level, and the evaluation descends level by level.
const MAX_OPERATORS: usize = 256;

/// How deep loops may stand within loops. Each multiplies the time of an evaluation by the length of its list, and nothing ends it early.
const MAX_LOOPS: usize = 2;

/// An expression cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    /// It is no CEL.
    #[error("failed to parse the CEL expression '{text}': {reason}")]
    Syntax {
        /// The expression.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It names something that is not there, or compares what cannot be compared.
    #[error("failed to evaluate the CEL expression '{text}': {reason}")]
    Evaluation {
        /// The expression.
        text: String,
        /// What went wrong. It names no value.
        reason: String,
    },
    /// It names a variable or function that does not exist.
    #[error("undeclared reference to '{name}' in the CEL expression '{text}'")]
    Undeclared {
        /// The expression.
        text: String,
        /// What it names.
        name: String,
    },
    /// It is neither true nor false.
    #[error("failed to evaluate CEL expression as boolean: '{0}'")]
    NotBoolean(String),
}

/// An expression that is true or false of some objects.
///
/// The functions are those of the standard library, with Flux's extensions for strings, sets, encoders and optional values.
/// Numbers are compared whatever their types are.
pub struct Expression {
    text: String,
    program: Program,
}

impl fmt::Debug for Expression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Expression").field(&self.text).finish()
    }
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// A text that is no CEL.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        let wrong = |reason: String| ExpressionError::Syntax {
            text: text.to_owned(),
            reason,
        };
        if text.len() > MAX_LENGTH {
            return Err(wrong(format!("it is longer than {MAX_LENGTH} bytes")));
        }
        if operators(text) > MAX_OPERATORS {
            return Err(wrong(format!("it has more than {MAX_OPERATORS} operators")));
        }
        // The parser is generated code that nobody has proved never to panic.
        let program = catch_unwind(AssertUnwindSafe(|| functions::environment().compile(text)));
        let program = program.map_err(|_| wrong("the parser gave up".to_owned()))?;
        let program = program.map_err(|errors| wrong(one_line(&errors.to_string())))?;
        if loops(program.expression()) > MAX_LOOPS {
            return Err(wrong(format!(
                "its comprehensions are nested more than {MAX_LOOPS} deep"
            )));
        }
        Ok(Self {
            text: text.to_owned(),
            program,
        })
    }

    /// Whether the expression is true of these variables.
    ///
    /// # Errors
    /// It names what is not there, or is neither true nor false.
    pub fn is_true(&self, variables: &Map<String, Value>) -> Result<bool, ExpressionError> {
        let failed = |reason: String| ExpressionError::Evaluation {
            text: self.text.clone(),
            reason,
        };
        let evaluation = catch_unwind(AssertUnwindSafe(|| {
            let mut context = functions::context().map_err(|error| failed(error.to_string()))?;
            for (name, value) in variables {
                context.add_variable_from_value(name.clone(), to_cel(value));
            }
            self.program.execute(&context).map_err(|error| match &error {
                cel::ExecutionError::UndeclaredReference(name) => ExpressionError::Undeclared {
                    text: self.text.clone(),
                    name: name.as_str().to_owned(),
                },
                error => failed(reason(error)),
            })
        }));
        let result = evaluation.map_err(|_| failed("the evaluation gave up".to_owned()))?;
        match result? {
            CelValue::Bool(value) => Ok(value),
            _ => Err(ExpressionError::NotBoolean(self.text.clone())),
        }
    }
}

/// What went wrong, without the values: they may be those of a Secret.
fn reason(error: &cel::ExecutionError) -> String {
    match error {
        cel::ExecutionError::NoSuchKey(key) => format!("no such key: {key}"),
        cel::ExecutionError::InvalidArgumentCount { expected, actual } => {
            format!("a function takes {expected} arguments, not {actual}")
        }
        cel::ExecutionError::FunctionError { function, .. } => format!("function '{function}' failed"),
        cel::ExecutionError::IndexOutOfBounds(_) => "index out of bounds".to_owned(),
        cel::ExecutionError::DivisionByZero(_) | cel::ExecutionError::RemainderByZero(_) => {
            "division by zero".to_owned()
        }
        _ => "no such overload".to_owned(),
    }
}

fn one_line(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    lines.first().copied().unwrap_or_default().to_owned()
}

/// JSON as CEL sees it: whole numbers are `int`, as the API machinery reads them.
fn to_cel(value: &Value) -> CelValue {
    match value {
        Value::Null => CelValue::Null,
        Value::Bool(value) => CelValue::Bool(*value),
        Value::Number(number) => match number.as_i64() {
            Some(number) => CelValue::Int(number),
            None => CelValue::Float(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => CelValue::String(Arc::new(text.clone())),
        Value::Array(items) => CelValue::List(Arc::new(items.iter().map(to_cel).collect())),
        Value::Object(fields) => {
            let map: HashMap<Key, CelValue> = fields
                .iter()
                .map(|(name, value)| (Key::String(Arc::new(name.clone())), to_cel(value)))
                .collect();
            CelValue::Map(cel::objects::Map { map: Arc::new(map) })
        }
    }
}

#[cfg(test)]
mod tests;
