//! Pushing: compare-and-swap on the old id, with only the new objects.

use super::{Mirror, RemoteRef, State, disk};
use crate::commit::encode_pack;
use crate::remote::RemoteFailure;
use crate::wire::receive::{self, Command, ReceiveService, Report};
use crate::wire::smart::PostFailure;
use crate::{ObjectId, PreparedCommit, RefName, RefQuery, pack};
use std::sync::atomic::Ordering;

/// Longest push option, so that it fits a packet line with room to spare.
const LONGEST_OPTION: usize = 16 * 1024;

/// One reference that a push moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefUpdate {
    /// Its full name.
    pub name: RefName,
    /// The value that it must have; `None` if it must not exist.
    pub old: Option<ObjectId>,
    /// The value that it gets; `None` to delete it.
    pub new: Option<ObjectId>,
}

/// How to push.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PushOptions {
    /// All references move or none does; refused when the server cannot do it.
    pub atomic: bool,
    /// Texts for the server's hooks (`git push -o`); refused when the server does not take them.
    pub push_options: Vec<String>,
}

/// What a push did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The references that moved: all that were asked for.
    pub updates: Vec<RefUpdate>,
    /// What the server printed, such as a link to open a merge request; made safe to show, at most 8 KiB.
    pub messages: Vec<String>,
}

