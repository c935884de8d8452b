//! The CNCF distribution registry, and pushing real images into it.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::{StreamExt, stream};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use reqwest::{Certificate, Client, Identity, Method, Response, StatusCode};
use serde_json::{Value, json};
use url::Url;

use super::control::Control;
use super::git::{PASSWORD, USER};
use super::image::{Blob, Image, ImageSpec};
use super::server::{Ready, Server};

/// How a registry asks who is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Authentication {
    /// Not at all.
    #[default]
    None,
    /// User and password on every request.
    Basic,
    /// A bearer token from its token service, which asks for user and password.
    Token,
    /// As `Token`, and the service gives everybody tokens to pull.
    TokenForAnonymous,
}

/// What is special about a registry of one's own.
#[derive(Debug, Clone, Copy, Default)]
pub struct RegistryOptions {
    /// How it asks who is there.
    pub authentication: Authentication,
    /// Serve HTTPS with a certificate of a new authority.
    pub tls: bool,
    /// With `tls`: refuse clients without a certificate of that authority.
    pub require_client_certificate: bool,
    /// List at most this many tags in one answer, also when not asked to.
    pub page_size: Option<u32>,
    /// What the token service says about how many seconds a token lives; five minutes by default.
    pub token_lifetime_seconds: Option<u32>,
}

/// What a push brought into the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The digest that the tag points to.
    pub digest: String,
    /// The digests of the manifests, in the order of the platforms.
    pub manifests: Vec<String>,
}

/// A running registry.
#[derive(Debug, Clone)]
pub struct Registry {
    server: Arc<Server>,
    control: Control,
    client: Client,
    options: RegistryOptions,
}

impl Registry {
    /// The registry of this test process: plain HTTP, open to everybody.
    pub fn shared() -> Self {
        static SHARED: LazyLock<Arc<Server>> = LazyLock::new(|| Arc::new(Server::start("registry", &[])));
        Self::of(Arc::clone(&SHARED), RegistryOptions::default())
    }

    /// A registry of one's own.
    pub fn start(options: RegistryOptions) -> Self {
        let page_size = options.page_size.unwrap_or(0).to_string();
        let token_lifetime = format!("{}s", options.token_lifetime_seconds.unwrap_or(300));
        let mut arguments = vec!["--page-size", &page_size, "--token-lifetime", &token_lifetime];
        match options.authentication {
            Authentication::None => {}
            Authentication::Basic => arguments.push("--basic-auth"),
            Authentication::Token => arguments.push("--token-auth"),
            Authentication::TokenForAnonymous => arguments.extend(["--token-auth", "--anonymous-pull"]),
        }
        if options.tls {
            arguments.push("--tls");
        }
        if options.require_client_certificate {
            arguments.push("--require-client-certificate");
        }
        Self::of(Arc::new(Server::start("registry", &arguments)), options)
    }

    fn of(server: Arc<Server>, options: RegistryOptions) -> Self {
        let ready = server.ready();
        let control = Control::new(&ready.control);
        let identity = ready
            .client_certificate
            .as_deref()
            .zip(ready.client_key.as_deref());
        let client = http_client(ready.ca.as_deref(), identity);
        Self {
            server,
            control,
            client,
            options,
        }
    }

    /// Address, data directory and certificates.
    pub fn ready(&self) -> &Ready {
        self.server.ready()
    }

    /// The request log and the faults.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// The name under which images are here: `host:port`.
    pub fn host(&self) -> &str {
        &self.ready().addr
    }

    /// An image name: `host:port/repository`.
    pub fn image(&self, repository: &str) -> String {
        format!("{}/{repository}", self.host())
    }

    /// A URL below the registry's root.
    pub fn url(&self, path: &str) -> Url {
        let scheme = if self.options.tls { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.host()).parse().unwrap()
    }

