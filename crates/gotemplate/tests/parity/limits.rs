//! Templates of strangers end, in bounded time and memory, with an error that names the bound.

use fluxbot_gotemplate::{Arguments, Context, Function, Functions, Limits, Signature, Template, Type, Value};
use rstest::rstest;

/// About a tenth of the usual bounds: unoptimised, those take seconds.
const SMALL: Limits = Limits {
    depth: 150,
    steps: 1_000_000,
    bytes: 32 << 20,
    output: 2 << 20,
};

fn failure(text: &str, limits: Limits) -> String {
    let template = match Template::new("t").with_limits(limits).parse(text) {
        Ok(template) => template,
        Err(error) => return error.to_string(),
    };
    match template.render(&Value::Nil) {
        Ok(output) => panic!("rendered {} bytes", output.len()),
        Err(error) => error.to_string(),
    }
}

#[rstest]
#[case::endless_templates(
    r#"{{define "T"}}{{template "T" .}}{{end}}{{template "T" .}}"#,
    "exceeded maximum template depth (150)"
)]
#[case::long_loops("{{range 100000000000}}{{end}}", "more than the 1000000 steps")]
#[case::loops_in_loops(
    "{{range 100000}}{{range 100000}}{{end}}{{end}}",
    "more than the 1000000 steps"
)]
#[case::much_output(
    "{{range 10000000}}aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa{{end}}",
    "the output is longer than 2097152 bytes"
)]
#[case::repeat(r#"{{$x := repeat 1000000000 "x"}}"#, "more than the 33554432 bytes")]
#[case::repeat_of_repeat(
    r#"{{$x := repeat 1000000 "x"}}{{$y := repeat 1000000 $x}}"#,
    "more than the 33554432 bytes"
)]
#[case::replace(
    r#"{{$x := repeat 100000 "x"}}{{$y := replace "x" $x $x}}"#,
    "more than the 33554432 bytes"
)]
#[case::indent(
    r#"{{$x := repeat 100000 "\n"}}{{$y := indent 100000 $x}}"#,
    "more than the 33554432 bytes"
)]
#[case::join(
    r#"{{$x := join (repeat 100000 "x") (until 100000)}}"#,
    "more than the 33554432 bytes"
)]
#[case::printf(
    r#"{{range 1000}}{{$x := printf "%999999d" 1}}{{end}}"#,
    "more than the 33554432 bytes"
)]
#[case::until("{{$x := until 1000000000}}", "more than the")]
#[case::seq("{{$x := seq 1000000000}}", "more than the")]
#[case::expression(
    r"{{$x := list 1}}{{range 64}}{{$x = list $x $x}}{{end}}{{$y := toJson $x}}",
    "more than the"
)]
#[case::doubling(
    r"{{$x := list 1}}{{range 64}}{{$x = list $x $x}}{{end}}{{deepEqual $x (deepCopy $x)}}",
    "more than the"
)]
#[case::nesting(
    r"{{$x := list 1}}{{range 100000}}{{$x = list $x}}{{end}}{{$x}}",
    "a value nests more than 200 deep"
)]
#[case::cycle(
    r#"{{$x := dict}}{{$_ := set $x "x" (list $x)}}"#,
    "error calling set: a map cannot contain itself"
)]
#[case::cycle_by_merge(
    r#"{{$x := dict}}{{$_ := merge $x (dict "a" (dict "b" $x))}}"#,
    "error calling merge: a map cannot contain itself"
)]
#[case::expressions_of_many_bytes(
    r#"{{regexReplaceAll "x" (repeat 100000 "x") (repeat 100000 "y")}}"#,
    "more than the 33554432 bytes"
)]
#[case::large_pattern(
    r#"{{regexMatch "((a{1000}){1000}){1000}" "a" | ternary 1 (fail "refused")}}"#,
    "refused"
)]
fn a_bound_ends_what_would_not_end(#[case] template: &str, #[case] expected: &str) {
    let error = failure(template, SMALL);
    assert!(error.contains(expected), "{error}");
}

#[rstest]
#[case("(", ")")]
#[case("{{if .}}", "{{end}}")]
fn deep_templates_are_refused(#[case] open: &str, #[case] close: &str) {
    let inner = if open == "(" { "1" } else { "" };
    let nested = format!("{}{inner}{}", open.repeat(100_000), close.repeat(100_000));
    let text = if open == "(" {
        format!("{{{{{nested}}}}}")
    } else {
        nested
    };
    assert_eq!(
        failure(&text, SMALL),
        "template: t:1: max expression depth exceeded"
    );
}

