//! How far an object has come, as kstatus tells it from the object alone.

mod builtin;
mod rules;

use std::fmt;

use serde_json::Value;

pub use rules::{HealthRuleError, HealthRules};

/// How far an object has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Still on the way to what was asked for.
    InProgress,
    /// Failed, and will not get there by itself.
    Failed,
    /// What was asked for.
    Current,
    /// Being deleted.
    Terminating,
    /// Not there.
    NotFound,
    /// Not known, because it cannot be read or makes no sense.
    Unknown,
}

impl fmt::Display for Status {
    /// The name that kstatus gives it, which Flux puts into its messages.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::InProgress => "InProgress",
            Self::Failed => "Failed",
            Self::Current => "Current",
            Self::Terminating => "Terminating",
            Self::NotFound => "NotFound",
            Self::Unknown => "Unknown",
        })
    }
}

/// The status of an object, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// How far it has come.
    pub status: Status,
    /// Why, in the words of kstatus or of the object's own condition.
    pub message: String,
}

impl Health {
    pub(super) fn new(status: Status, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    fn current(message: impl Into<String>) -> Self {
        Self::new(Status::Current, message)
    }

    fn in_progress(message: impl Into<String>) -> Self {
        Self::new(Status::InProgress, message)
    }

    fn failed(message: impl Into<String>) -> Self {
        Self::new(Status::Failed, message)
    }

    /// Whether the object is what was asked for.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.status == Status::Current
    }
}

/// The health of an object, computed from the object alone.
///
/// It follows `Compute` of kstatus (fluxcd/cli-utils 1.3.0): an object that is being deleted is Terminating; one whose
/// controller has not seen its generation, or that has a true condition Reconciling, is `InProgress`; a true condition Stalled is
/// Failed; then come the rules of built-in kinds; then the condition Ready; and an object that has none of these is Current.
/// Two rules need more than the object: a Job is Current only when it is complete, as Flux has it (kstatus is content when it
/// has started), and a pod that cannot be scheduled is always `InProgress` (kstatus calls it Failed after 15 seconds by the clock,
/// which Flux ignores for the pods of a Deployment, because an autoscaler may resolve it).
#[must_use]
pub fn compute(object: &Value) -> Health {
    generic(object)
        .or_else(|| builtin::compute(object))
        .or_else(|| ready_condition(object))
        .unwrap_or_else(|| Health::current("Resource is current"))
}

/// Whether pods have failed for good, so that the Deployment, `StatefulSet` or `ReplicaSet` that wants them cannot get anywhere
/// without a change. Pods that are being deleted or that wait for a node are left out. Flux's rule.
#[must_use]
pub fn of_pods(pods: &[Value]) -> Option<Health> {
    let failed = pods
        .iter()
        .filter(|pod| pod.pointer("/metadata/deletionTimestamp").is_none())
        .filter(|pod| compute(pod).status == Status::Failed)
        .count();
    (failed > 0).then(|| Health::failed(format!("{failed} pods have failed")))
}

/// Whether an object gets its health from pods, so that [`of_pods`] says more than the object itself.
#[must_use]
pub fn has_pods(object: &Value) -> bool {
    let group = group_of(object);
    let kind = field(object, "/kind");
    (group == "apps" || group == "extensions") && matches!(kind, "Deployment" | "StatefulSet" | "ReplicaSet")
}

fn generic(object: &Value) -> Option<Health> {
    if !field(object, "/metadata/deletionTimestamp").is_empty() {
        return Some(Health::new(
            Status::Terminating,
            "Resource scheduled for deletion",
        ));
    }
    let generation = integer(object, "/metadata/generation");
    let observed = integer(object, "/status/observedGeneration");
    if let (Some(generation), Some(observed)) = (generation, observed)
        && generation != observed
    {
        return Some(Health::in_progress(format!(
            "{} generation is {generation}, but latest observed generation is {observed}",
            field(object, "/kind")
        )));
    }
    conditions(object).find_map(|condition| match (condition.name, condition.status) {
        ("Reconciling", "True") => Some(Health::in_progress(condition.message)),
        ("Stalled", "True") => Some(Health::failed(condition.message)),
        _ => None,
    })
}

fn ready_condition(object: &Value) -> Option<Health> {
    conditions(object)
        .filter(|condition| condition.name == "Ready")
        .find_map(|condition| match condition.status {
            "True" => Some(Health::current("Resource is Ready")),
            "False" | "Unknown" => Some(Health::in_progress(condition.message)),
            _ => None,
        })
}

/// A condition of an object's status.
struct Condition<'a> {
    name: &'a str,
    status: &'a str,
    reason: &'a str,
    message: &'a str,
}

fn conditions(object: &Value) -> impl Iterator<Item = Condition<'_>> {
    object
        .pointer("/status/conditions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|condition| Condition {
            name: field(condition, "/type"),
            status: field(condition, "/status"),
            reason: field(condition, "/reason"),
            message: field(condition, "/message"),
        })
}

fn field<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn integer(object: &Value, pointer: &str) -> Option<i64> {
    object.pointer(pointer).and_then(Value::as_i64)
}

fn group_of(object: &Value) -> &str {
    field(object, "/apiVersion")
        .rsplit_once('/')
        .map_or("", |(group, _)| group)
}

#[cfg(test)]
mod tests;
