//! What a registry says of how many requests it still takes, and when it takes more.

use std::time::Duration;

use jiff::Timestamp;

/// Numbers above this are points in time in seconds, and no durations: 30 years.
const EPOCH_FROM: f64 = 946_684_800.0;

/// Numbers above this are points in time in milliseconds.
const EPOCH_IN_MILLISECONDS_FROM: f64 = 100.0 * EPOCH_FROM;

/// How many requests a registry takes until it counts anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Requests that it still takes.
    pub remaining: u64,
    /// When it counts anew, from the answer on.
    pub resets_in: Duration,
}

/// Reads the headers of an answer, which `header` gives by name.
///
/// Known are `RateLimit` (draft-ietf-httpapi-ratelimit-headers), and `RateLimit-Remaining` with `RateLimit-Reset`, both also as
/// `X-RateLimit-*` and `X-Rate-Limit-*`; the reset as seconds or as a point in time. `None` where either number is missing:
/// `RateLimit-Remaining: 0;w=21600`, as Docker Hub writes it, does not say when there will be more, and counts pulls alone.
#[must_use]
pub fn budget<'h>(header: impl Fn(&str) -> Option<&'h str>, now: Timestamp) -> Option<Budget> {
    let number = |text: &str| {
        let number = text.split([';', ',']).next()?.trim().parse::<f64>().ok()?;
        (number >= 0.0).then_some(number)
    };
    let pair = ["ratelimit-", "x-ratelimit-", "x-rate-limit-"]
        .iter()
        .find_map(|prefix| {
            let find = |name: &str| header(&format!("{prefix}{name}")).and_then(number);
            find("remaining").zip(find("reset"))
        });
    let (remaining, reset) = pair.or_else(|| combined(header("ratelimit")?))?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the number is not negative, and saturates"
    )]
    let remaining = remaining as u64;
    Some(Budget {
        remaining,
        resets_in: from_now(reset, now)?,
    })
}

/// `"default";r=50;t=30`, or the older `limit=100, remaining=50, reset=30`.
fn combined(text: &str) -> Option<(f64, f64)> {
    let find = |names: [&str; 2]| {
        text.split([';', ',']).find_map(|part| {
            let (name, value) = part.trim().split_once('=')?;
            names.contains(&name.trim()).then_some(())?;
            value.trim().parse::<f64>().ok().filter(|value| *value >= 0.0)
        })
    };
    find(["r", "remaining"]).zip(find(["t", "reset"]))
}

fn from_now(reset: f64, now: Timestamp) -> Option<Duration> {
    let now = now.as_duration().as_secs_f64();
    let seconds = if reset >= EPOCH_IN_MILLISECONDS_FROM {
        reset / 1000.0 - now
    } else if reset >= EPOCH_FROM {
        reset - now
    } else {
        reset
    };
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::draft(&[("ratelimit", r#""default";r=50;t=30"#)], Some((50, 30)))]
    #[case::older_draft(&[("ratelimit", "limit=100, remaining=50, reset=5")], Some((50, 5)))]
    #[case::separate(&[("ratelimit-remaining", "0"), ("ratelimit-reset", "60")], Some((0, 60)))]
    #[case::a_point_in_time(&[("ratelimit-remaining", "7"), ("ratelimit-reset", "1767225660")], Some((7, 60)))]
    #[case::github(&[("x-ratelimit-remaining", "9"), ("x-ratelimit-reset", "1767225630")], Some((9, 30)))]
    #[case::milliseconds(&[("x-rate-limit-remaining", "9"), ("x-rate-limit-reset", "1767225630000")], Some((9, 30)))]
    #[case::docker_hub(&[("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", "0;w=21600")], None)]
    #[case::in_the_past(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1767225000")], None)]
    #[case::negative(&[("ratelimit-remaining", "-1"), ("ratelimit-reset", "60")], None)]
    #[case::nonsense(&[("ratelimit-remaining", "many"), ("ratelimit-reset", "soon")], None)]
    #[case::infinite(&[("ratelimit-remaining", "1"), ("ratelimit-reset", "1e999")], None)]
    #[case::none(&[], None)]
    fn the_budget_is_read(#[case] headers: &[(&str, &str)], #[case] expected: Option<(u64, u64)>) {
        let find = |name: &str| {
            headers
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| *value)
        };
        let found = budget(find, "2026-01-01T00:00:00Z".parse().unwrap());
        let found = found.map(|budget| (budget.remaining, budget.resets_in.as_secs()));
        assert_eq!(found, expected);
    }
}
