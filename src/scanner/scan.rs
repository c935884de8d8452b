//! When an image is scanned, which tags count, and what a new list means beside the one before.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use crate::image::{TagDelta, TagSnapshot};
use crate::policy::go_regex::GoRegex;

/// What is excluded when a spec says nothing: the tags under which cosign stores signatures
/// (`ImageRepository.spec.exclusionList`).
pub const DEFAULT_EXCLUSIONS: [&str; 1] = ["^.*\\.sig$"];

/// How many tags `ImageRepository.status.lastScanResult.latestTags` shows.
pub const LATEST_TAGS: usize = 10;

/// A scan is due this much before its interval is over, as in Flux, so that a timer that fires early does not wait for
/// another round.
const INTERVAL_TOLERANCE: Duration = Duration::from_secs(1);

/// Patterns of tags that are left out of a list: a tag that any of them finds a match in is dropped.
#[derive(Clone, Debug)]
pub struct Exclusion {
    patterns: Vec<GoRegex>,
}

/// A pattern of an exclusion list is no regular expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("failed to compile regex {pattern}: {reason}")]
pub struct InvalidExclusion {
    /// The pattern.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Exclusion {
    /// Compiles a spec's list; an empty one means [`DEFAULT_EXCLUSIONS`], as in Flux.
    ///
    /// # Errors
    /// [`InvalidExclusion`] for the first pattern that is no regular expression.
    pub fn new<S: AsRef<str>>(patterns: &[S]) -> Result<Self, InvalidExclusion> {
        let compiled = effective_exclusions(patterns)
            .into_iter()
            .map(|pattern| {
                GoRegex::compile(&pattern).map_err(|reason| InvalidExclusion {
                    pattern: pattern.clone(),
                    reason: reason.to_string(),
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { patterns: compiled })
    }

    /// Whether `tag` is left out.
    #[must_use]
    pub fn excludes(&self, tag: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.is_match(tag))
    }

    /// The tags of `snapshot` that are not left out.
    #[must_use]
    pub fn filter(&self, snapshot: &TagSnapshot) -> TagSnapshot {
        TagSnapshot::from_descending(snapshot.tags().filter(|tag| !self.excludes(tag)))
    }
}

/// The list that is in force for a spec's list, also what `status.observedExclusionList` records.
#[must_use]
pub fn effective_exclusions<S: AsRef<str>>(patterns: &[S]) -> Vec<String> {
    if patterns.is_empty() {
        return DEFAULT_EXCLUSIONS.map(str::to_owned).to_vec();
    }
    patterns
        .iter()
        .map(|pattern| pattern.as_ref().to_owned())
        .collect()
}

/// The tags for `status.lastScanResult.latestTags`: the first ten in descending byte order, whatever policies say.
#[must_use]
pub fn latest_tags(snapshot: &TagSnapshot) -> Vec<String> {
    snapshot.tags().take(LATEST_TAGS).map(str::to_owned).collect()
}

/// What the decision about a scan depends on.
#[derive(Clone, Debug)]
pub struct ScanState<'s> {
    /// `status.lastScanResult.scanTime`; `None` if there is no result.
    pub last_scan: Option<Timestamp>,
    /// The annotation `reconcile.fluxcd.io/requestedAt`.
    pub requested_at: Option<&'s str>,
    /// `status.lastHandledReconcileAt`.
    pub last_handled: Option<&'s str>,
    /// The canonical name of `spec.image`.
    pub canonical_name: &'s str,
    /// `status.canonicalImageName`.
    pub observed_canonical_name: &'s str,
    /// `spec.exclusionList`.
    pub exclusions: &'s [String],
    /// `status.observedExclusionList`.
    pub observed_exclusions: &'s [String],
    /// Whether a list for this object is stored. A stored list without tags counts: Flux scans such a repository at
    /// every reconciliation, which its own source calls a mistake.
    pub has_stored_list: bool,
    /// `spec.interval`.
    pub interval: Duration,
}

/// Why a scan is due. The text is Flux's, as in the condition message `scanning: <reason>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanReason {
    /// There is no result yet.
    NeverScanned,
    /// Somebody asked, by annotation.
    Requested,
    /// `spec.image` names another image than the last scan.
    NewImageName,
    /// The exclusion list is another set than at the last scan.
    NewExclusionList,
    /// There is a result in the status, but no stored list.
    NoStoredList,
    /// The interval is over.
    Interval,
}

