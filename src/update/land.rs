//! From selections to commits: what each automation wants, and landing it branch by branch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fluxbot_api::image::ImageUpdateAutomation;
use fluxbot_api::source::GitRepository;

use super::{PolicyOutcome, Step, foreign_policies, selections_for};
use crate::committer::{self, CommitPlan, Landed, Landing, PlanDefaults, Target, Work, Writer};
use crate::objects::{ObjectKey, ObjectSet, check_selector};

/// What became of an automation.
#[derive(Debug, Clone)]
pub struct AutomationOutcome {
    /// The automation.
    pub automation: ObjectKey,
    /// Its plan, where it could be made.
    pub plan: Option<CommitPlan>,
    /// Its commit and changes, or why there are none.
    pub result: Result<Landed, String>,
}

/// What each automation wants, or why it wants something impossible.
pub type PlannedWorks = Vec<(ObjectKey, Result<Work, String>)>;

/// The automations that write to another repository than the one at `url`, with the URL of theirs.
///
/// A checkout or mirror may have another URL than the `GitRepository` names (SSH instead of HTTPS, a proxy, a copy), so URLs
/// only count where the automations refer to several repositories; then owner and name tell them apart.
#[must_use]
pub fn foreign_automations(objects: &ObjectSet, url: &str) -> BTreeMap<ObjectKey, String> {
    let mut urls = BTreeMap::new();
    for (key, declared) in &objects.automations {
        if let Some(source) = source_of(objects, key, &declared.object) {
            urls.insert(key.clone(), source.spec.url.clone());
        }
    }
    let distinct: BTreeSet<String> = urls.values().map(|url| owner_and_name(url)).collect();
    if distinct.len() < 2 {
        return BTreeMap::new();
    }
    urls.retain(|_, other| owner_and_name(other) != owner_and_name(url));
    urls
}

/// The last two segments of a URL's path, which forges call owner and name.
fn owner_and_name(url: &str) -> String {
    let url = url.trim_end_matches('/').trim_end_matches(".git").to_lowercase();
    let mut segments: Vec<&str> = url.rsplit(['/', ':']).take(2).collect();
    segments.reverse();
    segments.join("/")
}

/// The `GitRepository` that an automation refers to, where it is among the objects.
fn source_of<'a>(
    objects: &'a ObjectSet,
    key: &ObjectKey,
    automation: &ImageUpdateAutomation,
) -> Option<&'a GitRepository> {
    let reference = &automation.spec.source_ref;
    let source = ObjectKey::referred(&key.namespace, reference.namespace.as_deref(), &reference.name);
    objects.sources.get(&source).map(|found| &found.object)
}

/// Plans every automation that is not suspended.
#[must_use]
pub fn plan_works(objects: &ObjectSet, outcomes: &[PolicyOutcome], defaults: &PlanDefaults) -> PlannedWorks {
    let mut works = Vec::new();
    for (key, declared) in &objects.automations {
        let automation = &declared.object;
        if automation.spec.suspend == Some(true) {
            continue;
        }
        let source = source_of(objects, key, automation);
        let work = check_selector(automation.spec.policy_selector.as_ref())
            .map_err(|error| error.to_string())
            .and_then(|()| committer::plan(automation, source, defaults).map_err(|error| error.to_string()))
            .map(|plan| Work {
                plan,
                // Objects of the same name in the folders of two clusters are two automations.
                identity: format!("{key}@{}", declared.file),
                selections: selections_for(outcomes, objects, key),
                foreign: foreign_policies(objects, key),
                signing_key: None,
            });
        works.push((key.clone(), work));
    }
    works
}

/// Lands what was planned: the automations of one branch are stacked and pushed at once, branches one after the other.
/// Gives what became of each automation, and of each branch.
pub async fn land(
    writer: &Arc<Writer>,
    works: PlannedWorks,
    watch: &(dyn Fn(Step) + Sync),
) -> (Vec<AutomationOutcome>, Vec<Landing>) {
    let mut outcomes = Vec::new();
    let mut landings = Vec::new();
    let mut targets: BTreeMap<Target, Vec<(ObjectKey, Work)>> = BTreeMap::new();
    for (automation, work) in works {
        match work {
            Ok(work) => {
                let target = work.plan.target.clone();
                targets.entry(target).or_default().push((automation, work));
            }
            Err(reason) => outcomes.push(AutomationOutcome {
                automation,
                plan: None,
                result: Err(reason),
            }),
        }
    }
    for (target, group) in targets {
        let (keys, works): (Vec<ObjectKey>, Vec<Work>) = group.into_iter().unzip();
        let plans: Vec<CommitPlan> = works.iter().map(|work| work.plan.clone()).collect();
        let writer = Arc::clone(writer);
        let landing = tokio::task::spawn_blocking(move || writer.land(&works)).await;
        let landing = match landing {
            Ok(result) => result.map_err(|error| error.to_string()),
            Err(error) => Err(format!("internal error: {error}")),
        };
        let results: Vec<Result<Landed, String>> = match landing {
            Ok(landing) => {
                if landing.pushed.is_some() {
                    watch(Step::Pushed {
                        branch: target.push_branch,
                        lost_races: landing.lost_races,
                        messages: landing.server_messages.clone(),
                    });
                }
                let landed = landing.landed.iter().cloned();
                let results = landed
                    .map(|landed| landed.map_err(|error| error.to_string()))
                    .collect();
                landings.push(landing);
                results
            }
            Err(reason) => keys.iter().map(|_| Err(reason.clone())).collect(),
        };
        for ((automation, plan), result) in keys.into_iter().zip(plans).zip(results) {
            outcomes.push(AutomationOutcome {
                automation,
                plan: Some(plan),
                result,
            });
        }
    }
    outcomes.sort_by(|a, b| a.automation.cmp(&b.automation));
    (outcomes, landings)
}
