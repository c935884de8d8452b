//! What happens in the demo, and what must come of it.

use std::collections::BTreeSet;

/// The clusters, each with a folder of its own below `clusters/` of the repository.
pub(super) const CLUSTERS: [&str; 2] = ["beta", "production"];

/// A tag that appears in the registry.
#[derive(Clone, Copy)]
pub(super) struct Push {
    /// The image without the registry's name.
    pub repository: &'static str,
    pub tag: &'static str,
}

/// The object that runs an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Object {
    /// A Deployment in the namespace `apps`.
    Deployment(&'static str),
    /// A generated `ConfigMap` in the namespace `gateway`, whose values name the image; a hash follows the name.
    Values(&'static str),
}

impl std::fmt::Display for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Deployment(name) => write!(f, "deployment/{name}"),
            Self::Values(name) => write!(f, "configmap/{name}"),
        }
    }
}

/// An application: where its image is written, and what runs it.
pub(super) struct Application {
    pub repository: &'static str,
    pub object: Object,
    /// The file with the marked value, `{cluster}` standing for the cluster.
    file: &'static str,
    /// The marked line, `{registry}` and `{tag}` standing for themselves.
    text: &'static str,
    /// The tag at the start.
    pub initial: &'static str,
}

/// The applications of both clusters.
pub(super) const APPLICATIONS: &[Application] = &[
    Application {
        repository: "btoll/debug",
        object: Object::Deployment("debug"),
        file: "apps/overlays/{cluster}/debug.yaml",
        text: "image: {registry}/btoll/debug:{tag} # {\"$imagepolicy\"",
        initial: "1.0.0",
    },
    Application {
        repository: "acme/web",
        object: Object::Deployment("web"),
        file: "apps/overlays/{cluster}/kustomization.yaml",
        text: "newTag: {tag} # {\"$imagepolicy\": \"flux-system:web:tag\"}",
        initial: "main-20260101T080000-0a1b2c3",
    },
    Application {
        repository: "acme/shop",
        object: Object::Deployment("shop"),
        file: "apps/overlays/{cluster}/kustomization.yaml",
        text: "newTag: {tag} # {\"$imagepolicy\": \"flux-system:shop:tag\"}",
        initial: "1.4.0",
    },
    Application {
        repository: "acme/worker",
        object: Object::Deployment("worker"),
        file: "apps/overlays/{cluster}/worker.yaml",
        text: "image: {registry}/acme/worker:{tag} # {\"$imagepolicy\"",
        initial: "build-9",
    },
    Application {
        repository: "acme/gateway",
        object: Object::Values("gateway-values"),
        file: "infrastructure/overlays/{cluster}/values.yaml",
        text: "tag: \"{tag}\"                              # {\"$imagepolicy\"",
        initial: "2.0.0",
    },
];

/// A cluster that must run a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expected {
    pub cluster: &'static str,
    pub repository: &'static str,
    pub tag: String,
}

impl Expected {
    /// The application. Every expectation of this file has one, which a test says.
    pub(super) fn application(&self) -> Option<&'static Application> {
        APPLICATIONS
            .iter()
            .find(|application| application.repository == self.repository)
    }

    /// The file that must be changed.
    pub(super) fn file(&self) -> String {
        let file = self.application().map_or("", |application| application.file);
        file.replace("{cluster}", self.cluster)
    }

    /// What the file must contain afterwards.
    pub(super) fn text(&self, registry: &str) -> String {
        let text = self.application().map_or("", |application| application.text);
        text.replace("{registry}", registry).replace("{tag}", &self.tag)
    }

    /// The whole reference of the image.
    pub(super) fn image(&self, registry: &str) -> String {
        format!("{registry}/{}:{}", self.repository, self.tag)
    }
}

/// Repositories in which somebody else than the scenes has pushed tags: what becomes of them is not the scenes' business.
#[derive(Debug, Default)]
pub(super) struct Others {
    repositories: BTreeSet<String>,
}

impl Others {
    /// Takes down a tag that no scene has pushed.
    pub(super) fn pushed(&mut self, repository: &str) {
        self.repositories.insert(repository.to_owned());
    }

    pub(super) fn has(&self, repository: &str) -> bool {
        self.repositories.contains(repository)
    }

    /// What can still be expected.
    pub(super) fn leave(&self, expected: &[Expected]) -> Vec<Expected> {
        let mut left = expected.to_vec();
        left.retain(|expected| !self.has(expected.repository));
        left
    }

    /// Whether a file of a cluster may change because of such a tag.
    pub(super) fn may_change(&self, cluster: &str, path: &str) -> bool {
        APPLICATIONS
            .iter()
            .filter(|application| self.has(application.repository))
            .any(|application| application.file.replace("{cluster}", cluster) == path)
    }
}

/// One scene.
pub(super) struct Scene {
    pub title: &'static str,
    pub pushes: &'static [Push],
    /// The clusters and the images that they must change to.
    changes: &'static [(&'static str, &'static str, &'static str)],
    /// How many commits a person pushes to the same branch at the same time.
    pub commits_by_a_person: usize,
}

impl Scene {
    /// What must come of it.
    pub(super) fn expected(&self) -> Vec<Expected> {
        let expected = |(cluster, repository, tag): &(&'static str, &'static str, &'static str)| Expected {
            cluster,
            repository,
            tag: (*tag).to_owned(),
        };
        self.changes.iter().map(expected).collect()
    }
}

