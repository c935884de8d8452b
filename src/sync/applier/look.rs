//! Looks at one object: what is there, and what an apply would make of it. Nothing is written, but by [`replace`].

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::ignored::{without, yielded};
use super::super::normalize::is_typed;
use super::super::object::text;
use super::super::prepare::Owner;
use super::super::unknown_fields::remove_named;
use super::super::{diff, managers, switches};
use super::stage::{Context, Task, state};
use super::wait::Backoff;
use super::write::Written;
use super::{Action, CallError, Change, ObjectFailure, Phase};

/// What is to be done with an object.
pub(super) enum Look {
    /// Nothing.
    Settled(Written),
    /// It is written.
    Write(Write),
    /// It is deleted and created again, because a field cannot be changed.
    Replace {
        /// What is there.
        live: Value,
        /// What the API server said.
        error: CallError,
    },
    /// It cannot be applied.
    Failed(ObjectFailure),
}

/// An object that is written.
pub(super) struct Write {
    /// What is reported when it is done.
    pub change: Change,
    /// The patch that is sent before.
    pub take_over: Option<Value>,
    /// Whether the fields of other managers stay theirs.
    pub is_merged: bool,
    /// What is sent.
    pub body: Bytes,
}

/// An apply that was tried without effect.
struct Trial {
    /// What it would have made of the object.
    result: Value,
    /// What was sent.
    body: Bytes,
    /// The fields that were left out of it.
    dropped: Vec<String>,
}

/// How many unknown fields of an object are left out before it is refused.
const MOST_DROPPED: usize = 1000;

/// How often an apply of a kind that was just defined is tried.
const NEW_KIND_DEADLINE: std::time::Duration = std::time::Duration::from_secs(10);

pub(super) async fn look(context: &Context<'_>, task: &Task<'_>) -> Look {
    match try_look(context, task).await {
        Ok(look) => look,
        Err(failure) => Look::Failed(failure),
    }
}

async fn try_look(context: &Context<'_>, task: &Task<'_>) -> Result<Look, ObjectFailure> {
    let applier = context.applier;
    if context.cancel.is_cancelled() {
        return Err(task.failure(Phase::Read, CallError::Cancelled));
    }
    if let Some(version) = applier
        .known
        .resource_version(&task.entry.id, task.prepared.digest())
        && let Ok(Some(identity)) = applier.api.identity(&task.path).await
        && identity.resource_version == version
    {
        return Ok(Look::Settled(Written {
            change: task.change(Action::Unchanged),
            is_current: true,
            resource_version: None,
        }));
    }
    let wish = &task.prepared.object().value;
    if switches::is_excluded(wish) || task.prepared.is_left_alone() {
        return Ok(skipped(task));
    }
    let live = match applier.api.get(&task.path).await {
        Ok(live) => live,
        // Without the right to read, the dry-run tells more. Any other failure must not look like an object that is not there:
        // its annotations may forbid to touch it.
        Err(error) if error.code() == Some(403) && !switches::is_created_only(wish) => None,
        Err(error) => return Err(task.failure(Phase::Read, error)),
    };
    if let Some(live) = &live
        && (switches::is_excluded(live) || switches::is_created_only(wish))
    {
        return Ok(skipped(task));
    }
    match try_apply(context, task).await {
        Ok(trial) => Ok(judge(context, task, live.as_ref(), trial)),
        Err(error) => match live {
            Some(live) if error.is_immutable() && may_replace(context, task, &live) => {
                Ok(Look::Replace { live, error })
            }
            _ => Err(task.failure(Phase::DryRun, error)),
        },
    }
}

fn skipped(task: &Task<'_>) -> Look {
    Look::Settled(Written {
        change: task.change(Action::Skipped),
        is_current: true,
        resource_version: None,
    })
}

fn may_replace(context: &Context<'_>, task: &Task<'_>, live: &Value) -> bool {
    context.options.force || switches::is_forced(&task.prepared.object().value) || switches::is_forced(live)
}

/// Whether the object must be written, given what is there and what the dry-run made of it.
fn judge(context: &Context<'_>, task: &Task<'_>, live: Option<&Value>, trial: Trial) -> Look {
    let wish = &task.prepared.object().value;
    let Trial {
        result,
        body,
        dropped,
    } = trial;
    let changed = |action: Action| Change {
        dropped: dropped.clone(),
        ..task.change(action)
    };
    let Some(live) = live else {
        // Created in between, or readable to others only.
        let exists = !text(&result, "/metadata/resourceVersion").is_empty();
        let action = if exists {
            Action::Configured
        } else {
            Action::Created
        };
        return Look::Write(Write {
            change: changed(action),
            take_over: None,
            is_merged: false,
            body,
        });
    };
    let is_merged = switches::is_merged(wish) || switches::is_merged(live);
    let options = context.options;
    let ignored = task.prepared.ignored();
    let is_different = if ignored.is_empty() {
        diff::differs(live, &result)
    } else {
        diff::differs(&without(live, ignored), &without(&result, ignored))
    };
    let take_over = if is_merged {
        None
    } else {
        managers::take_over(live, &options.field_manager, &options.override_managers)
    };
    if take_over.is_none() && !is_different {
        let (is_current, resource_version) = state(live);
        return Look::Settled(Written {
            change: changed(Action::Unchanged),
            is_current,
            resource_version,
        });
    }
    let mut change = changed(Action::Configured);
    change.taken_from = Owner::of(live).filter(|owner| !owner.owns(wish));
    let mut body = body;
    if ignored.is_empty() {
        change.fields = diff::changes(live, &result);
    } else {
        change.fields = diff::changes(&without(live, ignored), &without(&result, ignored));
        let sent: Value = serde_json::from_slice(&body).unwrap_or_default();
        if let Some(yielded) = yielded(&sent, live, &result, ignored, &options.field_manager) {
            body = Bytes::from(yielded.to_string());
        }
    }
    Look::Write(Write {
        change,
        take_over,
        is_merged,
        body,
    })
}

