//! The clouds' services as local servers that answer as documented; what they are asked is compared.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use futures::future::BoxFuture;
use rstest::rstest;
use url::Url;

use super::*;
use crate::http::HttpClients;

const ECR: &str = "012345678901.dkr.ecr.eu-west-1.amazonaws.com";

/// A request as a service saw it.
#[derive(Clone, Debug)]
struct Seen {
    line: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Seen {
    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    fn form(&self, name: &str) -> String {
        let mut pairs = url::form_urlencoded::parse(self.body.as_bytes());
        pairs
            .find(|(key, _)| key == name)
            .map_or_else(String::new, |(_, value)| value.into_owned())
    }
}

/// A service; it ends with the test's process.
struct Service {
    url: Url,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Service {
    /// Answers each request with a status and a body.
    fn start(answer: impl Fn(&Seen) -> (u16, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (Arc::clone(&seen), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                // A client that goes away is no failure of the server.
                std::thread::spawn(move || drop(serve(stream, &log, &*answer)));
            }
        });
        Self { url, seen }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|request| request.line).collect()
    }
}

fn serve(
    stream: TcpStream,
    log: &Mutex<Vec<Seen>>,
    answer: &dyn Fn(&Seen) -> (u16, String),
) -> std::io::Result<()> {
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut headers = Vec::new();
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let Some((name, value)) = header.trim_end().split_once(": ") else {
                break;
            };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let mut body = vec![0; length.map_or(0, |(_, value)| value.parse().unwrap())];
        reader.read_exact(&mut body)?;
        let seen = Seen {
            line: line.trim_end().trim_end_matches(" HTTP/1.1").to_owned(),
            headers,
            body: String::from_utf8(body).unwrap(),
        };
        log.lock().unwrap().push(seen.clone());
        let (status, body) = answer(&seen);
        write!(
            writer,
            "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
    }
}

/// A service account whose tokens say whom they are for.
struct Pod {
    annotations: Vec<(&'static str, &'static str)>,
}

impl AccountTokens for Pod {
    fn account(&self) -> BoxFuture<'_, Result<Account, String>> {
        let annotations = self.annotations.iter();
        let account = Account {
            namespace: "team".to_owned(),
            name: "puller".to_owned(),
            uid: "1".to_owned(),
            annotations: annotations
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
        };
        Box::pin(async { Ok(account) })
    }

    fn token<'t>(&'t self, audience: &'t str) -> BoxFuture<'t, Result<String, String>> {
        Box::pin(async move { Ok(format!("token-for:{audience}")) })
    }
}

fn access(provider: Provider, identity: Identity) -> CloudAccess {
    CloudAccess {
        provider,
        identity,
        proxy: None,
    }
}

fn pod(annotations: &[(&'static str, &'static str)]) -> Identity {
    Identity::Account(Arc::new(Pod {
        annotations: annotations.to_vec(),
    }))
}

fn clouds(environment: Environment) -> CloudTokens {
    CloudTokens::new(HttpClients::new(), environment)
}

fn file(content: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), content).unwrap();
    file
}

fn in_hours(hours: i64) -> i64 {
    jiff::Timestamp::now().as_second() + hours * 3600
}

const ASSUMED: &str = "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>\
     <SessionToken>SESSION</SessionToken><SecretAccessKey>SECRET</SecretAccessKey>\
     <Expiration>2030-01-01T00:00:00Z</Expiration><AccessKeyId>ASIA1</AccessKeyId></Credentials>\
     </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";

