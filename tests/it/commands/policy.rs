//! `fluxbot policy select` and `policy explain`.

use rstest::rstest;

use crate::support::cli::Fluxbot;

const TAGS: &str = "1.0.0\r\n1.0.10\n\n1.0.9\n1.1.0-rc.1\n2.0.0\nlatest\n";

#[rstest]
#[case::semver(&["--semver", "1.0.x"], "1.0.10\n")]
#[case::semver_prerelease(&["--semver", ">=1.0.0-0 <2.0.0-0"], "1.1.0-rc.1\n")]
#[case::alphabetical(&["--alphabetical", "asc"], "latest\n")]
#[case::alphabetical_desc(&["--alphabetical", "desc"], "1.0.0\n")]
#[case::filtered(&["--alphabetical", "asc", "--filter-pattern", "^1\\."], "1.1.0-rc.1\n")]
#[case::numerical(
    &["--numerical", "asc", "--filter-pattern", "^1\\.0\\.(?P<patch>[0-9]+)$", "--filter-extract", "$patch"],
    "1.0.10\n"
)]
#[case::numerical_desc(
    &["--numerical", "DESC", "--filter-pattern", "^1\\.0\\.([0-9]+)$", "--filter-extract", "${1}"],
    "1.0.0\n"
)]
#[tokio::test]
async fn the_selected_tag_is_printed(#[case] arguments: &[&str], #[case] expected: &str) {
    let run = Fluxbot::new(["policy", "select"].iter().chain(arguments))
        .stdin(TAGS)
        .run()
        .await;
    assert_eq!(run.success(), expected);
}

#[rstest]
#[case::nothing_fits(&["--semver", "3.x"], 1, "unable to determine latest version from provided list")]
#[case::no_tag_passes_the_filter(&["--alphabetical", "asc", "--filter-pattern", "^x"], 1, "version list argument cannot be empty")]
#[case::invalid_range(&["--semver", ">=1.0.0<2"], 2, "improper constraint: \">=1.0.0<2\"")]
#[case::empty_range(&["--semver", ""], 2, "improper constraint: \"\"")]
#[case::invalid_pattern(
    &["--semver", "*", "--filter-pattern", "("],
    2,
    "invalid regular expression pattern '(': error parsing regexp: missing closing ): `(`"
)]
#[case::not_a_number(&["--numerical", "asc"], 2, "failed to parse invalid numeric value 'latest'")]
#[case::two_policies(&["--semver", "*", "--numerical", "asc"], 2, "cannot be used with")]
#[case::no_policy(&[], 2, "required")]
#[case::unknown_order(&["--alphabetical", "up"], 2, "invalid order argument provided")]
#[case::extract_without_pattern(&["--semver", "*", "--filter-extract", "$1"], 2, "--filter-pattern")]
#[tokio::test]
async fn a_failure_has_its_exit_code_and_flux_message(
    #[case] arguments: &[&str],
    #[case] code: i32,
    #[case] message: &str,
) {
    let run = Fluxbot::new(["policy", "select"].iter().chain(arguments))
        .stdin(TAGS)
        .run()
        .await;
    assert!(run.failure(code).contains(message), "{}", run.stderr);
    assert_eq!(run.stdout, "");
}

#[tokio::test]
async fn no_tags_at_all_is_exit_code_1() {
    let run = Fluxbot::new(["policy", "select", "--semver", "*"]).run().await;
    assert!(
        run.failure(1).contains("version list argument cannot be empty"),
        "{}",
        run.stderr
    );
}

#[tokio::test]
async fn a_byte_order_mark_and_blank_lines_are_no_tags() {
    let run = Fluxbot::new(["policy", "select", "--semver", "1.0.x"])
        .stdin("\u{feff}1.0.5\n  \n1.0.1\n")
        .run()
        .await;
    assert_eq!(run.success(), "1.0.5\n");
}

#[tokio::test]
async fn explain_gives_each_tag_a_verdict() {
    let run = Fluxbot::new(["policy", "explain", "--semver", "1.0.x"])
        .stdin(TAGS)
        .run()
        .await;
    insta::assert_snapshot!(run.success(), @r"
    1.0.10      selected
    1.0.9       eligible
    1.0.0       eligible
    latest      rejected  is not a semantic version
    2.0.0       rejected  is outside the range '1.0.x'
    1.1.0-rc.1  rejected  is a pre-release, and the range '1.0.x' admits none
    ");
}

#[tokio::test]
async fn explain_prints_json_too() {
    let run = Fluxbot::new([
        "policy",
        "explain",
        "--numerical",
        "asc",
        "--filter-pattern",
        "^v([0-9]+)$",
        "--filter-extract",
        "$1",
        "-o",
        "json",
    ])
    .stdin("v1\nv2\nx\n")
    .run()
    .await;
    let rows: serde_json::Value = serde_json::from_str(run.success()).unwrap();
    assert_eq!(
        rows,
        serde_json::json!([
            { "tag": "v2", "value": "2", "verdict": "selected" },
            { "tag": "v1", "value": "1", "verdict": "eligible" },
            { "tag": "x", "verdict": "rejected", "rule": "does not match filterTags pattern '^v([0-9]+)$'" },
        ])
    );
}
