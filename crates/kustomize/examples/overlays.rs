//! Builds the overlays 1 to COUNT of a folder in one process, on all cores, with one cache, and prints how long it took.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use fluxbot_kustomize::{Cache, LoadRestrictor, Options, build};

mod shared;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let files = shared::Disk(arguments.next().unwrap_or_default().into());
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
