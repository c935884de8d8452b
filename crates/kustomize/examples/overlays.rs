//! Builds the overlays 1 to COUNT of a folder in one process, on all cores, with one cache, and prints how long it took.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use fluxbot_kustomize::{Cache, Entry, Files, FilesError, Kind, LoadRestrictor, Options, build};

/// A folder of the disk.
struct Disk(PathBuf);

impl Files for Disk {
    fn kind(&self, path: &str) -> Result<Option<Kind>, FilesError> {
        Ok(std::fs::metadata(self.0.join(path)).ok().map(|found| {
            if found.is_dir() {
                Kind::Directory
            } else {
                Kind::File
            }
        }))
    }

    fn read(&self, path: &str) -> Result<Option<std::sync::Arc<[u8]>>, FilesError> {
        Ok(std::fs::read(self.0.join(path)).ok().map(Into::into))
    }

    fn list(&self, _: &str) -> Result<Option<Vec<Entry>>, FilesError> {
        Ok(None)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let files = Disk(arguments.next().unwrap_or_default().into());
    let count: usize = arguments.next().unwrap_or_default().parse()?;
    let start = Instant::now();
    let (cache, next, bytes) = (Cache::new(), AtomicUsize::new(1), AtomicUsize::new(0));
    let work = || {
        let options = Options {
            load_restrictor: LoadRestrictor::None,
            cache: Some(&cache),
            ..Options::default()
        };
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number > count {
                return Ok(());
            }
            let built = build(&files, &format!("overlays/{number}"), &options)?;
            bytes.fetch_add(built.to_yaml().len(), Ordering::Relaxed);
        }
    };
    let cores = std::thread::available_parallelism()?.get();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or(Ok(())))
            .map_err(|error: fluxbot_kustomize::BuildError| error.to_string())
    })?;
    println!(
        "{count} overlays, {} parsed files, {} bytes: {} ms",
        cache.len(),
        bytes.into_inner(),
        start.elapsed().as_millis()
    );
    Ok(())
}
