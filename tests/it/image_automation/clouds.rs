//! `ImageRepository` with a cloud provider: tokens of real service accounts, exchanged at services that answer as documented.
//!
//! One server is all of it: the object's proxy, so that the registries have their real names, the cloud's services, and the
//! registry itself, which knows one password.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use fluxbot::cloud::Environment;
use fluxbot_api::image::ImageRepository;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::fixture::Fixture;
use crate::support::proxy::head;

const ECR: &str = "012345678901.dkr.ecr.eu-west-1.amazonaws.com";
const ACR: &str = "team.azurecr.io";
const GAR: &str = "europe-west1-docker.pkg.dev";

/// The cloud; it ends with the test's process.
struct Cloud {
    url: String,
    seen: Arc<Mutex<Vec<(String, String)>>>,
}

impl Cloud {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let log = Arc::clone(&log);
                // A client that goes away is no failure of the cloud.
                std::thread::spawn(move || drop(serve(stream, &log)));
            }
        });
        Self { url, seen }
    }

    fn environment(&self) -> Environment {
        let url = |path: &str| Some(format!("{}{path}", self.url).parse().unwrap());
        Environment {
            aws_sts: url("sts"),
            aws_ecr: url("ecr"),
            aws_metadata: url(""),
            azure_authority: url("entra"),
            azure_exchange: url("acr/exchange"),
            google_sts: url(""),
            google_iam: url(""),
            google_metadata: url(""),
            ..Environment::default()
        }
    }

    /// The bodies of the requests whose line contains `part`.
    fn bodies(&self, part: &str) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .filter(|(line, _)| line.contains(part))
            .map(|(_, body)| body.clone())
            .collect()
    }
}

fn serve(mut stream: TcpStream, log: &Mutex<Vec<(String, String)>>) -> std::io::Result<()> {
    while let Some(head) = head(&mut stream)? {
        let find = |name: &str| {
            head.lines().find_map(|line| {
                let (key, value) = line.split_once(": ")?;
                key.eq_ignore_ascii_case(name).then(|| value.to_owned())
            })
        };
        let length = find("content-length").map_or(0, |value| value.parse().unwrap());
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        let line = head.lines().next().unwrap_or_default().to_owned();
        let (status, more, answer) = answer(&line, find("authorization").as_deref());
        log.lock().unwrap().push((line, String::from_utf8(body).unwrap()));
        write!(
            stream,
            "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n{more}\r\n{answer}",
            answer.len()
        )?;
    }
    Ok(())
}

