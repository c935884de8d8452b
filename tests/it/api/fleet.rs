//! What stands in the demo's repository is accepted by a real API server.

use std::fs;
use std::path::{Path, PathBuf};

use rstest::rstest;

use crate::support::cluster::Cluster;
use crate::support::project_root;

fn yaml_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            yaml_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
}

#[rstest]
#[case("clusters/beta", 9)]
#[case("clusters/production", 9)]
#[case("apps/base", 5)]
#[tokio::test]
async fn the_demos_manifests_are_accepted(#[case] folder: &str, #[case] at_least: usize) {
    let cluster = Cluster::shared();
    cluster.install_crds().await;
    let namespace = cluster.namespace("fleet").await;
    let mut files = Vec::new();
    yaml_files(&project_root().join("src/demo/fleet").join(folder), &mut files);
    // What kustomize reads is no object of the API server.
    files.retain(|file| file.file_name().is_some_and(|name| name != "kustomization.yaml"));
    assert!(files.len() >= at_least, "{files:?}");
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let text = text.replace(
            "namespace: flux-system",
            &format!("namespace: {}", namespace.name()),
        );
        cluster.apply(&text, Some(namespace.name()));
    }
}
