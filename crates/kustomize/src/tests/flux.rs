use serde_json::json;

use crate::flux::{Overrides, build};
use crate::{LoadRestrictor, MemoryFiles, Options};

fn config_map(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n")
}

fn deployment(image: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec:\n  template:\n    spec:\n      containers:\n      - \
         {{name: web, image: {image}}}\n"
    )
}

fn built(files: &[(&str, String)], path: &str, overrides: &Overrides) -> Result<String, String> {
    let files = MemoryFiles::new(files.iter().map(|(path, text)| (*path, text.as_bytes())));
    let options = Options {
        load_restrictor: LoadRestrictor::None,
        ..Options::default()
    };
    let built = build(&files, path, overrides, &options).map_err(|error| error.to_string())?;
    Ok(built.to_yaml())
}

#[test]
fn a_folder_without_kustomization_lists_its_files_and_the_kustomizations_below() {
    let files = [
        ("apps/a.yaml", config_map("a")),
        (
            "apps/b/kustomization.yaml",
            "namePrefix: x-\nresources: [one.yml]\n".to_owned(),
        ),
        ("apps/b/one.yml", config_map("one")),
        ("apps/b/unlisted.yaml", config_map("unlisted")),
        ("apps/c/d/two.yml", config_map("two")),
        ("apps/notes.md", "not YAML".to_owned()),
    ];
    let text = built(&files, "./apps/", &Overrides::default()).unwrap();
    let names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("  name: "))
        .collect();
    assert_eq!(names, ["a", "x-one", "two"]);
}

#[test]
fn a_file_that_is_no_object_is_an_error_that_names_it() {
    let files = [("apps/values.yaml", "replicas: 1\n".to_owned())];
    let error = built(&files, "apps", &Overrides::default()).unwrap_err();
    assert_eq!(
        error,
        "apps/values.yaml:1: failed to decode Kubernetes YAML from apps/values.yaml: missing kind in object"
    );
}

#[test]
fn an_empty_folder_gives_no_objects_and_a_missing_one_is_an_error() {
    let files = [("apps/notes.md", String::new())];
    assert_eq!(built(&files, "apps", &Overrides::default()).unwrap(), "");
    assert!(
        built(&files, "other", &Overrides::default())
            .unwrap_err()
            .contains("path not found")
    );
}

#[test]
fn overrides_are_merged_into_the_kustomization() {
    let kustomization =
        "resources: [web.yaml]\nnamespace: old\nimages:\n- name: web\n  newName: mirror/web\n  newTag: v1\n";
    let component =
        "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [extra.yaml]\n";
    let files = [
        ("apps/kustomization.yaml", kustomization.to_owned()),
        ("apps/web.yaml", deployment("web")),
        ("extra/kustomization.yaml", component.to_owned()),
        ("extra/extra.yaml", config_map("extra")),
    ];
    let overrides = Overrides {
        target_namespace: Some("new".to_owned()),
        name_suffix: Some("-s".to_owned()),
        images: vec![json!({"name": "web", "digest": "sha256:aa"})],
        patches: vec![json!({
            "patch": "- {op: add, path: /spec/replicas, value: 2}",
            "target": {"kind": "Deployment"}
        })],
        components: vec!["../extra".to_owned(), "../gone".to_owned()],
        ignore_missing_components: true,
        ..Overrides::default()
    };
    insta::assert_snapshot!(built(&files, "apps", &overrides).unwrap(), @r"
    apiVersion: apps/v1
    kind: Deployment
    metadata:
      name: web-s
      namespace: new
    spec:
      replicas: 2
      template:
        spec:
          containers:
          - image: mirror/web@sha256:aa
            name: web
    ---
    apiVersion: v1
    kind: ConfigMap
    metadata:
      name: extra-s
      namespace: new
    ");
    let overrides = Overrides {
        components: vec!["https://example.org/x".to_owned()],
        ..Overrides::default()
    };
    let error = built(&files, "apps", &overrides).unwrap_err();
    assert_eq!(
        error,
        "apps/kustomization.yaml: component path 'https://example.org/x' must be local and relative"
    );
}

#[test]
fn everything_that_was_looked_at_is_reported() {
    let files = MemoryFiles::new([
        ("apps/a.yaml", config_map("a").into_bytes()),
        ("apps/b/x.txt", Vec::new()),
    ]);
    let result = build(&files, "apps", &Overrides::default(), &Options::default()).unwrap();
    let inputs = result.inputs;
    assert!(inputs.read.contains("apps/a.yaml"));
    assert!(inputs.listed.contains("apps") && inputs.listed.contains("apps/b"));
    assert!(inputs.missing.contains("apps/kustomization.yaml"));
    assert!(inputs.missing.contains("apps/b/Kustomization"));
    assert_eq!(
        (
            result.objects[0].origin.path.as_str(),
            result.objects[0].origin.line
        ),
        ("apps/a.yaml", 1)
    );
}
