//! Asks the registries for the tags of every repository that a policy needs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fluxbot_api::image::{DigestReflectionPolicy, ImageRepository};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;

use super::select::repository_of;
use super::{PolicyOutcome, Step};
use crate::http::{ClientSettings, InvalidSecret, ProxySettings, SecretData};
use crate::image::{ImageName, ImageRef, InvalidImageName, TagSnapshot};
use crate::objects::{ObjectKey, ObjectSet};
use crate::scanner::{Access, Exclusion, Keychain, Registry};

/// How many images are asked for at once.
const CONCURRENCY: usize = 8;

/// Flux's floor for `spec.timeout`.
const MIN_TIMEOUT: Duration = Duration::from_secs(1);

/// What a registry said of one `ImageRepository`.
#[derive(Debug, Clone)]
pub struct Scan {
    /// The image as the specification spells it.
    pub image: String,
    /// The tags without the excluded ones, or why they could not be had.
    pub result: Result<TagSnapshot, String>,
    /// How long it took.
    pub elapsed: Duration,
    /// How many requests it took.
    pub requests: u32,
}

/// Scans for a set of objects. Connections and tokens are kept from one run to the next.
#[derive(Debug, Clone)]
pub struct Scanner {
    registry: Arc<Registry>,
    keychain: Arc<Keychain>,
}

impl Scanner {
    /// A scanner with the credentials to use where no Secret among the objects has any.
    #[must_use]
    pub fn new(registry: Registry, keychain: Keychain) -> Self {
        Self {
            registry: Arc::new(registry),
            keychain: Arc::new(keychain),
        }
    }

    /// Scans every repository that an active policy refers to, several at once. Suspended repositories are left out.
    pub async fn scan(
        &self,
        objects: &ObjectSet,
        watch: &(dyn Fn(Step) + Sync),
    ) -> BTreeMap<ObjectKey, Scan> {
        let mut wanted = BTreeMap::new();
        for (key, policy) in &objects.policies {
            let repository = repository_of(key, &policy.object);
            if policy.object.spec.suspend == Some(true) {
                continue;
            }
            if let Some(found) = objects.repositories.get(&repository)
                && found.object.spec.suspend != Some(true)
            {
                wanted.insert(repository, &found.object);
            }
        }
        // The futures are made before they are streamed: a closure in the stream would have to be general over lifetimes.
        let mut scans = Vec::new();
        for (key, repository) in wanted {
            scans.push(self.scan_and_tell(objects, key, repository, watch));
        }
        futures::stream::iter(scans)
            .buffer_unordered(CONCURRENCY)
            .collect()
            .await
    }

    async fn scan_and_tell(
        &self,
        objects: &ObjectSet,
        key: ObjectKey,
        repository: &ImageRepository,
        watch: &(dyn Fn(Step) + Sync),
    ) -> (ObjectKey, Scan) {
        let scan = self.scan_one(objects, &key, repository).await;
        let tags = scan.result.as_ref().map(TagSnapshot::len).map_err(Clone::clone);
        let (image, elapsed) = (scan.image.clone(), scan.elapsed);
        watch(Step::Scanned {
            repository: key.clone(),
            image,
            tags,
            elapsed,
        });
        (key, scan)
    }

    async fn scan_one(&self, objects: &ObjectSet, key: &ObjectKey, repository: &ImageRepository) -> Scan {
        let start = Instant::now();
        let outcome = self.tags(objects, key, repository).await;
        let requests = outcome.as_ref().map_or(0, |(_, requests)| *requests);
        Scan {
            image: repository.spec.image.clone(),
            result: outcome.map(|(tags, _)| tags),
            elapsed: start.elapsed(),
            requests,
        }
    }

    async fn tags(
        &self,
        objects: &ObjectSet,
        key: &ObjectKey,
        repository: &ImageRepository,
    ) -> Result<(TagSnapshot, u32), String> {
        let image: ImageName = repository
            .spec
            .image
            .parse()
            .map_err(|error| format!("{error}"))?;
        let exclusion = Exclusion::new(&repository.spec.exclusion_list).map_err(|error| error.to_string())?;
        let access = self.access(objects, key, repository)?;
        let list = self
            .registry
            .tags(&image, &access)
            .await
            .map_err(|error| format!("scan failed: {error}"))?;
        Ok((exclusion.filter(&list.snapshot), list.requests))
    }

