//! A remote that is a repository of this machine: read and written in the process.

use super::walk::{self, Source as _};
use crate::commit::encode_pack;
use crate::pack::encode::{self, EntryToWrite};
use crate::pack::{self, Object, Packs};
use crate::remote::{RemoteFailure, RemoteUrl};
use crate::wire::Advertised;
use crate::wire::receive::{Command, Report};
use crate::{ObjectId, PreparedCommit};
use gix::bstr::ByteSlice;
use gix::refs::transaction::{Change, LogChange, PreviousValue, RefEdit, RefLog};
use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::Path;

/// Hooks that `git receive-pack` would run, and that could refuse a push.
const HOOKS: [&str; 6] = [
    "pre-receive",
    "update",
    "post-receive",
    "post-update",
    "reference-transaction",
    "proc-receive",
];

/// An opened repository.
pub(crate) struct LocalRepository {
    repository: gix::Repository,
    path: String,
}

/// Opens a repository without any configuration but its own, and without the environment.
pub(crate) fn open(path: &Path) -> Result<gix::Repository, String> {
    let options = gix::open::Options::isolated()
        // Trust in the owner of a directory matters for configuration that runs programs; none of it is honoured here.
        .with(gix::sec::Trust::Full)
        .object_store_slots(gix::odb::store::init::Slots::Given(512));
    let mut repository: gix::Repository = gix::open_opts(path, options).map_err(|error| error.to_string())?;
    repository.object_cache_size_if_unset(4 << 20);
    Ok(repository)
}

impl LocalRepository {
    pub(super) fn open(url: &RemoteUrl) -> Result<Self, RemoteFailure> {
        let path = url.path().map(Path::to_owned).unwrap_or_default();
        let failure = |detail| RemoteFailure::Local {
            path: path.display().to_string(),
            detail,
        };
        let repository = open(&path).map_err(failure)?;
        Ok(Self {
            repository,
            path: path.display().to_string(),
        })
    }

    pub(super) fn list(&self) -> Result<Vec<Advertised>, RemoteFailure> {
        let mut listed = Vec::new();
        let head = self.repository.head().map_err(|error| self.failure(&error))?;
        listed.push(Advertised {
            name: "HEAD".to_owned(),
            id: head.id().map(|id| ObjectId::from_gix(&id)),
            peeled: None,
            target: head.referent_name().map(|name| name.as_bstr().to_string()),
        });
        let platform = self
            .repository
            .references()
            .map_err(|error| self.failure(&error))?;
        for reference in platform.all().map_err(|error| self.failure(&error))? {
            let mut reference = reference.map_err(|error| self.failure_text(error.to_string()))?;
            let Some(id) = reference.try_id().map(gix::Id::detach) else {
                continue;
            };
            // As in Git, a reference that leads to nothing does not hide the others.
            let Ok(peeled) = reference.peel_to_id().map(gix::Id::detach) else {
                continue;
            };
            listed.push(Advertised {
                name: reference.name().as_bstr().to_string(),
                id: Some(ObjectId::from_gix(&id)),
                peeled: (peeled != id).then(|| ObjectId::from_gix(&peeled)),
                target: None,
            });
        }
        Ok(listed)
    }

    /// A pack with all objects that some commits and tags lead to, parents left out, and that `known` lacks.
    pub(super) fn pack(
        &self,
        wants: &BTreeSet<ObjectId>,
        known: &Packs,
    ) -> Result<impl Read + use<>, RemoteFailure> {
        let ids = walk::below(self, wants.iter().copied(), |id| known.contains(id))?;
        let storage = |error: io::Error| self.failure_text(error.to_string());
        let mut file = temporary_file().map_err(storage)?;
        let count = u32::try_from(ids.len()).map_err(|error| self.failure_text(error.to_string()))?;
        let entries = ids.iter().map(|id| {
            self.read(*id)
                .map(EntryToWrite::Owned)
                .map_err(|error| io::Error::other(error.to_string()))
        });
        encode::write(io::BufWriter::new(&mut file), count, entries).map_err(storage)?;
        io::Seek::rewind(&mut file).map_err(storage)?;
        Ok(io::BufReader::new(file))
    }

