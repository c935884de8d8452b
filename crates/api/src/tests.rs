//! Objects as people write them and as controllers left them, in every served version.

use kube::core::DeserializeGuard;
use kube::{Resource, ResourceExt};
use rstest::rstest;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;

use crate::condition::{ConditionType, EventSeverity};
use crate::helm::HelmRelease;
use crate::image::{ImagePolicy, ImageRepository, ImageRepositorySpec, ImageUpdateAutomation};
use crate::kustomize::Kustomization;
use crate::notification::{Alert, Provider, Receiver};
use crate::source::{
    Bucket, ExternalArtifact, GitRepository, HelmChart, HelmRepository, OciRepository, VerificationProvider,
};
use crate::{FluxResource, Reason};

const IMAGE_REPOSITORY: &str = include_str!("../tests/manifests/imagerepository.yaml");
const IMAGE_POLICY: &str = include_str!("../tests/manifests/imagepolicy.yaml");
const IMAGE_UPDATE_AUTOMATION: &str = include_str!("../tests/manifests/imageupdateautomation.yaml");
const GIT_REPOSITORY: &str = include_str!("../tests/manifests/gitrepository.yaml");
const OCI_REPOSITORY: &str = include_str!("../tests/manifests/ocirepository.yaml");
const BUCKET: &str = include_str!("../tests/manifests/bucket.yaml");
const HELM_REPOSITORY: &str = include_str!("../tests/manifests/helmrepository.yaml");
const HELM_CHART: &str = include_str!("../tests/manifests/helmchart.yaml");
const EXTERNAL_ARTIFACT: &str = include_str!("../tests/manifests/externalartifact.yaml");
const KUSTOMIZATION: &str = include_str!("../tests/manifests/kustomization.yaml");
const HELM_RELEASE: &str = include_str!("../tests/manifests/helmrelease.yaml");
const ALERT: &str = include_str!("../tests/manifests/alert.yaml");
const PROVIDER: &str = include_str!("../tests/manifests/provider.yaml");
const RECEIVER: &str = include_str!("../tests/manifests/receiver.yaml");

