//! What the demo prints.

use std::io::{IsTerminal as _, Write as _, stdout};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::chain::{Chain, Event, What};

/// Prints a line. A reader that has gone is no reason to stop: with `--once` the exit code still tells.
macro_rules! say {
    ($($text:tt)*) => { drop(writeln!(stdout(), $($text)*)) };
}

pub(super) use say;

/// How many digits of a commit's id are shown.
const SHORT_ID: usize = 7;

/// One line of the summary.
pub(super) struct SummaryRow {
    title: String,
    seen: Option<Duration>,
    selected: Option<Duration>,
    committed: Option<Duration>,
    commits: Vec<String>,
}

impl SummaryRow {
    pub(super) fn new(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            seen: None,
            selected: None,
            committed: None,
            commits: Vec::new(),
        }
    }

    pub(super) fn seen(&mut self, after: Duration) {
        self.seen.get_or_insert(after);
    }

    pub(super) fn selected(&mut self, after: Duration) {
        self.selected.get_or_insert(after);
    }

    pub(super) fn committed(&mut self, after: Duration, commit: &str) {
        self.committed = Some(after);
        self.commits.push(short(commit).to_owned());
    }
}

/// Prints to standard output; colours only on a terminal.
pub(super) struct Screen {
    colours: bool,
}

impl Screen {
    pub(super) fn new() -> Self {
        Self {
            colours: stdout().is_terminal(),
        }
    }

    pub(super) fn paint(&self, code: &str, text: &str) -> String {
        if self.colours {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    pub(super) fn title(&self, text: &str) {
        say!("{}", self.paint("1", text));
    }

    pub(super) fn parts(registry: &SocketAddr, git: &SocketAddr) {
        say!("  registry    http://{registry}  (OCI distribution, in memory)");
        say!("  Git server  http://{git}/fleet.git  (git http-backend)");
    }

    pub(super) fn chain(name: &str, chain: &Chain) {
        let objects = &chain.objects;
        say!(
            "  {name:<11} {} image repositories, {} policies, {} automations in clusters/{name}",
            objects.repositories.len(),
            objects.policies.len(),
            objects.automations.len()
        );
    }

    pub(super) fn scene(&self, number: usize, title: &str) {
        self.heading(&format!("{number}. {title}"));
    }

    pub(super) fn heading(&self, text: &str) {
        say!("\n{}", self.paint("1", text));
    }

    fn step(&self, after: Option<Duration>, colour: &str, word: &str, text: &str) {
        let time = after.map_or_else(String::new, |after| {
            format!("+{:.1} ms", after.as_secs_f64() * 1000.0)
        });
        say!(
            "  {time:>11}  {}  {text}",
            self.paint(colour, &format!("{word:<9}"))
        );
    }

    pub(super) fn pushed(&self, image: &str) {
        self.step(Some(Duration::ZERO), "36", "pushed", image);
    }

    pub(super) fn event(&self, event: &Event, after: Duration) {
        self.show(event, Some(after));
    }

    /// Shows something that no scene led to, so that there is nothing to count from.
    pub(super) fn news(&self, event: &Event) {
        self.show(event, None);
    }

    fn show(&self, event: &Event, after: Option<Duration>) {
        let cluster = format!("{:<11}", event.cluster);
        match &event.what {
            What::Seen { image, added, tags } => {
                self.step(
                    after,
                    "36",
                    "seen",
                    &format!("{cluster} {image} has {tags} tags, new: {}", added.join(", ")),
                );
            }
            What::Selected {
                policy,
                before,
                after: image,
                why,
            } => {
                let before = before.as_ref().map_or("nothing", |image| image.tag());
                let text = format!("{cluster} {policy} {before} -> {}: {why}", image.tag());
                self.step(after, "33", "selected", &text);
            }
            What::Kept {
                policy,
                selected,
                why,
            } => {
                let text = format!("{cluster} {policy} stays at {}: {why}", selected.tag());
                self.step(after, "33", "kept", &text);
            }
            What::Committed {
                commit,
                branch,
                changes,
                lost_races,
            } => {
                let races = match lost_races {
                    0 => String::new(),
                    1 => ", after one lost race".to_owned(),
                    count => format!(", after {count} lost races"),
                };
                self.step(
                    after,
                    "32",
                    "committed",
                    &format!("{cluster} {} on {branch}{races}", short(commit)),
                );
                for (path, change) in changes.changes() {
                    say!("{:26}{path}:{}  {}", "", change.line, change.marker);
                    say!("{:26}{}", "", self.paint("31", &format!("- {}", change.old)));
                    say!("{:26}{}", "", self.paint("32", &format!("+ {}", change.new)));
                }
            }
            What::Failed { reason } => self.step(after, "31", "failed", &format!("{cluster} {reason}")),
        }
    }

    pub(super) fn person(&self, commits: usize) {
        self.step(
            None,
            "36",
            "a person",
            &format!("pushed {commits} commits to the same branch meanwhile"),
        );
    }

    pub(super) fn summary(&self, rows: &[SummaryRow]) {
        say!("\n{}", self.paint("1", "Summary: milliseconds after the push"));
        say!(
            "  {:>8}  {:>8}  {:>9}  {:<32}  update",
            "seen",
            "selected",
            "committed",
            "commits"
        );
        for row in rows {
            let cell = |time: Option<Duration>| {
                time.map_or_else(
                    || "-".to_owned(),
                    |time| format!("{:.1}", time.as_secs_f64() * 1000.0),
                )
            };
            let commits = if row.commits.is_empty() {
                "none, as it must be".to_owned()
            } else {
                row.commits.join(" ")
            };
            say!(
                "  {:>8}  {:>8}  {:>9}  {commits:<32}  {}",
                cell(row.seen),
                cell(row.selected),
                cell(row.committed),
                row.title
            );
        }
    }

    pub(super) fn verified(by_fluxbot: usize, by_person: usize) {
        say!(
            "\nChecked with git: {by_fluxbot} commits of fluxbot change marked values alone, {by_person} of {by_person} \
             commits of a person are still there, fsck is clean."
        );
    }

    pub(super) fn look_further(&self, registry: &SocketAddr, git: &SocketAddr, folder: &Path) {
        say!("\n{}", self.paint("1", "Look further, while this runs"));
        say!("  git clone http://{git}/fleet.git && git -C fleet log --patch --author=fluxbot");
        say!("  fluxbot scan --insecure {registry}/btoll/debug");
        say!("  fluxbot markers --lint fleet");
        say!("  fluxbot update --repo http://{git}/fleet.git --objects clusters/beta");
        say!("  # a tag of your own, as 1.0.2 under another name:");
        say!("  curl -s http://{registry}/v2/btoll/debug/manifests/1.0.2 | curl -sT - \\");
        say!(
            "    -H 'Content-Type: application/vnd.oci.image.index.v1+json' http://{registry}/v2/btoll/debug/manifests/1.0.9"
        );
        say!(
            "  The bare repository is {}",
            folder.join("git/fleet.git").display()
        );
    }
}

pub(super) fn short(commit: &str) -> &str {
    commit.get(..SHORT_ID).unwrap_or(commit)
}