/// A push did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// Someone else moved the reference; nothing was changed. Fetch, apply the change again, push again.
    #[error("remote reference {name} moved to {}, expected {}", shown(*actual), shown(*expected))]
    Stale {
        /// The reference.
        name: RefName,
        /// The value that it should have had.
        expected: Option<ObjectId>,
        /// The value that it has.
        actual: Option<ObjectId>,
        /// Whether the objects were sent before it showed.
        sent: bool,
    },
    /// The server refused, although the reference has the expected value: a hook, or a protected branch.
    #[error("push to {name} rejected: {reason}{}", joined(messages))]
    Rejected {
        /// The reference.
        name: RefName,
        /// The server's reason, made safe to show.
        reason: String,
        /// What the server printed, made safe to show, at most 8 KiB.
        messages: Vec<String>,
    },
    /// Without `atomic`, some references moved and another did not.
    #[error("push moved {} of the references, but {name} was rejected: {reason}", accepted.len())]
    Partial {
        /// The references that moved.
        accepted: Vec<RefName>,
        /// One that did not.
        name: RefName,
        /// The server's reason, made safe to show.
        reason: String,
        /// What the server printed, made safe to show.
        messages: Vec<String>,
    },
    /// The server did not take the objects.
    #[error(
        "push rejected: the server cannot take the objects: {reason}{}",
        joined(messages)
    )]
    Unpack {
        /// The server's reason, made safe to show.
        reason: String,
        /// What the server printed, made safe to show.
        messages: Vec<String>,
    },
    /// The push was sent, and nobody knows what became of it: fetch, and compare. Never push again blindly.
    #[error("the answer to a push was lost: {failure}")]
    AnswerLost {
        /// What happened.
        #[source]
        failure: RemoteFailure,
    },
    /// The server lacks what was asked for; nothing was sent.
    #[error("git server does not support {capability}")]
    Unsupported {
        /// The capability.
        capability: &'static str,
    },
    /// The request makes no sense; nothing was sent.
    #[error("push is not possible: {problem}")]
    Invalid {
        /// What is wrong.
        problem: &'static str,
    },
    /// The remote was not reached or did not serve us; nothing was changed.
    #[error(transparent)]
    Remote(#[from] RemoteFailure),
    /// The objects cannot be packed.
    #[error("the objects to push cannot be packed")]
    Encode(#[source] std::io::Error),
}

impl Mirror {
    /// Moves references of the remote from old to new values, and sends the objects of `commits`, oldest first.
    ///
    /// The pack holds only the new objects, trees and files as differences to those of the parent; a server that cannot
    /// use it gets them complete once more. The server compares the old values itself, so a race is never lost silently.
    /// What was pushed is stored in the mirror before its reference moves, and is not downloaded by the next fetch.
    pub fn push(
        &self,
        updates: &[RefUpdate],
        commits: &[&PreparedCommit],
        options: &PushOptions,
    ) -> Result<Pushed, PushError> {
        check(updates, options)?;
        let mut state = self.write();
        let commands: Vec<Command> = updates.iter().map(command).collect();
        let report = if self.is_local() {
            if !options.push_options.is_empty() {
                return Err(PushError::Unsupported {
                    capability: "push options",
                });
            }
            self.stale(&mut state, updates)?;
            self.open_local()?.push(&commands, commits)?
        } else {
            let report = self.push_over_network(&mut state, updates, &commands, commits, options);
            state.release();
            report?
        };
        let judged = self.judge(&mut state, updates, &report);
        // To judge may have listed the references again, on a session that does not last.
        state.release();
        judged?;
        if self.keep(&mut state, updates, commits).is_err() {
            // The push is done; what it brought will be fetched instead.
            self.damaged.store(true, Ordering::Relaxed);
        }
        Ok(Pushed {
            updates: updates.to_vec(),
            messages: report.messages,
        })
    }

    fn push_over_network(
        &self,
        state: &mut State,
        updates: &[RefUpdate],
        commands: &[Command],
        commits: &[&PreparedCommit],
        options: &PushOptions,
    ) -> Result<Report, PushError> {
        let remembered = state.receive.take();
        let was_remembered = remembered.is_some();
        let service = match remembered {
            Some(service) => service,
            None => self.discover_receive(updates)?,
        };
        let mut outcome = self.send(&service, updates, commands, commits, options);
        let service = if was_remembered
            && matches!(&outcome, Err(PushError::Remote(failure)) if may_have_moved(failure))
        {
            // The server may have moved or changed since; nothing was done yet, so the long way is safe.
            let service = self.discover_receive(updates)?;
            outcome = self.send(&service, updates, commands, commits, options);
            service
        } else {
            service
        };
        if outcome.is_ok() {
            state.receive = Some(service);
        }
        outcome
    }

    /// Asks the server what it accepts, and compares the references that it lists.
    fn discover_receive(&self, updates: &[RefUpdate]) -> Result<ReceiveService, PushError> {
        let (service, advertised) = receive::discover(&self.remote)?;
        for update in updates {
            let found = advertised
                .iter()
                .find(|reference| reference.name == update.name.as_str());
            let actual = found.and_then(|reference| reference.id);
            if actual != update.old {
                return Err(PushError::Stale {
                    name: update.name.clone(),
                    expected: update.old,
                    actual,
                    sent: false,
                });
            }
        }
        Ok(service)
    }

    fn send(
        &self,
        service: &ReceiveService,
        updates: &[RefUpdate],
        commands: &[Command],
        commits: &[&PreparedCommit],
        options: &PushOptions,
    ) -> Result<Report, PushError> {
        for (wanted, capability) in [
            (options.atomic, "atomic"),
            (!options.push_options.is_empty(), "push-options"),
            (
                commands.iter().any(|command| command.new.is_null()),
                "delete-refs",
            ),
        ] {
            if wanted && !service.has(capability) {
                return Err(PushError::Unsupported { capability });
            }
        }
        let needs_pack = commands.iter().any(|command| !command.new.is_null());
        let send = |service: &ReceiveService, thin: bool| {
            let pack = if needs_pack {
                encode_pack(commits, thin).map_err(PushError::Encode)?
            } else {
                Vec::new()
            };
            receive::push(
                &self.remote,
                service,
                commands,
                options.atomic,
                &options.push_options,
                &pack,
            )
            .map_err(
                |PostFailure {
                     failure,
                     maybe_processed,
                 }| {
                    if maybe_processed {
                        PushError::AnswerLost { failure }
                    } else {
                        PushError::Remote(failure)
                    }
                },
            )
        };
        let thin = !service.has("no-thin");
        let report = send(service, thin)?;
        if thin && report.unpack_error.is_some() {
            if service.is_lasting() {
                return send(service, false);
            }
            return send(&self.discover_receive(updates)?, false);
        }
        Ok(report)
    }

    /// Tells a lost race from a refusal: not by the server's words, but by the value that the reference has now.
    fn judge(&self, state: &mut State, updates: &[RefUpdate], report: &Report) -> Result<(), PushError> {
        let reason_of = |update: &RefUpdate| {
            let reported = report
                .references
                .iter()
                .find(|(name, _)| name == update.name.as_str());
            match reported {
                Some((_, None)) if report.unpack_error.is_none() => None,
                Some((_, Some(reason))) => Some(reason.clone()),
                _ => Some(
                    report
                        .unpack_error
                        .clone()
                        .unwrap_or_else(|| "the server does not report on it".to_owned()),
                ),
            }
        };
        let Some((refused, reason)) = updates
            .iter()
            .find_map(|update| Some((update, reason_of(update)?)))
        else {
            return Ok(());
        };
        let messages = report.messages.clone();
        let accepted: Vec<RefName> = updates
            .iter()
            .filter(|update| reason_of(update).is_none())
            .map(|update| update.name.clone())
            .collect();
        self.stale(state, updates.iter().filter(|update| reason_of(update).is_some()))?;
        let name = refused.name.clone();
        Err(if !accepted.is_empty() {
            PushError::Partial {
                accepted,
                name,
                reason,
                messages,
            }
        } else if let Some(reason) = report.unpack_error.clone() {
            PushError::Unpack { reason, messages }
        } else {
            PushError::Rejected {
                name,
                reason,
                messages,
            }
        })
    }

    /// Fails when a reference does not have its old value.
    fn stale<'a>(
        &self,
        state: &mut State,
        updates: impl IntoIterator<Item = &'a RefUpdate>,
    ) -> Result<(), PushError> {
        let updates: Vec<RefUpdate> = updates.into_iter().cloned().collect();
        // When the remote cannot be asked, the refusal is all that is known.
        let Ok(values) = self.values(state, &updates) else {
            return Ok(());
        };
        for (update, actual) in updates.into_iter().zip(values) {
            if actual != update.old {
                return Err(PushError::Stale {
                    name: update.name,
                    expected: update.old,
                    actual,
                    sent: true,
                });
            }
        }
        Ok(())
    }

    fn values(
        &self,
        state: &mut State,
        updates: &[RefUpdate],
    ) -> Result<Vec<Option<ObjectId>>, RemoteFailure> {
        let queries: Vec<RefQuery> = updates
            .iter()
            .map(|update| RefQuery::Name(update.name.clone()))
            .collect();
        let listing = self.listing(state, &queries)?;
        Ok(updates
            .iter()
            .map(|update| listing.references.get(&update.name).map(|found| found.id))
            .collect())
    }

    /// Stores what was pushed as if it had been fetched.
    fn keep(
        &self,
        state: &mut State,
        updates: &[RefUpdate],
        commits: &[&PreparedCommit],
    ) -> std::io::Result<()> {
        if !commits.is_empty() {
            let objects = encode_pack(commits, true)?;
            let directory = disk::pack_directory(&self.directory);
            let pack = pack::index(
                &mut objects.as_slice(),
                &directory,
                &state.packs,
                u64::MAX,
                u64::MAX,
            )
            .map_err(std::io::Error::from)?;
            if let Some(pack) = pack {
                state.packs = state.packs.with(pack);
            }
        }
        let mut references = state.references.clone();
        for update in updates {
            match update.new {
                Some(id) if state.packs.contains(id) => {
                    references.insert(
                        update.name.clone(),
                        RemoteRef {
                            name: update.name.clone(),
                            id,
                            peeled: None,
                        },
                    );
                }
                _ => {
                    references.remove(&update.name);
                }
            }
        }
        self.store_references(state, references)
    }
}

