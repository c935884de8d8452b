//! Which registries are a cloud's own: nobody else gets its credentials.

use super::{CloudError, Environment};

/// A cloud that gives credentials for its registries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Provider {
    /// Elastic Container Registry, private and public.
    Aws,
    /// Azure Container Registry.
    Azure,
    /// Artifact Registry and Container Registry.
    Gcp,
}

/// The DNS suffixes of AWS' partitions, as amazon-ecr-credential-helper (and so Flux) knows them.
const AWS_SUFFIXES: [&str; 8] = [
    "amazonaws.com",
    "amazonaws.com.cn",
    "amazonaws.eu",
    "sc2s.sgov.gov",
    "c2s.ic.gov",
    "cloud.adc-e.uk",
    "csp.hci.ic.gov",
    "on.aws",
];

/// Flux's patterns, for messages.
const AWS_PATTERN: &str = r"([0-9+]*).dkr[.-]ecr(?:-fips)?\.([^/.]*)\.(amazonaws\.com[.cn]*|amazonaws\.eu|sc2s\.sgov\.gov|c2s\.ic\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov|on\.aws)";
const AZURE_PATTERN: &str = r"^.+\.(azurecr\.io|azurecr\.cn|azurecr\.de|azurecr\.us)$";
const GCP_PATTERN: &str = r"^(((.+\.)?gcr\.io)|(.+-docker\.pkg\.dev)|(docker\.s3nsregistry\.fr))$";

/// The registry that anybody at AWS may publish in.
const ECR_PUBLIC: &str = "public.ecr.aws";

/// A registry of a cloud, with what its credentials depend on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RegistryHost {
    /// A private registry at AWS.
    Ecr {
        /// The region.
        region: String,
        /// The DNS suffix of the partition's services.
        suffix: &'static str,
    },
    /// The public registry at AWS.
    EcrPublic,
    /// A registry at Azure.
    Acr {
        /// Its host.
        host: String,
    },
    /// Any registry at Google: one token is for all.
    Google,
}

impl Provider {
    /// The value of `spec.provider`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Azure => "azure",
            Self::Gcp => "gcp",
        }
    }

    /// The name for people.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Aws => "AWS",
            Self::Azure => "Azure",
            Self::Gcp => "GCP",
        }
    }

    /// Finds out whether `registry` (host with optional port) is one of the provider's.
    ///
    /// The patterns are Flux's, and the whole host must match: Flux's own for AWS also takes
    /// `1.dkr.ecr.eu-west-1.amazonaws.com.evil.example`.
    ///
    /// # Errors
    /// [`CloudError::Registry`].
    pub fn registry(self, registry: &str, environment: &Environment) -> Result<RegistryHost, CloudError> {
        let (found, pattern) = match self {
            Self::Aws => (aws(registry), AWS_PATTERN.to_owned()),
            Self::Azure => match &environment.azure_cloud {
                Some(cloud) => {
                    // With or without a dot before it, the suffix is that of a whole name.
                    let suffix = cloud.registry_suffix.trim_start_matches('.');
                    let is_own = registry
                        .strip_suffix(suffix)
                        .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'));
                    (azure_if(registry, is_own), format!("*{}", cloud.registry_suffix))
                }
                None => (azure_if(registry, is_azure(registry)), AZURE_PATTERN.to_owned()),
            },
            Self::Gcp => (
                is_google(registry).then_some(RegistryHost::Google),
                GCP_PATTERN.to_owned(),
            ),
        };
        found.ok_or_else(|| CloudError::Registry {
            cloud: self.name(),
            registry: registry.to_owned(),
            pattern,
        })
    }
}

fn aws(registry: &str) -> Option<RegistryHost> {
    if registry == ECR_PUBLIC {
        return Some(RegistryHost::EcrPublic);
    }
    let (account, rest) = registry.split_once('.')?;
    let rest = rest
        .strip_prefix("dkr.ecr")
        .or_else(|| rest.strip_prefix("dkr-ecr"))?;
    let rest = rest.strip_prefix("-fips").unwrap_or(rest).strip_prefix('.')?;
    let (region, suffix) = rest.split_once('.')?;
    let suffix = AWS_SUFFIXES.into_iter().find(|known| *known == suffix)?;
    let is_account = !account.is_empty() && account.bytes().all(|b| b.is_ascii_digit());
    (is_account && is_label(region)).then(|| RegistryHost::Ecr {
        region: region.to_owned(),
        // The names with two stacks are the registry's alone.
        suffix: if suffix == "on.aws" {
            "amazonaws.com"
        } else {
            suffix
        },
    })
}

