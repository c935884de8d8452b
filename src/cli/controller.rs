//! `fluxbot controller`: the flags of the reconcilers, checked and handed over.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};
use fluxbot_git::SshOptions;

use super::Failure;
use crate::cloud::Environment;
use crate::committer::MessagePreset;
use crate::run::{self, Address, Config, Part};
use crate::scanner::TokenHost;
use crate::telemetry::Encoding;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Controllers {
    Image,
    Source,
    Kustomize,
    Helm,
    Notification,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogEncoding {
    Json,
    Console,
}

/// Flags as in Flux's controllers where Flux has them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fluxbot controller                                # in a pod, or with the current kubeconfig
  fluxbot controller --controllers image            # beside a running Flux")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of its own on the command line"
)]
pub(super) struct ControllerArgs {
    /// The kubeconfig to use; by default the pod's service account, $KUBECONFIG, or ~/.kube/config.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Namespace of the controller itself: its lease, and with --watch-all-namespaces=false all that it watches.
    #[arg(long, default_value = "flux-system", env = "RUNTIME_NAMESPACE")]
    namespace: String,
    /// Which reconcilers run.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "image,source,kustomize",
        value_name = "LIST"
    )]
    controllers: Vec<Controllers>,
    /// Objects of one kind that are worked on at once.
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrent: u16,
    /// Folder for tags, mirrors and artifacts; kept between starts it saves scanning and fetching everything again.
    #[arg(long, default_value = "/data", value_name = "DIR")]
    storage_path: PathBuf,
    /// Where artifacts are served.
    #[arg(long, default_value = ":9090", value_name = "ADDRESS")]
    storage_addr: Address,
    /// Host and port under which others reach the artifacts; by default the storage address itself.
    #[arg(long, env = "STORAGE_ADV_ADDR", value_name = "HOST")]
    storage_adv_addr: Option<String>,
    /// Where /metrics is served.
    #[arg(long, default_value = ":8080", value_name = "ADDRESS")]
    metrics_addr: Address,
    /// Where /healthz and /readyz are served.
    #[arg(long, default_value = ":9440", value_name = "ADDRESS")]
    health_addr: Address,
    /// Where the dashboard is served (not supported yet).
    #[arg(long, value_name = "ADDRESS", hide = true)]
    web_addr: Option<String>,
    /// Where webhooks are received (not supported yet).
    #[arg(long, value_name = "ADDRESS", hide = true)]
    receiver_addr: Option<String>,
    /// A notification-controller's address, to which events are sent.
    #[arg(long, value_name = "URL")]
    events_addr: Option<String>,
    /// Whether to wait for the lease before anything is reconciled.
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true",
          require_equals = true, value_name = "BOOL", alias = "enable-leader-election")]
    leader_elect: bool,
    /// Whether objects of all namespaces are reconciled, or those of --namespace only.
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true",
          require_equals = true, value_name = "BOOL")]
    watch_all_namespaces: bool,
    /// Reconcile only objects with these labels.
    #[arg(long, value_name = "SELECTOR")]
    watch_label_selector: Option<String>,
    /// Refuse references to objects of other namespaces.
    #[arg(long, default_value_t = false, action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true",
          require_equals = true, value_name = "BOOL")]
    no_cross_namespace_refs: bool,
    /// The service account of an object that names none: for applying, and for asking a cloud for registry credentials; by
    /// default the controller's own rights and identity.
    #[arg(long, value_name = "NAME")]
    default_service_account: Option<String>,
    /// Refuse kustomizations that refer to other servers.
    #[arg(long, default_value_t = false, action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true",
          require_equals = true, value_name = "BOOL")]
    no_remote_bases: bool,
    /// How long to wait at most before a dependency is looked at again.
    #[arg(long, default_value = "30s", value_name = "DURATION", value_parser = duration)]
    requeue_dependency: Duration,
    /// The message of commits whose automation has no template and no annotation fluxbot.io/commit-message: `flux`, the same
    /// text each time, or `conventional`, which tells what was updated.
    #[arg(long, value_name = "PRESET", default_value_t)]
    commit_message: MessagePreset,
    /// A token server on another host than its registry that may see the registry's credentials, for example of a self-managed
    /// GitLab; repeatable.
    #[arg(long, value_name = "REGISTRY=HOST")]
    registry_token_host: Vec<TokenHost>,
    /// Key exchange algorithms for Git over SSH, the preferred one first; by default the built-in list.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    ssh_kex_algos: Vec<String>,
    /// Host key algorithms for Git over SSH, the preferred one first; by default the built-in list.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    ssh_hostkey_algos: Vec<String>,
    /// How log lines look.
    #[arg(long, value_enum, default_value_t = LogEncoding::Json)]
    log_encoding: LogEncoding,
}

impl ControllerArgs {
    /// How log lines look.
    pub(super) fn log_encoding(&self) -> Encoding {
        match self.log_encoding {
            LogEncoding::Json => Encoding::Json,
            LogEncoding::Console => Encoding::Console,
        }
    }

    pub(super) fn run(self) -> Result<(), Failure> {
        let config = self.config()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::failed(format!("cannot start the runtime: {error}")))?;
        let result = runtime.block_on(run::until_signal(config));
        // Blocking work that is still under way (a fetch from a silent server) must not hold the process.
        runtime.shutdown_timeout(Duration::from_secs(1));
        result.map_err(Failure::failed)
    }

    fn config(self) -> Result<Config, Failure> {
        let mut parts = Vec::new();
        for controller in &self.controllers {
            let part = match controller {
                Controllers::Image => Part::Image,
                Controllers::Source => Part::Source,
                Controllers::Kustomize => Part::Kustomize,
                Controllers::Helm => return Err(unsupported("--controllers helm")),
                Controllers::Notification => return Err(unsupported("--controllers notification")),
            };
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
        if self.web_addr.is_some() {
            return Err(unsupported("--web-addr"));
        }
        if self.receiver_addr.is_some() {
            return Err(unsupported("--receiver-addr"));
        }
        Ok(Config {
            kubeconfig: self.kubeconfig,
            namespace: self.namespace,
            parts,
            concurrent: usize::from(self.concurrent),
            storage_path: self.storage_path,
            storage_addr: self.storage_addr,
            storage_adv_addr: self.storage_adv_addr,
            metrics_addr: self.metrics_addr,
            health_addr: self.health_addr,
            events_addr: self.events_addr.filter(|address| !address.is_empty()),
            leader_elect: self.leader_elect,
            watch_all_namespaces: self.watch_all_namespaces,
            watch_label_selector: self.watch_label_selector.filter(|selector| !selector.is_empty()),
            no_cross_namespace_refs: self.no_cross_namespace_refs,
            default_service_account: self.default_service_account.filter(|name| !name.is_empty()),
            no_remote_bases: self.no_remote_bases,
            requeue_dependency: self.requeue_dependency,
            commit_message: self.commit_message,
            registry_token_hosts: self.registry_token_host,
            ssh: SshOptions {
                key_exchanges: self.ssh_kex_algos,
                host_key_algorithms: self.ssh_hostkey_algos,
                ..SshOptions::default()
            },
            clouds: Environment::of_process().map_err(Failure::invalid)?,
        })
    }
}

fn unsupported(what: &str) -> Failure {
    Failure::invalid(format!("{what} is not supported yet"))
}

fn duration(text: &str) -> Result<Duration, String> {
    fluxbot_api::Duration::new(text)
        .get()
        .map_err(|error| error.to_string())
}
