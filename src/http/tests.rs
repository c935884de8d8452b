//! Settings, redaction and what a client refuses.

mod tls_sessions;

use std::io::{Read, Write};
use std::net::TcpListener;

use rstest::rstest;

use super::*;

fn get(url: &str) -> Request {
    Request::new(Method::GET, Url::parse(url).unwrap())
}

async fn send(reach: Reach, url: &str) -> Result<Response, HttpError> {
    HttpClients::new()
        .send(&ClientSettings::default(), reach, get(url))
        .await
}

#[rstest]
#[case("http://proxy.example:3128", None, None)]
#[case("socks5://proxy.example:1080", Some("user"), Some("CANARY"))]
#[case("http://user:CANARY@proxy.example:3128", None, None)]
#[case("http://other:CANARY@proxy.example:3128", Some("user"), Some("CANARY"))]
fn a_proxy_never_shows_its_password(
    #[case] address: &str,
    #[case] username: Option<&str>,
    #[case] password: Option<&str>,
) {
    let proxy = ProxySettings::new(address, username, password).unwrap();
    let settings = ClientSettings {
        proxy: Some(proxy.clone()),
        client_certificate: Some(ClientCertificate {
            certificate: b"CANARY".to_vec(),
            key: b"CANARY".to_vec(),
        }),
        ..ClientSettings::default()
    };
    let text = format!("{settings:?} {}", proxy.address());
    assert!(!text.contains("CANARY"), "{text}");
    assert!(!text.contains("67, 65, 78"), "the bytes of the key: {text}");
    let expected = (username.is_some() || address.contains('@')).then_some(("user", "CANARY"));
    assert_eq!(proxy.credentials(), expected);
}

#[rstest]
#[case("proxy.example:CANARY@x")]
#[case("ftp://user:CANARY@proxy.example")]
#[case("http://")]
#[case("http://user:%zzCANARY@proxy.example")]
fn a_wrong_proxy_address_is_refused_without_repeating_it(#[case] address: &str) {
    let reason = ProxySettings::new(address, None, None).unwrap_err();
    assert!(!reason.contains("CANARY"), "{reason}");
}

#[rstest]
#[case(b"", "the certificate authority holds no certificate in PEM")]
#[case(b"CANARY", "the certificate authority holds no certificate in PEM")]
#[case(
    b"-----BEGIN CERTIFICATE-----\n!CANARY\n-----END CERTIFICATE-----\n",
    "the certificate authority is not in PEM"
)]
fn a_wrong_authority_is_refused_without_repeating_it(#[case] pem: &[u8], #[case] expected: &str) {
    let settings = ClientSettings {
        root_certificates: vec![pem.to_vec()],
        ..ClientSettings::default()
    };
    let err = HttpClients::new().client(&settings, Reach::Named).unwrap_err();
    assert_eq!(
        err.to_string(),
        format!("invalid connection settings: {expected}")
    );
}

#[test]
fn there_are_roots_to_trust_on_every_machine() {
    assert!(!tls::system_roots().is_empty());
}

#[rstest]
#[case(Reach::Named, "http://169.254.169.254/latest/meta-data")]
#[case(Reach::Named, "http://[::ffff:169.254.169.254]/latest/meta-data")]
#[case(Reach::Named, "http://2852039166/latest/meta-data")]
#[case(Reach::Named, "http://0x7f.0x0.0x0.0x1:1/")]
#[case(Reach::Referred, "http://127.0.0.1:1/")]
#[case(Reach::Referred, "http://[::1]:1/")]
#[case(Reach::Referred, "http://localhost:1/")]
#[tokio::test]
async fn addresses_out_of_reach_are_never_connected_to(#[case] reach: Reach, #[case] url: &str) {
    let err = send(reach, url).await.unwrap_err();
    let is_loopback = reach == Reach::Named && url.contains("0x7f");
    // The unusual spelling of 127.0.0.1 is still 127.0.0.1, which an object may name; nothing listens there.
    let expected = if is_loopback {
        matches!(err, HttpError::Unreachable { .. })
    } else {
        matches!(err, HttpError::AddressRefused { .. })
    };
    assert!(expected, "{err:?}");
}

#[tokio::test]
async fn a_refused_connection_says_so() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let err = send(
        Reach::Named,
        &format!("http://127.0.0.1:{port}/CANARY?token=CANARY"),
    )
    .await
    .unwrap_err();
    let text = err.to_string().replace(&port.to_string(), "PORT");
    insta::assert_snapshot!(text, @"cannot connect to 127.0.0.1:PORT: Connection refused (os error 111)");
}

/// Serves one connection with `answer`, whatever it asks, and hands out what it asked.
fn one_answer(answer: &'static [u8]) -> (u16, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
            request.push(byte[0]);
        }
        stream.write_all(answer).unwrap();
        String::from_utf8(request).unwrap()
    });
    (port, server)
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let (port, server) =
        one_answer(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
    let response = send(Reach::Named, &format!("http://127.0.0.1:{port}/"))
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::FOUND);
    let request = server.join().unwrap();
    assert!(
        request.to_ascii_lowercase().contains("user-agent: fluxbot/"),
        "{request}"
    );
}

#[rstest]
#[case::announced(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n0123456789X")]
#[case::unannounced(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n0123456789X")]
#[tokio::test]
async fn a_body_beyond_the_limit_is_an_error(#[case] answer: &'static [u8]) {
    let (port, _server) = one_answer(answer);
    let response = send(Reach::Named, &format!("http://127.0.0.1:{port}/"))
        .await
        .unwrap();
    let err = read_body(response, 10).await.unwrap_err();
    assert!(matches!(err, HttpError::TooLarge { limit: 10, .. }), "{err:?}");
}

#[tokio::test]
async fn a_body_that_ends_too_early_is_an_error() {
    let (port, _server) = one_answer(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n0123");
    let response = send(Reach::Named, &format!("http://127.0.0.1:{port}/"))
        .await
        .unwrap();
    let err = read_body(response, 100).await.unwrap_err();
    assert!(
        matches!(err, HttpError::Interrupted { .. }) && err.is_transient(),
        "{err:?}"
    );
}

#[tokio::test]
async fn requests_go_through_the_proxy_with_its_credentials() {
    let (port, server) = one_answer(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let settings = ClientSettings {
        proxy: Some(ProxySettings::new(&format!("http://user:pass@127.0.0.1:{port}"), None, None).unwrap()),
        ..ClientSettings::default()
    };
    let request = get("http://registry.example/v2/");
    HttpClients::new()
        .send(&settings, Reach::Referred, request)
        .await
        .unwrap();
    let request = server.join().unwrap().to_ascii_lowercase();
    assert!(
        request.starts_with("get http://registry.example/v2/ "),
        "{request}"
    );
    assert!(
        request.contains("proxy-authorization: basic dxnlcjpwyxnz"),
        "{request}"
    );
}

#[test]
fn a_byte_a_second_is_a_stall_and_a_slow_line_is_not() {
    let ends_at = |bytes_per_second: usize| {
        let mut pace = super::clients::Pace::default();
        (1..=120).find(|second| {
            let elapsed = std::time::Duration::from_secs(*second);
            pace.is_stalled(elapsed, bytes_per_second * usize::try_from(*second).unwrap())
        })
    };
    assert_eq!(ends_at(1), Some(20));
    assert_eq!(ends_at(100), None);
}
