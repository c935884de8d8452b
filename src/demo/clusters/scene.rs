//! One scene: tags are pushed, and what follows is shown until all pods run the expected images.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use tokio::time::timeout_at;

use super::figures::Update;
use super::show::Times;
use super::watch::{Event, What};
use super::{Demo, PATIENCE};
use crate::demo::scenario::{self, APPLICATIONS, CLUSTERS, Expected, Object, Push};
use crate::demo::screen::Screen;

/// How long a scene is watched after everything expected has happened, for something that must not be.
const QUIET: Duration = Duration::from_millis(400);

/// What is played.
pub(super) struct Play {
    pub title: String,
    pub pushes: Vec<Push>,
    pub expected: Vec<Expected>,
    pub commits_by_a_person: usize,
    /// Whether it is there to be measured, not to be looked at.
    pub is_measured: bool,
}

/// An update that only measures: the next patch release of an image that beta follows.
pub(super) fn measured(number: u32) -> Play {
    const REPOSITORY: &str = "btoll/debug";
    let tag = format!("1.0.{}", 100 + number);
    Play {
        title: format!("update {number}"),
        pushes: Vec::new(),
        expected: vec![Expected {
            cluster: "beta",
            repository: REPOSITORY,
            tag,
        }],
        commits_by_a_person: 0,
        is_measured: true,
    }
}

/// How far a scene is.
struct Progress {
    begin: Option<Instant>,
    /// When the last step of each cluster was.
    last: HashMap<&'static str, Instant>,
    scanned: Vec<&'static str>,
    updates: Vec<Update>,
}

impl Progress {
    fn note(&mut self, event: &Event) -> Option<Times> {
        if matches!(event.what, What::Pushed { .. }) && self.begin.is_none() {
            self.begin = Some(event.at);
        }
        let begin = self.begin?;
        let after = event.at.saturating_duration_since(begin);
        if let What::Scanned { .. } = event.what {
            self.scanned.push(event.place);
        }
        if let Some(update) = self
            .updates
            .iter_mut()
            .find(|update| update.cluster == event.place)
        {
            match &event.what {
                What::Selected { .. } => update.selected = Some(after),
                What::Committed { .. } => update.committed = Some(after),
                What::Fetched { .. } => update.fetched = Some(after),
                What::Applied { .. } => update.applied = Some(after),
                What::Ready { .. } => update.ready = Some(after),
                _ => {}
            }
        }
        if matches!(event.what, What::Pushed { .. }) {
            return Some(Times { after, between: None });
        }
        let before = self.last.insert(event.place, event.at).unwrap_or(begin);
        Some(Times {
            after,
            between: Some(event.at.saturating_duration_since(before)),
        })
    }
}

impl Demo<'_> {
    /// Pushes the tags and shows what follows until everything expected runs and is Ready.
    pub(super) async fn play(&mut self, play: Play) -> anyhow::Result<()> {
        while let Ok(event) = self.events.try_recv() {
            self.note(&event);
        }
        self.screen.heading(&play.title);
        let registry = self.parts.registry.to_string();
        scenario::change(&mut self.state, &play.expected);
        let of_cluster =
            |cluster: &&'static str| play.expected.iter().any(|expected| expected.cluster == *cluster);
        let changing: Vec<&'static str> = CLUSTERS.into_iter().filter(of_cluster).collect();
        let updates = changing
            .iter()
            .map(|cluster| Update::new(&play.title, cluster, play.is_measured));
        let mut progress = Progress {
            begin: None,
            last: HashMap::new(),
            scanned: Vec::new(),
            updates: updates.collect(),
        };
        let person = self.parts.person(play.commits_by_a_person);
        for push in &play.pushes {
            self.parts.push(push.repository, push.tag).await?;
        }
        if play.is_measured {
            for expected in &play.expected {
                self.parts.push(expected.repository, &expected.tag).await?;
            }
        }
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let expected = self.others.leave(&play.expected);
            let missing = self.board.differences(&expected, &registry);
            if missing.is_empty() && (!play.expected.is_empty() || !progress.scanned.is_empty()) {
                break;
            }
            let Some(event) = self.next(deadline).await? else {
                Screen::differs(&missing);
                bail!(
                    "waited {} s for what scene '{}' expects",
                    PATIENCE.as_secs(),
                    play.title
                );
            };
            self.take(&event, &mut progress).await?;
        }
        // Measured updates follow each other: a step of the last one that comes late is seen by the next.
        let quiet = if play.is_measured { QUIET / 2 } else { QUIET };
        let deadline = tokio::time::Instant::now() + quiet;
        while let Some(event) = self.next(deadline).await? {
            self.take(&event, &mut progress).await?;
        }
        let unchanged: Vec<&str> = CLUSTERS
            .into_iter()
            .filter(|cluster| !changing.contains(cluster))
            .collect();
        if !unchanged.is_empty() {
            Screen::nothing_changed(&unchanged.join(", "));
        }
        if let Some(person) = person {
            let deadline = tokio::time::Instant::now() + PATIENCE;
            let commits = timeout_at(deadline, person)
                .await
                .context("waiting for the person's commits")?;
            self.screen.person(commits.context("the person's commits")??);
        }
        self.updates.append(&mut progress.updates);
        Ok(())
    }

    /// Whether an object runs an image of a repository in which the user has pushed tags.
    fn is_of_others(&self, object: &Object) -> bool {
        let mut applications = APPLICATIONS.iter();
        applications
            .any(|application| application.object == *object && self.others.has(application.repository))
    }

    /// Shows an event of a scene, and refuses what nothing asked for.
    async fn take(&mut self, event: &Event, progress: &mut Progress) -> anyhow::Result<()> {
        if matches!(event.what, What::Settled { .. }) {
            return Ok(());
        }
        let times = match event.what {
            // Times count from the scene's own tags.
            What::Pushed { is_own: false, .. } => None,
            _ => progress.note(event),
        };
        self.screen.cluster_event(self.parts, event, times).await;
        if let What::Applied { object, image } = &event.what
            && !self.is_of_others(object)
        {
            let registry = self.parts.registry.to_string();
            let is_asked_for = |expected: &Expected| {
                expected.cluster == event.place
                    && expected
                        .application()
                        .is_some_and(|application| application.object == *object)
                    && expected.image(&registry) == *image
            };
            let place = event.place;
            ensure!(
                self.state.iter().any(is_asked_for),
                "{place}: {object} was changed to {image}, which nothing asked for"
            );
        }
        Ok(())
    }
}
