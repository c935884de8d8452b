//! What all reconcilers share.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fluxbot_api::image::{ImagePolicy, ImageRepository, ImageUpdateAutomation};
use fluxbot_api::kustomize::Kustomization;
use fluxbot_api::source::GitRepository;
use kube::Client;

use super::cache::{Cache, Lists};
use super::events::Events;
use super::kinds::Reconciled as _;
use super::lease::Leadership;
use super::metrics::Metrics;
use super::pushed::{self, Push, Pushes};
use super::queue::Queue;
use super::secret_waits::{SecretReads, SecretWaits};
use super::secrets::{self, SecretData, SecretError};
use crate::committer::MessagePreset;
use crate::http::HttpClients;
use crate::objects::ObjectKey;

/// What the command line says of how to reconcile.
#[derive(Debug, Clone)]
pub struct Options {
    /// Namespace of the controller itself.
    pub namespace: String,
    /// Folder for mirrors and artifacts.
    pub storage: PathBuf,
    /// Objects of one kind that are worked on at once.
    pub concurrent: usize,
    /// Whether references to other namespaces are refused.
    pub no_cross_namespace_refs: bool,
    /// Whether kustomizations that refer to other servers are refused.
    pub no_remote_bases: bool,
    /// Service account of a `Kustomization` that names none.
    pub default_service_account: Option<String>,
    /// How long to wait at most before a dependency is looked at again.
    pub requeue_dependency: Duration,
    /// The controllers of Flux whose kinds this process reconciles.
    pub replaced_controllers: Arc<[&'static str]>,
    /// The message of commits whose automation has neither a template nor a preset of its own.
    pub commit_message: MessagePreset,
}

/// The objects as last seen, by kind.
#[derive(Debug, Default)]
pub struct Caches {
    /// `ImageRepository`.
    pub image_repositories: Cache<ImageRepository>,
    /// `ImagePolicy`.
    pub image_policies: Cache<ImagePolicy>,
    /// `ImageUpdateAutomation`.
    pub automations: Cache<ImageUpdateAutomation>,
    /// `GitRepository`.
    pub git_repositories: Cache<GitRepository>,
    /// `Kustomization`.
    pub kustomizations: Cache<Kustomization>,
}

/// What is due, by kind.
#[derive(Debug, Default)]
pub struct Queues {
    /// `ImageRepository`.
    pub image_repositories: Arc<Queue>,
    /// `ImagePolicy`.
    pub image_policies: Arc<Queue>,
    /// `ImageUpdateAutomation`.
    pub automations: Arc<Queue>,
    /// `GitRepository`.
    pub git_repositories: Arc<Queue>,
    /// `Kustomization`.
    pub kustomizations: Arc<Queue>,
    /// Who is due when a Secret changes.
    pub secrets: Arc<SecretWaits>,
}

/// What all reconcilers share. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    /// The API server.
    pub client: Client,
    /// What the command line says.
    pub options: Arc<Options>,
    /// The objects as last seen.
    pub caches: Arc<Caches>,
    /// Which of them were listed completely.
    pub lists: Arc<Lists>,
    /// What is due.
    pub queues: Arc<Queues>,
    /// Whether this process may write.
    pub leadership: Leadership,
    /// Where events go.
    pub events: Events,
    /// The figures.
    pub metrics: Arc<Metrics>,
    /// Connections to registries and Git servers.
    pub http: HttpClients,
    /// What this process pushed a moment ago.
    pub pushes: Arc<Pushes>,
}

impl Context {
    /// Reads a Secret.
    pub async fn secret(&self, key: &ObjectKey) -> Result<SecretData, SecretError> {
        SecretReads::add(key);
        let read = secrets::read(&self.client, key).await;
        match &read {
            Ok((_, version)) => self.queues.secrets.saw(key, Some(version)),
            Err(SecretError::NotFound(_)) => self.queues.secrets.saw(key, None),
            Err(SecretError::Unreadable { .. }) => {}
        }
        read.map(|(data, _)| data)
    }

    /// Remembers a push of ours, and wakes the sources that follow the branch.
    pub fn pushed(&self, push: &Push) {
        self.pushes.record(push);
        let followers = self
            .caches
            .git_repositories
            .select(|source| pushed::follows(source, &push.url, &push.branch));
        for source in followers {
            self.queues.git_repositories.wake(&source.key());
        }
    }
}
