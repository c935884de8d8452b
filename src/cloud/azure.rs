//! Microsoft: a token of Entra ID, exchanged for one of the Container Registry.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;
use url::Url;

use super::call::Call;
use super::gcp::file;
use super::tokens::Who;
use super::{CloudError, Credential, Provider};

/// The annotations of a service account that name its identity.
pub(super) const TENANT_ANNOTATION: &str = "azure.workload.identity/tenant-id";
pub(super) const CLIENT_ANNOTATION: &str = "azure.workload.identity/client-id";

/// Whom the tokens of service accounts are for.
const AUDIENCE: &str = "api://AzureADTokenExchange";

/// What a token for registries is asked for with.
const REGISTRY_RESOURCE: &str = "https://containerregistry.azure.net";

/// The user name beside a token of a registry (Microsoft's documentation of `az acr login --expose-token`).
const USERNAME: &str = "00000000-0000-0000-0000-000000000000";

/// How long a token is kept whose end cannot be read.
const UNKNOWN_LIFETIME: Duration = Duration::from_mins(5);

#[derive(Deserialize)]
struct AccessToken {
    access_token: String,
}

#[derive(Deserialize)]
struct RefreshToken {
    refresh_token: String,
}

#[derive(Deserialize)]
struct Claims {
    exp: f64,
}

/// User name and password for a registry, and how long they live.
pub(super) async fn credential(who: &Who<'_>, host: &str) -> Result<(Credential, Duration), CloudError> {
    let token = access_token(who, host).await?;
    let url = match &who.environment.azure_exchange {
        Some(own) => own.clone(),
        None => address(&format!("https://{host}/oauth2/exchange"))?,
    };
    let fields = [
        ("grant_type", "access_token"),
        ("service", host),
        ("access_token", &token),
    ];
    let call = Call::form("the token exchange of the registry", url, &fields);
    let answer: RefreshToken = who.caller.json(&call).await?;
    let lifetime = lifetime(&answer.refresh_token).unwrap_or(UNKNOWN_LIFETIME);
    let credential = Credential {
        username: USERNAME.to_owned(),
        password: answer.refresh_token,
    };
    Ok((credential, lifetime))
}

/// A token of Entra ID for registries.
async fn access_token(who: &Who<'_>, host: &str) -> Result<String, CloudError> {
    let environment = who.environment;
    let resource = match &environment.azure_cloud {
        Some(cloud) => cloud.resource_manager.trim_end_matches('/'),
        None => REGISTRY_RESOURCE,
    };
    if let Some(account) = who.account {
        let find = |key: &str, what: &str| {
            let value = account.annotations.get(key).filter(|value| !value.is_empty());
            value.ok_or_else(|| CloudError::Annotation {
                account: format!("{}/{}", account.namespace, account.name),
                reason: format!("azure {what} ID is not set in the service account annotation {key}"),
            })
        };
        let (tenant, client) = (
            find(TENANT_ANNOTATION, "tenant")?,
            find(CLIENT_ANNOTATION, "client")?,
        );
        let token = who.account_token(AUDIENCE).await?;
        return ask(who, host, (tenant, client, resource), &Proof::Token(&token)).await;
    }
    let (tenant, client) = (
        environment.azure_tenant.as_deref(),
        environment.azure_client.as_deref(),
    );
    if let (Some(tenant), Some(client)) = (tenant, client) {
        if let Some(secret) = &environment.azure_secret {
            return ask(who, host, (tenant, client, resource), &Proof::Secret(secret)).await;
        }
        if let Some(path) = &environment.azure_token_file {
            let token = file("AZURE_FEDERATED_TOKEN_FILE", path).await?;
            return ask(who, host, (tenant, client, resource), &Proof::Token(token.trim())).await;
        }
    }
    machine_token(who, client, resource)
        .await
        .map_err(|err| CloudError::NoIdentity {
            cloud: Provider::Azure.name(),
            tried: format!(
                "no workload identity or secret in the environment, and no managed identity: {err}"
            ),
        })
}

/// What an application shows.
enum Proof<'p> {
    Token(&'p str),
    Secret(&'p str),
}

async fn ask(
    who: &Who<'_>,
    host: &str,
    (tenant, client, resource): (&str, &str, &str),
    proof: &Proof<'_>,
) -> Result<String, CloudError> {
    if tenant.is_empty()
        || !tenant
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
    {
        return Err(CloudError::NoIdentity {
            cloud: Provider::Azure.name(),
            tried: "the tenant ID has characters that none has".to_owned(),
        });
    }
    let authority = match &who.environment.azure_authority {
        Some(own) => own.clone(),
        None => address(match host.rsplit_once('.') {
            Some((_, "cn")) => "https://login.chinacloudapi.cn/",
            Some((_, "us")) => "https://login.microsoftonline.us/",
            _ => "https://login.microsoftonline.com/",
        })?,
    };
    let url = address(&format!(
        "{}/{tenant}/oauth2/v2.0/token",
        authority.as_str().trim_end_matches('/')
    ))?;
    let scope = format!("{resource}/.default");
    let mut fields = vec![
        ("grant_type", "client_credentials"),
        ("client_id", client),
        ("scope", scope.as_str()),
    ];
    match proof {
        Proof::Token(token) => fields.extend([
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            ),
            ("client_assertion", *token),
        ]),
        Proof::Secret(secret) => fields.push(("client_secret", secret)),
    }
    let call = Call::form("Microsoft Entra ID", url, &fields);
    let answer: AccessToken = who.caller.json(&call).await?;
    Ok(answer.access_token)
}

/// A token of the machine's managed identity.
async fn machine_token(who: &Who<'_>, client: Option<&str>, resource: &str) -> Result<String, CloudError> {
    let mut url = match &who.environment.azure_metadata {
        Some(own) => own.clone(),
        None => address("http://169.254.169.254/")?,
    };
    url.set_path("/metadata/identity/oauth2/token");
    {
        let mut query = url.query_pairs_mut();
        query
            .append_pair("api-version", "2018-02-01")
            .append_pair("resource", resource);
        if let Some(client) = client {
            query.append_pair("client_id", client);
        }
    }
    let call = Call::metadata(
        "the metadata service of Azure",
        url,
        ("metadata", "true".to_owned()),
    );
    let answer: AccessToken = who.caller.json(&call).await?;
    Ok(answer.access_token)
}

/// How long a JSON web token still lives. Its signature is the registry's business.
fn lifetime(token: &str) -> Option<Duration> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Claims = serde_json::from_slice(&claims).ok()?;
    Duration::try_from_secs_f64(claims.exp - Timestamp::now().as_duration().as_secs_f64()).ok()
}

fn address(text: &str) -> Result<Url, CloudError> {
    Url::parse(text).map_err(|err| CloudError::NoIdentity {
        cloud: Provider::Azure.name(),
        tried: format!("no address: {err}"),
    })
}
