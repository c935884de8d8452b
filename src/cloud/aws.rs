//! Amazon: a role or keys, then a token of the Elastic Container Registry.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use url::Url;

use super::call::{Call, Way, element};
use super::signature::{Keys, Signable, sign};
use super::tokens::Who;
use super::{CloudError, Credential, Provider, RegistryHost};

/// The annotation of a service account that names its role.
pub(super) const ROLE_ANNOTATION: &str = "eks.amazonaws.com/role-arn";

/// Whom the tokens of service accounts are for.
const AUDIENCE: &str = "sts.amazonaws.com";

/// The public registry has one home.
const PUBLIC_REGION: &str = "us-east-1";

/// Longest name of a session.
const MAX_SESSION: usize = 64;

/// How long a lent token of the metadata service lives, in seconds.
const METADATA_LIFETIME: &str = "300";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Authorization {
    authorization_token: String,
    expires_at: f64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum AuthorizationData {
    One(Authorization),
    Many(Vec<Authorization>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuthorizationAnswer {
    authorization_data: AuthorizationData,
}

/// What the services for machines, containers and pods answer.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LentKeys {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
}

/// User name and password for a registry, and how long they live.
pub(super) async fn credential(
    who: &Who<'_>,
    host: &RegistryHost,
) -> Result<(Credential, Duration), CloudError> {
    let (region, suffix) = match host {
        RegistryHost::Ecr { region, suffix } => (region.as_str(), *suffix),
        _ => (PUBLIC_REGION, "amazonaws.com"),
    };
    let keys = match who.account {
        Some(_) => account_keys(who, region, suffix).await?,
        None => own_keys(who, region, suffix).await?,
    };
    let (name, target, own) = match host {
        RegistryHost::EcrPublic => (
            "ecr-public",
            "SpencerFrontendService.GetAuthorizationToken",
            &who.environment.aws_ecr_public,
        ),
        _ => (
            "ecr",
            "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
            &who.environment.aws_ecr,
        ),
    };
    let url = endpoint(own.as_ref(), &format!("api.{name}"), region, suffix)?;
    let authority = authority(&url);
    let body = b"{}".to_vec();
    let headers = [
        ("content-type", "application/x-amz-json-1.1"),
        ("host", authority.as_str()),
        ("x-amz-target", target),
    ];
    let signable = Signable {
        method: "POST",
        path: url.path(),
        headers: &headers,
        body: &body,
        region,
        service: name,
    };
    let mut all: Vec<(&'static str, String)> = vec![
        ("content-type", "application/x-amz-json-1.1".to_owned()),
        ("x-amz-target", target.to_owned()),
    ];
    all.extend(sign(&signable, &keys, Timestamp::now()));
    let call = Call {
        service: "the registry service of AWS",
        way: Way::Network,
        method: Method::POST,
        url,
        headers: all,
        body,
    };
    let answer: AuthorizationAnswer = who.caller.json(&call).await?;
    let authorization = match answer.authorization_data {
        AuthorizationData::One(one) => Some(one),
        AuthorizationData::Many(many) => many.into_iter().next(),
    };
    let authorization = authorization.ok_or_else(|| call.senseless("no authorization data"))?;
    let pair = STANDARD
        .decode(&authorization.authorization_token)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|text| {
            text.split_once(':')
                .map(|(user, password)| (user.to_owned(), password.to_owned()))
        });
    let (username, password) =
        pair.ok_or_else(|| call.senseless("the authorization token is no user and password"))?;
    let rest = authorization.expires_at - Timestamp::now().as_duration().as_secs_f64();
    let lifetime = Duration::try_from_secs_f64(rest).unwrap_or_default();
    Ok((Credential { username, password }, lifetime))
}

/// The keys of the role that the service account names.
async fn account_keys(who: &Who<'_>, region: &str, suffix: &str) -> Result<Keys, CloudError> {
    let Some(account) = who.account else {
        return Err(no_identity("there is no service account".to_owned()));
    };
    let role = account
        .annotations
        .get(ROLE_ANNOTATION)
        .map_or("", String::as_str);
    if !is_role(role) {
        return Err(CloudError::Annotation {
            account: format!("{}/{}", account.namespace, account.name),
            reason: format!(
                "invalid {ROLE_ANNOTATION} annotation: '{role}'. must match ^arn:aws[\\w-]*:iam::[0-9]{{1,30}}:role/.{{1,200}}$"
            ),
        });
    }
    let token = who.account_token(AUDIENCE).await?;
    let mut session = format!("{}.{}.{region}.fluxcd.io", account.name, account.namespace);
    session.truncate(MAX_SESSION);
    assume(who, (region, suffix), role, &session, &token).await
}

/// The keys of this process, where the libraries of AWS look for them, in their order.
async fn own_keys(who: &Who<'_>, region: &str, suffix: &str) -> Result<Keys, CloudError> {
    let environment = who.environment;
    if let Some((id, secret, session)) = &environment.aws_keys {
        return Ok(Keys {
            id: id.clone(),
            secret: secret.clone(),
            session: session.clone(),
        });
    }
    if let Some((role, file)) = &environment.aws_role {
        let token = super::gcp::file("AWS_WEB_IDENTITY_TOKEN_FILE", file).await?;
        return assume(who, (region, suffix), role, "fluxbot", token.trim()).await;
    }
    if let Some(url) = &environment.aws_container {
        return container_keys(who, url.clone()).await;
    }
    if environment.aws_metadata_disabled {
        return Err(no_identity(
            "no keys, role or pod identity in the environment, and AWS_EC2_METADATA_DISABLED is set"
                .to_owned(),
        ));
    }
    machine_keys(who).await.map_err(|err| {
        no_identity(format!(
            "no keys, role or pod identity in the environment, and no role of the machine: {err}"
        ))
    })
}

/// The keys of a pod identity (EKS) or of a task (ECS).
async fn container_keys(who: &Who<'_>, url: Url) -> Result<Keys, CloudError> {
    // Only these may be asked over plain HTTP, as in the libraries of AWS.
    let is_near = matches!(
        url.host_str(),
        Some("169.254.170.2" | "169.254.170.23" | "[fd00:ec2::23]" | "localhost" | "127.0.0.1" | "[::1]")
    );
    if url.scheme() != "https" && !is_near {
        return Err(CloudError::Setting {
            variable: "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            reason: "plain HTTP is only for the pod identity agent, tasks and loopback".to_owned(),
        });
    }
    let token = match &who.environment.aws_container_token {
        Some(file) => super::gcp::file("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file).await?,
        None => String::new(),
    };
    let mut call = Call::metadata(
        "the pod identity agent of AWS",
        url,
        ("accept", "application/json".to_owned()),
    );
    if !token.trim().is_empty() {
        call.headers.push(("authorization", token.trim().to_owned()));
    }
    if !is_near {
        call.way = Way::Network;
    }
    let keys: LentKeys = who.caller.json(&call).await?;
    Ok(keys.into())
}

/// The keys of the machine's role, from the metadata service in its second version.
async fn machine_keys(who: &Who<'_>) -> Result<Keys, CloudError> {
    let service = "the metadata service of AWS";
    let address = |path: &str| match &who.environment.aws_metadata {
        Some(base) => base.join(path).ok(),
        None => Url::parse("http://169.254.169.254/")
            .ok()
            .and_then(|base| base.join(path).ok()),
    };
    let url = |path: &str| address(path).ok_or_else(|| no_identity("no address".to_owned()));
    let mut call = Call::metadata(
        service,
        url("latest/api/token")?,
        (
            "x-aws-ec2-metadata-token-ttl-seconds",
            METADATA_LIFETIME.to_owned(),
        ),
    );
    call.method = Method::PUT;
    let token = text(&call, who.caller.send(&call).await?)?;
    let header = || ("x-aws-ec2-metadata-token", token.clone());
    let folder = "latest/meta-data/iam/security-credentials/";
    let call = Call::metadata(service, url(folder)?, header());
    let roles = text(&call, who.caller.send(&call).await?)?;
    let role = roles.lines().next().unwrap_or_default();
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b))
    };
    if !is_name(role) {
        return Err(call.senseless("the machine has no role"));
    }
    let call = Call::metadata(service, url(&format!("{folder}{role}"))?, header());
    let keys: LentKeys = who.caller.json(&call).await?;
    Ok(keys.into())
}

