//! The health of kinds for which a Kustomization says itself how to tell it.

use std::collections::HashMap;

use fluxbot_api::meta::HealthCheckExpression;
use serde_json::Value;

use super::super::expression::{Expression, ExpressionError};
use super::super::object::GroupKind;
use super::{Health, Status, compute, field, group_of, integer};

/// `spec.healthCheckExprs` cannot be used. The texts are Flux's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HealthRuleError {
    /// Two rules for one kind.
    #[error("duplicate custom health check for GroupKind {kind} at healthchecks[{index}]")]
    Duplicate {
        /// The kind, as `Kind.group`.
        kind: String,
        /// The place of the second.
        index: usize,
    },
    /// An expression is missing or no CEL.
    #[error("failed to create custom status evaluator for healthchecks[{index}]: {reason}")]
    Expression {
        /// The place of the rule.
        index: usize,
        /// What is wrong.
        reason: String,
    },
}

/// How to tell the health of the objects of one kind.
#[derive(Debug)]
struct Rule {
    in_progress: Option<Expression>,
    failed: Option<Expression>,
    current: Expression,
}

/// How to tell the health of objects: by expressions where there are some for the kind, else by [`compute`].
#[derive(Debug, Default)]
pub struct HealthRules {
    /// A rule without a kind is for all kinds of its group that have none of their own.
    by_kind: HashMap<GroupKind, Rule>,
}

impl HealthRules {
    /// Reads the rules of a spec. Of an API version its group alone counts.
    ///
    /// # Errors
    /// Two rules for one kind, or an expression that is no CEL.
    pub fn new(checks: &[HealthCheckExpression]) -> Result<Self, HealthRuleError> {
        let mut by_kind = HashMap::new();
        for (index, check) in checks.iter().enumerate() {
            let group = check.api_version.rsplit_once('/').map_or("", |(group, _)| group);
            let key = GroupKind {
                group: group.to_owned(),
                kind: check.kind.clone().unwrap_or_default(),
            };
            if by_kind.contains_key(&key) {
                let kind = [key.kind.as_str(), &key.group].join(".");
                let kind = kind.trim_end_matches('.').to_owned();
                return Err(HealthRuleError::Duplicate { kind, index });
            }
            let rule = Rule::new(check).map_err(|reason| HealthRuleError::Expression { index, reason })?;
            by_kind.insert(key, rule);
        }
        Ok(Self { by_kind })
    }

    /// The health of an object.
    #[must_use]
    pub fn compute(&self, object: &Value) -> Health {
        match self.rule(group_of(object), field(object, "/kind")) {
            Some(rule) => rule.evaluate(object),
            None => compute(object),
        }
    }

    /// Whether a kind has a rule of its own, or its group has one.
    #[must_use]
    pub fn covers(&self, group: &str, kind: &str) -> bool {
        self.rule(group, kind).is_some()
    }

    fn rule(&self, group: &str, kind: &str) -> Option<&Rule> {
        if self.by_kind.is_empty() {
            return None;
        }
        let key = |kind: &str| GroupKind {
            group: group.to_owned(),
            kind: kind.to_owned(),
        };
        self.by_kind
            .get(&key(kind))
            .or_else(|| self.by_kind.get(&key("")))
    }
}

impl Rule {
    fn new(check: &HealthCheckExpression) -> Result<Self, String> {
        let parse = |name: &str, text: &str| {
            Expression::parse(text).map_err(|error| format!("failed to parse the expression {name}: {error}"))
        };
        let optional = |name: &str, text: &Option<String>| {
            let text = text.as_deref().filter(|text| !text.is_empty());
            text.map(|text| parse(name, text)).transpose()
        };
        if check.current.is_empty() {
            return Err("expression Current not specified".to_owned());
        }
        Ok(Self {
            current: parse("Current", &check.current)?,
            failed: optional("Failed", &check.failed)?,
            in_progress: optional("InProgress", &check.in_progress)?,
        })
    }

