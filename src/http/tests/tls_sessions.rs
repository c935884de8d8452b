//! TLS: whom a client trusts, and whom a server trusts.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair};
use rstest::rstest;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use crate::http::{
    ClientCertificate, ClientSettings, HttpClients, HttpError, Method, Reach, Request, Response, Url,
};

/// A private authority.
struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate of an authority, with its key.
struct Issued {
    certificate: Certificate,
    key: KeyPair,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self {
            certificate,
            issuer: Issuer::new(params, key),
        }
    }

    fn issue(&self, name: &str, last_year: i32) -> Issued {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(last_year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Issued { certificate, key }
    }

    fn pem(&self) -> Vec<u8> {
        self.certificate.pem().into_bytes()
    }
}

/// Answers one request on a TLS connection; `clients` is the authority of the certificates that it asks for.
fn serve(issued: &Issued, clients: Option<&Authority>) -> u16 {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.certificate.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(issued.key.serialize_der()));
    let config = builder
        .with_single_cert(vec![issued.certificate.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        let connection = ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = StreamOwned::new(connection, socket);
        let mut request = Vec::new();
        let mut byte = [0];
        // A client that does not trust the server goes away, which ends the thread.
        while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
            request.push(byte[0]);
        }
        drop(stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n"));
        drop(stream.flush());
    });
    port
}

async fn ask(port: u16, settings: &ClientSettings) -> Result<Response, HttpError> {
    let url = Url::parse(&format!("https://localhost:{port}/")).unwrap();
    HttpClients::new()
        .send(settings, Reach::Named, Request::new(Method::GET, url))
        .await
}

fn trusting(authority: &Authority) -> ClientSettings {
    ClientSettings {
        root_certificates: vec![authority.pem()],
        ..ClientSettings::default()
    }
}

#[tokio::test]
async fn a_private_authority_is_trusted_when_the_settings_name_it() {
    let authority = Authority::new();
    let server = authority.issue("localhost", 2200);
    let response = ask(serve(&server, None), &trusting(&authority)).await.unwrap();
    assert_eq!(response.status(), 204);
    let err = ask(serve(&server, None), &ClientSettings::default())
        .await
        .unwrap_err();
    assert!(matches!(err, HttpError::Certificate { .. }), "{err}");
}

#[rstest]
#[case::another_name("other.example", 2200)]
#[case::expired("localhost", 2001)]
#[tokio::test]
async fn a_certificate_that_does_not_hold_is_refused(#[case] name: &str, #[case] last_year: i32) {
    let authority = Authority::new();
    let server = authority.issue(name, last_year);
    let err = ask(serve(&server, None), &trusting(&authority))
        .await
        .unwrap_err();
    assert!(
        matches!(err, HttpError::Certificate { .. }) && !err.is_transient(),
        "{err}"
    );
}

/// What `openssl req -x509` makes: self-signed, and an authority by its own word.
fn self_signed(name: &str, last_year: i32) -> Issued {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    params.not_after = rcgen::date_time_ymd(last_year, 1, 1);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Issued { certificate, key }
}

#[rstest]
#[case::named_in_the_settings("localhost", 2200, true, true)]
#[case::not_named("localhost", 2200, false, false)]
#[case::another_name("other.example", 2200, true, false)]
#[case::expired("localhost", 2001, true, false)]
#[tokio::test]
async fn a_self_signed_server_is_trusted_when_the_settings_hold_its_very_certificate(
    #[case] name: &str,
    #[case] last_year: i32,
    #[case] is_named: bool,
    #[case] is_trusted: bool,
) {
    let server = self_signed(name, last_year);
    let trusted = if is_named {
        server.certificate.pem()
    } else {
        self_signed(name, last_year).certificate.pem()
    };
    let settings = ClientSettings {
        root_certificates: vec![trusted.into_bytes()],
        ..ClientSettings::default()
    };
    assert_eq!(ask(serve(&server, None), &settings).await.is_ok(), is_trusted);
}

#[tokio::test]
async fn the_server_sees_the_client_certificate() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let server = servers.issue("localhost", 2200);
    let client = clients.issue("fluxbot", 2200);
    let settings = ClientSettings {
        client_certificate: Some(ClientCertificate {
            certificate: client.certificate.pem().into_bytes(),
            key: client.key.serialize_pem().into_bytes(),
        }),
        ..trusting(&servers)
    };
    assert!(ask(serve(&server, Some(&clients)), &settings).await.is_ok());
    assert!(
        ask(serve(&server, Some(&clients)), &trusting(&servers))
            .await
            .is_err()
    );
}

#[test]
fn a_client_certificate_needs_its_own_key() {
    let authority = Authority::new();
    let (one, other) = (authority.issue("a", 2200), authority.issue("b", 2200));
    for (key, expected) in [
        (
            other.key.serialize_pem(),
            "the client certificate does not fit its key",
        ),
        (
            "CANARY".to_owned(),
            "the client certificate's key is not an unencrypted private key in PEM",
        ),
    ] {
        let settings = ClientSettings {
            client_certificate: Some(ClientCertificate {
                certificate: one.certificate.pem().into_bytes(),
                key: key.into_bytes(),
            }),
            ..ClientSettings::default()
        };
        let err = HttpClients::new().client(&settings, Reach::Named).unwrap_err();
        assert!(err.to_string().contains(expected), "{err}");
    }
}
