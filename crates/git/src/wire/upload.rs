//! Reading from a server: upload-pack in protocol version 2 (gitprotocol-v2), or in version 0 (gitprotocol-pack).

use super::advertisement::{self, Advertisement, MOST_REFERENCES};
use super::link::{self, Link};
use super::packet::{self, Packet, SideBand};
use super::smart::{Body, Service};
use super::{AGENT, Advertised};
use crate::ObjectId;
use crate::remote::{Remote, RemoteFailure};
use crate::text;
use std::cell::Cell;
use std::io::Read;

/// What a server can do, remembered between fetches to save a round trip.
#[derive(Debug, Clone)]
pub(crate) struct UploadService {
    link: Link,
    protocol: Protocol,
}

#[derive(Debug, Clone)]
enum Protocol {
    /// References are listed on request.
    Two {
        reports_unborn: bool,
        names_object_format: bool,
    },
    /// All references are listed at first: what an SSH server speaks that drops the environment, as sshd does unless it is
    /// configured with `AcceptEnv GIT_PROTOCOL`.
    Zero { references: Vec<Advertised> },
}

/// What to fetch, and what we have.
#[derive(Debug, Default)]
pub(crate) struct FetchRequest {
    pub wants: Vec<ObjectId>,
    pub haves: Vec<ObjectId>,
    pub shallow: Vec<ObjectId>,
}

/// Asks a server what it can do.
pub(crate) fn discover(remote: &Remote) -> Result<UploadService, RemoteFailure> {
    let (link, mut body) = link::discover(remote, Service::UploadPack)?;
    let answer = Answer::new(link.host());
    let mut line = advertisement::first_line(&answer, &mut body)?;
    if packet::trim(&line) == b"version 2" {
        let protocol = read_capabilities(&answer, &mut body)?;
        return Ok(UploadService { link, protocol });
    }
    if packet::trim(&line) == b"version 1" {
        line = answer.data(&mut body)?;
    }
    let Advertisement {
        references,
        capabilities,
    } = advertisement::read(&answer, line, &mut body)?;
    let has = |name: &str| capabilities.iter().any(|capability| capability == name);
    // An empty repository has nothing to fetch, whatever it can do.
    let is_enough = ["shallow", "side-band-64k", "ofs-delta"].into_iter().all(has);
    if !references.is_empty() && !is_enough {
        return Err(answer.unsupported("shallow fetches"));
    }
    Ok(UploadService {
        link,
        protocol: Protocol::Zero { references },
    })
}

fn read_capabilities(answer: &Answer, body: &mut Body) -> Result<Protocol, RemoteFailure> {
    let (mut reports_unborn, mut names_object_format) = (false, false);
    let (mut lists, mut shallow) = (false, false);
    while let Packet::Data(line) = answer.packet(body)? {
        let line = String::from_utf8_lossy(packet::trim(&line)).into_owned();
        let (name, value) = line.split_once('=').unwrap_or((&line, ""));
        let has = |feature: &str| value.split(' ').any(|word| word == feature);
        match name {
            "ls-refs" => {
                lists = true;
                reports_unborn = has("unborn");
            }
            "fetch" => shallow = has("shallow"),
            "object-format" if value != "sha1" => {
                return Err(answer.unsupported("repositories in the SHA-1 format"));
            }
            "object-format" => names_object_format = true,
            _ => {}
        }
    }
    if !lists || !shallow {
        return Err(answer.unsupported("listing references and shallow fetches"));
    }
    Ok(Protocol::Two {
        reports_unborn,
        names_object_format,
    })
}

/// Lists the references below some prefixes.
pub(crate) fn list(
    remote: &Remote,
    service: &UploadService,
    prefixes: &[&str],
) -> Result<Vec<Advertised>, RemoteFailure> {
    let reports_unborn = match &service.protocol {
        Protocol::Two { reports_unborn, .. } => *reports_unborn,
        Protocol::Zero { references } => {
            let wanted =
                |reference: &&Advertised| prefixes.iter().any(|prefix| reference.name.starts_with(prefix));
            return Ok(references.iter().filter(wanted).cloned().collect());
        }
    };
    let mut request = service.command("ls-refs");
    packet::write_line(&mut request, "peel\n");
    packet::write_line(&mut request, "symrefs\n");
    if reports_unborn {
        packet::write_line(&mut request, "unborn\n");
    }
    for prefix in prefixes {
        packet::write_line(&mut request, format!("ref-prefix {prefix}\n"));
    }
    packet::write_flush(&mut request);
    let mut body = service.post(remote, request)?;
    let answer = Answer::new(service.host());
    let mut references = Vec::new();
    while let Packet::Data(line) = answer.packet(&mut body)? {
        if references.len() >= MOST_REFERENCES {
            return Err(RemoteFailure::TooLarge {
                host: service.host(),
                limit: MOST_REFERENCES as u64,
                unit: "references",
            });
        }
        let line = packet::trim(&line);
        references
            .push(parse_reference(line).ok_or_else(|| answer.unusable("a reference line cannot be read"))?);
    }
    Ok(references)
}

