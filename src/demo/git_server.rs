//! A Git server over HTTP: Git's own `http-backend` behind a small front end.
//!
//! Reading needs no credentials, pushing needs HTTP basic authentication, as most hosts have it for public repositories.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::Response;
use base64::Engine as _;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// Largest push that the demo accepts, in bytes.
const MAX_BODY: usize = 256 << 20;

/// What the front end needs to know.
pub struct GitServer {
    /// Folder that holds the bare repositories.
    pub root: PathBuf,
    /// Who may push.
    pub username: String,
    /// The pusher's password.
    pub password: String,
}

/// The server's routes, to be served on any listener.
pub fn router(server: GitServer) -> Router {
    Router::new()
        .fallback(handle)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(Arc::new(server))
}

async fn handle(
    State(server): State<Arc<GitServer>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let is_push = uri.path().ends_with("/git-receive-pack")
        || uri
            .query()
            .is_some_and(|query| query.contains("service=git-receive-pack"));
    if is_push && !server.is_authorized(&headers) {
        let mut response = status(StatusCode::UNAUTHORIZED, "authentication required\n");
        response.headers_mut().insert(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Basic realm=\"demo\""),
        );
        return response;
    }
    match server.run_backend(&method, &uri, &headers, &body, is_push).await {
        Ok(response) => response,
        Err(reason) => status(StatusCode::INTERNAL_SERVER_ERROR, &format!("{reason:#}\n")),
    }
}

fn status(status: StatusCode, text: &str) -> Response {
    let mut response = Response::new(Body::from(text.to_owned()));
    *response.status_mut() = status;
    response
}

impl GitServer {
    fn is_authorized(&self, headers: &HeaderMap) -> bool {
        let pair = format!("{}:{}", self.username, self.password);
        let expected = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
        headers
            .get(header::AUTHORIZATION)
            .is_some_and(|value| value.as_bytes() == expected.as_bytes())
    }

    /// Runs `git http-backend` as a CGI program (RFC 3875) with a bare environment.
    async fn run_backend(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: &Bytes,
        is_push: bool,
    ) -> anyhow::Result<Response> {
        let text = |name: &str| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
        };
        let mut command = Command::new("git");
        command
            .args(["-c", "http.receivepack=true", "http-backend"])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("HOME", &self.root)
            .env("GIT_PROJECT_ROOT", &self.root)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("REQUEST_METHOD", method.as_str())
            .env("PATH_INFO", uri.path())
            .env("QUERY_STRING", uri.query().unwrap_or_default())
            .env("CONTENT_TYPE", text("content-type"))
            .env("CONTENT_LENGTH", body.len().to_string())
            .env("HTTP_CONTENT_ENCODING", text("content-encoding"))
            .env("GIT_PROTOCOL", text("git-protocol"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        if is_push {
            command.env("REMOTE_USER", &self.username);
        }
        let mut child = command
            .spawn()
            .context("git must be installed to serve the demo's repository")?;
        let mut stdin = child.stdin.take().context("the backend has a standard input")?;
        let body = body.clone();
        let write = tokio::spawn(async move {
            // The backend may stop reading early, for example on a refused push; its answer says why.
            drop(stdin.write_all(&body).await);
        });
        let output = child
            .wait_with_output()
            .await
            .context("running git http-backend")?;
        write.await.context("writing the request to git http-backend")?;
        parse_cgi(&output.stdout)
    }
}

/// Turns a CGI answer into an HTTP answer.
fn parse_cgi(output: &[u8]) -> anyhow::Result<Response> {
    let Some(end) = output.windows(4).position(|window| window == b"\r\n\r\n") else {
        bail!("git http-backend gave no answer");
    };
    let (head, body) = output.split_at(end);
    let mut response = Response::new(Body::from(body.get(4..).unwrap_or_default().to_vec()));
    for line in String::from_utf8_lossy(head).lines() {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        if name.eq_ignore_ascii_case("status") {
            let code = value.split(' ').next().unwrap_or(value);
            *response.status_mut() = code.parse().context("git http-backend gave no valid status")?;
        } else if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}
