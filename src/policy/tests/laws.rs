//! What holds for all tags and policies.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::{Outcome, Policy, SelectError, TagFilter, explain, select};
use crate::image::TagSnapshot;

/// Tags of the forms that people use, and some that nobody should.
fn tag() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "v?[0-2]\\.[0-2]\\.[0-2](-(rc|a)\\.?[0-9]{1,2})?",
        2 => "[0-9]{1,3}(\\.[0-9])?",
        2 => "(main|dev)-[a-f0-9]{2}-[0-9]{1,3}",
        1 => "nan|inf|1e3|0x1p4|latest",
        1 => "\\PC{0,6}",
    ]
}

fn policy() -> impl Strategy<Value = Policy> {
    prop_oneof![
        prop::sample::select(vec!["*", "1.x", ">=1.0.0-0", "~1.1 || ^2", "!=1.1.1"])
            .prop_map(|range| Policy::semver(range).unwrap()),
        prop::sample::select(vec!["asc", "desc"]).prop_map(|order| Policy::alphabetical(order).unwrap()),
        prop::sample::select(vec!["asc", "desc"]).prop_map(|order| Policy::numerical(order).unwrap()),
    ]
}

fn filter() -> impl Strategy<Value = Option<TagFilter>> {
    let filters = vec![
        None,
        Some(("^main-", None)),
        Some(("^(?:main|dev)-[a-f0-9]+-(?P<n>[0-9]+)", Some("$n"))),
        Some(("^v?(.*)$", Some("$1"))),
        Some(("[0-9]", Some("$0"))),
        Some(("", Some(""))),
    ];
    prop::sample::select(filters)
        .prop_map(|filter| filter.map(|(pattern, extract)| TagFilter::compile(pattern, extract).unwrap()))
}

proptest! {
    #[test]
    fn the_selection_is_one_of_the_tags_and_passes_the_filter(tags in vec(tag(), 0..20), policy in policy(), filter in filter()) {
        let snapshot = TagSnapshot::new(tags.clone());
        if let Ok(selected) = select(&snapshot, &policy, filter.as_ref()) {
            prop_assert!(tags.iter().any(|tag| tag == selected));
            prop_assert!(filter.is_none_or(|filter| filter.apply(selected).is_some()));
        }
    }

    #[test]
    fn the_order_in_which_tags_arrive_does_not_matter(tags in vec(tag(), 0..20).prop_shuffle(), policy in policy(), filter in filter()) {
        let mut sorted = tags.clone();
        sorted.sort();
        prop_assert_eq!(
            select(&TagSnapshot::new(tags), &policy, filter.as_ref()).map(str::to_owned),
            select(&TagSnapshot::new(sorted), &policy, filter.as_ref()).map(str::to_owned)
        );
    }

    #[test]
    fn filtering_the_filtered_tags_changes_nothing(tags in vec(tag(), 0..20), policy in policy(), filter in filter()) {
        let Some(filter) = filter else { return Ok(()) };
        let kept: Vec<String> = tags.iter().filter(|tag| filter.apply(tag).is_some()).cloned().collect();
        prop_assert_eq!(
            select(&TagSnapshot::new(tags), &policy, Some(&filter)).map(str::to_owned),
            select(&TagSnapshot::new(kept), &policy, Some(&filter)).map(str::to_owned)
        );
    }

    #[test]
    fn an_explanation_names_each_tag_once_and_selects_what_select_does(tags in vec(tag(), 0..20), policy in policy(), filter in filter()) {
        let snapshot = TagSnapshot::new(tags);
        let verdicts = explain(&snapshot, &policy, filter.as_ref());
        let mut explained: Vec<&str> = verdicts.iter().map(|verdict| verdict.tag.as_str()).collect();
        let selected: Vec<&str> = verdicts
            .iter()
            .filter(|verdict| verdict.outcome == Outcome::Selected)
            .map(|verdict| verdict.tag.as_str())
            .collect();
        match select(&snapshot, &policy, filter.as_ref()) {
            Ok(tag) => {
                prop_assert_eq!(selected, vec![tag]);
                prop_assert_eq!(explained.first(), Some(&tag));
            }
            Err(_) => prop_assert!(selected.is_empty()),
        }
        explained.sort_unstable_by(|a, b| b.cmp(a));
        prop_assert_eq!(explained, snapshot.tags().collect::<Vec<_>>());
    }

    #[test]
    fn without_the_selected_tag_the_second_place_is_selected(tags in vec(tag(), 0..20), policy in policy()) {
        // A value that is no number makes numerical preference depend on its neighbours, as in Flux.
        let tags: Vec<String> = tags.into_iter().filter(|tag| !tag.contains("nan")).collect();
        let snapshot = TagSnapshot::new(tags.clone());
        let Ok(selected) = select(&snapshot, &policy, None) else { return Ok(()) };
        let verdicts = explain(&snapshot, &policy, None);
        let second = verdicts
            .iter()
            .find(|verdict| verdict.outcome == Outcome::Eligible { place: 2 })
            .map(|verdict| verdict.tag.clone());
        let others = TagSnapshot::new(tags.iter().filter(|tag| *tag != selected).cloned().collect());
        let next = select(&others, &policy, None);
        match second {
            Some(second) => prop_assert_eq!(next, Ok(second.as_str())),
            None => prop_assert!(matches!(next, Err(SelectError::NoTags | SelectError::NothingFits))),
        }
    }

    #[test]
    fn no_text_makes_a_range_a_pattern_or_a_number_panic(text in "\\PC{0,40}", other in "[-0-9xX*.|, <>=~^!v+a]{0,30}", pattern in "[-a-z0-9(){}\\[\\]?*+|\\\\^$:.,<>PQEi]{0,30}") {
        for text in [&text, &other, &pattern] {
            drop(Policy::semver(text));
            let filter = TagFilter::compile(text, Some(&other));
            if let Ok(filter) = filter {
                drop(filter.apply(&pattern));
            }
            let number = super::super::number::parse_float(text);
            prop_assert!(number.is_none_or(|number| !number.is_infinite() || text.to_lowercase().contains("inf")));
        }
    }
}