/// Fetches commits without their history; returns the stream of the pack.
pub(crate) fn fetch(
    remote: &Remote,
    service: &UploadService,
    request: &FetchRequest,
) -> Result<SideBand<Body>, RemoteFailure> {
    if matches!(service.protocol, Protocol::Zero { .. }) {
        return fetch_version_0(remote, service, request);
    }
    let mut body = service.command("fetch");
    packet::write_line(&mut body, "thin-pack\n");
    packet::write_line(&mut body, "no-progress\n");
    packet::write_line(&mut body, "ofs-delta\n");
    for id in &request.shallow {
        packet::write_line(&mut body, format!("shallow {id}\n"));
    }
    // Without it a merge commit would pull the whole history of the merged side.
    packet::write_line(&mut body, "deepen 1\n");
    for id in &request.wants {
        packet::write_line(&mut body, format!("want {id}\n"));
    }
    for id in &request.haves {
        packet::write_line(&mut body, format!("have {id}\n"));
    }
    packet::write_line(&mut body, "done\n");
    packet::write_flush(&mut body);
    let mut body = service.post(remote, body)?;
    let answer = Answer::new(service.host());
    loop {
        let section = answer.data(&mut body)?;
        if packet::trim(&section) == b"packfile" {
            return Ok(SideBand::new(body));
        }
        // What is shallow follows from the objects themselves, so the other sections tell nothing new.
        while let Packet::Data(_) = answer.packet(&mut body)? {}
    }
}

/// The same in version 0. Everything is said at once: without `multi_ack` the server's answers change nothing of it.
fn fetch_version_0(
    remote: &Remote,
    service: &UploadService,
    request: &FetchRequest,
) -> Result<SideBand<Body>, RemoteFailure> {
    let mut body = Vec::new();
    let mut capabilities = format!(" thin-pack no-progress ofs-delta side-band-64k {AGENT}");
    for id in &request.wants {
        packet::write_line(&mut body, format!("want {id}{capabilities}\n"));
        capabilities.clear();
    }
    for id in &request.shallow {
        packet::write_line(&mut body, format!("shallow {id}\n"));
    }
    packet::write_line(&mut body, "deepen 1\n");
    packet::write_flush(&mut body);
    for id in &request.haves {
        packet::write_line(&mut body, format!("have {id}\n"));
    }
    packet::write_line(&mut body, "done\n");
    let mut body = service.post(remote, body)?;
    let answer = Answer::new(service.host());
    // What becomes shallow, up to a flush; then one line about what is in common.
    while let Packet::Data(_) = answer.packet(&mut body)? {}
    let common = answer.data(&mut body)?;
    if common.starts_with(b"ACK ") || packet::trim(&common) == b"NAK" {
        return Ok(SideBand::new(body));
    }
    Err(answer.unusable("it does not say which commits are in common"))
}

impl UploadService {
    /// Host, and port where it is not the default.
    pub(crate) fn host(&self) -> String {
        self.link.host()
    }

    /// Whether it can be asked again later.
    pub(crate) fn is_lasting(&self) -> bool {
        self.link.is_lasting() && matches!(self.protocol, Protocol::Two { .. })
    }

    fn command(&self, name: &str) -> Vec<u8> {
        let mut request = Vec::new();
        packet::write_line(&mut request, format!("command={name}\n"));
        packet::write_line(&mut request, AGENT);
        if let Protocol::Two {
            names_object_format: true,
            ..
        } = self.protocol
        {
            packet::write_line(&mut request, "object-format=sha1");
        }
        packet::write_delimiter(&mut request);
        request
    }

    fn post(&self, remote: &Remote, request: Vec<u8>) -> Result<Body, RemoteFailure> {
        self.link
            .post(remote, Service::UploadPack, request)
            .map_err(|post| post.failure)
    }
}

/// Most bytes of the lines of one answer, whatever they say: references, capabilities, reports. A pack does not count, it has a
/// bound of its own.
const MOST_BYTES: u64 = 64 << 20;

/// Reads the packets of one answer, and turns what is wrong with them into failures that name the host.
pub(crate) struct Answer {
    host: String,
    bytes: Cell<u64>,
}

