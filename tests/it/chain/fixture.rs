//! A repository with image objects and marked files, and the registry that they name.

use std::path::Path;

use crate::support::cli::Fluxbot;
use crate::support::git::{GitServer, PASSWORD, Repository, USER};
use crate::support::registry::Registry;

/// An `ImageRepository`, an `ImagePolicy` and an `ImageUpdateAutomation` of the same name.
pub struct App {
    pub name: &'static str,
    /// The text of `spec.policy`, as a flow mapping.
    pub policy: &'static str,
    /// The text of `spec.update.path`.
    pub path: &'static str,
}

/// The objects of an app, as a file.
pub fn objects(app: &App, image: &str, extra: &str) -> String {
    let App { name, policy, path } = app;
    format!(
        "apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: {{name: {name}, namespace: flux-system}}
spec: {{image: {image}, interval: 1m{extra}}}
---
apiVersion: image.toolkit.fluxcd.io/v1beta2
kind: ImagePolicy
metadata: {{name: {name}, namespace: flux-system}}
spec:
  imageRepositoryRef: {{name: {name}}}
  policy: {policy}
---
apiVersion: image.toolkit.fluxcd.io/v1beta1
kind: ImageUpdateAutomation
metadata: {{name: {name}, namespace: flux-system}}
spec:
  interval: 30m
  sourceRef: {{kind: GitRepository, name: fleet}}
  git:
    checkout: {{ref: {{branch: main}}}}
    commit:
      author: {{name: fluxbot, email: fluxbot@example.org}}
      messageTemplate: '{{{{range .Updated.Images}}}}{{{{println .}}}}{{{{end}}}}'
    push: {{branch: main}}
  update: {{path: ./{path}, strategy: Setters}}
"
    )
}

/// A deployment whose image is marked; odd spacing and comments show that nothing else is touched.
pub fn deployment(name: &str, image: &str, tag: &str) -> String {
    format!(
        "# {name}, by hand\n\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n    name: {name}   # four spaces\nspec:\n    \
         template:\n        spec:\n            containers:\n              - name: {name}\n                \
         image: \"{image}:{tag}\"   # {{\"$imagepolicy\": \"flux-system:{name}\"}}\n\n                \
         env: [ {{name: A,   value: 'b'}} ]\n"
    )
}

/// A repository of one semver app in `apps/NAME`, whose image is `NAME` in the shared registry with the tag 1.0.0.
pub async fn semver_repository(name: &'static str) -> (Registry, Repository) {
    let registry = Registry::shared();
    registry.push_tags(name, &["1.0.0"]).await;
    let image = registry.image(name);
    let app = App {
        name,
        policy: "{semver: {range: 1.0.x}}",
        path: "apps",
    };
    let repository = GitServer::shared().create_repository(
        name,
        &[
            ("clusters/beta/image.yaml", &objects(&app, &image, "")),
            (&format!("apps/{name}.yaml"), &deployment(name, &image, "1.0.0")),
        ],
    );
    (registry, repository)
}

/// `fluxbot update` on a URL, with credentials from the environment.
pub fn update(repository: &Repository, arguments: &[&str]) -> Fluxbot {
    let mut all = vec!["update", "--repo", repository.url.as_str()];
    all.extend(arguments);
    Fluxbot::new(all)
        .env("FLUXBOT_GIT_USERNAME", USER)
        .env("FLUXBOT_GIT_PASSWORD", PASSWORD)
}

/// `fluxbot update` on a folder.
pub fn update_in(directory: &Path, arguments: &[&str]) -> Fluxbot {
    let mut all = vec!["update"];
    all.extend(arguments);
    Fluxbot::new(all)
        .env("FLUXBOT_GIT_USERNAME", USER)
        .env("FLUXBOT_GIT_PASSWORD", PASSWORD)
        .current_dir(directory)
}
