//! `fluxbot build --kustomization`: what Flux would apply.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::support::cli::{Fluxbot, Run};

const KUSTOMIZATION: &str = "\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps, namespace: flux-system}
spec:
  interval: 10m
  prune: true
  path: ./apps
  sourceRef: {kind: GitRepository, name: fleet}
  targetNamespace: shop
  commonMetadata: {labels: {team: red}}
  images: [{name: web, newTag: 1.2.3}]
  patches:
  - patch: '[{\"op\": \"add\", \"path\": \"/spec/paused\", \"value\": false}]'
    target: {kind: Deployment}
  postBuild:
    substitute: {replicas: '3', cluster: production}
    substituteFrom:
    - {kind: ConfigMap, name: settings}
    - {kind: Secret, name: keys}
    - {kind: ConfigMap, name: local, optional: true}
";

const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: ${replicas}
  template:
    metadata: {annotations: {cluster: '${cluster}', region: '${region}', key: '${key}', zone: '${zone:=a}'}}
    spec: {containers: [{name: web, image: 'web:1.0.0'}]}
";

const SETTINGS: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: flux-system}
data: {region: eu, cluster: staging}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: other}
data: {region: us}
";

const KEYS: &str = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: keys}\ndata: {key: cy1lLWMtcg==}\n";

fn source() -> TempDir {
    let folder = TempDir::new().unwrap();
    for (path, content) in [
        ("apps/web.yaml", DEPLOYMENT),
        ("config/settings.yaml", SETTINGS),
        ("apps/logo.png", "no picture"),
        ("notes.yaml", "a: [\n"),
    ] {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

async fn build(source: &Path, kustomization: &str, more: &[&str]) -> Run {
    let arguments = [
        "build",
        "--kustomization",
        "-",
        "--source",
        source.to_str().unwrap(),
    ];
    Fluxbot::new(arguments.iter().chain(more))
        .stdin(kustomization)
        .run()
        .await
}

#[tokio::test]
async fn overrides_variables_and_labels_are_in_the_output() {
    let source = source();
    let run = build(source.path(), &format!("{KUSTOMIZATION}{KEYS}"), &[]).await;
    insta::assert_snapshot!(run.success(), @r"
    apiVersion: apps/v1
    kind: Deployment
    metadata:
      labels:
        kustomize.toolkit.fluxcd.io/name: apps
        kustomize.toolkit.fluxcd.io/namespace: flux-system
        team: red
      name: web
      namespace: shop
    spec:
      paused: false
      replicas: 3
      template:
        metadata:
          annotations:
            cluster: production
            key: s-e-c-r
            region: eu
            zone: a
        spec:
          containers:
          - image: web:1.2.3
            name: web
    ");
}

#[tokio::test]
async fn what_is_missing_is_named_with_a_remedy() {
    let source = source();
    let run = build(source.path(), KUSTOMIZATION, &[]).await;
    insta::assert_snapshot!(run.failure(1), @r"
    error: substitute from 'Secret/keys' error: Secret flux-system/keys is in no file
    hint: put it into the file of the Kustomization as another document, into --source, or mark it optional
    ");

    let other = KUSTOMIZATION.replace("./apps", "./missing");
    let run = build(source.path(), &other, &[]).await;
    let error = run.failure(1);
    assert!(error.contains("kustomization path not found: "), "{error}");

    fs::write(
        source.path().join("apps/bad.yaml"),
        DEPLOYMENT.replace("web}", "bad}").replace("zone:=a", "zone"),
    )
    .unwrap();
    let run = build(source.path(), &format!("{KUSTOMIZATION}{KEYS}"), &[]).await;
    let error = run.failure(1);
    assert_eq!(
        error,
        "error: apps/bad.yaml:1: post build failed for 'bad': envsubst error: variable substitution failed: variable not set \
         (strict mode): \"zone\" in ${zone}\n"
    );
}

#[tokio::test]
async fn one_of_several_is_chosen_by_its_name() {
    let source = source();
    let second = KUSTOMIZATION
        .replace("name: apps,", "name: second,")
        .replace("name: keys", "name: keys, optional: true");
    let both = format!("{second}---\n{KUSTOMIZATION}{KEYS}");
    let error = build(source.path(), &both, &[]).await;
    assert!(
        error.failure(2).contains("holds 2 Kustomizations: second, apps"),
        "{}",
        error.stderr
    );
    let run = build(source.path(), &both, &["--name", "second"]).await;
    assert!(
        run.success().contains("kustomize.toolkit.fluxcd.io/name: second"),
        "{}",
        run.stdout
    );
    let error = build(source.path(), &both, &["--name", "third"]).await;
    assert!(
        error.failure(2).contains("with the name third"),
        "{}",
        error.stderr
    );
}
