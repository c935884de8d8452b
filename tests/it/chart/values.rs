//! Wrong values are refused before anything reaches a cluster.

use rstest::rstest;

use super::template;

#[rstest]
#[case::an_unknown_value("imag: {tag: v1}", "imag")]
#[case::an_unknown_value_further_down("persistence: {storageClass: fast}", "storageClass")]
#[case::an_unknown_controller("controllers: [image, sources]", "controllers")]
#[case::no_controller("controllers: []", "controllers")]
#[case::a_controller_twice("controllers: [image, image]", "controllers")]
#[case::a_controller_that_is_not_there_yet("controllers: [helm]", "controllers")]
#[case::a_word_for_a_switch("multitenancy: {lockdown: 'yes'}", "lockdown")]
#[case::a_text_for_a_number("replicas: two", "replicas")]
#[case::less_than_nothing("replicas: -1", "replicas")]
#[case::no_reconcile_at_a_time("concurrent: 0", "concurrent")]
#[case::a_duration_without_unit("requeueDependency: '30'", "requeueDependency")]
#[case::an_unknown_level("log: {level: verbose}", "level")]
#[case::a_tag_with_a_digest("image: {tag: 'v1@sha256:0'}", "tag")]
#[case::half_a_digest("image: {digest: 'sha256:0123'}", "digest")]
#[case::a_pull_policy_in_lower_case("image: {pullPolicy: always}", "pullPolicy")]
#[case::a_bare_pull_secret("imagePullSecrets: [pull]", "imagePullSecrets")]
#[case::an_unknown_group("crds: {groups: [image.toolkit.fluxcd.io]}", "groups")]
#[case::a_service_name_in_capitals("artifacts: {serviceName: Source}", "serviceName")]
#[case::no_service_name("artifacts: {serviceName: ''}", "serviceName")]
#[case::a_read_only_claim("persistence: {accessModes: [ReadOnlyMany]}", "accessModes")]
#[case::a_size_in_words("persistence: {size: much}", "size")]
#[case::an_events_address_without_scheme("events: {address: 'notification-controller'}", "address")]
#[case::an_annotation_that_is_a_number("podAnnotations: {example.com/number: 1}", "example.com")]
#[case::two_pods_at_work(
    "{replicas: 2, leaderElection: false}",
    "replicas above 1 need leaderElection"
)]
#[case::a_nameless_service_account("serviceAccount: {create: false}", "serviceAccount.name must be set")]
#[case::a_monitor_without_its_kind(
    "metrics: {serviceMonitor: {enabled: true}}",
    "needs the Prometheus operator's CRDs"
)]
#[case::a_monitor_without_a_service(
    "metrics: {service: false, serviceMonitor: {enabled: true}}",
    "metrics.serviceMonitor.enabled needs metrics.service"
)]
fn a_wrong_value_is_refused_by_its_name(#[case] values: &str, #[case] named: &str) {
    let output = template(values, &[]);
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{values} was accepted");
    assert!(complaint.contains(named), "{values}: {complaint}");
}
