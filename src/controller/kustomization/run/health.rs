//! The wait for the health of what was applied.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use fluxbot_api::Reason;
use fluxbot_api::condition::{ConditionType, EventSeverity};
use fluxbot_api::kustomize::Kustomization;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use tokio::time::Instant;

use super::{Run, rounded};
use crate::controller::attempt::Attempt;
use crate::controller::outcome::{self, Failure, Status};
use crate::sync::{Entry, ObjectId, WaitError, WaitOptions};

/// A wait for health that takes longer than this is shown in the status.
const SHOW_WAIT_AFTER: Duration = Duration::from_millis(500);

impl Run<'_> {
    pub(super) async fn check_health(
        &self,
        attempt: &mut Attempt<Kustomization>,
        targets: Option<&[Entry]>,
        jobs_with_ttl: &BTreeSet<ObjectId>,
        has_changed: bool,
    ) -> Result<(), Failure> {
        let Some(targets) = targets else {
            attempt.remove_condition(ConditionType::Healthy);
            return Ok(());
        };
        let was_healthy = is_healthy(&attempt.status.conditions);
        attempt.progress(self.text("Running health checks"));
        let since = Instant::now();
        let options = WaitOptions {
            timeout: self.settings.timeout,
            fail_fast: true,
            jobs_with_ttl: jobs_with_ttl.clone(),
            rules: Arc::clone(&self.rules),
        };
        let waited = self.await_health(attempt, targets, &options).await;
        let took = rounded(since.elapsed());
        if let Err(error) = waited {
            // A pod may quote what it was given.
            let failure = self.masked(self.unhealthy(&error, &took));
            attempt.condition(
                ConditionType::Healthy,
                Status::False,
                failure.reason,
                &failure.message,
            );
            return Err(failure);
        }
        let text = format!("Health check passed in {took}");
        let is_new_revision = attempt.status.last_applied_revision.as_ref() != Some(&self.artifact.revision);
        if !was_healthy || (is_new_revision && has_changed) {
            self.tell(attempt, Reason::Progressing, &text);
        } else if is_healthy(&attempt.status.conditions) {
            // Nothing new: the time that it took is no reason for a write.
            return Ok(());
        }
        attempt.condition(ConditionType::Healthy, Status::True, Reason::Succeeded, &text);
        Ok(())
    }

    /// Waits without holding a place; something newer ends the wait, so that a fix is not held up by what it fixes.
    async fn await_health(
        &self,
        attempt: &mut Attempt<Kustomization>,
        targets: &[Entry],
        options: &WaitOptions,
    ) -> Result<(), WaitError> {
        attempt.slot.rest();
        let token = attempt.cancel.child_token();
        let _end = token.clone().drop_guard();
        let mut wait = std::pin::pin!(self.applier.wait_ready(targets, options, &token));
        let mut show = std::pin::pin!(tokio::time::sleep(SHOW_WAIT_AFTER));
        let mut is_shown = false;
        loop {
            tokio::select! {
                biased;
                result = &mut wait => return result,
                () = self.underway.interrupted() => {
                    token.cancel();
                    return wait.await;
                }
                () = &mut show, if !is_shown => {
                    is_shown = true;
                    let text = self.text("Running health checks");
                    attempt.condition(ConditionType::Healthy, Status::Unknown, Reason::Progressing, &text);
                    if let Err(error) = attempt.save().await {
                        tracing::debug!(object = %attempt.key, %error, "wait for health could not be shown");
                    }
                }
            }
        }
    }

    fn unhealthy(&self, error: &WaitError, took: &fluxbot_api::Duration) -> Failure {
        if let (WaitError::Cancelled, Some(trigger)) = (error, self.underway.trigger()) {
            let text = format!("New reconciliation triggered by {trigger}");
            Failure::new(Reason::HealthCheckCanceled, text).severity(EventSeverity::Info)
        } else {
            let text = format!("health check failed after {took}: {error}");
            Failure::new(Reason::HealthCheckFailed, text)
        }
    }
}

fn is_healthy(conditions: &[Condition]) -> bool {
    outcome::find(conditions, ConditionType::Healthy).is_some_and(|condition| condition.status == "True")
}