fn azure_if(registry: &str, is_own: bool) -> Option<RegistryHost> {
    (is_own && is_name(registry)).then(|| RegistryHost::Acr {
        host: registry.to_owned(),
    })
}

fn is_azure(registry: &str) -> bool {
    ["io", "cn", "de", "us"].iter().any(|domain| {
        registry
            .strip_suffix(domain)
            .and_then(|rest| rest.strip_suffix(".azurecr."))
            .is_some_and(|name| !name.is_empty())
    })
}

fn is_google(registry: &str) -> bool {
    let is_below = |suffix: &str| registry.strip_suffix(suffix).is_some_and(|rest| !rest.is_empty());
    is_name(registry)
        && (registry == "gcr.io"
            || is_below(".gcr.io")
            || is_below("-docker.pkg.dev")
            || registry == "docker.s3nsregistry.fr")
}

/// Whether `text` is one label of a host name, and so can stand in an address without adding anything to it.
pub(super) fn is_label(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn is_name(text: &str) -> bool {
    text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn ecr(region: &str, suffix: &'static str) -> RegistryHost {
        let region = region.to_owned();
        RegistryHost::Ecr { region, suffix }
    }

    #[rstest]
    #[case(
        "012345678901.dkr.ecr.eu-west-1.amazonaws.com",
        Some(ecr("eu-west-1", "amazonaws.com"))
    )]
    #[case(
        "012345678901.dkr.ecr-fips.us-gov-west-1.amazonaws.com",
        Some(ecr("us-gov-west-1", "amazonaws.com"))
    )]
    #[case(
        "012345678901.dkr.ecr.cn-north-1.amazonaws.com.cn",
        Some(ecr("cn-north-1", "amazonaws.com.cn"))
    )]
    #[case(
        "012345678901.dkr-ecr.eu-west-1.on.aws",
        Some(ecr("eu-west-1", "amazonaws.com"))
    )]
    #[case(
        "012345678901.dkr.ecr.eusc-de-east-1.amazonaws.eu",
        Some(ecr("eusc-de-east-1", "amazonaws.eu"))
    )]
    #[case("public.ecr.aws", Some(RegistryHost::EcrPublic))]
    #[case("012345678901.dkr.ecr.eu-west-1.amazonaws.com.evil.example", None)]
    #[case("evil.example.012345678901.dkr.ecr.eu-west-1.amazonaws.com", None)]
    #[case("012345678901.dkr.ecr.eu-west-1.amazonaws.com:8443", None)]
    #[case("012345678901.dkr.ecr.eu@evil.amazonaws.com", None)]
    #[case("dkr.ecr.eu-west-1.amazonaws.com", None)]
    #[case("ghcr.io", None)]
    fn registries_of_aws(#[case] host: &str, #[case] expected: Option<RegistryHost>) {
        assert_eq!(
            Provider::Aws.registry(host, &Environment::default()).ok(),
            expected
        );
    }

    #[rstest]
    #[case("team.azurecr.io", true)]
    #[case("team.azurecr.cn", true)]
    #[case("team.azurecr.us", true)]
    #[case("team.azurecr.de", true)]
    #[case("azurecr.io", false)]
    #[case(".azurecr.io", false)]
    #[case("team.azurecr.io.evil.example", false)]
    #[case("teamazurecr.io", false)]
    #[case("evil@team.azurecr.io", false)]
    #[case("team.azurecr.io:443", false)]
    fn registries_of_azure(#[case] host: &str, #[case] expected: bool) {
        let found = Provider::Azure.registry(host, &Environment::default());
        assert_eq!(found.is_ok(), expected);
    }

    #[rstest]
    #[case("gcr.io", true)]
    #[case("eu.gcr.io", true)]
    #[case("europe-west1-docker.pkg.dev", true)]
    #[case("docker.s3nsregistry.fr", true)]
    #[case("evilgcr.io", false)]
    #[case("docker.pkg.dev", false)]
    #[case("-docker.pkg.dev", false)]
    #[case("gcr.io.evil.example", false)]
    fn registries_of_google(#[case] host: &str, #[case] expected: bool) {
        let found = Provider::Gcp.registry(host, &Environment::default());
        assert_eq!(found.is_ok(), expected);
    }

    #[test]
    fn another_registry_is_refused_in_the_words_of_flux() {
        let error = Provider::Azure
            .registry("ghcr.io", &Environment::default())
            .unwrap_err();
        insta::assert_snapshot!(error, @r"invalid Azure registry: 'ghcr.io'. must match ^.+\.(azurecr\.io|azurecr\.cn|azurecr\.de|azurecr\.us)$");
    }
}
