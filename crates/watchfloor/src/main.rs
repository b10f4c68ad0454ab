//! The program: an allocator, and the doors: the command line, and behind it the web.

use std::process::ExitCode;

use app::{Failure, Opened, ServeOptions};

/// Many small strings from several threads: the system's allocator is a third slower here, and others keep
/// what threads that have ended let go of (docs/adr/0002-parts.md).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    cli::run(std::env::args_os(), cli::Web { serve: &serve, openapi: &web::openapi })
}

/// Serves, with a log on standard error: nobody sits before a server to be told.
fn serve(options: ServeOptions, said: &(dyn Fn(&Opened) + Sync)) -> Result<(), Failure> {
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false);
    log.with_max_level(tracing_subscriber::filter::LevelFilter::WARN).init();
    let page =
        |file: &pages::File| web::Page { path: file.path, plain: file.plain, brotli: file.brotli };
    let pages: Vec<web::Page> = pages::FILES.iter().map(page).collect();
    web::run(options, &pages, said)
}
