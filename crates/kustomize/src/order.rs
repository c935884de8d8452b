//! The order of output.

use std::cmp::Ordering;
use std::collections::HashMap;

use crate::id::{Gvk, Id};
use crate::kustomization::SortOptions;
use crate::options::Reorder;
use crate::resource::Resource;

const FIRST: [&str; 22] = [
    "Namespace",
    "ResourceQuota",
    "StorageClass",
    "CustomResourceDefinition",
    "ServiceAccount",
    "PodSecurityPolicy",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Endpoints",
    "Service",
    "LimitRange",
    "PriorityClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];

const LAST: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// The place of a kind in the order in which kinds are applied; 0 for those that do not matter.
pub(crate) fn rank(kind: &str) -> isize {
    let place = |index: usize| isize::try_from(index).unwrap_or(isize::MAX);
    let first = FIRST.iter().position(|known| *known == kind);
    let last = LAST.iter().position(|known| *known == kind);
    match (first, last) {
        (Some(index), _) => place(index) - place(FIRST.len()),
        (_, Some(index)) => place(index) + 1,
        _ => 0,
    }
}

/// Sorts the objects of a build. What the kustomization says counts before what the caller says.
pub(crate) fn sort(
    resources: &mut Vec<Resource>,
    options: Option<&SortOptions>,
    reorder: Reorder,
) -> Result<(), String> {
    let (first, last): (Vec<&str>, Vec<&str>) = match (options, reorder) {
        (None, Reorder::None) => return Ok(()),
        (None, Reorder::Legacy) => (FIRST.to_vec(), LAST.to_vec()),
        (Some(options), _) => match (options.order.as_str(), &options.legacy_sort_options) {
            ("fifo", None) => return Ok(()),
            ("legacy", None) => (FIRST.to_vec(), LAST.to_vec()),
            ("legacy", Some(own)) => (
                own.order_first.iter().map(String::as_str).collect(),
                own.order_last.iter().map(String::as_str).collect(),
            ),
            ("fifo", Some(_)) => {
                return Err(
                    "the field 'sortOptions.legacySortOptions' is set but the selected sort order is \
                            'fifo', not 'legacy'"
                        .to_owned(),
                );
            }
            _ => return Err("the field 'sortOptions.order' must be one of [fifo, legacy]".to_owned()),
        },
    };
    let mut ranks: HashMap<&str, isize> = HashMap::new();
    let place = |index: usize| isize::try_from(index).unwrap_or(isize::MAX);
    for (index, kind) in first.iter().enumerate() {
        ranks.insert(kind, place(index) - place(first.len()));
    }
    for (index, kind) in last.iter().enumerate() {
        ranks.insert(kind, place(index) + 1);
    }
    let rank = |kind: &str| ranks.get(kind).copied().unwrap_or(0);
    let mut keyed: Vec<(Id, Resource)> = resources.drain(..).map(|item| (item.id(), item)).collect();
    keyed.sort_by(|(one, _), (other, _)| {
        rank(&one.gvk.kind)
            .cmp(&rank(&other.gvk.kind))
            .then_with(|| compare(one, other))
    });
    resources.extend(keyed.into_iter().map(|(_, item)| item));
    Ok(())
}

fn compare(one: &Id, other: &Id) -> Ordering {
    if one.gvk != other.gvk {
        let core_namespaces = one.gvk.kind == "Namespace"
            && other.gvk.kind == "Namespace"
            && (one.gvk.group.is_empty() || other.gvk.group.is_empty());
        let order = kind_key(one).cmp(kind_key(other));
        return if core_namespaces { order.reverse() } else { order };
    }
    name_key(one).cmp(name_key(other))
}

fn or<'t>(text: &'t str, other: &'static str) -> &'t str {
    if text.is_empty() { other } else { text }
}

/// The bytes of parts, one after the other.
fn joined<const N: usize>(parts: [&str; N]) -> impl Iterator<Item = u8> {
    parts.into_iter().flat_map(str::bytes)
}

fn kind_key(id: &Id) -> impl Iterator<Item = u8> {
    let Gvk { group, version, kind } = &id.gvk;
    joined([or(group, "~G"), "_", or(version, "~V"), "_", or(kind, "~K")])
}

fn name_key(id: &Id) -> impl Iterator<Item = u8> {
    joined([or(&id.namespace, "~X"), "|", or(&id.name, "~N")])
}
