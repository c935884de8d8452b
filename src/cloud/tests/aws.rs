//! AWS: roles, keys and the metadata of machines and containers.

use super::*;

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