/// The token service, the registry service and the metadata services of AWS, all at one address.
fn aws() -> Service {
    Service::start(|request| {
        let lent = r#"{"AccessKeyId":"ASIA2","SecretAccessKey":"SECRET","Token":"SESSION","Expiration":"2030-01-01T00:00:00Z"}"#;
        let authorization = format!(
            r#"{{"authorizationToken":"{}","expiresAt":{}.5,"proxyEndpoint":"https://x"}}"#,
            STANDARD.encode("AWS:password"),
            in_hours(12)
        );
        let answer = match (request.line.as_str(), request.header("x-amz-target")) {
            ("POST /", "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken") => {
                format!(r#"{{"authorizationData":[{authorization}]}}"#)
            }
            ("POST /", "SpencerFrontendService.GetAuthorizationToken") => {
                format!(r#"{{"authorizationData":{authorization}}}"#)
            }
            ("POST /", _) => ASSUMED.to_owned(),
            ("PUT /latest/api/token", _) => "metadata-token".to_owned(),
            ("GET /latest/meta-data/iam/security-credentials/", _) => "node-role\n".to_owned(),
            ("GET /latest/meta-data/iam/security-credentials/node-role" | "GET /v1/credentials", _) => {
                lent.to_owned()
            }
            _ => return (404, String::new()),
        };
        (200, answer)
    })
}

fn at_aws(service: &Service) -> Environment {
    Environment {
        aws_sts: Some(service.url.clone()),
        aws_ecr: Some(service.url.clone()),
        aws_ecr_public: Some(service.url.clone()),
        aws_metadata: Some(service.url.clone()),
        ..Environment::default()
    }
}

fn assert_aws(credential: &Credential) {
    assert_eq!(
        (credential.username.as_str(), credential.password.as_str()),
        ("AWS", "password")
    );
}

#[tokio::test]
async fn a_service_account_takes_its_role_at_aws() {
    let service = aws();
    let role = (
        "eks.amazonaws.com/role-arn",
        "arn:aws:iam::012345678901:role/puller",
    );
    let clouds = clouds(at_aws(&service));
    let access = access(Provider::Aws, pod(&[role]));
    let (one, two) = tokio::join!(clouds.credential(&access, ECR), clouds.credential(&access, ECR));
    assert_aws(&one.unwrap());
    assert_aws(&two.unwrap());
    let seen = service.seen();
    assert_eq!(seen.len(), 2, "one role and one token for all who wait");
    assert_eq!(seen[0].form("Action"), "AssumeRoleWithWebIdentity");
    assert_eq!(seen[0].form("RoleArn"), role.1);
    assert_eq!(seen[0].form("RoleSessionName"), "puller.team.eu-west-1.fluxcd.io");
    assert_eq!(seen[0].form("WebIdentityToken"), "token-for:sts.amazonaws.com");
    assert_eq!(seen[1].body, "{}");
    assert_eq!(seen[1].header("x-amz-security-token"), "SESSION");
    let authorization = seen[1].header("authorization");
    assert!(
        authorization.starts_with("AWS4-HMAC-SHA256 Credential=ASIA1/"),
        "{authorization}"
    );
    assert!(authorization.contains("/eu-west-1/ecr/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, "));
}

#[tokio::test]
async fn a_process_finds_its_identity_at_aws_where_it_is() {
    let service = aws();
    let token = file("pod-token\n");
    let base = at_aws(&service);
    let environments = [
        (
            "keys",
            "ASIA0",
            Environment {
                aws_keys: Some(("ASIA0".to_owned(), "SECRET".to_owned(), None)),
                ..base.clone()
            },
        ),
        (
            "role",
            "ASIA1",
            Environment {
                aws_role: Some(("arn:aws:iam::1:role/x".to_owned(), token.path().to_owned())),
                ..base.clone()
            },
        ),
        (
            "pod identity",
            "ASIA2",
            Environment {
                aws_container: Some(service.url.join("v1/credentials").unwrap()),
                aws_container_token: Some(token.path().to_owned()),
                ..base.clone()
            },
        ),
        ("machine", "ASIA2", base),
    ];
    for (name, key, environment) in environments {
        let clouds = clouds(environment);
        for registry in [ECR, "public.ecr.aws"] {
            let credential = clouds
                .credential(&access(Provider::Aws, Identity::Process), registry)
                .await;
            assert_aws(&credential.unwrap_or_else(|error| panic!("{name}: {error}")));
        }
        let seen = service.seen();
        let (private, public) = (&seen[seen.len() / 2 - 1], seen.last().unwrap());
        let scopes = [("eu-west-1/ecr", private), ("us-east-1/ecr-public", public)];
        for (scope, request) in scopes.into_iter().take(if name == "keys" { 2 } else { 0 }) {
            assert!(
                request.header("authorization").contains(scope),
                "{name}: {request:?}"
            );
        }
        assert!(public.header("authorization").contains(key), "{name}: {public:?}");
    }
    let find = |line: &str| {
        service
            .seen()
            .into_iter()
            .find(|request| request.line == line)
            .unwrap()
    };
    assert_eq!(find("GET /v1/credentials").header("authorization"), "pod-token");
    assert_eq!(
        find("GET /latest/meta-data/iam/security-credentials/node-role").header("x-aws-ec2-metadata-token"),
        "metadata-token"
    );
}

#[rstest]
#[case::none("", "invalid eks.amazonaws.com/role-arn annotation: ''. must match")]
#[case::no_role(
    "arn:aws:iam::012345678901:user/x",
    "must match ^arn:aws[\\w-]*:iam::[0-9]{1,30}:role/.{1,200}$"
)]
#[tokio::test]
async fn a_service_account_without_a_role_gets_nothing(#[case] role: &'static str, #[case] expected: &str) {
    let service = aws();
    let identity = pod(&[("eks.amazonaws.com/role-arn", role)]);
    let clouds = clouds(at_aws(&service));
    let error = clouds
        .credential(&access(Provider::Aws, identity), ECR)
        .await
        .unwrap_err();
    assert!(error.to_string().contains(expected), "{error}");
    assert!(
        error
            .to_string()
            .contains("service account 'team/puller' annotations"),
        "{error}"
    );
    assert_eq!(service.lines(), [""; 0]);
}

