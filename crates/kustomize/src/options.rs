//! What a caller of a build decides.

use std::sync::Arc;

use crate::{Cache, Files};

/// Which files a kustomization may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LoadRestrictor {
    /// Files at or below the folder of the kustomization, as `kustomize build` has it without an option. Other
    /// kustomizations may be anywhere in the tree.
    #[default]
    RootOnly,
    /// Any file of the tree, as Flux has it.
    None,
}

/// The order of the objects of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reorder {
    /// The order in which kustomizations list them, as Flux has it, unless the kustomization has `sortOptions`.
    #[default]
    None,
    /// Namespaces first, webhooks last, as `kustomize build` has it on the command line.
    Legacy,
}

/// Bounds for trees that nobody trusts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How deep kustomizations may refer to each other.
    pub depth: usize,
    /// How many kustomizations a build may read, repetitions included.
    pub kustomizations: usize,
    /// How many objects a build may have.
    pub objects: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 64,
            kustomizations: 10_000,
            objects: 200_000,
        }
    }
}

/// What a remote resource or base is.
pub enum RemoteContent {
    /// One file, from an address.
    File(Arc<[u8]>),
    /// A folder with a kustomization, in a tree of its own.
    Tree {
        /// The tree. Nothing outside is reachable from the kustomization.
        files: Arc<dyn Files + Send + Sync>,
        /// The folder.
        path: String,
    },
}

/// Why a remote resource cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RemoteError(pub String);

/// The means to fetch resources and bases that are named by an address.
pub trait Remote: Sync {
    /// Fetches what `reference` names, as it stands in the kustomization: an http(s) address of a file, or a Git repository
    /// as `kustomize` writes it (`https://host/org/repo//path?ref=v1`).
    fn fetch(&self, reference: &str) -> Result<RemoteContent, RemoteError>;
}

/// The options of a build. The default is that of the Go library: root-only loading, no reordering, nothing remote.
#[derive(Clone, Copy, Default)]
pub struct Options<'a> {
    /// Which files a kustomization may read.
    pub load_restrictor: LoadRestrictor,
    /// The order of the objects.
    pub reorder: Reorder,
    /// The means to fetch remote resources. Without it they are refused.
    pub remote: Option<&'a dyn Remote>,
    /// Parsed files to share with other builds.
    pub cache: Option<&'a Cache>,
    /// Bounds on what a build may use.
    pub limits: Limits,
}
