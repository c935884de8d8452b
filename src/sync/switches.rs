//! The switches that an object carries as annotations or labels, and that say what may be done with it.

use serde_json::Value;

/// The group in whose name the switches and the owner labels are written.
pub const GROUP: &str = "kustomize.toolkit.fluxcd.io";

/// Whether an object carries a switch with this value: as a label or an annotation, in any case (Flux's rule).
#[must_use]
pub fn is_set(object: &Value, switch: &str, value: &str) -> bool {
    let key = format!("{GROUP}/{switch}");
    let Some(metadata) = object.get("metadata") else {
        return false;
    };
    ["labels", "annotations"].iter().any(|field| {
        metadata
            .get(field)
            .and_then(|entries| entries.get(&key)?.as_str())
            .is_some_and(|found| found.eq_ignore_ascii_case(value))
    })
}

/// Whether an object is left as it is: `reconcile: disabled` or `ssa: Ignore`.
#[must_use]
pub fn is_excluded(object: &Value) -> bool {
    is_set(object, "reconcile", "disabled") || is_set(object, "ssa", "Ignore")
}

/// Whether an object is only created, and never changed: `ssa: IfNotPresent`.
#[must_use]
pub fn is_created_only(object: &Value) -> bool {
    is_set(object, "ssa", "IfNotPresent")
}

/// Whether the fields of other managers stay theirs: `ssa: Merge`.
#[must_use]
pub fn is_merged(object: &Value) -> bool {
    is_set(object, "ssa", "Merge")
}

/// Whether an object may be deleted and created again when a field cannot be changed: `force: enabled`.
#[must_use]
pub fn is_forced(object: &Value) -> bool {
    is_set(object, "force", "enabled")
}

/// Whether an object is never deleted: `prune: disabled`, or one of the switches of [`is_excluded`].
#[must_use]
pub fn is_kept(object: &Value) -> bool {
    is_set(object, "prune", "disabled") || is_excluded(object)
}

#[cfg(test)]
mod tests;