fn answer(line: &str, authorization: Option<&str>) -> (u16, &'static str, String) {
    let fine = |body: String| (200, "", body);
    let later = Timestamp::now().as_second() + 7200;
    let is_known = |user: &str, password: &str| {
        authorization
            == Some(&format!(
                "Basic {}",
                BASE64_STANDARD.encode(format!("{user}:{password}"))
            ))
    };
    if line.starts_with("CONNECT") {
        return (502, "", String::new());
    }
    if line.contains("/v2/") {
        let known = match line {
            line if line.contains(ECR) => is_known("AWS", "ecr-password"),
            line if line.contains(ACR) => is_known(
                "00000000-0000-0000-0000-000000000000",
                &format!("h.{}.s", claims(0)),
            ),
            _ => is_known("oauth2accesstoken", "impersonated"),
        };
        return if known {
            fine(json!({ "name": "app", "tags": ["1.0.0", "1.1.0"] }).to_string())
        } else {
            (401, "WWW-Authenticate: Basic realm=\"cloud\"\r\n", String::new())
        };
    }
    match line {
        line if line.contains("/sts") => fine(
            "<Credentials><AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>S</SecretAccessKey><SessionToken>T</SessionToken></Credentials>"
                .to_owned(),
        ),
        line if line.contains("/ecr") => fine(format!(
            r#"{{"authorizationData":[{{"authorizationToken":"{}","expiresAt":{later}}}]}}"#,
            BASE64_STANDARD.encode("AWS:ecr-password")
        )),
        line if line.contains("/entra/") => fine(r#"{"access_token":"entra"}"#.to_owned()),
        line if line.contains("/acr/exchange") => fine(format!(r#"{{"refresh_token":"h.{}.s"}}"#, claims(0))),
        line if line.contains("/v1/token") => fine(r#"{"access_token":"federated","expires_in":3600}"#.to_owned()),
        line if line.contains(":generateAccessToken") => {
            fine(r#"{"accessToken":"impersonated","expireTime":"2099-01-01T00:00:00Z"}"#.to_owned())
        }
        _ => (404, "", String::new()),
    }
}

/// The claims of a token that lives for long.
fn claims(n: u32) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!(r#"{{"exp":4070908800,"n":{n}}}"#))
}

/// Subject and audience of a token of the cluster.
fn whose(body: &str, field: &str) -> (String, Value) {
    let token = url::form_urlencoded::parse(body.as_bytes())
        .find(|(key, _)| key == field)
        .unwrap()
        .1;
    let claims = BASE64_URL_SAFE_NO_PAD
        .decode(token.split('.').nth(1).unwrap())
        .unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    (claims["sub"].as_str().unwrap().to_owned(), claims["aud"].clone())
}

async fn account(fixture: &Fixture, name: &str, annotations: Value) {
    let accounts: Api<ServiceAccount> = Api::namespaced(fixture.client.clone(), fixture.namespace.name());
    let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": name, "annotations": annotations } });
    let patch = Patch::Apply(account);
    accounts
        .patch(name, &PatchParams::apply("test"), &patch)
        .await
        .unwrap();
}

fn spec(registry: &str, provider: &str, account: Option<&str>) -> Value {
    let mut spec = json!({
        "image": format!("{registry}/app"), "interval": "1h", "provider": provider,
        // The server speaks no TLS.
        "insecure": true, "proxySecretRef": { "name": "proxy" },
    });
    if let Some(account) = account {
        spec["serviceAccountName"] = json!(account);
    }
    spec
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_is_known_to_each_cloud() {
    let cloud = Cloud::start();
    let fixture = Fixture::start_in("clouds", cloud.environment(), |_| {}).await;
    fixture
        .secret("proxy", "Opaque", &[("address", &cloud.url)])
        .await;
    let namespace = fixture.namespace.name();
    account(
        &fixture,
        "aws",
        json!({ "eks.amazonaws.com/role-arn": "arn:aws:iam::012345678901:role/puller" }),
    )
    .await;
    account(
        &fixture,
        "azure",
        json!({
            "azure.workload.identity/tenant-id": "tenant-1",
            "azure.workload.identity/client-id": "client-1",
        }),
    )
    .await;
    account(&fixture, "gcp", json!({
        "gcp.auth.fluxcd.io/workload-identity-provider": "projects/1/locations/global/workloadIdentityPools/p/providers/c",
        "iam.gke.io/gcp-service-account": "puller@project-1.iam.gserviceaccount.com",
    })).await;
    for (name, registry, line, field, audience) in [
        ("aws", ECR, "/sts", "WebIdentityToken", "sts.amazonaws.com"),
        (
            "azure",
            ACR,
            "/entra/tenant-1/",
            "client_assertion",
            "api://AzureADTokenExchange",
        ),
        (
            "gcp",
            GAR,
            "/v1/token",
            "subject_token",
            "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/c",
        ),
    ] {
        fixture
            .create::<ImageRepository>(name, spec(registry, name, Some(name)))
            .await;
        let message = fixture.ready::<ImageRepository>(name, "True", "Succeeded").await;
        assert!(
            message.starts_with("successful scan: found 2 tags"),
            "{name}: {message}"
        );
        let repository: ImageRepository = fixture.get(name).await;
        let canonical = repository.status.unwrap().canonical_image_name;
        assert_eq!(canonical, Some(format!("{registry}/app")));
        let bodies = cloud.bodies(line);
        assert_eq!(bodies.len(), 1, "{name}");
        let (subject, audiences) = whose(&bodies[0], field);
        assert_eq!(subject, format!("system:serviceaccount:{namespace}:{name}"));
        assert_eq!(audiences, json!([audience]), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_for_a_cloud_is_said() {
    let cloud = Cloud::start();
    let fixture = Fixture::start_in("clouds-wrong", cloud.environment(), |_| {}).await;
    fixture
        .secret("proxy", "Opaque", &[("address", &cloud.url)])
        .await;
    let namespace = fixture.namespace.name();
    account(&fixture, "plain", json!({})).await;
    for (name, registry, provider, account, expected) in [
        ("host", "ghcr.io", "aws", Some("plain"), "no credentials of provider aws for ghcr.io/app: invalid AWS registry: 'ghcr.io'. must match ([0-9+]*).dkr".to_owned()),
        ("suffix", "012345678901.dkr.ecr.eu-west-1.amazonaws.com.evil.example", "aws", Some("plain"), "invalid AWS registry: ".to_owned()),
        ("annotation", ECR, "aws", Some("plain"), format!("failed to get provider identity from service account '{namespace}/plain' annotations: invalid eks.amazonaws.com/role-arn annotation: ''")),
        ("tenant", ACR, "azure", Some("plain"), "azure tenant ID is not set in the service account annotation azure.workload.identity/tenant-id".to_owned()),
        ("nobody", ECR, "aws", Some("nobody"), format!("failed to get service account '{namespace}/nobody': serviceaccounts \"nobody\" not found")),
        ("process", ECR, "aws", None, "this process has no identity at AWS: ".to_owned()),
        ("google", GAR, "gcp", None, "this process has no identity at GCP: ".to_owned()),
    ] {
        fixture.create::<ImageRepository>(name, spec(registry, provider, account)).await;
        let message = fixture.ready::<ImageRepository>(name, "False", "ReadOperationFailed").await;
        assert!(message.starts_with("AuthorizationFailed: scan failed: no credentials of provider "), "{name}: {message}");
        assert!(message.contains(&expected), "{name}: {message}");
    }
    assert_eq!(
        cloud.bodies("/sts").len() + cloud.bodies("/v2/").len(),
        0,
        "nobody was asked for anything"
    );
}