    /// Adds the digest to every selection whose policy reflects it. A digest that cannot be had makes the selection fail:
    /// a reference without it would change what the markers say.
    pub async fn reflect_digests(&self, objects: &ObjectSet, outcomes: &mut [PolicyOutcome]) {
        for outcome in outcomes {
            let key = ObjectKey::new(&outcome.policy.namespace, &outcome.policy.name);
            let Some(policy) = objects.policies.get(&key).map(|found| &found.object) else {
                continue;
            };
            let reflects = matches!(
                policy.spec.digest_reflection_policy,
                Some(DigestReflectionPolicy::Always | DigestReflectionPolicy::IfNotPresent)
            );
            if let (true, Ok(image)) = (reflects, &outcome.result) {
                outcome.result = self
                    .with_digest(objects, &repository_of(&key, policy), image)
                    .await;
            }
        }
    }

    async fn with_digest(
        &self,
        objects: &ObjectSet,
        repository: &ObjectKey,
        image: &ImageRef,
    ) -> Result<ImageRef, String> {
        let found = objects.repositories.get(repository).map(|found| &found.object);
        let found =
            found.ok_or_else(|| format!("referenced ImageRepository does not exist: {repository}"))?;
        let name: ImageName = image
            .name()
            .parse()
            .map_err(|error: InvalidImageName| error.to_string())?;
        let access = self.access(objects, repository, found)?;
        let digest = self
            .registry
            .digest(&name, image.tag(), &access)
            .await
            .map_err(|error| format!("failed fetching digest of {image}: {error}"))?;
        ImageRef::new(image.name(), image.tag(), Some(digest)).map_err(|error| error.to_string())
    }

    /// Credentials and connection settings of a repository. Secrets are looked for among the objects; where the
    /// credentials' Secret is not among them, the scanner's own keychain serves.
    pub(super) fn access(
        &self,
        objects: &ObjectSet,
        key: &ObjectKey,
        repository: &ImageRepository,
    ) -> Result<Access, String> {
        let spec = &repository.spec;
        let secret = |name: &str| objects.secret(&ObjectKey::new(&key.namespace, name));
        let required = |field: &str, name: &str| {
            secret(name)?.ok_or_else(|| {
                format!(
                    "Secret {}/{name}, named by spec.{field}, is not among the objects",
                    key.namespace
                )
            })
        };
        let mut settings = ClientSettings::default();
        if let Some(reference) = &spec.cert_secret_ref {
            let data = plain_data(required("certSecretRef", &reference.name)?)?;
            match settings.add_certificates(&data) {
                Ok(true) => {}
                Ok(false) => return Err(InvalidSecret::NoCertificate.to_string()),
                Err(error) => return Err(error.to_string()),
            }
        }
        if let Some(reference) = &spec.proxy_secret_ref {
            let data = plain_data(required("proxySecretRef", &reference.name)?)?;
            settings.proxy = Some(ProxySettings::from_secret(&data).map_err(|error| error.to_string())?);
        }
        let pull_secret = spec
            .secret_ref
            .as_ref()
            .map(|reference| secret(&reference.name))
            .transpose()?
            .flatten();
        let keychain = match pull_secret {
            Some(secret) => {
                let kind = secret.type_.as_deref().unwrap_or_default();
                Keychain::from_secret(kind, &plain_data(secret)?)
                    .map(Arc::new)
                    .map_err(|error| error.to_string())?
            }
            None => Arc::clone(&self.keychain),
        };
        let timeout = spec
            .timeout
            .as_ref()
            .unwrap_or(&spec.interval)
            .get()
            .map_err(|error| error.to_string())?;
        Ok(Access {
            keychain,
            insecure: spec.insecure == Some(true),
            timeout: timeout.max(MIN_TIMEOUT),
            client: settings,
            ..Access::default()
        })
    }
}

/// The values of a Secret manifest, of `data` and `stringData`.
pub(super) fn plain_data(secret: &Secret) -> Result<SecretData, String> {
    let mut values = BTreeMap::new();
    for (key, value) in secret.data.iter().flatten() {
        values.insert(key.clone(), value.0.clone());
    }
    for (key, value) in secret.string_data.iter().flatten() {
        values.insert(key.clone(), value.clone().into_bytes());
    }
    let is_encrypted = |value: &Vec<u8>| value.starts_with(b"ENC[AES256_GCM,");
    if values.values().any(is_encrypted) {
        let name = secret.metadata.name.as_deref().unwrap_or_default();
        return Err(format!(
            "Secret {name} is encrypted with SOPS, and decryption is not supported yet"
        ));
    }
    Ok(values)
}
