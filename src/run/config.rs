//! What the controller is started with.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::cloud::Environment;
use crate::committer::MessagePreset;
use crate::scanner::TokenHost;

/// A group of reconcilers, as Flux deals them out to its controllers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// `ImageRepository`, `ImagePolicy` and `ImageUpdateAutomation`.
    Image,
    /// `GitRepository`.
    Source,
    /// `Kustomization`.
    Kustomize,
}

impl Part {
    /// The word on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Source => "source",
            Self::Kustomize => "kustomize",
        }
    }

    /// The controllers of Flux that do the same work.
    #[must_use]
    pub const fn replaced(self) -> &'static [&'static str] {
        match self {
            Self::Image => &["image-reflector-controller", "image-automation-controller"],
            Self::Source => &["source-controller"],
            Self::Kustomize => &["kustomize-controller"],
        }
    }
}

/// Everything that the command line says.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of its own on the command line"
)]
#[derive(Debug, Clone)]
pub struct Config {
    /// The kubeconfig to use; by default the pod's service account, `$KUBECONFIG`, or `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// Namespace of the controller itself.
    pub namespace: String,
    /// The reconcilers that run.
    pub parts: Vec<Part>,
    /// Objects of one kind that are worked on at once.
    pub concurrent: usize,
    /// Folder for mirrors and artifacts.
    pub storage_path: PathBuf,
    /// Where artifacts are served.
    pub storage_addr: Address,
    /// Host and port under which others reach the artifacts.
    pub storage_adv_addr: Option<String>,
    /// Where `/metrics` is served.
    pub metrics_addr: Address,
    /// Where `/healthz` and `/readyz` are served.
    pub health_addr: Address,
    /// A notification-controller's address.
    pub events_addr: Option<String>,
    /// Whether to wait for the lease.
    pub leader_elect: bool,
    /// Whether objects of all namespaces are reconciled.
    pub watch_all_namespaces: bool,
    /// Labels of the objects to reconcile.
    pub watch_label_selector: Option<String>,
    /// Whether references to other namespaces are refused.
    pub no_cross_namespace_refs: bool,
    /// Service account of a `Kustomization` that names none.
    pub default_service_account: Option<String>,
    /// Whether kustomizations that refer to other servers are refused.
    pub no_remote_bases: bool,
    /// How long to wait at most before a dependency is looked at again.
    pub requeue_dependency: Duration,
    /// The message of commits whose automation has neither a template nor a preset of its own.
    pub commit_message: MessagePreset,
    /// Token servers that may see the credentials of registries on other hosts.
    pub registry_token_hosts: Vec<TokenHost>,
    /// How SSH connections of the Git engine are made.
    pub ssh: fluxbot_git::SshOptions,
    /// What the environment says of clouds.
    pub clouds: Environment,
}

impl Config {
    /// Whether a group of reconcilers runs.
    #[must_use]
    pub fn runs(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }

    /// Name of the lease: processes with the same reconcilers for the same objects compete for it, others do not.
    #[must_use]
    pub fn lease_name(&self) -> String {
        let mut parts = self.parts.clone();
        parts.sort();
        let words: Vec<&str> = parts.iter().map(|part| part.as_str()).collect();
        let mut name = format!("fluxbot-{}", words.join("-"));
        if let Some(selector) = &self.watch_label_selector {
            let readable: String = selector
                .chars()
                .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
                .collect();
            name = format!("{name}-{}", readable.trim_matches('-').to_lowercase());
        }
        name.truncate(253);
        name.trim_end_matches('-').to_owned()
    }
}

/// A host and port to listen on; without a host all addresses of the machine, with port 0 a free one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// The text for the socket.
    #[must_use]
    pub fn to_bind(&self) -> String {
        match self.0.strip_prefix(':') {
            // The unspecified IPv6 address takes IPv4 connections too, where the machine has IPv6 at all.
            Some(port) => format!("0.0.0.0:{port}"),
            None => self.0.clone(),
        }
    }
}

/// The text is no address to listen on.
#[derive(Debug, thiserror::Error)]
#[error("'{0}' is no address to listen on, expected HOST:PORT or :PORT")]
pub struct InvalidAddress(String);

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let invalid = || InvalidAddress(text.to_owned());
        // A port alone is what users of `--port` flags write.
        let text = if text.chars().all(|c| c.is_ascii_digit()) {
            format!(":{text}")
        } else {
            text.to_owned()
        };
        let (host, port) = text.rsplit_once(':').ok_or_else(invalid)?;
        port.parse::<u16>().map_err(|_| invalid())?;
        let is_bracketed = host.starts_with('[') && host.ends_with(']');
        if host.contains(':') && !is_bracketed || is_bracketed && text.parse::<SocketAddr>().is_err() {
            return Err(invalid());
        }
        Ok(Self(text))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(":8080", "0.0.0.0:8080")]
    #[case("0", "0.0.0.0:0")]
    #[case("127.0.0.1:0", "127.0.0.1:0")]
    #[case("[::1]:9440", "[::1]:9440")]
    #[case("localhost:1", "localhost:1")]
    fn an_address_is_a_port_with_or_without_a_host(#[case] text: &str, #[case] bound: &str) {
        assert_eq!(text.parse::<Address>().unwrap().to_bind(), bound);
    }

    #[rstest]
    #[case("")]
    #[case("localhost")]
    #[case("::1:80")]
    #[case(":http")]
    #[case(":70000")]
    fn anything_else_is_refused(#[case] text: &str) {
        assert!(text.parse::<Address>().is_err());
    }
}
