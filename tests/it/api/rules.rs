//! Every CEL rule refuses an object that breaks it, in every served version.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::manifests;
use crate::support::cluster::Cluster;

/// Kind, where the rule is, the rule, and a spec that breaks this rule and no other.
fn rows() -> Vec<(&'static str, &'static str, &'static str, Value)> {
    let mut rows = policies_and_automations();
    rows.extend(sources());
    rows.extend(charts_and_notifications());
    rows
}

fn policies_and_automations() -> Vec<(&'static str, &'static str, &'static str, Value)> {
    let policy = |more: Value| {
        with(
            json!({ "imageRepositoryRef": { "name": "app" }, "policy": { "semver": { "range": "*" } } }),
            more,
        )
    };
    let kustomization = |kube_config: Value| {
        json!({
            "interval": "10m", "prune": true, "sourceRef": { "kind": "GitRepository", "name": "fleet" },
            "kubeConfig": kube_config,
        })
    };
    vec![
        (
            "ImagePolicy",
            "spec",
            "!has(self.interval) || (has(self.digestReflectionPolicy) && self.digestReflectionPolicy == 'Always')",
            policy(json!({ "interval": "5m", "digestReflectionPolicy": "IfNotPresent" })),
        ),
        (
            "ImagePolicy",
            "spec",
            "has(self.interval) || !has(self.digestReflectionPolicy) || self.digestReflectionPolicy != 'Always'",
            policy(json!({ "digestReflectionPolicy": "Always" })),
        ),
        (
            "Kustomization",
            "spec.kubeConfig",
            "has(self.configMapRef) || has(self.secretRef)",
            kustomization(json!({})),
        ),
        (
            "Kustomization",
            "spec.kubeConfig",
            "!has(self.configMapRef) || !has(self.secretRef)",
            kustomization(json!({ "configMapRef": { "name": "a" }, "secretRef": { "name": "b" } })),
        ),
    ]
}

fn sources() -> Vec<(&'static str, &'static str, &'static str, Value)> {
    let bucket = |more: Value| {
        with(
            json!({ "interval": "10m", "bucketName": "fleet", "endpoint": "minio.example.com" }),
            more,
        )
    };
    let sts = |provider: &str, more: Value| {
        with(
            json!({ "provider": provider, "endpoint": "https://sts.example.com" }),
            more,
        )
    };
    vec![
        (
            "GitRepository",
            "spec",
            "!has(self.serviceAccountName) || (has(self.provider) && (self.provider == 'azure' || self.provider == 'aws'))",
            json!({ "interval": "10m", "url": "https://git.example.com/fleet", "serviceAccountName": "reader" }),
        ),
        (
            "Bucket",
            "spec",
            "self.provider == 'aws' || self.provider == 'generic' || !has(self.sts)",
            bucket(json!({ "provider": "gcp", "sts": sts("aws", json!({})) })),
        ),
        (
            "Bucket",
            "spec",
            "self.provider != 'aws' || !has(self.sts) || self.sts.provider == 'aws'",
            bucket(json!({ "provider": "aws", "sts": sts("ldap", json!({})) })),
        ),
        (
            "Bucket",
            "spec",
            "self.provider != 'generic' || !has(self.sts) || self.sts.provider == 'ldap'",
            bucket(json!({ "provider": "generic", "sts": sts("aws", json!({})) })),
        ),
        (
            "Bucket",
            "spec",
            "!has(self.sts) || self.sts.provider != 'aws' || !has(self.sts.secretRef)",
            bucket(json!({ "provider": "aws", "sts": sts("aws", json!({ "secretRef": { "name": "a" } })) })),
        ),
        (
            "Bucket",
            "spec",
            "!has(self.sts) || self.sts.provider != 'aws' || !has(self.sts.certSecretRef)",
            bucket(
                json!({ "provider": "aws", "sts": sts("aws", json!({ "certSecretRef": { "name": "a" } })) }),
            ),
        ),
        (
            "Bucket",
            "spec",
            "self.provider != 'generic' || !has(self.serviceAccountName)",
            bucket(json!({ "provider": "generic", "serviceAccountName": "reader" })),
        ),
        (
            "Bucket",
            "spec",
            "!has(self.secretRef) || !has(self.serviceAccountName)",
            bucket(
                json!({ "provider": "aws", "secretRef": { "name": "a" }, "serviceAccountName": "reader" }),
            ),
        ),
        (
            "HelmChart",
            "spec",
            "!has(self.verify) || self.sourceRef.kind == 'HelmRepository'",
            json!({
                "interval": "10m", "chart": "./chart", "sourceRef": { "kind": "GitRepository", "name": "fleet" },
                "verify": { "provider": "cosign" },
            }),
        ),
    ]
}