#[test]
fn every_depth_that_is_allowed_fits_a_small_stack() {
    // Two megabytes are what threads of asynchronous runtimes have; tests run unoptimised, which takes most.
    let nested = format!("{}x{}", "{{if true}}".repeat(140), "{{end}}".repeat(140));
    let parens = format!("{{{{{}1{}}}}}", "(".repeat(140), ")".repeat(140));
    let recursion = r#"{{define "T"}}{{if .}}{{with .}}{{template "T" (sub . 1)}}{{end}}{{end}}{{end}}{{template "T" 40}}"#;
    for text in [nested.as_str(), &parens, recursion] {
        let template = Template::new("t").parse(text).unwrap();
        template.render(&Value::Nil).unwrap();
    }
}

#[test]
fn a_value_of_any_depth_is_freed() {
    let mut value = Value::Nil;
    for _ in 0..200_000 {
        value = Value::list([Value::map([("x", value)])]);
    }
    drop(value);
}

#[test]
fn limits_have_defaults() {
    let limits = Limits::default();
    assert_eq!(limits.depth, SMALL.depth);
    assert!(limits.steps > SMALL.steps && limits.bytes > SMALL.bytes && limits.output > SMALL.output);
    let error = failure("{{range 100000000000}}{{end}}", Limits::default());
    assert!(error.contains("more than the 10000000 steps"), "{error}");
    let error = failure(r#"{{$x := repeat 1000000000 "x"}}"#, Limits::default());
    assert!(error.contains("more than the 268435456 bytes"), "{error}");
    let error = failure(r#"{{repeat 20000000 "x"}}"#, Limits::default());
    assert!(error.contains("longer than 16777216 bytes"), "{error}");
}

#[test]
fn limits_are_the_callers_to_choose() {
    let limits = Limits {
        steps: 100,
        output: 10,
        ..Limits::default()
    };
    let render = |text: &str| {
        let template = Template::new("t").with_limits(limits).parse(text).unwrap();
        template.render(&Value::Nil).map_err(|error| error.to_string())
    };
    assert_eq!(render("0123456789"), Ok("0123456789".into()));
    assert!(
        render("0123456789a")
            .unwrap_err()
            .contains("longer than 10 bytes")
    );
    assert!(render("{{range 200}}{{end}}").unwrap_err().contains("100 steps"));
}

#[rstest]
#[case::encoded("{{$y := toJson $x}}")]
#[case::encoded_prettily("{{$y := toPrettyJson $x}}")]
#[case::printed("{{$y := print $x}}")]
#[case::formatted(r#"{{$y := printf "%.0s" $x}}"#)]
#[case::put_out("{{$x}}")]
#[case::map_encoded(r#"{{$y := toJson (dict "x" $x)}}"#)]
#[case::map_put_out(r#"{{dict "x" $x}}"#)]
fn what_writes_a_value_takes_a_step_for_each_element(#[case] written: &str) {
    let limits = Limits {
        steps: 1000,
        ..Limits::default()
    };
    let text = format!("{{{{$x := list 1}}}}{{{{range 64}}}}{{{{$x = list $x $x}}}}{{{{end}}}}{written}");
    let template = Template::new("t").with_limits(limits).parse(&text).unwrap();
    let error = template.render(&Value::Nil).unwrap_err().to_string();
    assert!(
        error.contains("more than the 1000 steps that it may take"),
        "{error}"
    );
}

#[test]
fn a_function_can_render_a_template_of_its_caller() {
    let mut functions = Functions::sprig();
    let signature = Signature::new([Type::String, Type::Any], Type::String);
    let include = |context: &mut Context<'_>, arguments: &Arguments<'_>| {
        let name = arguments.text(0).to_string_lossy().into_owned();
        context.render(&name, arguments.value(1)).map(Value::from)
    };
    functions.add("include", Function::new(signature, include));
    let template = Template::new("t").with_functions(functions);
    let text = r#"{{define "T"}}<{{.}}>{{end}}{{include "T" 5 | upper | indent 2}}"#;
    assert_eq!(
        template.clone().parse(text).unwrap().render(&Value::Nil).unwrap(),
        "  <5>"
    );
    let endless = r#"{{define "T"}}{{include "T" .}}{{end}}{{include "T" 5}}"#;
    let error = template.parse(endless).unwrap().render(&Value::Nil).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("exceeded maximum template depth (150)"),
        "{error}"
    );
}
