//! A question, its answer by the originals, and how ours differs.

use fluxbot_yaml::{Data, Limits, Node, ParseError, Reading};
use serde_json::{Value, json};

/// A case as `hack/oracle/yaml` reads and answers it.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Case {
    pub kind: String,
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Value>,
}

impl Case {
    pub fn new(kind: &str, text: String) -> Self {
        Self {
            kind: kind.to_owned(),
            text,
            error: None,
            answer: None,
        }
    }

    /// What is wrong with our answer.
    pub fn difference(&self) -> Option<String> {
        // go-yaml looks for this mark where its buffer starts, whatever it reads.
        if self.text.matches('\u{feff}').count() > 1 {
            return None;
        }
        let ours = match self.kind.as_str() {
            "emit" | "sigs" => return self.written(),
            "api" => read(&self.text, Reading::Api, documents),
            "strict" => read(&self.text, Reading::ApiStrict, documents),
            "kustomize" => read(&self.text, Reading::Kustomize, documents),
            // An alias has a place of its own there.
            "places" if self.text.contains(['*', '<']) => return None,
            "places" => read(&self.text, Reading::Kustomize, |nodes| places(&nodes)),
            other => return Some(format!("unknown kind {other}")),
        };
        match (ours, &self.answer) {
            (Ok(ours), Some(theirs)) => {
                let (ours, theirs) = (normal(ours), normal(theirs.clone()));
                (ours != theirs).then(|| self.show(&ours.to_string(), &theirs.to_string()))
            }
            // Places are asked for without a look at keys and aliases.
            (Err(_), Some(_)) if self.kind == "places" => None,
            (Err(ours), Some(theirs)) => Some(self.show(&format!("error {ours}"), &theirs.to_string())),
            (Ok(ours), None) if !self.is_tolerated() => {
                Some(self.show(&ours.to_string(), &format!("error {:?}", self.error)))
            }
            (Ok(_) | Err(_), None) => None,
        }
    }

    /// The original's error and ours, when both refuse a text and say different things.
    pub fn other_message(&self) -> Option<String> {
        let theirs = self.error.as_deref()?;
        let reading = match self.kind.as_str() {
            "api" => Reading::Api,
            "strict" => Reading::ApiStrict,
            "kustomize" => Reading::Kustomize,
            _ => return None,
        };
        let ours = fluxbot_yaml::parse(&self.text, reading).err()?;
        (ours.original() != theirs).then(|| self.show(ours.original(), theirs))
    }

    fn written(&self) -> Option<String> {
        // sigs.k8s.io/yaml folds this line break on its way through JSON.
        if self.kind == "sigs" && self.text.contains('\u{85}') {
            return None;
        }
        let theirs = self.answer.as_ref()?.as_str()?;
        let value: Value = serde_json::from_str(&self.text).unwrap();
        let ours = fluxbot_yaml::to_string(&value);
        let mut own = String::new();
        fluxbot_yaml::write_to(&value.into(), &mut own);
        (ours != theirs || own != theirs).then(|| self.show(&format!("{ours:?}"), &format!("{theirs:?}")))
    }

    /// What we read although the originals do not; docs/deviations.md tells why.
    fn is_tolerated(&self) -> bool {
        let error = self.error.as_deref().unwrap_or_default();
        let excessive = error.contains("excessive aliasing") || error == "too many values";
        let keys =
            self.kind == "kustomize" && error.contains("unsupported type: map[interface {}]interface {}");
        let null_key = ["~", "null", "Null", "NULL", ""]
            .iter()
            .any(|key| error.contains(&format!("mapping key \"{key}\" already defined")));
        excessive || keys || (null_key && self.kind == "kustomize")
    }

    fn show(&self, ours: &str, theirs: &str) -> String {
        format!(
            "{} {:?}\n    ours:   {ours}\n    theirs: {theirs}",
            self.kind, self.text
        )
    }
}

fn read(text: &str, reading: Reading, show: impl Fn(Vec<Node>) -> Value) -> Result<Value, ParseError> {
    fluxbot_yaml::documents(text, reading, Limits::default())
        .collect::<Result<Vec<_>, _>>()
        .map(show)
}

fn documents(nodes: Vec<Node>) -> Value {
    nodes
        .into_iter()
        .map(|node| Value::from(node.into_value()))
        .collect()
}

fn places(nodes: &[Node]) -> Value {
    fn place(node: &Node, all: &mut Vec<Value>) {
        all.push(json!([node.line, node.column]));
        match &node.data {
            Data::List(items) => items.iter().for_each(|item| place(item, all)),
            Data::Map(fields) => fields.iter().for_each(|(_, field)| place(field, all)),
            _ => {}
        }
    }
    let mut all = Vec::new();
    for node in nodes {
        place(node, &mut all);
    }
    Value::Array(all)
}

/// JSON with numbers as this crate has them: Go writes `-0`, and floats without fractions as integers.
fn normal(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => {
            let float = number.as_f64().unwrap();
            let integer = if float.fract() == 0.0 && float.abs() < 1e19 {
                format!("{float:.0}").parse::<i128>().ok()
            } else {
                None
            };
            match integer.map(|integer| (i64::try_from(integer), u64::try_from(integer))) {
                Some((Ok(integer), _)) => json!(integer),
                Some((_, Ok(integer))) => json!(integer),
                // serde_json is not always right in the last digit.
                _ => json!(format!("{float:.14e}")),
            }
        }
        Value::Array(items) => items.into_iter().map(normal).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(key, value)| (key, normal(value)))
            .collect(),
        other => other,
    }
}
