use rstest::rstest;

use super::*;

#[test]
fn the_reason_of_a_conflict_of_managers_is_said() {
    let status =
        br#"{"kind":"Status","status":"Failure","message":"Apply failed","reason":"Conflict","code":409,
        "details":{"causes":[{"reason":"FieldManagerConflict","field":".data.a"}]}}"#;
    let error = rejection(409, status);
    assert_eq!(error.reason(), "FieldManagerConflict");
    assert!(error.is_conflict() && error.is_immutable() && error.is_transient());
}

#[rstest]
#[case(404, "404 page not found", "the server could not find the requested resource")]
#[case(502, "<html>bad gateway</html>", "<html>bad gateway</html>")]
#[case(503, "", "the server answered 503")]
fn an_answer_that_is_no_status_is_told(#[case] code: u16, #[case] body: &str, #[case] expected: &str) {
    let error = rejection(code, body.as_bytes());
    assert_eq!(error.to_string(), expected);
    assert_eq!(error.code(), Some(code));
}

#[rstest]
#[case(422, "anything", true)]
#[case(403, "admission webhook: spec.x is immutable", true)]
#[case(400, "updates to immutable fields are not allowed", true)]
#[case(403, "forbidden", false)]
fn a_field_that_cannot_be_changed_is_recognised_as_flux_does(
    #[case] code: u16,
    #[case] message: &str,
    #[case] expected: bool,
) {
    let error = CallError::Rejected {
        code,
        reason: String::new(),
        message: message.to_owned(),
    };
    assert_eq!(error.is_immutable(), expected);
}

#[test]
fn an_answer_that_cannot_be_read_is_not_repeated() {
    let error = parse::<Value>(br#"{"data": {"password": "hunter22"#).unwrap_err();
    assert_eq!(
        error.to_string(),
        "answer of the API server cannot be read: Eof at line 1, column 31"
    );
}
