//! Git engine: bare incremental mirrors, commits built in memory, and compare-and-swap pushes, without a `git` binary.
//!
//! ```text
//! RemoteUrl + Credential + HttpClient = Remote         SshCredential + Ssh = Remote over SSH
//! CredentialSource               gives short-lived credentials, request by request
//! Remote    -> Mirror::open      one bare repository on disk, healed or created
//! Mirror    -> Mirror::fetch     -> Snapshot      refs at that moment, trees and blobs read lazily
//! Snapshot  -> Snapshot::prepare -> PreparedCommit  new trees, blobs and a commit, nothing on disk
//! Mirror    -> Mirror::push      old id and new id in one command; a lost race is PushError::Stale
//! WorkTree                       the same PreparedCommit on a checkout of the user
//! ```
//!
//! Everything is synchronous; an asynchronous caller runs it on its blocking threads. Deadlines are the
//! [`HttpClient`]'s business. No type of gix is part of this interface, as gix changes its own with each release.

mod commit;
mod id;
mod mirror;
mod pack;
mod path;
mod reference;
mod remote;
mod signature;
mod snapshot;
mod ssh;
mod text;
mod wire;
mod worktree;

pub use commit::{CommitError, CommitRequest, Edit, FileKind, Person, PreparedCommit, Timestamp};
pub use id::{InvalidObjectId, ObjectId};
pub use mirror::{
    FetchError, Limits, Mirror, MirrorError, PushError, PushOptions, Pushed, RefUpdate, RemoteRef,
};
pub use path::{InvalidPath, RepoPath};
pub use reference::{InvalidRefName, RefName, RefPrefix, RefQuery};
pub use remote::http::{HttpClient, HttpFailure, HttpMethod, HttpRequest, HttpResponse};
pub use remote::{
    Credential, CredentialFailure, CredentialSource, InvalidRemoteUrl, Remote, RemoteFailure, RemoteUrl,
};
pub use signature::{InvalidSigningKey, SignError, SignedObject, SigningKey, TrustedKeys, VerifyError};
pub use snapshot::{Commit, EntryKind, ReadError, Snapshot, TreeEntry};
pub use ssh::{
    InvalidIdentity, InvalidKnownHosts, InvalidSshCredential, Ssh, SshCredential, SshOptions, SshProxy,
    UnknownAlgorithm, WaitLimit,
};
pub use worktree::{WorkTree, WorkTreeError};
