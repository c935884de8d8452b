//! A disk that takes no more: the system refuses to let a file of one process grow.

use crate::support::*;
use fluxbot_git::{FetchError, Mirror, RefQuery};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Name the directory of the lab and the URL to a process that this test starts from its own program.
const LAB: &str = "FLUXBOT_TEST_FULL_DISK_LAB";
const URL: &str = "FLUXBOT_TEST_FULL_DISK_URL";

/// Fetches while files cannot grow. Does nothing when it is run as a test.
#[test]
fn fetcher() {
    let Some(directory) = std::env::var_os(LAB).map(PathBuf::from) else {
        return;
    };
    let url = std::env::var(URL).unwrap();
    let mirror = Mirror::open(
        &directory.join("mirror"),
        remote(&url, fluxbot_git::Credential::None),
    )
    .unwrap();
    let before = mirror.known().head(&main_branch());
    for _ in 0..2 {
        let error = mirror.fetch(&[RefQuery::from(main_branch())]).unwrap_err();
        let FetchError::Storage { path, source } = &error else {
            panic!("{error:?}");
        };
        assert_eq!(path, &directory.join("mirror"));
        assert_eq!(source.kind(), std::io::ErrorKind::FileTooLarge);
        assert_eq!(mirror.known().head(&main_branch()), before);
    }
    std::fs::write(directory.join("reached"), "").unwrap();
}

/// Starts the fetcher where no file may become larger than `kibibytes`; a write beyond it fails instead of ending the process.
fn fetch_with_small_files(lab: &Lab, url: &str, kibibytes: u32) {
    let output = Command::new("sh")
        .arg("-c")
        .arg(format!("trap '' XFSZ; ulimit -f {}; exec \"$@\"", kibibytes * 2))
        .arg("sh")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "full_disk::fetcher"])
        .env(LAB, lab.directory.path())
        .env(URL, url)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    assert!(lab.path("reached").exists());
}

/// Text that does not become shorter by compression.
fn noise(length: usize) -> String {
    let mut state = 1_u64;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'!' + u8::try_from((state >> 33) % 90).unwrap())
    })
    .take(length)
    .collect()
}

fn files_below(directory: &Path) -> usize {
    std::fs::read_dir(directory).unwrap().count()
}

#[test]
fn a_pack_that_the_disk_does_not_take_leaves_the_mirror_as_it_was() {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let server = lab.serve();
    let old = fetch_main(&lab.mirror(&server.url())).head(&main_branch());
    let packs = files_below(&lab.path("mirror/objects/pack"));
    let new = lab.commit("main", "large", &[("large", &noise(1 << 20))]);
    fetch_with_small_files(&lab, &server.url(), 64);
    assert_eq!(files_below(&lab.path("mirror/objects/pack")), packs);
    let mirror = lab.mirror(&server.url());
    assert_eq!(mirror.recreated_because(), None);
    assert_eq!(mirror.known().head(&main_branch()), old);
    assert_eq!(fetch_main(&mirror).head(&main_branch()), Some(new));
    git(&lab.path("mirror"), &["fsck", "--strict", "--no-dangling"]);
}
