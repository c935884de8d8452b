//! Judges the markers of a tree: those that can not work, and those that will surprise.

use std::collections::BTreeMap;
use std::fmt;

use super::{Field, ImpossibleReason, Located, ParseFailure};
use crate::image::PolicyKey;

/// What the linter must know of a policy that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KnownPolicy {
    /// Whether the policy's `digestReflectionPolicy` is `Always` or `IfNotPresent`.
    pub reflects_digest: bool,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The marker works, and may not do what its author expects.
    Warning,
    /// The marker does nothing.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// One thing to tell the author of a marker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file, as given to [`lint`].
    pub path: String,
    /// Line of the marker or of the parser's complaint, from 1.
    pub line: usize,
    /// The setter's name, or the comment as it stands; nothing for a finding about the whole file.
    pub setter: Option<String>,
    /// How bad it is.
    pub severity: Severity,
    /// What it is.
    pub reason: FindingReason,
}

impl fmt::Display for Finding {
    /// `path:line: setter: reason`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.path, self.line)?;
        if let Some(setter) = &self.setter {
            write!(f, "{setter}: ")?;
        }
        write!(f, "{}", self.reason)
    }
}

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FindingReason {
    /// The marker can never work.
    #[error("{0}")]
    Impossible(ImpossibleReason),
    /// The file carries markers and is no valid YAML.
    #[error("{0}; Flux skips this file")]
    Unparsable(ParseFailure),
    /// No such policy exists.
    #[error("no ImagePolicy '{}' exists in namespace '{}'", .0.name, .0.namespace)]
    UnknownPolicy(PolicyKey),
    /// A `:digest` marker on a policy that never has a digest.
    #[error(
        "the policy '{0}' does not reflect digests, so the marker blanks the value; set its digestReflectionPolicy"
    )]
    NoDigest(PolicyKey),
}

/// Judges the markers of some files, in the order given and then by line.
///
/// `policies` are all policies that exist; without them, unknown policies and digests are not judged.
#[must_use]
pub fn lint<'a>(
    files: impl IntoIterator<Item = (&'a str, &'a Located)>,
    policies: Option<&BTreeMap<PolicyKey, KnownPolicy>>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, located) in files {
        let begin = findings.len();
        let mut add = |line, setter, severity, reason| {
            findings.push(Finding {
                path: path.to_owned(),
                line,
                setter,
                severity,
                reason,
            });
        };
        let has_markers = !(located.scalars.is_empty() && located.impossible.is_empty());
        if let Some(failure) = located.unparsable.as_ref().filter(|_| has_markers) {
            // With every marker readable all the same, only Flux has a problem with the file.
            let severity = if located.impossible.is_empty() {
                Severity::Warning
            } else {
                Severity::Error
            };
            add(
                failure.line,
                None,
                severity,
                FindingReason::Unparsable(failure.clone()),
            );
        }
        for impossible in &located.impossible {
            add(
                impossible.line,
                Some(impossible.setter.clone()),
                Severity::Error,
                FindingReason::Impossible(impossible.reason.clone()),
            );
        }
        for scalar in &located.scalars {
            let key = &scalar.marker.policy;
            let judged = match policies.map(|policies| policies.get(key)) {
                Some(None) => Some((Severity::Error, FindingReason::UnknownPolicy(key.clone()))),
                Some(Some(policy)) if scalar.marker.field == Field::Digest && !policy.reflects_digest => {
                    Some((Severity::Warning, FindingReason::NoDigest(key.clone())))
                }
                _ => None,
            };
            if let Some((severity, reason)) = judged {
                add(scalar.line, Some(scalar.marker.to_string()), severity, reason);
            }
        }
        if let Some(own) = findings.get_mut(begin..) {
            own.sort_by_key(|finding| finding.line);
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setters::locate;

    fn report(text: &str, policies: Option<&BTreeMap<PolicyKey, KnownPolicy>>) -> String {
        let located = locate(text.as_bytes());
        let findings = lint([("a.yaml", &located)], policies);
        let lines: Vec<_> = findings
            .iter()
            .map(|finding| format!("{} {finding}", finding.severity))
            .collect();
        lines.join("\n")
    }

    #[test]
    fn each_marker_that_cannot_work_is_named_with_its_reason() {
        let text = r#"spec: {image: x} # {"$imagepolicy": "ns:p"}
image: x # {"$imagepolicy": "ns:gone"}
# {"$imagepolicy": "ns:p"}
tag: x # {"$imagepolicy": "p:tag:x"}
digest: x # {"$imagepolicy": "ns:p:digest"}
other: x # {"$imagepolicy": "ns:p"} pinned
# image: x # {"$imagepolicy": "ns:p"}
"#;
        let policies = BTreeMap::from([(PolicyKey::new("ns", "p"), KnownPolicy::default())]);
        insta::assert_snapshot!(report(text, Some(&policies)), @r#"
        error a.yaml:1: ns:p: the marker stands behind a mapping; it must stand behind the scalar that it sets
        error a.yaml:2: ns:gone: no ImagePolicy 'gone' exists in namespace 'ns'
        error a.yaml:3: ns:p: the marker stands above a mapping key; it must stand behind the value, on the same line
        error a.yaml:4: # {"$imagepolicy": "p:tag:x"}: 'p:tag:x' ends with an unknown suffix; only :name, :tag and :digest exist
        warning a.yaml:5: ns:p:digest: the policy 'ns:p' does not reflect digests, so the marker blanks the value; set its digestReflectionPolicy
        error a.yaml:6: # {"$imagepolicy": "ns:p"} pinned: the comment has text behind the marker; the marker must be all of the comment
        "#);
    }

    #[test]
    fn a_digest_marker_is_fine_on_a_policy_that_reflects_digests() {
        let text = r#"digest: x # {"$imagepolicy": "ns:p:digest"}"#;
        let policy = KnownPolicy {
            reflects_digest: true,
        };
        let policies = BTreeMap::from([(PolicyKey::new("ns", "p"), policy)]);
        assert_eq!(report(text, Some(&policies)), "");
        assert_eq!(report(text, None), "");
    }

    #[test]
    fn a_file_that_does_not_parse_is_named_when_it_carries_markers() {
        let template = "a: b\n{{- if .x }}\nimage: x # {\"$imagepolicy\": \"ns:p\"}\n{{- end }}\n";
        insta::assert_snapshot!(report(template, None), @r#"warning a.yaml:2: no valid YAML: line 2, column 3: "-" is only valid inside a block; Flux skips this file"#);
        assert_eq!(report("a: b\n{{- if .x }}\n# $imagepolicy\n", None), "");
        let broken = "a: [\n  image: x # {\"$imagepolicy\": \"ns:p\"}\n- b";
        let report = report(broken, None);
        assert!(report.contains("error a.yaml:2: ns:p: "), "{report}");
        assert!(report.contains("Flux skips this file"), "{report}");
    }
}
