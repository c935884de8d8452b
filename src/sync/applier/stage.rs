//! Applies the objects of a stage: dry-runs first, then writes.

use tokio_util::sync::CancellationToken;

use super::super::inventory::Inventory;
use super::super::prepare::Prepared;
use super::{Applied, Applier, ApplyCause, ApplyError, ApplyOptions, CallError, Progress};

pub(super) async fn inventory(_applier: &Applier, _objects: &Prepared) -> Result<Inventory, CallError> {
    Ok(Inventory::default())
}

pub(super) async fn apply(
    _applier: &Applier,
    _objects: &Prepared,
    _options: &ApplyOptions,
    _cancel: &CancellationToken,
    _progress: &(dyn Fn(Progress<'_>) + Send + Sync),
) -> Result<Applied, Box<ApplyError>> {
    Err(Box::new(ApplyError {
        cause: ApplyCause::Cancelled,
        applied: Applied::default(),
    }))
}
