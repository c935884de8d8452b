//! Faults of the outside world, in one word each.

string_enum! {
    /// What is wrong outside, in one word that is the same for all kinds.
    ///
    /// The reason of a condition is Flux's and often covers several of these. The word begins the message, and stands under
    /// [`crate::annotation::FAULT`] in the metadata of the event, so that a person and an alert rule can tell them apart.
    pub enum Fault {
        /// The Git server does not answer, or says that it is unwell.
        GitUnreachable = "GitUnreachable",
        /// The registry does not answer, or says that it is unwell.
        RegistryUnreachable = "RegistryUnreachable",
        /// A credential is missing, wrong, or lacks a right.
        AuthorizationFailed = "AuthorizationFailed",
        /// There is no such repository, or the credential may not see it.
        RepositoryNotFound = "RepositoryNotFound",
        /// A hook or a protected branch refuses the push.
        PushRejected = "PushRejected",
        /// A push was sent, and nobody knows what became of it.
        PushUnknown = "PushUnknown",
        /// Other writers were faster each time.
        PushContended = "PushContended",
        /// The server asks for more time between requests.
        RateLimited = "RateLimited",
        /// The server did not answer in time.
        Timeout = "Timeout",
        /// The server answered with something that cannot be used.
        InvalidResponse = "InvalidResponse",
        /// The image has more tags than a scan takes.
        TooManyTags = "TooManyTags",
        /// The list of tags lost more than half of them, and is held until a second scan agrees.
        TagListShrank = "TagListShrank",
        /// The server's certificate is not trusted, or does not fit its name.
        TlsVerifyFailed = "TLSVerifyFailed",
        /// The SSH server's key is not one that the known hosts vouch for.
        HostKeyMismatch = "HostKeyMismatch",
        /// The disk takes no more.
        StorageFull = "StorageFull",
        /// The disk cannot be used.
        StorageFailed = "StorageFailed",
    }
}
