//! What happens in the demo, and what must come of it.

/// A tag that appears in the registry.
pub(super) struct Push {
    pub repository: &'static str,
    pub tag: &'static str,
}

/// A marked value that must change.
pub(super) struct Expected {
    pub cluster: &'static str,
    pub file: &'static str,
    /// What the file must contain afterwards, `{registry}` standing for the registry's address.
    pub text: &'static str,
}

/// One scene.
pub(super) struct Scene {
    pub title: &'static str,
    pub pushes: &'static [Push],
    pub expected: &'static [Expected],
    /// How many commits a person pushes to the same branch at the same time.
    pub commits_by_a_person: usize,
}

/// The images that exist before the demo starts; the repository names them.
pub(super) const INITIAL: &[Push] = &[
    Push {
        repository: "btoll/debug",
        tag: "1.0.0",
    },
    Push {
        repository: "acme/web",
        tag: "main-20260101T080000-0a1b2c3",
    },
    Push {
        repository: "acme/gateway",
        tag: "2.0.0",
    },
];

/// The scenes, in order.
pub(super) const SCENES: &[Scene] = &[
    Scene {
        title: "a patch release: beta follows 1.0.x, production is pinned",
        pushes: &[Push {
            repository: "btoll/debug",
            tag: "1.0.1",
        }],
        expected: &[Expected {
            cluster: "beta",
            file: "apps/overlays/beta/debug.yaml",
            text: "image: {registry}/btoll/debug:1.0.1 # {\"$imagepolicy\"",
        }],
        commits_by_a_person: 0,
    },
    Scene {
        title: "a build of main: both clusters follow the newest time stamp",
        pushes: &[Push {
            repository: "acme/web",
            tag: "main-20260105T093000-1f2e3d4",
        }],
        expected: &[
            Expected {
                cluster: "beta",
                file: "apps/overlays/beta/kustomization.yaml",
                text: "newTag: main-20260105T093000-1f2e3d4 # {\"$imagepolicy\"",
            },
            Expected {
                cluster: "production",
                file: "apps/overlays/production/kustomization.yaml",
                text: "newTag: main-20260105T093000-1f2e3d4 # {\"$imagepolicy\"",
            },
        ],
        commits_by_a_person: 0,
    },
    Scene {
        title: "a minor release in Helm-style values: beta follows 2.x, production holds 2.0.x",
        pushes: &[Push {
            repository: "acme/gateway",
            tag: "2.1.0",
        }],
        expected: &[Expected {
            cluster: "beta",
            file: "infrastructure/overlays/beta/values.yaml",
            text: "tag: \"2.1.0\"                              # {\"$imagepolicy\"",
        }],
        commits_by_a_person: 0,
    },
    Scene {
        title: "a minor release that no policy allows",
        pushes: &[Push {
            repository: "btoll/debug",
            tag: "1.1.0",
        }],
        expected: &[],
        commits_by_a_person: 0,
    },
    Scene {
        title: "three images at once, while a person pushes to the same branch",
        pushes: &[
            Push {
                repository: "btoll/debug",
                tag: "1.0.2",
            },
            Push {
                repository: "acme/web",
                tag: "main-20260106T071500-9a8b7c6",
            },
            Push {
                repository: "acme/gateway",
                tag: "2.0.1",
            },
        ],
        expected: &[
            Expected {
                cluster: "beta",
                file: "apps/overlays/beta/debug.yaml",
                text: "image: {registry}/btoll/debug:1.0.2 # {\"$imagepolicy\"",
            },
            Expected {
                cluster: "beta",
                file: "apps/overlays/beta/kustomization.yaml",
                text: "newTag: main-20260106T071500-9a8b7c6 # {\"$imagepolicy\"",
            },
            Expected {
                cluster: "production",
                file: "apps/overlays/production/kustomization.yaml",
                text: "newTag: main-20260106T071500-9a8b7c6 # {\"$imagepolicy\"",
            },
            Expected {
                cluster: "production",
                file: "infrastructure/overlays/production/values.yaml",
                text: "tag: \"2.0.1\"                              # {\"$imagepolicy\"",
            },
        ],
        commits_by_a_person: 3,
    },
];
