//! A small OCI registry in memory, enough for `docker push`, `crane` and fluxbot's own scanner.
//!
//! It speaks the pull, push and tag-list parts of the OCI distribution specification 1.1 over plain HTTP, without
//! authentication. It is for the demo only: nothing is written to disk, and each body is bounded.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::Response;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc::UnboundedSender;

use crate::hexadecimal::hexadecimal;

/// Largest blob or manifest that the demo accepts, in bytes.
const MAX_BODY: usize = 64 << 20;

/// A tag that was set, as a registry's webhook tells it.
pub(super) struct Pushed {
    /// The image without the registry's name.
    pub repository: String,
    pub tag: String,
    pub at: Instant,
}

struct Store {
    webhook: UnboundedSender<Pushed>,
    repositories: HashMap<String, Repository>,
    blobs: HashMap<String, Bytes>,
    uploads: HashMap<u64, Vec<u8>>,
    last_upload: u64,
}

#[derive(Default)]
struct Repository {
    /// Tag to manifest digest.
    tags: BTreeMap<String, String>,
    /// Digest to media type and content.
    manifests: HashMap<String, (String, Bytes)>,
}

type Shared = Arc<Mutex<Store>>;

/// The registry's routes, to be served on any listener. `webhook` hears of each tag that is set.
pub(super) fn router(webhook: UnboundedSender<Pushed>) -> Router {
    let store = Store {
        webhook,
        repositories: HashMap::new(),
        blobs: HashMap::new(),
        uploads: HashMap::new(),
        last_upload: 0,
    };
    Router::new()
        .fallback(handle)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(Arc::new(Mutex::new(store)))
}

/// The digest under which registries know `content`.
pub fn digest_of(content: &[u8]) -> String {
    format!("sha256:{}", hexadecimal(&Sha256::digest(content)))
}

/// One request, taken apart.
struct Call {
    method: Method,
    headers: HeaderMap,
    query: HashMap<String, String>,
    body: Bytes,
}

async fn handle(
    State(store): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
        .into_owned()
        .collect();
    let call = Call {
        method,
        headers,
        query,
        body,
    };
    let mut store = lock(&store);
    let Some(path) = uri.path().strip_prefix("/v2/") else {
        return error(StatusCode::NOT_FOUND, "NAME_UNKNOWN", "not a registry path");
    };
    if path.is_empty() {
        return respond(
            StatusCode::OK,
            &[(header::CONTENT_TYPE, "application/json")],
            "{}",
        );
    }
    if let Some(name) = path.strip_suffix("/tags/list") {
        return list_tags(&store, name, &call);
    }
    if let Some((name, reference)) = path.rsplit_once("/manifests/") {
        return manifest(&mut store, name, reference, &call);
    }
    if let Some((name, upload)) = path.rsplit_once("/blobs/uploads/") {
        return upload_blob(&mut store, name, upload, &call);
    }
    if let Some((_, digest)) = path.rsplit_once("/blobs/") {
        return match store.blobs.get(digest) {
            Some(content) => content_response(&call.method, "application/octet-stream", digest, content),
            None => error(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", "blob unknown to registry"),
        };
    }
    error(
        StatusCode::NOT_FOUND,
        "UNSUPPORTED",
        "the operation is unsupported",
    )
}

/// The store stays usable after a panic in another request: each change to it is one insertion.
fn lock(store: &Shared) -> MutexGuard<'_, Store> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
}

fn list_tags(store: &Store, name: &str, call: &Call) -> Response {
    let Some(repository) = store.repositories.get(name) else {
        return error(
            StatusCode::NOT_FOUND,
            "NAME_UNKNOWN",
            "repository name not known to registry",
        );
    };
    let limit = call
        .query
        .get("n")
        .and_then(|n| n.parse().ok())
        .unwrap_or(usize::MAX);
    let last = call.query.get("last").map_or("", String::as_str);
    let page: BTreeSet<&String> = repository
        .tags
        .keys()
        .filter(|tag| last.is_empty() || tag.as_str() > last)
        .take(limit)
        .collect();
    let body = serde_json::json!({ "name": name, "tags": page }).to_string();
    let mut response = respond(
        StatusCode::OK,
        &[(header::CONTENT_TYPE, "application/json")],
        body,
    );
    let more = page
        .last()
        .filter(|last| repository.tags.range::<String, _>(**last..).nth(1).is_some());
    if let Some(last) = more {
        let link = format!("</v2/{name}/tags/list?n={limit}&last={last}>; rel=\"next\"");
        if let Ok(link) = HeaderValue::from_str(&link) {
            response.headers_mut().insert(header::LINK, link);
        }
    }
    response
}

