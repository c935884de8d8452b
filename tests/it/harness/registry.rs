//! The registry, and the images that are pushed into it.

use std::process::Command;

use reqwest::header::{ACCEPT, AUTHORIZATION, LINK, WWW_AUTHENTICATE};
use reqwest::{Response, StatusCode};
use serde_json::Value;

use crate::support::command::run;
use crate::support::control::Fault;
use crate::support::git::{PASSWORD, USER};
use crate::support::image::{Image, ImageSpec, MediaTypes};
use crate::support::registry::{Authentication, Registry, RegistryOptions, http_client};

#[tokio::test]
async fn a_pushed_image_is_an_index_with_two_platforms_a_date_and_real_layers() {
    let registry = Registry::shared();
    let spec = ImageSpec::created("2026-03-04T05:06:07Z");
    let pushed = registry.push_image("image/two-platforms", "1.0.0", &spec).await;
    assert_eq!(pushed.manifests.len(), 2);

    let index = get(&registry, "/v2/image/two-platforms/manifests/1.0.0").await;
    assert_eq!(index.headers()["Docker-Content-Digest"], pushed.digest);
    let index = json(index).await;
    assert_eq!(index["mediaType"], "application/vnd.oci.image.index.v1+json");
    let platforms: Vec<_> = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| &m["platform"]["architecture"])
        .collect();
    assert_eq!(platforms, ["amd64", "arm64"]);

    let manifest = format!("/v2/image/two-platforms/manifests/{}", pushed.manifests[1]);
    let manifest = json(get(&registry, &manifest).await).await;
    let blob = |digest: &Value| format!("/v2/image/two-platforms/blobs/{}", digest.as_str().unwrap());
    let config = json(get(&registry, &blob(&manifest["config"]["digest"])).await).await;
    assert_eq!(config["created"], "2026-03-04T05:06:07Z");
    assert_eq!(config["architecture"], "arm64");
    let layer = get(&registry, &blob(&manifest["layers"][0]["digest"]))
        .await
        .bytes()
        .await
        .unwrap();
    let listing = run(Command::new("tar").args(["-tzf", "-"]), &layer);
    assert_eq!(
        String::from_utf8_lossy(&listing.stdout),
        "fluxbot.txt\n",
        "{listing:?}"
    );
}

#[tokio::test]
async fn one_platform_makes_a_plain_manifest_of_the_chosen_family() {
    let registry = Registry::shared();
    let platforms = vec!["linux/amd64".to_owned()];
    let spec = ImageSpec {
        platforms,
        media_types: MediaTypes::Docker,
        layers: 3,
        ..ImageSpec::default()
    };
    let pushed = registry.push_image("image/docker", "latest", &spec).await;
    assert_eq!(pushed.manifests, [pushed.digest]);
    let manifest = json(get(&registry, "/v2/image/docker/manifests/latest").await).await;
    assert_eq!(
        manifest["mediaType"],
        "application/vnd.docker.distribution.manifest.v2+json"
    );
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 3);
}

#[test]
fn equal_specifications_give_equal_images_and_other_content_others() {
    let digest = |spec: &ImageSpec| Image::build(spec).top().digest();
    assert_eq!(digest(&ImageSpec::default()), digest(&ImageSpec::default()));
    assert_ne!(
        digest(&ImageSpec::default()),
        digest(&ImageSpec::with_content("other"))
    );
    assert_ne!(
        digest(&ImageSpec::default()),
        digest(&ImageSpec::created("2026-01-01T00:00:01Z"))
    );
}

#[tokio::test]
async fn tags_are_listed_page_by_page() {
    let registry = Registry::shared();
    registry.push_tags("tags/paged", &["a", "b", "c", "d", "e"]).await;
    let (tags, pages) = list(&registry, "/v2/tags/paged/tags/list?n=2").await;
    assert_eq!(tags, ["a", "b", "c", "d", "e"]);
    assert_eq!(pages, 3);
}

#[tokio::test]
async fn a_registry_can_page_unasked() {
    let registry = Registry::start(RegistryOptions {
        page_size: Some(2),
        ..RegistryOptions::default()
    });
    registry.push_tags("apps", &["a", "b", "c"]).await;
    for path in ["/v2/apps/tags/list", "/v2/apps/tags/list?n=1000"] {
        assert_eq!(
            list(&registry, path).await,
            (vec!["a".into(), "b".into(), "c".into()], 2),
            "{path}"
        );
    }
}

