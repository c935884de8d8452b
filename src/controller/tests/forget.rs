//! What a process that downloads its artifacts keeps of sources.

use std::sync::Arc;

use fluxbot_api::kustomize::Kustomization;
use fluxbot_api::source::GitRepository;
use http::{Request, Response};
use kube::client::Body;
use serde_json::json;

use super::driver::context;
use crate::controller::kustomization::{self, Artifacts, Waits};
use crate::controller::{Context, Reconciled, git_repository};
use crate::objects::{Files as _, ObjectKey};
use crate::source::{ArtifactTree, CurrentSource, Revision, SourceKey, SourceStore, UnpackLimits};

fn client() -> kube::Client {
    let service = tower::service_fn(|_: Request<Body>| async {
        Ok::<_, std::convert::Infallible>(Response::new(Body::empty()))
    });
    kube::Client::new(service, "default")
}

fn kustomization(name: &str, source: &str) -> Kustomization {
    let value = json!({
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": { "name": name, "namespace": "apps", "uid": name },
        "spec": { "interval": "10m", "prune": true, "sourceRef": { "kind": "GitRepository", "name": source } },
    });
    serde_json::from_value(value).unwrap()
}

fn downloaded() -> CurrentSource {
    let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(
        Vec::new(),
        flate2::Compression::fast(),
    ));
    let mut header = tar::Header::new_gnu();
    header.set_size(2);
    header.set_mode(0o600);
    archive.append_data(&mut header, "a.yaml", &b"a\n"[..]).unwrap();
    let packed = archive.into_inner().unwrap().finish().unwrap();
    let tree = ArtifactTree::read_tar_gz(packed.as_slice(), &UnpackLimits::default()).unwrap();
    assert_eq!(tree.read("a.yaml").unwrap().unwrap(), b"a\n");
    CurrentSource {
        revision: Revision::parse("main@sha1:1"),
        digest: "sha256:1".to_owned(),
        tree,
    }
}

struct World {
    context: Context,
    waits: Arc<Waits>,
    sources: SourceStore,
    artifacts: Arc<Artifacts>,
}

impl World {
    /// Trees of two sources, the first of which two Kustomizations use.
    fn new() -> Self {
        let context = context(client());
        let sources = SourceStore::default();
        for name in ["fleet", "other"] {
            sources.put(SourceKey::new("GitRepository", "apps", name), downloaded());
        }
        for name in ["web", "jobs"] {
            context
                .caches
                .kustomizations
                .answered(kustomization(name, "fleet"));
        }
        let artifacts = Arc::new(Artifacts::new(sources.clone(), None, context.http.clone()));
        Self {
            context,
            waits: Arc::default(),
            sources,
            artifacts,
        }
    }

    fn has(&self, name: &str) -> bool {
        self.sources
            .get(&SourceKey::new("GitRepository", "apps", name))
            .is_some()
    }
}

#[tokio::test]
async fn the_tree_of_a_deleted_source_is_dropped() {
    let world = World::new();
    let (waits, artifacts) = (Arc::clone(&world.waits), Arc::clone(&world.artifacts));
    let changed = git_repository::on_change(&world.context, waits, artifacts);
    let value = json!({
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "GitRepository",
        "metadata": { "name": "fleet", "namespace": "apps" },
        "spec": { "interval": "10m", "url": "https://git.example.org/fleet" },
    });
    let source: GitRepository = serde_json::from_value(value).unwrap();
    changed(&source.key(), Some(&source), Some(&source));
    assert!(world.has("fleet"));
    changed(&source.key(), Some(&source), None);
    assert!(!world.has("fleet") && world.has("other"));
}

#[tokio::test]
async fn the_tree_of_a_source_goes_with_its_last_user() {
    let world = World::new();
    let (waits, artifacts) = (Arc::clone(&world.waits), Arc::clone(&world.artifacts));
    let changed = kustomization::on_change(&world.context, waits, artifacts);
    let cache = &world.context.caches.kustomizations;

    let moved = kustomization("web", "other");
    cache.answered(moved.clone());
    changed(&moved.key(), Some(&kustomization("web", "fleet")), Some(&moved));
    assert!(world.has("fleet"), "the other one still uses it");

    let moved = kustomization("jobs", "other");
    cache.answered(moved.clone());
    changed(
        &ObjectKey::new("apps", "jobs"),
        Some(&kustomization("jobs", "fleet")),
        Some(&moved),
    );
    assert!(!world.has("fleet") && world.has("other"));
}