impl fmt::Display for ScanReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NeverScanned => "first scan",
            Self::Requested => "reconcile requested",
            Self::NewImageName => "new image name",
            Self::NewExclusionList => "updated exclusion list",
            Self::NoStoredList => "no tags in database",
            Self::Interval => "triggered by interval",
        })
    }
}

/// Whether to scan now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanDecision {
    /// Scan, for this reason.
    Now(ScanReason),
    /// Look again after this time.
    In(Duration),
}

/// Decides whether a scan is due at `now`; of several reasons the first in [`ScanReason`]'s order counts.
///
/// A last scan in the future (a clock that was set back) waits for one interval at most.
#[must_use]
pub fn should_scan(state: &ScanState<'_>, now: Timestamp) -> ScanDecision {
    let Some(last_scan) = state.last_scan else {
        return ScanDecision::Now(ScanReason::NeverScanned);
    };
    let is_requested = state
        .requested_at
        .is_some_and(|requested| requested != state.last_handled.unwrap_or_default());
    if is_requested {
        return ScanDecision::Now(ScanReason::Requested);
    }
    if state.canonical_name != state.observed_canonical_name {
        return ScanDecision::Now(ScanReason::NewImageName);
    }
    let exclusions = effective_exclusions(state.exclusions);
    if set(&exclusions) != set(state.observed_exclusions) {
        return ScanDecision::Now(ScanReason::NewExclusionList);
    }
    if !state.has_stored_list {
        return ScanDecision::Now(ScanReason::NoStoredList);
    }
    let elapsed = Duration::try_from(now.duration_since(last_scan)).unwrap_or(Duration::ZERO);
    let rest = state.interval.saturating_sub(elapsed);
    if rest < INTERVAL_TOLERANCE {
        ScanDecision::Now(ScanReason::Interval)
    } else {
        ScanDecision::In(rest)
    }
}

/// What a new complete list means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Merge {
    /// The new list replaces the one before.
    Accepted {
        /// The list.
        snapshot: TagSnapshot,
        /// What changed against the one before; everything is new when there was none.
        delta: TagDelta,
    },
    /// The new list is less than half as long as the one before. It is held until the next scan finds the same, and the
    /// one before stays in force: registries have lost tags for a while (during maintenance, or behind a stale cache).
    Held {
        /// The list to hand in as `held` after the next scan.
        candidate: TagSnapshot,
        /// Tags of the list in force.
        before: usize,
    },
}

/// Compares a `found` list with the one in force (`previous`) and with the one that the last scan held (`held`).
///
/// A list that shrank by more than half is accepted when it lacks exactly the tags that the held one lacks. A list that
/// loses other tags at each scan is held until it settles.
#[must_use]
pub fn merge(previous: Option<&TagSnapshot>, found: TagSnapshot, held: Option<&TagSnapshot>) -> Merge {
    let empty = TagSnapshot::default();
    let before = previous.unwrap_or(&empty);
    let shrank = found.len().saturating_mul(2) < before.len();
    if shrank && !held.is_some_and(|held| agrees(before, held, &found)) {
        return Merge::Held {
            candidate: found,
            before: before.len(),
        };
    }
    Merge::Accepted {
        delta: found.since(before),
        snapshot: found,
    }
}

