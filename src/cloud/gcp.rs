//! Google: an access token of the machine, or of somebody whom a workload identity pool trusts.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use url::Url;

use super::call::{Call, Way, bearer};
use super::tokens::Who;
use super::{CloudError, Credential, Provider};

/// The annotations of a service account that name its identity.
pub(super) const EMAIL_ANNOTATION: &str = "iam.gke.io/gcp-service-account";
pub(super) const PROVIDER_ANNOTATION: &str = "gcp.auth.fluxcd.io/workload-identity-provider";

/// What tokens are asked for with: Flux's scopes.
const SCOPES: [&str; 2] = [
    "https://www.googleapis.com/auth/cloud-platform",
    "https://www.googleapis.com/auth/userinfo.email",
];

/// The user name beside an access token (Google's documentation of Artifact Registry).
const USERNAME: &str = "oauth2accesstoken";

const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// A token, and how long it lives.
#[derive(Deserialize)]
struct AccessToken {
    access_token: String,
    #[serde(default)]
    expires_in: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ImpersonatedToken {
    access_token: String,
    expire_time: Timestamp,
}

/// A credentials file for workload identity federation.
#[derive(Deserialize)]
struct CredentialsFile {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    audience: String,
    #[serde(default)]
    subject_token_type: String,
    #[serde(default)]
    credential_source: CredentialSource,
    service_account_impersonation_url: Option<String>,
}

#[derive(Deserialize, Default)]
struct CredentialSource {
    file: Option<String>,
    #[serde(default)]
    format: SourceFormat,
}

#[derive(Deserialize, Default)]
struct SourceFormat {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    subject_token_field_name: String,
}

/// User name and password for every registry, and how long they live.
pub(super) async fn credential(who: &Who<'_>) -> Result<(Credential, Duration), CloudError> {
    let (token, lifetime) = match (who.account, &who.environment.google_credentials) {
        (Some(_), _) => account_token(who).await?,
        (None, Some(path)) => federated_token(who, path).await?,
        (None, None) => {
            let url = metadata(who, "instance/service-accounts/default/token")?;
            let call = Call::metadata("the metadata service of GCP", url, flavor());
            let answer: Result<AccessToken, _> = who.caller.json(&call).await;
            lived(answer.map_err(|err| {
                no_identity(format!(
                    "GOOGLE_APPLICATION_CREDENTIALS is not set, and the machine has no service account: {err}"
                ))
            })?)
        }
    };
    let credential = Credential {
        username: USERNAME.to_owned(),
        password: token,
    };
    Ok((credential, lifetime))
}

/// A token for the identity of a Kubernetes service account.
async fn account_token(who: &Who<'_>) -> Result<(String, Duration), CloudError> {
    let Some(account) = who.account else {
        return Err(no_identity("there is no service account".to_owned()));
    };
    let annotation = |key: &str| {
        account
            .annotations
            .get(key)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    };
    let wrong = |reason: String| CloudError::Annotation {
        account: format!("{}/{}", account.namespace, account.name),
        reason,
    };
    let email = annotation(EMAIL_ANNOTATION);
    if let Some(email) = email.filter(|email| !is_email(email)) {
        return Err(wrong(format!(
            "invalid {EMAIL_ANNOTATION} annotation: '{email}'. must match \
             ^[a-zA-Z0-9-]{{1,100}}@[a-zA-Z0-9-]{{1,100}}\\.iam\\.gserviceaccount\\.com$"
        )));
    }
    let (audience, for_token) = match annotation(PROVIDER_ANNOTATION) {
        Some(provider) if is_provider(provider) => {
            let audience = format!("//iam.googleapis.com/{provider}");
            (audience.clone(), audience)
        }
        Some(provider) => {
            return Err(wrong(format!(
                "invalid {PROVIDER_ANNOTATION} annotation: '{provider}'. must match \
                 ^projects/\\d{{1,30}}/locations/global/workloadIdentityPools/[^/]{{1,100}}/providers/[^/]{{1,100}}$"
            )));
        }
        None => gke(who).await?,
    };
    let subject = who.account_token(&for_token).await?;
    let impersonation = match email {
        None => None,
        Some(email) => {
            let base = address(
                who.environment.google_iam.as_ref(),
                "https://iamcredentials.googleapis.com/",
            )?;
            let path = format!("v1/projects/-/serviceAccounts/{email}:generateAccessToken");
            Some(base.join(&path).map_err(|err| no_identity(err.to_string()))?)
        }
    };
    exchange(who, (&audience, JWT), &subject, impersonation).await
}

/// The audiences of a cluster at Google: of the token service, and of the service account's token.
async fn gke(who: &Who<'_>) -> Result<(String, String), CloudError> {
    let mut found = Vec::new();
    for (path, what) in [
        ("project/project-id", "project ID"),
        ("instance/attributes/cluster-location", "location"),
        ("instance/attributes/cluster-name", "name"),
    ] {
        let call = Call::metadata("the metadata service of GCP", metadata(who, path)?, flavor());
        let answer = who.caller.send(&call).await.map_err(|err| {
            no_identity(format!(
                "failed to get GKE cluster {what} from the metadata service: {err}; elsewhere than in GKE, the service account \
                 needs the annotation {PROVIDER_ANNOTATION}"
            ))
        })?;
        let text = String::from_utf8(answer).map_err(|_| call.senseless("it is no text"))?;
        found.push(text.trim().to_owned());
    }
    match found.as_slice() {
        [project, location, name] => {
            let pool = format!("{project}.svc.id.goog");
            let provider = format!(
                "https://container.googleapis.com/v1/projects/{project}/locations/{location}/clusters/{name}"
            );
            Ok((format!("identitynamespace:{pool}:{provider}"), pool))
        }
        _ => Err(no_identity("the metadata service is incomplete".to_owned())),
    }
}

/// A token for the identity that a credentials file describes.
async fn federated_token(who: &Who<'_>, path: &Path) -> Result<(String, Duration), CloudError> {
    const VARIABLE: &str = "GOOGLE_APPLICATION_CREDENTIALS";
    let setting = |reason: String| CloudError::Setting {
        variable: VARIABLE,
        reason: format!("{}: {reason}", path.display()),
    };
    let text = file(VARIABLE, path).await?;
    // serde's own message may quote a value.
    let read: CredentialsFile = serde_json::from_str(&text)
        .map_err(|_| setting("the file is no JSON of the expected form".to_owned()))?;
    if read.kind != "external_account" {
        return Err(setting(format!(
            "credentials of type '{}' are not supported; use a credential configuration for workload identity federation",
            crate::http::bounded(&read.kind)
        )));
    }
    let Some(source) = &read.credential_source.file else {
        return Err(setting(
            "only a credential_source with a file is supported".to_owned(),
        ));
    };
    let token = file(VARIABLE, Path::new(source)).await?;
    let format = &read.credential_source.format;
    let token = if format.kind == "json" {
        let value: serde_json::Value = serde_json::from_str(&token)
            .map_err(|_| setting("the file of the token is no JSON".to_owned()))?;
        let field = value
            .get(&format.subject_token_field_name)
            .and_then(serde_json::Value::as_str);
        field
            .map(str::to_owned)
            .ok_or_else(|| setting("the file of the token lacks its field".to_owned()))?
    } else {
        token.trim().to_owned()
    };
    let kind = if read.subject_token_type.is_empty() {
        JWT
    } else {
        &read.subject_token_type
    };
    let impersonation = match read.service_account_impersonation_url {
        None => None,
        Some(url) => Some(trusted(who, &url).ok_or_else(|| {
            setting(
                "service_account_impersonation_url is no address of iamcredentials.googleapis.com".to_owned(),
            )
        })?),
    };
    exchange(who, (&read.audience, kind), &token, impersonation).await
}

/// The address, if tokens may go there.
fn trusted(who: &Who<'_>, address: &str) -> Option<Url> {
    let url = Url::parse(address).ok()?;
    let is_google = url.scheme() == "https" && url.host_str() == Some("iamcredentials.googleapis.com");
    let is_own = who
        .environment
        .google_iam
        .as_ref()
        .is_some_and(|own| own.origin() == url.origin());
    (is_google || is_own).then_some(url)
}

/// Exchanges a token of somebody else for one of Google's, and that for one of the service account to impersonate.
async fn exchange(
    who: &Who<'_>,
    (audience, kind): (&str, &str),
    subject: &str,
    impersonation: Option<Url>,
) -> Result<(String, Duration), CloudError> {
    let base = address(who.environment.google_sts.as_ref(), "https://sts.googleapis.com/")?;
    let url = base
        .join("v1/token")
        .map_err(|err| no_identity(err.to_string()))?;
    let scope = if impersonation.is_some() {
        SCOPES[0].to_owned()
    } else {
        SCOPES.join(" ")
    };
    let call = Call::form(
        "the token service of GCP",
        url,
        &[
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            (
                "requested_token_type",
                "urn:ietf:params:oauth:token-type:access_token",
            ),
            ("audience", audience),
            ("scope", &scope),
            ("subject_token_type", kind),
            ("subject_token", subject),
        ],
    );
    let token: AccessToken = who.caller.json(&call).await?;
    let Some(url) = impersonation else {
        return Ok(lived(token));
    };
    let body = serde_json::json!({ "scope": SCOPES, "lifetime": "3600s" }).to_string();
    let call = Call {
        service: "the service account credentials of GCP",
        way: Way::Network,
        method: Method::POST,
        url,
        headers: vec![
            ("content-type", "application/json".to_owned()),
            bearer(&token.access_token),
        ],
        body: body.into_bytes(),
    };
    let token: ImpersonatedToken = who.caller.json(&call).await?;
    let lifetime = Duration::try_from(token.expire_time.duration_since(Timestamp::now())).unwrap_or_default();
    Ok((token.access_token, lifetime))
}

fn lived(token: AccessToken) -> (String, Duration) {
    let lifetime = Duration::try_from_secs_f64(token.expires_in).unwrap_or_default();
    (token.access_token, lifetime)
}

fn metadata(who: &Who<'_>, path: &str) -> Result<Url, CloudError> {
    let base = address(
        who.environment.google_metadata.as_ref(),
        "http://169.254.169.254/",
    )?;
    base.join(&format!("computeMetadata/v1/{path}"))
        .map_err(|err| no_identity(err.to_string()))
}

fn flavor() -> (&'static str, String) {
    ("metadata-flavor", "Google".to_owned())
}

fn address(own: Option<&Url>, usual: &str) -> Result<Url, CloudError> {
    match own {
        Some(own) => Ok(own.clone()),
        None => Url::parse(usual).map_err(|err| no_identity(err.to_string())),
    }
}

/// Reads a small file that a variable names, again each time: tokens in files are replaced.
pub(super) async fn file(variable: &'static str, path: &Path) -> Result<String, CloudError> {
    tokio::fs::read_to_string(path)
        .await
        .map_err(|err| CloudError::Setting {
            variable,
            reason: format!("{}: {err}", path.display()),
        })
}

fn is_email(text: &str) -> bool {
    let is_part = |part: &str| {
        (1..=100).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    text.strip_suffix(".iam.gserviceaccount.com")
        .and_then(|rest| rest.split_once('@'))
        .is_some_and(|(name, project)| is_part(name) && is_part(project))
}

fn is_provider(text: &str) -> bool {
    let parts: Vec<&str> = text.split('/').collect();
    let is_name = |part: &str| (1..=100).contains(&part.chars().count());
    matches!(parts.as_slice(), ["projects", number, "locations", "global", "workloadIdentityPools", pool, "providers", provider]
        if (1..=30).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit()) && is_name(pool) && is_name(provider))
}

fn no_identity(tried: String) -> CloudError {
    CloudError::NoIdentity {
        cloud: Provider::Gcp.name(),
        tried,
    }
}
