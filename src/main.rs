//! The `fluxbot` command: see [`fluxbot`] for the data flow and `fluxbot --help` for the commands.

use std::process::ExitCode;

/// The system's allocator keeps what many threads have freed; a controller lives for months.
/// Its feature `no_thp` keeps the kernel from backing every touched page with two megabytes, which were most of the memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    fluxbot::cli::run()
}
