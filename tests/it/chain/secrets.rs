//! Registry credentials come from where the guide says, and stay secret.

use super::fixture::{App, deployment, objects, update};
use crate::support::git::{GitServer, PASSWORD, Repository};
use crate::support::registry::{Authentication, Registry, RegistryOptions};

/// A private registry with one new tag, and a repository whose `ImageRepository` names a Secret.
async fn private(name: &'static str) -> (Registry, Repository) {
    let registry = Registry::start(RegistryOptions {
        authentication: Authentication::Token,
        ..RegistryOptions::default()
    });
    registry.push_tags(name, &["1.0.0", "1.0.1"]).await;
    let image = registry.image(name);
    let app = App {
        name,
        policy: "{semver: {range: 1.0.x}}",
        path: "apps",
    };
    let repository = GitServer::shared().create_repository(
        name,
        &[
            (
                "objects.yaml",
                &objects(&app, &image, ", secretRef: {name: pull}"),
            ),
            ("apps/app.yaml", &deployment(name, &image, "1.0.0")),
        ],
    );
    (registry, repository)
}

#[tokio::test]
async fn a_private_registry_is_read_with_the_docker_config() {
    let (registry, repository) = private("docker-config").await;
    let anonymous = update(&repository, &["--push"]).run().await;
    assert!(
        anonymous.failure(1).contains("denied access"),
        "{}",
        anonymous.stderr
    );
    let run = update(&repository, &["--push"])
        .home_file(".docker/config.json", &registry.docker_config())
        .run()
        .await;
    run.success();
    assert!(repository.show("main", "apps/app.yaml").contains(":1.0.1\""));
}

#[tokio::test]
async fn a_private_registry_is_read_with_a_secret_that_stands_beside_the_objects() {
    let (registry, repository) = private("pull-secret").await;
    let config = registry.docker_config().replace('"', "\\\"");
    let secret = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: pull, namespace: flux-system}}\ntype: \
         kubernetes.io/dockerconfigjson\nstringData:\n  .dockerconfigjson: \"{config}\"\n"
    );
    repository.commit_files("main", "secret", &[("secret.yaml", &secret)]);
    let run = update(&repository, &["--push", "--output", "json"])
        .env("FLUXBOT_LOG", "trace")
        .run()
        .await;
    assert!(run.success().contains("1.0.1"));
    let encoded = registry.docker_config();
    let auth = encoded
        .split("\"auth\":\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    for output in [&run.stdout, &run.stderr] {
        assert!(
            !output.contains(auth) && !output.contains(&format!("{PASSWORD}:{PASSWORD}")),
            "{output}"
        );
    }
}

#[tokio::test]
async fn an_encrypted_secret_is_refused_by_name() {
    let (_, repository) = private("encrypted-secret").await;
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: pull, namespace: flux-system}\ntype: \
                  kubernetes.io/dockerconfigjson\nstringData:\n  .dockerconfigjson: ENC[AES256_GCM,data:xyz,type:str]\n";
    repository.commit_files("main", "secret", &[("secret.yaml", secret)]);
    let run = update(&repository, &["--push"]).run().await;
    assert!(
        run.failure(1).contains("Secret pull is encrypted with SOPS"),
        "{}",
        run.stderr
    );
}
