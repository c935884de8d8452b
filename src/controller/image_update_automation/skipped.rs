//! How the markers that an automation left alone read in its status and in its events.

use std::collections::{BTreeMap, BTreeSet};

use crate::image::PolicyKey;
use crate::setters::{SkipReason, Skipped};

/// Markers, and policies, that a message names.
const MAX_NAMED: usize = 20;

/// Longest text of a marker in a message, in characters. Without a setter's name it is a comment of any length.
const MAX_SETTER: usize = 120;

/// What stands before the policies whose first selection will set their markers.
const WAITING: &str = "waiting for a first selection: ";

/// The message of the condition `MarkersSkipped`, one marker a line; nothing when no marker was left alone. Markers of
/// policies in `waiting` need nothing but time, and only their policies are named.
pub(super) fn message(
    skipped: &BTreeMap<String, Vec<Skipped>>,
    waiting: &BTreeSet<PolicyKey>,
) -> Option<String> {
    let mut awaited = BTreeSet::new();
    let mut lines = Vec::new();
    let mut rest = 0;
    let all = skipped
        .iter()
        .flat_map(|(path, list)| list.iter().map(move |skipped| (path, skipped)));
    for (path, skipped) in all {
        match &skipped.reason {
            SkipReason::NotSelected(policy) if waiting.contains(policy) => {
                awaited.insert(policy);
            }
            _ if lines.len() == MAX_NAMED => rest += 1,
            reason => lines.push(format!(
                "{path}:{}: {}: {reason}",
                skipped.line,
                shortened(&skipped.setter)
            )),
        }
    }
    if rest > 0 {
        lines.push(format!("and {rest} more"));
    }
    if !awaited.is_empty() {
        let named: Vec<String> = awaited.iter().take(MAX_NAMED).map(ToString::to_string).collect();
        let more = match awaited.len() - named.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        lines.push(format!("{WAITING}{}{more}", named.join(", ")));
    }
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// The text of the event when other markers are left alone than before. Those that merely wait are no news.
pub(super) fn news(before: Option<&str>, now: Option<&str>) -> Option<String> {
    let lasting = |message: Option<&str>| {
        let message = message.unwrap_or_default();
        let end = message.find(WAITING).unwrap_or(message.len());
        message.get(..end).unwrap_or_default().trim_end().to_owned()
    };
    let (before, now) = (lasting(before), lasting(now));
    if before == now {
        return None;
    }
    Some(if now.is_empty() {
        "no marker is skipped any more".to_owned()
    } else {
        format!("skipped markers:\n{now}")
    })
}

fn shortened(setter: &str) -> String {
    match setter.char_indices().nth(MAX_SETTER) {
        Some((end, _)) => format!("{}...", setter.get(..end).unwrap_or_default()),
        None => setter.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setters::ImpossibleReason;

    fn not_selected(line: usize, name: &str) -> Skipped {
        Skipped {
            line,
            setter: format!("team:{name}"),
            reason: SkipReason::NotSelected(PolicyKey::new("team", name)),
        }
    }

    #[test]
    fn each_marker_has_a_line_and_those_that_wait_share_one() {
        let impossible = Skipped {
            line: 3,
            setter: "team:app".into(),
            reason: SkipReason::Impossible(ImpossibleReason::NoScalar),
        };
        let skipped = BTreeMap::from([
            (
                "apps/a.yaml".to_owned(),
                vec![impossible, not_selected(9, "gone")],
            ),
            (
                "apps/b.yaml".to_owned(),
                vec![
                    not_selected(1, "new"),
                    not_selected(2, "new"),
                    not_selected(3, "other"),
                ],
            ),
        ]);
        let waiting = BTreeSet::from([PolicyKey::new("team", "new"), PolicyKey::new("team", "other")]);
        insta::assert_snapshot!(message(&skipped, &waiting).unwrap(), @r"
        apps/a.yaml:3: team:app: no scalar stands before the marker on its line
        apps/a.yaml:9: team:gone: the policy 'team:gone' has no selected image
        waiting for a first selection: team:new, team:other
        ");
        assert_eq!(message(&BTreeMap::new(), &waiting), None);
    }

    #[test]
    fn twenty_markers_are_named_and_the_others_counted() {
        let list: Vec<Skipped> = (1..=25)
            .map(|line| not_selected(line, &"x".repeat(500)))
            .collect();
        let text = message(&BTreeMap::from([("a.yaml".to_owned(), list)]), &BTreeSet::new()).unwrap();
        assert_eq!(text.lines().count(), 21);
        assert!(text.ends_with("\nand 5 more"), "{text}");
        assert!(text.lines().all(|line| !line.contains(&"x".repeat(501))));
        assert!(
            text.starts_with(&format!("a.yaml:1: team:{}...: ", "x".repeat(115))),
            "{text}"
        );
    }

    #[test]
    fn only_what_lasts_is_news() {
        let waits = format!("{WAITING}team:a");
        let both = format!("a.yaml:1: x: y\n{waits}, team:b");
        assert_eq!(news(None, None), None);
        assert_eq!(news(None, Some(&waits)), None);
        assert_eq!(news(Some(&both), Some("a.yaml:1: x: y")), None);
        assert_eq!(
            news(Some(&waits), Some(&both)).unwrap(),
            "skipped markers:\na.yaml:1: x: y"
        );
        assert_eq!(
            news(Some(&both), Some(&waits)).unwrap(),
            "no marker is skipped any more"
        );
        assert_eq!(news(Some(&both), None).unwrap(), "no marker is skipped any more");
    }
}