fn command(update: &RefUpdate) -> Command {
    Command {
        name: update.name.as_str().to_owned(),
        old: update.old.unwrap_or(ObjectId::NULL),
        new: update.new.unwrap_or(ObjectId::NULL),
    }
}

fn check(updates: &[RefUpdate], options: &PushOptions) -> Result<(), PushError> {
    let invalid = |problem| Err(PushError::Invalid { problem });
    if updates.is_empty() {
        return invalid("no reference is named");
    }
    if updates
        .iter()
        .any(|update| update.old.is_none() && update.new.is_none())
    {
        return invalid("a reference that does not exist cannot be deleted");
    }
    let mut names: Vec<&RefName> = updates.iter().map(|update| &update.name).collect();
    names.sort();
    if names.windows(2).any(|pair| pair.first() == pair.last()) {
        return invalid("a reference is named twice");
    }
    for option in &options.push_options {
        if option.len() > LONGEST_OPTION || option.contains(['\n', '\0']) {
            return invalid("a push option contains a line feed or NUL, or is longer than 16 KiB");
        }
    }
    Ok(())
}

/// Whether the failure may come from what was remembered about the server.
fn may_have_moved(failure: &RemoteFailure) -> bool {
    matches!(
        failure,
        RemoteFailure::NotFound { .. }
            | RemoteFailure::Protocol { .. }
            | RemoteFailure::RedirectRefused { .. }
    )
}

fn shown(id: Option<ObjectId>) -> String {
    id.map_or_else(|| "nothing".to_owned(), |id| id.short(12))
}

fn joined(messages: &[String]) -> String {
    messages
        .iter()
        .map(|message| format!("; {message}"))
        .collect::<Vec<_>>()
        .concat()
}
