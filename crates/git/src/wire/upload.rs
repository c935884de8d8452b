//! Reading from a server: upload-pack in protocol version 2 (gitprotocol-v2).

use super::packet::{self, Packet, SideBand};
use super::smart::{self, Body, Service};
use super::{AGENT, Advertised};
use crate::ObjectId;
use crate::remote::{Remote, RemoteFailure};
use crate::text;
use std::io::Read;

/// Most references that one answer may list.
const MOST_REFERENCES: usize = 1_000_000;

/// What a server can do, remembered between fetches to save a round trip.
#[derive(Debug, Clone)]
pub(crate) struct UploadService {
    /// The base URL after redirects.
    pub base: String,
    reports_unborn: bool,
    names_object_format: bool,
}

/// What to fetch, and what we have.
#[derive(Debug, Default)]
pub(crate) struct FetchRequest {
    pub wants: Vec<ObjectId>,
    pub haves: Vec<ObjectId>,
    pub shallow: Vec<ObjectId>,
}

/// Asks a server what it can do.
pub(crate) fn discover(remote: &Remote, base: &str) -> Result<UploadService, RemoteFailure> {
    let (base, mut body) = smart::discover(remote, base, Service::UploadPack)?;
    let answer = Answer::new(&base);
    let mut line = answer.data(&mut body)?;
    if line.starts_with(b"# service=") {
        answer.flush(&mut body)?;
        line = answer.data(&mut body)?;
    }
    if packet::trim(&line) != b"version 2" {
        return Err(RemoteFailure::Unsupported {
            host: smart::host(&base),
            feature: "Git protocol version 2",
        });
    }
    let mut service = UploadService {
        base: base.clone(),
        reports_unborn: false,
        names_object_format: false,
    };
    let (mut lists, mut shallow) = (false, false);
    while let Packet::Data(line) = answer.packet(&mut body)? {
        let line = String::from_utf8_lossy(packet::trim(&line)).into_owned();
        let (name, value) = line.split_once('=').unwrap_or((&line, ""));
        let has = |feature: &str| value.split(' ').any(|word| word == feature);
        match name {
            "ls-refs" => {
                lists = true;
                service.reports_unborn = has("unborn");
            }
            "fetch" => shallow = has("shallow"),
            "object-format" if value != "sha1" => {
                return Err(answer.unsupported("repositories in the SHA-1 format"));
            }
            "object-format" => service.names_object_format = true,
            _ => {}
        }
    }
    if !lists || !shallow {
        return Err(answer.unsupported("listing references and shallow fetches"));
    }
    Ok(service)
}

/// Lists the references below some prefixes.
pub(crate) fn list(
    remote: &Remote,
    service: &UploadService,
    prefixes: &[&str],
) -> Result<Vec<Advertised>, RemoteFailure> {
    let mut request = service.command("ls-refs");
    packet::write_line(&mut request, "peel\n");
    packet::write_line(&mut request, "symrefs\n");
    if service.reports_unborn {
        packet::write_line(&mut request, "unborn\n");
    }
    for prefix in prefixes {
        packet::write_line(&mut request, format!("ref-prefix {prefix}\n"));
    }
    packet::write_flush(&mut request);
    let mut body = service.post(remote, request)?;
    let answer = Answer::new(&service.base);
    let mut references = Vec::new();
    while let Packet::Data(line) = answer.packet(&mut body)? {
        if references.len() >= MOST_REFERENCES {
            let host = smart::host(&service.base);
            return Err(RemoteFailure::TooLarge {
                host,
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
    let answer = Answer::new(&service.base);
    loop {
        let section = answer.data(&mut body)?;
        if packet::trim(&section) == b"packfile" {
            return Ok(SideBand::new(body));
        }
        // What is shallow follows from the objects themselves, so the other sections tell nothing new.
        while let Packet::Data(_) = answer.packet(&mut body)? {}
    }
}

impl UploadService {
    fn command(&self, name: &str) -> Vec<u8> {
        let mut request = Vec::new();
        packet::write_line(&mut request, format!("command={name}\n"));
        packet::write_line(&mut request, AGENT);
        if self.names_object_format {
            packet::write_line(&mut request, "object-format=sha1");
        }
        packet::write_delimiter(&mut request);
        request
    }

    fn post(&self, remote: &Remote, request: Vec<u8>) -> Result<Body, RemoteFailure> {
        smart::post(remote, &self.base, Service::UploadPack, request).map_err(|post| post.failure)
    }
}

/// Reads the packets of one answer, and turns what is wrong with them into failures that name the host.
pub(crate) struct Answer<'a> {
    base: &'a str,
}

impl<'a> Answer<'a> {
    pub(crate) fn new(base: &'a str) -> Self {
        Self { base }
    }

    pub(crate) fn packet(&self, body: &mut impl Read) -> Result<Packet, RemoteFailure> {
        let packet = packet::read(body).map_err(|error| self.broken(&error))?;
        if let Packet::Data(line) = &packet
            && let Some(message) = line.strip_prefix(b"ERR ")
        {
            return Err(RemoteFailure::Reported {
                host: smart::host(self.base),
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
                host: smart::host(self.base),
                detail,
            }
        }
    }

    pub(crate) fn unusable(&self, detail: &str) -> RemoteFailure {
        RemoteFailure::Protocol {
            host: smart::host(self.base),
            detail: detail.to_owned(),
        }
    }

    fn unsupported(&self, feature: &'static str) -> RemoteFailure {
        RemoteFailure::Unsupported {
            host: smart::host(self.base),
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
