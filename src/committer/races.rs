//! How long the loser of a race waits.

use std::time::Duration;

use fluxbot_git::ObjectId;

/// Longest pause before a lost race is run again. Short, because a race is lost to a push that is already done.
const MAX_PAUSE: Duration = Duration::from_millis(100);

/// A pause before the next attempt, longer with each lost race. The commit's own id spreads the writers: it differs
/// between them, as their changes do.
pub(super) fn pause(lost_races: u32, seed: &ObjectId) -> Duration {
    let spread = seed.to_string().bytes().fold(u64::from(lost_races), |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u64::from(byte))
    });
    let limit = u64::try_from(MAX_PAUSE.as_millis())
        .unwrap_or(u64::MAX)
        .min(5 * u64::from(lost_races));
    Duration::from_millis(spread % (limit + 1))
}
