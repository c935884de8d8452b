//! The chart: what it renders, what it refuses, and that a real API server takes it.

mod controller;
mod files;
mod install;
mod render;
mod rights;
mod values;

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;
use yaml_serde::Value;

use crate::support::command::{hermetic, run};
use crate::support::project_root;
use crate::support::server::binary;

/// The namespace of every rendered release, and its name.
const RELEASE: [&str; 4] = ["fluxbot", "CHART", "--namespace", "flux-system"];

/// Values that switch on all that can be switched on.
const EVERYTHING: &str = r"
replicas: 2
image: {tag: v1.2.3, digest: 'sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'}
imagePullSecrets: [{name: pull}]
strategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 1}}
watchLabelSelector: sharding.fluxcd.io/key in (a, b)
concurrent: 8
requeueDependency: 5s
multitenancy: {lockdown: true, defaultServiceAccount: reconciler}
rbac: {clusterAdmin: true}
serviceAccount: {annotations: {example.com/role: reader}}
artifacts: {serviceName: artifacts, clusterDomain: example.org}
persistence: {enabled: true, storageClassName: fast, annotations: {example.com/keep: 'true'}}
events: {address: 'http://notification-controller.flux-system.svc.cluster.local./'}
metrics: {serviceMonitor: {enabled: true, labels: {release: prometheus}}}
podDisruptionBudget: {enabled: true}
priorityClassName: system-cluster-critical
affinity: {nodeAffinity: {}}
tolerations: [{operator: Exists}]
topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway}]
annotations: {example.com/team: platform}
podAnnotations: {example.com/pod: 'yes'}
podLabels: {example.com/pod: 'yes'}
commonLabels: {example.com/all: 'yes'}
extraArgs: ['--kubeconfig=/roots/kubeconfig']
extraEnv: [{name: HTTPS_PROXY, value: 'http://proxy:3128'}]
extraVolumes: [{name: roots, configMap: {name: roots}}]
extraVolumeMounts: [{name: roots, mountPath: /roots, readOnly: true}]
";

/// The folder of the chart.
fn chart() -> std::path::PathBuf {
    project_root().join("charts/fluxbot")
}

/// Helm with an empty home, for what needs no cluster.
fn helm(home: &Path) -> Command {
    hermetic(binary("helm"), home)
}

/// Runs `helm template` on the chart with these values and further arguments.
fn template(values: &str, arguments: &[&str]) -> Output {
    let home = TempDir::new().unwrap();
    let chart = chart();
    let chart = chart.to_str().unwrap();
    let release = RELEASE.map(|word| if word == "CHART" { chart } else { word });
    let mut command = helm(home.path());
    command
        .arg("template")
        .args(release)
        .arg("--values=-")
        .args(arguments);
    run(&mut command, values.as_bytes())
}

/// What the chart renders with these values, as text.
#[track_caller]
fn rendered(values: &str, arguments: &[&str]) -> String {
    let output = template(values, arguments);
    let complaints = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{complaints}");
    String::from_utf8(output.stdout).unwrap()
}

/// The objects that the chart renders with these values; without the definitions.
#[track_caller]
fn objects(values: &str) -> Vec<Value> {
    let arguments = [
        "--set=crds.install=false",
        "--api-versions=monitoring.coreos.com/v1",
    ];
    documents(&rendered(values, &arguments))
}

/// The documents of a stream.
fn documents(text: &str) -> Vec<Value> {
    text.split("\n---\n")
        .map(|document| yaml_serde::from_str(document.trim_start_matches("---\n")).unwrap())
        .filter(|document: &Value| !document.is_null())
        .collect()
}

/// Follows string keys.
#[track_caller]
fn at<'v>(value: &'v Value, path: &str) -> &'v Value {
    path.split('.').fold(value, |value, key| {
        let found = match key.parse::<usize>() {
            Ok(index) => value.get(index),
            Err(_) => value.get(key),
        };
        found.unwrap_or_else(|| panic!("no {key} of {path} in {value:?}"))
    })
}

/// The one object of this kind.
#[track_caller]
fn only<'v>(objects: &'v [Value], kind: &str) -> &'v Value {
    let mut found = objects.iter().filter(|object| at(object, "kind") == kind);
    let object = found.next().unwrap_or_else(|| panic!("no {kind}"));
    assert!(found.next().is_none(), "more than one {kind}");
    object
}

/// The container's arguments.
fn arguments(objects: &[Value]) -> Vec<String> {
    let arguments = at(
        only(objects, "Deployment"),
        "spec.template.spec.containers.0.args",
    );
    arguments
        .as_sequence()
        .unwrap()
        .iter()
        .map(|argument| argument.as_str().unwrap().to_owned())
        .collect()
}
