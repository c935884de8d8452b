//! The way to one service of a server: requests over HTTP, or one command over SSH that answers as long as it runs.

use super::smart::{self, Body, PostFailure, Service};
use crate::remote::url::Location;
use crate::remote::{Remote, RemoteFailure};
use crate::ssh::{SshClient, SshSession};
use std::fmt;
use std::io::{self, BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};

/// The way to one service.
#[derive(Clone)]
pub(crate) enum Link {
    Http {
        /// The base URL after redirects.
        base: String,
    },
    Ssh {
        session: Arc<Mutex<SshSession>>,
        host: String,
    },
}

/// What a session says, read by whoever needs it next.
struct SessionReader(Arc<Mutex<SshSession>>);

/// Opens a service. Returns the way to it, and its advertisement.
pub(crate) fn discover(remote: &Remote, service: Service) -> Result<(Link, Body), RemoteFailure> {
    match (remote.url().location(), remote.ssh()) {
        (Location::Http(base), _) => {
            let (base, body) = smart::discover(remote, base, service)?;
            Ok((Link::Http { base }, body))
        }
        (Location::Ssh(_), Some(client)) => start(client, service),
        _ => Err(RemoteFailure::Unsupported {
            host: remote.url().to_string(),
            feature: "this way to reach it",
        }),
    }
}

/// Runs the command of a service and waits for its first words.
///
/// On a connection that was kept from before, silence only says that the server has closed it meanwhile.
fn start(client: &SshClient, service: Service) -> Result<(Link, Body), RemoteFailure> {
    let version_2 = service == Service::UploadPack;
    let mut session = client.run(service.name(), version_2)?;
    let mut spoke = session.wait_for_output();
    if !matches!(spoke, Ok(true)) && !session.is_first() && session.refusal(service.action()).is_none() {
        session = client.run_anew(service.name(), version_2)?;
        spoke = session.wait_for_output();
    }
    let host = session.host();
    let detail = match spoke {
        Ok(true) => {
            let session = Arc::new(Mutex::new(session));
            let body = body(&session);
            return Ok((Link::Ssh { session, host }, body));
        }
        Ok(false) => match session.refusal(service.action()) {
            Some(refusal) => return Err(refusal),
            None => "it closed the session without a word".to_owned(),
        },
        Err(error) => error.to_string(),
    };
    Err(RemoteFailure::Unreachable { host, detail })
}

impl Link {
    /// Host, and port where it is not the default.
    pub(crate) fn host(&self) -> String {
        match self {
            Self::Http { base } => smart::host(base),
            Self::Ssh { host, .. } => host.clone(),
        }
    }

    /// Whether what the service said about itself holds for later requests, too; a command over SSH ends.
    pub(crate) fn is_lasting(&self) -> bool {
        matches!(self, Self::Http { .. })
    }

    /// Sends a request and returns the stream of the answer.
    pub(crate) fn post(
        &self,
        remote: &Remote,
        service: Service,
        request: Vec<u8>,
    ) -> Result<Body, PostFailure> {
        match self {
            Self::Http { base } => smart::post(remote, base, service, request),
            Self::Ssh { session, host } => {
                let sent = session
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .send(&request);
                sent.map_err(|error| PostFailure {
                    failure: RemoteFailure::Unreachable {
                        host: host.clone(),
                        detail: error.to_string(),
                    },
                    maybe_processed: true,
                })?;
                Ok(body(session))
            }
        }
    }
}

fn body(session: &Arc<Mutex<SshSession>>) -> Body {
    // After the end of an answer the server is silent until it is asked again, so nothing of the next one is swallowed.
    BufReader::new(Box::new(SessionReader(Arc::clone(session))))
}

impl Read for SessionReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).read(buffer)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Link({})", self.host())
    }
}
