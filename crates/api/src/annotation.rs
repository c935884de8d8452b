//! Names of the annotations, labels and finalizers by which objects and controllers speak to each other.

/// Finalizer of all kinds that have something to clean up.
pub const FINALIZER: &str = "finalizers.fluxcd.io";

/// Annotation that asks for a reconciliation whenever its value changes; the value is copied to `status.lastHandledReconcileAt`.
pub const REQUESTED_AT: &str = "reconcile.fluxcd.io/requestedAt";
/// Annotation of a `HelmRelease` that asks for one upgrade regardless of changes; must equal [`REQUESTED_AT`].
pub const FORCE_AT: &str = "reconcile.fluxcd.io/forceAt";
/// Annotation of a `HelmRelease` that asks to reset its failure counts; must equal [`REQUESTED_AT`].
pub const RESET_AT: &str = "reconcile.fluxcd.io/resetAt";
/// Label of a `ConfigMap` or Secret whose changes wake the objects that refer to it, with the value [`WATCH_ENABLED`].
pub const WATCH: &str = "reconcile.fluxcd.io/watch";
/// Value of [`WATCH`].
pub const WATCH_ENABLED: &str = "Enabled";

/// Prefix of annotations that are copied into the metadata of the object's events.
pub const EVENT_PREFIX: &str = "event.toolkit.fluxcd.io/";
/// Metadata of an event: the [`crate::Fault`] that it tells of.
pub const FAULT: &str = "fluxbot.io/fault";
/// Metadata of an event: the commit that was pushed, 40 hexadecimal digits.
pub const COMMIT: &str = "fluxbot.io/commit";
/// Metadata of an event: the branch that was pushed.
pub const BRANCH: &str = "fluxbot.io/branch";
/// Metadata of an event: the images that were written, one a line.
pub const IMAGES: &str = "fluxbot.io/images";
/// Metadata of an event: the changed scalars, one `path:line old -> new` a line.
pub const CHANGES: &str = "fluxbot.io/changes";
/// Annotation of an `ImageUpdateAutomation`: the preset for the messages of its commits (`flux` or `conventional`) where
/// `spec.git.commit.messageTemplate` is empty.
pub const COMMIT_MESSAGE: &str = "fluxbot.io/commit-message";
/// Label by which objects are dealt out to shards.
pub const SHARD_KEY: &str = "sharding.fluxcd.io/key";

/// Label of an applied object: name of the `Kustomization` that owns it.
pub const KUSTOMIZATION_NAME: &str = "kustomize.toolkit.fluxcd.io/name";
/// Label of an applied object: namespace of the `Kustomization` that owns it.
pub const KUSTOMIZATION_NAMESPACE: &str = "kustomize.toolkit.fluxcd.io/namespace";
/// Annotation or label: [`DISABLED`] keeps the object when it leaves the source.
pub const PRUNE: &str = "kustomize.toolkit.fluxcd.io/prune";
/// Annotation or label: [`DISABLED`] leaves the object as it is in the cluster.
pub const RECONCILE: &str = "kustomize.toolkit.fluxcd.io/reconcile";
/// Annotation or label: how the object is applied (`Override`, `Merge`, `IfNotPresent`, `Ignore`).
pub const SSA: &str = "kustomize.toolkit.fluxcd.io/ssa";
/// Annotation or label: [`ENABLED`] recreates the object when a field cannot be changed.
pub const FORCE: &str = "kustomize.toolkit.fluxcd.io/force";
/// Annotation or label: [`DISABLED`] keeps variable substitution off the object.
pub const SUBSTITUTE: &str = "kustomize.toolkit.fluxcd.io/substitute";
/// Annotation: [`DISABLED`] keeps decryption off the object.
pub const DECRYPT: &str = "kustomize.toolkit.fluxcd.io/decrypt";

/// Annotation of a `Kustomization`: with the value `immediate`, what others change in its objects is put back at once instead of
/// at the next interval.
pub const DRIFT: &str = "fluxbot.io/drift";

/// Label of a released object: name of the `HelmRelease` that owns it.
pub const HELM_RELEASE_NAME: &str = "helm.toolkit.fluxcd.io/name";
/// Label of a released object: namespace of the `HelmRelease` that owns it.
pub const HELM_RELEASE_NAMESPACE: &str = "helm.toolkit.fluxcd.io/namespace";
/// Annotation of a released object: [`DISABLED`] keeps drift detection off it.
pub const DRIFT_DETECTION: &str = "helm.toolkit.fluxcd.io/driftDetection";

/// Value that switches a feature on.
pub const ENABLED: &str = "enabled";
/// Value that switches a feature off.
pub const DISABLED: &str = "disabled";

/// Field manager under which a `Kustomization` applies objects.
pub const KUSTOMIZE_FIELD_MANAGER: &str = "kustomize-controller";
/// Field manager under which a `HelmRelease` applies objects.
pub const HELM_FIELD_MANAGER: &str = "helm-controller";
