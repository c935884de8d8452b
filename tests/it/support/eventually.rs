//! Waits for what comes by itself, with a deadline and a text that says what was missing.

use std::fmt::{Debug, Display};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

/// How long [`eventually`] waits. Generous: machines of CI are busy, and what does not come at all is
/// the exception.
pub const DEADLINE: Duration = Duration::from_mins(1);

const PAUSE: Duration = Duration::from_millis(20);

/// Repeats the attempt until it succeeds, and returns what it found. Fails the test after [`DEADLINE`],
/// with what was awaited and the last error.
///
/// ```ignore
/// eventually("three replicas are available", async || {
///     let status = deployments.get_status("web").await.unwrap().status.unwrap();
///     holds(status.available_replicas == Some(3), &status)
/// }).await;
/// ```
pub async fn eventually<T, E: Display>(what: &str, attempt: impl AsyncFnMut() -> Result<T, E>) -> T {
    eventually_within(DEADLINE, what, attempt).await
}

/// As [`eventually`], with a deadline of one's own. An attempt that hangs is given up at the deadline.
pub async fn eventually_within<T, E: Display>(
    deadline: Duration,
    what: &str,
    mut attempt: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let end = Instant::now() + deadline;
    let mut last = String::from("the first attempt did not return");
    loop {
        match timeout_at(end, attempt()).await {
            Ok(Ok(found)) => return found,
            Ok(Err(error)) => last = error.to_string(),
            Err(_) => last.push_str(" (the next attempt did not return)"),
        }
        assert!(
            Instant::now() + PAUSE < end,
            "not within {deadline:?}: {what}\nlast: {last}"
        );
        sleep(PAUSE).await;
    }
}

/// The result of an attempt that looks at something: whether this holds, else what was seen.
pub fn holds(condition: bool, seen: impl Debug) -> Result<(), String> {
    if condition {
        Ok(())
    } else {
        Err(format!("{seen:?}"))
    }
}
