//! Golden files: cases and what the Go originals answer, written by `hack/oracle/policy`.

use std::sync::LazyLock;

use rstest::rstest;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::go_regex::{GoRegex, Template};
use super::super::number::parse_float;
use super::super::semver::{Range, Version};
use super::super::{Policy, TagFilter, select};
use super::snapshot;

/// A question to an original and its answer or error.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Case {
    pub kind: String,
    pub args: Vec<String>,
    #[serde(default, skip_serializing)]
    pub error: Option<String>,
    #[serde(default, skip_serializing)]
    pub answer: Value,
}

impl Case {
    pub fn new(kind: &str, args: Vec<String>) -> Self {
        Self {
            kind: kind.to_owned(),
            args,
            error: None,
            answer: Value::Null,
        }
    }

    fn expected(&self) -> Result<Value, String> {
        match &self.error {
            Some(error) => Err(error.clone()),
            None => Ok(self.answer.clone()),
        }
    }

    /// What differs between our answer and that of the original.
    pub fn difference(&self) -> Option<String> {
        let (ours, theirs) = (ours(self), self.expected());
        let agree = match (self.kind.as_str(), &ours, &theirs) {
            // Flux decides ties by chance; ours must be one of its outcomes.
            ("filtered", Ok(ours), Ok(Value::Array(possible))) => possible.contains(ours),
            _ => ours == theirs,
        };
        (!agree).then(|| {
            format!(
                "{} {:?}\n  ours   {ours:?}\n  theirs {theirs:?}",
                self.kind, self.args
            )
        })
    }
}

/// Our answer to a case.
fn ours(case: &Case) -> Result<Value, String> {
    let args: Vec<&str> = case.args.iter().map(String::as_str).collect();
    match (case.kind.as_str(), args.as_slice()) {
        ("version", [text]) => {
            let version = Version::parse(text).map_err(|e| e.to_string())?;
            Ok(json!([version.to_string(), Version::parse_tag(text).is_ok()]))
        }
        ("compare", [a, b]) => {
            let version = |text| Version::parse(text).map_err(|e| e.to_string());
            Ok(json!(version(a)?.cmp(&version(b)?) as i8))
        }
        ("candidates", []) => Ok(json!(candidates())),
        ("range", [range, versions @ ..]) => {
            let range: Range = range
                .parse()
                .map_err(|e: super::super::semver::InvalidRange| e.to_string())?;
            let versions: Vec<&str> = match versions {
                [] => candidates().iter().map(String::as_str).collect(),
                given => given.to_vec(),
            };
            let admits = |text: &&str| Version::parse(text).is_ok_and(|version| range.admits(&version));
            Ok(json!(versions.into_iter().filter(admits).collect::<Vec<_>>()))
        }
        ("regexp", [pattern, texts @ ..]) => {
            let regex = GoRegex::compile(pattern).map_err(|e| e.to_string())?;
            Ok(json!(
                texts.iter().map(|text| regex.groups(text)).collect::<Vec<_>>()
            ))
        }
        ("expand", [pattern, template, text]) => {
            let regex = GoRegex::compile(pattern).map_err(|e| e.to_string())?;
            let mut locations = regex.locations();
            let found = regex.locate(text, &mut locations);
            Ok(json!(found.then(|| {
                Template::new(template, &regex).expand(text, &locations)
            })))
        }
        ("float", [text]) => match parse_float(text) {
            Some(number) if number.is_nan() => Ok(json!("nan")),
            Some(number) => Ok(json!(format!("{:016x}", number.to_bits()))),
            // Flux has a text of its own for both of Go's errors.
            None => Err(case.error.clone().unwrap_or_default()),
        },
        (kind @ ("semver" | "alphabetical" | "numerical"), [argument, tags @ ..]) => {
            selected(kind, argument, None, tags).map(|tag| json!(tag))
        }
        ("filtered", [kind, argument, pattern, extract, tags @ ..]) => {
            let filter = TagFilter::compile(pattern, Some(extract)).map_err(|e| e.to_string())?;
            let outcome = selected(kind, argument, Some(&filter), tags);
            Ok(json!(outcome.unwrap_or_else(|error| format!("error: {error}"))))
        }
        _ => panic!("a case of no known kind: {case:?}"),
    }
}

fn selected(kind: &str, argument: &str, filter: Option<&TagFilter>, tags: &[&str]) -> Result<String, String> {
    let policy = match kind {
        "semver" => Policy::semver(argument),
        "alphabetical" => Policy::alphabetical(argument),
        _ => Policy::numerical(argument),
    };
    let policy = policy.map_err(|e| e.to_string())?;
    let tags = snapshot(tags);
    select(&tags, &policy, filter)
        .map(str::to_owned)
        .map_err(|e| e.to_string())
}

/// The versions that ranges are tried on.
fn candidates() -> &'static [String] {
    static CANDIDATES: LazyLock<Vec<String>> = LazyLock::new(|| {
        let cases: Vec<Case> = serde_json::from_str(include_str!("../golden/ranges.json")).unwrap();
        let list = cases.into_iter().find(|case| case.kind == "candidates").unwrap();
        serde_json::from_value(list.answer).unwrap()
    });
    &CANDIDATES
}

#[rstest]
#[case::versions(include_str!("../golden/versions.json"), 90)]
#[case::precedence(include_str!("../golden/precedence.json"), 350)]
#[case::ranges(include_str!("../golden/ranges.json"), 500)]
#[case::selections(include_str!("../golden/selections.json"), 60)]
#[case::regular_expressions(include_str!("../golden/regexps.json"), 250)]
#[case::expansions(include_str!("../golden/expansions.json"), 70)]
#[case::filtered_selections(include_str!("../golden/filtered.json"), 50)]
#[case::floats(include_str!("../golden/floats.json"), 150)]
fn every_case_is_answered_as_the_original_answers_it(#[case] golden: &str, #[case] at_least: usize) {
    let cases: Vec<Case> = serde_json::from_str(golden).unwrap();
    assert!(cases.len() >= at_least, "{} cases", cases.len());
    let differences: Vec<String> = cases.iter().filter_map(Case::difference).collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
