//! What the texts become, against the answers of the original and by hand.

mod objects;
mod parity;

use proptest::prelude::*;

use super::{Template, expand};

#[test]
fn an_error_tells_the_line_and_shows_the_expression() {
    let error = expand("a: 1\nb: ${list[@]} and more\n", |_| None).unwrap_err();
    let place = error.place().unwrap();
    assert_eq!(
        (error.to_string().as_str(), place.to_string().as_str()),
        ("missing closing brace", "line 2: ${list[@]} and more")
    );
}

#[test]
fn what_is_nested_too_deep_is_refused() {
    let text = format!("{}x{}", "${a:=".repeat(100_000), "}".repeat(100_000));
    let error = expand(&text, |_| Some("")).unwrap_err();
    assert_eq!(error.to_string(), "expressions are nested more than 100 deep");
}

#[test]
fn trimming_ends_in_bounded_time() {
    let value = "a".repeat(1_000_000);
    let error = expand("${x##*b*c}", |_| Some(&value)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "trimming \"x\" with wildcards takes too long: the value or the pattern is too long"
    );
}

#[test]
fn what_expressions_make_is_bounded() {
    let value = "a".repeat(10_000);
    for text in [
        "${A//a/${A}}".to_owned(),
        "${A//a/${A//a/${A}}}".to_owned(),
        "${A//${e}/${A}}".to_owned(),
        "${A}".repeat(2_000),
        format!("${{none:={}}}", "${A}".repeat(1_000)),
    ] {
        let error = expand(&text, |name| Some(if name == "A" { &*value } else { "" })).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("the expressions make more than 16777216 bytes: \""),
            "{error}"
        );
    }
    let text = "${A/a/b}".repeat(1_000);
    assert_eq!(expand(&text, |_| Some(&value)).unwrap().len(), 10_000_000);
}

#[test]
fn a_length_below_zero_is_an_error_where_the_original_panics() {
    let lookup = |name: &str| Some(if name == "m" { "-1" } else { "value" });
    let error = expand("${x:1:${m}}", lookup).unwrap_err();
    assert_eq!(error.to_string(), "substring length is below zero: ${x}");
}

#[test]
fn a_character_that_is_cut_is_an_error_of_the_text() {
    assert_eq!(
        expand("${x:0:1}", |_| Some("é")).unwrap_err().to_string(),
        "the result is no UTF-8: a substring ends within a character"
    );
}

proptest! {
    #[test]
    fn text_without_dollar_signs_stays_as_it_is(text in "[^$]*") {
        prop_assert_eq!(expand(&text, |_| None).unwrap(), text);
    }

    #[test]
    fn no_text_makes_it_panic(text in r"([$]?[{][a-c1é]?|[}:=#%/^,?*\\-]|\[|\]|[a-cé0-9]){0,30}", value in "[ab/é*]{0,6}") {
        if let Ok(template) = Template::parse(&text) {
            drop(template.expand(&|_| Some(value.as_str())));
            drop(template.expand(&|_| None));
        }
    }
}
