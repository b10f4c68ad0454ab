//! The program: an allocator, and the door to the command line.

use std::process::ExitCode;

/// Many small strings from several threads: the system's allocator is a third slower here.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run(std::env::args_os())
}
