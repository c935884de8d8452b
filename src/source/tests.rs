//! Revisions, trees, archives and the handover.

mod archives;
mod revisions;

use std::io::Write as _;

use super::{ArtifactTree, UnpackLimits};

/// The bytes of a tar.gz with these entries: path, content (none for a folder), mode.
pub(super) fn tar_gz(entries: &[(&str, Option<&[u8]>, u32)]) -> Vec<u8> {
    let mut bytes = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for (path, content, mode) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mode(*mode);
        header.set_size(content.map_or(0, |content| content.len() as u64));
        header.set_entry_type(match content {
            Some(_) => tar::EntryType::Regular,
            None => tar::EntryType::Directory,
        });
        // The library would refuse hostile names.
        let name = &mut header.as_old_mut().name;
        for (target, byte) in name.iter_mut().zip(path.bytes()) {
            *target = byte;
        }
        header.set_cksum();
        bytes.write_all(header.as_bytes()).unwrap();
        if let Some(content) = content {
            bytes.write_all(content).unwrap();
            let padding = (512 - content.len() % 512) % 512;
            bytes.write_all(&vec![0; padding]).unwrap();
        }
    }
    bytes.write_all(&[0; 1024]).unwrap();
    bytes.finish().unwrap()
}

/// A tree with these files.
pub(super) fn tree(files: &[(&str, &str)]) -> ArtifactTree {
    let entries: Vec<_> = files
        .iter()
        .map(|(path, content)| (*path, Some(content.as_bytes()), 0o600))
        .collect();
    ArtifactTree::read_tar_gz(tar_gz(&entries).as_slice(), &UnpackLimits::default()).unwrap()
}
