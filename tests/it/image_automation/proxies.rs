//! `ImageRepository` through the proxies of `spec.proxySecretRef`.

use fluxbot_api::image::ImageRepository;
use serde_json::json;

use super::fixture::Fixture;
use crate::support::proxy::{PROXY_PASSWORD, PROXY_USER, Proxy, unused_address};
use crate::support::registry::Registry;

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_is_asked_through_the_proxy_of_a_secret() {
    let fixture = Fixture::start("proxies").await;
    let registry = Registry::shared();
    registry.push_tags("proxied", &["1.0.0"]).await;
    let image = registry.image("proxied");
    for (name, proxy) in [
        ("http", Proxy::http()),
        ("https", Proxy::https()),
        ("socks", Proxy::socks()),
    ] {
        let mut data = vec![
            ("address", proxy.url.as_str()),
            ("username", PROXY_USER),
            ("password", PROXY_PASSWORD),
        ];
        let mut spec =
            json!({ "image": image, "interval": "1h", "insecure": true, "proxySecretRef": { "name": name } });
        if let Some(authority) = &proxy.authority {
            data.push(("ca.crt", authority));
            spec["certSecretRef"] = json!({ "name": name });
        }
        fixture.secret(name, "Opaque", &data).await;
        fixture.create::<ImageRepository>(name, spec).await;
        let message = fixture.ready::<ImageRepository>(name, "True", "Succeeded").await;
        assert!(
            message.starts_with("successful scan: found 1 tags"),
            "{name}: {message}"
        );
        let seen = proxy.seen();
        assert!(
            seen.iter().any(|line| line.contains(registry.host())),
            "{name}: {seen:?}"
        );
    }
}

/// Of a Secret: its name, its data, the reason and the message that it leads to.
type Case<'c> = (&'c str, &'c [(&'c str, &'c str)], &'c str, String);

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_proxy_is_told_without_its_password() {
    let fixture = Fixture::start("proxies-wrong").await;
    let namespace = fixture.namespace.name();
    let image = Registry::shared().image("proxied-wrong");
    Registry::shared().push_tags("proxied-wrong", &["1.0.0"]).await;
    let working = Proxy::http();
    let nobody = format!("http://{}", unused_address());
    let options = format!("failed to configure authentication options: secret '{namespace}/");
    let cases: [Case<'_>; 5] = [
        (
            "no-address",
            &[("username", "u")],
            "AuthenticationFailed",
            format!("{options}no-address': key 'address' not found"),
        ),
        (
            "empty",
            &[("address", "")],
            "AuthenticationFailed",
            format!("{options}empty': proxy address is empty"),
        ),
        (
            "scheme",
            &[("address", "ftp://u:CANARY@proxy.example")],
            "AuthenticationFailed",
            format!(
                "{options}scheme': proxy URL must use one of the supported schemes (http, https, socks5), got 'ftp'"
            ),
        ),
        (
            "password",
            &[
                ("address", &working.url),
                ("username", PROXY_USER),
                ("password", "CANARY"),
            ],
            "ReadOperationFailed",
            "scan failed: ".to_owned(),
        ),
        (
            "nobody",
            &[("address", &nobody)],
            "ReadOperationFailed",
            "RegistryUnreachable: scan failed: cannot ask for ".to_owned(),
        ),
    ];
    for (name, data, reason, expected) in cases {
        fixture.secret(name, "Opaque", data).await;
        let spec =
            json!({ "image": image, "interval": "1h", "insecure": true, "proxySecretRef": { "name": name } });
        fixture.create::<ImageRepository>(name, spec).await;
        let message = fixture.ready::<ImageRepository>(name, "False", reason).await;
        assert!(message.contains(&expected), "{name}: {message}");
        assert!(!message.contains("CANARY"), "{name}: {message}");
    }
}
