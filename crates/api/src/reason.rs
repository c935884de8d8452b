//! Reasons of conditions and events.

string_enum! {
    /// Why a condition has its status, or what an event reports.
    ///
    /// The words are Flux's, so that what reads Flux's objects reads ours.
    pub enum Reason {
        // All kinds
        /// The reconciliation succeeded.
        Succeeded = "Succeeded",
        /// The reconciliation failed; used when nothing more precise was said.
        Failed = "Failed",
        /// Image kinds: an unexpected failure inside the controller.
        Failure = "Failure",
        /// Work is under way.
        Progressing = "Progressing",
        /// Work is under way after a failure.
        ProgressingWithRetry = "ProgressingWithRetry",
        /// The object is suspended.
        Suspended = "Suspended",
        /// Something that this object needs is not ready.
        DependencyNotReady = "DependencyNotReady",
        /// A reference to another namespace is not allowed.
        AccessDenied = "AccessDenied",
        /// The object asks for something whose feature gate is off.
        FeatureGateDisabled = "FeatureGateDisabled",
        /// A CEL expression does not compile or evaluate.
        InvalidCelExpression = "InvalidCELExpression",

        // Image scanning and selection
        /// `spec.image` is no image name.
        ImageUrlInvalid = "ImageURLInvalid",
        /// Logging in failed.
        AuthenticationFailed = "AuthenticationFailed",
        /// Reading from the registry or the storage failed.
        ReadOperationFailed = "ReadOperationFailed",
        /// Digests are always reflected, and no interval says how often.
        IntervalNotConfigured = "IntervalNotConfigured",
        /// The policy is no valid rule.
        InvalidPolicy = "InvalidPolicy",

        // Image automation
        /// `spec.policySelector` is no valid selector.
        InvalidPolicySelector = "InvalidPolicySelector",
        /// `spec.git` is missing or contradicts the source.
        InvalidSourceConfiguration = "InvalidSourceConfiguration",
        /// `spec.update.strategy` is unknown.
        InvalidUpdateStrategy = "InvalidUpdateStrategy",
        /// The message template uses a field that no longer exists.
        RemovedTemplateField = "RemovedTemplateField",
        /// The source or its credentials could not be prepared.
        SourceManagerFailed = "SourceManagerFailed",
        /// Fetching from or pushing to the Git server failed; for sources, fetching.
        GitOperationFailed = "GitOperationFailed",
        /// The policies could not be written to the files.
        UpdateFailed = "UpdateFailed",
        /// Markers below the automation's path were left alone. Ours; it never stands in `Ready`.
        MarkersSkipped = "MarkersSkipped",

        // Sources
        /// `spec.url` is no valid address.
        UrlInvalid = "URLInvalid",
        /// A signature did not verify.
        VerificationError = "VerificationError",
        /// A directory could not be created.
        DirectoryCreationFailed = "DirectoryCreationFailed",
        /// A file or directory could not be examined.
        StatOperationFailed = "StatOperationFailed",
        /// The lock of an artifact could not be taken.
        AcquireLockFailed = "AcquireLockFailed",
        /// A path is not valid.
        InvalidPath = "InvalidPath",
        /// The artifact could not be packed.
        ArchiveOperationFailed = "ArchiveOperationFailed",
        /// The link to the newest artifact could not be moved.
        SymlinkUpdateFailed = "SymlinkUpdateFailed",
        /// The stored artifact is current.
        ArtifactUpToDate = "ArtifactUpToDate",
        /// The cache of a Helm repository failed.
        CacheOperationFailed = "CacheOperationFailed",
        /// The object's status could not be written.
        PatchOperationFailed = "PatchOperationFailed",
        /// `spec.sts` contradicts the rest of the bucket.
        InvalidStsConfiguration = "InvalidSTSConfiguration",
        /// The provider's settings contradict each other.
        InvalidProviderConfiguration = "InvalidProviderConfiguration",
        /// A new artifact was stored.
        NewArtifact = "NewArtifact",
        /// The source has a new revision.
        NewRevision = "NewRevision",
        /// An included repository has a new revision.
        IncludeChange = "IncludeChange",
        /// The artifact of an included repository could not be copied.
        CopyFailure = "CopyFailure",
        /// The stored artifact is not what it was.
        ArtifactVerificationFailed = "ArtifactVerificationFailed",
        /// The Git server answered.
        GitOperationSucceeded = "GitOperationSucceeded",
        /// The Git repository holds no commit.
        EmptyGitRepository = "EmptyGitRepository",
        /// The ignore rules are not valid.
        SourceIgnoreError = "SourceIgnoreError",
        /// The verification mode is not valid.
        InvalidVerificationMode = "InvalidVerificationMode",
        /// The object to verify is missing.
        InvalidGitObject = "InvalidGitObject",
        /// The tag's signature is not valid.
        InvalidTagSignature = "InvalidTagSignature",
        /// The commit's signature is not valid.
        InvalidCommitSignature = "InvalidCommitSignature",
        /// A referred object does not exist.
        NotFound = "NotFound",
        /// A referred source has no artifact yet.
        NoArtifact = "NoArtifact",
        /// The OCI artifact could not be pulled.
        OciArtifactPullFailed = "OCIArtifactPullFailed",
        /// The layer of the OCI artifact could not be read.
        OciArtifactLayerOperationFailed = "OCIArtifactLayerOperationFailed",
        /// The index of the Helm repository could not be fetched or read.
        IndexationFailed = "IndexationFailed",
        /// The chart was pulled.
        ChartPullSucceeded = "ChartPullSucceeded",
        /// The chart was packaged.
        ChartPackageSucceeded = "ChartPackageSucceeded",
        /// The reference to the chart is not valid.
        InvalidChartReference = "InvalidChartReference",
        /// The chart could not be pulled.
        ChartPullError = "ChartPullError",
        /// The chart's metadata could not be changed.
        MetadataPatchError = "MetadataPatchError",
        /// The values files could not be merged.
        ValuesFilesError = "ValuesFilesError",
        /// The chart's dependencies could not be resolved.
        DependencyBuildError = "DependencyBuildError",
        /// The chart could not be packaged.
        ChartPackageError = "ChartPackageError",
        /// The chart's signature did not verify.
        ChartVerificationError = "ChartVerificationError",
        /// The chart's source does not exist or cannot be read.
        SourceUnavailable = "SourceUnavailable",
        /// The chart's source has no artifact yet.
        NoSourceArtifact = "NoSourceArtifact",
        /// The chart's source is of a kind that holds no charts.
        UnsupportedSourceKind = "UnsupportedSourceKind",
        /// The bucket could not be read.
        BucketOperationFailed = "BucketOperationFailed",
        /// Old artifacts were removed.
        GarbageCollectionSucceeded = "GarbageCollectionSucceeded",
        /// Old artifacts could not be removed.
        GarbageCollectionFailed = "GarbageCollectionFailed",

        // Kustomization
        /// The objects were applied.
        ReconciliationSucceeded = "ReconciliationSucceeded",
        /// The objects could not be applied.
        ReconciliationFailed = "ReconciliationFailed",
        /// Objects could not be removed.
        PruneFailed = "PruneFailed",
        /// The source's artifact could not be used.
        ArtifactFailed = "ArtifactFailed",
        /// The objects could not be built.
        BuildFailed = "BuildFailed",
        /// An applied object did not become healthy.
        HealthCheckFailed = "HealthCheckFailed",
        /// The health check was given up for a newer revision.
        HealthCheckCanceled = "HealthCheckCanceled",

        // HelmRelease
        /// The release was installed.
        InstallSucceeded = "InstallSucceeded",
        /// The release could not be installed.
        InstallFailed = "InstallFailed",
        /// The release was upgraded.
        UpgradeSucceeded = "UpgradeSucceeded",
        /// The release could not be upgraded.
        UpgradeFailed = "UpgradeFailed",
        /// The release's tests passed.
        TestSucceeded = "TestSucceeded",
        /// The release's tests failed.
        TestFailed = "TestFailed",
        /// The release was rolled back.
        RollbackSucceeded = "RollbackSucceeded",
        /// The release could not be rolled back.
        RollbackFailed = "RollbackFailed",
        /// The release was uninstalled.
        UninstallSucceeded = "UninstallSucceeded",
        /// The release could not be uninstalled.
        UninstallFailed = "UninstallFailed",
        /// The chart's source is not ready.
        SourceNotReady = "SourceNotReady",
        /// The values could not be composed.
        ValuesError = "ValuesError",
        /// The cluster differs from the release.
        DriftDetected = "DriftDetected",
        /// The cluster equals the release.
        NoDriftDetected = "NoDriftDetected",
        /// No retry is left.
        RetriesExceeded = "RetriesExceeded",
        /// There is no release to roll back to.
        MissingRollbackTarget = "MissingRollbackTarget",
        /// The release's state could not be determined.
        StateError = "StateError",

        // Notification
        /// v1beta2 only: the object was accepted.
        Initialized = "Initialized",
        /// The object's references do not validate.
        ValidationFailed = "ValidationFailed",
        /// The Receiver's Secret has no token.
        TokenNotFound = "TokenNotFound",
    }
}
