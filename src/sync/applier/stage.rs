//! Applies objects stage by stage: dry-runs of all objects of a stage, then writes of those that differ.

use std::collections::BTreeMap;
use std::sync::Mutex;

use futures::stream::{self, StreamExt as _};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::super::health;
use super::super::inventory::{Entry, Inventory};
use super::super::normalize::is_definition;
use super::super::object::{GroupKind, Object, text};
use super::super::order::{self, Stage};
use super::super::prepare::{Prepared, PreparedObject};
use super::discovery::{Resource, Wanted, unknown};
use super::look::{Look, Write, look, replace};
use super::wait::{Backoff, WaitOptions, wait_ready};
use super::write::{Written, write};
use super::{
    Action, Applied, Applier, ApplyCause, ApplyError, ApplyOptions, CallError, Change, ObjectFailure, Phase,
    Progress, entry_of,
};

/// How many objects of one apply are looked at or written at once; the applier's own limit holds besides.
const AT_ONCE: usize = 16;

/// An object on its way.
pub(super) struct Task<'a> {
    pub prepared: &'a PreparedObject,
    pub entry: Entry,
    pub path: String,
    /// Whether the kind is defined by another object of the same apply, and so may not be served at once.
    pub is_kind_new: bool,
}

impl Task<'_> {
    pub(super) fn failure(&self, phase: Phase, error: CallError) -> ObjectFailure {
        ObjectFailure {
            id: self.entry.id.clone(),
            origin: self.prepared.object().origin.clone(),
            phase,
            error: error.masked(&self.prepared.object().value),
        }
    }

    pub(super) fn change(&self, action: Action) -> Change {
        Change {
            entry: self.entry.clone(),
            action,
            fields: Vec::new(),
            dropped: Vec::new(),
            taken_from: None,
            origin: self.prepared.object().origin.clone(),
        }
    }
}

/// What an apply needs everywhere.
pub(super) struct Context<'a> {
    pub applier: &'a Applier,
    pub options: &'a ApplyOptions,
    pub cancel: &'a CancellationToken,
    pub progress: &'a (dyn Fn(Progress<'_>) + Send + Sync),
    /// The kinds that objects of this apply define, with whether they have namespaces.
    pub defined: BTreeMap<GroupKind, bool>,
}

pub(super) async fn inventory(applier: &Applier, objects: &Prepared) -> Result<Inventory, CallError> {
    let defined = definitions(objects);
    let mut entries = Vec::new();
    for prepared in objects.objects() {
        let object = prepared.object();
        let found = applier
            .shared
            .discovery
            .exact(&applier.api, wanted(object))
            .await?;
        let is_namespaced = found
            .map(|resource| resource.is_namespaced)
            .or_else(|| defined.get(&kind_of(object)).copied());
        entries.push(entry_of(object, is_namespaced.unwrap_or(true)));
    }
    entries.sort_by(|one, two| order::compare(&one.id, &two.id));
    Ok(entries.into_iter().collect())
}

