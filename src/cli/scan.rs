//! `fluxbot scan`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use futures::StreamExt as _;
use serde::Serialize;

use super::output::{self, OutputFormat};
use super::{Failure, block_on};
use crate::image::ImageName;
use crate::policy::newest_first;
use crate::scanner::{Access, Registry, TokenHost};

/// How many images are asked for at once.
const CONCURRENCY: usize = 8;

/// How many tags are shown of each image.
const SHOWN_TAGS: usize = 10;

/// Ask registries for an image's tags.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  fluxbot scan ghcr.io/stefanprodan/podinfo nginx")]
pub(super) struct ScanArgs {
    /// Names of images, without tag.
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
    /// Allow plain HTTP.
    #[arg(long)]
    insecure: bool,
    /// A docker config file with credentials [default: the one that docker uses].
    #[arg(long, value_name = "FILE")]
    auth_file: Option<PathBuf>,
    /// A token server on another host than its registry that may see the registry's credentials; repeatable.
    #[arg(long, value_name = "REGISTRY=HOST")]
    registry_token_host: Vec<TokenHost>,
    /// How long one image may take, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
    /// The form of the output.
    #[arg(long, short, value_enum, default_value_t)]
    output: OutputFormat,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ScanRow {
    image: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag_count: Option<usize>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    newest_tags: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requests: Option<u32>,
    milliseconds: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl ScanArgs {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut images = Vec::new();
        for text in &self.images {
            images.push(text.parse::<ImageName>().map_err(Failure::invalid)?);
        }
        let keychain = match &self.auth_file {
            Some(file) => crate::docker_config::load(file).map_err(Failure::invalid)?,
            None => crate::docker_config::load_default()
                .map_err(Failure::invalid)?
                .unwrap_or_default(),
        };
        let access = Access {
            keychain: Arc::new(keychain),
            insecure: self.insecure,
            timeout: Duration::from_secs(self.timeout.max(1)),
            ..Access::default()
        };
        block_on(async move {
            let registry = Registry::default().with_token_hosts(self.registry_token_host);
            let rows: Vec<ScanRow> = futures::stream::iter(images)
                .map(|image| scan(&registry, image, &access))
                .buffered(CONCURRENCY)
                .collect()
                .await;
            report(self.output, &rows)
        })
    }
}

async fn scan(registry: &Registry, image: ImageName, access: &Access) -> ScanRow {
    let start = Instant::now();
    let result = registry.tags(&image, access).await;
    let milliseconds = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    let image = image.to_string();
    match result {
        Ok(list) => ScanRow {
            image,
            tag_count: Some(list.snapshot.len()),
            newest_tags: {
                let tags: Vec<String> = list.snapshot.tags().map(str::to_owned).collect();
                newest_first(&tags, SHOWN_TAGS)
            },
            requests: Some(list.requests),
            milliseconds,
            error: None,
        },
        Err(error) => ScanRow {
            image,
            tag_count: None,
            newest_tags: Vec::new(),
            requests: None,
            milliseconds,
            error: Some(error.to_string()),
        },
    }
}

fn report(format: OutputFormat, rows: &[ScanRow]) -> Result<(), Failure> {
    output::print(format, &rows, |out| {
        for row in rows {
            let (Some(tags), Some(requests)) = (row.tag_count, row.requests) else {
                continue;
            };
            let plural = |count: usize| if count == 1 { "" } else { "s" };
            writeln!(
                out,
                "{}: {tags} tag{} in {} ms, {requests} request{}",
                row.image,
                plural(tags),
                row.milliseconds,
                plural(requests as usize),
            )?;
            if !row.newest_tags.is_empty() {
                writeln!(out, "  newest: {}", row.newest_tags.join(", "))?;
            }
        }
        Ok(())
    })?;
    let failed: Vec<&ScanRow> = rows.iter().filter(|row| row.error.is_some()).collect();
    for row in &failed {
        eprintln!(
            "error: {}: {}",
            row.image,
            row.error.as_deref().unwrap_or_default()
        );
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Failure::silent())
    }
}
