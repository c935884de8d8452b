//! Types of conditions, and the severity of events.

string_enum! {
    /// Type of a condition.
    ///
    /// All kinds have `Ready`, `Reconciling` and `Stalled`; the others belong to one group.
    pub enum ConditionType {
        /// The object was reconciled in its newest generation.
        Ready = "Ready",
        /// Work is under way or will be tried again.
        Reconciling = "Reconciling",
        /// Only a change of the object can help.
        Stalled = "Stalled",
        /// Sources: the artifact is in the storage.
        ArtifactInStorage = "ArtifactInStorage",
        /// Sources: the artifact is older than the source.
        ArtifactOutdated = "ArtifactOutdated",
        /// Sources: the upstream could not be fetched.
        FetchFailed = "FetchFailed",
        /// `HelmChart`: the chart could not be built.
        BuildFailed = "BuildFailed",
        /// `GitRepository`: an included repository is not available.
        IncludeUnavailable = "IncludeUnavailable",
        /// Sources: the storage failed.
        StorageOperationFailed = "StorageOperationFailed",
        /// Sources: the signature of the revision was verified.
        SourceVerified = "SourceVerified",
        /// `Kustomization`: the applied objects are healthy; present only while health is checked.
        Healthy = "Healthy",
        /// `HelmRelease`: the newest release was installed or upgraded.
        Released = "Released",
        /// `HelmRelease`: the tests of the newest release passed.
        TestSuccess = "TestSuccess",
        /// `HelmRelease`: a failed release was rolled back or uninstalled.
        Remediated = "Remediated",
        /// `HelmRelease`: the cluster differs from the release.
        Drifted = "Drifted",
        /// `ImageUpdateAutomation`: markers below its path were left alone; the message names them. Flux knows no such condition
        /// and leaves it as it is.
        MarkersSkipped = "MarkersSkipped",
    }
}

impl ConditionType {
    /// Whether `True` is bad news (Flux: negative polarity).
    #[must_use]
    pub const fn is_negative(self) -> bool {
        matches!(
            self,
            Self::Reconciling
                | Self::Stalled
                | Self::ArtifactOutdated
                | Self::FetchFailed
                | Self::BuildFailed
                | Self::IncludeUnavailable
                | Self::StorageOperationFailed
                | Self::Drifted
                | Self::MarkersSkipped
        )
    }
}

string_enum! {
    /// Severity of an event.
    #[derive(Default)]
    pub enum EventSeverity {
        /// For the log of the cluster only; never sent to a provider.
        Trace = "trace",
        /// Something changed as wanted.
        #[default]
        Info = "info",
        /// Something failed.
        Error = "error",
    }
}
