//! What the environment of the process says of clouds: the names are those of the clouds' own libraries.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use url::Url;

use super::CloudError;

/// What the environment of the process says of clouds. Printing it shows no secret.
#[derive(Clone, Default)]
pub struct Environment {
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`.
    pub aws_keys: Option<(String, String, Option<String>)>,
    /// `AWS_ROLE_ARN` and `AWS_WEB_IDENTITY_TOKEN_FILE`, which EKS sets for roles of service accounts.
    pub aws_role: Option<(String, PathBuf)>,
    /// `AWS_CONTAINER_CREDENTIALS_FULL_URI` or `_RELATIVE_URI`, which EKS sets for pod identities and ECS for tasks.
    pub aws_container: Option<Url>,
    /// `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`.
    pub aws_container_token: Option<PathBuf>,
    /// `AWS_EC2_METADATA_SERVICE_ENDPOINT`; the machine's own by default.
    pub aws_metadata: Option<Url>,
    /// `AWS_EC2_METADATA_DISABLED`.
    pub aws_metadata_disabled: bool,
    /// `AWS_ENDPOINT_URL_STS` or `AWS_ENDPOINT_URL`.
    pub aws_sts: Option<Url>,
    /// `AWS_ENDPOINT_URL_ECR` or `AWS_ENDPOINT_URL`.
    pub aws_ecr: Option<Url>,
    /// `AWS_ENDPOINT_URL_ECR_PUBLIC` or `AWS_ENDPOINT_URL`.
    pub aws_ecr_public: Option<Url>,
    /// `AZURE_TENANT_ID`.
    pub azure_tenant: Option<String>,
    /// `AZURE_CLIENT_ID`.
    pub azure_client: Option<String>,
    /// `AZURE_CLIENT_SECRET`.
    pub azure_secret: Option<String>,
    /// `AZURE_FEDERATED_TOKEN_FILE`.
    pub azure_token_file: Option<PathBuf>,
    /// `AZURE_AUTHORITY_HOST`; that of the registry's cloud by default.
    pub azure_authority: Option<Url>,
    /// What the file of `AZURE_ENVIRONMENT_FILEPATH` says: a cloud of one's own (Azure Stack).
    pub azure_cloud: Option<AzureCloud>,
    /// The metadata service of a machine at Azure, if it is another than the usual one.
    pub azure_metadata: Option<Url>,
    /// Where tokens are exchanged, if that is another place than the registry's host.
    pub azure_exchange: Option<Url>,
    /// `GOOGLE_APPLICATION_CREDENTIALS`.
    pub google_credentials: Option<PathBuf>,
    /// `GCE_METADATA_HOST`; the machine's own by default.
    pub google_metadata: Option<Url>,
    /// The token service, if it is another than `sts.googleapis.com`.
    pub google_sts: Option<Url>,
    /// The service that impersonates, if it is another than `iamcredentials.googleapis.com`.
    pub google_iam: Option<Url>,
}

/// A cloud of one's own, in the form of cloud-provider-azure.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct AzureCloud {
    /// The end of its registries' hosts.
    #[serde(rename = "containerRegistryDNSSuffix")]
    pub registry_suffix: String,
    /// What tokens are asked for.
    #[serde(rename = "resourceManagerEndpoint")]
    pub resource_manager: String,
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").finish_non_exhaustive()
    }
}

impl Environment {
    /// Reads the environment of this process.
    ///
    /// # Errors
    /// [`CloudError::Setting`] when a variable holds no address, or names a file that cannot be read.
    pub fn of_process() -> Result<Self, CloudError> {
        Self::read(&|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    /// Reads the variables that `get` gives.
    ///
    /// # Errors
    /// As [`Self::of_process`].
    pub fn read(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, CloudError> {
        let url = |variable: &'static str| address(variable, get(variable));
        let aws = |variable: &'static str| match url(variable)? {
            Some(own) => Ok(Some(own)),
            None => url("AWS_ENDPOINT_URL"),
        };
        let path = |variable: &str| get(variable).map(PathBuf::from);
        let container = match get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
            Some(relative) => address(
                "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                Some(format!("http://169.254.170.2{relative}")),
            )?,
            None => url("AWS_CONTAINER_CREDENTIALS_FULL_URI")?,
        };
        let metadata = get("GCE_METADATA_HOST").map(|host| format!("http://{host}/"));
        Ok(Self {
            aws_keys: get("AWS_ACCESS_KEY_ID")
                .zip(get("AWS_SECRET_ACCESS_KEY"))
                .map(|(id, secret)| (id, secret, get("AWS_SESSION_TOKEN"))),
            aws_role: get("AWS_ROLE_ARN").zip(path("AWS_WEB_IDENTITY_TOKEN_FILE")),
            aws_container: container,
            aws_container_token: path("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
            aws_metadata: url("AWS_EC2_METADATA_SERVICE_ENDPOINT")?,
            aws_metadata_disabled: get("AWS_EC2_METADATA_DISABLED")
                .is_some_and(|value| value.eq_ignore_ascii_case("true")),
            aws_sts: aws("AWS_ENDPOINT_URL_STS")?,
            aws_ecr: aws("AWS_ENDPOINT_URL_ECR")?,
            aws_ecr_public: aws("AWS_ENDPOINT_URL_ECR_PUBLIC")?,
            azure_tenant: get("AZURE_TENANT_ID"),
            azure_client: get("AZURE_CLIENT_ID"),
            azure_secret: get("AZURE_CLIENT_SECRET"),
            azure_token_file: path("AZURE_FEDERATED_TOKEN_FILE"),
            azure_authority: url("AZURE_AUTHORITY_HOST")?,
            azure_cloud: path("AZURE_ENVIRONMENT_FILEPATH")
                .as_deref()
                .map(azure_cloud)
                .transpose()?,
            azure_metadata: None,
            azure_exchange: None,
            google_credentials: path("GOOGLE_APPLICATION_CREDENTIALS"),
            google_metadata: address("GCE_METADATA_HOST", metadata)?,
            google_sts: None,
            google_iam: None,
        })
    }
}

fn address(variable: &'static str, value: Option<String>) -> Result<Option<Url>, CloudError> {
    let setting = |reason: &str| CloudError::Setting {
        variable,
        reason: reason.to_owned(),
    };
    let Some(value) = value else {
        return Ok(None);
    };
    let url = Url::parse(&value).map_err(|err| setting(&err.to_string()))?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        Ok(Some(url))
    } else {
        Err(setting("the value is no http or https address"))
    }
}

fn azure_cloud(path: &Path) -> Result<AzureCloud, CloudError> {
    let setting = |reason: String| CloudError::Setting {
        variable: "AZURE_ENVIRONMENT_FILEPATH",
        reason: format!("{}: {reason}", path.display()),
    };
    let text = std::fs::read(path).map_err(|err| setting(err.to_string()))?;
    let cloud: AzureCloud = serde_json::from_slice(&text).map_err(|err| setting(err.to_string()))?;
    if cloud.registry_suffix.trim_start_matches('.').contains('.') {
        Ok(cloud)
    } else {
        // An empty suffix would make every registry one of this cloud.
        Err(setting(
            "containerRegistryDNSSuffix is no suffix of a host name".to_owned(),
        ))
    }
}
