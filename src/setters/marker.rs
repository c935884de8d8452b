//! Marker comments: which policy sets a scalar, and which part of the image it takes.

use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;

use crate::image::{ImageRef, PolicyKey};

/// The key of a marker's JSON object.
const KEY: &str = "$imagepolicy";

/// The same key as it must stand in a file for Flux to look at the file at all.
pub(super) const QUOTED_KEY: &[u8] = b"\"$imagepolicy\"";

/// What the long form of a marker points to; the setter's name follows.
const DEFINITION_PREFIX: &str = "#/definitions/io.k8s.cli.setters.";

/// The part of a selected image that a marked scalar takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    /// `name:tag`, and `@digest` when the policy reflects digests: a marker without a suffix.
    Image,
    /// The name alone: suffix `:name`.
    Name,
    /// The tag alone: suffix `:tag`.
    Tag,
    /// The digest alone: suffix `:digest`.
    Digest,
}

impl Field {
    /// `image`, `name`, `tag` or `digest`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Name => "name",
            Self::Tag => "tag",
            Self::Digest => "digest",
        }
    }
}

/// A well-formed marker, for example `{"$imagepolicy": "flux-system:podinfo:tag"}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Marker {
    /// The policy whose selection the scalar takes.
    pub policy: PolicyKey,
    /// The part of the selection that it takes.
    pub field: Field,
}

impl Marker {
    /// The text that the marked scalar must hold when the policy selected `image`.
    ///
    /// [`Field::Digest`] gives an empty text when the image has no digest, which blanks the scalar as Flux does.
    #[must_use]
    pub fn value(&self, image: &ImageRef) -> String {
        match self.field {
            Field::Image => image.to_string(),
            Field::Name => image.name().to_owned(),
            Field::Tag => image.tag().to_owned(),
            Field::Digest => image.digest().unwrap_or_default().to_owned(),
        }
    }
}

impl fmt::Display for Marker {
    /// The setter's name as in Flux's change records: `namespace:policy` or `namespace:policy:field`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffix = match self.field {
            Field::Image => "",
            Field::Name => ":name",
            Field::Tag => ":tag",
            Field::Digest => ":digest",
        };
        write!(f, "{}{suffix}", self.policy)
    }
}

/// What a comment turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MarkerParse {
    /// A comment like any other.
    NotAMarker,
    /// A marker.
    Marker(Marker),
    /// Its author meant a marker, and nothing will ever read it as one.
    Malformed(MalformedMarker),
}

/// Why a comment that mentions `$imagepolicy` is no marker. Flux ignores all of these without a word.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MalformedMarker {
    /// Words stand before the JSON object.
    #[error("the comment has text before the marker; the marker must be all of the comment")]
    TextBefore,
    /// Words stand behind the JSON object.
    #[error("the comment has text behind the marker; the marker must be all of the comment")]
    TextBehind,
    /// The JSON object is written with single quotes.
    #[error("the marker has single quotes; JSON needs double quotes")]
    SingleQuotes,
    /// The comment is no JSON object.
    #[error("the marker is not a JSON object: {0}")]
    NotJson(String),
    /// A value of the JSON object is no string.
    #[error("every value of the marker's JSON object must be a string")]
    NotAString,
    /// The key has other letters than `$imagepolicy`.
    #[error("the marker's key is '{0}'; it must be '$imagepolicy'")]
    WrongKey(String),
    /// The setter names no namespace, or no policy.
    #[error("'{0}' does not name a policy as namespace:policy")]
    NoNamespace(String),
    /// The suffix is none of the three that exist.
    #[error("'{0}' ends with an unknown suffix; only :name, :tag and :digest exist")]
    UnknownSuffix(String),
    /// White space in the setter's name, which is compared as it is.
    #[error("'{0}' has white space in it")]
    WhiteSpace(String),
}

/// The long form: a reference to the definition of a setter.
#[derive(Deserialize)]
struct LongForm {
    #[serde(rename = "$ref")]
    reference: String,
}

/// Reads one comment, given with its leading `#`s.
///
/// Accepts exactly what Flux accepts: after the `#`s and JSON white space, one JSON object of strings that has
/// the key `$imagepolicy`, or the long form `{"$ref": "#/definitions/io.k8s.cli.setters.namespace:policy"}`.
#[must_use]
pub fn parse_comment(comment: &str) -> MarkerParse {
    let text = comment.trim_start_matches('#');
    // Most comments are prose: one look for the brace or the key spares them the JSON parser.
    if !text.contains(['{', '$']) {
        return MarkerParse::NotAMarker;
    }
    // As in Go, where null leaves the string of a map[string]string empty.
    if let Ok(object) = serde_json::from_str::<HashMap<String, Option<String>>>(text)
        && let Some(setter) = object.get(KEY)
    {
        return parse_setter(setter.as_deref().unwrap_or_default());
    }
    // Of the long form, Flux reads the JSON object and forgets what follows.
    let mut long = serde_json::Deserializer::from_str(text).into_iter::<LongForm>();
    if let Some(Ok(long)) = long.next()
        && let Some(setter) = long.reference.strip_prefix(DEFINITION_PREFIX)
    {
        return parse_setter(setter);
    }
    explain(text)
}

