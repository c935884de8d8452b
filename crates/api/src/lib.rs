//! The custom resources of Flux's API as Rust types, with their `CustomResourceDefinitions`.
//!
//! Five groups, one module each: [`image`], [`source`], [`kustomize`], [`helm`] and
//! [`notification`]. Each kind is a struct of `metadata`, `spec` and `status` that implements
//! [`kube::Resource`], so it can be read from manifests and served by `kube::Api` alike.
//!
//! ```
//! use fluxbot_api::image::{ImagePolicy, ImagePolicySpec, SemverPolicy};
//!
//! let policy: ImagePolicy = serde_json::from_value(serde_json::json!({
//!     "apiVersion": "image.toolkit.fluxcd.io/v1",
//!     "kind": "ImagePolicy",
//!     "metadata": { "name": "podinfo", "namespace": "flux-system" },
//!     "spec": {
//!         "imageRepositoryRef": { "name": "podinfo" },
//!         "policy": { "semver": { "range": "5.0.x" } },
//!     },
//! }))?;
//! assert_eq!(policy.spec.policy.semver, Some(SemverPolicy { range: "5.0.x".to_owned() }));
//!
//! let files: Vec<String> = fluxbot_api::crds().iter().map(fluxbot_api::crd_file_name).collect();
//! assert_eq!(files.len(), 14);
//! # Ok::<(), serde_json::Error>(())
//! ```
//!
//! # Versions
//!
//! A struct holds the superset of all versions that Flux served, see [`crd`]. Any of them decodes;
//! encoding writes the newest `apiVersion`, which is all that an upgrade takes. What only old
//! versions had is marked so in its documentation.
//!
//! # Bad objects
//!
//! Durations, regular expressions and references are kept as text and judged where they are used.
//! A word outside a closed set (an unknown `provider`, say) fails to decode with a text that lists
//! the known words. Read lists and watches as [`kube::core::DeserializeGuard`] of the kind, so that
//! such an object fails alone and keeps its metadata:
//!
//! ```
//! use fluxbot_api::source::Bucket;
//! use kube::core::{DeserializeGuard, ObjectList};
//!
//! let list: ObjectList<DeserializeGuard<Bucket>> = serde_json::from_value(serde_json::json!({
//!     "apiVersion": "source.toolkit.fluxcd.io/v1",
//!     "kind": "BucketList",
//!     "metadata": {},
//!     "items": [
//!         { "metadata": { "name": "odd" }, "spec": {
//!             "bucketName": "b", "endpoint": "e", "interval": "1m", "provider": "dropbox" } },
//!         { "metadata": { "name": "fine" }, "spec": {
//!             "bucketName": "b", "endpoint": "e", "interval": "1m" } },
//!     ],
//! }))?;
//! let [odd, fine] = list.items.as_slice() else { panic!("two buckets") };
//! let error = odd.0.as_ref().unwrap_err();
//! assert_eq!(error.metadata.name.as_deref(), Some("odd"));
//! assert_eq!(error.error, r#"unknown CloudProvider "dropbox", expected one of generic, aws, azure, gcp"#);
//! assert!(fine.0.is_ok());
//! # Ok::<(), serde_json::Error>(())
//! ```
//!
//! # Absent and empty
//!
//! A flag or text is an `Option`, so that a manifest that is read and written again keeps what it
//! said. Enums with a default in the API implement [`Default`] with it. An empty list or map means
//! the same as an absent one everywhere in this API; it is an empty collection here, and is left
//! out when written unless the API requires the field.

#[macro_use]
mod macros;

pub mod annotation;
pub mod condition;
pub mod crd;
mod duration;
mod fault;
pub mod helm;
pub mod image;
pub mod kustomize;
pub mod meta;
pub mod notification;
pub mod reason;
pub mod source;

pub use crd::{Definition, crd_file_name, crds, definitions};
pub use duration::{Duration, InvalidDuration};
pub use fault::Fault;
pub use reason::Reason;

/// A kind of this crate.
pub trait FluxResource: kube::Resource<DynamicType = ()> + kube::CustomResourceExt {
    /// What its `CustomResourceDefinition` says.
    const DEFINITION: &'static Definition;
}

#[cfg(test)]
mod tests;
