//! What the driver must know of a kind: where its status keeps what all kinds have.

use std::fmt::Debug;

use fluxbot_api::FluxResource;
use fluxbot_api::image::{
    ImagePolicy, ImagePolicyStatus, ImageRepository, ImageRepositoryStatus, ImageUpdateAutomation,
    ImageUpdateAutomationStatus,
};
use fluxbot_api::kustomize::{Kustomization, KustomizationStatus};
use fluxbot_api::source::{GitRepository, GitRepositoryStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::core::NamespaceResourceScope;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::objects::ObjectKey;

/// A kind that is reconciled here.
pub trait Reconciled:
    FluxResource
    + kube::Resource<Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// The status of the kind.
    type Status: Clone + Debug + Default + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static;

    /// The kind's name.
    const KIND: &'static str;

    /// Field manager of status writes, Flux's, so that fields keep their owner when a team moves over or back.
    const STATUS_MANAGER: &'static str;

    /// The status, where there is one.
    fn status(&self) -> Option<&Self::Status>;

    /// Replaces the status.
    fn set_status(&mut self, status: Self::Status);

    /// Whether `spec.suspend` is set.
    fn is_suspended(&self) -> bool;

    /// The conditions.
    fn conditions(status: &Self::Status) -> &[Condition];

    /// The conditions, to change.
    fn conditions_mut(status: &mut Self::Status) -> &mut Vec<Condition>;

    /// `observedGeneration`.
    fn observed_generation(status: &Self::Status) -> Option<i64>;

    /// Sets `observedGeneration`.
    fn set_observed_generation(status: &mut Self::Status, generation: i64);

    /// `lastHandledReconcileAt`.
    fn last_handled(status: &Self::Status) -> Option<&str>;

    /// Sets `lastHandledReconcileAt`.
    fn set_last_handled(status: &mut Self::Status, value: String);

    /// Namespace and name.
    fn key(&self) -> ObjectKey {
        let meta = self.meta();
        ObjectKey::new(
            meta.namespace.clone().unwrap_or_default(),
            meta.name.clone().unwrap_or_default(),
        )
    }
}

macro_rules! reconciled {
    ($kind:ty, $status:ty, $name:literal, $manager:literal) => {
        impl Reconciled for $kind {
            type Status = $status;

            const KIND: &'static str = $name;
            const STATUS_MANAGER: &'static str = $manager;

            fn status(&self) -> Option<&$status> {
                self.status.as_ref()
            }

            fn set_status(&mut self, status: $status) {
                self.status = Some(status);
            }

            fn is_suspended(&self) -> bool {
                self.spec.suspend == Some(true)
            }

            fn conditions(status: &$status) -> &[Condition] {
                &status.conditions
            }

            fn conditions_mut(status: &mut $status) -> &mut Vec<Condition> {
                &mut status.conditions
            }

            fn observed_generation(status: &$status) -> Option<i64> {
                status.observed_generation
            }

            fn set_observed_generation(status: &mut $status, generation: i64) {
                status.observed_generation = Some(generation);
            }

            fn last_handled(status: &$status) -> Option<&str> {
                status.last_handled_reconcile_at.as_deref()
            }

            fn set_last_handled(status: &mut $status, value: String) {
                status.last_handled_reconcile_at = Some(value);
            }
        }
    };
}

reconciled!(
    ImageRepository,
    ImageRepositoryStatus,
    "ImageRepository",
    "gotk-image-reflector-controller"
);
reconciled!(
    ImagePolicy,
    ImagePolicyStatus,
    "ImagePolicy",
    "gotk-image-reflector-controller"
);
reconciled!(
    ImageUpdateAutomation,
    ImageUpdateAutomationStatus,
    "ImageUpdateAutomation",
    "gotk-image-automation-controller"
);
reconciled!(
    GitRepository,
    GitRepositoryStatus,
    "GitRepository",
    "gotk-source-controller"
);
reconciled!(
    Kustomization,
    KustomizationStatus,
    "Kustomization",
    "gotk-kustomize-controller"
);
