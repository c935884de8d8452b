//! An HTTP/1.1 client with one connection per request.

use fluxbot_git::{HttpClient, HttpFailure, HttpMethod, HttpRequest, HttpResponse};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Speaks plain HTTP.
pub struct TestClient;

impl HttpClient for TestClient {
    fn send(&self, request: HttpRequest<'_>) -> Result<HttpResponse, HttpFailure> {
        let failure = |maybe_sent| {
            move |error: io::Error| HttpFailure {
                detail: error.to_string(),
                maybe_sent,
            }
        };
        let rest = request.url.strip_prefix("http://").expect("a plain HTTP URL");
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let mut stream = TcpStream::connect(host).map_err(failure(false))?;
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let method = if request.method == HttpMethod::Get {
            "GET"
        } else {
            "POST"
        };
        let mut head = format!("{method} /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
        for (name, value) in &request.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", request.body.len()));
        stream
            .write_all(&[head.as_bytes(), &request.body].concat())
            .map_err(failure(true))?;
        read_response(stream).map_err(failure(true))
    }
}

fn read_response(stream: TcpStream) -> io::Result<HttpResponse> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
    let mut headers = Vec::new();
    let mut length = 0;
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().unwrap();
        }
        headers.push((name.to_owned(), value.to_owned()));
    }
    Ok(HttpResponse {
        status,
        headers,
        body: Box::new(Exact { reader, left: length }),
    })
}

/// A body of known length: ending before it is an error.
struct Exact {
    reader: BufReader<TcpStream>,
    left: usize,
}

impl Read for Exact {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(self.left);
        let count = self.reader.read(&mut buffer[..room])?;
        if count == 0 && room > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= count;
        Ok(count)
    }
}
