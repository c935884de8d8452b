//! `fluxbot envsubst`.

use rstest::rstest;

use crate::support::cli::{Fluxbot, Run};

async fn envsubst(arguments: &[&str], input: &str) -> Run {
    let all = ["envsubst"].iter().chain(arguments);
    Fluxbot::new(all)
        .env("cluster", "production")
        .env("empty", "")
        .stdin(input)
        .run()
        .await
}

#[rstest]
#[case::a_variable("a: ${cluster}\n", "a: production\n")]
#[case::an_operator(
    "a: ${cluster^^} ${cluster:0:4} ${nothing:=none}\n",
    "a: PRODUCTION prod none\n"
)]
#[case::a_missing_one_is_empty("a: ${nothing}\n", "a: \n")]
#[case::a_bare_name_stays("a: $cluster $${cluster}\n", "a: $cluster ${cluster}\n")]
#[case::across_lines("${nothing:=one\ntwo}\n", "one\ntwo\n")]
#[case::the_last_line_is_ended("a\r\nb", "a\nb\n")]
#[case::nothing("", "")]
#[tokio::test]
async fn variables_of_the_environment_are_put_in(#[case] input: &str, #[case] expected: &str) {
    assert_eq!(envsubst(&[], input).await.success(), expected);
}

#[rstest]
#[case::strict(&["--strict"], "a: 1\nb: ${nothing}\n", "error: variable not set (strict mode): \"nothing\" in line 2: ${nothing}\n")]
#[case::malformed(&[], "${list[@]}\n", "error: missing closing brace in line 1: ${list[@]}\n")]
#[tokio::test]
async fn what_cannot_be_put_in_is_named(
    #[case] arguments: &[&str],
    #[case] input: &str,
    #[case] message: &str,
) {
    let run = envsubst(arguments, input).await;
    assert_eq!(run.failure(1), message);
    assert_eq!(run.stdout, "");
}

#[tokio::test]
async fn an_empty_variable_is_set() {
    assert_eq!(envsubst(&["--strict"], "a${empty}b\n").await.success(), "ab\n");
}
