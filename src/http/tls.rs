//! The TLS configuration of a client: ring, verified certificates, HTTP/2 by ALPN.

use std::sync::{Arc, OnceLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::{ClientCertificate, ClientSettings, HttpError};

/// The roots that every client trusts: the system's, or Mozilla's list where the system has none (a container image
/// that holds nothing but the program).
pub(super) fn system_roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    Arc::clone(ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        let (added, ignored) = roots.add_parsable_certificates(found.certs);
        tracing::debug!(added, ignored, errors = found.errors.len(), "loaded system roots");
        if roots.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        Arc::new(roots)
    }))
}

/// Builds the configuration for `settings`.
pub(super) fn client_config(settings: &ClientSettings) -> Result<ClientConfig, HttpError> {
    let invalid = |reason: String| HttpError::Settings { reason };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|err| invalid(err.to_string()))?
        .with_root_certificates(roots(settings)?);
    let mut config = match &settings.client_certificate {
        None => builder.with_no_client_auth(),
        Some(certificate) => {
            let (chain, key) = client_certificate(certificate)?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|err| invalid(format!("the client certificate does not fit its key: {err}")))?
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn roots(settings: &ClientSettings) -> Result<Arc<RootCertStore>, HttpError> {
    let system = system_roots();
    if settings.root_certificates.is_empty() {
        return Ok(system);
    }
    let mut roots = system.as_ref().clone();
    for bundle in &settings.root_certificates {
        for certificate in certificates(bundle, "the certificate authority")? {
            roots.add(certificate).map_err(|err| HttpError::Settings {
                reason: format!("the certificate authority is no valid certificate: {err}"),
            })?;
        }
    }
    Ok(Arc::new(roots))
}

fn client_certificate(
    certificate: &ClientCertificate,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), HttpError> {
    let chain = certificates(&certificate.certificate, "the client certificate")?;
    let key = PrivateKeyDer::from_pem_slice(&certificate.key).map_err(|_| HttpError::Settings {
        // The parser's own words could repeat a part of the key.
        reason: "the client certificate's key is not an unencrypted private key in PEM".to_owned(),
    })?;
    Ok((chain, key))
}

fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, HttpError> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|_| HttpError::Settings {
            reason: format!("{what} is not in PEM"),
        })?;
    if certificates.is_empty() {
        return Err(HttpError::Settings {
            reason: format!("{what} holds no certificate in PEM"),
        });
    }
    Ok(certificates)
}
