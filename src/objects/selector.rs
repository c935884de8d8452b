//! Label selectors, and who may use an object of another namespace.

use std::collections::BTreeMap;

use fluxbot_api::meta::AccessFrom;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::ObjectKey;

/// The labels of an object.
pub type Labels = BTreeMap<String, String>;

/// A selector that Kubernetes does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSelector {
    /// An operator that does not exist.
    #[error("invalid policy selector: {0:?} is not a valid label selector operator")]
    Operator(String),
    /// An operator with too many or too few values.
    #[error("invalid policy selector: operator {operator} with {values} values")]
    Values {
        /// The operator.
        operator: String,
        /// How many values it was given.
        values: usize,
    },
}

/// Refuses a label selector that Kubernetes does not know; no selector is fine.
pub fn check_selector(selector: Option<&LabelSelector>) -> Result<(), InvalidSelector> {
    let expressions = selector.and_then(|selector| selector.match_expressions.as_ref());
    for expression in expressions.into_iter().flatten() {
        let values = expression.values.as_ref().map_or(0, Vec::len);
        let fits = match expression.operator.as_str() {
            "In" | "NotIn" => values > 0,
            "Exists" | "DoesNotExist" => values == 0,
            _ => return Err(InvalidSelector::Operator(expression.operator.clone())),
        };
        if !fits {
            return Err(InvalidSelector::Values {
                operator: expression.operator.clone(),
                values,
            });
        }
    }
    Ok(())
}

/// Whether a label selector admits an object; no selector admits all.
#[must_use]
pub fn admits(selector: Option<&LabelSelector>, labels: Option<&Labels>) -> bool {
    let Some(selector) = selector else { return true };
    let value_of = |key: &str| labels.and_then(|labels| labels.get(key));
    let equal = selector
        .match_labels
        .iter()
        .flatten()
        .all(|(key, value)| value_of(key) == Some(value));
    let expressions = selector.match_expressions.iter().flatten().all(|expression| {
        let value = value_of(&expression.key);
        let listed = value.is_some_and(|value| expression.values.iter().flatten().any(|v| v == value));
        match expression.operator.as_str() {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => false,
        }
    });
    equal && expressions
}

/// An object does not let another namespace use it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessDenied {
    /// It has no `spec.accessFrom`.
    #[error("access denied: '{0}' can't be accessed due to missing ACL labels on 'accessFrom'")]
    NoAccessFrom(ObjectKey),
    /// None of its selectors admits the namespace.
    #[error(
        "access denied: '{object}' can't be accessed due to ACL labels mismatch on namespace '{namespace}'"
    )]
    Mismatch {
        /// The object.
        object: ObjectKey,
        /// The namespace that wants to use it.
        namespace: String,
    },
}

/// Whether an object lets a namespace with these labels use it (`spec.accessFrom`); its own namespace always may.
pub fn check_access(
    access: Option<&AccessFrom>,
    object: &ObjectKey,
    namespace: &str,
    labels: Option<&Labels>,
) -> Result<(), AccessDenied> {
    if object.namespace == namespace {
        return Ok(());
    }
    let access = access.ok_or_else(|| AccessDenied::NoAccessFrom(object.clone()))?;
    let mut labels = labels.cloned().unwrap_or_default();
    // The API server labels every namespace with its name.
    labels.insert("kubernetes.io/metadata.name".to_owned(), namespace.to_owned());
    let admitted = access.namespace_selectors.iter().any(|selector| {
        let mut wanted = selector.match_labels.iter();
        wanted.all(|(name, value)| labels.get(name) == Some(value))
    });
    if admitted {
        return Ok(());
    }
    Err(AccessDenied::Mismatch {
        object: object.clone(),
        namespace: namespace.to_owned(),
    })
}
