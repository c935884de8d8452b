use rstest::rstest;

use super::*;

#[rstest]
#[case("https://cdn.example/x", true)]
#[case("https://r.example:8443/x", true)]
#[case("http://r.example/x", false)]
#[case("http://169.254.169.254/x", false)]
#[case("file:///etc/passwd", false)]
#[case("https://u:p@cdn.example/x", false)]
fn a_redirect_never_leaves_https(#[case] to: &str, #[case] is_fine: bool) {
    let from = Url::parse("https://r.example/v2/").unwrap();
    assert_eq!(check_redirect(&from, &Url::parse(to).unwrap()).is_ok(), is_fine);
}

#[rstest]
#[case("repository:team/app:pull", true)]
#[case("repository:team/app:metadata_read", true)]
#[case("repository:team/app:pull,push", false)]
#[case("repository:team/other:pull", false)]
#[case("repository:team/app:*", false)]
#[case("registry:catalog:*", false)]
fn a_challenge_widens_no_scope(#[case] scope: &str, #[case] expected: bool) {
    assert_eq!(is_pull_scope(scope, "team/app"), expected);
}