#[tokio::test]
async fn a_refusal_is_told_without_tokens_and_believed_for_a_moment() {
    let service = Service::start(|_| {
        let text = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not authorized to perform sts</Message></Error></ErrorResponse>";
        (403, text.to_owned())
    });
    let clouds = clouds(at_aws(&service));
    let access = access(
        Provider::Aws,
        pod(&[("eks.amazonaws.com/role-arn", "arn:aws:iam::1:role/x")]),
    );
    let error = clouds.credential(&access, ECR).await.unwrap_err();
    insta::assert_snapshot!(error, @"the token service of AWS refused: 403 Forbidden, AccessDenied: Not authorized to perform sts");
    for _ in 0..3 {
        assert_eq!(clouds.credential(&access, ECR).await, Err(error.clone()));
    }
    assert_eq!(service.lines().len(), 1);
}

#[tokio::test]
async fn a_service_that_repeats_what_it_was_sent_is_not_quoted() {
    let token = "CANARY".repeat(10);
    let repeated = token.clone();
    let service = Service::start(move |_| (400, format!(r#"{{"error":"bad token {repeated}"}}"#)));
    let token = file(&token);
    let clouds = clouds(Environment {
        aws_role: Some(("arn:aws:iam::1:role/x".to_owned(), token.path().to_owned())),
        ..at_aws(&service)
    });
    let error = clouds
        .credential(&access(Provider::Aws, Identity::Process), ECR)
        .await
        .unwrap_err();
    insta::assert_snapshot!(error, @"the token service of AWS refused: 400 Bad Request");
}

#[tokio::test]
async fn a_credential_that_the_registry_does_not_take_is_replaced() {
    let service = aws();
    let clouds = clouds(Environment {
        aws_keys: Some(("ASIA0".to_owned(), "SECRET".to_owned(), None)),
        ..at_aws(&service)
    });
    let access = access(Provider::Aws, Identity::Process);
    let first = clouds.credential(&access, ECR).await.unwrap();
    clouds.credential(&access, ECR).await.unwrap();
    assert_eq!(service.lines().len(), 1);
    clouds.reject(&first);
    clouds.credential(&access, ECR).await.unwrap();
    assert_eq!(service.lines().len(), 2);
}

#[tokio::test]
async fn another_registry_never_gets_the_credentials_of_a_cloud() {
    let service = aws();
    let clouds = clouds(Environment {
        aws_keys: Some(("ASIA0".to_owned(), "SECRET".to_owned(), None)),
        ..at_aws(&service)
    });
    let host = format!("{ECR}.evil.example");
    let error = clouds
        .credential(&access(Provider::Aws, Identity::Process), &host)
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("invalid AWS registry: '012345678901.dkr"),
        "{error}"
    );
    assert_eq!(service.lines(), [""; 0]);
}

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

#[tokio::test]
async fn a_process_without_identity_is_told_where_it_was_looked_for() {
    let nobody = Service::start(|_| (404, String::new()));
    let process = |provider| access(provider, Identity::Process);
    let environment = Environment {
        aws_metadata: Some(nobody.url.clone()),
        azure_metadata: Some(nobody.url.clone()),
        google_metadata: Some(nobody.url.clone()),
        ..Environment::default()
    };
    let clouds = clouds(environment);
    let aws = clouds.credential(&process(Provider::Aws), ECR).await.unwrap_err();
    insta::assert_snapshot!(aws, @"this process has no identity at AWS: no keys, role or pod identity in the environment, and no role of the machine: the metadata service of AWS refused: 404 Not Found");
    let azure = clouds
        .credential(&process(Provider::Azure), "team.azurecr.io")
        .await
        .unwrap_err();
    insta::assert_snapshot!(azure, @"this process has no identity at Azure: no workload identity or secret in the environment, and no managed identity: the metadata service of Azure refused: 404 Not Found");
    let google = clouds
        .credential(&process(Provider::Gcp), "gcr.io")
        .await
        .unwrap_err();
    insta::assert_snapshot!(google, @"this process has no identity at GCP: GOOGLE_APPLICATION_CREDENTIALS is not set, and the machine has no service account: the metadata service of GCP refused: 404 Not Found");
}

#[test]
fn the_environment_is_read_by_the_names_of_the_clouds() {
    let values = [
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/x"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/token"),
        ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials"),
        ("AWS_ENDPOINT_URL", "https://aws.example"),
        ("AWS_ENDPOINT_URL_STS", "https://sts.example"),
        ("GCE_METADATA_HOST", "metadata.example:8080"),
        ("AZURE_AUTHORITY_HOST", "https://login.example/"),
    ];
    let get = |name: &str| {
        values
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| (*value).to_owned())
    };
    let environment = Environment::read(&get).unwrap();
    let text = |url: &Option<Url>| url.as_ref().map(ToString::to_string).unwrap_or_default();
    assert_eq!(
        text(&environment.aws_container),
        "http://169.254.170.2/v2/credentials"
    );
    assert_eq!(text(&environment.aws_sts), "https://sts.example/");
    assert_eq!(text(&environment.aws_ecr), "https://aws.example/");
    assert_eq!(
        text(&environment.google_metadata),
        "http://metadata.example:8080/"
    );
    assert!(environment.aws_keys.is_none() && environment.aws_role.is_some());
    let wrong =
        Environment::read(&|name| (name == "AZURE_AUTHORITY_HOST").then(|| "login".to_owned())).unwrap_err();
    insta::assert_snapshot!(wrong, @"AZURE_AUTHORITY_HOST: relative URL without a base");
}

#[tokio::test]
async fn a_container_service_elsewhere_is_not_asked_over_plain_http() {
    let clouds = clouds(Environment {
        aws_container: Some("http://evil.example/credentials".parse().unwrap()),
        ..Environment::default()
    });
    let error = clouds
        .credential(&access(Provider::Aws, Identity::Process), ECR)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("plain HTTP is only for"), "{error}");
}