/// What the clusters run before the first scene.
pub(super) fn initial_state() -> Vec<Expected> {
    let of_cluster = |cluster: &'static str| {
        APPLICATIONS.iter().map(move |application| Expected {
            cluster,
            repository: application.repository,
            tag: application.initial.to_owned(),
        })
    };
    CLUSTERS.into_iter().flat_map(of_cluster).collect()
}

/// Puts what is expected in the place of what was expected before.
pub(super) fn change(state: &mut Vec<Expected>, expected: &[Expected]) {
    for expected in expected {
        state.retain(|earlier| {
            earlier.cluster != expected.cluster || earlier.repository != expected.repository
        });
        state.push(expected.clone());
    }
}

/// The scenes, in order.
pub(super) const SCENES: &[Scene] = &[
    Scene {
        title: "a patch release: beta follows 1.0.x, production is pinned",
        pushes: &[Push {
            repository: "btoll/debug",
            tag: "1.0.1",
        }],
        changes: &[("beta", "btoll/debug", "1.0.1")],
        commits_by_a_person: 0,
    },
    Scene {
        title: "a build of main: both clusters follow the newest time stamp",
        pushes: &[Push {
            repository: "acme/web",
            tag: "main-20260105T093000-1f2e3d4",
        }],
        changes: &[
            ("beta", "acme/web", "main-20260105T093000-1f2e3d4"),
            ("production", "acme/web", "main-20260105T093000-1f2e3d4"),
        ],
        commits_by_a_person: 0,
    },
    Scene {
        title: "a release candidate: beta takes prereleases, production waits for the release",
        pushes: &[Push {
            repository: "acme/shop",
            tag: "1.5.0-rc.1",
        }],
        changes: &[("beta", "acme/shop", "1.5.0-rc.1")],
        commits_by_a_person: 0,
    },
    Scene {
        title: "build 10 after build 9: numbers are compared as numbers",
        pushes: &[Push {
            repository: "acme/worker",
            tag: "build-10",
        }],
        changes: &[
            ("beta", "acme/worker", "build-10"),
            ("production", "acme/worker", "build-10"),
        ],
        commits_by_a_person: 0,
    },
    Scene {
        title: "a minor release in Helm-style values: beta follows 2.x, production 2.0.x",
        pushes: &[Push {
            repository: "acme/gateway",
            tag: "2.1.0",
        }],
        changes: &[("beta", "acme/gateway", "2.1.0")],
        commits_by_a_person: 0,
    },
    Scene {
        title: "a minor release that no policy allows",
        pushes: &[Push {
            repository: "btoll/debug",
            tag: "1.1.0",
        }],
        changes: &[],
        commits_by_a_person: 0,
    },
    Scene {
        title: "four images at once, while a person pushes to the same branch",
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
                repository: "acme/shop",
                tag: "1.5.0",
            },
            Push {
                repository: "acme/gateway",
                tag: "2.0.1",
            },
        ],
        changes: &[
            ("beta", "btoll/debug", "1.0.2"),
            ("beta", "acme/web", "main-20260106T071500-9a8b7c6"),
            ("production", "acme/web", "main-20260106T071500-9a8b7c6"),
            ("beta", "acme/shop", "1.5.0"),
            ("production", "acme/shop", "1.5.0"),
            ("production", "acme/gateway", "2.0.1"),
        ],
        commits_by_a_person: 3,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_expectation_has_an_application() {
        for scene in SCENES {
            for expected in scene.expected() {
                assert!(expected.application().is_some(), "{expected:?}");
                let is_pushed =
                    |push: &Push| push.repository == expected.repository && push.tag == expected.tag;
                assert!(scene.pushes.iter().any(is_pushed), "{expected:?}");
            }
        }
    }

    #[test]
    fn of_a_repository_that_others_push_to_nothing_is_expected_any_more() {
        let mut others = Others::default();
        let all = initial_state();
        assert_eq!(others.leave(&all), all);
        others.pushed("acme/web");
        others.pushed("somebody/else");
        let left = others.leave(&all);
        assert_eq!(left.len(), all.len() - CLUSTERS.len());
        assert!(left.iter().all(|expected| expected.repository != "acme/web"));
        assert!(others.may_change("beta", "apps/overlays/beta/kustomization.yaml"));
        assert!(!others.may_change("beta", "apps/overlays/production/kustomization.yaml"));
        assert!(!others.may_change("beta", "apps/overlays/beta/debug.yaml"));
    }

    #[test]
    fn a_later_expectation_takes_the_place_of_an_earlier_one() {
        let mut state = initial_state();
        let count = state.len();
        for scene in SCENES {
            change(&mut state, &scene.expected());
        }
        assert_eq!(state.len(), count);
        let tag_of = |cluster: &str, repository: &str| {
            let is_it =
                |expected: &&Expected| expected.cluster == cluster && expected.repository == repository;
            state.iter().find(is_it).map(|expected| expected.tag.as_str())
        };
        assert_eq!(tag_of("beta", "btoll/debug"), Some("1.0.2"));
        assert_eq!(tag_of("production", "btoll/debug"), Some("1.0.0"));
    }
}
