//! Who waits for whom, so that a change wakes those that it lets go on, and no others.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::objects::ObjectKey;

/// Who waits for whom, and what runs are under way. Shared by the reconciler of `Kustomization` and the functions that see
/// changes.
///
/// A run says what it waits for before it looks at it, so that no change is missed between the two.
#[derive(Debug, Default)]
pub struct Waits {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Those that wait for an object.
    dependents: HashMap<ObjectKey, HashSet<ObjectKey>>,
    /// What each of them waits for.
    dependencies: HashMap<ObjectKey, Vec<ObjectKey>>,
    runs: HashMap<ObjectKey, Arc<Interrupt>>,
}

/// Says that a run works on something that is no longer the newest.
#[derive(Debug, Default)]
struct Interrupt {
    token: CancellationToken,
    trigger: Mutex<Option<String>>,
}

/// A run that is under way, until it is dropped.
#[derive(Debug)]
pub struct Underway<'a> {
    waits: &'a Waits,
    key: ObjectKey,
    interrupt: Arc<Interrupt>,
}

impl Waits {
    /// An object waits for others from now on, instead of what it waited for before.
    pub fn wait_for(&self, key: &ObjectKey, dependencies: &[ObjectKey]) {
        let mut inner = self.lock();
        inner.forget(key);
        if dependencies.is_empty() {
            return;
        }
        for dependency in dependencies {
            let dependents = inner.dependents.entry(dependency.clone()).or_default();
            dependents.insert(key.clone());
        }
        inner.dependencies.insert(key.clone(), dependencies.to_vec());
    }

    /// An object waits for nothing.
    pub fn forget(&self, key: &ObjectKey) {
        self.lock().forget(key);
    }

    /// Those that wait for an object.
    #[must_use]
    pub fn dependents(&self, key: &ObjectKey) -> Vec<ObjectKey> {
        let inner = self.lock();
        inner.dependents.get(key).into_iter().flatten().cloned().collect()
    }

    /// A run begins.
    #[must_use]
    pub fn begin(&self, key: &ObjectKey) -> Underway<'_> {
        let interrupt = Arc::new(Interrupt::default());
        self.lock().runs.insert(key.clone(), Arc::clone(&interrupt));
        Underway {
            waits: self,
            key: key.clone(),
            interrupt,
        }
    }

    /// Something newer than what a run works on is there; `trigger` names it (`Kind/namespace/name`).
    pub fn interrupt(&self, key: &ObjectKey, trigger: &str) {
        let Some(interrupt) = self.lock().runs.get(key).cloned() else {
            return;
        };
        let mut first = interrupt.trigger.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| trigger.to_owned());
        drop(first);
        interrupt.token.cancel();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn forget(&mut self, key: &ObjectKey) {
        for dependency in self.dependencies.remove(key).unwrap_or_default() {
            if let Some(dependents) = self.dependents.get_mut(&dependency) {
                dependents.remove(key);
                if dependents.is_empty() {
                    self.dependents.remove(&dependency);
                }
            }
        }
    }
}

impl Underway<'_> {
    /// Waits until the run is interrupted.
    pub async fn interrupted(&self) {
        self.interrupt.token.cancelled().await;
    }

    /// What interrupted the run.
    #[must_use]
    pub fn trigger(&self) -> Option<String> {
        let trigger = self.interrupt.trigger.lock();
        trigger.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        self.waits.lock().runs.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new("apps", name)
    }

    #[test]
    fn those_that_wait_are_found_until_they_wait_no_more() {
        let waits = Waits::default();
        waits.wait_for(&key("web"), &[key("database"), key("ingress")]);
        waits.wait_for(&key("jobs"), &[key("database")]);
        let mut found = waits.dependents(&key("database"));
        found.sort();
        assert_eq!(found, [key("jobs"), key("web")]);
        waits.wait_for(&key("web"), &[key("ingress")]);
        assert_eq!(waits.dependents(&key("database")), [key("jobs")]);
        waits.forget(&key("jobs"));
        waits.forget(&key("web"));
        assert_eq!(waits.dependents(&key("database")), []);
        assert_eq!(waits.lock().dependents.len(), 0);
    }

    #[tokio::test]
    async fn a_run_is_interrupted_by_what_came_first_also_before_it_waits() {
        let waits = Waits::default();
        waits.interrupt(&key("web"), "GitRepository/apps/early");
        let run = waits.begin(&key("web"));
        assert_eq!(run.trigger(), None);
        waits.interrupt(&key("web"), "GitRepository/apps/fleet");
        waits.interrupt(&key("web"), "Kustomization/apps/web");
        run.interrupted().await;
        assert_eq!(run.trigger().as_deref(), Some("GitRepository/apps/fleet"));
        drop(run);
        assert!(waits.lock().runs.is_empty());
    }
}
