//! Installed, upgraded and removed on a real API server.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::chart;
use crate::support::cluster::Cluster;
use crate::support::project_root;

/// What the command wrote to stdout and stderr; it must succeed.
#[track_caller]
fn both(command: &mut Command) -> (String, String) {
    let output = command.output().unwrap();
    let texts = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert!(output.status.success(), "{command:?}: {}{}", texts.0, texts.1);
    texts
}

/// Runs helm, which must succeed.
#[track_caller]
fn helm(cluster: &Cluster, arguments: &[&str]) -> String {
    both(cluster.helm_command().args(arguments)).0
}

/// The names of all definitions.
fn definitions(cluster: &Cluster) -> Vec<String> {
    let names = cluster.kubectl(["get", "crds", "--output=name"]);
    names.lines().map(str::to_owned).collect()
}

#[test]
fn the_plain_manifests_are_taken_and_the_strictest_pod_security_admits_the_pod() {
    let cluster = Cluster::start("manifests");
    let manifests = project_root().join("deploy/fluxbot.yaml");
    let manifests = manifests.to_str().unwrap();
    // The other set first: what it leaves must not be in the way.
    for path in [
        &manifests.replace("fluxbot.yaml", "fluxbot-image.yaml"),
        manifests,
    ] {
        let (_, warnings) = both(cluster.kubectl_command().args([
            "apply",
            "--server-side",
            "--force-conflicts",
            "--filename",
            path,
        ]));
        assert_eq!(warnings, "", "{path}");
    }
    cluster.kubectl([
        "wait",
        "crds",
        "--all",
        "--for=condition=Established",
        "--timeout=60s",
    ]);
    assert_eq!(definitions(&cluster).len(), 14);
    let rollout = [
        "--namespace=flux-system",
        "rollout",
        "status",
        "deployment/fluxbot",
        "--timeout=60s",
    ];
    cluster.kubectl(rollout);
    let enforced = cluster.kubectl([
        "get",
        "namespace",
        "flux-system",
        "--output=jsonpath={.metadata.labels.pod-security\\.kubernetes\\.io/enforce}",
    ]);
    assert_eq!(enforced, "restricted");

    // As the guide says how to uninstall it.
    let selected = [
        "delete",
        "--filename",
        manifests,
        "--selector",
        "app.kubernetes.io/name=fluxbot",
    ];
    cluster.kubectl(selected);
    assert_eq!(definitions(&cluster).len(), 14);
    let left = [
        "get",
        "deployments,services,roles,networkpolicies",
        "--namespace=flux-system",
        "--output=name",
    ];
    assert_eq!(cluster.kubectl(left), "");
}

#[test]
fn helm_upgrades_the_definitions_and_leaves_them_with_their_objects_when_it_uninstalls() {
    let cluster = Cluster::start("helm");
    cluster.kubectl(["create", "namespace", "flux-system"]);
    cluster.kubectl([
        "label",
        "namespace",
        "flux-system",
        "pod-security.kubernetes.io/enforce=restricted",
    ]);
    let work = TempDir::new().unwrap();
    let copy = work.path().join("fluxbot");
    copy_folder(&chart(), &copy);
    let copy = copy.to_str().unwrap();
    let place = ["--namespace=flux-system", "--wait", "--timeout=2m"];
    helm(&cluster, &[&["install", "fluxbot", copy], &place[..]].concat());
    assert_eq!(definitions(&cluster).len(), 14);
    cluster.apply(
        "{apiVersion: image.toolkit.fluxcd.io/v1, kind: ImageRepository, metadata: {name: app}, \
          spec: {image: registry.example.com/app, interval: 1m}}",
        Some("flux-system"),
    );
    let columns = || {
        cluster.kubectl([
            "get",
            "crd",
            "imagerepositories.image.toolkit.fluxcd.io",
            "--output=jsonpath={.spec.versions[0].additionalPrinterColumns[*].name}",
        ])
    };
    assert!(!columns().contains("Cadence"), "{}", columns());

    // A newer chart, whose definition has a column more.
    let definition = Path::new(copy).join("files/crds/image.toolkit.fluxcd.io_imagerepositories.yaml");
    let text = fs::read_to_string(&definition).unwrap();
    let column = "additionalPrinterColumns:\n    - jsonPath: .spec.interval\n      name: Cadence\n      type: string\n";
    let newer = text.replace("additionalPrinterColumns:\n", column);
    assert_ne!(newer, text);
    fs::write(&definition, newer).unwrap();
    helm(
        &cluster,
        &[
            &["upgrade", "fluxbot", copy, "--reset-then-reuse-values"],
            &place[..],
        ]
        .concat(),
    );
    assert!(columns().contains("Cadence"), "{}", columns());

    // Switched off they are left alone, as they are by the end of the release.
    helm(
        &cluster,
        &[
            &["upgrade", "fluxbot", copy, "--set=crds.install=false"],
            &place[..],
        ]
        .concat(),
    );
    assert_eq!(definitions(&cluster).len(), 14);
    helm(&cluster, &[&["uninstall", "fluxbot"], &place[..]].concat());
    assert_eq!(definitions(&cluster).len(), 14);
    let left = cluster.kubectl([
        "get",
        "imagerepositories",
        "--namespace=flux-system",
        "--output=name",
    ]);
    assert_eq!(left, "imagerepository.image.toolkit.fluxcd.io/app");

    // Separate Deployments with Flux's names, as in the guide.
    for controllers in ["source", "kustomize"] {
        let name = format!("{controllers}-controller");
        let controllers = format!("--set=controllers={{{controllers}}}");
        let named = format!("--set=fullnameOverride={name}");
        let values = [controllers.as_str(), &named, "--set=crds.install=false"];
        helm(
            &cluster,
            &[&["install", &name, copy], &place[..], &values[..]].concat(),
        );
    }
    let admins = cluster.kubectl([
        "get",
        "clusterrolebindings",
        "--selector=app.kubernetes.io/part-of=flux",
        "--output=jsonpath={range .items[?(@.roleRef.name=='cluster-admin')]}{.metadata.name}{end}",
    ]);
    assert_eq!(admins, "kustomize-controller-flux-system-cluster-admin");
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