fn text(call: &Call<'_>, body: Vec<u8>) -> Result<String, CloudError> {
    String::from_utf8(body)
        .map(|text| text.trim().to_owned())
        .map_err(|_| call.senseless("it is no text"))
}

/// Takes a role with a token of somebody whom the role trusts.
async fn assume(
    who: &Who<'_>,
    (region, suffix): (&str, &str),
    role: &str,
    session: &str,
    token: &str,
) -> Result<Keys, CloudError> {
    let url = endpoint(who.environment.aws_sts.as_ref(), "sts", region, suffix)?;
    let call = Call::form(
        "the token service of AWS",
        url,
        &[
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", role),
            ("RoleSessionName", session),
            ("WebIdentityToken", token),
        ],
    );
    let body = who.caller.send(&call).await?;
    let xml = String::from_utf8(body).map_err(|_| call.senseless("it is no text"))?;
    let find = |name: &str| {
        element(&xml, name)
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    match (find("AccessKeyId"), find("SecretAccessKey"), find("SessionToken")) {
        (Some(id), Some(secret), session @ Some(_)) => Ok(Keys { id, secret, session }),
        _ => Err(call.senseless("it holds no credentials")),
    }
}

/// The address of a service: of the environment, or the usual one of the region.
fn endpoint(own: Option<&Url>, service: &str, region: &str, suffix: &str) -> Result<Url, CloudError> {
    if let Some(own) = own {
        return Ok(own.clone());
    }
    let text = format!("https://{service}.{region}.{suffix}/");
    Url::parse(&text).map_err(|err| no_identity(format!("the region makes no address: {err}")))
}

fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// `arn:aws*:iam::<account>:role/<name>`.
fn is_role(text: &str) -> bool {
    let mut parts = text.splitn(6, ':');
    let mut next = || parts.next().unwrap_or_default();
    let (arn, partition, service, region, account, role) = (next(), next(), next(), next(), next(), next());
    arn == "arn"
        && partition.starts_with("aws")
        && partition
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        && service == "iam"
        && region.is_empty()
        && (1..=30).contains(&account.len())
        && account.bytes().all(|b| b.is_ascii_digit())
        && role
            .strip_prefix("role/")
            .is_some_and(|name| (1..=200).contains(&name.chars().count()))
}

fn no_identity(tried: String) -> CloudError {
    CloudError::NoIdentity {
        cloud: Provider::Aws.name(),
        tried,
    }
}

impl From<LentKeys> for Keys {
    fn from(keys: LentKeys) -> Self {
        Self {
            id: keys.access_key_id,
            secret: keys.secret_access_key,
            session: keys.token,
        }
    }
}
