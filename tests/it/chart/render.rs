//! What the chart renders.

use std::process::Stdio;

use rstest::rstest;
use similar::TextDiff;
use tempfile::TempDir;
use yaml_serde::Value;

use super::{EVERYTHING, arguments, at, chart, documents, helm, objects, only, rendered};
use crate::support::cli::Fluxbot;

#[test]
fn helm_finds_nothing_to_complain_about() {
    let home = TempDir::new().unwrap();
    let linted = helm(home.path())
        .args(["lint", "--strict", "--quiet"])
        .arg(chart())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let text = String::from_utf8(linted.stdout).unwrap();
    assert!(linted.status.success(), "{text}");
    assert!(!text.contains("[WARNING]"), "{text}");
}

/// Kind and name of each object.
fn inventory(objects: &[Value]) -> String {
    let mut lines: Vec<String> = objects
        .iter()
        .map(|object| {
            let text = |path: &str| at(object, path).as_str().unwrap().to_owned();
            format!("{} {}", text("kind"), text("metadata.name"))
        })
        .collect();
    lines.sort();
    lines.join("\n")
}

/// What changes against the default values, without the unchanged lines around it.
fn difference(values: &str) -> String {
    let render = |values| rendered(values, &["--set=crds.install=false"]);
    let (before, after) = (render(""), render(values));
    let lines: Vec<String> = TextDiff::from_lines(&before, &after)
        .iter_all_changes()
        .filter(|change| change.tag() != similar::ChangeTag::Equal)
        .map(|change| format!("{}{}", change.tag(), change.value()))
        .collect();
    lines.concat()
}