/// Whether two scans in a row tell the same story: of the tags in force, both miss the same ones.
fn agrees(before: &TagSnapshot, held: &TagSnapshot, found: &TagSnapshot) -> bool {
    held.since(before).removed == found.since(before).removed
}

fn set(patterns: &[String]) -> BTreeSet<&str> {
    patterns.iter().map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn snapshot(tags: &[&str]) -> TagSnapshot {
        TagSnapshot::new(tags.iter().map(ToString::to_string).collect())
    }

    fn numbers(range: std::ops::Range<u32>) -> TagSnapshot {
        TagSnapshot::new(range.map(|n| n.to_string()).collect())
    }

    #[rstest]
    #[case(&[], &["v1"])]
    #[case(&["^v"], &["sha256-1.sig", "1"])]
    #[case(&["sig", "^1$"], &["v1"])]
    #[case(&[""], &[])]
    fn a_tag_is_dropped_if_any_pattern_finds_a_match(#[case] patterns: &[&str], #[case] kept: &[&str]) {
        let found = snapshot(&["v1", "1", "sha256-1.sig"]);
        let expected = if patterns.is_empty() {
            snapshot(&["v1", "1"])
        } else {
            snapshot(kept)
        };
        assert_eq!(Exclusion::new(patterns).unwrap().filter(&found), expected);
    }

    #[test]
    fn a_bad_pattern_is_named() {
        insta::assert_snapshot!(Exclusion::new(&["ok", "a("]).unwrap_err(), @"failed to compile regex a(: error parsing regexp: missing closing ): `a(`");
        insta::assert_snapshot!(Exclusion::new(&["(a{1000}){1000}"]).unwrap_err(), @"failed to compile regex (a{1000}){1000}: error parsing regexp: invalid repeat count: `{1000}`");
    }

    #[test]
    fn latest_tags_are_the_first_ten_of_the_descending_order() {
        assert_eq!(latest_tags(&numbers(0..3)), ["2", "1", "0"]);
        assert_eq!(
            latest_tags(&numbers(0..20)),
            ["9", "8", "7", "6", "5", "4", "3", "2", "19", "18"]
        );
        assert!(latest_tags(&TagSnapshot::default()).is_empty());
    }

    const LAST: &str = "2026-01-01T10:00:00Z";

    fn state() -> ScanState<'static> {
        ScanState {
            last_scan: Some(LAST.parse().unwrap()),
            requested_at: None,
            last_handled: None,
            canonical_name: "index.docker.io/library/nginx",
            observed_canonical_name: "index.docker.io/library/nginx",
            exclusions: &[],
            observed_exclusions: Box::leak(Box::new(effective_exclusions::<&str>(&[]))),
            has_stored_list: true,
            interval: Duration::from_mins(1),
        }
    }

    fn later(seconds: i64) -> Timestamp {
        LAST.parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_secs(seconds)
    }

    #[rstest]
    #[case::never(ScanState { last_scan: None, requested_at: Some("x"), ..state() }, ScanReason::NeverScanned)]
    #[case::asked(ScanState { requested_at: Some("b"), last_handled: Some("a"), observed_canonical_name: "", ..state() }, ScanReason::Requested)]
    #[case::asked_for_the_first_time(ScanState { requested_at: Some("b"), ..state() }, ScanReason::Requested)]
    #[case::other_image(ScanState { observed_canonical_name: "index.docker.io/library/redis", observed_exclusions: &[], ..state() }, ScanReason::NewImageName)]
    #[case::other_exclusions(ScanState { observed_exclusions: &[], has_stored_list: false, ..state() }, ScanReason::NewExclusionList)]
    #[case::nothing_stored(ScanState { has_stored_list: false, ..state() }, ScanReason::NoStoredList)]
    fn a_scan_is_due_for_the_first_reason_that_holds(
        #[case] state: ScanState<'_>,
        #[case] reason: ScanReason,
    ) {
        assert_eq!(should_scan(&state, later(5)), ScanDecision::Now(reason));
    }

    #[rstest]
    #[case(0, ScanDecision::In(Duration::from_mins(1)))]
    #[case(59, ScanDecision::In(Duration::from_secs(1)))]
    #[case(60, ScanDecision::Now(ScanReason::Interval))]
    #[case(6000, ScanDecision::Now(ScanReason::Interval))]
    #[case(-6000, ScanDecision::In(Duration::from_mins(1)))]
    fn without_another_reason_the_interval_decides(#[case] seconds: i64, #[case] expected: ScanDecision) {
        assert_eq!(should_scan(&state(), later(seconds)), expected);
    }

    #[test]
    fn a_request_that_was_handled_is_none() {
        let state = ScanState {
            requested_at: Some("a"),
            last_handled: Some("a"),
            ..state()
        };
        assert_eq!(
            should_scan(&state, later(5)),
            ScanDecision::In(Duration::from_secs(55))
        );
    }

    #[test]
    fn the_order_of_exclusions_does_not_matter() {
        let (spec, observed) = (
            ["a".to_owned(), "b".to_owned()],
            ["b".to_owned(), "a".to_owned(), "a".to_owned()],
        );
        let state = ScanState {
            exclusions: &spec,
            observed_exclusions: &observed,
            ..state()
        };
        assert!(matches!(should_scan(&state, later(5)), ScanDecision::In(_)));
    }

    #[test]
    fn reasons_read_as_in_flux() {
        let all = [
            ScanReason::NeverScanned,
            ScanReason::Requested,
            ScanReason::NewImageName,
            ScanReason::NewExclusionList,
            ScanReason::NoStoredList,
            ScanReason::Interval,
        ];
        insta::assert_snapshot!(all.map(|reason| reason.to_string()).join(", "), @"first scan, reconcile requested, new image name, updated exclusion list, no tags in database, triggered by interval");
    }

    fn is_accepted(merge: &Merge) -> bool {
        matches!(merge, Merge::Accepted { .. })
    }

    #[rstest]
    #[case::first_list(0, 5, true)]
    #[case::growth(100, 200, true)]
    #[case::half(100, 50, true)]
    #[case::less_than_half(100, 49, false)]
    #[case::nothing_left(100, 0, false)]
    #[case::the_only_tag_left(1, 0, false)]
    #[case::still_nothing(0, 0, true)]
    fn a_list_that_lost_more_than_half_is_held(
        #[case] before: u32,
        #[case] now: u32,
        #[case] accepted: bool,
    ) {
        let merge = merge(Some(&numbers(0..before)), numbers(0..now), None);
        assert_eq!(is_accepted(&merge), accepted);
    }

    #[test]
    fn a_held_list_is_accepted_when_a_second_scan_agrees() {
        let before = numbers(0..100);
        let Merge::Held {
            candidate,
            before: 100,
        } = merge(Some(&before), numbers(0..10), None)
        else {
            panic!("the list must be held");
        };
        let Merge::Accepted { snapshot, delta } = merge(Some(&before), numbers(0..10), Some(&candidate))
        else {
            panic!("the second scan agrees");
        };
        assert_eq!(snapshot, numbers(0..10));
        assert_eq!((delta.added.len(), delta.removed.len()), (0, 90));
    }

    #[test]
    fn a_new_tag_between_two_scans_is_no_disagreement() {
        let mut with_new: Vec<String> = numbers(0..10).tags().map(str::to_owned).collect();
        with_new.push("new".to_owned());
        let outcome = merge(
            Some(&numbers(0..100)),
            TagSnapshot::new(with_new),
            Some(&numbers(0..10)),
        );
        assert!(is_accepted(&outcome));
    }

    #[test]
    fn a_second_scan_that_lost_other_tags_is_held_again() {
        let outcome = merge(Some(&numbers(0..100)), numbers(20..30), Some(&numbers(0..10)));
        assert!(!is_accepted(&outcome));
    }
}
