//! The rules of kstatus for built-in kinds.

use serde_json::Value;

use super::{Health, conditions, field, group_of, integer};

/// The health of an object of a built-in kind that has rules of its own.
pub(super) fn compute(object: &Value) -> Option<Health> {
    let health = match (group_of(object), field(object, "/kind")) {
        ("", "Service") => service(object),
        ("", "Pod") => pod(object),
        ("", "Secret" | "ConfigMap") | ("batch", "CronJob") => Health::current("Resource is always ready"),
        ("", "PersistentVolumeClaim") => claim(object),
        ("apps", "StatefulSet") => stateful_set(object),
        ("apps" | "extensions", "DaemonSet") => daemon_set(object),
        ("apps" | "extensions", "Deployment") => deployment(object),
        ("apps" | "extensions", "ReplicaSet") => replica_set(object),
        ("policy", "PodDisruptionBudget") => Health::current("AllowedDisruptions has been computed."),
        ("batch", "Job") => job(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(object),
        _ => return None,
    };
    Some(health)
}

/// A count, with the value that an absent one stands for.
fn count(object: &Value, pointer: &str, default: i64) -> i64 {
    integer(object, pointer).unwrap_or(default)
}

fn service(object: &Value) -> Health {
    let awaits_address =
        field(object, "/spec/type") == "LoadBalancer" && field(object, "/spec/clusterIP").is_empty();
    if awaits_address {
        Health::in_progress("ClusterIP not set. Service type: LoadBalancer")
    } else {
        Health::current("Service is ready")
    }
}

fn pod(object: &Value) -> Health {
    match field(object, "/status/phase") {
        "Succeeded" => Health::current("Pod has completed successfully"),
        "Failed" => Health::current("Pod has completed, but not successfully"),
        "Running" => running_pod(object),
        "Pending" => {
            let is_unschedulable = conditions(object).any(|condition| {
                condition.name == "PodScheduled"
                    && condition.status == "False"
                    && condition.reason == "Unschedulable"
            });
            Health::in_progress(if is_unschedulable {
                "Pod has not been scheduled"
            } else {
                "Pod is in the Pending phase"
            })
        }
        "" => Health::in_progress("Pod phase not available"),
        phase => Health::new(super::Status::Unknown, format!("unknown phase {phase}")),
    }
}

fn running_pod(object: &Value) -> Health {
    if conditions(object).any(|condition| condition.name == "Ready" && condition.status == "True") {
        return Health::current("Pod is Ready");
    }
    let containers = object
        .pointer("/status/containerStatuses")
        .and_then(Value::as_array);
    let crashing: Vec<&str> = containers
        .into_iter()
        .flatten()
        .filter(|container| field(container, "/state/waiting/reason") == "CrashLoopBackOff")
        .map(|container| field(container, "/name"))
        .collect();
    if crashing.is_empty() {
        Health::in_progress("Pod is running but is not Ready")
    } else {
        Health::failed(format!("Containers in CrashLoop state: {}", crashing.join(",")))
    }
}

fn claim(object: &Value) -> Health {
    match object.pointer("/status/phase").and_then(Value::as_str) {
        Some("Bound") => Health::current("PVC is Bound"),
        phase => Health::in_progress(format!("PVC is not Bound. phase: {}", phase.unwrap_or("unknown"))),
    }
}

fn stateful_set(object: &Value) -> Health {
    if field(object, "/spec/updateStrategy/type") == "OnDelete" {
        return Health::current("StatefulSet is using the ondelete update strategy");
    }
    let wanted = count(object, "/spec/replicas", 1);
    let ready = count(object, "/status/readyReplicas", 0);
    let current = count(object, "/status/currentReplicas", 0);
    let updated = count(object, "/status/updatedReplicas", 0);
    let replicas = count(object, "/status/replicas", 0);
    if wanted > replicas {
        return Health::in_progress(format!("Replicas: {replicas}/{wanted}"));
    }
    if wanted > ready {
        return Health::in_progress(format!("Ready: {ready}/{wanted}"));
    }
    if replicas > wanted {
        return Health::in_progress(format!("Pending termination: {}", replicas - wanted));
    }
    let partition = count(object, "/spec/updateStrategy/rollingUpdate/partition", -1);
    if partition != -1 {
        let expected = wanted.saturating_sub(partition);
        return if updated < expected {
            Health::in_progress(format!("updated: {updated}/{expected}"))
        } else {
            Health::current(format!("Partition rollout complete. updated: {updated}"))
        };
    }
    if wanted > current {
        return Health::in_progress(format!("current: {current}/{wanted}"));
    }
    if field(object, "/status/currentRevision") != field(object, "/status/updateRevision") {
        return Health::in_progress("Waiting for updated revision to match current");
    }
    Health::current(format!(
        "All replicas scheduled as expected. Replicas: {replicas}"
    ))
}

fn daemon_set(object: &Value) -> Health {
    if integer(object, "/metadata/generation").is_none() {
        let kind = field(object, "/kind");
        return Health::in_progress(format!("{kind} metadata.generation not found"));
    }
    if integer(object, "/status/observedGeneration").is_none() {
        let kind = field(object, "/kind");
        return Health::in_progress(format!("{kind} status.observedGeneration not found"));
    }
    let Some(wanted) = integer(object, "/status/desiredNumberScheduled").filter(|wanted| *wanted != -1)
    else {
        return Health::in_progress("Missing .status.desiredNumberScheduled");
    };
    for (name, pointer) in [
        ("Current", "/status/currentNumberScheduled"),
        ("Updated", "/status/updatedNumberScheduled"),
        ("Available", "/status/numberAvailable"),
        ("Ready", "/status/numberReady"),
    ] {
        let reached = count(object, pointer, 0);
        if wanted > reached {
            return Health::in_progress(format!("{name}: {reached}/{wanted}"));
        }
    }
    Health::current(format!("All replicas scheduled as expected. Replicas: {wanted}"))
}

fn deployment(object: &Value) -> Health {
    // Without a deadline the controller does not report progress; this value is its own word for none.
    let no_deadline = i64::from(i32::MAX);
    let mut is_progressing = count(object, "/spec/progressDeadlineSeconds", no_deadline) == no_deadline;
    let mut is_available = false;
    for condition in conditions(object) {
        match condition.name {
            "Progressing" if condition.reason == "ProgressDeadlineExceeded" => {
                return Health::failed("Progress deadline exceeded");
            }
            "Progressing" if condition.status == "True" && condition.reason == "NewReplicaSetAvailable" => {
                is_progressing = true;
            }
            "Available" if condition.status == "True" => is_available = true,
            _ => {}
        }
    }
    let wanted = count(object, "/spec/replicas", 1);
    let replicas = count(object, "/status/replicas", 0);
    let updated = count(object, "/status/updatedReplicas", 0);
    let ready = count(object, "/status/readyReplicas", 0);
    let available = count(object, "/status/availableReplicas", 0);
    if wanted > replicas {
        return Health::in_progress(format!("Replicas: {replicas}/{wanted}"));
    }
    if wanted > updated {
        return Health::in_progress(format!("Updated: {updated}/{wanted}"));
    }
    if replicas > wanted {
        return Health::in_progress(format!("Pending termination: {}", replicas - wanted));
    }
    if updated > available {
        return Health::in_progress(format!("Available: {available}/{updated}"));
    }
    if wanted > ready {
        return Health::in_progress(format!("Ready: {ready}/{wanted}"));
    }
    if !is_progressing {
        return Health::in_progress("ReplicaSet not Available");
    }
    if !is_available {
        return Health::in_progress("Deployment not Available");
    }
    Health::current(format!("Deployment is available. Replicas: {replicas}"))
}

fn replica_set(object: &Value) -> Health {
    if conditions(object).any(|condition| condition.name == "ReplicaFailure" && condition.status == "True") {
        return Health::in_progress("Replica Failure condition. Check Pods");
    }
    let wanted = count(object, "/spec/replicas", 1);
    for (name, pointer) in [
        ("Labelled", "/status/fullyLabeledReplicas"),
        ("Available", "/status/availableReplicas"),
        ("Ready", "/status/readyReplicas"),
    ] {
        let reached = count(object, pointer, 0);
        if wanted > reached {
            return Health::in_progress(format!("{name}: {reached}/{wanted}"));
        }
    }
    let replicas = count(object, "/status/replicas", 0);
    if replicas > wanted {
        return Health::in_progress(format!("Pending termination: {}", replicas - wanted));
    }
    Health::current(format!("ReplicaSet is available. Replicas: {replicas}"))
}

/// kstatus calls a Job Current as soon as it runs; Flux waits for its end.
fn job(object: &Value) -> Health {
    let parallelism = count(object, "/spec/parallelism", 1);
    let completions = count(object, "/spec/completions", parallelism);
    let succeeded = count(object, "/status/succeeded", 0);
    let failed = count(object, "/status/failed", 0);
    for condition in conditions(object).filter(|condition| condition.status == "True") {
        match condition.name {
            "Complete" => {
                return Health::current(format!("Job Completed. succeeded: {succeeded}/{completions}"));
            }
            "Failed" => return Health::failed(format!("Job Failed. failed: {failed}/{completions}")),
            _ => {}
        }
    }
    if field(object, "/status/startTime").is_empty() {
        return Health::in_progress("Job not started");
    }
    let active = count(object, "/status/active", 0);
    Health::in_progress(format!(
        "Job in progress. success:{succeeded}, active: {active}, failed: {failed}"
    ))
}

fn definition(object: &Value) -> Health {
    for condition in conditions(object) {
        match (condition.name, condition.status) {
            ("NamesAccepted", "False") => return Health::failed(condition.message),
            ("Established", "False") if condition.reason != "Installing" => {
                return Health::failed(condition.message);
            }
            ("Established", "True") => return Health::current("CRD is established"),
            _ => {}
        }
    }
    Health::in_progress("Install in progress")
}
