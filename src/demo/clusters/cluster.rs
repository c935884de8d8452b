//! One cluster of the demo: a control plane, a controller, and what a cluster needs before it can read its repository.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use fluxbot_api::annotation::REQUESTED_AT;
use fluxbot_api::image::ImageRepository;
use fluxbot_api::kustomize::Kustomization;
use fluxbot_api::source::GitRepository;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Api, Client, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use super::children::{Children, Handle, Role};
use crate::demo::fleet;
use crate::demo::parts::{Parts, USERNAME};

/// How long a control plane may take to start. Generous: machines of CI are busy.
const PATIENCE: Duration = Duration::from_mins(2);

/// Who writes what is not in the repository.
const FIELD_MANAGER: &str = "fluxbot-demo";

/// A cluster.
pub(super) struct Cluster {
    pub name: &'static str,
    pub client: Client,
    pub kubeconfig: PathBuf,
    /// Version of the API server.
    pub version: String,
    /// The controller's log.
    pub log: PathBuf,
    folder: PathBuf,
    children: Children,
}

/// What a control plane prints once it is usable; see `tests/servers/control-plane`.
#[derive(serde::Deserialize)]
struct Ready {
    kubeconfig: PathBuf,
    version: String,
}

impl Cluster {
    /// Starts the control plane and returns when its API server answers.
    pub(super) async fn start(
        name: &'static str,
        binary: &Path,
        folder: PathBuf,
        children: Children,
    ) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        let mut command = Command::new(binary);
        command
            .args(["--name", name])
            .arg("--dir")
            .arg(folder.join("control-plane"))
            .stdout(Stdio::piped());
        let log = folder.join("control-plane.log");
        let (_, stdout) = children.start(Role::ControlPlane, command, &log)?;
        let mut line = String::new();
        let mut stdout = BufReader::new(stdout.context("the control plane has a standard output")?);
        let reading = tokio::time::timeout(PATIENCE, stdout.read_line(&mut line)).await;
        let ready = match reading {
            Ok(Ok(_)) => serde_json::from_str::<Ready>(&line).ok(),
            Ok(Err(_)) | Err(_) => None,
        };
        let Some(ready) = ready else {
            bail!(
                "the control plane of {name} did not become ready:\n{}",
                last_lines(&log)
            );
        };
        let kubeconfig = Kubeconfig::read_from(&ready.kubeconfig)?;
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        let client = Client::try_from(config)?;
        let log = folder.join("controller.log");
        Ok(Self {
            name,
            client,
            kubeconfig: ready.kubeconfig,
            version: ready.version,
            log,
            folder,
            children,
        })
    }

    /// Installs the kinds, and the Secret with the right to push.
    pub(super) async fn install(&self, parts: &Parts) -> anyhow::Result<()> {
        let definitions: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        let install = |definition: CustomResourceDefinition| {
            let definitions = definitions.clone();
            async move {
                let name = definition.name_any();
                apply(&definitions, &definition).await?;
                let established =
                    await_condition(definitions.clone(), &name, conditions::is_crd_established());
                tokio::time::timeout(PATIENCE, established)
                    .await
                    .with_context(|| format!("waiting for {name}"))??;
                anyhow::Ok(())
            }
        };
        futures::future::try_join_all(fluxbot_api::crds().into_iter().map(install)).await?;
        let metadata = |name: &str, namespace: Option<&str>| ObjectMeta {
            name: Some(name.to_owned()),
            namespace: namespace.map(str::to_owned),
            ..ObjectMeta::default()
        };
        let namespace = Namespace {
            metadata: metadata(fleet::NAMESPACE, None),
            ..Namespace::default()
        };
        apply(&Api::all(self.client.clone()), &namespace).await?;
        let secret = Secret {
            metadata: metadata(fleet::NAME, Some(fleet::NAMESPACE)),
            string_data: Some(BTreeMap::from([
                ("username".to_owned(), USERNAME.to_owned()),
                ("password".to_owned(), parts.password.clone()),
            ])),
            ..Secret::default()
        };
        apply(&self.api(), &secret).await
    }

    /// Starts a controller of this binary, in a process of its own.
    pub(super) fn start_controller(&self) -> anyhow::Result<Handle> {
        let program = std::env::current_exe().context("finding this program")?;
        let mut command = Command::new(program);
        command
            .arg("controller")
            .arg("--kubeconfig")
            .arg(&self.kubeconfig);
        command.arg("--storage-path").arg(self.folder.join("storage"));
        for address in ["--storage-addr", "--metrics-addr", "--health-addr"] {
            command.args([address, "127.0.0.1:0"]);
        }
        command.stdout(Stdio::null());
        let (handle, _) = self.children.start(Role::Controller, command, &self.log)?;
        Ok(handle)
    }

    /// Applies the source and the Kustomization that then applies `clusters/<cluster>`, both of them included.
    pub(super) async fn bootstrap(&self, parts: &Parts) -> anyhow::Result<()> {
        let source: GitRepository = self.manifest(parts, "source.yaml").await?;
        apply(&self.api(), &source).await?;
        let kustomization: Kustomization = self.manifest(parts, "fleet.yaml").await?;
        apply(&self.api(), &kustomization).await
    }

    async fn manifest<K: DeserializeOwned>(&self, parts: &Parts, file: &str) -> anyhow::Result<K> {
        let path = format!("main:clusters/{}/{file}", self.name);
        let text = fleet::git(&parts.bare, &["show", &path]).await?;
        yaml_serde::from_str(&text).with_context(|| format!("reading {path}"))
    }

    /// The objects of a kind in the namespace of the controller.
    pub(super) fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), fleet::NAMESPACE)
    }

    /// Asks for a scan of an image, as a registry's webhook would. Gives whether the cluster knows the image.
    pub(super) async fn request_scan(&self, image: &str) -> anyhow::Result<bool> {
        let name = image.rsplit('/').next().unwrap_or(image);
        let request = serde_json::json!({
            "metadata": { "annotations": { REQUESTED_AT: jiff::Timestamp::now().to_string() } },
        });
        let repositories: Api<ImageRepository> = self.api();
        match repositories
            .patch(name, &PatchParams::default(), &Patch::Merge(&request))
            .await
        {
            Ok(repository) => {
                ensure!(
                    repository.spec.image == image,
                    "{name} is not the ImageRepository of {image}"
                );
                Ok(true)
            }
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

async fn apply<K>(api: &Api<K>, object: &K) -> anyhow::Result<()>
where
    K: kube::Resource<DynamicType = ()> + Serialize + DeserializeOwned + Clone + std::fmt::Debug,
{
    let name = object.name_any();
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    let context = || format!("applying {} {name}", K::kind(&()));
    api.patch(&name, &parameters, &Patch::Apply(object))
        .await
        .with_context(context)?;
    Ok(())
}

/// The end of a log, for the message of an error.
pub(super) fn last_lines(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let start = lines.len().saturating_sub(10);
    lines.get(start..).unwrap_or_default().join("\n")
}
