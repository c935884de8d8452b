//! Writing to a server: receive-pack, the protocol behind a push (gitprotocol-pack, "Pushing Data To a Server").

use super::advertisement::{self, Advertisement};
use super::link::{self, Link};
use super::packet::{self, Packet, SideBand};
use super::smart::{PostFailure, Service};
use super::upload::Answer;
use super::{AGENT, Advertised};
use crate::remote::{Remote, RemoteFailure};
use crate::{ObjectId, text};
use std::io::Read;

/// What a server accepts, remembered between pushes to save a round trip.
#[derive(Debug, Clone)]
pub(crate) struct ReceiveService {
    link: Link,
    capabilities: Vec<String>,
}

/// One change of a reference; an all-zero id means that the reference does not exist before or after.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    pub name: String,
    pub old: ObjectId,
    pub new: ObjectId,
}

/// What the server says it did.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// `None` when the pack was taken in, else the server's reason.
    pub unpack_error: Option<String>,
    /// For each reference that the server reports: `None` when it was changed, else the reason.
    pub references: Vec<(String, Option<String>)>,
    /// What hooks and the server print.
    pub messages: Vec<String>,
}

/// Asks a server what it accepts, and for its references.
pub(crate) fn discover(remote: &Remote) -> Result<(ReceiveService, Vec<Advertised>), RemoteFailure> {
    let (link, mut body) = link::discover(remote, Service::ReceivePack)?;
    let answer = Answer::new(link.host());
    let line = advertisement::first_line(&answer, &mut body)?;
    let Advertisement {
        references,
        capabilities,
    } = advertisement::read(&answer, line, &mut body)?;
    let service = ReceiveService { link, capabilities };
    if !service.has("report-status") && !service.has("report-status-v2") {
        return Err(answer.unsupported("a report of what a push did"));
    }
    Ok((service, references))
}

/// Sends the commands and the pack in one request, and reads the report.
pub(crate) fn push(
    remote: &Remote,
    service: &ReceiveService,
    commands: &[Command],
    atomic: bool,
    options: &[String],
    pack: &[u8],
) -> Result<Report, PostFailure> {
    let mut body = encode_commands(service, commands, atomic, options);
    body.extend_from_slice(pack);
    let mut answer = service.link.post(remote, Service::ReceivePack, body)?;
    read_report(service, &mut answer)
}

impl ReceiveService {
    /// Whether it can be asked again later.
    pub(crate) fn is_lasting(&self) -> bool {
        self.link.is_lasting()
    }

    pub(crate) fn has(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|known| known == capability)
    }
}

fn encode_commands(
    service: &ReceiveService,
    commands: &[Command],
    atomic: bool,
    options: &[String],
) -> Vec<u8> {
    let mut ours: Vec<&str> = Vec::new();
    ours.extend(
        ["report-status-v2", "report-status"]
            .into_iter()
            .find(|name| service.has(name)),
    );
    ours.extend(
        ["side-band-64k", "quiet"]
            .into_iter()
            .filter(|name| service.has(name)),
    );
    if atomic {
        ours.push("atomic");
    }
    if !options.is_empty() {
        ours.push("push-options");
    }
    ours.extend(Some("object-format=sha1").filter(|name| service.has(name)));
    ours.push(AGENT);
    let mut body = Vec::new();
    let mut capabilities = format!("\0 {}", ours.join(" "));
    for Command { name, old, new } in commands {
        packet::write_line(&mut body, format!("{old} {new} {name}{capabilities}"));
        capabilities.clear();
    }
    packet::write_flush(&mut body);
    if !options.is_empty() {
        for option in options {
            packet::write_line(&mut body, option);
        }
        packet::write_flush(&mut body);
    }
    body
}

