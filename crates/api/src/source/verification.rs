//! Verification of OCI artifacts, shared by `OCIRepository` and `HelmChart`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::meta::LocalObjectReference;

string_enum! {
    /// Tool with which an artifact was signed.
    #[derive(Default)]
    pub enum VerificationProvider {
        /// Sigstore's cosign.
        #[default]
        Cosign = "cosign",
        /// Notary Project's notation.
        Notation = "notation",
    }
}

/// Who may have signed an artifact without a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OidcIdentityMatch {
    /// Regular expression for the issuer in the certificate.
    pub issuer: String,
    /// Regular expression for the subject in the certificate.
    pub subject: String,
}

/// How the signature of a chart in an OCI registry is verified.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChartVerification {
    /// Identities of which one must have signed, if there is no key.
    #[serde(default, rename = "matchOIDCIdentity", skip_serializing_if = "Vec::is_empty")]
    pub match_oidc_identity: Vec<OidcIdentityMatch>,
    /// Tool with which the artifact was signed.
    #[serde(default)]
    #[schemars(extend("x-fluxbot-required" = true))]
    pub provider: VerificationProvider,
    /// Secret with the public keys, or with the trust policy and certificates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,
}

/// How the signature of an OCI artifact is verified.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OciVerification {
    /// Identities of which one must have signed, if there is no key.
    #[serde(default, rename = "matchOIDCIdentity", skip_serializing_if = "Vec::is_empty")]
    pub match_oidc_identity: Vec<OidcIdentityMatch>,
    /// Tool with which the artifact was signed.
    #[serde(default)]
    #[schemars(extend("x-fluxbot-required" = true))]
    pub provider: VerificationProvider,
    /// Secret with the public keys, or with the trust policy and certificates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,
    /// Secret with a `trusted_root.json` to trust instead of the public one; without key only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trusted_root_secret_ref: Option<LocalObjectReference>,
}
