//! What each Kustomization was last applied from, so that a commit that changes none of it needs no build.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use fluxbot_kustomize::Inputs;
use tokio::time::Instant;

use crate::objects::ObjectKey;
use crate::source::{ArtifactTree, ContentId, SourceKey, TreeKind};
use crate::sync::{Applier, Entry, ObjectId};

/// The last complete run of a Kustomization.
#[derive(Debug, Clone)]
pub(super) struct LastRun {
    /// The object that it was a run of.
    pub(super) uid: Option<String>,
    /// In which generation.
    pub(super) generation: i64,
    /// From which source.
    pub(super) source: SourceKey,
    /// To which cluster and as whom.
    pub(super) applier: Weak<Applier>,
    /// At which revision.
    pub(super) revision: String,
    /// What the build looked at, and what it saw.
    pub(super) seen: Seen,
    /// Digest of the variables that it used.
    pub(super) variables: [u8; 32],
    /// Digest of what was built.
    pub(super) digest: String,
    /// The objects whose health was awaited, if that was asked for.
    pub(super) targets: Option<Vec<Entry>>,
    /// Jobs that are removed when they are done.
    pub(super) jobs_with_ttl: BTreeSet<ObjectId>,
    /// When it began: the next complete one is due an interval later.
    pub(super) at: Instant,
}

/// The files that a build looked at, with what it saw of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    inputs: Inputs,
    answers: Vec<Answer>,
}

/// What a tree answers to one question.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    Content(Option<ContentId>),
    Entries(Vec<(Box<str>, bool)>),
    Kind(Option<TreeKind>),
}

impl Seen {
    /// What a build of a tree has looked at.
    pub(super) fn new(inputs: Inputs, tree: &ArtifactTree) -> Self {
        let answers = answers(&inputs, tree);
        Self { inputs, answers }
    }

    /// Whether a build of another tree would see the same, and so give the same.
    pub(super) fn is_same_in(&self, tree: &ArtifactTree) -> bool {
        self.inputs.fetched.is_empty()
            && !self.answers.is_empty()
            && answers(&self.inputs, tree) == self.answers
    }
}

fn answers(inputs: &Inputs, tree: &ArtifactTree) -> Vec<Answer> {
    let read = inputs
        .read
        .iter()
        .map(|path| Answer::Content(tree.content_id(path)));
    let listed = inputs.listed.iter().map(|path| {
        let entries = tree.entries(path).unwrap_or_default().into_iter();
        Answer::Entries(
            entries
                .map(|entry| (entry.name.into_boxed_str(), entry.kind == TreeKind::Directory))
                .collect(),
        )
    });
    let missing = inputs.missing.iter().map(|path| Answer::Kind(tree.kind(path)));
    read.chain(listed).chain(missing).collect()
}

/// The last complete run of each Kustomization, for the life of the process.
#[derive(Debug, Default)]
pub(super) struct Memory {
    inner: Mutex<HashMap<ObjectKey, Remembered>>,
}

#[derive(Debug, Default)]
struct Remembered {
    last: Option<Arc<LastRun>>,
    /// How often a run of a revision was put off.
    put_off: Option<(String, u32)>,
}

impl Memory {
    pub(super) fn get(&self, key: &ObjectKey) -> Option<Arc<LastRun>> {
        self.lock().get(key)?.last.clone()
    }

    pub(super) fn put(&self, key: &ObjectKey, last: LastRun) {
        self.lock().entry(key.clone()).or_default().last = Some(Arc::new(last));
    }

    /// What the object was applied from is no longer what is in the cluster, or nobody knows.
    pub(super) fn doubt(&self, key: &ObjectKey) {
        if let Some(remembered) = self.lock().get_mut(key) {
            remembered.last = None;
        }
    }

    pub(super) fn forget(&self, key: &ObjectKey) {
        self.lock().remove(key);
    }

    /// Whether the run of a revision may be put off once more; `most` times in all.
    pub(super) fn may_put_off(&self, key: &ObjectKey, revision: &str, most: u32) -> bool {
        let mut inner = self.lock();
        let remembered = inner.entry(key.clone()).or_default();
        let count = match &remembered.put_off {
            Some((known, count)) if known == revision => *count,
            _ => 0,
        };
        remembered.put_off = Some((revision.to_owned(), count.saturating_add(1)));
        count < most
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ObjectKey, Remembered>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LastRun {
    /// How long after this run the next complete one is due; `None` when it is overdue.
    pub(super) fn rest_of(&self, interval: Duration) -> Option<Duration> {
        interval
            .checked_sub(self.at.elapsed())
            .filter(|rest| !rest.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> ArtifactTree {
        let mut builder = tar::Builder::new(flate2::write::GzEncoder::new(
            Vec::new(),
            flate2::Compression::fast(),
        ));
        for (path, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            builder
                .append_data(&mut header, path, content.as_bytes())
                .unwrap();
        }
        let archive = builder.into_inner().unwrap().finish().unwrap();
        ArtifactTree::read_tar_gz(archive.as_slice(), &crate::source::UnpackLimits::default()).unwrap()
    }

    fn seen() -> Seen {
        let inputs = Inputs {
            read: ["apps/kustomization.yaml".to_owned(), "base/web.yaml".to_owned()].into(),
            listed: ["apps".to_owned()].into(),
            missing: ["apps/Kustomization".to_owned()].into(),
            ..Inputs::default()
        };
        Seen::new(inputs, &tree(&FILES))
    }

    const FILES: [(&str, &str); 3] = [
        ("apps/kustomization.yaml", "resources: [../base/web.yaml]"),
        ("base/web.yaml", "kind: ConfigMap"),
        ("README.md", "hello"),
    ];

    #[test]
    fn a_tree_is_the_same_to_a_build_unless_something_that_it_looked_at_differs() {
        let with = |changes: &[(&'static str, &'static str)]| {
            let kept = FILES
                .iter()
                .filter(|(path, _)| changes.iter().all(|(changed, _)| changed != path));
            let files: Vec<_> = kept.chain(changes).copied().collect();
            seen().is_same_in(&tree(&files))
        };
        assert!(with(&[]));
        assert!(with(&[
            ("README.md", "changed"),
            ("other/new.yaml", "kind: Secret")
        ]));
        assert!(
            !with(&[("base/web.yaml", "kind: Secret")]),
            "a file that was read"
        );
        assert!(
            !with(&[("apps/new.yaml", "kind: Secret")]),
            "a folder that was listed"
        );
        assert!(!with(&[("apps/Kustomization", "")]), "a file that was looked for");
        assert!(!seen().is_same_in(&tree(&FILES[..1])), "a file that is gone");
        let fetched = Inputs {
            fetched: ["https://example.org/base".to_owned()].into(),
            ..seen().inputs
        };
        assert!(!Seen::new(fetched, &tree(&FILES)).is_same_in(&tree(&FILES)));
    }

    #[test]
    fn a_run_is_put_off_so_often_for_each_revision() {
        let memory = Memory::default();
        let key = ObjectKey::new("apps", "web");
        let tries = |revision: &str| (0..4).filter(|_| memory.may_put_off(&key, revision, 2)).count();
        assert_eq!((tries("a"), tries("b"), tries("a")), (2, 2, 2));
    }
}
