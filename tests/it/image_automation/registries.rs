//! `ImageRepository` against registries that want something, refuse something, or lie: what the object says of each.

use fluxbot_api::image::ImageRepository;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::fixture::{Fixture, holds};
use crate::support::control::Fault;
use crate::support::eventually::eventually;
use crate::support::git::{PASSWORD, USER};
use crate::support::registry::{Authentication, Registry, RegistryOptions};

const DOCKER_CONFIG: &str = "kubernetes.io/dockerconfigjson";

fn read(path: Option<&std::path::Path>) -> String {
    std::fs::read_to_string(path.unwrap()).unwrap()
}

/// A registry with these tags in `app`.
async fn registry(options: RegistryOptions, tags: &[&str]) -> Registry {
    let registry = Registry::start(options);
    registry.push_tags("app", tags).await;
    registry
}

async fn scans(fixture: &Fixture, name: &str, spec: Value) -> String {
    fixture.create::<ImageRepository>(name, spec).await;
    fixture.ready::<ImageRepository>(name, "True", "Succeeded").await
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn a_registry_with_a_private_authority_and_client_certificates_is_scanned_with_every_spelling_of_the_keys()
 {
    let fixture = Fixture::start("registry-tls").await;
    let options = RegistryOptions {
        authentication: Authentication::Token,
        tls: true,
        require_client_certificate: true,
        ..RegistryOptions::default()
    };
    let registry = registry(options, &["1.0.0", "1.1.0"]).await;
    let ready = registry.ready();
    let authority = read(ready.ca.as_deref());
    let certificate = read(ready.client_certificate.as_deref());
    let key = read(ready.client_key.as_deref());
    let config = registry.docker_config();
    // One Secret may hold both: the credentials and the certificates.
    for (name, kind, keys) in [
        ("usual", DOCKER_CONFIG, ["ca.crt", "tls.crt", "tls.key"]),
        ("legacy", DOCKER_CONFIG, ["caFile", "certFile", "keyFile"]),
    ] {
        let data = [
            (".dockerconfigjson", config.as_str()),
            (keys[0], authority.as_str()),
            (keys[1], certificate.as_str()),
            (keys[2], key.as_str()),
        ];
        fixture.secret(name, kind, &data).await;
        let spec = json!({
            "image": registry.image("app"), "interval": "1h",
            "secretRef": { "name": name }, "certSecretRef": { "name": name },
        });
        let message = scans(&fixture, name, spec).await;
        assert!(
            message.starts_with("successful scan: found 2 tags with checksum sha256:"),
            "{message}"
        );
    }
    let requests = registry.control().requests("/tags/list").await;
    assert!(
        requests.iter().all(|request| request.protocol == "HTTP/2.0"),
        "{requests:?}"
    );

    // Without the authority, without the certificate, and with what is none.
    fixture
        .secret("authority", "Opaque", &[("ca.crt", &authority)])
        .await;
    fixture
        .secret("half", "Opaque", &[("tls.crt", &certificate)])
        .await;
    fixture.secret("other-half", "Opaque", &[("keyFile", &key)]).await;
    fixture.secret("empty", "Opaque", &[("other", "x")]).await;
    fixture
        .secret("nonsense", "Opaque", &[("ca.crt", "CANARY")])
        .await;
    fixture
        .secret(
            "swapped",
            "Opaque",
            &[("tls.crt", &key), ("tls.key", &certificate)],
        )
        .await;
    let namespace = fixture.namespace.name();
    let cases = [
        (
            None,
            "ReadOperationFailed",
            "TLSVerifyFailed: scan failed: cannot ask for ".to_owned(),
        ),
        (
            Some("authority"),
            "ReadOperationFailed",
            "scan failed: cannot ask for ".to_owned(),
        ),
        (
            Some("missing"),
            "AuthenticationFailed",
            "failed to configure authentication options: secrets \"missing\" not found".to_owned(),
        ),
        (
            Some("half"),
            "AuthenticationFailed",
            format!(
                "failed to configure authentication options: secret '{namespace}/half' contains 'tls.crt' but missing 'tls.key'"
            ),
        ),
        (
            Some("other-half"),
            "AuthenticationFailed",
            format!(
                "failed to configure authentication options: secret '{namespace}/other-half' contains 'tls.key' but missing 'tls.crt'"
            ),
        ),
        (
            Some("empty"),
            "AuthenticationFailed",
            format!(
                "failed to configure authentication options: secret '{namespace}/empty' must contain either 'ca.crt' or both 'tls.crt' and 'tls.key'"
            ),
        ),
        (
            Some("nonsense"),
            "AuthenticationFailed",
            format!(
                "failed to configure authentication options: secret '{namespace}/nonsense': the certificate authority holds no certificate"
            ),
        ),
        (
            Some("swapped"),
            "AuthenticationFailed",
            format!(
                "failed to configure authentication options: secret '{namespace}/swapped': the client certificate holds no certificate"
            ),
        ),
    ];
    for (secret, reason, expected) in cases {
        let name = format!("with-{}", secret.unwrap_or("nothing"));
        let mut spec =
            json!({ "image": registry.image("app"), "interval": "1h", "secretRef": { "name": "usual" } });
        if let Some(secret) = secret {
            spec["certSecretRef"] = json!({ "name": secret });
        }
        fixture.create::<ImageRepository>(&name, spec).await;
        let message = fixture.ready::<ImageRepository>(&name, "False", reason).await;
        assert!(message.contains(&expected), "{name}: {message}");
        assert!(!message.contains("CANARY"), "{name}: {message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn credentials_come_from_secrets_and_service_accounts_and_each_mistake_is_named() {
    let fixture = Fixture::start("registry-credentials").await;
    let options = RegistryOptions {
        authentication: Authentication::Token,
        ..RegistryOptions::default()
    };
    let registry = registry(options, &["1.0.0"]).await;
    let namespace = fixture.namespace.name().to_owned();
    let wrong = registry
        .docker_config()
        .replace(registry.host(), &format!("{}/other", registry.host()));
    let scoped = registry
        .docker_config()
        .replace(registry.host(), &format!("{}/app", registry.host()));
    let legacy = registry.docker_config();
    let legacy = serde_json::from_str::<Value>(&legacy).unwrap()["auths"].to_string();
    fixture
        .secret("scoped", DOCKER_CONFIG, &[(".dockerconfigjson", &scoped)])
        .await;
    fixture
        .secret("legacy", "kubernetes.io/dockercfg", &[(".dockercfg", &legacy)])
        .await;
    fixture
        .secret("other-path", DOCKER_CONFIG, &[(".dockerconfigjson", &wrong)])
        .await;
    fixture
        .secret("opaque", "Opaque", &[("password", PASSWORD)])
        .await;
    let accounts: Api<ServiceAccount> = Api::namespaced(fixture.client.clone(), &namespace);
    for (name, secrets) in [
        ("puller", vec!["opaque", "scoped"]),
        ("poor", vec![]),
        ("broken", vec!["missing"]),
    ] {
        let pull: Vec<Value> = secrets.iter().map(|name| json!({ "name": name })).collect();
        let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": name }, "imagePullSecrets": pull });
        let patch = Patch::Apply(account);
        accounts
            .patch(name, &PatchParams::apply("test"), &patch)
            .await
            .unwrap();
    }
    let spec = |more: Value| {
        let mut spec = json!({ "image": registry.image("app"), "interval": "1h", "insecure": true });
        for (key, value) in more.as_object().unwrap() {
            spec[key] = value.clone();
        }
        spec
    };
    for (name, more) in [
        ("by-path", json!({ "secretRef": { "name": "scoped" } })),
        ("by-legacy", json!({ "secretRef": { "name": "legacy" } })),
        ("by-account", json!({ "serviceAccountName": "puller" })),
        (
            "by-both",
            json!({ "secretRef": { "name": "other-path" }, "serviceAccountName": "puller" }),
        ),
    ] {
        scans(&fixture, name, spec(more)).await;
    }
    let mut tokens = registry.control().requests("/auth/token").await;
    tokens.retain(|request| request.query.ends_with("&account=fluxbot"));
    assert_eq!(
        tokens.len(),
        1,
        "one token is for all objects with the same credentials: {tokens:?}"
    );

    let options = "failed to configure authentication options: ";
    let denied = "AuthorizationFailed: scan failed: ";
    for (name, more, reason, start, end) in [
        (
            "anonymous",
            json!({}),
            "ReadOperationFailed",
            denied.to_owned(),
            "; spec.secretRef is not set".to_owned(),
        ),
        (
            "elsewhere",
            json!({ "secretRef": { "name": "other-path" } }),
            "ReadOperationFailed",
            denied.to_owned(),
            format!("; see Secret '{namespace}/other-path'"),
        ),
        (
            "poor",
            json!({ "serviceAccountName": "poor" }),
            "ReadOperationFailed",
            denied.to_owned(),
            format!("; see the pull Secrets of ServiceAccount '{namespace}/poor'"),
        ),
        (
            "opaque",
            json!({ "secretRef": { "name": "opaque" } }),
            "AuthenticationFailed",
            format!("{options}secret '{namespace}/opaque': "),
            "use kubernetes.io/dockerconfigjson or kubernetes.io/dockercfg".to_owned(),
        ),
        (
            "nobody",
            json!({ "serviceAccountName": "nobody" }),
            "AuthenticationFailed",
            options.to_owned(),
            format!("serviceaccount '{namespace}/nobody' not found"),
        ),
        (
            "broken",
            json!({ "serviceAccountName": "broken" }),
            "AuthenticationFailed",
            format!("{options}failed to get image pull secret for serviceaccount '{namespace}/broken': "),
            "not found in namespace '".to_owned() + &namespace + "'",
        ),
    ] {
        fixture.create::<ImageRepository>(name, spec(more)).await;
        let message = fixture.ready::<ImageRepository>(name, "False", reason).await;
        assert!(
            message.starts_with(&start) && message.ends_with(&end),
            "{name}: {message}"
        );
        assert!(!message.contains(PASSWORD), "{name}: {message}");
        assert!(
            !holds(&fixture.get::<ImageRepository>(name).await, "Stalled"),
            "{name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_limits_its_rate_is_left_alone_until_the_time_and_then_scanned() {
    let fixture = Fixture::start("registry-limits").await;
    let registry = registry(RegistryOptions::default(), &["1.0.0"]).await;
    registry.push_tags("other", &["1.0.0"]).await;
    registry
        .control()
        .order(&Fault::status(429, "/tags/list").header("Retry-After", "4"))
        .await;
    let spec = |name: &str| json!({ "image": registry.image(name), "interval": "1h" });
    fixture.create::<ImageRepository>("app", spec("app")).await;
    let message = fixture
        .ready::<ImageRepository>("app", "False", "ReadOperationFailed")
        .await;
    let expected = format!(
        "RateLimited: scan failed: {} limits the rate of requests until ",
        registry.host()
    );
    assert!(message.starts_with(&expected), "{message}");
    eventually("an event tells of the limit", async || {
        let events = serde_json::to_string(&fixture.events("app").await).unwrap();
        if events.contains("RateLimited") {
            Ok(())
        } else {
            Err(events)
        }
    })
    .await;

    // Another image of the host waits as well, and both are there without anybody's help.
    fixture.create::<ImageRepository>("other", spec("other")).await;
    for name in ["app", "other"] {
        fixture.ready::<ImageRepository>(name, "True", "Succeeded").await;
    }
    let requests = registry.control().requests("/tags/list").await;
    assert_eq!(requests.len(), 3, "nobody asked before the time: {requests:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_in_pages_of_a_hundred_is_complete_or_not_there() {
    let fixture = Fixture::start("registry-pages").await;
    let options = RegistryOptions {
        page_size: Some(100),
        ..RegistryOptions::default()
    };
    let tags: Vec<String> = (0..250).map(|n| format!("1.0.{n}")).collect();
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    let registry = registry(options, &tags).await;
    let spec = json!({ "image": registry.image("app"), "interval": "1h" });
    let message = scans(&fixture, "app", spec).await;
    assert!(
        message.starts_with("successful scan: found 250 tags"),
        "{message}"
    );

    // A page fails: the object says so, and the complete list stays.
    let before = registry.control().requests("/tags/list").await.len();
    let truncated = Fault {
        body: r#"{"name":"app","tags":["1.0.0","1.0.1""#.to_owned(),
        ..Fault::status(200, "/v2/app/tags/list")
    };
    registry.control().order(&truncated).await;
    fixture.request::<ImageRepository>("app", "truncated").await;
    let message = fixture
        .ready::<ImageRepository>("app", "False", "ReadOperationFailed")
        .await;
    assert!(message.starts_with("InvalidResponse: scan failed: "), "{message}");
    assert!(
        message.ends_with("the answer is not a tag list: it ends too early"),
        "{message}"
    );
    let status = fixture.get::<ImageRepository>("app").await.status.unwrap();
    assert_eq!(status.last_scan_result.unwrap().tag_count, 250);
    let message = fixture.ready::<ImageRepository>("app", "True", "Succeeded").await;
    assert!(
        message.starts_with("successful scan: found 250 tags"),
        "{message}"
    );
    assert!(registry.control().requests("/tags/list").await.len() >= before + 4);
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn what_a_registry_answers_is_told_by_reason_and_word() {
    let fixture = Fixture::start("registry-answers").await;
    let registry = registry(RegistryOptions::default(), &["1.0.0"]).await;
    let host = registry.host().to_owned();
    let html = Fault {
        body: "<html>please log in</html>".to_owned(),
        ..Fault::status(200, "/v2/html/tags/list")
    };
    let realm = |realm: &str| format!(r#"Bearer realm="{realm}",service="x""#);
    let faults = [
        html,
        Fault::status(500, "/v2/broken/tags/list"),
        Fault::status(403, "/v2/forbidden/tags/list"),
        Fault::status(401, "/v2/realm/tags/list")
            .header("Www-Authenticate", &realm("https://evil.example/token")),
        Fault::status(401, "/v2/metadata/tags/list")
            .header("Www-Authenticate", &realm("http://169.254.169.254/token")),
        Fault::status(307, "/v2/redirect/tags/list").header("Location", "http://169.254.169.254/latest"),
        Fault::status(200, "/v2/link/tags/list").header("Link", "<https://evil.example/v2/>; rel=\"next\""),
    ];
    for mut fault in faults {
        if fault.path_contains.contains("link") {
            fault.body = r#"{"name":"link","tags":["1"]}"#.to_owned();
        }
        registry.control().order(&fault.times(1000)).await;
    }
    let auth = registry.docker_config();
    fixture
        .secret("pull", DOCKER_CONFIG, &[(".dockerconfigjson", &auth)])
        .await;
    let unused = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let image = |name: &str| registry.image(name);
    let cases = [
        (
            "html",
            image("html"),
            "InvalidResponse: scan failed: ",
            "it is an HTML or XML page",
        ),
        (
            "broken",
            image("broken"),
            "RegistryUnreachable: scan failed: ",
            "500 Internal Server Error",
        ),
        (
            "forbidden",
            image("forbidden"),
            "AuthorizationFailed: scan failed: ",
            "403 Forbidden; see Secret",
        ),
        (
            "missing",
            image("missing"),
            "RepositoryNotFound: scan failed: ",
            "NAME_UNKNOWN",
        ),
        (
            "realm",
            image("realm"),
            "AuthorizationFailed: scan failed: refused to ask the token server 'https://evil.example' ",
            "--registry-token-host ",
        ),
        (
            "metadata",
            image("metadata"),
            "AuthorizationFailed: scan failed: refused to ask the token server 'http://169.254.169.254' ",
            "plain HTTP",
        ),
        (
            "redirect",
            image("redirect"),
            "InvalidResponse: scan failed: refused to follow the redirect of ",
            "169.254.169.254",
        ),
        (
            "link",
            image("link"),
            "InvalidResponse: scan failed: ",
            "leads to another host, evil.example",
        ),
        (
            "nobody",
            format!("{unused}/app"),
            "RegistryUnreachable: scan failed: ",
            "Connection refused",
        ),
        (
            "address",
            "169.254.169.254/app".to_owned(),
            "RegistryUnreachable: scan failed: ",
            "is not an address that a request may reach",
        ),
    ];
    for (name, image, ..) in &cases {
        let spec = json!({ "image": image, "interval": "1h", "secretRef": { "name": "pull" } });
        fixture.create::<ImageRepository>(name, spec).await;
    }
    for (name, _, start, contains) in &cases {
        let message = fixture
            .ready::<ImageRepository>(name, "False", "ReadOperationFailed")
            .await;
        assert!(
            message.starts_with(start) && message.contains(contains),
            "{name}: {message}"
        );
        assert!(
            !message.contains(PASSWORD) && !message.contains(USER),
            "{name}: {message}"
        );
    }
    assert!(!host.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_with_the_same_image_share_a_list_and_a_spec_that_makes_no_sense_stalls() {
    let fixture = Fixture::start("registry-shared").await;
    let registry = registry(RegistryOptions::default(), &["1.0.0", "1.0.0-rc.1", "1.0.0.sig"]).await;
    let names: Vec<String> = (0..6).map(|n| format!("app-{n}")).collect();
    for (n, name) in names.iter().enumerate() {
        let excluded = if n % 2 == 0 { json!([]) } else { json!(["rc"]) };
        let spec = json!({ "image": registry.image("app"), "interval": "2s", "exclusionList": excluded });
        fixture.create::<ImageRepository>(name, spec).await;
    }
    let scanned = |repository: &ImageRepository| {
        let result = repository.status.as_ref()?.last_scan_result.as_ref()?;
        result.scan_time.clone()
    };
    let mut first = Vec::new();
    for name in &names {
        let message = fixture.ready::<ImageRepository>(name, "True", "Succeeded").await;
        assert!(
            message.starts_with("successful scan: found 2 tags"),
            "{name}: {message}"
        );
        first.push(scanned(&fixture.get(name).await).unwrap());
    }
    // Each asks by itself when it is new, and then they keep in step.
    for (name, first) in names.iter().zip(&first) {
        let later = jiff::SignedDuration::from_secs(6);
        let is_later =
            |repository: &ImageRepository| scanned(repository).is_some_and(|time| time.0 >= first.0 + later);
        fixture.until(name, is_later).await;
    }
    let requests = registry.control().requests("/v2/app/tags/list").await.len();
    assert!(
        requests <= 3 * names.len() - 4,
        "{requests} requests for one list"
    );
    for name in &names {
        fixture
            .patch::<ImageRepository>(name, json!({ "spec": { "suspend": true } }))
            .await;
    }

    let image = registry.image("app");
    for (name, spec, reason, message) in [
        (
            "scheme",
            json!({ "image": format!("https://{image}"), "interval": "1h" }),
            "ImageURLInvalid",
            format!("image 'https://{image}' should not include URL scheme; remove 'https://'"),
        ),
        (
            "tag",
            json!({ "image": format!("{image}:1.0"), "interval": "1h" }),
            "ImageURLInvalid",
            format!("image '{image}:1.0' should not include a tag; remove ':1.0'"),
        ),
        (
            "pattern",
            json!({ "image": image, "interval": "1h", "exclusionList": ["a("] }),
            "ReadOperationFailed",
            "scan failed: failed to compile regex a(: error parsing regexp: missing closing ): `a(`"
                .to_owned(),
        ),
    ] {
        fixture.create::<ImageRepository>(name, spec).await;
        assert_eq!(
            fixture.ready::<ImageRepository>(name, "False", reason).await,
            message,
            "{name}"
        );
        assert!(
            holds(&fixture.get::<ImageRepository>(name).await, "Stalled"),
            "{name}"
        );
    }
    // Mending the spec is enough.
    fixture
        .patch::<ImageRepository>("tag", json!({ "spec": { "image": image } }))
        .await;
    fixture.ready::<ImageRepository>("tag", "True", "Succeeded").await;
}
