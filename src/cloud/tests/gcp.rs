//! Google: impersonation, files of credentials and the metadata service.

use super::*;

/// The token service, impersonation and the metadata service of Google.
fn google() -> Service {
    Service::start(|request| {
        let line = request
            .line
            .trim_start_matches("GET ")
            .trim_start_matches("POST ");
        let answer = match line {
            "/computeMetadata/v1/instance/service-accounts/default/token" => {
                r#"{"access_token":"machine","expires_in":3599}"#
            }
            "/computeMetadata/v1/project/project-id" => "project-1",
            "/computeMetadata/v1/instance/attributes/cluster-location" => "europe-west1",
            "/computeMetadata/v1/instance/attributes/cluster-name" => "prod",
            "/v1/token" => r#"{"access_token":"federated","expires_in":3599}"#,
            "/v1/projects/-/serviceAccounts/puller@project-1.iam.gserviceaccount.com:generateAccessToken" => {
                r#"{"accessToken":"impersonated","expireTime":"2099-01-01T00:00:00Z"}"#
            }
            _ => return (404, String::new()),
        };
        (200, answer.to_owned())
    })
}

fn at_google(service: &Service) -> Environment {
    Environment {
        google_metadata: Some(service.url.clone()),
        google_sts: Some(service.url.clone()),
        google_iam: Some(service.url.clone()),
        ..Environment::default()
    }
}

const PROVIDER: (&str, &str) = (
    "gcp.auth.fluxcd.io/workload-identity-provider",
    "projects/123/locations/global/workloadIdentityPools/pool/providers/cluster",
);
const EMAIL: (&str, &str) = (
    "iam.gke.io/gcp-service-account",
    "puller@project-1.iam.gserviceaccount.com",
);
const GKE: &str = "identitynamespace:project-1.svc.id.goog:https://container.googleapis.com/v1/projects/project-1/locations/europe-west1/clusters/prod";
const POOL: &str =
    "//iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/pool/providers/cluster";

#[rstest]
#[case::pool(&[PROVIDER], POOL, POOL, "federated")]
#[case::pool_and_impersonation(&[PROVIDER, EMAIL], POOL, POOL, "impersonated")]
#[case::gke(&[], GKE, "project-1.svc.id.goog", "federated")]
#[case::gke_and_impersonation(&[EMAIL], GKE, "project-1.svc.id.goog", "impersonated")]
#[tokio::test]
async fn a_service_account_is_known_to_google(
    #[case] annotations: &[(&'static str, &'static str)],
    #[case] audience: &str,
    #[case] token_audience: &str,
    #[case] password: &str,
) {
    let service = google();
    let clouds = clouds(at_google(&service));
    let access = access(Provider::Gcp, pod(annotations));
    let credential = clouds
        .credential(&access, "europe-west1-docker.pkg.dev")
        .await
        .unwrap();
    assert_eq!(
        (credential.username.as_str(), credential.password.as_str()),
        ("oauth2accesstoken", password)
    );
    let requests = service.lines().len();
    clouds.credential(&access, "gcr.io").await.unwrap();
    assert_eq!(service.lines().len(), requests, "one token is for all registries");
    let seen = service.seen();
    let exchange = seen
        .iter()
        .find(|request| request.line == "POST /v1/token")
        .unwrap();
    assert_eq!(exchange.form("audience"), audience);
    assert_eq!(
        exchange.form("subject_token"),
        format!("token-for:{token_audience}")
    );
    for request in seen
        .iter()
        .filter(|request| request.line.starts_with("GET /computeMetadata"))
    {
        assert_eq!(request.header("metadata-flavor"), "Google");
    }
    if password == "impersonated" {
        assert_eq!(seen.last().unwrap().header("authorization"), "Bearer federated");
    }
}

#[tokio::test]
async fn a_process_finds_its_identity_at_google() {
    let service = google();
    let machine = clouds(at_google(&service));
    let process = access(Provider::Gcp, Identity::Process);
    assert_eq!(
        machine.credential(&process, "gcr.io").await.unwrap().password,
        "machine"
    );

    let token = file(r#"{"id_token":"subject"}"#);
    let configuration = serde_json::json!({
        "type": "external_account",
        "audience": POOL,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "credential_source": { "file": token.path(), "format": { "type": "json", "subject_token_field_name": "id_token" } },
        "service_account_impersonation_url": service.url.join("v1/projects/-/serviceAccounts/puller@project-1.iam.gserviceaccount.com:generateAccessToken").unwrap().as_str(),
    });
    let credentials = file(&configuration.to_string());
    let federated = clouds(Environment {
        google_credentials: Some(credentials.path().to_owned()),
        ..at_google(&service)
    });
    assert_eq!(
        federated.credential(&process, "gcr.io").await.unwrap().password,
        "impersonated"
    );
}

#[rstest]
#[case(
    r#"{"type":"service_account","private_key":"CANARY"}"#,
    "credentials of type 'service_account' are not supported; use a credential configuration for workload identity federation"
)]
#[case("CANARY", "the file is no JSON of the expected form")]
#[case(
    r#"{"type":"external_account","audience":"a","credential_source":{}}"#,
    "only a credential_source with a file is supported"
)]
#[tokio::test]
async fn other_credentials_files_of_google_are_refused(#[case] content: &str, #[case] expected: &str) {
    let credentials = file(content);
    let clouds = clouds(Environment {
        google_credentials: Some(credentials.path().to_owned()),
        ..Environment::default()
    });
    let error = clouds
        .credential(&access(Provider::Gcp, Identity::Process), "gcr.io")
        .await
        .unwrap_err();
    assert!(error.to_string().ends_with(expected), "{error}");
    assert!(!error.to_string().contains("CANARY"));
}

#[tokio::test]
async fn tokens_of_a_file_go_to_google_alone() {
    let service = google();
    let token = file("subject");
    let configuration = serde_json::json!({
        "type": "external_account",
        "audience": POOL,
        "credential_source": { "file": token.path() },
        "service_account_impersonation_url": "https://evil.example/v1/token",
    });
    let credentials = file(&configuration.to_string());
    let clouds = clouds(Environment {
        google_credentials: Some(credentials.path().to_owned()),
        ..at_google(&service)
    });
    let error = clouds
        .credential(&access(Provider::Gcp, Identity::Process), "gcr.io")
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("no address of iamcredentials.googleapis.com"),
        "{error}"
    );
    assert_eq!(service.lines(), [""; 0]);
}
