//! The demo's repository: two clusters, applications with overlays, infrastructure with Helm-style values.

use std::path::Path;

use anyhow::{Context as _, bail};
use tokio::process::Command;

/// The registry's name in the files below; the demo puts its own address there.
const REGISTRY: &str = "registry.example";

/// The Git server's address in the files below.
const GIT_SERVER: &str = "http://git.example";

/// Namespace of the objects in `clusters/`, which a cluster has before anything else.
pub(super) const NAMESPACE: &str = "flux-system";

/// Name of the source, of the Kustomization that applies `clusters/<cluster>`, and of the Secret with the right to push.
pub(super) const NAME: &str = "fleet";

macro_rules! fleet {
    ($($path:literal,)+) => { &[$(($path, include_str!(concat!("fleet/", $path)))),+] };
}

const FILES: &[(&str, &str)] = fleet![
    "README.md",
    "apps/base/debug/deployment.yaml",
    "apps/base/debug/kustomization.yaml",
    "apps/base/shop/deployment.yaml",
    "apps/base/shop/kustomization.yaml",
    "apps/base/web/deployment.yaml",
    "apps/base/web/kustomization.yaml",
    "apps/base/web/service.yaml",
    "apps/base/worker/deployment.yaml",
    "apps/base/worker/kustomization.yaml",
    "apps/overlays/beta/debug.yaml",
    "apps/overlays/beta/kustomization.yaml",
    "apps/overlays/beta/worker.yaml",
    "apps/overlays/production/debug.yaml",
    "apps/overlays/production/kustomization.yaml",
    "apps/overlays/production/worker.yaml",
    "clusters/beta/applications.yaml",
    "clusters/beta/fleet.yaml",
    "clusters/beta/images/automation.yaml",
    "clusters/beta/images/debug.yaml",
    "clusters/beta/images/gateway.yaml",
    "clusters/beta/images/shop.yaml",
    "clusters/beta/images/web.yaml",
    "clusters/beta/images/worker.yaml",
    "clusters/beta/infrastructure.yaml",
    "clusters/beta/source.yaml",
    "clusters/production/applications.yaml",
    "clusters/production/fleet.yaml",
    "clusters/production/images/automation.yaml",
    "clusters/production/images/gateway.yaml",
    "clusters/production/images/shop.yaml",
    "clusters/production/images/web.yaml",
    "clusters/production/images/worker.yaml",
    "clusters/production/infrastructure.yaml",
    "clusters/production/source.yaml",
    "infrastructure/base/kustomization.yaml",
    "infrastructure/base/namespaces.yaml",
    "infrastructure/overlays/beta/kustomization.yaml",
    "infrastructure/overlays/beta/values.yaml",
    "infrastructure/overlays/production/kustomization.yaml",
    "infrastructure/overlays/production/values.yaml",
];

/// The Flux objects of a cluster, as `kind/name`.
pub(super) fn objects(cluster: &str) -> anyhow::Result<Vec<String>> {
    #[derive(serde::Deserialize)]
    struct Object {
        kind: String,
        metadata: Metadata,
    }
    #[derive(serde::Deserialize)]
    struct Metadata {
        name: String,
    }
    let folder = format!("clusters/{cluster}/");
    let of_cluster = FILES.iter().filter(|(path, _)| path.starts_with(&folder));
    let documents =
        of_cluster.flat_map(|(path, content)| content.split("\n---\n").map(move |text| (path, text)));
    let object = |(path, text)| -> anyhow::Result<String> {
        let object: Object = yaml_serde::from_str(text).with_context(|| format!("reading {path}"))?;
        Ok(format!("{}/{}", object.kind.to_lowercase(), object.metadata.name))
    };
    documents.map(object).collect()
}

/// Creates the bare repository `fleet.git` below `root` with one commit of all files, by Git itself, as a person would.
pub(super) async fn create(
    root: &Path,
    work: &Path,
    registry: &str,
    git_server: &str,
) -> anyhow::Result<std::path::PathBuf> {
    let bare = root.join("fleet.git");
    for (path, content) in FILES {
        let file = work.join(path);
        let folder = file.parent().context("each file has a folder")?;
        std::fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
        let content = content
            .replace(REGISTRY, registry)
            .replace(GIT_SERVER, git_server);
        std::fs::write(&file, content).with_context(|| format!("writing {}", file.display()))?;
    }
    git(
        root,
        &["init", "--quiet", "--bare", "--initial-branch=main", "fleet.git"],
    )
    .await?;
    git(work, &["init", "--quiet", "--initial-branch=main"]).await?;
    git(work, &["add", "--all"]).await?;
    git(
        work,
        &["commit", "--quiet", "--message", "feat: beta and production"],
    )
    .await?;
    git(work, &["remote", "add", "origin", &bare.to_string_lossy()]).await?;
    git(work, &["push", "--quiet", "origin", "main"]).await?;
    Ok(bare)
}

/// Runs Git in `folder` with an identity of its own and without the user's configuration. Gives its output.
pub(super) async fn git(folder: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("git")
        .current_dir(folder)
        .args(arguments)
        // Nothing of the user's own Git: a hook, for example, sets variables that name another repository.
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_AUTHOR_NAME", "a person")
        .env("GIT_AUTHOR_EMAIL", "person@fleet.example")
        .env("GIT_COMMITTER_NAME", "a person")
        .env("GIT_COMMITTER_EMAIL", "person@fleet.example")
        .output()
        .await
        .context("git must be installed to run the demo")?;
    if !output.status.success() {
        bail!(
            "git {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
