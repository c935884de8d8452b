//! The references and capabilities that a server lists before it is asked (gitprotocol-pack, "Reference Discovery").

use super::Advertised;
use super::packet::{self, Packet};
use super::smart::Body;
use super::upload::Answer;
use crate::ObjectId;
use crate::remote::RemoteFailure;

/// Most references that one answer may list.
pub(crate) const MOST_REFERENCES: usize = 1_000_000;

/// What a server lists.
#[derive(Debug, Default)]
pub(crate) struct Advertisement {
    /// The references, and `HEAD` where there is one.
    pub references: Vec<Advertised>,
    pub capabilities: Vec<String>,
}

/// The first line, behind the one with which smart HTTP names the service.
pub(crate) fn first_line(answer: &Answer, body: &mut Body) -> Result<Vec<u8>, RemoteFailure> {
    let line = answer.data(body)?;
    if !line.starts_with(b"# service=") {
        return Ok(line);
    }
    answer.flush(body)?;
    answer.data(body)
}

/// Reads the lines from the first one up to the flush.
pub(crate) fn read(answer: &Answer, first: Vec<u8>, body: &mut Body) -> Result<Advertisement, RemoteFailure> {
    let mut found = Advertisement::default();
    let mut packet = Packet::Data(first);
    while let Packet::Data(line) = packet {
        let mut halves = packet::trim(&line).splitn(2, |byte| *byte == 0);
        let reference = String::from_utf8_lossy(halves.next().unwrap_or_default()).into_owned();
        if let Some(capabilities) = halves.next() {
            let capabilities = String::from_utf8_lossy(capabilities).into_owned();
            found.capabilities = capabilities.split_whitespace().map(str::to_owned).collect();
        }
        let (id, name) = reference.split_once(' ').unwrap_or((&reference, ""));
        let peeled = name.strip_suffix("^{}");
        if name.starts_with("refs/") || name == "HEAD" {
            let id = ObjectId::from_hex(id.as_bytes());
            let id = id.ok_or_else(|| answer.unusable("a reference line cannot be read"))?;
            match (peeled, found.references.last_mut()) {
                (Some(name), Some(last)) if last.name == name => last.peeled = Some(id),
                (Some(_), _) => {}
                (None, _) => found.references.push(Advertised {
                    name: name.to_owned(),
                    id: Some(id),
                    peeled: None,
                    target: None,
                }),
            }
        }
        if found.references.len() > MOST_REFERENCES {
            return Err(RemoteFailure::TooLarge {
                host: answer.host().to_owned(),
                limit: MOST_REFERENCES as u64,
                unit: "references",
            });
        }
        packet = answer.packet(body)?;
    }
    let head = found
        .capabilities
        .iter()
        .find_map(|capability| capability.strip_prefix("symref=HEAD:"))
        .map(str::to_owned);
    if let Some(reference) = found
        .references
        .iter_mut()
        .find(|reference| reference.name == "HEAD")
    {
        reference.target = head;
    }
    let other_format = |capability: &String| {
        capability
            .strip_prefix("object-format=")
            .is_some_and(|format| format != "sha1")
    };
    if found.capabilities.iter().any(other_format) {
        return Err(answer.unsupported("repositories in the SHA-1 format"));
    }
    Ok(found)
}