fn parse_setter(setter: &str) -> MarkerParse {
    let malformed = MarkerParse::Malformed;
    let Some((namespace, rest)) = setter.split_once(':') else {
        return malformed(MalformedMarker::NoNamespace(setter.to_owned()));
    };
    let (name, field) = match rest.split_once(':') {
        None => (rest, Field::Image),
        Some((name, "name")) => (name, Field::Name),
        Some((name, "tag")) => (name, Field::Tag),
        Some((name, "digest")) => (name, Field::Digest),
        Some(_) if setter.contains(char::is_whitespace) => {
            return malformed(MalformedMarker::WhiteSpace(setter.to_owned()));
        }
        Some(_) => return malformed(MalformedMarker::UnknownSuffix(setter.to_owned())),
    };
    if namespace.is_empty() || name.is_empty() {
        return malformed(MalformedMarker::NoNamespace(setter.to_owned()));
    }
    if setter.contains(char::is_whitespace) {
        return malformed(MalformedMarker::WhiteSpace(setter.to_owned()));
    }
    MarkerParse::Marker(Marker {
        policy: PolicyKey::new(namespace, name),
        field,
    })
}

/// Says why `text`, which is no marker, is none, when it looks as if it was meant to be one.
fn explain(text: &str) -> MarkerParse {
    let lower = text.to_ascii_lowercase();
    let Some(mention) = lower.find(KEY) else {
        return MarkerParse::NotAMarker;
    };
    let open = text.get(..mention).and_then(|before| before.rfind('{'));
    let Some(open) = open else {
        // Prose may name the key; only a quoted key in front of a colon was meant to work.
        let behind = text.get(mention + KEY.len()..).unwrap_or_default();
        let is_quoted_key = behind
            .trim_start_matches(['"', '\''])
            .trim_start()
            .starts_with(':');
        return if is_quoted_key {
            MarkerParse::Malformed(MalformedMarker::NotJson("it has no braces".to_owned()))
        } else {
            MarkerParse::NotAMarker
        };
    };
    let (before, object) = text.split_at_checked(open).unwrap_or(("", text));
    let mut values = serde_json::Deserializer::from_str(object).into_iter::<serde_json::Value>();
    let reason = match values.next() {
        Some(Ok(serde_json::Value::Object(map))) => {
            let wrong_key = map
                .keys()
                .find(|key| *key != KEY && key.trim().eq_ignore_ascii_case(KEY))
                .filter(|_| !map.contains_key(KEY));
            if let Some(key) = wrong_key {
                MalformedMarker::WrongKey(key.clone())
            } else if !before.trim().is_empty() {
                MalformedMarker::TextBefore
            } else if object
                .get(values.byte_offset()..)
                .is_some_and(|rest| !rest.trim().is_empty())
            {
                MalformedMarker::TextBehind
            } else if map.values().any(|value| !value.is_string()) {
                MalformedMarker::NotAString
            } else {
                // The key stands in a value or in a nested object, where it means nothing.
                return MarkerParse::NotAMarker;
            }
        }
        Some(Err(_)) if object.contains('\'') && !object.contains('"') => MalformedMarker::SingleQuotes,
        Some(Err(error)) => MalformedMarker::NotJson(error.to_string()),
        Some(Ok(_)) | None => MalformedMarker::NotJson("it has no braces".to_owned()),
    };
    MarkerParse::Malformed(reason)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(r#"# {"$imagepolicy": "ns:p"}"#, "ns:p")]
    #[case(r#"#{"$imagepolicy":"ns:p"}"#, "ns:p")]
    #[case(r#"## {"$imagepolicy": "ns:p:tag"}"#, "ns:p:tag")]
    #[case("#\t{ \"$imagepolicy\" : \"ns:p:name\" } \r", "ns:p:name")]
    #[case(r#"# {"$imagepolicy": "ns:a/b:digest"}"#, "ns:a/b:digest")]
    #[case(r#"# {"$imagepolicy": "ns:p", "note": "pinned by {hand}"}"#, "ns:p")]
    #[case(r#"# {"$imagepolicy": "ns:p", "note": null}"#, "ns:p")]
    #[case(r#"# {"$imagepolicy": "ns:first", "$imagepolicy": "ns:last"}"#, "ns:last")]
    #[case(r#"# {"\u0024imagepolicy": "ns:p"}"#, "ns:p")]
    #[case(r##"# {"$ref": "#/definitions/io.k8s.cli.setters.ns:p"}"##, "ns:p")]
    #[case(r##"# {"$ref":"#/definitions/io.k8s.cli.setters.ns:p:tag"}"##, "ns:p:tag")]
    #[case(r##"# {"$ref":"#/definitions/io.k8s.cli.setters.ns:p"} pinned"##, "ns:p")]
    fn what_flux_applies_is_a_marker(#[case] comment: &str, #[case] setter: &str) {
        match parse_comment(comment) {
            MarkerParse::Marker(marker) => assert_eq!(marker.to_string(), setter),
            other => panic!("{comment}: {other:?}"),
        }
    }

    #[rstest]
    #[case(r#"# {"$imagepolicy": "ns:p"} pinned"#, MalformedMarker::TextBehind)]
    #[case(r#"# {"$imagepolicy": "ns:p"} {"a": "b"}"#, MalformedMarker::TextBehind)]
    #[case(r#"# image {"$imagepolicy": "ns:p"}"#, MalformedMarker::TextBefore)]
    #[case(r#"# # {"$imagepolicy": "ns:p"}"#, MalformedMarker::TextBefore)]
    #[case("# {'$imagepolicy': 'ns:p'}", MalformedMarker::SingleQuotes)]
    #[case(r#"# {"$imagepolicy": "ns:p", "x": 1}"#, MalformedMarker::NotAString)]
    #[case(r#"# {"$imagepolicy": ["ns:p"]}"#, MalformedMarker::NotAString)]
    #[case(r#"# {"$ImagePolicy": "ns:p"}"#, MalformedMarker::WrongKey("$ImagePolicy".into()))]
    #[case(r#"# {"$imagepolicy ": "ns:p"}"#, MalformedMarker::WrongKey("$imagepolicy ".into()))]
    #[case(r#"# {"$imagepolicy": "policy"}"#, MalformedMarker::NoNamespace("policy".into()))]
    #[case(r#"# {"$imagepolicy": ":policy"}"#, MalformedMarker::NoNamespace(":policy".into()))]
    #[case(r#"# {"$imagepolicy": "ns::tag"}"#, MalformedMarker::NoNamespace("ns::tag".into()))]
    #[case(r#"# {"$imagepolicy": null}"#, MalformedMarker::NoNamespace(String::new()))]
    #[case(r#"# {"$imagepolicy": "ns:p:nope"}"#, MalformedMarker::UnknownSuffix("ns:p:nope".into()))]
    #[case(r#"# {"$imagepolicy": "ns:p:tag:x"}"#, MalformedMarker::UnknownSuffix("ns:p:tag:x".into()))]
    #[case(r#"# {"$imagepolicy": "ns:p:Tag"}"#, MalformedMarker::UnknownSuffix("ns:p:Tag".into()))]
    #[case(r#"# {"$imagepolicy": "ns:p "}"#, MalformedMarker::WhiteSpace("ns:p ".into()))]
    fn what_flux_ignores_has_a_reason(#[case] comment: &str, #[case] reason: MalformedMarker) {
        assert_eq!(
            parse_comment(comment),
            MarkerParse::Malformed(reason),
            "{comment}"
        );
    }

    #[rstest]
    #[case(r#"# {"$imagepolicy": "ns:p""#)]
    #[case(r#"# {$imagepolicy: "ns:p"}"#)]
    #[case(r#"# "$imagepolicy": "ns:p""#)]
    #[case(r#"# {"$imagepolicy": "ns:p",}"#)]
    fn broken_json_says_so(#[case] comment: &str) {
        let parsed = parse_comment(comment);
        assert!(
            matches!(parsed, MarkerParse::Malformed(MalformedMarker::NotJson(_))),
            "{parsed:?}"
        );
    }

    #[rstest]
    #[case("# a comment")]
    #[case("#")]
    #[case("")]
    #[case("# set by the $imagepolicy marker")]
    #[case(r#"# {"image": "policy"}"#)]
    #[case(r#"# {"note": "see $imagepolicy"}"#)]
    #[case(r##"# {"$ref": "#/definitions/other"}"##)]
    fn prose_is_no_marker(#[case] comment: &str) {
        assert_eq!(parse_comment(comment), MarkerParse::NotAMarker);
    }
}
