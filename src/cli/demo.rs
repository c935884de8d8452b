//! `fluxbot demo`.

use std::path::PathBuf;

use clap::Args;

use super::Failure;

/// Watch the main job work on real parts: two control planes, a registry, a Git server and a repository made for it.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  fluxbot demo --no-cluster --once")]
pub(super) struct DemoArgs {
    /// Show the whole job on two clusters, up to the running pods (the default).
    #[arg(long, conflicts_with = "no_cluster")]
    cluster: bool,
    /// Show the half of the job that needs no cluster, up to the commits.
    #[arg(long)]
    no_cluster: bool,
    /// End by itself, with exit code 0 only if every expected object runs the expected image, or with --no-cluster every
    /// expected commit is there.
    #[arg(long)]
    once: bool,
    /// The program that runs a control plane, as tests/servers/build.sh control-plane builds it.
    #[arg(
        long,
        env = "FLUXBOT_CONTROL_PLANE",
        hide_env_values = true,
        value_name = "FILE"
    )]
    control_plane: Option<PathBuf>,
    /// Write what was measured to a file, as JSON.
    #[arg(long, value_name = "FILE", hide = true)]
    figures: Option<PathBuf>,
    /// Measure more updates after the scenes.
    #[arg(long, value_name = "N", default_value_t = 0, hide = true)]
    updates: u32,
}

#[cfg(feature = "demo")]
impl DemoArgs {
    pub(super) fn run(self) -> Result<(), Failure> {
        if self.no_cluster {
            return super::block_on(async move {
                crate::demo::without_cluster(self.once)
                    .await
                    .map_err(Failure::from)
            });
        }
        let hint = "run make demo, or give the path that tests/servers/build.sh control-plane prints; \
                    fluxbot demo --no-cluster needs none";
        let Some(control_plane) = self.control_plane else {
            return Err(Failure::invalid("the demo needs --control-plane").hint(hint));
        };
        if !control_plane.is_file() {
            let reason = format!("there is no control plane at {}", control_plane.display());
            return Err(Failure::invalid(reason).hint(hint));
        }
        let options = crate::demo::ClusterOptions {
            control_plane,
            once: self.once,
            figures: self.figures,
            updates: self.updates,
        };
        // Not ended by the first signal as other commands are: the demo stops its processes in order.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::failed(format!("cannot start the runtime: {error}")))?;
        runtime
            .block_on(crate::demo::on_clusters(options))
            .map_err(Failure::from)
    }
}

#[cfg(not(feature = "demo"))]
impl DemoArgs {
    pub(super) fn run(self) -> Result<(), Failure> {
        let arguments = [("--no-cluster", self.no_cluster), ("--once", self.once)];
        let given = arguments
            .iter()
            .filter(|(_, given)| *given)
            .map(|(name, _)| *name);
        let command = match given.collect::<Vec<_>>().join(" ") {
            arguments if arguments.is_empty() => "run make demo".to_owned(),
            arguments => format!("run make demo ARGS='{arguments}'"),
        };
        Err(Failure::invalid("this binary was built without the demo").hint(command))
    }
}
