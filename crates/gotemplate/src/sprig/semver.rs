//! Semantic versions (Masterminds/semver).

use fluxbot_semver::{Range, Version};

use super::{Outcome, Table, fail, signature};
use crate::text::Text;
use crate::value::{Arguments, Context, FunctionError, Object, Signature, Value};

pub(super) const TABLE: Table<'static> = &[
    ("semver", "s:V", |_, a| {
        let text = a.text(0);
        Ok(Value::object(SemanticVersion::parse(&text.to_string_lossy())?))
    }),
    ("semverCompare", "ss:b", |_, a| compare(&a.text(0), &a.text(1))),
];

fn compare(range: &Text, version: &Text) -> Outcome {
    let range: Range = range
        .to_string_lossy()
        .parse()
        .map_err(|error: fluxbot_semver::InvalidRange| FunctionError::new(error.to_string()))?;
    let version = version.to_string_lossy();
    let version = Version::parse(&version).map_err(|error| FunctionError::new(error.to_string()))?;
    Ok(range.admits(&version).into())
}

/// `*semver.Version`
#[derive(Debug)]
struct SemanticVersion {
    major: u64,
    minor: u64,
    patch: u64,
    prerelease: String,
    metadata: String,
    original: String,
}

impl SemanticVersion {
    fn parse(text: &str) -> Result<Self, FunctionError> {
        let version = Version::parse(text).map_err(|error| FunctionError::new(error.to_string()))?;
        Ok(Self {
            major: version.major(),
            minor: version.minor(),
            patch: version.patch(),
            prerelease: version.prerelease().to_owned(),
            metadata: version.metadata().to_owned(),
            original: version.original().to_owned(),
        })
    }

    fn canonical(&self) -> String {
        let mut text = format!("{}.{}.{}", self.major, self.minor, self.patch);
        for (separator, part) in [('-', &self.prerelease), ('+', &self.metadata)] {
            if !part.is_empty() {
                text.push(separator);
                text.push_str(part);
            }
        }
        text
    }

    /// How it compares with the version that is the first argument.
    fn compare(&self, a: &Arguments<'_>) -> Result<i64, FunctionError> {
        let Value::Object(other) = a.value(0) else {
            return Err(FunctionError::nil_dereference());
        };
        let (own, other) = (self.canonical(), other.text().unwrap_or_default());
        match (Version::parse(&own), Version::parse(&other)) {
            (Ok(own), Ok(other)) => Ok(own.cmp(&other) as i64),
            _ => Err(FunctionError::nil_dereference()),
        }
    }
}

impl Object for SemanticVersion {
    fn type_name(&self) -> String {
        "*semver.Version".to_owned()
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("major", self.major.into()),
            ("minor", self.minor.into()),
            ("patch", self.patch.into()),
            ("pre", self.prerelease.as_str().into()),
            ("metadata", self.metadata.as_str().into()),
            ("original", self.original.as_str().into()),
        ]
    }

    fn method(&self, name: &str) -> Option<Signature> {
        Some(signature(match name {
            "Major" | "Minor" | "Patch" => ":u",
            "Prerelease" | "Metadata" | "Original" | "String" => ":s",
            "Compare" => "V:i",
            "Equal" | "LessThan" | "LessThanEqual" | "GreaterThan" | "GreaterThanEqual" => "V:b",
            _ => return None,
        }))
    }

    fn call(&self, name: &str, _: &mut Context<'_>, a: &Arguments<'_>) -> Outcome {
        Ok(match name {
            "Major" => self.major.into(),
            "Minor" => self.minor.into(),
            "Patch" => self.patch.into(),
            "Prerelease" => self.prerelease.clone().into(),
            "Metadata" => self.metadata.clone().into(),
            "Original" => self.original.clone().into(),
            "String" => self.canonical().into(),
            "Compare" => Value::int(self.compare(a)?),
            "Equal" => (self.compare(a)? == 0).into(),
            "LessThan" => (self.compare(a)? < 0).into(),
            "LessThanEqual" => (self.compare(a)? <= 0).into(),
            "GreaterThan" => (self.compare(a)? > 0).into(),
            "GreaterThanEqual" => (self.compare(a)? >= 0).into(),
            _ => return fail(format!("no method {name}")),
        })
    }

    fn text(&self) -> Option<String> {
        Some(self.canonical())
    }

    fn json(&self) -> Option<Value> {
        Some(self.canonical().into())
    }
}
