//! Pushes small, real images: a config, a layer, a manifest for each of two platforms, and the index over them.

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use reqwest::{Client, header};
use serde_json::{Value, json};

use super::registry::digest_of;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Pushes an image of two platforms to `repository` under `tag`, as `docker push` would.
pub(super) async fn push(client: &Client, registry: &str, repository: &str, tag: &str) -> anyhow::Result<()> {
    let base = format!("http://{registry}/v2/{repository}");
    let created = Timestamp::now().to_string();
    let layer = format!("{repository}:{tag}\n").into_bytes();
    put_blob(client, &base, &layer).await?;
    let mut manifests = Vec::new();
    for architecture in ["amd64", "arm64"] {
        let config = json!({
            "architecture": architecture,
            "os": "linux",
            "created": created,
            "config": { "Labels": { "org.opencontainers.image.version": tag } },
            "rootfs": { "type": "layers", "diff_ids": [digest_of(&layer)] },
        });
        let config = serde_json::to_vec(&config)?;
        put_blob(client, &base, &config).await?;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
            "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", &layer)],
        });
        let manifest = serde_json::to_vec(&manifest)?;
        put_manifest(client, &base, &digest_of(&manifest), MANIFEST, &manifest).await?;
        let mut entry = descriptor(MANIFEST, &manifest);
        entry["platform"] = json!({ "architecture": architecture, "os": "linux" });
        manifests.push(entry);
    }
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests });
    put_manifest(client, &base, tag, INDEX, &serde_json::to_vec(&index)?).await
}

fn descriptor(media_type: &str, content: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": digest_of(content), "size": content.len() })
}

async fn put_blob(client: &Client, base: &str, content: &[u8]) -> anyhow::Result<()> {
    let url = format!("{base}/blobs/uploads/?digest={}", digest_of(content));
    let response = client
        .post(&url)
        .body(content.to_vec())
        .send()
        .await
        .context("pushing a blob")?;
    if !response.status().is_success() {
        bail!("the registry answers {} to {url}", response.status());
    }
    Ok(())
}

async fn put_manifest(
    client: &Client,
    base: &str,
    reference: &str,
    media_type: &str,
    content: &[u8],
) -> anyhow::Result<()> {
    let url = format!("{base}/manifests/{reference}");
    let request = client
        .put(&url)
        .header(header::CONTENT_TYPE, media_type)
        .body(content.to_vec());
    let response = request.send().await.context("pushing a manifest")?;
    if !response.status().is_success() {
        bail!("the registry answers {} to {url}", response.status());
    }
    Ok(())
}