    /// A Docker configuration with the credentials that this registry knows.
    pub fn docker_config(&self) -> String {
        let auth = BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}"));
        json!({ "auths": { self.host(): { "auth": auth } } }).to_string()
    }

    /// The HTTP client that trusts this registry; it sends no credentials by itself.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Pushes an image under a tag, everything that belongs to it first.
    pub async fn push_image(&self, repository: &str, tag: &str, spec: &ImageSpec) -> Pushed {
        let session = self.open(repository).await;
        let image = Image::build(spec);
        session.push_content(&image).await;
        session.put_manifest(image.top(), tag).await;
        Pushed {
            digest: image.top().digest(),
            manifests: image.manifests.iter().map(Blob::digest).collect(),
        }
    }

    /// Puts many tags on one image, with one request for each tag. Returns the digest.
    pub async fn push_tags<T: AsRef<str>>(&self, repository: &str, tags: &[T]) -> String {
        let session = self.open(repository).await;
        let image = Image::build(&ImageSpec {
            platforms: vec!["linux/amd64".into()],
            ..ImageSpec::default()
        });
        session.push_content(&image).await;
        stream::iter(tags)
            .for_each_concurrent(16, |tag| session.put_manifest(image.top(), tag.as_ref()))
            .await;
        image.top().digest()
    }

    /// Removes a tag and leaves the image.
    pub async fn delete_tag(&self, repository: &str, tag: &str) {
        let session = self.open(repository).await;
        session
            .expect(
                StatusCode::ACCEPTED,
                Method::DELETE,
                &format!("manifests/{tag}"),
                "",
                Vec::new(),
            )
            .await;
    }

    /// Gets a bearer token as a client does: the challenge of an unauthenticated request tells where.
    /// `actions` as in a scope: `pull` or `pull,push,delete`. Without `known` nobody says who asks.
    pub async fn token(&self, repository: &str, actions: &str, known: bool) -> Result<String, StatusCode> {
        let challenge = self.client.get(self.url("/v2/")).send().await.unwrap();
        assert_eq!(challenge.status(), StatusCode::UNAUTHORIZED);
        let challenge = challenge.headers()[WWW_AUTHENTICATE].to_str().unwrap();
        let parameter = |name: &str| {
            let (_, rest) = challenge.split_once(&format!("{name}=\"")).unwrap();
            rest.split_once('"').unwrap().0
        };
        let mut url = Url::parse(parameter("realm")).unwrap();
        url.query_pairs_mut()
            .append_pair("service", parameter("service"))
            .append_pair("scope", &format!("repository:{repository}:{actions}"));
        let mut request = self.client.get(url);
        if known {
            request = request.basic_auth(USER, Some(PASSWORD));
        }
        let response = request.send().await.unwrap();
        if response.status() != StatusCode::OK {
            return Err(response.status());
        }
        let answer: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        Ok(answer["token"].as_str().unwrap().to_owned())
    }

    async fn open(&self, repository: &str) -> Session<'_> {
        let authorization = match self.options.authentication {
            Authentication::None => None,
            Authentication::Basic => Some(format!(
                "Basic {}",
                BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}"))
            )),
            Authentication::Token | Authentication::TokenForAnonymous => Some(format!(
                "Bearer {}",
                self.token(repository, "pull,push,delete", true).await.unwrap()
            )),
        };
        Session {
            registry: self,
            repository: repository.to_owned(),
            authorization,
        }
    }
}

/// An authorized client for one repository.
struct Session<'a> {
    registry: &'a Registry,
    repository: String,
    authorization: Option<String>,
}

impl Session<'_> {
    /// Pushes everything of the image but its top.
    async fn push_content(&self, image: &Image) {
        for blob in &image.blobs {
            self.push_blob(blob).await;
        }
        if image.index.is_some() {
            for manifest in &image.manifests {
                self.put_manifest(manifest, &manifest.digest()).await;
            }
        }
    }

    async fn push_blob(&self, blob: &Blob) {
        let start = self
            .expect(
                StatusCode::ACCEPTED,
                Method::POST,
                "blobs/uploads/",
                "",
                Vec::new(),
            )
            .await;
        let mut url = self
            .registry
            .url("/")
            .join(start.headers()[LOCATION].to_str().unwrap())
            .unwrap();
        url.query_pairs_mut().append_pair("digest", &blob.digest());
        let response = self
            .send(Method::PUT, url, "application/octet-stream", blob.content.clone())
            .await;
        assert_eq!(
            response.status(),
            StatusCode::CREATED,
            "pushing a blob of {}",
            self.repository
        );
    }

    async fn put_manifest(&self, manifest: &Blob, reference: &str) {
        let path = format!("manifests/{reference}");
        let content = manifest.content.clone();
        self.expect(
            StatusCode::CREATED,
            Method::PUT,
            &path,
            manifest.media_type,
            content,
        )
        .await;
    }

    async fn expect(
        &self,
        status: StatusCode,
        method: Method,
        path: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Response {
        let url = self.registry.url(&format!("/v2/{}/{path}", self.repository));
        let response = self.send(method.clone(), url.clone(), content_type, body).await;
        if response.status() != status {
            let actual = response.status();
            panic!(
                "{method} {url} answered {actual}: {}",
                response.text().await.unwrap_or_default()
            );
        }
        response
    }

    async fn send(&self, method: Method, url: Url, content_type: &str, body: Vec<u8>) -> Response {
        let mut request = self.registry.client.request(method, url).body(body);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if !content_type.is_empty() {
            request = request.header(CONTENT_TYPE, content_type);
        }
        request.send().await.unwrap()
    }
}

/// A client that trusts this authority and no other, and shows this identity (certificate and key).
///
/// Each handle makes its own: a pooled connection dies with the runtime of the test that opened it.
pub fn http_client(ca: Option<&Path>, identity: Option<(&Path, &Path)>) -> Client {
    // The second time it is an error, and there already.
    drop(rustls::crypto::ring::default_provider().install_default());
    let read =
        |path: &Path| std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let authorities: Vec<_> = ca
        .map(|path| Certificate::from_pem(&read(path)).unwrap())
        .into_iter()
        .collect();
    let mut builder = Client::builder().no_proxy().tls_certs_only(authorities);
    if let Some((certificate, key)) = identity {
        let pem = [read(certificate), read(key)].concat();
        builder = builder.identity(Identity::from_pem(&pem).unwrap());
    }
    builder.build().unwrap()
}
