//! `fluxbot demo`: the main job, end to end, on parts that speak the real protocols.
//!
//! A registry in memory and Git's own HTTP backend are started on free ports of this machine, and a repository shaped as
//! real ones are is created. Then tags are pushed, and every step of what follows is shown with its time: in two clusters
//! with a real control plane and a controller each ([`on_clusters`]), or without any ([`without_cluster`]).

mod chain;
mod clusters;
mod fleet;
mod git_server;
mod image;
mod parts;
mod registry;
mod scenario;
mod screen;
mod without_cluster;

pub use clusters::{ClusterOptions, run as on_clusters};

/// Runs the half of the job that needs no cluster, up to the commits. With `once` it ends by itself, and succeeds only when
/// every expected commit is there; otherwise it goes on until it is interrupted.
pub async fn without_cluster(once: bool) -> anyhow::Result<()> {
    without_cluster::run(once).await
}
