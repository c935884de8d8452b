//! `fluxbot scan`, on the real registry.

use crate::support::cli::Fluxbot;
use crate::support::registry::{Authentication, Registry, RegistryOptions};

#[tokio::test]
async fn count_and_newest_tags_are_shown() {
    let registry = Registry::shared();
    registry
        .push_tags("scan/app", &["1.9.0", "1.10.0", "latest"])
        .await;
    let image = registry.image("scan/app");
    let run = Fluxbot::new(["scan", &image]).run().await;
    let lines: Vec<&str> = run.success().lines().collect();
    assert!(lines[0].starts_with(&format!("{image}: 3 tags in ")), "{lines:?}");
    assert!(
        lines[0].ends_with(" 1 request") || lines[0].ends_with(" requests"),
        "{lines:?}"
    );
    assert_eq!(lines[1], "  newest: 1.10.0, 1.9.0, latest");
}

#[tokio::test]
async fn all_pages_of_a_list_are_read() {
    let registry = Registry::start(RegistryOptions {
        page_size: Some(7),
        ..RegistryOptions::default()
    });
    let tags: Vec<String> = (0..50).map(|number| format!("1.0.{number}")).collect();
    registry.push_tags("paged", &tags).await;
    let run = Fluxbot::new(["scan", "--output", "json", &registry.image("paged")])
        .run()
        .await;
    let rows: serde_json::Value = serde_json::from_str(run.success()).unwrap();
    assert_eq!(rows[0]["tagCount"], 50);
    assert_eq!(rows[0]["newestTags"][0], "1.0.49");
}

#[tokio::test]
async fn credentials_come_from_the_docker_config_or_a_file() {
    let registry = Registry::start(RegistryOptions {
        authentication: Authentication::Token,
        ..RegistryOptions::default()
    });
    registry.push_tags("private", &["1"]).await;
    let image = registry.image("private");
    let run = Fluxbot::new(["scan", &image]).run().await;
    assert!(run.failure(1).contains("denied access"), "{}", run.stderr);
    Fluxbot::new(["scan", &image])
        .home_file(".docker/config.json", &registry.docker_config())
        .run()
        .await
        .success();
    let file = Fluxbot::new(["scan", &image, "--auth-file", "auth.json"]);
    file.home_file("auth.json", &registry.docker_config())
        .run()
        .await
        .success();
    Fluxbot::new(["scan", &image, "--auth-file", "gone.json"])
        .run()
        .await
        .failure(2);
}

#[tokio::test]
async fn one_failing_image_does_not_hide_the_others() {
    let registry = Registry::shared();
    registry.push_tags("scan/there", &["1"]).await;
    let (there, gone) = (registry.image("scan/there"), registry.image("scan/gone"));
    let run = Fluxbot::new(["scan", &gone, &there]).run().await;
    assert!(
        run.failure(1).contains(&format!("error: {gone}: ")),
        "{}",
        run.stderr
    );
    assert!(
        run.stdout.contains(&format!("{there}: 1 tag in")),
        "{}",
        run.stdout
    );
}

#[tokio::test]
async fn a_name_that_is_none_is_exit_code_2() {
    let run = Fluxbot::new(["scan", "nginx:1.29"]).run().await;
    assert!(
        run.failure(2)
            .contains("should not include a tag; remove ':1.29'"),
        "{}",
        run.stderr
    );
}
