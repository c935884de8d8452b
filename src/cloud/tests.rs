//! The clouds' services as local servers that answer as documented; what they are asked is compared.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use futures::future::BoxFuture;
use rstest::rstest;
use url::Url;

use super::*;
use crate::http::HttpClients;

mod aws;
mod azure;
mod gcp;

const ECR: &str = "012345678901.dkr.ecr.eu-west-1.amazonaws.com";

/// A request as a service saw it.
#[derive(Clone, Debug)]
struct Seen {
    line: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Seen {
    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    fn form(&self, name: &str) -> String {
        let mut pairs = url::form_urlencoded::parse(self.body.as_bytes());
        pairs
            .find(|(key, _)| key == name)
            .map_or_else(String::new, |(_, value)| value.into_owned())
    }
}

/// A service; it ends with the test's process.
struct Service {
    url: Url,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Service {
    /// Answers each request with a status and a body.
    fn start(answer: impl Fn(&Seen) -> (u16, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (Arc::clone(&seen), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                // A client that goes away is no failure of the server.
                std::thread::spawn(move || drop(serve(stream, &log, &*answer)));
            }
        });
        Self { url, seen }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|request| request.line).collect()
    }
}

fn serve(
    stream: TcpStream,
    log: &Mutex<Vec<Seen>>,
    answer: &dyn Fn(&Seen) -> (u16, String),
) -> std::io::Result<()> {
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut headers = Vec::new();
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let Some((name, value)) = header.trim_end().split_once(": ") else {
                break;
            };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let mut body = vec![0; length.map_or(0, |(_, value)| value.parse().unwrap())];
        reader.read_exact(&mut body)?;
        let seen = Seen {
            line: line.trim_end().trim_end_matches(" HTTP/1.1").to_owned(),
            headers,
            body: String::from_utf8(body).unwrap(),
        };
        log.lock().unwrap().push(seen.clone());
        let (status, body) = answer(&seen);
        write!(
            writer,
            "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
    }
}

/// A service account whose tokens say whom they are for.
struct Pod {
    annotations: Vec<(&'static str, &'static str)>,
}

impl AccountTokens for Pod {
    fn account(&self) -> BoxFuture<'_, Result<Account, String>> {
        let annotations = self.annotations.iter();
        let account = Account {
            namespace: "team".to_owned(),
            name: "puller".to_owned(),
            uid: "1".to_owned(),
            annotations: annotations
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
        };
        Box::pin(async { Ok(account) })
    }

    fn token<'t>(&'t self, audience: &'t str) -> BoxFuture<'t, Result<String, String>> {
        Box::pin(async move { Ok(format!("token-for:{audience}")) })
    }
}

fn access(provider: Provider, identity: Identity) -> CloudAccess {
    CloudAccess {
        provider,
        identity,
        proxy: None,
    }
}

fn pod(annotations: &[(&'static str, &'static str)]) -> Identity {
    Identity::Account(Arc::new(Pod {
        annotations: annotations.to_vec(),
    }))
}

fn clouds(environment: Environment) -> CloudTokens {
    CloudTokens::new(HttpClients::new(), environment)
}

fn file(content: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), content).unwrap();
    file
}

fn in_hours(hours: i64) -> i64 {
    jiff::Timestamp::now().as_second() + hours * 3600
}

#[tokio::test]
async fn a_process_without_identity_is_told_where_it_was_looked_for() {
    let nobody = Service::start(|_| (404, String::new()));
    let process = |provider| access(provider, Identity::Process);
    let environment = Environment {
        aws_metadata: Some(nobody.url.clone()),
        azure_metadata: Some(nobody.url.clone()),
        google_metadata: Some(nobody.url.clone()),
        ..Environment::default()
    };
    let clouds = clouds(environment);
    let aws = clouds.credential(&process(Provider::Aws), ECR).await.unwrap_err();
    insta::assert_snapshot!(aws, @"this process has no identity at AWS: no keys, role or pod identity in the environment, and no role of the machine: the metadata service of AWS refused: 404 Not Found");
    let azure = clouds
        .credential(&process(Provider::Azure), "team.azurecr.io")
        .await
        .unwrap_err();
    insta::assert_snapshot!(azure, @"this process has no identity at Azure: no workload identity or secret in the environment, and no managed identity: the metadata service of Azure refused: 404 Not Found");
    let google = clouds
        .credential(&process(Provider::Gcp), "gcr.io")
        .await
        .unwrap_err();
    insta::assert_snapshot!(google, @"this process has no identity at GCP: GOOGLE_APPLICATION_CREDENTIALS is not set, and the machine has no service account: the metadata service of GCP refused: 404 Not Found");
}

#[test]
fn the_environment_is_read_by_the_names_of_the_clouds() {
    let values = [
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/x"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/token"),
        ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials"),
        ("AWS_ENDPOINT_URL", "https://aws.example"),
        ("AWS_ENDPOINT_URL_STS", "https://sts.example"),
        ("GCE_METADATA_HOST", "metadata.example:8080"),
        ("AZURE_AUTHORITY_HOST", "https://login.example/"),
    ];
    let get = |name: &str| {
        values
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| (*value).to_owned())
    };
    let environment = Environment::read(&get).unwrap();
    let text = |url: &Option<Url>| url.as_ref().map(ToString::to_string).unwrap_or_default();
    assert_eq!(
        text(&environment.aws_container),
        "http://169.254.170.2/v2/credentials"
    );
    assert_eq!(text(&environment.aws_sts), "https://sts.example/");
    assert_eq!(text(&environment.aws_ecr), "https://aws.example/");
    assert_eq!(
        text(&environment.google_metadata),
        "http://metadata.example:8080/"
    );
    assert!(environment.aws_keys.is_none() && environment.aws_role.is_some());
    let wrong =
        Environment::read(&|name| (name == "AZURE_AUTHORITY_HOST").then(|| "login".to_owned())).unwrap_err();
    insta::assert_snapshot!(wrong, @"AZURE_AUTHORITY_HOST: relative URL without a base");
}