    /// The generation first, then the expressions in the order of Flux's RFC 9: in progress, failed, current.
    fn evaluate(&self, object: &Value) -> Health {
        if let (Some(generation), Some(observed)) = (
            integer(object, "/metadata/generation"),
            integer(object, "/status/observedGeneration"),
        ) && generation != observed
        {
            return Health::in_progress(format!(
                "{} generation is {generation}, but latest observed generation is {observed}",
                field(object, "/kind")
            ));
        }
        match self.answer(object) {
            Ok(health) => health,
            Err(error) => Health::new(Status::Unknown, error.to_string()),
        }
    }

    fn answer(&self, object: &Value) -> Result<Health, ExpressionError> {
        let nothing = serde_json::Map::new();
        let variables = object.as_object().unwrap_or(&nothing);
        if let Some(expression) = &self.in_progress
            && expression.is_true(variables)?
        {
            return Ok(Health::in_progress("expression InProgress is true"));
        }
        if let Some(expression) = &self.failed
            && expression.is_true(variables)?
        {
            return Ok(Health::failed("expression Failed is true"));
        }
        if self.current.is_true(variables)? {
            return Ok(Health::current("expression Current is true"));
        }
        Ok(Health::in_progress("expression Current is not true"))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn check(api_version: &str, kind: Option<&str>, expressions: [&str; 3]) -> HealthCheckExpression {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let [in_progress, failed, current] = expressions;
        HealthCheckExpression {
            api_version: api_version.to_owned(),
            kind: kind.map(str::to_owned),
            current: current.to_owned(),
            in_progress: text(in_progress),
            failed: text(failed),
        }
    }

    #[rstest]
    #[case::the_generation_first(json!({"observedGeneration": 1, "phase": "Done"}), Status::InProgress)]
    #[case::then_progress(json!({"phase": "Working", "failed": true}), Status::InProgress)]
    #[case::then_failure(json!({"phase": "Done", "failed": true}), Status::Failed)]
    #[case::then_success(json!({"observedGeneration": 2, "phase": "Done"}), Status::Current)]
    #[case::else_progress(json!({"phase": "Other"}), Status::InProgress)]
    #[case::a_missing_field_is_not_known(json!({}), Status::Unknown)]
    fn the_order_of_the_expressions_is_that_of_flux(#[case] status: Value, #[case] expected: Status) {
        let expressions = [
            "status.phase == 'Working'",
            "has(status.failed) && status.failed",
            "status.phase == 'Done'",
        ];
        let rules = HealthRules::new(&[check("example.org/v1", Some("Thing"), expressions)]).unwrap();
        let object = json!({"apiVersion": "example.org/v1beta1", "kind": "Thing", "metadata": {"generation": 2}, "status": status});
        assert_eq!(rules.compute(&object).status, expected);
    }

    #[test]
    fn a_rule_without_a_kind_is_for_the_other_kinds_of_its_group() {
        let rules = HealthRules::new(&[
            check("example.org/v1", None, ["", "", "true"]),
            check("example.org/v1", Some("Thing"), ["", "", "false"]),
        ])
        .unwrap();
        assert!(rules.covers("example.org", "Other") && !rules.covers("apps", "Deployment"));
        let object = |kind: &str| json!({"apiVersion": "example.org/v1", "kind": kind});
        assert_eq!(rules.compute(&object("Thing")).status, Status::InProgress);
        assert_eq!(rules.compute(&object("Other")).status, Status::Current);
        // Without the rule a Deployment without a status is on its way.
        let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment"});
        assert_eq!(rules.compute(&deployment), compute(&deployment));
    }

    #[test]
    fn what_cannot_be_used_is_named_by_its_place() {
        let twice = [
            check("example.org/v1", Some("Thing"), ["", "", "true"]),
            check("example.org/v2", Some("Thing"), ["", "", "true"]),
        ];
        assert_eq!(
            HealthRules::new(&twice).unwrap_err().to_string(),
            "duplicate custom health check for GroupKind Thing.example.org at healthchecks[1]"
        );
        let error = HealthRules::new(&[check("example.org/v1", None, ["", "a b", "true"])]).unwrap_err();
        assert!(
            error.to_string().starts_with(
                "failed to create custom status evaluator for healthchecks[0]: failed to parse the expression Failed: failed to \
                 parse the CEL expression 'a b': "
            ),
            "{error}"
        );
    }
}
