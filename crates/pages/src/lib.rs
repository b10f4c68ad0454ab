//! The pages, as they are embedded: what `ui/` becomes when npm builds it. `build.rs` drives the build;
//! where it could not, one page stands in their place and says what is missing.
//!
//! Nothing else is here, and only `main` looks at it: a change of a page compiles this room and links
//! the program, and a change of another room builds no page.

/// A file of the pages.
#[derive(Debug, Clone, Copy)]
pub struct File {
    /// Its path from the root of the site, such as `/assets/index-Bq3f.js`.
    pub path: &'static str,
    /// Its bytes.
    pub plain: &'static [u8],
    /// The same, compressed by Brotli (RFC 7932), where that is worth it.
    pub brotli: Option<&'static [u8]>,
}

/// Every file. `/index.html` is among them.
pub static FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/files.rs"));
