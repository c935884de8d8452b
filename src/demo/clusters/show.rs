//! What the demo with clusters prints.

use std::io::{Write as _, stdout};
use std::path::Path;
use std::time::Duration;

use super::cluster::Cluster;
use super::figures::{Memory, Update};
use super::watch::{Event, What};
use crate::demo::fleet;
use crate::demo::parts::Parts;
use crate::demo::screen::{Screen, say, short};

/// When something happened.
#[derive(Clone, Copy)]
pub(super) struct Times {
    /// After the tag was in the registry.
    pub after: Duration,
    /// After the step before, in the same cluster.
    pub between: Option<Duration>,
}

impl Screen {
    pub(super) fn clusters(&self, clusters: &[Cluster], after: Duration) {
        for cluster in clusters {
            let (name, version, seconds) = (cluster.name, &cluster.version, after.as_secs_f64());
            say!(
                "  {name:<11} Kubernetes {version} after {seconds:.1} s, its controller a process of its own"
            );
        }
        say!(
            "\n{}",
            self.paint(
                "1",
                "Each controller is given its source and one Kustomization; the rest is in Git"
            )
        );
    }

    pub(super) fn settled(after: Duration) {
        say!(
            "  Both clusters run what the repository says after {:.1} s.",
            after.as_secs_f64()
        );
        say!("  From here on the registry tells the clusters of each tag, as a webhook would: it sets");
        say!(
            "  {} on the ImageRepository. Without it they wait for",
            fluxbot_api::annotation::REQUESTED_AT
        );
        say!("  spec.interval. Times are those at which the demo's watches saw the objects change.");
    }

    /// Shows an event; with nothing to count from, without its times.
    pub(super) async fn cluster_event(&self, parts: &Parts, event: &Event, times: Option<Times>) {
        let place = event.place;
        let line = |colour: &str, word: &str, text: &str| self.cluster_step(times, colour, word, place, text);
        match &event.what {
            What::Pushed { image, is_own: true } => line("36", "pushed", image),
            What::Pushed { image, is_own: false } => {
                line(
                    "36",
                    "pushed",
                    &format!("{image}, by somebody else than this scene"),
                );
            }
            What::Scanned { image, tags } => line("36", "scanned", &format!("{image} has {tags} tags")),
            What::Selected {
                policy,
                before,
                image,
            } => {
                let before = before
                    .as_deref()
                    .map_or(String::new(), |before| format!("{before} -> "));
                let tag = image.rsplit(':').next().unwrap_or(image);
                line("33", "selected", &format!("imagepolicy/{policy} {before}{tag}"));
            }
            What::Committed { automation, commit } => {
                line(
                    "32",
                    "committed",
                    &format!("{} by imageupdateautomation/{automation}", short(commit)),
                );
                self.diff(parts, commit).await;
            }
            What::Fetched { source, revision } => {
                let commit = revision.rsplit(':').next().map_or(revision.as_str(), short);
                line("34", "fetched", &format!("{commit} by gitrepository/{source}"));
            }
            What::Applied { object, image } => line("35", "applied", &format!("{object} {image}")),
            What::Ready { object, .. } => line("32", "ready", &object.to_string()),
            What::Pruned { object } => line("35", "pruned", object),
            What::Settled { object, revision } => {
                let revision = revision
                    .as_deref()
                    .and_then(|revision| revision.rsplit(':').next());
                let at = revision.map_or(String::new(), |commit| format!(" at {}", short(commit)));
                line("32", "ready", &format!("{object}{at}"));
            }
            What::Waiting { object, message } => line("33", "waiting", &format!("{object}: {message}")),
            What::Failed {
                object,
                reason,
                message,
            } => {
                line("31", "failed", &format!("{object} {reason}: {message}"));
            }
            What::Ended { process, status } => line("31", "ended", &format!("{process}: {status}")),
        }
    }

    fn cluster_step(&self, times: Option<Times>, colour: &str, word: &str, place: &str, text: &str) {
        let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
        let after = times.map_or_else(String::new, |times| {
            format!("+{:.0} ms", milliseconds(times.after))
        });
        let between = times.and_then(|times| times.between);
        let between = between.map_or_else(String::new, |between| format!("(+{:.0})", milliseconds(between)));
        let word = self.paint(colour, &format!("{word:<9}"));
        say!("  {after:>9} {between:>8}  {word}  {place:<10}  {text}");
    }

