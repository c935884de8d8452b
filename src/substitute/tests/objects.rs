//! `spec.postBuild` on objects.

use rstest::rstest;
use serde_json::{Value, json};

use crate::substitute::{ObjectError, Rules, Variables, object};

fn variables(pairs: &[(&str, &str)]) -> Variables {
    let mut variables = Variables::new();
    for (name, value) in pairs {
        variables.set(name, value);
    }
    variables
}

fn config_map(value: impl Into<Value>) -> Value {
    let value = value.into();
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"key": value}})
}

fn put(value: &str, with: &str) -> Value {
    let variables = variables(&[("x", with)]);
    let put = object(&config_map(json!(value)), &variables, Rules::default());
    put.unwrap().unwrap()["data"]["key"].clone()
}

#[rstest]
#[case::a_number("${x}", "8080", json!(8080))]
#[case::text("${x}", "web", json!("web"))]
#[case::a_boolean("${x}", "yes", json!(true))]
#[case::nothing("${x}", "", json!(null))]
#[case::within_text("a${x}", "1", json!("a1"))]
#[case::octal("${x}", "010", json!(8))]
#[case::a_quoted_value("${x}", "\"8080\"", json!("8080"))]
#[case::a_quote_keeps_text("${x}8080${x}", "\"", json!("8080"))]
#[case::a_mapping("${x}", "{a: 1}", json!({"a": 1}))]
#[case::line_ends_are_taken_out("${x}", "one\ntwo\n", json!("onetwo"))]
fn a_value_is_read_again_as_yaml(#[case] value: &str, #[case] with: &str, #[case] expected: Value) {
    assert_eq!(put(value, with), expected);
}

#[rstest]
#[case::no_variables(Variables::new(), Rules::default())]
#[case::no_dollar_sign(variables(&[("y", "1")]), Rules { strict: true, always: true })]
fn an_object_stays_as_it_is(#[case] variables: Variables, #[case] rules: Rules) {
    let value = if rules.always { "plain" } else { "${x}" };
    assert_eq!(object(&config_map(json!(value)), &variables, rules), Ok(None));
}

#[rstest]
#[case("labels", "disabled", true)]
#[case("annotations", "disabled", true)]
#[case::case_counts("annotations", "Disabled", false)]
fn a_switch_keeps_variables_out(#[case] field: &str, #[case] value: &str, #[case] is_kept: bool) {
    let mut value_of = config_map(json!("${x}"));
    value_of["metadata"][field] = json!({"kustomize.toolkit.fluxcd.io/substitute": value});
    let put = object(&value_of, &variables(&[("x", "1")]), Rules::default()).unwrap();
    assert_eq!(put.is_none(), is_kept);
}

#[test]
fn defaults_count_without_variables_where_that_is_asked_for() {
    let rules = Rules {
        strict: true,
        always: true,
    };
    let put = object(&config_map(json!("${x:=d}")), &Variables::new(), rules).unwrap();
    assert_eq!(put.unwrap()["data"]["key"], json!("d"));
}

#[test]
fn a_missing_variable_is_empty_without_strictness() {
    let rules = Rules {
        strict: false,
        always: false,
    };
    let put = object(&config_map(json!("a${x}b")), &variables(&[("y", "1")]), rules).unwrap();
    assert_eq!(put.unwrap()["data"]["key"], json!("ab"));
}

fn refused(value: &str, variables: &Variables) -> String {
    let error: ObjectError = object(&config_map(json!(value)), variables, Rules::default()).unwrap_err();
    error.to_string()
}

#[test]
fn faults_are_told_in_the_words_of_flux() {
    let x = variables(&[("x", "a: b: c")]);
    let mut secret = Variables::new();
    secret.set_secret("x", &[0xff]);
    let texts = [
        refused("${y}", &x),
        refused("${x-1}", &x),
        refused("${x}", &x),
        refused("${x}", &secret),
        refused("$", &variables(&[("a.b", "1")])),
    ];
    insta::assert_snapshot!(texts.join("\n"), @r#"
    envsubst error: variable substitution failed: variable not set (strict mode): "y"
    envsubst error: variable substitution failed: missing closing brace
    envsubst error: YAMLToJSON: yaml: line 3: mapping values are not allowed in this context
    envsubst error: variable substitution failed: the value of 'x' is no UTF-8
    envsubst error: 'a.b' var name is invalid, must match '^[_[:alpha:]][_[:alpha:][:digit:]]*$'
    "#);
}

#[test]
fn values_of_secrets_are_known_and_never_shown() {
    let mut variables = Variables::new();
    variables.set_secret("token", b"s3cret\n");
    variables.set("token", "public");
    assert_eq!(variables.get("token"), Some("public"));
    assert_eq!(variables.secret_values().collect::<Vec<_>>(), ["s3cret"]);
    assert_eq!(format!("{variables:?}"), r#"{"token"}"#);
}
