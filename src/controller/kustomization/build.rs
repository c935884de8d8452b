//! From an artifact's tree to objects that can be applied. It blocks, and depends on nothing but its arguments.

use std::sync::Arc;

use fluxbot_kustomize::flux::{self, Overrides};
use fluxbot_kustomize::{BuildError, Entry, Files, FilesError, Kind, LoadRestrictor, Options, Reorder};
use sha2::{Digest as _, Sha256};

use super::memory::Seen;
use crate::hexadecimal::hexadecimal;
use crate::source::{ArtifactTree, TreeKind};
use crate::substitute::{ObjectError, Rules, Variables, object as substitute};
use crate::sync::{CommonMetadata, IgnoreRules, Object, Owner, PrepareError, Prepared, prepare};

/// Names of the file that makes a folder a kustomization.
const KUSTOMIZATION_FILES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// What is to be built.
#[derive(Debug)]
pub(super) struct Build {
    pub(super) tree: ArtifactTree,
    /// The folder, `""` being the root.
    pub(super) folder: String,
    pub(super) overrides: Overrides,
    pub(super) owner: Owner,
    pub(super) common: CommonMetadata,
    /// The variables that are put into the objects, when `spec.postBuild` is there.
    pub(super) substitution: Option<(Variables, Rules)>,
    pub(super) ignored: Arc<IgnoreRules>,
    /// Controllers that are not installed, because this process does their work.
    pub(super) replaced_controllers: Arc<[&'static str]>,
}

/// What was built.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) objects: Prepared,
    /// Digest of the objects as kustomize prints them.
    pub(super) digest: String,
    /// What the build has looked at.
    pub(super) seen: Seen,
    /// Whether the folder says itself what belongs to it.
    pub(super) has_kustomization_file: bool,
}

/// Why nothing was built.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("kustomization path not found: stat {0}: no such file or directory")]
    NoFolder(String),
    #[error("kustomize build failed: {0}")]
    Build(#[from] BuildError),
    #[error("post build failed for '{subject}': {error}{place}")]
    PostBuild {
        /// `Kind.version.group/name`, as Flux names objects here.
        subject: String,
        error: ObjectError,
        place: String,
    },
    #[error("{0}")]
    Prepare(#[from] PrepareError),
}

impl Build {
    pub(super) fn run(&self) -> Result<Built, Fault> {
        let is_folder = self.folder.is_empty() || self.tree.kind(&self.folder) == Some(TreeKind::Directory);
        if !is_folder {
            return Err(Fault::NoFolder(self.folder.clone()));
        }
        let options = Options {
            load_restrictor: LoadRestrictor::None,
            reorder: Reorder::None,
            // Remote bases are refused by name.
            remote: None,
            ..Options::default()
        };
        let mut built = flux::build(&TreeFiles(&self.tree), &self.folder, &self.overrides, &options)?;
        self.substitute(&mut built)?;
        let digest = digest(&built.to_yaml());
        let seen = Seen::new(std::mem::take(&mut built.inputs), &self.tree);
        let objects = built.objects.into_iter().map(|object| {
            let origin = format!("{}:{}", object.origin.path, object.origin.line);
            Object::new(object.into_json()).with_origin(origin)
        });
        let objects = prepare(objects.collect(), &self.owner, &self.common)?;
        Ok(Built {
            objects: objects
                .ignoring(&self.ignored)
                .without_controllers(&self.replaced_controllers),
            digest,
            seen,
            has_kustomization_file: self.has_kustomization_file(),
        })
    }

    /// Puts the variables into the objects. The first object that fails ends the build, as in Flux.
    fn substitute(&self, built: &mut fluxbot_kustomize::Built) -> Result<(), Fault> {
        let Some((variables, rules)) = &self.substitution else {
            return Ok(());
        };
        for object in &mut built.objects {
            let value = object.value.clone().into();
            match substitute(&value, variables, *rules) {
                Ok(None) => {}
                Ok(Some(value)) => object.value = value.into(),
                Err(error) => {
                    return Err(Fault::PostBuild {
                        subject: flux_subject(&value),
                        error,
                        place: format!(" ({}:{})", object.origin.path, object.origin.line),
                    });
                }
            }
        }
        Ok(())
    }

    fn has_kustomization_file(&self) -> bool {
        KUSTOMIZATION_FILES.iter().any(|name| {
            let path = format!("{}/{name}", self.folder);
            let kind = self.tree.kind(path.trim_start_matches('/'));
            matches!(kind, Some(TreeKind::File { .. }))
        })
    }
}

/// `ConfigMap.v1.[noGrp]/name`: how kustomize prints the identity of a resource.
fn flux_subject(value: &serde_json::Value) -> String {
    let object = Object::new(value.clone());
    let group = Some(object.group()).filter(|group| !group.is_empty());
    format!(
        "{}.{}.{}/{}",
        object.kind(),
        object.version(),
        group.unwrap_or("[noGrp]"),
        object.name()
    )
}

fn digest(text: &str) -> String {
    format!("sha256:{}", hexadecimal(&Sha256::digest(text.as_bytes())))
}

/// A tree as the builds read it.
struct TreeFiles<'a>(&'a ArtifactTree);

impl Files for TreeFiles<'_> {
    fn kind(&self, path: &str) -> Result<Option<Kind>, FilesError> {
        Ok(self.0.kind(path).map(kind))
    }

    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, FilesError> {
        self.0.read_file(path).map_err(|error| FilesError {
            path: path.to_owned(),
            reason: error.to_string(),
        })
    }

    fn list(&self, path: &str) -> Result<Option<Vec<Entry>>, FilesError> {
        let entries = self.0.entries(path);
        Ok(entries.map(|entries| {
            let entries = entries.into_iter().map(|entry| Entry {
                name: entry.name,
                kind: kind(entry.kind),
            });
            entries.collect()
        }))
    }
}

fn kind(kind: TreeKind) -> Kind {
    match kind {
        TreeKind::File { .. } => Kind::File,
        TreeKind::Directory => Kind::Directory,
    }
}