    /// Shows what a commit changes.
    async fn diff(&self, parts: &Parts, commit: &str) {
        let arguments = ["show", "--format=", "--unified=0", "--no-color", commit];
        let Ok(text) = fleet::git(&parts.bare, &arguments).await else {
            return;
        };
        for line in text.lines() {
            if let Some(path) = line.strip_prefix("+++ b/") {
                say!("{:34}{path}", "");
            } else if line.starts_with('-') && !line.starts_with("---") {
                say!("{:34}{}", "", self.paint("31", line));
            } else if line.starts_with('+') {
                say!("{:34}{}", "", self.paint("32", line));
            }
        }
    }

    pub(super) fn update_table(&self, updates: &[Update]) {
        say!(
            "\n{}",
            self.paint(
                "1",
                "Summary: milliseconds after the tag was in the registry, and between the steps"
            )
        );
        say!(
            "  {:<10}  {:>8}  {:>14}  {:>14}  {:>14}  {:>14}  update",
            "cluster",
            "selected",
            "committed",
            "fetched",
            "applied",
            "ready"
        );
        for update in updates {
            let mut before: Option<Duration> = None;
            let mut cells = Vec::new();
            for time in update.steps() {
                let cell = time.map_or_else(
                    || "-".to_owned(),
                    |time| {
                        let milliseconds = time.as_secs_f64() * 1000.0;
                        let between = before.map(|before| time.saturating_sub(before).as_secs_f64() * 1000.0);
                        let between = between.map_or_else(String::new, |between| format!(" (+{between:.0})"));
                        format!("{milliseconds:.0}{between}")
                    },
                );
                cells.push(cell);
                before = time.or(before);
            }
            let mut line = format!("  {:<10}", update.cluster);
            for (cell, width) in cells.iter().zip([8, 14, 14, 14, 14]) {
                line = format!("{line}  {cell:>width$}");
            }
            say!("{line}  {}", update.title);
        }
    }

    pub(super) fn nothing_changed(clusters: &str) {
        say!("{:21}{:<9}  {clusters}", "", "no change");
    }

    pub(super) fn checked(expected: usize, flux: usize) {
        say!(
            "Checked on the API servers: {expected} objects run the expected images, {flux} Flux objects are Ready."
        );
    }

    pub(super) fn memory(controllers: &[Memory]) {
        let mebibytes = |bytes: u64| bytes >> 20;
        let of = |memory: &Memory| {
            let (now, peak) = (mebibytes(memory.now), mebibytes(memory.peak));
            format!("{} {now} MiB (at most {peak})", memory.cluster)
        };
        let texts: Vec<String> = controllers.iter().map(of).collect();
        say!("Memory of the controllers: {}.", texts.join(", "));
    }

    pub(super) fn differs(differences: &[String]) {
        for difference in differences {
            say!("  {difference}");
        }
    }

    pub(super) fn look_at_clusters(&self, parts: &Parts, clusters: &[Cluster], control_plane: &Path) {
        let (registry, git) = (parts.registry, parts.git);
        say!(
            "\n{}",
            self.paint(
                "1",
                "Look further, while this runs (Ctrl-C ends it and leaves nothing behind)"
            )
        );
        for cluster in clusters {
            say!(
                "  export KUBECONFIG={}   # {}",
                cluster.kubeconfig.display(),
                cluster.name
            );
        }
        let kubectl = control_plane.with_file_name("kubectl");
        if kubectl.is_file() {
            say!("  alias kubectl={}   # if you have none", kubectl.display());
        }
        say!(
            "  kubectl -n flux-system get gitrepositories,kustomizations,imagerepositories,imagepolicies,imageupdateautomations"
        );
        say!("  kubectl -n apps get deployments -o wide");
        say!("  kubectl get events -A");
        for cluster in clusters {
            say!("  tail -f {}", cluster.log.display());
        }
        say!("  git clone http://{git}/fleet.git && git -C fleet log --patch --author=fluxbot");
        say!("  # a tag of your own, as 1.0.2 under another name:");
        say!("  curl -s http://{registry}/v2/btoll/debug/manifests/1.0.2 | curl -sT - \\");
        say!(
            "    -H 'Content-Type: application/vnd.oci.image.index.v1+json' http://{registry}/v2/btoll/debug/manifests/1.0.9"
        );
    }
}
