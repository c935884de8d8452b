use rstest::rstest;

use super::*;

fn image(tag: &str, digest: Option<&str>) -> ImageRef {
    ImageRef {
        name: "r.example/app".to_owned(),
        tag: tag.to_owned(),
        digest: digest.map(str::to_owned),
    }
}

fn policy(mode: Option<DigestReflectionPolicy>, latest: Option<ImageRef>) -> ImagePolicy {
    let spec = ImagePolicySpec {
        digest_reflection_policy: mode,
        ..ImagePolicySpec::default()
    };
    let mut policy = ImagePolicy::new("app", spec);
    policy.status = Some(ImagePolicyStatus {
        latest_ref: latest,
        ..ImagePolicyStatus::default()
    });
    policy
}

#[rstest]
#[case::by_default(None, Some(image("1", Some("d"))), DigestPlan::None)]
#[case::never(
    Some(DigestReflectionPolicy::Never),
    Some(image("1", Some("d"))),
    DigestPlan::None
)]
#[case::known(Some(DigestReflectionPolicy::IfNotPresent), Some(image("1", Some("d"))), DigestPlan::Keep("d".to_owned()))]
#[case::unknown(
    Some(DigestReflectionPolicy::IfNotPresent),
    Some(image("1", None)),
    DigestPlan::Fetch
)]
#[case::empty(
    Some(DigestReflectionPolicy::IfNotPresent),
    Some(image("1", Some(""))),
    DigestPlan::Fetch
)]
#[case::of_another_tag(
    Some(DigestReflectionPolicy::IfNotPresent),
    Some(image("0", Some("d"))),
    DigestPlan::Fetch
)]
#[case::first(Some(DigestReflectionPolicy::IfNotPresent), None, DigestPlan::Fetch)]
#[case::always(
    Some(DigestReflectionPolicy::Always),
    Some(image("1", Some("d"))),
    DigestPlan::Fetch
)]
fn the_digest_is_looked_up_as_the_policy_says(
    #[case] mode: Option<DigestReflectionPolicy>,
    #[case] latest: Option<ImageRef>,
    #[case] expected: DigestPlan,
) {
    assert_eq!(plan_digest(&policy(mode, latest), "r.example/app", "1"), expected);
}

#[test]
fn what_was_selected_before_is_remembered_and_told() {
    let mut status = ImagePolicyStatus::default();
    let mut messages = Vec::new();
    let (first, second) = (image("1", None), image("2", Some("sha256:2")));
    for latest in [&first, &first, &second, &second, &image("3", None)] {
        observe(&mut status, latest.clone());
        messages.push(ready_message(&status));
    }
    insta::assert_snapshot!(messages.join("\n"), @r"
    Latest image tag for r.example/app resolved to 1
    Latest image tag for r.example/app resolved to 1
    Latest image tag for r.example/app resolved to 2 with digest sha256:2 (previously r.example/app:1)
    Latest image tag for r.example/app resolved to 2 with digest sha256:2 (previously r.example/app:1)
    Latest image tag for r.example/app resolved to 3 (previously r.example/app:2@sha256:2)
    ");
}

#[rstest]
#[case(None, None, Ok(Requeue::OnChange))]
#[case(Some(DigestReflectionPolicy::IfNotPresent), None, Ok(Requeue::OnChange))]
#[case(
    Some(DigestReflectionPolicy::Always),
    Some("1m"),
    Ok(Requeue::After(Duration::from_mins(1)))
)]
#[case(
    Some(DigestReflectionPolicy::Always),
    None,
    Err(Reason::IntervalNotConfigured)
)]
fn only_digests_that_are_always_looked_up_have_an_interval(
    #[case] mode: Option<DigestReflectionPolicy>,
    #[case] interval: Option<&str>,
    #[case] expected: Result<Requeue, Reason>,
) {
    let mut spec = policy(mode, None).spec;
    spec.interval = interval.map(ApiDuration::new);
    assert_eq!(requeue(&spec).map_err(|failure| failure.reason), expected);
}
