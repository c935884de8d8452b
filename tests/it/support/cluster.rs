//! A Kubernetes control plane: the real API server, controllers and scheduler, and a node that says of
//! every pod that it runs.
//!
//! ```ignore
//! let cluster = Cluster::shared();
//! cluster.install_crds().await;
//! let namespace = cluster.namespace("sync").await;
//! cluster.apply(DEPLOYMENT_YAML, Some(namespace.name()));
//! let deployments: Api<Deployment> = namespace.api().await;
//! eventually("the Deployment is ready", async || { … }).await;
//! ```
//!
//! Tests share one cluster and keep apart by namespaces. Who changes what has no namespace (a CRD), kills
//! the API server or needs two clusters starts one: about four seconds and 400 MB.
//!
//! Pods run at once; annotations of a pod change that: [`NOT_READY`], [`FAILING`]. A pod that is not
//! restarted (a Job's) succeeds. There are no logs and no `exec`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace as NamespaceObject, ServiceAccount};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Config, Resource, ResourceExt};
use tokio::sync::OnceCell;

use super::command::{hermetic, stdout, stdout_with_input};
use super::eventually::eventually;
use super::server::{Server, binary};

/// The annotation, with its value, that keeps a pod from becoming ready (and from ending, if it is one
/// that ends). On a pod template it makes a rollout that does not get on.
pub const NOT_READY: (&str, &str) = ("test.fluxbot.io/ready", "false");

/// The annotation that makes the containers of a pod fail; the value is the message. A pod that is not
/// restarted has failed then; any other is in a crash loop.
pub const FAILING: &str = "test.fluxbot.io/fail";

/// The manager of the fields that the harness sets.
const FIELD_MANAGER: &str = "fluxbot-test";

/// A running control plane. Clones are handles of the same one, which ends with the last of them.
#[derive(Debug, Clone)]
pub struct Cluster {
    running: Arc<RunningCluster>,
}

#[derive(Debug)]
struct RunningCluster {
    server: Server,
    crds: OnceCell<()>,
    namespaces: AtomicU32,
}

impl Cluster {
    /// The cluster of this test process, started at the first call. It ends with the process, however
    /// that ends.
    pub fn shared() -> Self {
        static SHARED: LazyLock<Cluster> = LazyLock::new(|| Cluster::start("test"));
        SHARED.clone()
    }

    /// A cluster of one's own, with this name in its kubeconfig.
    pub fn start(name: &str) -> Self {
        Self {
            running: Arc::new(RunningCluster {
                server: Server::start("control-plane", &["--name", name]),
                crds: OnceCell::new(),
                namespaces: AtomicU32::new(0),
            }),
        }
    }

