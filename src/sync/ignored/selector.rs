//! Which objects a rule is for: parts of their identity as regular expressions, labels and annotations as label selectors.

use fluxbot_api::kustomize::Selector as Target;
use regex::Regex;

use super::super::object::Object;

/// A target, its expressions read.
#[derive(Debug)]
pub(super) struct Selector {
    group: Option<Regex>,
    version: Option<Regex>,
    kind: Option<Regex>,
    name: Option<Regex>,
    namespace: Option<Regex>,
    labels: Vec<Requirement>,
    annotations: Vec<Requirement>,
}

/// One part of a label selector.
#[derive(Debug, PartialEq)]
struct Requirement {
    key: String,
    /// Whether the value has to be one of `values`, or must not be.
    is_in: bool,
    /// The values; `None` means any.
    values: Option<Vec<String>>,
}

impl Selector {
    pub(super) fn new(target: &Target) -> Result<Self, String> {
        Ok(Self {
            group: whole(target.group.as_deref())?,
            version: whole(target.version.as_deref())?,
            kind: whole(target.kind.as_deref())?,
            name: whole(target.name.as_deref())?,
            namespace: whole(target.namespace.as_deref())?,
            labels: requirements(target.label_selector.as_deref().unwrap_or_default())?,
            annotations: requirements(target.annotation_selector.as_deref().unwrap_or_default())?,
        })
    }

    pub(super) fn fits(&self, object: &Object) -> bool {
        let fits = |pattern: &Option<Regex>, text: &str| {
            pattern.as_ref().is_none_or(|pattern| pattern.is_match(text))
        };
        fits(&self.group, object.group())
            && fits(&self.version, object.version())
            && fits(&self.kind, object.kind())
            && fits(&self.name, object.name())
            && fits(&self.namespace, object.namespace().unwrap_or_default())
            && self.labels.iter().all(|one| one.fits(object.label(&one.key)))
            && self
                .annotations
                .iter()
                .all(|one| one.fits(object.annotation(&one.key)))
    }
}

impl Requirement {
    fn fits(&self, value: Option<&str>) -> bool {
        let is_among = match (&self.values, value) {
            (None, value) => value.is_some(),
            (Some(values), Some(value)) => values.iter().any(|known| known == value),
            (Some(_), None) => false,
        };
        is_among == self.is_in
    }
}

/// A pattern for the whole text; an empty one fits everything.
fn whole(pattern: Option<&str>) -> Result<Option<Regex>, String> {
    let Some(pattern) = pattern.filter(|pattern| !pattern.is_empty()) else {
        return Ok(None);
    };
    Regex::new(&format!("^(?:{pattern})$"))
        .map(Some)
        .map_err(|_| format!("'{pattern}' is no regular expression"))
}

/// Reads `a=b,c!=d,e in (f,g),h notin (i),j,!k`.
fn requirements(text: &str) -> Result<Vec<Requirement>, String> {
    let mut parts = vec![String::new()];
    let mut depth = 0_usize;
    for character in text.chars() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = parts.last_mut() {
            last.push(character);
        }
    }
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    parts
        .iter()
        .map(|part| {
            requirement(part.trim())
                .ok_or_else(|| format!("unable to parse requirement '{part}' of '{text}'"))
        })
        .collect()
}

fn requirement(text: &str) -> Option<Requirement> {
    let key = |text: &str| {
        let text = text.trim();
        let is_key = |character: char| character.is_ascii_alphanumeric() || "-_./".contains(character);
        (!text.is_empty() && text.chars().all(is_key)).then(|| text.to_owned())
    };
    let of = |name: &str, is_in: bool, values: Option<Vec<String>>| {
        key(name).map(|key| Requirement { key, is_in, values })
    };
    let set = |text: &str| {
        let inner = text.trim().strip_prefix('(')?.strip_suffix(')')?;
        Some(
            inner
                .split(',')
                .map(|value| value.trim().to_owned())
                .collect::<Vec<_>>(),
        )
    };
    let one = |value: &str| Some(vec![value.trim().to_owned()]);
    if let Some(name) = text.strip_prefix('!') {
        return of(name, false, None);
    }
    if let Some((name, value)) = text.split_once("!=") {
        return of(name, false, one(value));
    }
    if let Some((name, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return of(name, true, one(value));
    }
    if let Some((name, values)) = text.split_once(" notin ") {
        return of(name, false, Some(set(values)?));
    }
    if let Some((name, values)) = text.split_once(" in ") {
        return of(name, true, Some(set(values)?));
    }
    of(text, true, None)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case("", true)]
    #[case("app=web", true)]
    #[case("app==web,tier", true)]
    #[case("app!=web", false)]
    #[case("other!=web", true)]
    #[case("app in (api, web)", true)]
    #[case("app notin (api)", true)]
    #[case("!app", false)]
    #[case("!other,tier=front", true)]
    fn labels_are_selected_as_everywhere(#[case] selector: &str, #[case] expected: bool) {
        let object = Object::new(json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "labels": {"app": "web", "tier": "front"}}}));
        let target = Target {
            label_selector: Some(selector.to_owned()),
            kind: Some("Deploy.*".to_owned()),
            ..Target::default()
        };
        assert_eq!(Selector::new(&target).unwrap().fits(&object), expected);
    }

    #[test]
    fn an_expression_is_for_the_whole_text() {
        let object =
            Object::new(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}));
        let target = |name: &str| Target {
            name: Some(name.to_owned()),
            ..Target::default()
        };
        assert!(!Selector::new(&target("we")).unwrap().fits(&object));
        assert!(Selector::new(&target("w.*")).unwrap().fits(&object));
        assert_eq!(
            Selector::new(&target("(")).unwrap_err(),
            "'(' is no regular expression"
        );
        let target = Target {
            label_selector: Some("a b".to_owned()),
            ..Target::default()
        };
        assert_eq!(
            Selector::new(&target).unwrap_err(),
            "unable to parse requirement 'a b' of 'a b'"
        );
    }
}
