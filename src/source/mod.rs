//! Sources: what was fetched, as an immutable tree in the process and as an artifact for everybody else.
//!
//! ```text
//! GitRepositoryRef --> git::resolve (E) --> Checkout { Revision, ArtifactTree }   ls-refs first, no work tree
//! ArtifactTree + IgnoreRules (P)            the files of a commit without those that are ignored, read lazily
//! ArtifactTree --> pack --> Storage (E)     the same tree as tar.gz, for third parties and for the next process
//! Storage --> serve (E)                     over HTTP, as source-controller serves it
//! ArtifactTree --> SourceStore              handed to the Kustomizations of this process, never unpacked
//! fetch_artifact (E) --> ArtifactTree       the artifact of a source-controller beside us
//! ```

mod artifact;
mod fetch;
pub mod git;
mod ignore;
mod revision;
mod server;
mod storage;
mod store;
mod tree;

pub use artifact::{Packed, pack};
pub use fetch::{FetchArtifactError, fetch_artifact};
pub use ignore::{IGNORE_FILE, IgnoreMatcher, IgnoreRules, InvalidIgnoreFile};
pub use revision::{DigestAlgorithm, Revision, RevisionDigest};
pub use server::{ServeError, serve};
pub use storage::{Retention, Storage, StorageError};
pub use store::{CurrentSource, SourceKey, SourceStore};
pub use tree::{ArtifactTree, ContentId, IncludeError, TreeEntry, TreeError, TreeKind, UnpackLimits};

#[cfg(test)]
mod tests;
