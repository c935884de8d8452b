//! The registry's content, written as the registry itself stores it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::process::Server;

/// A registry that runs.
pub struct Registry {
    pub address: String,
    control: String,
    content: PathBuf,
}

/// Name of the image of a repository.
pub fn image(number: usize) -> String {
    format!("team-{}/app-{number}", number % 10)
}

fn tags(content: &Path, number: usize) -> PathBuf {
    let repositories = content.join("docker/registry/v2/repositories");
    repositories.join(image(number)).join("_manifests/tags")
}

/// Writes the tags of all repositories. A list of tags is a list of folders: nothing else is needed to give one.
pub fn fill(content: &Path, repositories: usize, count: usize) -> anyhow::Result<()> {
    for number in 0..repositories {
        let tags = tags(content, number);
        for tag in 0..count {
            std::fs::create_dir_all(tags.join(format!("1.{}.{}", tag / 10, tag % 10)))?;
        }
    }
    Ok(())
}

impl Registry {
    pub fn new(server: &Server, content: PathBuf) -> anyhow::Result<Self> {
        Ok(Self {
            address: server.ready("addr")?.to_owned(),
            control: server.ready("control")?.to_owned(),
            content,
        })
    }

    /// Adds a tag.
    pub fn add(&self, repository: usize, tag: &str) -> anyhow::Result<()> {
        std::fs::create_dir_all(tags(&self.content, repository).join(tag)).context("adding a tag")
    }

    /// How many lists of tags were requested.
    pub async fn list_requests(&self) -> anyhow::Result<usize> {
        let log = self.control("GET").await?;
        Ok(log.matches("/tags/list\"").count())
    }

    pub async fn forget_requests(&self) -> anyhow::Result<()> {
        self.control("DELETE").await.map(drop)
    }

    async fn control(&self, method: &str) -> anyhow::Result<String> {
        get(&self.control, method, "/__requests").await
    }
}

/// A request without more than it needs.
pub async fn get(address: &str, method: &str, path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("{method} {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
