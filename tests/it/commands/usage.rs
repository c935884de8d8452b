//! What every command has: help with an example, and exit code 2 for wrong usage.

use rstest::rstest;

use crate::support::cli::Fluxbot;

#[rstest]
#[case(&[])]
#[case(&["policy"])]
#[case(&["policy", "select"])]
#[case(&["policy", "explain"])]
#[case(&["set"])]
#[case(&["markers"])]
#[case(&["scan"])]
#[case(&["update"])]
#[case(&["crds"])]
#[case(&["demo"])]
#[case(&["envsubst"])]
#[case(&["build"])]
#[tokio::test]
async fn every_command_has_help_with_an_example(#[case] command: &[&str]) {
    let run = Fluxbot::new(command.iter().chain(&["--help"])).run().await;
    let help = run.success();
    assert!(help.contains("Example"), "{help}");
    assert!(
        help.contains("  fluxbot ") || help.contains(" | fluxbot "),
        "{help}"
    );
}

#[rstest]
#[case(&[])]
#[case(&["unknown"])]
#[case(&["demo", "--cluster"])]
#[case(&["update", "--commit", "--push"])]
#[case(&["update", "--commit", "--repo", "http://127.0.0.1:1/x.git"])]
#[case(&["update", "--repo", "ssh://git@host.example/x.git"])]
#[case(&["update", "--repo", "git@host.example:x.git"])]
#[case(&["update", "--repo", "ext::sh -c true"])]
#[case(&["--log-level", "a=b=c", "crds"])]
#[case(&["--log-level", "bogus", "crds"])]
#[tokio::test]
async fn wrong_usage_is_exit_code_2(#[case] arguments: &[&str]) {
    let run = Fluxbot::new(arguments).run().await;
    run.failure(2);
    assert_eq!(run.stdout, "");
}

#[tokio::test]
async fn an_update_without_objects_says_so() {
    let run = Fluxbot::new(["update"]).run().await;
    let error = run.failure(2);
    assert!(
        error.contains("found no ImageUpdateAutomation") && error.contains("hint: "),
        "{error}"
    );
}

#[tokio::test]
async fn the_version_is_printed() {
    let run = Fluxbot::new(["--version"]).run().await;
    assert_eq!(
        run.success(),
        concat!("fluxbot ", env!("CARGO_PKG_VERSION"), "\n")
    );
}