#[test]
fn the_default_is_everything_in_one_deployment() {
    insta::assert_snapshot!(inventory(&objects("")), @r"
    ClusterRole fluxbot-flux-system
    ClusterRole fluxbot-flux-system-view
    ClusterRoleBinding fluxbot-flux-system
    ClusterRoleBinding fluxbot-flux-system-cluster-admin
    Deployment fluxbot
    NetworkPolicy fluxbot
    Role fluxbot-leader-election
    RoleBinding fluxbot-leader-election
    Service fluxbot-metrics
    Service source-controller
    ServiceAccount fluxbot
    ");
    insta::assert_snapshot!(arguments(&objects("")).join("\n"), @r"
    controller
    --controllers=image,source,kustomize
    --namespace=flux-system
    --watch-all-namespaces=true
    --leader-elect=true
    --storage-path=/data
    --storage-addr=:9090
    --storage-adv-addr=source-controller.flux-system.svc.cluster.local.
    --metrics-addr=:8080
    --health-addr=:9440
    --log-level=info
    --log-encoding=json
    ");
}

#[test]
fn image_only_has_the_rights_of_scanning_and_committing() {
    let objects = objects("controllers: [image]");
    insta::assert_snapshot!(inventory(&objects), @r"
    ClusterRole fluxbot-flux-system
    ClusterRole fluxbot-flux-system-view
    ClusterRoleBinding fluxbot-flux-system
    Deployment fluxbot
    NetworkPolicy fluxbot
    Role fluxbot-leader-election
    RoleBinding fluxbot-leader-election
    Service fluxbot-metrics
    ServiceAccount fluxbot
    ");
    insta::assert_snapshot!(arguments(&objects).join("\n"), @r"
    controller
    --controllers=image
    --namespace=flux-system
    --watch-all-namespaces=true
    --leader-elect=true
    --storage-path=/data
    --metrics-addr=:8080
    --health-addr=:9440
    --log-level=info
    --log-encoding=json
    ");
    insta::assert_snapshot!(yaml_serde::to_string(&rules(&objects, "fluxbot-flux-system")).unwrap(), @r"
    - apiGroups:
      - image.toolkit.fluxcd.io
      resources:
      - imagerepositories
      - imagepolicies
      - imageupdateautomations
      verbs:
      - get
      - list
      - watch
      - update
      - patch
    - apiGroups:
      - image.toolkit.fluxcd.io
      resources:
      - imagerepositories/status
      - imagepolicies/status
      - imageupdateautomations/status
      verbs:
      - get
      - update
      - patch
    - apiGroups:
      - image.toolkit.fluxcd.io
      resources:
      - imagerepositories/finalizers
      - imagepolicies/finalizers
      - imageupdateautomations/finalizers
      verbs:
      - update
    - apiGroups:
      - source.toolkit.fluxcd.io
      resources:
      - gitrepositories
      - ocirepositories
      - buckets
      - helmrepositories
      - helmcharts
      - externalartifacts
      verbs:
      - get
      - list
      - watch
    - apiGroups:
      - ''
      resources:
      - secrets
      - serviceaccounts
      verbs:
      - get
    - apiGroups:
      - ''
      resources:
      - events
      verbs:
      - create
      - patch
    - apiGroups:
      - ''
      resources:
      - namespaces
      verbs:
      - get
    ");
}

#[test]
fn lockdown_is_three_flags_and_the_end_of_cluster_admin() {
    let (open, closed) = (objects(""), objects("multitenancy: {lockdown: true}"));
    let lines = |objects: &[Value]| format!("{}\n{}", inventory(objects), arguments(objects).join("\n"));
    let (open, closed) = (lines(&open), lines(&closed));
    let beyond = |these: &str, those: &str| -> Vec<String> {
        let those: Vec<&str> = those.lines().collect();
        let lines = these.lines().filter(|line| !those.contains(line));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(
        beyond(&open, &closed),
        ["ClusterRoleBinding fluxbot-flux-system-cluster-admin"]
    );
    assert_eq!(
        beyond(&closed, &open),
        [
            "ClusterRole fluxbot-flux-system-edit",
            "--no-cross-namespace-refs=true",
            "--no-remote-bases=true",
            "--default-service-account=default",
        ]
    );
}

#[test]
fn persistence_is_a_claim_in_the_place_of_the_empty_folder() {
    insta::assert_snapshot!(difference("persistence: {enabled: true, storageClassName: fast}"), @r#"
    +# Source: fluxbot/templates/persistentvolumeclaim.yaml
    +apiVersion: v1
    +kind: PersistentVolumeClaim
    +metadata:
    +  name: fluxbot
    +  namespace: flux-system
    +  labels:
    +    app.kubernetes.io/name: fluxbot
    +    app.kubernetes.io/instance: fluxbot
    +    app.kubernetes.io/part-of: flux
    +    app.kubernetes.io/version: "v0.1.0"
    +    app.kubernetes.io/managed-by: Helm
    +    helm.sh/chart: fluxbot-0.1.0
    +spec:
    +  accessModes:
    +    - ReadWriteOnce
    +  storageClassName: fast
    +  resources:
    +    requests:
    +      storage: 10Gi
    +---
    -          emptyDir: {}
    +          persistentVolumeClaim:
    +            claimName: fluxbot
    "#);
    insta::assert_snapshot!(difference("persistence: {enabled: true, existingClaim: mine}"), @r"
    -          emptyDir: {}
    +          persistentVolumeClaim:
    +            claimName: mine
    ");
}

#[test]
fn one_namespace_needs_a_role_only() {
    let objects = objects("{watchAllNamespaces: false, rbac: {aggregate: false}}");
    insta::assert_snapshot!(inventory(&objects), @r"
    Deployment fluxbot
    NetworkPolicy fluxbot
    Role fluxbot
    Role fluxbot-leader-election
    RoleBinding fluxbot
    RoleBinding fluxbot-leader-election
    Service fluxbot-metrics
    Service source-controller
    ServiceAccount fluxbot
    ");
    assert!(arguments(&objects).contains(&"--watch-all-namespaces=false".to_owned()));
}

#[test]
#[expect(clippy::too_many_lines, reason = "the snapshot of a whole Deployment")]
fn everything_that_can_be_switched_on_is_there() {
    let objects = objects(EVERYTHING);
    insta::assert_snapshot!(inventory(&objects), @r"
    ClusterRole fluxbot-flux-system
    ClusterRole fluxbot-flux-system-edit
    ClusterRole fluxbot-flux-system-view
    ClusterRoleBinding fluxbot-flux-system
    ClusterRoleBinding fluxbot-flux-system-cluster-admin
    Deployment fluxbot
    NetworkPolicy fluxbot
    PersistentVolumeClaim fluxbot
    PodDisruptionBudget fluxbot
    Role fluxbot-leader-election
    RoleBinding fluxbot-leader-election
    Service artifacts
    Service fluxbot-metrics
    ServiceAccount fluxbot
    ServiceMonitor fluxbot
    ");
    insta::assert_snapshot!(arguments(&objects).join("\n"), @r"
    controller
    --controllers=image,source,kustomize
    --namespace=flux-system
    --watch-all-namespaces=true
    --watch-label-selector=sharding.fluxcd.io/key in (a, b)
    --concurrent=8
    --requeue-dependency=5s
    --leader-elect=true
    --storage-path=/data
    --storage-addr=:9090
    --storage-adv-addr=artifacts.flux-system.svc.example.org
    --metrics-addr=:8080
    --health-addr=:9440
    --events-addr=http://notification-controller.flux-system.svc.cluster.local./
    --no-cross-namespace-refs=true
    --no-remote-bases=true
    --default-service-account=reconciler
    --log-level=info
    --log-encoding=json
    --kubeconfig=/roots/kubeconfig
    ");
    insta::assert_snapshot!(yaml_serde::to_string(at(only(&objects, "Deployment"), "spec")).unwrap(), @r"
    replicas: 2
    revisionHistoryLimit: 3
    strategy:
      rollingUpdate:
        maxUnavailable: 1
      type: RollingUpdate
    selector:
      matchLabels:
        app.kubernetes.io/name: fluxbot
        app.kubernetes.io/instance: fluxbot
    template:
      metadata:
        labels:
          app.kubernetes.io/name: fluxbot
          app.kubernetes.io/instance: fluxbot
          app.kubernetes.io/part-of: flux
          app.kubernetes.io/version: v0.1.0
          app.kubernetes.io/managed-by: Helm
          helm.sh/chart: fluxbot-0.1.0
          example.com/all: yes
          example.com/pod: yes
        annotations:
          example.com/pod: yes
      spec:
        serviceAccountName: fluxbot
        enableServiceLinks: false
        terminationGracePeriodSeconds: 60
        imagePullSecrets:
        - name: pull
        priorityClassName: system-cluster-critical
        securityContext:
          runAsNonRoot: true
          runAsUser: 65532
          runAsGroup: 65532
          fsGroup: 65532
          fsGroupChangePolicy: OnRootMismatch
          seccompProfile:
            type: RuntimeDefault
        containers:
        - name: manager
          image: ghcr.io/fluxbot/fluxbot:v1.2.3@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
          imagePullPolicy: IfNotPresent
          args:
          - controller
          - --controllers=image,source,kustomize
          - --namespace=flux-system
          - --watch-all-namespaces=true
          - --watch-label-selector=sharding.fluxcd.io/key in (a, b)
          - --concurrent=8
          - --requeue-dependency=5s
          - --leader-elect=true
          - --storage-path=/data
          - --storage-addr=:9090
          - --storage-adv-addr=artifacts.flux-system.svc.example.org
          - --metrics-addr=:8080
          - --health-addr=:9440
          - --events-addr=http://notification-controller.flux-system.svc.cluster.local./
          - --no-cross-namespace-refs=true
          - --no-remote-bases=true
          - --default-service-account=reconciler
          - --log-level=info
          - --log-encoding=json
          - --kubeconfig=/roots/kubeconfig
          env:
          - name: HTTPS_PROXY
            value: http://proxy:3128
          ports:
          - name: http
            containerPort: 9090
            protocol: TCP
          - name: http-prom
            containerPort: 8080
            protocol: TCP
          - name: healthz
            containerPort: 9440
            protocol: TCP
          livenessProbe:
            httpGet:
              path: /healthz
              port: healthz
            initialDelaySeconds: 10
          readinessProbe:
            httpGet:
              path: /readyz
              port: healthz
          resources:
            limits:
              memory: 512Mi
            requests:
              cpu: 50m
              memory: 64Mi
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            runAsNonRoot: true
            capabilities:
              drop:
              - ALL
            seccompProfile:
              type: RuntimeDefault
          volumeMounts:
          - name: data
            mountPath: /data
          - name: tmp
            mountPath: /tmp
          - mountPath: /roots
            name: roots
            readOnly: true
        volumes:
        - name: data
          persistentVolumeClaim:
            claimName: fluxbot
        - name: tmp
          emptyDir: {}
        - configMap:
            name: roots
          name: roots
        nodeSelector:
          kubernetes.io/os: linux
        affinity:
          nodeAffinity: {}
        tolerations:
        - operator: Exists
        topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: zone
          whenUnsatisfiable: ScheduleAnyway
    ");
}

/// The rules of the role with this name.
fn rules(objects: &[Value], name: &str) -> Value {
    let role = objects.iter().find(|object| {
        at(object, "kind").as_str().unwrap().ends_with("Role") && at(object, "metadata.name") == name
    });
    at(role.unwrap(), "rules").clone()
}

#[rstest]
fn secrets_are_read_by_name_and_never_listed(
    #[values(
        "",
        "multitenancy: {lockdown: true}",
        "controllers: [image]",
        "watchAllNamespaces: false",
        EVERYTHING
    )]
    values: &str,
) {
    let mut rules_on_secrets = 0;
    for object in objects(values) {
        let Some(rules) = object.get("rules").and_then(Value::as_sequence) else {
            continue;
        };
        for rule in rules {
            let words = |key: &str| -> Vec<&str> {
                let words = at(rule, key).as_sequence().unwrap();
                words.iter().map(|word| word.as_str().unwrap()).collect()
            };
            assert!(!words("apiGroups").contains(&"*"), "{rule:?}");
            if words("apiGroups").contains(&"") && words("resources").contains(&"secrets") {
                assert_eq!(words("verbs"), ["get"]);
                rules_on_secrets += 1;
            }
        }
    }
    assert_eq!(rules_on_secrets, 1);
}

#[rstest]
#[case::as_in_flux("", true)]
#[case::lockdown("multitenancy: {lockdown: true}", false)]
#[case::lockdown_as_flux_does_it("{multitenancy: {lockdown: true}, rbac: {clusterAdmin: true}}", true)]
#[case::refused("rbac: {clusterAdmin: false}", false)]
#[case::nothing_to_apply("controllers: [image, source]", false)]
#[case::one_namespace("watchAllNamespaces: false", false)]
#[case::no_rights_at_all("rbac: {create: false, clusterAdmin: true}", false)]
fn cluster_admin_is_given_where_something_is_applied_without_lockdown(
    #[case] values: &str,
    #[case] expected: bool,
) {
    let bound = objects(values).iter().any(|object| {
        object
            .get("roleRef")
            .is_some_and(|role| at(role, "name") == "cluster-admin")
    });
    assert_eq!(bound, expected);
}

#[rstest]
#[case::all("", 14)]
#[case::image_only("controllers: [image]", 3)]
#[case::chosen("crds: {groups: [source, kustomize]}", 7)]
#[case::none("crds: {install: false}", 0)]
fn the_definitions_of_a_group_are_rendered_as_they_are_generated(
    #[case] values: &str,
    #[case] expected: usize,
) {
    let definitions: Vec<Value> = documents(&rendered(values, &[]))
        .into_iter()
        .filter(|object| at(object, "kind") == "CustomResourceDefinition")
        .collect();
    assert_eq!(definitions.len(), expected);
    for rendered in definitions {
        assert_eq!(
            rendered["metadata"]["labels"]["app.kubernetes.io/part-of"],
            "flux"
        );
        assert_eq!(
            rendered["metadata"]["annotations"]["helm.sh/resource-policy"],
            "keep"
        );
        let generated = fluxbot_api::crds()
            .into_iter()
            .find(|crd| crd.metadata.name.as_deref() == rendered["metadata"]["name"].as_str())
            .unwrap();
        let generated = yaml_serde::to_value(generated).unwrap();
        assert_eq!(rendered["spec"], generated["spec"]);
    }
}

/// What the `flux` command line looks for: `check`, `version` and `logs`.
#[test]
fn the_flux_command_line_finds_the_deployment_and_its_version() {
    let objects = objects("");
    let deployment = only(&objects, "Deployment");
    assert_eq!(
        deployment["metadata"]["labels"]["app.kubernetes.io/part-of"],
        "flux"
    );
    let image = at(deployment, "spec.template.spec.containers.0.image")
        .as_str()
        .unwrap();
    assert_eq!(
        image,
        concat!("ghcr.io/fluxbot/fluxbot:v", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(at(deployment, "spec.template.spec.containers.0.name"), "manager");
}

/// A flag that the program does not know would keep the pod from starting.
#[tokio::test]
async fn the_program_knows_every_flag_of_the_chart() {
    let run = Fluxbot::new(["controller", "--help"]).run().await;
    let help = run.success();
    for argument in arguments(&objects(EVERYTHING)).iter().skip(1) {
        let flag = argument.split('=').next().unwrap();
        let is_known = help.split([' ', '=', '[', '\n', ',']).any(|word| word == flag);
        assert!(is_known, "{flag} is not a flag of `fluxbot controller`:\n{help}");
    }
}
