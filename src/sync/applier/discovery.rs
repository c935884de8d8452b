//! Which kinds a cluster has, and under which paths.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use kube::client::APIGroupDiscoveryList;
use tokio::time::Instant;

use super::super::inventory::Entry;
use super::super::object::{GroupKind, ObjectId};
use super::call::{Api, CallError, encode};

/// Asks for all groups with all their kinds in one answer (Kubernetes 1.26; version 2 since 1.30).
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";

/// A kind in one version, and where its objects are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resource {
    pub group: String,
    pub version: String,
    pub kind: String,
    pub plural: String,
    pub is_namespaced: bool,
}

impl Resource {
    /// The path of an object. The namespace is left out for a kind that has none.
    pub(super) fn path(&self, id: &ObjectId) -> Result<String, CallError> {
        Ok(format!(
            "{}/{}",
            self.collection(id.namespace.as_deref())?,
            segment(&id.name)?
        ))
    }

    /// The path of all objects of a namespace, or of the cluster.
    pub(super) fn collection(&self, namespace: Option<&str>) -> Result<String, CallError> {
        let Self { version, plural, .. } = self;
        let root = if self.group.is_empty() {
            format!("/api/{version}")
        } else {
            format!("/apis/{}/{version}", self.group)
        };
        match namespace.filter(|_| self.is_namespaced) {
            Some(namespace) => Ok(format!("{root}/namespaces/{}/{plural}", segment(namespace)?)),
            None => Ok(format!("{root}/{plural}")),
        }
    }
}

/// A name as a segment of a path. What the API server refuses as one is refused here, before it can lead somewhere else.
fn segment(name: &str) -> Result<String, CallError> {
    let is_invalid = name.is_empty() || name == "." || name == ".." || name.contains(['/', '%']);
    if is_invalid {
        return Err(CallError::InvalidName(name.to_owned()));
    }
    Ok(encode(name))
}

/// All kinds of a cluster at one moment.
#[derive(Debug, Default)]
struct Kinds {
    /// The versions of each kind, the preferred one first.
    by_kind: HashMap<GroupKind, Vec<Resource>>,
    /// Groups whose server could not be asked.
    stale_groups: BTreeSet<String>,
}

impl Kinds {
    fn add(&mut self, list: APIGroupDiscoveryList) {
        for group in list.items {
            let name = group
                .metadata
                .and_then(|metadata| metadata.name)
                .unwrap_or_default();
            for served in group.versions {
                let version = served.version.unwrap_or_default();
                if served.freshness.as_deref() == Some("Stale") {
                    self.stale_groups.insert(name.clone());
                }
                for resource in served.resources {
                    let (Some(plural), Some(kind)) = (
                        resource.resource,
                        resource.response_kind.and_then(|response| response.kind),
                    ) else {
                        continue;
                    };
                    // A kind may have further resources that create no objects, such as reviews of a pod.
                    if !resource.verbs.iter().any(|verb| verb == "get") {
                        continue;
                    }
                    let key = GroupKind {
                        group: name.clone(),
                        kind: kind.clone(),
                    };
                    self.by_kind.entry(key).or_default().push(Resource {
                        group: name.clone(),
                        version: version.clone(),
                        kind,
                        plural,
                        is_namespaced: resource.scope.as_deref() == Some("Namespaced"),
                    });
                }
            }
        }
    }

    fn versions(&self, group: &str, kind: &str) -> &[Resource] {
        let key = GroupKind {
            group: group.to_owned(),
            kind: kind.to_owned(),
        };
        self.by_kind.get(&key).map_or(&[], Vec::as_slice)
    }
}

/// The kinds of a cluster, read once, and again when one is not among them. All identities share it.
#[derive(Default)]
pub(super) struct Discovery {
    state: Mutex<(Option<Instant>, Arc<Kinds>)>,
    /// Held by the one that reads; the others take what it has found.
    reading: tokio::sync::Mutex<()>,
}

/// A kind that is looked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub group: &'a str,
    pub version: &'a str,
    pub kind: &'a str,
}

impl Discovery {
    /// The resource of exactly this group, version and kind, as an object is applied in the version in which it is written.
    pub(super) async fn exact(&self, api: &Api, wanted: Wanted<'_>) -> Result<Option<Resource>, CallError> {
        let find = |kinds: &Kinds| {
            let versions = kinds.versions(wanted.group, wanted.kind);
            versions
                .iter()
                .find(|resource| resource.version == wanted.version)
                .cloned()
        };
        self.find(api, find).await
    }

    /// The resource of an entry of an inventory: in its version, or in the preferred one where that is not served any more.
    ///
    /// `None` means that the cluster has no such kind, and so no such object. When the server of the group cannot be asked, that
    /// is not known, and an error.
    pub(super) async fn of_entry(&self, api: &Api, entry: &Entry) -> Result<Option<Resource>, CallError> {
        let Entry { id, version } = entry;
        let find = |kinds: &Kinds| {
            let versions = kinds.versions(&id.group, &id.kind);
            let exact = versions.iter().find(|resource| resource.version == *version);
            exact.or_else(|| versions.first()).cloned()
        };
        let found = self.find(api, find).await?;
        if found.is_none() && self.kinds().stale_groups.contains(&id.group) {
            return Err(unknown(&id.group, version, &id.kind));
        }
        Ok(found)
    }

    async fn find(
        &self,
        api: &Api,
        find: impl Fn(&Kinds) -> Option<Resource>,
    ) -> Result<Option<Resource>, CallError> {
        let asked = Instant::now();
        if let Some(found) = find(&self.kinds()) {
            return Ok(Some(found));
        }
        let reading = self.reading.lock().await;
        // Someone else may have read since the question was asked.
        let read_at = self.lock().0;
        if read_at.is_none_or(|read_at| read_at < asked) {
            let started = Instant::now();
            let mut kinds = Kinds::default();
            // The core group first: its kinds are looked for most.
            kinds.add(api.read("/api", Some(AGGREGATED)).await?);
            kinds.add(api.read("/apis", Some(AGGREGATED)).await?);
            *self.lock() = (Some(started), Arc::new(kinds));
        }
        drop(reading);
        Ok(find(&self.kinds()))
    }

    fn kinds(&self) -> Arc<Kinds> {
        Arc::clone(&self.lock().1)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (Option<Instant>, Arc<Kinds>)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The error for a kind that the cluster does not know.
pub(super) fn unknown(group: &str, version: &str, kind: &str) -> CallError {
    let api_version = if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    };
    CallError::UnknownKind {
        kind: kind.to_owned(),
        api_version,
    }
}

#[cfg(test)]
mod tests;
