//! What a `Kustomization` waits for before it begins.

use std::time::Duration;

use fluxbot_api::Reason;
use fluxbot_api::kustomize::{Kustomization, KustomizationSpec};
use fluxbot_api::meta::DependencyReference;

use super::{invalid_expression, source_key};
use crate::controller::outcome::{self, Failure, Recovery};
use crate::objects::ObjectKey;
use crate::source::SourceKey;
use crate::sync::{Expression, ExpressionError};

/// The keys of the objects that must be ready first.
#[must_use]
pub fn dependencies(key: &ObjectKey, spec: &KustomizationSpec) -> Vec<ObjectKey> {
    let dependencies = spec.depends_on.iter().map(|dependency| {
        let namespace = dependency
            .namespace
            .as_deref()
            .filter(|namespace| !namespace.is_empty());
        ObjectKey::new(namespace.unwrap_or(&key.namespace), &dependency.name)
    });
    dependencies.collect()
}

/// Why a dependency does not let its dependents go on; `None` when it does. Texts are Flux's.
#[must_use]
pub fn unready(
    dependency: &ObjectKey,
    found: Option<&Kustomization>,
    source: &SourceKey,
    revision: &str,
) -> Option<String> {
    let Some(found) = found else {
        return Some(dependency_missing(dependency));
    };
    let Some(applied) = settled(found) else {
        return Some(format!("dependency '{dependency}' is not ready"));
    };
    let has_same_source = source_key(dependency, &found.spec.source_ref) == *source;
    (has_same_source && applied != Some(revision))
        .then(|| format!("dependency '{dependency}' revision is not up to date"))
}

/// Whether a dependency of the same source has applied another revision, and is about to apply this one: it is ready, and not
/// suspended.
#[must_use]
pub fn is_on_its_way(
    dependency: &ObjectKey,
    found: &Kustomization,
    source: &SourceKey,
    revision: &str,
) -> bool {
    let has_same_source = source_key(dependency, &found.spec.source_ref) == *source;
    let is_behind = settled(found).is_some_and(|applied| applied != Some(revision));
    has_same_source && is_behind && found.spec.suspend != Some(true)
}

/// Whether a dependency is awaited by an expression.
#[must_use]
pub fn has_expressions(spec: &KustomizationSpec) -> bool {
    spec.depends_on
        .iter()
        .any(|dependency| dependency.ready_expr.is_some())
}

/// Whether the expression of a dependency lets its dependent go on: the reason why not, in Flux's words, or `None`. Without an
/// expression [`unready`] tells.
///
/// # Errors
/// An expression that is no CEL, names what does not exist, or is no boolean: only a change of the object can help.
pub fn unready_by_expression(
    reference: &DependencyReference,
    dependency: &ObjectKey,
    object: &Kustomization,
    found: &Kustomization,
) -> Result<Option<String>, Failure> {
    let text = reference.ready_expr.as_deref().unwrap_or_default();
    let invalid = |error: ExpressionError| {
        invalid_expression(format!(
            "failed to evaluate dependency {}: {error}",
            dependency.name
        ))
    };
    let expression = Expression::parse(text).map_err(invalid)?;
    let mut variables = serde_json::Map::new();
    for (name, object) in [("self", object), ("dep", found)] {
        let value = serde_json::to_value(object).unwrap_or_default();
        variables.insert(name.to_owned(), value);
    }
    match expression.is_true(&variables) {
        Ok(true) => Ok(None),
        Ok(false) => Ok(Some(format!(
            "dependency '{dependency}' is not ready according to readyExpr eval"
        ))),
        // A field that is not there yet may come.
        Err(error @ ExpressionError::Evaluation { .. }) => Ok(Some(error.to_string())),
        Err(error) => Err(invalid(error)),
    }
}

/// The failure of a dependency that does not exist, in the words of a dependency.
#[must_use]
pub fn dependency_missing(dependency: &ObjectKey) -> String {
    format!(
        "dependency '{dependency}' not found: kustomizations.kustomize.toolkit.fluxcd.io \"{}\" not found",
        dependency.name
    )
}

/// The revision that a `Kustomization` has applied, when it is ready in its present generation: what its dependents wait for.
#[must_use]
pub fn settled(object: &Kustomization) -> Option<Option<&str>> {
    let status = object.status.as_ref()?;
    let ready = outcome::find(&status.conditions, fluxbot_api::condition::ConditionType::Ready)?;
    (ready.status == "True" && status.observed_generation == object.metadata.generation)
        .then_some(status.last_applied_revision.as_deref())
}

/// The failure of a `Kustomization` that waits for a dependency.
#[must_use]
pub fn dependency_not_ready(text: String, pause: Duration) -> Failure {
    let event = format!(
        "Dependencies do not meet ready condition, retrying in {}",
        fluxbot_api::Duration::from(pause)
    );
    Failure::new(Reason::DependencyNotReady, text)
        .recovery(Recovery::Wait(pause))
        .severity(fluxbot_api::condition::EventSeverity::Info)
        .telling(event)
}