impl Answer {
    pub(crate) fn new(host: String) -> Self {
        Self {
            host,
            bytes: Cell::new(0),
        }
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The next packet, as long as the answer keeps within its bound.
    pub(crate) fn packet(&self, body: &mut impl Read) -> Result<Packet, RemoteFailure> {
        let packet = packet::read(body).map_err(|error| self.broken(&error))?;
        // Its length counts, too: lines without content must come to an end as well.
        let length = match &packet {
            Packet::Data(line) => line.len() as u64 + 4,
            _ => 4,
        };
        self.bytes.set(self.bytes.get() + length);
        if self.bytes.get() > MOST_BYTES {
            return Err(RemoteFailure::TooLarge {
                host: self.host.clone(),
                limit: MOST_BYTES,
                unit: "bytes of references and other lines",
            });
        }
        if let Packet::Data(line) = &packet
            && let Some(message) = line.strip_prefix(b"ERR ")
        {
            return Err(RemoteFailure::Reported {
                host: self.host.clone(),
                message: text::line(message),
            });
        }
        Ok(packet)
    }

    pub(crate) fn data(&self, body: &mut impl Read) -> Result<Vec<u8>, RemoteFailure> {
        match self.packet(body)? {
            Packet::Data(line) => Ok(line),
            _ => Err(self.unusable("a line is missing")),
        }
    }

    pub(crate) fn flush(&self, body: &mut impl Read) -> Result<(), RemoteFailure> {
        match self.packet(body)? {
            Packet::Flush => Ok(()),
            _ => Err(self.unusable("a flush is missing")),
        }
    }

    /// An answer that ends too early or stalls is a fault of the network; bytes that mean nothing are not.
    pub(crate) fn broken(&self, error: &std::io::Error) -> RemoteFailure {
        if error.kind() == std::io::ErrorKind::InvalidData {
            self.unusable(&error.to_string())
        } else {
            let detail = format!("the answer ended early: {error}");
            RemoteFailure::Unreachable {
                host: self.host.clone(),
                detail,
            }
        }
    }

    pub(crate) fn unusable(&self, detail: &str) -> RemoteFailure {
        RemoteFailure::Protocol {
            host: self.host.clone(),
            detail: detail.to_owned(),
        }
    }

    pub(crate) fn unsupported(&self, feature: &'static str) -> RemoteFailure {
        RemoteFailure::Unsupported {
            host: self.host.clone(),
            feature,
        }
    }
}

/// `<id|unborn> <name> [symref-target:<name>] [peeled:<id>]`
fn parse_reference(line: &[u8]) -> Option<Advertised> {
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split(' ');
    let id = match words.next()? {
        "unborn" => None,
        hex => Some(ObjectId::from_hex(hex.as_bytes())?),
    };
    let name = words.next()?.to_owned();
    let mut reference = Advertised {
        name,
        id,
        peeled: None,
        target: None,
    };
    for word in words {
        if let Some(target) = word.strip_prefix("symref-target:") {
            reference.target = Some(target.to_owned());
        } else if let Some(hex) = word.strip_prefix("peeled:") {
            reference.peeled = Some(ObjectId::from_hex(hex.as_bytes())?);
        }
    }
    Some(reference)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Credential, HttpClient, HttpFailure, HttpMethod, HttpRequest, HttpResponse};
    use rstest::rstest;
    use std::sync::Arc;

    /// A server whose lists of references never end.
    struct Endless {
        advertisement: &'static str,
        line: Vec<u8>,
    }

    struct Again {
        start: Vec<u8>,
        line: Vec<u8>,
        position: usize,
    }

    impl Read for Again {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let source = if self.start.is_empty() {
                &self.line
            } else {
                &self.start
            };
            let rest = &source[self.position..];
            let count = rest.len().min(buffer.len());
            buffer[..count].copy_from_slice(&rest[..count]);
            self.position += count;
            if self.position == source.len() {
                self.position = 0;
                self.start.clear();
            }
            Ok(count)
        }
    }

    impl HttpClient for Endless {
        fn send(&self, request: HttpRequest<'_>) -> Result<HttpResponse, HttpFailure> {
            let is_discovery = request.method == HttpMethod::Get;
            let mut start = Vec::new();
            if is_discovery {
                for line in self.advertisement.lines() {
                    packet::write_line(&mut start, line);
                }
            }
            let kind = if is_discovery { "advertisement" } else { "result" };
            if self.advertisement.contains("ls-refs") && is_discovery {
                packet::write_flush(&mut start);
            }
            Ok(HttpResponse {
                status: 200,
                headers: vec![(
                    "content-type".to_owned(),
                    format!("application/x-git-upload-pack-{kind}"),
                )],
                body: Box::new(Again {
                    start,
                    line: self.line.clone(),
                    position: 0,
                }),
            })
        }
    }

    const TIP: &str = "1111111111111111111111111111111111111111";

    #[rstest]
    #[case::version_2("version 2\nls-refs\nfetch=shallow")]
    #[case::version_0(
        "1111111111111111111111111111111111111111 refs/heads/main\0 shallow side-band-64k ofs-delta"
    )]
    fn a_list_of_references_without_end_is_given_up(#[case] advertisement: &'static str) {
        let mut line = Vec::new();
        packet::write_line(&mut line, format!("{TIP} refs/heads/{}\n", "x".repeat(60_000)));
        let server = Arc::new(Endless { advertisement, line });
        let url = "http://git.example.org/x".parse().unwrap();
        let remote = Remote::new(url, Credential::None, server);
        let listed = discover(&remote).and_then(|service| list(&remote, &service, &["refs/heads/"]));
        assert_eq!(
            listed.unwrap_err().to_string(),
            "answer of git server git.example.org is too large: more than 67108864 bytes of references and other lines"
        );
    }

    #[test]
    fn lines_without_content_come_to_an_end_too() {
        let answer = Answer::new("git.example.org".to_owned());
        let mut input = Again {
            start: Vec::new(),
            line: b"0004".to_vec(),
            position: 0,
        };
        let error = loop {
            match answer.packet(&mut input) {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(matches!(error, RemoteFailure::TooLarge { .. }), "{error:?}");
    }
}
