//! Azure: Entra ID, managed identities and the exchange of a registry.

use super::*;

/// Entra ID, the metadata service and the exchange of a registry.
fn azure() -> Service {
    let issued = AtomicUsize::new(0);
    Service::start(move |request| {
        let line = request.line.as_str();
        let answer = if line.starts_with("GET /metadata/identity")
            || line.starts_with("POST /tenant-1/oauth2/v2.0/token")
        {
            r#"{"access_token":"entra","expires_in":"3599","token_type":"Bearer"}"#.to_owned()
        } else if line == "POST /oauth2/exchange" {
            let n = issued.fetch_add(1, Ordering::SeqCst);
            let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"exp":{},"n":{n}}}"#, in_hours(3)));
            format!(r#"{{"refresh_token":"header.{claims}.signature"}}"#)
        } else {
            return (404, String::new());
        };
        (200, answer)
    })
}

fn at_azure(service: &Service) -> Environment {
    Environment {
        azure_authority: Some(service.url.clone()),
        azure_metadata: Some(service.url.clone()),
        azure_exchange: Some(service.url.join("oauth2/exchange").unwrap()),
        ..Environment::default()
    }
}

#[tokio::test]
async fn a_service_account_gets_a_token_of_its_application_at_azure() {
    let service = azure();
    let clouds = clouds(at_azure(&service));
    let identity = pod(&[
        ("azure.workload.identity/tenant-id", "tenant-1"),
        ("azure.workload.identity/client-id", "client-1"),
    ]);
    let access = access(Provider::Azure, identity);
    let credential = clouds.credential(&access, "team.azurecr.io").await.unwrap();
    assert_eq!(credential.username, "00000000-0000-0000-0000-000000000000");
    assert!(
        credential.password.starts_with("header."),
        "the refresh token of the registry"
    );
    let again = clouds.credential(&access, "team.azurecr.io").await.unwrap();
    assert_eq!(credential, again);
    clouds.credential(&access, "other.azurecr.io").await.unwrap();
    let seen = service.seen();
    assert_eq!(seen.len(), 4, "each registry has a token of its own");
    assert_eq!(
        seen[0].form("client_assertion"),
        "token-for:api://AzureADTokenExchange"
    );
    assert_eq!(seen[0].form("client_id"), "client-1");
    assert_eq!(
        seen[0].form("scope"),
        "https://containerregistry.azure.net/.default"
    );
    assert_eq!(seen[1].form("grant_type"), "access_token");
    assert_eq!(seen[1].form("service"), "team.azurecr.io");
    assert_eq!(seen[1].form("access_token"), "entra");
}

#[rstest]
#[case::federated(true, false, "client_assertion")]
#[case::secret(false, true, "client_secret")]
#[case::machine(false, false, "")]
#[tokio::test]
async fn a_process_finds_its_identity_at_azure(
    #[case] has_file: bool,
    #[case] has_secret: bool,
    #[case] proof: &str,
) {
    let service = azure();
    let token = file("federated\n");
    let has_tenant = has_file || has_secret;
    let clouds = clouds(Environment {
        azure_tenant: has_tenant.then(|| "tenant-1".to_owned()),
        azure_client: Some("client-1".to_owned()),
        azure_secret: has_secret.then(|| "hunter2".to_owned()),
        azure_token_file: has_file.then(|| token.path().to_owned()),
        ..at_azure(&service)
    });
    clouds
        .credential(&access(Provider::Azure, Identity::Process), "team.azurecr.io")
        .await
        .unwrap();
    let first = &service.seen()[0];
    if has_tenant {
        assert_ne!(first.form(proof), "", "{first:?}");
    } else {
        assert_eq!(
            first.line,
            "GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fcontainerregistry.azure.net&client_id=client-1"
        );
        assert_eq!(first.header("metadata"), "true");
    }
}

#[tokio::test]
async fn a_service_account_without_an_application_gets_nothing() {
    let service = azure();
    let clouds = clouds(at_azure(&service));
    let identity = pod(&[("azure.workload.identity/tenant-id", "tenant-1")]);
    let error = clouds
        .credential(&access(Provider::Azure, identity), "team.azurecr.io")
        .await
        .unwrap_err();
    insta::assert_snapshot!(error, @"failed to get provider identity from service account 'team/puller' annotations: azure client ID is not set in the service account annotation azure.workload.identity/client-id");
    let identity = pod(&[
        ("azure.workload.identity/tenant-id", "../../evil"),
        ("azure.workload.identity/client-id", "client-1"),
    ]);
    let error = clouds
        .credential(&access(Provider::Azure, identity), "team.azurecr.io")
        .await
        .unwrap_err();
    assert!(error.to_string().contains("characters that none has"), "{error}");
    assert_eq!(service.lines(), [""; 0]);
}