fn charts_and_notifications() -> Vec<(&'static str, &'static str, &'static str, Value)> {
    let release = |more: Value| {
        with(
            json!({ "interval": "10m", "chartRef": { "kind": "OCIRepository", "name": "app" } }),
            more,
        )
    };
    let receiver = |more: Value| {
        with(
            json!({ "resources": [{ "apiVersion": "image.toolkit.fluxcd.io/v1", "kind": "ImageRepository", "name": "app" }] }),
            more,
        )
    };
    let oidc = json!([{ "issuerURL": "https://token.example.com", "audience": "fluxbot",
        "validations": [{ "expression": "true", "message": "never" }] }]);
    vec![
        (
            "HelmRelease",
            "spec",
            "(has(self.chart) && !has(self.chartRef)) || (!has(self.chart) && has(self.chartRef))",
            json!({ "interval": "10m" }),
        ),
        (
            "HelmRelease",
            "spec.install.strategy",
            "!has(self.retryInterval) || self.name != 'RemediateOnFailure'",
            release(
                json!({ "install": { "strategy": { "name": "RemediateOnFailure", "retryInterval": "5m" } } }),
            ),
        ),
        (
            "HelmRelease",
            "spec.upgrade.strategy",
            "!has(self.retryInterval) || self.name == 'RetryOnFailure'",
            release(
                json!({ "upgrade": { "strategy": { "name": "RemediateOnFailure", "retryInterval": "5m" } } }),
            ),
        ),
        (
            "HelmRelease",
            "spec.kubeConfig",
            "has(self.configMapRef) || has(self.secretRef)",
            release(json!({ "kubeConfig": {} })),
        ),
        (
            "HelmRelease",
            "spec.kubeConfig",
            "!has(self.configMapRef) || !has(self.secretRef)",
            release(
                json!({ "kubeConfig": { "configMapRef": { "name": "a" }, "secretRef": { "name": "b" } } }),
            ),
        ),
        (
            "Provider",
            "spec",
            "self.type == 'github' || self.type == 'gitlab' || self.type == 'gitea' || self.type == 'bitbucketserver' || \
             self.type == 'bitbucket' || self.type == 'azuredevops' || !has(self.commitStatusExpr)",
            json!({ "type": "slack", "commitStatusExpr": "'fluxbot'" }),
        ),
        (
            "Receiver",
            "spec",
            "self.type != 'generic-oidc' || (has(self.oidcProviders) && size(self.oidcProviders) > 0)",
            receiver(json!({ "type": "generic-oidc" })),
        ),
        (
            "Receiver",
            "spec",
            "self.type == 'generic-oidc' || !has(self.oidcProviders) || size(self.oidcProviders) == 0",
            receiver(json!({ "type": "github", "secretRef": { "name": "token" }, "oidcProviders": oidc })),
        ),
        (
            "Receiver",
            "spec",
            "self.type != 'generic-oidc' || !has(self.secretRef)",
            receiver(
                json!({ "type": "generic-oidc", "secretRef": { "name": "token" }, "oidcProviders": oidc }),
            ),
        ),
        (
            "Receiver",
            "spec",
            "self.type == 'generic-oidc' || has(self.secretRef)",
            receiver(json!({ "type": "github" })),
        ),
    ]
}

/// An object with these members, too.
fn with(mut object: Value, more: Value) -> Value {
    let Value::Object(more) = more else {
        panic!("{more} is no object")
    };
    object.as_object_mut().unwrap().extend(more);
    object
}

/// A rule of a definition: where it is, itself, and what a refusal says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Rule {
    kind: String,
    path: String,
    expression: String,
    message: String,
}

/// The rules of all kinds, in all versions.
fn rules() -> BTreeSet<Rule> {
    fn walk(schema: &Value, kind: &str, path: &str, rules: &mut BTreeSet<Rule>) {
        let text = |rule: &Value, key: &str| rule[key].as_str().unwrap_or_default().to_owned();
        for rule in schema["x-kubernetes-validations"]
            .as_array()
            .into_iter()
            .flatten()
        {
            rules.insert(Rule {
                kind: kind.to_owned(),
                path: path.to_owned(),
                expression: text(rule, "rule"),
                message: text(rule, "message"),
            });
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let path = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}.{name}")
            };
            walk(property, kind, &path, rules);
        }
        for (keyword, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
            if schema[keyword].is_object() {
                walk(&schema[keyword], kind, &format!("{path}{mark}"), rules);
            }
        }
    }
    let mut rules = BTreeSet::new();
    for crd in fluxbot_api::crds() {
        for version in &crd.spec.versions {
            let schema = serde_json::to_value(version.schema.as_ref().unwrap()).unwrap();
            walk(&schema["openAPIV3Schema"], &crd.spec.names.kind, "", &mut rules);
        }
    }
    rules
}

#[test]
fn every_rule_has_an_object_that_breaks_it() {
    let known: BTreeSet<_> = rules()
        .into_iter()
        .map(|rule| (rule.kind, rule.path, rule.expression))
        .collect();
    let tried: BTreeSet<_> = rows()
        .into_iter()
        .map(|(kind, path, rule, _)| (kind.to_owned(), path.to_owned(), rule.to_owned()))
        .collect();
    assert_eq!(known, tried);
}

#[tokio::test]
async fn the_api_server_refuses_what_breaks_a_rule_and_says_why() {
    let cluster = Cluster::shared();
    cluster.install_crds().await;
    let client = cluster.client().await;
    let rules = rules();
    for (kind, path, rule, spec) in rows() {
        let definition = fluxbot_api::definitions()
            .into_iter()
            .find(|definition| definition.kind == kind)
            .unwrap();
        let broken = rules
            .iter()
            .find(|known| {
                (
                    known.kind.as_str(),
                    known.path.as_str(),
                    known.expression.as_str(),
                ) == (kind, path, rule)
            })
            .unwrap_or_else(|| panic!("{kind} has no rule {rule} at {path}"));
        for version in definition.versions {
            let objects = manifests::api(&client, definition, version, "default");
            let object = manifests::object(definition, version, "broken", &spec);
            let status = manifests::refusal(&objects, &object)
                .await
                .unwrap_or_else(|| panic!("{kind} {version} took {spec} against {rule}"));
            assert_eq!(status.code, 422, "{}", status.message);
            let causes = status.details.unwrap().causes;
            let [cause] = causes.as_slice() else {
                panic!("{kind} {version} {spec} breaks more than {rule}: {causes:#?}")
            };
            assert_eq!(cause.field, path);
            assert!(cause.message.contains(&broken.message), "{}", cause.message);
        }
    }
}