/// Tries an apply, without the fields that a built-in kind does not have, if need be: Flux drops them too.
async fn try_apply(context: &Context<'_>, task: &Task<'_>) -> Result<Trial, CallError> {
    let mut body = task.prepared.body().clone();
    let mut dropped = Vec::new();
    loop {
        let error = match dry_run(context, task, body.clone()).await {
            Ok(result) => {
                return Ok(Trial {
                    result,
                    body,
                    dropped,
                });
            }
            Err(error) => error,
        };
        if dropped.len() >= MOST_DROPPED || !is_typed(&task.prepared.object().value) {
            return Err(error);
        }
        let mut trimmed: Value = serde_json::from_slice(&body).unwrap_or_default();
        let Some(mut fields) = remove_named(&mut trimmed, &error.to_string()) else {
            return Err(error);
        };
        body = Bytes::from(trimmed.to_string());
        dropped.append(&mut fields);
        // The API server names them in no order.
        dropped.sort();
    }
}

/// Tries an apply. While a kind is new, the API server may not serve it yet, although it says so.
async fn dry_run(context: &Context<'_>, task: &Task<'_>, body: Bytes) -> Result<Value, CallError> {
    let mut backoff = Backoff::quick(NEW_KIND_DEADLINE);
    loop {
        let manager = &context.options.field_manager;
        let api = &context.applier.api;
        let result = api.apply(&task.path, body.clone(), manager, true).await;
        let is_not_served_yet = task.is_kind_new
            && result
                .as_ref()
                .is_err_and(|error| error.is_not_found() && error.to_string().contains("requested resource"));
        if !is_not_served_yet || !backoff.pause(context.cancel).await {
            return result;
        }
    }
}

/// Deletes an object that cannot be changed, waits until it is gone, and tries the apply again.
///
/// An object that could not be created either is not deleted: Flux would delete it and then have nothing in its place.
pub(super) async fn replace(context: &Context<'_>, task: &Task<'_>, live: &Value, error: &CallError) -> Look {
    if !can_be_created(context, task).await {
        return Look::Failed(task.failure(Phase::DryRun, error.clone()));
    }
    match try_replace(context, task, live).await {
        Ok(()) => {}
        Err(error) => return Look::Failed(task.failure(Phase::Replace, error)),
    }
    match try_apply(context, task).await {
        Ok(trial) => Look::Write(Write {
            change: Change {
                dropped: trial.dropped,
                ..task.change(Action::Created)
            },
            take_over: None,
            is_merged: false,
            body: trial.body,
        }),
        Err(error) => Look::Failed(task.failure(Phase::DryRun, error)),
    }
}

/// Tries to create the same object under another name. Kinds whose name must fit their content are trusted.
async fn can_be_created(context: &Context<'_>, task: &Task<'_>) -> bool {
    if matches!(
        task.entry.id.kind.as_str(),
        "CustomResourceDefinition" | "APIService"
    ) {
        return true;
    }
    let name: String = task.entry.id.name.chars().take(50).collect();
    let name = format!("{}-trial", name.trim_end_matches(['-', '.']));
    let mut wish = task.prepared.object().value.clone();
    if let Some(metadata) = wish.get_mut("metadata") {
        metadata["name"] = json!(name);
    }
    let Some((collection, _)) = task.path.rsplit_once('/') else {
        return true;
    };
    let path = format!("{collection}/{}", super::call::encode(&name));
    let manager = &context.options.field_manager;
    let body = Bytes::from(wish.to_string());
    let result = context.applier.api.apply(&path, body, manager, true).await;
    !result.is_err_and(|error| error.code() == Some(422))
}

async fn try_replace(context: &Context<'_>, task: &Task<'_>, live: &Value) -> Result<(), CallError> {
    let api = &context.applier.api;
    let uid = text(live, "/metadata/uid");
    context.applier.known.forget(&task.entry.id);
    api.delete(&task.path, uid, None).await?;
    let mut backoff = Backoff::quick(context.options.stage_timeout);
    loop {
        match api.identity(&task.path).await? {
            Some(identity) if identity.uid == uid => {}
            _ => return Ok(()),
        }
        if !backoff.pause(context.cancel).await {
            return Err(if context.cancel.is_cancelled() {
                CallError::Cancelled
            } else {
                CallError::Timeout(context.options.stage_timeout)
            });
        }
    }
}
