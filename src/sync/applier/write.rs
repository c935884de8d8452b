//! Writes one object: takes fields over from other managers, then applies.

use super::super::{managers, switches};
use super::look::Write;
use super::stage::{Context, Task, state};
use super::{Change, ObjectFailure, Phase};

/// How often the take-over is planned again when the object changes in between.
const TAKE_OVER_TRIES: usize = 5;

/// An object that is done with.
pub(super) struct Written {
    /// What is reported.
    pub change: Change,
    /// Whether it is ready already.
    pub is_current: bool,
    /// The resource version at which it is as it should be, if that is news.
    pub resource_version: Option<String>,
}

pub(super) async fn write(
    context: &Context<'_>,
    task: &Task<'_>,
    planned: Write,
) -> Result<Written, ObjectFailure> {
    let api = &context.applier.api;
    let manager = &context.options.field_manager;
    if planned.take_over.is_some() && !planned.is_merged {
        take_over(context, task, &planned).await?;
    }
    let live = api
        .apply(&task.path, planned.body.clone(), manager, false)
        .await
        .map_err(|error| task.failure(Phase::Apply, error))?;
    let (is_current, resource_version) = state(&live);
    Ok(Written {
        change: planned.change,
        is_current,
        resource_version,
    })
}

/// The patch holds the managed fields as they were read. When they have changed, it is planned again on what is there now.
async fn take_over(context: &Context<'_>, task: &Task<'_>, planned: &Write) -> Result<(), ObjectFailure> {
    let api = &context.applier.api;
    let options = context.options;
    let mut patch = planned.take_over.clone();
    let mut tries = 0;
    while let Some(operations) = patch {
        tries += 1;
        let result = api
            .json_patch(&task.path, &operations, &options.field_manager)
            .await;
        let error = match result {
            Ok(_) => return Ok(()),
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => error,
        };
        if !matches!(error.code(), Some(409 | 422)) || tries >= TAKE_OVER_TRIES {
            return Err(task.failure(Phase::TakeOver, error));
        }
        let live = api
            .get(&task.path)
            .await
            .map_err(|error| task.failure(Phase::TakeOver, error))?;
        patch = live
            .filter(|live| !switches::is_merged(live))
            .and_then(|live| managers::take_over(&live, &options.field_manager, &options.override_managers));
    }
    Ok(())
}