fn read_report(service: &ReceiveService, body: &mut impl Read) -> Result<Report, PostFailure> {
    let answer = Answer::new(service.link.host());
    // The server got everything; without a complete report nobody knows what it did.
    let lost = |failure| PostFailure {
        failure,
        maybe_processed: true,
    };
    if !service.has("side-band-64k") {
        return parse_report(&answer, body).map_err(lost);
    }
    let mut band = SideBand::new(body);
    let mut lines = Vec::new();
    let outcome = band.by_ref().take(1 << 20).read_to_end(&mut lines);
    let messages = text::lines(band.messages());
    if let Some(fatal) = band.fatal() {
        let message = text::line(fatal);
        return Err(lost(RemoteFailure::Reported {
            host: service.link.host(),
            message,
        }));
    }
    outcome.map_err(|error| lost(answer.broken(&error)))?;
    let mut report = parse_report(&answer, &mut lines.as_slice()).map_err(lost)?;
    report.messages = messages;
    Ok(report)
}

fn parse_report(answer: &Answer, input: &mut impl Read) -> Result<Report, RemoteFailure> {
    let mut report = Report::default();
    let first = answer.data(input)?;
    match packet::trim(&first).strip_prefix(b"unpack ") {
        Some(b"ok") => {}
        Some(reason) => report.unpack_error = Some(text::line(reason)),
        None => return Err(answer.unusable("its report does not start with `unpack`")),
    }
    while let Packet::Data(line) = answer.packet(input)? {
        let line = String::from_utf8_lossy(packet::trim(&line)).into_owned();
        let mut words = line.splitn(3, ' ');
        match (words.next(), words.next(), words.next()) {
            (Some("ok"), Some(name), _) => report.references.push((name.to_owned(), None)),
            (Some("ng"), Some(name), reason) => {
                let reason = text::line(reason.unwrap_or("no reason given").as_bytes());
                report.references.push((name.to_owned(), Some(reason)));
            }
            // `option …` of report-status-v2 tells what a proc-receive hook did to the line before.
            _ => {}
        }
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn service(capabilities: &str) -> ReceiveService {
        ReceiveService {
            link: Link::Http {
                base: "http://git.example.com/x".to_owned(),
            },
            capabilities: capabilities.split(' ').map(str::to_owned).collect(),
        }
    }

    fn lines(lines: &[&str]) -> Vec<u8> {
        let mut out = Vec::new();
        for line in lines {
            packet::write_line(&mut out, line);
        }
        packet::write_flush(&mut out);
        out
    }

    #[test]
    fn only_capabilities_that_the_server_listed_are_used() {
        let commands = [Command {
            name: "refs/heads/x".into(),
            old: ObjectId::NULL,
            new: ObjectId::EMPTY_TREE,
        }];
        let body = encode_commands(&service("report-status delete-refs"), &commands, false, &[]);
        let text = String::from_utf8(body).unwrap();
        assert!(text.contains("\0 report-status agent=fluxbot/"), "{text}");
        assert!(!text.contains("side-band"), "{text}");
    }

    #[test]
    fn a_report_names_each_reference_and_its_reason() {
        let input = lines(&[
            "unpack ok\n",
            "ok refs/heads/a\n",
            "option refname refs/heads/b\n",
            "ng refs/heads/c pre-receive hook declined\n",
        ]);
        let report = read_report(&service("report-status"), &mut input.as_slice())
            .ok()
            .unwrap();
        let expected = [
            ("refs/heads/a".to_owned(), None),
            (
                "refs/heads/c".to_owned(),
                Some("pre-receive hook declined".to_owned()),
            ),
        ];
        assert_eq!(
            (report.unpack_error, report.references.as_slice()),
            (None, &expected[..])
        );
    }

    #[test]
    fn a_report_that_ends_early_leaves_the_outcome_open() {
        let mut input = lines(&["unpack ok\n", "ok refs/heads/a\n"]);
        input.truncate(input.len() - 6);
        let failure = read_report(&service("report-status"), &mut input.as_slice())
            .err()
            .unwrap();
        assert!(failure.maybe_processed);
    }

    proptest! {
        #[test]
        fn an_arbitrary_report_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            read_report(&service("report-status side-band-64k"), &mut bytes.as_slice()).ok();
            read_report(&service("report-status"), &mut bytes.as_slice()).ok();
        }
    }
}