    /// Stores objects and moves references from their old values to new ones, all or none.
    pub(super) fn push(
        &self,
        commands: &[Command],
        commits: &[&PreparedCommit],
    ) -> Result<Report, RemoteFailure> {
        self.check_hooks()?;
        self.check_not_checked_out(commands)?;
        let objects = encode_pack(commits, false).map_err(|error| self.failure_text(error.to_string()))?;
        let target = self.repository.common_dir().join("objects/pack");
        std::fs::create_dir_all(&target).map_err(|error| self.failure_text(error.to_string()))?;
        let nothing = Packs::new(usize::MAX);
        let stored = pack::index(&mut objects.as_slice(), &target, &nothing, u64::MAX, u64::MAX)
            .map_err(io::Error::from)
            .map_err(|error| self.failure_text(format!("objects cannot be stored: {error}")))?;
        if let Some(pack) = stored {
            pack.publish()
                .map_err(|error| self.failure_text(error.to_string()))?;
        }
        let mut report = Report::default();
        let edits: Result<Vec<RefEdit>, String> =
            commands.iter().map(|command| edit(command, "push")).collect();
        let edits = edits.map_err(|detail| self.failure_text(detail))?;
        let committer = gix::actor::SignatureRef {
            name: b"fluxbot".as_bstr(),
            email: b"".as_bstr(),
            time: "0 +0000",
        };
        let outcome = self.repository.edit_references_as(edits, Some(committer));
        for command in commands {
            let refused = outcome.as_ref().err().map(|error| self.refusal(command, error));
            report.references.push((command.name.clone(), refused));
        }
        Ok(report)
    }

    /// Why a reference was not changed. A lock of somebody who may still be at work is not broken, as Git does not break it.
    fn refusal(&self, command: &Command, error: &impl std::fmt::Display) -> String {
        let lock = self
            .repository
            .common_dir()
            .join(format!("{}.lock", command.name));
        if !lock.exists() {
            return error.to_string();
        }
        format!(
            "{} is there: another program changes the reference, or was ended in the middle of it; remove the file when none is running",
            lock.display()
        )
    }

    fn check_hooks(&self) -> Result<(), RemoteFailure> {
        let config = self.repository.config_snapshot();
        let directory = config.string("core.hooksPath").map_or_else(
            || self.repository.common_dir().join("hooks"),
            |path| Path::new(&path.to_string()).to_owned(),
        );
        match HOOKS.into_iter().find(|hook| is_executable(&directory.join(hook))) {
            Some(hook) => Err(self.failure_text(format!(
                "its hook {hook} would be skipped, as hooks are not run here: push over HTTP, or remove the hook"
            ))),
            None => Ok(()),
        }
    }

    fn check_not_checked_out(&self, commands: &[Command]) -> Result<(), RemoteFailure> {
        if self.repository.is_bare() {
            return Ok(());
        }
        let head = self
            .repository
            .head_name()
            .map_err(|error| self.failure(&error))?;
        let head = head.map(|name| name.as_bstr().to_string());
        match commands
            .iter()
            .find(|command| Some(&command.name) == head.as_ref())
        {
            Some(command) => Err(self.failure_text(format!(
                "{} is checked out there: its files would no longer match",
                command.name
            ))),
            None => Ok(()),
        }
    }

    fn failure(&self, error: &gix::Error) -> RemoteFailure {
        self.failure_text(error.to_string())
    }

    fn failure_text(&self, detail: String) -> RemoteFailure {
        RemoteFailure::Local {
            path: self.path.clone(),
            detail,
        }
    }
}

impl walk::Source for LocalRepository {
    type Failure = RemoteFailure;

    fn read(&self, id: ObjectId) -> Result<Object, RemoteFailure> {
        let object = self
            .repository
            .find_object(id.to_gix())
            .map_err(|error| self.failure(&error))?;
        let kind = object.kind;
        Ok(Object::from_gix(kind, object.detach().data))
    }

    /// A file that is missing is met when the pack is written.
    fn check_blob(&self, _: ObjectId) -> Result<(), RemoteFailure> {
        Ok(())
    }

    fn malformed(&self, _: ObjectId, error: &gix::Error) -> RemoteFailure {
        self.failure(error)
    }
}

/// The change of one reference, if it still has its old value.
pub(crate) fn edit(command: &Command, message: &str) -> Result<RefEdit, String> {
    let target = |id: ObjectId| gix::refs::Target::Object(id.to_gix());
    let expected = if command.old.is_null() {
        PreviousValue::MustNotExist
    } else {
        PreviousValue::MustExistAndMatch(target(command.old))
    };
    let change = if command.new.is_null() {
        Change::Delete {
            expected,
            log: RefLog::AndReference,
        }
    } else {
        let log = LogChange {
            mode: RefLog::AndReference,
            force_create_reflog: false,
            message: message.into(),
        };
        Change::Update {
            log,
            expected,
            new: target(command.new),
        }
    };
    let name = command
        .name
        .as_str()
        .try_into()
        .map_err(|error: gix::validate::reference::name::Error| error.to_string())?;
    Ok(RefEdit {
        change,
        name,
        deref: false,
    })
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(path: &Path) -> bool {
    path.is_file()
}

/// A file without a name, which goes with its handle.
fn temporary_file() -> io::Result<std::fs::File> {
    tempfile::tempfile()
}