fn manifest(store: &mut Store, name: &str, reference: &str, call: &Call) -> Response {
    if call.method == Method::PUT {
        let media_type = call
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let media_type = media_type
            .unwrap_or("application/vnd.oci.image.manifest.v1+json")
            .to_owned();
        let digest = digest_of(&call.body);
        if reference.contains(':') && reference != digest {
            return error(
                StatusCode::BAD_REQUEST,
                "DIGEST_INVALID",
                "the digest does not match the content",
            );
        }
        let repository = store.repositories.entry(name.to_owned()).or_default();
        repository
            .manifests
            .insert(digest.clone(), (media_type, call.body.clone()));
        if !reference.contains(':') {
            repository.tags.insert(reference.to_owned(), digest.clone());
            // The demo may have no use for it.
            drop(store.webhook.send(Pushed {
                repository: name.to_owned(),
                tag: reference.to_owned(),
                at: Instant::now(),
            }));
        }
        return created(&format!("/v2/{name}/manifests/{digest}"), &digest);
    }
    let found = store.repositories.get_mut(name).and_then(|repository| {
        if call.method == Method::DELETE {
            return repository
                .tags
                .remove(reference)
                .map(|digest| (String::new(), digest, Bytes::new()));
        }
        let digest = repository.tags.get(reference).map_or(reference, String::as_str);
        let (media_type, content) = repository.manifests.get(digest)?;
        Some((media_type.clone(), digest.to_owned(), content.clone()))
    });
    match found {
        Some(_) if call.method == Method::DELETE => respond(StatusCode::ACCEPTED, &[], ""),
        Some((media_type, digest, content)) => content_response(&call.method, &media_type, &digest, &content),
        None => error(
            StatusCode::NOT_FOUND,
            "MANIFEST_UNKNOWN",
            "manifest unknown to registry",
        ),
    }
}

fn upload_blob(store: &mut Store, name: &str, upload: &str, call: &Call) -> Response {
    match call.method {
        Method::POST => {
            if let Some(digest) = call.query.get("digest") {
                return finish_blob(store, name, digest, call.body.to_vec());
            }
            store.last_upload += 1;
            let upload = store.last_upload;
            store.uploads.insert(upload, Vec::new());
            accepted(name, upload, 0)
        }
        Method::PATCH | Method::PUT => {
            let Some((id, mut content)) = upload
                .parse()
                .ok()
                .and_then(|id: u64| store.uploads.remove(&id).map(|content| (id, content)))
            else {
                return error(
                    StatusCode::NOT_FOUND,
                    "BLOB_UPLOAD_UNKNOWN",
                    "blob upload unknown to registry",
                );
            };
            if content.len() + call.body.len() > MAX_BODY {
                return error(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "SIZE_INVALID",
                    "the blob is too large for the demo",
                );
            }
            content.extend_from_slice(&call.body);
            if call.method == Method::PUT {
                let digest = call.query.get("digest").cloned().unwrap_or_default();
                return finish_blob(store, name, &digest, content);
            }
            let length = content.len();
            store.uploads.insert(id, content);
            accepted(name, id, length)
        }
        _ => error(
            StatusCode::METHOD_NOT_ALLOWED,
            "UNSUPPORTED",
            "the operation is unsupported",
        ),
    }
}

fn finish_blob(store: &mut Store, name: &str, digest: &str, content: Vec<u8>) -> Response {
    if digest != digest_of(&content) {
        return error(
            StatusCode::BAD_REQUEST,
            "DIGEST_INVALID",
            "the digest does not match the content",
        );
    }
    store.blobs.insert(digest.to_owned(), content.into());
    created(&format!("/v2/{name}/blobs/{digest}"), digest)
}

fn created(location: &str, digest: &str) -> Response {
    let mut response = respond(StatusCode::CREATED, &[(header::LOCATION, location)], "");
    set_digest(&mut response, digest);
    response
}

fn accepted(name: &str, upload: u64, length: usize) -> Response {
    let location = format!("/v2/{name}/blobs/uploads/{upload}");
    let range = format!("0-{}", length.saturating_sub(1));
    respond(
        StatusCode::ACCEPTED,
        &[(header::LOCATION, &location), (header::RANGE, &range)],
        "",
    )
}

fn content_response(method: &Method, media_type: &str, digest: &str, content: &Bytes) -> Response {
    let length = content.len().to_string();
    let headers = [
        (header::CONTENT_TYPE, media_type),
        (header::CONTENT_LENGTH, length.as_str()),
    ];
    let body = if method == Method::HEAD {
        Bytes::new()
    } else {
        content.clone()
    };
    let mut response = respond(StatusCode::OK, &headers, body);
    set_digest(&mut response, digest);
    response
}

fn set_digest(response: &mut Response, digest: &str) {
    if let Ok(value) = HeaderValue::from_str(digest) {
        response.headers_mut().insert("docker-content-digest", value);
    }
}

fn error(status: StatusCode, code: &str, message: &str) -> Response {
    let body = serde_json::json!({ "errors": [{ "code": code, "message": message }] }).to_string();
    respond(status, &[(header::CONTENT_TYPE, "application/json")], body)
}

fn respond(status: StatusCode, headers: &[(header::HeaderName, &str)], body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    for (name, value) in headers {
        // A header with a character that HTTP forbids can only come from the request's own path; it is left out.
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name.clone(), value);
        }
    }
    response
}