/// A test for each kind, with its manifests.
macro_rules! for_every_kind {
    ($(#[$meta:meta])* $check:ident) => {
        $(#[$meta])*
        #[rstest]
        #[case::image_repository($check::<ImageRepository>, IMAGE_REPOSITORY)]
        #[case::image_policy($check::<ImagePolicy>, IMAGE_POLICY)]
        #[case::image_update_automation($check::<ImageUpdateAutomation>, IMAGE_UPDATE_AUTOMATION)]
        #[case::git_repository($check::<GitRepository>, GIT_REPOSITORY)]
        #[case::oci_repository($check::<OciRepository>, OCI_REPOSITORY)]
        #[case::bucket($check::<Bucket>, BUCKET)]
        #[case::helm_repository($check::<HelmRepository>, HELM_REPOSITORY)]
        #[case::helm_chart($check::<HelmChart>, HELM_CHART)]
        #[case::external_artifact($check::<ExternalArtifact>, EXTERNAL_ARTIFACT)]
        #[case::kustomization($check::<Kustomization>, KUSTOMIZATION)]
        #[case::helm_release($check::<HelmRelease>, HELM_RELEASE)]
        #[case::alert($check::<Alert>, ALERT)]
        #[case::provider($check::<Provider>, PROVIDER)]
        #[case::receiver($check::<Receiver>, RECEIVER)]
        fn kinds(#[case] check: fn(&str), #[case] manifests: &str) {
            check(manifests);
        }
    };
}

fn documents(manifests: &str) -> Vec<Value> {
    yaml_serde::Deserializer::from_str(manifests)
        .map(|document| Value::deserialize(document).unwrap())
        .collect()
}

mod reading_and_writing_again_keeps_every_field {
    use super::*;

    fn check<K: FluxResource + Serialize + DeserializeOwned>(manifests: &str) {
        for document in documents(manifests) {
            let object: K = serde_json::from_value(document.clone())
                .unwrap_or_else(|error| panic!("{error}: {document:#}"));
            let mut expected = document;
            expected["apiVersion"] = K::api_version(&()).into();
            assert_eq!(serde_json::to_value(&object).unwrap(), expected);
        }
    }

    for_every_kind!(check);
}

mod there_is_a_manifest_of_every_served_version {
    use super::*;

    fn check<K: FluxResource>(manifests: &str) {
        let documents = documents(manifests);
        let versions: BTreeSet<&str> = documents
            .iter()
            .map(|document| {
                assert_eq!(document["kind"], K::DEFINITION.kind);
                let api_version = document["apiVersion"].as_str().unwrap();
                assert!(K::DEFINITION.serves(api_version), "{api_version}");
                api_version.split_once('/').unwrap().1
            })
            .collect();
        assert_eq!(versions, K::DEFINITION.versions.iter().copied().collect());
    }

    for_every_kind!(check);
}

mod the_manifests_hold_every_field_of_the_schema_and_no_other {
    use super::*;

    fn check<K: FluxResource>(manifests: &str) {
        let crd = serde_json::to_value(K::crd()).unwrap();
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
        for part in ["spec", "status"] {
            let mut known = BTreeSet::new();
            schema_paths(&schema[part], part, &mut known);
            let mut used = BTreeSet::new();
            for document in documents(manifests) {
                value_paths(&document[part], &schema[part], part, &mut used);
            }
            let unused: Vec<_> = known.difference(&used).collect();
            assert!(unused.is_empty(), "in no manifest: {unused:#?}");
            let unknown: Vec<_> = used.difference(&known).collect();
            assert!(unknown.is_empty(), "not in the schema: {unknown:#?}");
        }
    }

    fn schema_paths(schema: &Value, path: &str, paths: &mut BTreeSet<String>) {
        paths.insert(path.to_owned());
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            schema_paths(property, &format!("{path}.{name}"), paths);
        }
        for (keyword, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
            if let Some(values) = schema.get(keyword) {
                schema_paths(values, &format!("{path}{mark}"), paths);
            }
        }
    }

    fn value_paths(value: &Value, schema: &Value, path: &str, paths: &mut BTreeSet<String>) {
        if value.is_null() {
            return;
        }
        paths.insert(path.to_owned());
        if schema["x-kubernetes-preserve-unknown-fields"] == true {
            return;
        }
        if let Some(allowed) = schema["enum"].as_array() {
            assert!(allowed.contains(value), "{path}: {value}");
        }
        let wanted = match value {
            Value::Object(_) => "object",
            Value::Array(_) => "array",
            Value::String(_) => "string",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "integer",
            Value::Null => "null",
        };
        assert_eq!(schema["type"], wanted, "{path}");
        let values = schema.get("additionalProperties");
        for (name, value) in value.as_object().into_iter().flatten() {
            match values {
                Some(values) => value_paths(value, values, &format!("{path}{{}}"), paths),
                None => value_paths(
                    value,
                    &schema["properties"][name],
                    &format!("{path}.{name}"),
                    paths,
                ),
            }
        }
        for item in value.as_array().into_iter().flatten() {
            value_paths(item, &schema["items"], &format!("{path}[]"), paths);
        }
    }

    for_every_kind!(check);
}

#[test]
fn a_kind_knows_its_place_in_the_api() {
    let mut repository: OciRepository = serde_json::from_value(documents(OCI_REPOSITORY).remove(0)).unwrap();
    assert_eq!(OciRepository::api_version(&()), "source.toolkit.fluxcd.io/v1");
    assert_eq!(OciRepository::kind(&()), "OCIRepository");
    assert_eq!(
        OciRepository::url_path(&(), Some("apps")),
        "/apis/source.toolkit.fluxcd.io/v1/namespaces/apps/ocirepositories"
    );
    repository.meta_mut().name = Some("other".to_owned());
    assert_eq!(repository.name_any(), "other");
}

/// The API server fills these in; a file has not been there.
#[test]
fn a_required_field_with_a_default_may_be_missing_in_a_file() {
    let automation: ImageUpdateAutomation = serde_json::from_value(json!({
        "metadata": {},
        "spec": { "interval": "1m", "sourceRef": { "name": "fleet" } },
    }))
    .unwrap();
    assert_eq!(automation.spec.source_ref.kind.as_str(), "GitRepository");
    let repository: OciRepository = serde_json::from_value(json!({
        "metadata": {},
        "spec": { "interval": "1m", "url": "oci://r/a", "verify": {} },
    }))
    .unwrap();
    assert_eq!(
        repository.spec.verify.unwrap().provider,
        VerificationProvider::Cosign
    );
}

#[test]
fn an_object_that_does_not_decode_fails_alone_and_keeps_its_metadata() {
    let policies: Vec<DeserializeGuard<ImagePolicy>> = serde_json::from_value(json!([
        {
            "metadata": { "name": "odd", "namespace": "apps" },
            "spec": {
                "imageRepositoryRef": { "name": "debug" },
                "policy": { "alphabetical": { "order": "up" } },
            },
        },
        {
            "metadata": { "name": "fine" },
            "spec": { "imageRepositoryRef": { "name": "debug" }, "policy": {} },
        },
    ]))
    .unwrap();
    let error = policies[0].0.as_ref().unwrap_err();
    assert_eq!(error.metadata.name.as_deref(), Some("odd"));
    assert_eq!(error.error, r#"unknown Order "up", expected one of asc, desc"#);
    assert!(policies[1].0.is_ok());
}

#[test]
fn a_new_object_has_a_name_and_no_status() {
    let repository = ImageRepository::new("debug", ImageRepositorySpec::default());
    assert_eq!(
        serde_json::to_value(repository).unwrap(),
        json!({
            "apiVersion": "image.toolkit.fluxcd.io/v1",
            "kind": "ImageRepository",
            "metadata": { "name": "debug" },
            "spec": { "image": "", "interval": "0s" },
        })
    );
}

/// The schema of conditions admits no other words.
#[test]
fn reasons_and_condition_types_are_single_words() {
    let is_word = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphabetic());
    for reason in Reason::ALL {
        assert!(is_word(reason.as_str()), "{reason}");
    }
    for type_ in ConditionType::ALL {
        assert!(is_word(type_.as_str()), "{type_}");
    }
    let distinct: BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    assert_eq!(distinct.len(), Reason::ALL.len());
}

#[test]
fn words_are_written_as_in_the_api_and_padded_as_text() {
    assert_eq!(
        format!("[{:<8}]", Reason::InvalidCelExpression),
        "[InvalidCELExpression]"
    );
    assert_eq!(format!("[{:<6}]", EventSeverity::Info), "[info  ]");
    assert!(ConditionType::Stalled.is_negative() && !ConditionType::Ready.is_negative());
}
