//! The bytes of a small but real container image: config, layers, manifests and index.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The family of media types that an image uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MediaTypes {
    /// OCI image specification 1.
    #[default]
    Oci,
    /// Docker image manifest version 2, schema 2.
    Docker,
}

/// What an image is like.
#[derive(Debug, Clone)]
pub struct ImageSpec {
    /// The `created` date of the configuration.
    pub created: Timestamp,
    /// The platforms, as `os/architecture`. One gives a plain manifest, several an index.
    pub platforms: Vec<String>,
    /// How many layers each platform has.
    pub layers: usize,
    /// What is in the layers: images with other content have other digests.
    pub content: String,
    /// Labels of the configuration.
    pub labels: BTreeMap<String, String>,
    /// The family of media types.
    pub media_types: MediaTypes,
}

impl Default for ImageSpec {
    /// Two platforms with one layer each, created on 1 January 2026.
    fn default() -> Self {
        Self {
            created: "2026-01-01T00:00:00Z".parse().unwrap(),
            platforms: vec!["linux/amd64".into(), "linux/arm64".into()],
            layers: 1,
            content: "content".into(),
            labels: BTreeMap::new(),
            media_types: MediaTypes::Oci,
        }
    }
}

impl ImageSpec {
    /// The default image with this creation date, in RFC 3339.
    pub fn created(date: &str) -> Self {
        Self {
            created: date.parse().unwrap(),
            ..Self::default()
        }
    }

    /// The default image with other content, hence another digest.
    pub fn with_content(content: &str) -> Self {
        Self {
            content: content.into(),
            ..Self::default()
        }
    }
}

/// Bytes that a registry stores under their digest.
#[derive(Debug, Clone)]
pub struct Blob {
    /// The media type.
    pub media_type: &'static str,
    /// The content.
    pub content: Vec<u8>,
}

impl Blob {
    /// `sha256:` and the hash of the content in hex.
    pub fn digest(&self) -> String {
        format!("sha256:{}", hexadecimal(&Sha256::digest(&self.content)))
    }

    fn descriptor(&self) -> Value {
        json!({ "mediaType": self.media_type, "digest": self.digest(), "size": self.content.len() })
    }
}

/// Bytes as lower-case hexadecimal digits.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut digits, byte| {
        write!(digits, "{byte:02x}").unwrap();
        digits
    })
}

/// An image, ready to be pushed in this order: blobs, manifests, index.
#[derive(Debug, Clone)]
pub struct Image {
    /// Configurations and layers.
    pub blobs: Vec<Blob>,
    /// One manifest for each platform, in the order of the specification.
    pub manifests: Vec<Blob>,
    /// The index, when there are several platforms.
    pub index: Option<Blob>,
}

impl Image {
    /// Builds the image; equal specifications give equal bytes.
    pub fn build(spec: &ImageSpec) -> Self {
        let [config_type, layer_type, manifest_type, index_type] = media_types(spec.media_types);
        let mut blobs = Vec::new();
        let mut manifests = Vec::new();
        let mut descriptors = Vec::new();
        for platform in &spec.platforms {
            let (os, architecture) = platform.split_once('/').unwrap();
            let archives: Vec<_> = (0..spec.layers)
                .map(|layer| {
                    tar(
                        "fluxbot.txt",
                        format!("{} {platform} {layer}\n", spec.content).as_bytes(),
                    )
                })
                .collect();
            let layers: Vec<_> = archives
                .iter()
                .map(|archive| Blob {
                    media_type: layer_type,
                    content: gzip(archive),
                })
                .collect();
            let diff_ids: Vec<_> = archives
                .into_iter()
                .map(|content| {
                    Blob {
                        media_type: layer_type,
                        content,
                    }
                    .digest()
                })
                .collect();
            let config = Blob {
                media_type: config_type,
                content: serde_json::to_vec(&json!({
                    "created": spec.created.to_string(),
                    "os": os,
                    "architecture": architecture,
                    "config": { "Labels": spec.labels },
                    "rootfs": { "type": "layers", "diff_ids": diff_ids },
                }))
                .unwrap(),
            };
            let manifest = Blob {
                media_type: manifest_type,
                content: serde_json::to_vec(&json!({
                    "schemaVersion": 2,
                    "mediaType": manifest_type,
                    "config": config.descriptor(),
                    "layers": layers.iter().map(Blob::descriptor).collect::<Vec<_>>(),
                }))
                .unwrap(),
            };
            let mut descriptor = manifest.descriptor();
            descriptor["platform"] = json!({ "os": os, "architecture": architecture });
            descriptors.push(descriptor);
            blobs.push(config);
            blobs.extend(layers);
            manifests.push(manifest);
        }
        let index = (descriptors.len() > 1).then(|| Blob {
            media_type: index_type,
            content: serde_json::to_vec(&json!({
                "schemaVersion": 2,
                "mediaType": index_type,
                "manifests": descriptors,
            }))
            .unwrap(),
        });
        Self {
            blobs,
            manifests,
            index,
        }
    }

    /// What a tag of this image points to: the index, or the only manifest.
    pub fn top(&self) -> &Blob {
        self.index.as_ref().or_else(|| self.manifests.first()).unwrap()
    }
}

fn media_types(family: MediaTypes) -> [&'static str; 4] {
    match family {
        MediaTypes::Oci => [
            "application/vnd.oci.image.config.v1+json",
            "application/vnd.oci.image.layer.v1.tar+gzip",
            "application/vnd.oci.image.manifest.v1+json",
            "application/vnd.oci.image.index.v1+json",
        ],
        MediaTypes::Docker => [
            "application/vnd.docker.container.image.v1+json",
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
            "application/vnd.docker.distribution.manifest.v2+json",
            "application/vnd.docker.distribution.manifest.list.v2+json",
        ],
    }
}

/// A tar archive (POSIX ustar) with one file.
fn tar(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    let mut put = |offset: usize, value: &[u8]| header[offset..offset + value.len()].copy_from_slice(value);
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{:011o}\0", content.len()).as_bytes());
    put(136, b"00000000000\0");
    // The checksum is taken with its own field full of spaces.
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let checksum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{checksum:06o}\0 ").as_bytes());

    let mut archive = header.to_vec();
    archive.extend_from_slice(content);
    let padded = archive.len().next_multiple_of(512) + 2 * 512;
    archive.resize(padded, 0);
    archive
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}
