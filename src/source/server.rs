//! Serves the artifacts over HTTP, as source-controller does.

use std::fs::Metadata;
use std::future::Future;
use std::io::SeekFrom;
use std::time::UNIX_EPOCH;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri, header};
use bytes::Bytes;
use futures::stream;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio::net::TcpListener;

use super::storage::Storage;
use crate::http::percent_decode;

/// Bytes that are read from a file at once.
const CHUNK: u64 = 64 * 1024;

/// The server cannot run.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve artifacts: {0}")]
pub struct ServeError(#[source] std::io::Error);

/// Serves the files of a storage until `stop` is done, then finishes the answers under way.
///
/// `GET` and `HEAD` of an artifact's path give the file, with length, `ETag` and ranges; `/` answers 200, which readiness
/// probes ask for; everything else is 404. Folders are not listed.
pub async fn serve(
    listener: TcpListener,
    storage: Storage,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let router = Router::new().fallback(answer).with_state(storage);
    axum::serve(listener, router)
        .with_graceful_shutdown(stop)
        .await
        .map_err(ServeError)
}

async fn answer(
    State(storage): State<Storage>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response<Body> {
    if method != Method::GET && method != Method::HEAD {
        let mut response = status(StatusCode::METHOD_NOT_ALLOWED);
        let allowed = header::HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(header::ALLOW, allowed);
        return response;
    }
    if uri.path() == "/" {
        return status(StatusCode::OK);
    }
    let Some(path) = percent_decode(uri.path()) else {
        return status(StatusCode::NOT_FOUND);
    };
    // Opening asks the file system, which may be slow.
    let opened = tokio::task::spawn_blocking(move || {
        let file = storage.open(&path)?;
        let metadata = file.metadata().ok();
        Ok::<_, super::storage::StorageError>((file, metadata, path))
    });
    match opened.await {
        Ok(Ok((file, Some(metadata), path))) => {
            file_response(File::from_std(file), &metadata, &path, &method, &headers).await
        }
        _ => status(StatusCode::NOT_FOUND),
    }
}

async fn file_response(
    mut file: File,
    metadata: &Metadata,
    path: &str,
    method: &Method,
    headers: &HeaderMap,
) -> Response<Body> {
    let size = metadata.len();
    let tag = entity_tag(metadata);
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let written = last_modified(metadata);
    let is_known = match text(header::IF_NONE_MATCH) {
        Some(known) => known
            .split(',')
            .any(|known| known.trim() == tag || known.trim() == "*"),
        None => written.is_some() && text(header::IF_MODIFIED_SINCE) == written.as_deref(),
    };
    if is_known {
        return build(
            Response::builder()
                .status(StatusCode::NOT_MODIFIED)
                .header(header::ETAG, tag),
        );
    }
    let range = text(header::RANGE)
        .filter(|_| text(header::IF_RANGE).is_none_or(|known| known == tag))
        .map_or(Range::Whole, |range| parse_range(range, size));
    let builder = Response::builder()
        .header(header::ETAG, tag)
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::CONTENT_TYPE, content_type(path));
    let builder = match written {
        Some(written) => builder.header(header::LAST_MODIFIED, written),
        None => builder,
    };
    let (builder, start, length) = match range {
        Range::Whole => (builder.status(StatusCode::OK), 0, size),
        Range::Part { start, length } => {
            let end = start + length - 1;
            let content_range = format!("bytes {start}-{end}/{size}");
            let builder = builder.status(StatusCode::PARTIAL_CONTENT);
            (
                builder.header(header::CONTENT_RANGE, content_range),
                start,
                length,
            )
        }
        Range::Outside => {
            let content_range = format!("bytes */{size}");
            let builder = builder.status(StatusCode::RANGE_NOT_SATISFIABLE);
            return build(builder.header(header::CONTENT_RANGE, content_range));
        }
    };
    let builder = builder.header(header::CONTENT_LENGTH, length);
    if method == Method::HEAD {
        return build(builder);
    }
    if start > 0 && file.seek(SeekFrom::Start(start)).await.is_err() {
        return status(StatusCode::INTERNAL_SERVER_ERROR);
    }
    let chunks = stream::try_unfold((file, length), |(mut file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let mut chunk = Vec::new();
        let read = (&mut file).take(left.min(CHUNK)).read_to_end(&mut chunk).await?;
        if read == 0 {
            return Err(std::io::Error::other("the file became shorter while it was sent"));
        }
        Ok(Some((Bytes::from(chunk), (file, left - read as u64))))
    });
    builder
        .body(Body::from_stream(chunks))
        .unwrap_or_else(|_| status(StatusCode::INTERNAL_SERVER_ERROR))
}

/// What part of a file a request asks for.
#[derive(Debug, PartialEq, Eq)]
enum Range {
    Whole,
    Part { start: u64, length: u64 },
    Outside,
}

/// Reads one range of bytes (RFC 9110, 14.1.2). Several ranges, and what is malformed, give the whole file, as they may.
fn parse_range(text: &str, size: u64) -> Range {
    let Some((first, last)) = text
        .strip_prefix("bytes=")
        .filter(|ranges| !ranges.contains(','))
        .and_then(|range| range.trim().split_once('-'))
    else {
        return Range::Whole;
    };
    let (start, end) = match (first.parse::<u64>().ok(), last.parse::<u64>().ok()) {
        (Some(start), None) if last.is_empty() => (start, size),
        (Some(start), Some(last)) if start <= last => (start, size.min(last.saturating_add(1))),
        (None, Some(count)) if first.is_empty() => (size.saturating_sub(count), size),
        _ => return Range::Whole,
    };
    match end.checked_sub(start) {
        Some(length) if length > 0 => Range::Part { start, length },
        _ => Range::Outside,
    }
}

/// Changes whenever the file does: a file is never written again, only replaced.
fn entity_tag(metadata: &Metadata) -> String {
    let written = metadata.modified().ok();
    let nanoseconds = written
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .unwrap_or_default()
        .as_nanos();
    format!("\"{nanoseconds:x}-{:x}\"", metadata.len())
}

/// The time of the last write as HTTP has it (RFC 9110, 5.6.7).
fn last_modified(metadata: &Metadata) -> Option<String> {
    let written = jiff::Timestamp::try_from(metadata.modified().ok()?).ok()?;
    Some(written.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("gz" | "tgz") => "application/gzip",
        Some("yaml" | "yml") => "application/yaml",
        _ => "application/octet-stream",
    }
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn build(builder: axum::http::response::Builder) -> Response<Body> {
    builder
        .body(Body::empty())
        .unwrap_or_else(|_| status(StatusCode::INTERNAL_SERVER_ERROR))
}

#[cfg(test)]
mod tests {
    use super::{Range, parse_range};
    use rstest::rstest;

    #[rstest]
    #[case("bytes=0-9", Range::Part { start: 0, length: 10 })]
    #[case("bytes=10-", Range::Part { start: 10, length: 90 })]
    #[case("bytes=-10", Range::Part { start: 90, length: 10 })]
    #[case("bytes=-1000", Range::Part { start: 0, length: 100 })]
    #[case("bytes=90-1000", Range::Part { start: 90, length: 10 })]
    #[case("bytes=0-18446744073709551615", Range::Part { start: 0, length: 100 })]
    #[case("bytes=100-", Range::Outside)]
    #[case("bytes=-0", Range::Outside)]
    #[case("bytes=9-0", Range::Whole)]
    #[case("bytes=0-1,3-4", Range::Whole)]
    #[case("bytes=x-", Range::Whole)]
    #[case("lines=0-1", Range::Whole)]
    #[case("bytes=-", Range::Whole)]
    fn a_range_is_read(#[case] text: &str, #[case] expected: Range) {
        assert_eq!(parse_range(text, 100), expected);
    }

    #[test]
    fn an_empty_file_has_no_ranges() {
        assert_eq!(parse_range("bytes=0-", 0), Range::Outside);
    }
}
