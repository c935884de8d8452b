//! The functions of CEL's standard library, with those that Flux adds: for strings, base64 and sets.

use std::sync::{Arc, LazyLock};

use cel::{Context, Env, ExecutionError, Value, extensions};

/// A function's answer.
type Answer = Result<Value, ExecutionError>;

static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut environment = Env::stdlib();
    // Later entries of a map literal count, as in cel-go.
    environment.set_error_on_duplicate_map_keys(false);
    for extension in [extensions::strings, extensions::encoders] {
        // It fails only for a function that is there already, and then nothing is missing.
        drop(environment.add_extension(extension));
    }
    Arc::new(environment)
});

/// What expressions may call.
pub(super) fn environment() -> Arc<Env> {
    Arc::clone(&ENVIRONMENT)
}

/// A context without variables.
pub(super) fn context() -> Result<Context<'static, 'static>, cel::DeclarationError> {
    let mut context = Context::with_env(environment());
    context.add_function("sets.contains", |all: Value, part: Value| -> Answer {
        let (all, part) = (list(&all)?, list(&part)?);
        Ok(Value::Bool(part.iter().all(|item| all.contains(item))))
    })?;
    context.add_function("sets.equivalent", |one: Value, two: Value| -> Answer {
        let (one, two) = (list(&one)?, list(&two)?);
        let same = one.iter().all(|item| two.contains(item)) && two.iter().all(|item| one.contains(item));
        Ok(Value::Bool(same))
    })?;
    context.add_function("sets.intersects", |one: Value, two: Value| -> Answer {
        let (one, two) = (list(&one)?, list(&two)?);
        Ok(Value::Bool(one.iter().any(|item| two.contains(item))))
    })?;
    Ok(context)
}

fn list(value: &Value) -> Result<&[Value], ExecutionError> {
    match value {
        Value::List(items) => Ok(items),
        _ => Err(ExecutionError::function_error("sets", "argument is no list")),
    }
}
