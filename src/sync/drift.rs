//! Which fields of an object are ours, as the API server notes it: whoever takes one away has changed it.

use serde_json::{Map, Value};

use super::managers::is_own;

/// The fields that our manager has applied, as `fieldsV1` notes them; `None` when it has no entry, which is drift itself.
///
/// What somebody set through the subresource `scale` is left out: an autoscaler does its work there.
#[must_use]
pub fn own_fields(managed_fields: &[Value], manager: &str) -> Option<Value> {
    let entry = managed_fields.iter().find(|entry| is_own(entry, manager))?;
    let mut fields = entry.get("fieldsV1").cloned().unwrap_or_default();
    let is_scaled = managed_fields.iter().any(|entry| entry["subresource"] == "scale");
    if is_scaled && let Some(Value::Object(spec)) = fields.get_mut("f:spec") {
        spec.remove("f:replicas");
    }
    Some(fields)
}

/// Whether a field of `before` is not in `after`.
#[must_use]
pub fn has_lost(before: &Value, after: &Value) -> bool {
    let nothing = Map::new();
    let after = after.as_object().unwrap_or(&nothing);
    before
        .as_object()
        .into_iter()
        .flatten()
        .any(|(name, before)| after.get(name).is_none_or(|after| has_lost(before, after)))
}

/// The manager that changed the object last, apart from ours.
#[must_use]
pub fn last_other<'v>(managed_fields: &'v [Value], manager: &str) -> Option<&'v str> {
    let others = managed_fields.iter().filter(|entry| entry["manager"] != manager);
    // Times are texts of one form, which sort as times do.
    let last = others.max_by_key(|entry| entry["time"].as_str().unwrap_or_default());
    last?.get("manager")?.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn own(fields: &Value) -> Value {
        json!({"manager": "kustomize-controller", "operation": "Apply", "time": "2026-01-02T00:00:00Z", "fieldsV1": fields})
    }

    fn edit(subresource: &str) -> Value {
        json!({"manager": "kubectl-edit", "operation": "Update", "time": "2026-01-03T00:00:00Z", "subresource": subresource,
            "fieldsV1": {"f:spec": {"f:replicas": {}}}})
    }

    const OURS: &str = "kustomize-controller";

    #[test]
    fn a_field_that_another_manager_took_is_lost_and_one_that_came_is_not() {
        let before = own_fields(
            &[own(&json!({"f:spec": {"f:replicas": {}, "f:paused": {}}}))],
            OURS,
        )
        .unwrap();
        let edited = [own(&json!({"f:spec": {"f:paused": {}}})), edit("")];
        let after = own_fields(&edited, OURS).unwrap();
        assert!(has_lost(&before, &after));
        assert!(!has_lost(&after, &before));
        assert!(!has_lost(&before, &before));
        assert_eq!(last_other(&edited, OURS), Some("kubectl-edit"));
        assert_eq!(own_fields(&[edit("")], OURS), None);
    }

    #[test]
    fn an_autoscaler_takes_nothing() {
        let scaled = [own(&json!({"f:spec": {"f:paused": {}}})), edit("scale")];
        let again = [
            own(&json!({"f:spec": {"f:paused": {}, "f:replicas": {}}})),
            edit("scale"),
        ];
        assert_eq!(own_fields(&scaled, OURS), own_fields(&again, OURS));
    }
}
