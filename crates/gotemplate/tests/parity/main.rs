//! Templates give what they give in Go: golden answers of the original, and a fuzz run against it.

#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking, and have nobody to document for"
)]

mod fixtures;
mod fuzz;
mod limits;

use std::collections::{BTreeMap, BTreeSet};

use fluxbot_gotemplate::{Functions, MissingKey, Template};
use serde::{Deserialize, Serialize};

/// A template with its data, options and answer, as hack/oracle/template reads and writes it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Case {
    #[serde(rename = "t")]
    template: String,
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    data: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    missing: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    delims: Vec<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    plain: bool,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    more: BTreeMap<String, String>,
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Case {
    fn expected(&self) -> Result<String, String> {
        match (&self.output, &self.error) {
            (Some(output), None) => Ok(output.clone()),
            (None, Some(error)) => Err(error.clone()),
            _ => panic!("no answer: {self:?}"),
        }
    }

    fn answer(&self) -> Result<String, String> {
        let mut template = Template::new("t").with_missing_key(match self.missing.as_str() {
            "zero" => MissingKey::Zero,
            "error" => MissingKey::Error,
            _ => MissingKey::Default,
        });
        if self.plain {
            template = template.with_functions(Functions::new());
        }
        if let [left, right] = self.delims.as_slice() {
            template = template.with_delimiters(left, right);
        }
        let mut template = template
            .parse(&self.template)
            .map_err(|error| error.to_string())?;
        for (name, text) in &self.more {
            template.add(name, text).map_err(|error| error.to_string())?;
        }
        let data = self.data.as_ref().map(fixtures::value).unwrap_or_default();
        template.render(&data).map_err(|error| error.to_string())
    }
}

/// The cases of a golden file that are answered in another way, as a report.
fn differences(golden: &str) -> (usize, Vec<String>) {
    let cases: Vec<Case> = golden
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let report = cases
        .iter()
        .filter(|case| case.answer() != case.expected())
        .map(|case| {
            format!(
                "{}\n  want {:?}\n  got  {:?}",
                case.template,
                case.expected(),
                case.answer()
            )
        })
        .collect();
    (cases.len(), report)
}

macro_rules! golden {
    ($($name:ident: $file:literal, $least:literal;)*) => {$(
        #[test]
        fn $name() {
            let (count, different) = differences(include_str!(concat!("../golden/", $file)));
            assert!(count >= $least, "only {count} cases");
            assert!(different.is_empty(), "{} of {count} differ:\n{}", different.len(), different.join("\n"));
        }
    )*};
}

golden! {
    the_language_gives_what_it_gives_in_go: "language.jsonl", 250;
    formats_give_what_they_give_in_go: "formats.jsonl", 300;
    errors_are_worded_as_in_go: "errors.jsonl", 100;
    functions_give_what_they_give_in_go: "functions.jsonl", 600;
}

#[test]
fn every_function_of_the_original_is_there_and_has_an_answer() {
    let golden = include_str!("../golden/functions.jsonl");
    let names: Vec<&str> = include_str!("../golden/names.txt").lines().collect();
    let functions = Functions::sprig();
    assert_eq!(functions.names().collect::<Vec<_>>(), names);
    // Functions that need random numbers or a clock have no answer to hold ours against.
    let answered: BTreeSet<&str> = words(golden).collect();
    let unanswered: Vec<&&str> = names.iter().filter(|name| !answered.contains(**name)).collect();
    assert_eq!(unanswered.len(), 16, "{unanswered:?}");
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
}