    /// The process behind it.
    pub fn server(&self) -> &Server {
        &self.running.server
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig_path(&self) -> &Path {
        self.running.server.ready().kubeconfig.as_ref().unwrap()
    }

    /// A client that acts as the administrator. Each test makes its own: connections belong to the
    /// runtime of the test that opened them.
    pub async fn client(&self) -> Client {
        Client::try_from(config(self.kubeconfig_path()).await).unwrap()
    }

    /// A client that acts as a `ServiceAccount`, with a token that the API server issued for it.
    pub async fn client_as(&self, namespace: &str, service_account: &str) -> Client {
        use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client().await, namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                audiences: vec!["https://kubernetes.default.svc".to_owned()],
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let issued = accounts
            .create_token_request(service_account, &PostParams::default(), &request)
            .await
            .unwrap();
        let mut config = config(self.kubeconfig_path()).await;
        config.auth_info.client_certificate_data = None;
        config.auth_info.client_key_data = None;
        config.auth_info.token = Some(issued.status.unwrap().token.into());
        Client::try_from(config).unwrap()
    }

    /// A new namespace whose name starts with this. Pods can be created in it. It is deleted when the
    /// handle is dropped; nothing waits for its end.
    pub async fn namespace(&self, prefix: &str) -> Namespace {
        let number = self.running.namespaces.fetch_add(1, Ordering::Relaxed);
        let name = format!("{prefix}-{number}");
        let client = self.client().await;
        let mut object = NamespaceObject::default();
        object.metadata.name = Some(name.clone());
        let namespaces: Api<NamespaceObject> = Api::all(client.clone());
        namespaces.create(&PostParams::default(), &object).await.unwrap();
        let namespace = Namespace {
            cluster: self.clone(),
            name,
        };
        let accounts: Api<ServiceAccount> = Api::namespaced(client, &namespace.name);
        eventually("the namespace has its ServiceAccount", async || {
            accounts.get("default").await
        })
        .await;
        namespace
    }

    /// Applies the definitions of all kinds and returns once they are served. Only the first call does
    /// something.
    pub async fn install_crds(&self) {
        self.running
            .crds
            .get_or_init(async || {
                let client = self.client().await;
                let installed = fluxbot_api::crds()
                    .into_iter()
                    .map(|crd| apply_crd(client.clone(), crd));
                futures::future::join_all(installed).await;
            })
            .await;
    }

    /// Runs kubectl, which must succeed, and returns what it printed.
    #[track_caller]
    pub fn kubectl<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> String {
        stdout(self.kubectl_command().args(arguments))
    }

    /// kubectl for this cluster, without arguments.
    pub fn kubectl_command(&self) -> Command {
        self.command(binary("kubectl"))
    }

    /// Helm for this cluster, without arguments.
    pub fn helm_command(&self) -> Command {
        self.command(binary("helm"))
    }

    /// Applies manifests as a user would, server-side, into this namespace unless they name one.
    #[track_caller]
    pub fn apply(&self, manifests: &str, namespace: Option<&str>) -> String {
        let mut command = self.kubectl_command();
        command.args(["apply", "--server-side", "--filename=-"]);
        if let Some(namespace) = namespace {
            command.args(["--namespace", namespace]);
        }
        stdout_with_input(&mut command, manifests.as_bytes())
    }

    /// Kills the API server as `kill -9` does; its address refuses connections until it is started again.
    /// Only on a cluster of one's own.
    pub async fn kill_api_server(&self) {
        self.order("kill").await;
    }

    /// Starts the API server again, on the same address, and returns once it is ready.
    pub async fn start_api_server(&self) {
        self.order("start").await;
    }

    async fn order(&self, what: &str) {
        let url = format!("http://{}/apiserver/{what}", self.server().ready().control);
        let response = super::registry::http_client(None, None)
            .post(url)
            .send()
            .await
            .unwrap();
        let status = response.status();
        assert!(status.is_success(), "{}", response.text().await.unwrap());
    }

    fn command(&self, program: PathBuf) -> Command {
        // Caches of what the API server offers go below the home directory, and away with the cluster.
        let mut command = hermetic(program, &self.server().ready().root);
        command.env("KUBECONFIG", self.kubeconfig_path());
        command
    }
}

/// A namespace of one test. It is deleted when this is dropped.
#[derive(Debug)]
pub struct Namespace {
    cluster: Cluster,
    name: String,
}

impl Namespace {
    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The objects of a kind in it, for the administrator.
    pub async fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.cluster.client().await, &self.name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let kubeconfig = self.cluster.kubeconfig_path().to_owned();
        let name = std::mem::take(&mut self.name);
        // A thread of its own: the runtime of the test may be in the middle of a panic, and must not block.
        let deleting = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let Ok(runtime) = runtime else { return };
            runtime.block_on(async {
                let Ok(client) = Client::try_from(config(&kubeconfig).await) else {
                    return;
                };
                let namespaces: Api<NamespaceObject> = Api::all(client);
                let parameters = DeleteParams::background();
                let deleted = namespaces.delete(&name, &parameters);
                // Best effort: the cluster goes away anyway.
                drop(tokio::time::timeout(Duration::from_secs(5), deleted).await);
            });
        });
        drop(deleting.join());
    }
}

/// Applies one definition and returns once it is served.
pub async fn apply_crd(client: Client, crd: CustomResourceDefinition) {
    let name = crd.name_any();
    let crds: Api<CustomResourceDefinition> = Api::all(client);
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    crds.patch(&name, &parameters, &Patch::Apply(&crd))
        .await
        .unwrap_or_else(|error| panic!("applying the definition {name}: {error}"));
    eventually(&format!("the definition {name} is established"), async || {
        let crd = crds.get(&name).await.map_err(|error| error.to_string())?;
        let conditions = crd
            .status
            .and_then(|status| status.conditions)
            .unwrap_or_default();
        let holds = |kind: &str| conditions.iter().any(|c| c.type_ == kind && c.status == "True");
        if holds("Established") && holds("NamesAccepted") {
            Ok(())
        } else {
            Err(format!("{conditions:?}"))
        }
    })
    .await;
}

async fn config(kubeconfig: &Path) -> Config {
    // The second time it is an error, and there already.
    drop(rustls::crypto::ring::default_provider().install_default());
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .unwrap()
}