pub(super) async fn apply(
    applier: &Applier,
    objects: &Prepared,
    options: &ApplyOptions,
    cancel: &CancellationToken,
    progress: &(dyn Fn(Progress<'_>) + Send + Sync),
) -> Result<Applied, Box<ApplyError>> {
    let context = Context {
        applier,
        options,
        cancel,
        progress,
        defined: definitions(objects),
    };
    let mut stages: BTreeMap<Stage, Vec<&PreparedObject>> = BTreeMap::new();
    for prepared in objects.objects() {
        let stage = Stage::of(&prepared.object().id(), &options.custom_stage_kinds);
        stages.entry(stage).or_default().push(prepared);
    }
    let mut done = Done::default();
    for (stage, mut objects) in stages {
        objects.sort_by(|one, two| order::compare(&one.object().id(), &two.object().id()));
        if let Err(cause) = apply_stage(&context, stage, &objects, &mut done).await {
            let Done { applied, uncertain } = done;
            return Err(Box::new(ApplyError {
                cause,
                applied,
                uncertain,
            }));
        }
    }
    Ok(done.applied)
}

/// What an apply did so far.
#[derive(Default)]
struct Done {
    applied: Applied,
    /// Objects whose write may have been carried out.
    uncertain: Vec<Entry>,
}

async fn apply_stage(
    context: &Context<'_>,
    stage: Stage,
    objects: &[&PreparedObject],
    done: &mut Done,
) -> Result<(), ApplyCause> {
    (context.progress)(Progress::Stage {
        stage,
        objects: objects.len(),
    });
    let tasks = tasks(context, objects).await?;
    let looks = look_at_all(context, &tasks).await?;
    let mut outcomes: Vec<(usize, Written)> = Vec::new();
    let mut writes: Vec<(usize, Write)> = Vec::new();
    for (index, look) in looks.into_iter().enumerate() {
        match look {
            Look::Settled(written) => outcomes.push((index, written)),
            Look::Write(write) => writes.push((index, write)),
            // Those were replaced above.
            Look::Failed(_) | Look::Replace { .. } => {}
        }
    }
    if context.cancel.is_cancelled() {
        return Err(ApplyCause::Cancelled);
    }
    if !writes.is_empty() {
        let objects = writes.len();
        (context.progress)(Progress::Writing { stage, objects });
    }
    let result = write_all(context, &tasks, writes, &mut outcomes, &mut done.uncertain).await;
    outcomes.sort_by_key(|(index, _)| *index);
    let mut unready = Vec::new();
    for (index, written) in outcomes {
        if let Some(task) = tasks.get(index) {
            settle(context, stage, task, &written);
        }
        if !written.is_current && written.change.action != Action::Skipped {
            unready.push(written.change.entry.clone());
        }
        done.applied.changes.push(written.change);
    }
    result?;
    if !stage.is_awaited() || unready.is_empty() {
        return Ok(());
    }
    (context.progress)(Progress::Waiting {
        stage,
        objects: unready.len(),
    });
    let options = WaitOptions {
        timeout: context.options.stage_timeout,
        fail_fast: false,
        ..WaitOptions::default()
    };
    match wait_ready(context.applier, &unready, &options, context.cancel).await {
        Err(super::WaitError::Cancelled) => Err(ApplyCause::Cancelled),
        result => Ok(result?),
    }
}

/// Remembers objects that are as they should be, and forgets the kinds that a changed definition defines.
fn settle(context: &Context<'_>, stage: Stage, task: &Task<'_>, written: &Written) {
    let known = &context.applier.known;
    let Some(version) = &written.resource_version else {
        return;
    };
    if written.change.is_change() && is_definition(&task.prepared.object().value) {
        known.forget_kind(&defined_kind(&task.prepared.object().value));
    }
    // An awaited object is asked for its health again until it is ready.
    if written.is_current || !stage.is_awaited() {
        known.record(&task.entry.id, *task.prepared.digest(), version);
    }
}

/// Finds the resources of objects. All that cannot be found are reported together.
async fn tasks<'a>(
    context: &Context<'_>,
    objects: &[&'a PreparedObject],
) -> Result<Vec<Task<'a>>, ApplyCause> {
    let mut tasks = Vec::with_capacity(objects.len());
    let mut failures = Vec::new();
    for prepared in objects {
        let object = prepared.object();
        let is_kind_new = context.defined.contains_key(&kind_of(object));
        let found = resource(context, object, is_kind_new).await?;
        let is_namespaced = found.as_ref().is_none_or(|resource| resource.is_namespaced);
        let entry = entry_of(object, is_namespaced);
        let path = match &found {
            None => Err(unknown(object.group(), object.version(), object.kind())),
            Some(resource) if resource.is_namespaced && entry.id.namespace.is_none() => Err(no_namespace()),
            Some(resource) => resource.path(&entry.id),
        };
        match path {
            Ok(path) => tasks.push(Task {
                prepared,
                entry,
                path,
                is_kind_new,
            }),
            Err(error) => failures.push(ObjectFailure {
                id: entry.id,
                origin: object.origin.clone(),
                phase: Phase::DryRun,
                error,
            }),
        }
    }
    if failures.is_empty() {
        Ok(tasks)
    } else {
        // What else is wrong with the stage is reported too.
        let mut others = failures_of(look_at(context, &tasks).await);
        failures.append(&mut others);
        Err(ApplyCause::Objects(failures))
    }
}

/// The answer that the API server has for an object that is sent without its namespace.
fn no_namespace() -> CallError {
    CallError::Rejected {
        code: 404,
        reason: "NotFound".to_owned(),
        message: "the server could not find the requested resource".to_owned(),
    }
}

/// The resource of an object. A kind that was just defined is waited for: a definition is established before all parts of the
/// API server know of it.
async fn resource(
    context: &Context<'_>,
    object: &Object,
    is_kind_new: bool,
) -> Result<Option<Resource>, ApplyCause> {
    let mut backoff = Backoff::quick(context.options.stage_timeout);
    loop {
        if context.cancel.is_cancelled() {
            return Err(ApplyCause::Cancelled);
        }
        let discovery = &context.applier.shared.discovery;
        let found = discovery
            .exact(&context.applier.api, wanted(object))
            .await
            .map_err(ApplyCause::Discovery)?;
        if found.is_some() || !is_kind_new || !backoff.pause(context.cancel).await {
            return Ok(found);
        }
    }
}

async fn look_at(context: &Context<'_>, tasks: &[Task<'_>]) -> Vec<Look> {
    let looks: Vec<_> = tasks.iter().map(|task| look(context, task)).collect();
    stream::iter(looks).buffered(AT_ONCE).collect().await
}

