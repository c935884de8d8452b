use std::collections::BTreeMap;

use super::*;
use crate::objects::ObjectSet;

/// The objects of a path, or the text of the error.
fn load(files: &dyn Files, path: &str) -> Result<ObjectSet, String> {
    let interest = Interest {
        may_be_in: ObjectSet::may_be_in,
        must_be_read: ObjectSet::must_be_read,
        is_vital: ObjectSet::is_vital,
    };
    let built = build(files, path, interest).map_err(|error| error.to_string())?;
    ObjectSet::from_manifests(&built.manifests, built.problems).map_err(|error| error.to_string())
}

/// A tree of files in memory.
struct InMemory(BTreeMap<&'static str, &'static str>);

impl Files for InMemory {
    fn list(&self, path: &str) -> Result<Vec<String>, FilesError> {
        let below = |file: &str| path.is_empty() || file == path || file.starts_with(&format!("{path}/"));
        Ok(self
            .0
            .keys()
            .filter(|file| below(file))
            .map(ToString::to_string)
            .collect())
    }

    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, FilesError> {
        Ok(self.0.get(path).map(|content| content.as_bytes().to_vec()))
    }
}

fn tree(files: &[(&'static str, &'static str)]) -> InMemory {
    InMemory(files.iter().copied().collect())
}

const POLICY: &str = "\
apiVersion: image.toolkit.fluxcd.io/v1beta2
kind: ImagePolicy
metadata:
  name: debug
  namespace: flux-system
spec:
  imageRepositoryRef:
    name: debug
  policy:
    semver:
      range: 1.0.x
";

const POLICY_WITHOUT_NAMESPACE: &str = "\
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata:
  name: debug
spec:
  imageRepositoryRef:
    name: debug
  policy:
    alphabetical: {}
";

#[test]
fn a_folder_is_read_as_all_yaml_files_below_it() {
    let files = tree(&[
        ("clusters/beta/a/policy.yaml", POLICY),
        ("clusters/production/policy.yaml", POLICY),
        ("clusters/beta/notes.md", "kind: ImagePolicy"),
    ]);
    let set = load(&files, "clusters/beta").unwrap();
    let (key, declared) = set.policies.iter().next().unwrap();
    assert_eq!(key.to_string(), "flux-system/debug");
    assert_eq!(
        (declared.file.as_str(), declared.line),
        ("clusters/beta/a/policy.yaml", 1)
    );
}

#[test]
fn an_object_that_is_declared_twice_names_both_files() {
    let files = tree(&[
        ("clusters/beta/policy.yaml", POLICY),
        ("clusters/production/policy.yaml", POLICY),
    ]);
    insta::assert_snapshot!(
        load(&files, "").unwrap_err(),
        @"ImagePolicy flux-system/debug is declared twice: in clusters/beta/policy.yaml:1 and in clusters/production/policy.yaml:1"
    );
}

#[test]
fn a_kustomization_chooses_the_files_and_the_namespace() {
    let files = tree(&[
        (
            "images/kustomization.yaml",
            "namespace: apps\nresources:\n- ../policies\n- repository.yaml\n",
        ),
        ("images/unlisted.yaml", POLICY),
        ("images/repository.yaml", "# nothing here\n"),
        ("policies/kustomization.yaml", "resources: [./policy.yaml]\n"),
        ("policies/policy.yaml", POLICY_WITHOUT_NAMESPACE),
    ]);
    let set = load(&files, "images").unwrap();
    let keys: Vec<String> = set.policies.keys().map(ToString::to_string).collect();
    assert_eq!(keys, ["apps/debug"]);
}

#[test]
fn what_a_kustomization_cannot_do_yet_is_refused_by_name() {
    let cases = [
        (
            "helmCharts: [{name: x}]\n",
            "is not supported yet; point --objects at",
        ),
        ("resources: [https://example.org/x]\n", "https://example.org/x"),
        ("resources: [gone.yaml]\n", "gone.yaml"),
        ("resources: [../../outside]\n", "'../../outside'"),
        ("resources: [../images]\n", "cycle detected"),
        ("resources: [\n", "images/kustomization.yaml:"),
    ];
    for (kustomization, expected) in cases {
        let files = tree(&[("images/kustomization.yaml", kustomization)]);
        let error = load(&files, "images").unwrap_err();
        assert!(
            error.contains(expected) && error.contains("images/kustomization.yaml"),
            "{error}"
        );
    }
}

#[test]
fn a_broken_file_is_reported_and_the_others_are_read() {
    let files = tree(&[
        (
            "a.yaml",
            "apiVersion: image.toolkit.fluxcd.io/v1\n{{ if .Values.x }}\n",
        ),
        (
            "b.yaml",
            "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImagePolicy\nmetadata: {name: b}\nspec: 7\n",
        ),
        ("c.yaml", POLICY),
    ]);
    let set = load(&files, "").unwrap();
    assert_eq!(set.policies.len(), 1);
    let problems: Vec<&str> = set.problems.iter().map(|problem| problem.file.as_str()).collect();
    assert_eq!(problems, ["a.yaml", "b.yaml"]);
    assert!(
        set.problems[1]
            .to_string()
            .starts_with("b.yaml:1: ImagePolicy b is invalid")
    );
}