#[tokio::test]
async fn hundreds_of_tags_cost_one_request_each() {
    let registry = Registry::shared();
    let tags: Vec<_> = (0..300).map(|n| format!("1.0.{n}")).collect();
    let digest = registry.push_tags("tags/many", &tags).await;
    let puts = registry.control().requests("/v2/tags/many/manifests/").await;
    assert_eq!(puts.len(), 300);
    assert!(
        puts.iter()
            .all(|request| request.method == "PUT" && request.status == 201)
    );
    let manifest = get(&registry, "/v2/tags/many/manifests/1.0.299").await;
    assert_eq!(manifest.headers()["Docker-Content-Digest"], digest);
    assert_eq!(list(&registry, "/v2/tags/many/tags/list").await.0.len(), 300);
}

#[tokio::test]
async fn a_deleted_tag_is_gone_and_the_others_stay() {
    let registry = Registry::shared();
    registry.push_tags("tags/deleted", &["1.0.0", "1.0.1"]).await;
    registry.delete_tag("tags/deleted", "1.0.1").await;
    assert_eq!(list(&registry, "/v2/tags/deleted/tags/list").await.0, ["1.0.0"]);
}

#[tokio::test]
async fn a_registry_limits_its_rate_when_ordered() {
    let registry = Registry::shared();
    registry.push_tags("tags/limited", &["1.0.0"]).await;
    registry
        .control()
        .order(&Fault::status(429, "tags/limited").header("Retry-After", "3"))
        .await;
    let url = registry.url("/v2/tags/limited/tags/list");
    let limited = registry.client().get(url.clone()).send().await.unwrap();
    assert_eq!(limited.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(limited.headers()["Retry-After"], "3");
    assert_eq!(
        registry.client().get(url).send().await.unwrap().status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_token_opens_the_repository_that_it_names_and_no_other() {
    let options = RegistryOptions {
        authentication: Authentication::Token,
        ..RegistryOptions::default()
    };
    let registry = Registry::start(options);
    registry.push_tags("team/apps", &["1.0.0"]).await;
    registry.push_tags("team/other", &["1.0.0"]).await;

    let challenged = get_with(&registry, "/v2/team/apps/tags/list", "").await;
    assert_eq!(challenged.status(), StatusCode::UNAUTHORIZED);
    let challenge = challenged.headers()[WWW_AUTHENTICATE].to_str().unwrap();
    assert!(challenge.starts_with("Bearer realm="), "{challenge}");
    assert!(
        challenge.contains("scope=\"repository:team/apps:pull\""),
        "{challenge}"
    );

    let anonymous = registry.token("team/apps", "pull", false).await;
    assert_eq!(anonymous, Err(StatusCode::UNAUTHORIZED));
    let token = format!(
        "Bearer {}",
        registry.token("team/apps", "pull", true).await.unwrap()
    );
    let status = async |path: &str| get_with(&registry, path, &token).await.status();
    assert_eq!(status("/v2/team/apps/tags/list").await, StatusCode::OK);
    assert_eq!(status("/v2/team/other/tags/list").await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn everybody_gets_a_token_to_pull_and_nobody_to_push_where_allowed() {
    let authentication = Authentication::TokenForAnonymous;
    let registry = Registry::start(RegistryOptions {
        authentication,
        ..RegistryOptions::default()
    });
    registry.push_tags("apps", &["1.0.0"]).await;
    let token = format!(
        "Bearer {}",
        registry.token("apps", "pull,push", false).await.unwrap()
    );
    assert_eq!(
        get_with(&registry, "/v2/apps/tags/list", &token).await.status(),
        StatusCode::OK
    );
    let push = registry
        .client()
        .post(registry.url("/v2/apps/blobs/uploads/"))
        .header(AUTHORIZATION, token);
    assert_eq!(push.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_refresh_token_and_a_password_are_exchanged_for_tokens() {
    let authentication = Authentication::Token;
    let registry = Registry::start(RegistryOptions {
        authentication,
        ..RegistryOptions::default()
    });
    registry.push_tags("apps", &["1.0.0"]).await;
    let exchange = async |form: &str| {
        let scope = "service=fluxbot-test-registry&scope=repository:apps:pull";
        let request = registry
            .client()
            .post(registry.url("/auth/token"))
            .body(format!("{form}&{scope}"));
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        json(request.send().await.unwrap()).await
    };
    let password = format!("grant_type=password&username={USER}&password={PASSWORD}&access_type=offline");
    let first = exchange(&password).await;
    let refresh_token = first["refresh_token"].as_str().unwrap();
    let second = exchange(&format!("grant_type=refresh_token&refresh_token={refresh_token}")).await;
    let token = format!("Bearer {}", second["access_token"].as_str().unwrap());
    assert_eq!(
        get_with(&registry, "/v2/apps/tags/list", &token).await.status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn basic_credentials_are_checked() {
    let options = RegistryOptions {
        authentication: Authentication::Basic,
        ..RegistryOptions::default()
    };
    let registry = Registry::start(options);
    registry.push_tags("apps", &["1.0.0"]).await;
    let status = async |password: &str| {
        let request = registry
            .client()
            .get(registry.url("/v2/apps/tags/list"))
            .basic_auth(USER, Some(password));
        request.send().await.unwrap().status()
    };
    assert_eq!(status(PASSWORD).await, StatusCode::OK);
    assert_eq!(status("wrong").await, StatusCode::UNAUTHORIZED);
    let config: Value = serde_json::from_str(&registry.docker_config()).unwrap();
    assert_eq!(
        config["auths"][registry.host()]["auth"],
        "Zmx1eGJvdDpjb3JyZWN0LWhvcnNlLTMxMzM3"
    );
}

#[tokio::test]
async fn tls_is_trusted_with_the_authority_only() {
    let registry = Registry::start(RegistryOptions {
        tls: true,
        ..RegistryOptions::default()
    });
    registry.push_image("apps", "1.0.0", &ImageSpec::default()).await;
    assert_eq!(list(&registry, "/v2/apps/tags/list").await.0, ["1.0.0"]);
    let request = http_client(None, None).get(registry.url("/v2/"));
    assert!(request.send().await.unwrap_err().is_connect());
    let protocols = registry.control().requests("tags/list").await;
    assert_eq!(protocols[0].protocol, "HTTP/2.0");
}

#[tokio::test]
async fn a_client_certificate_can_be_required() {
    let options = RegistryOptions {
        tls: true,
        require_client_certificate: true,
        ..RegistryOptions::default()
    };
    let registry = Registry::start(options);
    registry.push_tags("apps", &["1.0.0"]).await;
    let without = http_client(registry.ready().ca.as_deref(), None);
    assert!(without.get(registry.url("/v2/")).send().await.is_err());
}

async fn get(registry: &Registry, path: &str) -> Response {
    let response = get_with(registry, path, "").await;
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    response
}

async fn get_with(registry: &Registry, path: &str, authorization: &str) -> Response {
    let accepted = [
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    ];
    let mut request = registry
        .client()
        .get(registry.url(path))
        .header(ACCEPT, accepted.join(", "));
    if !authorization.is_empty() {
        request = request.header(AUTHORIZATION, authorization);
    }
    request.send().await.unwrap()
}

async fn json(response: Response) -> Value {
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

/// All tags in the order of the registry, and in how many pages they came.
async fn list(registry: &Registry, path: &str) -> (Vec<String>, usize) {
    let (mut tags, mut pages) = (Vec::new(), 0);
    let mut next = Some(path.to_owned());
    while let Some(path) = next {
        let response = get(registry, &path).await;
        let link = response
            .headers()
            .get(LINK)
            .map(|link| link.to_str().unwrap().to_owned());
        next = link.map(|link| {
            link.split_once('<')
                .unwrap()
                .1
                .split_once('>')
                .unwrap()
                .0
                .to_owned()
        });
        let page = json(response).await;
        tags.extend(
            page["tags"]
                .as_array()
                .unwrap()
                .iter()
                .map(|tag| tag.as_str().unwrap().to_owned()),
        );
        pages += 1;
    }
    (tags, pages)
}