fn failures_of(looks: Vec<Look>) -> Vec<ObjectFailure> {
    looks
        .into_iter()
        .filter_map(|look| match look {
            Look::Failed(failure) => Some(failure),
            Look::Settled(_) | Look::Write(_) | Look::Replace { .. } => None,
        })
        .collect()
}

/// Looks at all objects, and replaces those that must be, once it is certain that nothing else is wrong with the stage.
async fn look_at_all(context: &Context<'_>, tasks: &[Task<'_>]) -> Result<Vec<Look>, ApplyCause> {
    let mut looks = look_at(context, tasks).await;
    if context.cancel.is_cancelled() {
        return Err(ApplyCause::Cancelled);
    }
    if looks.iter().any(|look| matches!(look, Look::Failed(_))) {
        return Err(ApplyCause::Objects(failures_of(looks)));
    }
    for (look, task) in looks.iter_mut().zip(tasks) {
        if let Look::Replace { live, error } = look {
            *look = replace(context, task, live, error).await;
        }
    }
    if looks.iter().any(|look| matches!(look, Look::Failed(_))) {
        return Err(ApplyCause::Objects(failures_of(looks)));
    }
    Ok(looks)
}

/// Writes objects, those of one rank at once, and stops after the rank in which one fails.
async fn write_all(
    context: &Context<'_>,
    tasks: &[Task<'_>],
    writes: Vec<(usize, Write)>,
    outcomes: &mut Vec<(usize, Written)>,
    uncertain: &mut Vec<Entry>,
) -> Result<(), ApplyCause> {
    let mut by_rank: BTreeMap<i32, Vec<(usize, Write)>> = BTreeMap::new();
    for (index, write) in writes {
        if let Some(task) = tasks.get(index) {
            let rank = order::rank(&task.entry.id.kind);
            by_rank.entry(rank).or_default().push((index, write));
        }
    }
    for writes in by_rank.into_values() {
        if context.cancel.is_cancelled() {
            return Err(ApplyCause::Cancelled);
        }
        let failures = Mutex::new(Vec::new());
        let work: Vec<_> = writes
            .into_iter()
            .map(|(index, planned)| {
                let failures = &failures;
                async move {
                    let task = tasks.get(index)?;
                    match write(context, task, planned).await {
                        Ok(written) => {
                            (context.progress)(Progress::Done(&written.change));
                            Some((index, written))
                        }
                        Err(failure) => {
                            let mut failures =
                                failures.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                            failures.push((task.entry.clone(), failure));
                            None
                        }
                    }
                }
            })
            .collect();
        let written: Vec<Option<(usize, Written)>> =
            stream::iter(work).buffer_unordered(AT_ONCE).collect().await;
        outcomes.extend(written.into_iter().flatten());
        let failures = failures
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if !failures.is_empty() {
            let may_be_there = failures
                .iter()
                .filter(|(_, failure)| failure.phase == Phase::Apply && failure.error.may_be_done());
            uncertain.extend(may_be_there.map(|(entry, _)| entry.clone()));
            let failures = failures.into_iter().map(|(_, failure)| failure);
            return Err(ApplyCause::Objects(failures.collect()));
        }
    }
    Ok(())
}

fn wanted(object: &Object) -> Wanted<'_> {
    Wanted {
        group: object.group(),
        version: object.version(),
        kind: object.kind(),
    }
}

fn kind_of(object: &Object) -> GroupKind {
    GroupKind {
        group: object.group().to_owned(),
        kind: object.kind().to_owned(),
    }
}

fn defined_kind(definition: &Value) -> GroupKind {
    GroupKind {
        group: text(definition, "/spec/group").to_owned(),
        kind: text(definition, "/spec/names/kind").to_owned(),
    }
}

/// The kinds that objects define, with whether they have namespaces.
fn definitions(objects: &Prepared) -> BTreeMap<GroupKind, bool> {
    objects
        .objects()
        .iter()
        .map(|prepared| &prepared.object().value)
        .filter(|value| is_definition(value))
        .map(|value| (defined_kind(value), text(value, "/spec/scope") == "Namespaced"))
        .collect()
}

/// Whether a live object is ready, and the resource version at which it is.
pub(super) fn state(live: &Value) -> (bool, Option<String>) {
    let version = text(live, "/metadata/resourceVersion");
    let version = Some(version.to_owned()).filter(|version| !version.is_empty());
    (health::compute(live).is_current(), version)
}