#[test]
fn kustomizations_below_a_plain_folder_are_built_as_one_each() {
    let files = tree(&[
        (
            "apps/overlays/beta/kustomization.yaml",
            "namespace: apps\nresources: [../../base]\n",
        ),
        ("apps/base/kustomization.yaml", "resources: [policy.yaml]\n"),
        ("apps/base/policy.yaml", POLICY_WITHOUT_NAMESPACE),
        ("apps/base/unlisted.yaml", POLICY),
        ("clusters/beta/flux.yaml", "# nothing\n"),
    ]);
    let set = load(&files, "").unwrap();
    let keys: Vec<String> = set.policies.keys().map(ToString::to_string).collect();
    assert_eq!(
        keys,
        ["apps/debug"],
        "once, in the namespace that the overlay gives"
    );
}

#[test]
fn a_kustomization_that_cannot_be_built_matters_only_when_it_holds_image_objects() {
    let other = (
        "web/kustomization.yaml",
        "helmCharts: [{name: x}]\nresources: [service.yaml]\n",
    );
    let service = (
        "web/service.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n",
    );
    let policy = ("images/policy.yaml", POLICY);
    assert_eq!(
        load(&tree(&[other, service, policy]), "").unwrap().policies.len(),
        1
    );
    let error = load(&tree(&[other, service, ("web/policy.yaml", POLICY)]), "").unwrap_err();
    assert!(
        error.contains("web/kustomization.yaml is not supported yet; point --objects at"),
        "{error}"
    );
}

#[test]
fn a_kustomization_may_mention_flux_and_a_flux_kustomization_lists_nothing() {
    let mention = "# applied by kustomize.toolkit.fluxcd.io\nresources: [policy.yaml]\n";
    let files = tree(&[
        ("a/kustomization.yaml", mention),
        ("a/policy.yaml", POLICY),
        ("a/unlisted.yaml", POLICY),
    ]);
    assert_eq!(load(&files, "a").unwrap().policies.len(), 1);
    let flux = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: a}\n";
    let files = tree(&[("a/kustomization.yaml", flux), ("a/policy.yaml", POLICY)]);
    assert_eq!(load(&files, "a").unwrap().policies.len(), 1);
}

#[test]
fn kustomizations_that_double_are_stopped() {
    let names: Vec<(String, String)> = (0..40)
        .map(|level| {
            let next = format!("{:02}", level + 1);
            // Two folders that both list the two of the next level.
            (
                format!("{level:02}"),
                format!("resources: [../{next}, ../{next}/.]\n"),
            )
        })
        .collect();
    let mut files = BTreeMap::new();
    for (name, content) in &names {
        files.insert(
            &*Box::leak(format!("{name}/kustomization.yaml").into_boxed_str()),
            &*Box::leak(content.clone().into_boxed_str()),
        );
    }
    files.insert("40/kustomization.yaml", "namespace: x\n");
    assert!(
        load(&InMemory(files), "00")
            .unwrap_err()
            .contains("kustomizations, repetitions included")
    );
}

#[test]
fn what_image_automation_does_not_use_breaks_nothing() {
    let secret = |name: &str, data: &str| {
        format!("---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\n{data}\n")
    };
    let secrets = [
        secret("invalid", "stringData: {password: 31337}"),
        secret("encrypted", "data: {a: 'ENC[AES256_GCM,data:x]'}"),
        secret("twice", "data: {}"),
    ]
    .concat();
    let files = InMemory(
        [
            ("policy.yaml", POLICY),
            ("a.yaml", &*Box::leak(secrets.into_boxed_str())),
            (
                "b.yaml",
                &*Box::leak(secret("twice", "data: {}").into_boxed_str()),
            ),
            (
                "chart/templates/x.yaml",
                "{{ if .Values.x }}\nkind: Secret\n{{ end }}\n",
            ),
        ]
        .into_iter()
        .collect(),
    );
    let set = load(&files, "").unwrap();
    assert_eq!(
        (set.policies.len(), set.problems.len()),
        (1, 0),
        "{:?}",
        set.problems
    );
    let secret = |name: &str| set.secret(&crate::objects::ObjectKey::new("default", name));
    let invalid = secret("invalid").unwrap_err();
    assert!(
        invalid.starts_with("a.yaml:2: Secret invalid is invalid") && !invalid.contains("31337"),
        "{invalid}"
    );
    assert!(
        secret("twice")
            .unwrap_err()
            .contains("declared twice: in a.yaml:12 and in b.yaml:2")
    );
    assert!(secret("absent").unwrap().is_none());
}
