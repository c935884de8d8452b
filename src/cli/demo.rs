//! `fluxbot demo`.

use clap::Args;

use super::Failure;

/// Watch the main job work on real parts: a registry, a Git server and a repository made for it.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  fluxbot demo --no-cluster --once")]
pub(super) struct DemoArgs {
    /// Also show the clusters that apply the commits.
    #[arg(long, conflicts_with = "no_cluster")]
    cluster: bool,
    /// Show the half of the job that needs no cluster (the default).
    #[arg(long)]
    no_cluster: bool,
    /// End by itself, with exit code 0 only if every expected commit is there.
    #[arg(long)]
    once: bool,
}

impl DemoArgs {
    pub(super) fn run(self) -> Result<(), Failure> {
        if self.cluster {
            return Err(
                Failure::invalid("--cluster is not supported yet").hint("run fluxbot demo --no-cluster")
            );
        }
        self.start()
    }

    #[cfg(feature = "demo")]
    fn start(self) -> Result<(), Failure> {
        super::block_on(async move { crate::demo::run(self.once).await.map_err(Failure::from) })
    }

    #[cfg(not(feature = "demo"))]
    fn start(self) -> Result<(), Failure> {
        let command = if self.once {
            "run make demo ARGS=--once"
        } else {
            "run make demo"
        };
        Err(Failure::invalid("this binary was built without the demo").hint(command))
    }
}
