//! What was measured, as a table.

use std::time::Duration;

/// What a process used so far; memory in KiB.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    pub resident: f64,
    pub anonymous: f64,
    pub peak: f64,
    pub cpu: Duration,
}

/// All figures of a run.
pub struct Figures {
    pub repositories: usize,
    rows: Vec<(String, String)>,
    peers: Vec<Duration>,
    selected: Duration,
    updates: Vec<Duration>,
}

impl Figures {
    pub fn new(repositories: usize, tags: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let what = format!(
            "{repositories} ImageRepositories with {tags} tags and {repositories} semver ImagePolicies"
        );
        Self {
            repositories,
            rows: vec![(what, format!("{cores} cores"))],
            peers: Vec::new(),
            selected: Duration::ZERO,
            updates: Vec::new(),
        }
    }

    fn row(&mut self, what: &str, figure: String) {
        eprintln!("{what}: {figure}");
        self.rows.push((what.to_owned(), figure));
    }

    pub fn created(time: Duration) {
        eprintln!("created the peer's objects in {:.2} s", time.as_secs_f64());
    }

    pub fn peer(&mut self, when: &str, (statuses, all): (Duration, Duration)) {
        self.peers.push(all);
        let figure = format!(
            "{:.2} s, {:.2} s of them statuses",
            all.as_secs_f64(),
            statuses.as_secs_f64()
        );
        self.row(
            &format!("plain client, the same statuses and events, {when}"),
            figure,
        );
    }

    pub fn cold(&mut self, selected: Duration, told: Duration, usage: Usage, lists: usize) {
        self.selected = selected;
        self.row(
            "cold start to all latestRef set",
            format!("{:.2} s", selected.as_secs_f64()),
        );
        self.row(
            "  until all events are there too",
            format!("{:.2} s", told.as_secs_f64()),
        );
        self.row("  memory and CPU when all latestRef are set", usage.text());
        self.row("  tag lists requested", lists.to_string());
    }

    pub fn restart(&mut self, settled: Duration, usage: Usage, lists: usize) {
        self.row(
            "restart, nothing changed, until every object was looked at",
            format!("{:.2} s", settled.as_secs_f64()),
        );
        self.row("  memory and CPU", usage.text());
        self.row("  tag lists requested", lists.to_string());
    }

    pub fn usage(&mut self, when: &str, usage: Usage) {
        self.row(&format!("  memory and CPU {when}"), usage.text());
    }

    pub fn update(&mut self, time: Duration) {
        self.updates.push(time);
    }

    pub fn print(mut self) {
        self.updates.sort();
        let at = |part: usize| {
            let last = self.updates.len().saturating_sub(1);
            let time = self.updates.get(last * part / 100).copied().unwrap_or_default();
            time.as_secs_f64() * 1000.0
        };
        let figure = format!("{:.1} / {:.1} / {:.1} ms", at(0), at(50), at(100));
        self.row(
            "one tag added, requestedAt set, to latestRef (minimum, median, maximum)",
            figure,
        );
        let peers: f64 = self.peers.iter().map(Duration::as_secs_f64).sum();
        let peer = peers / f64::from(u32::try_from(self.peers.len().max(1)).unwrap_or(1));
        self.row(
            "cold start / plain client",
            format!("{:.2}", self.selected.as_secs_f64() / peer),
        );
        for (what, figure) in &self.rows {
            println!("{what:<76} {figure}");
        }
    }
}
