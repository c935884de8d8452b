//! The TLS configuration of a client: ring, verified certificates, HTTP/2 by ALPN.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

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
    let own = own_roots(settings)?;
    let verifier = WebPkiServerVerifier::builder_with_provider(roots(&own)?, Arc::clone(&provider))
        .build()
        .map_err(|err| invalid(err.to_string()))?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|err| invalid(err.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { verifier, own }));
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

/// The system's verifier, and one case more: a server's own certificate in the settings.
///
/// `openssl req -x509` makes self-signed certificates that claim to be authorities, and home registries serve them.
/// Go takes such a certificate when it is itself in the pool of roots; webpki takes no authority for a server. So a
/// server certificate that the settings hold byte for byte is taken if its time and its name hold.
#[derive(Debug)]
struct Verifier {
    verifier: Arc<WebPkiServerVerifier>,
    own: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified =
            self.verifier
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            // webpki looks at the time before it looks at the claim to be an authority.
            Err(err) if is_authority_as_server(&err) && self.own.iter().any(|own| own == end_entity) => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

fn is_authority_as_server(err: &rustls::Error) -> bool {
    match err {
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) => {
            other.0.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity)
        }
        _ => false,
    }
}

/// The system's roots and `own`.
fn roots(own: &[CertificateDer<'static>]) -> Result<Arc<RootCertStore>, HttpError> {
    let system = system_roots();
    if own.is_empty() {
        return Ok(system);
    }
    let mut roots = system.as_ref().clone();
    for certificate in own {
        roots
            .add(certificate.clone())
            .map_err(|err| HttpError::Settings {
                reason: format!("the certificate authority is no valid certificate: {err}"),
            })?;
    }
    Ok(Arc::new(roots))
}

/// The certificates that the settings name.
fn own_roots(settings: &ClientSettings) -> Result<Vec<CertificateDer<'static>>, HttpError> {
    let mut own = Vec::new();
    for bundle in &settings.root_certificates {
        own.extend(certificates(bundle, "the certificate authority")?);
    }
    Ok(own)
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
