//! Setters rewrite marked YAML scalars and nothing else.
//!
//! A comment such as `# {"$imagepolicy": "flux-system:podinfo:tag"}` behind a scalar names the policy that sets it.
//! The way of a file: [`is_candidate`] by its name, [`mentions_marker`] by its bytes, [`locate`] by its YAML, and
//! [`set`] splices the new values in. Nothing is ever emitted from a parsed tree, so every byte outside the marked
//! scalars stays. [`MarkerIndex`] remembers which files of a Git tree carry markers, and [`lint`] says which markers
//! cannot work.
//!
//! Pure: texts in, values out.

mod attach;
mod candidate;
mod changeset;
mod edit;
mod index;
mod lines;
mod lint;
mod locate;
mod marker;
mod objects;
mod scalar;
mod stream;
mod template;

pub use candidate::{is_candidate, mentions_marker};
pub use changeset::{Change, ChangeSet, ObjectIdentifier, SkipReason, Skipped, ValueChange};
pub use edit::{Edited, set, settled};
pub use index::{Entry, EntryKind, MarkerFile, MarkerIndex, ObjectId, TreeSource, WalkError};
pub use lint::{Finding, FindingReason, KnownPolicy, Severity, lint};
pub use locate::{
    Collection, Impossible, ImpossibleReason, Located, MarkedScalar, ParseFailure, Style, locate,
};
pub use marker::{Field, MalformedMarker, Marker, MarkerParse, parse_comment};

#[cfg(test)]
mod tests;
