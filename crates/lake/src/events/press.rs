//! The press: pages are compressed one after the other in the same memory, with as much effort as pays.

use std::io;

use bytes::Bytes;
use zstd::bulk::Compressor;
use zstd::zstd_safe::{CParameter, compress_bound};

/// How much work a chunk's pages are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effort {
    /// None: it would save nothing.
    None,
    /// Numbers and dictionaries.
    Usual,
    /// Found out with the first page that is large enough to tell: little or much.
    Tried,
    /// Texts of which much work would not save more.
    Little,
    /// Texts of which it does.
    Much,
}

/// Bytes of a page that tell how much work others are worth.
const TELLING: usize = 64 << 10;
/// Where little work makes this part of a page, much work could not save enough.
const ENOUGH: usize = 20;
/// Bytes of a hundred that much work must save to be worth it.
const WORTH: usize = 1;

/// The tools of one thread.
pub(super) struct Press {
    usual: Compressor<'static>,
    little: Compressor<'static>,
    much: Compressor<'static>,
    packed: Vec<u8>,
    other: Vec<u8>,
}

impl Press {
    pub(super) fn new() -> io::Result<Self> {
        let usual = Compressor::new(1)?;
        // As the first level, but with the whole page in sight.
        let mut little = Compressor::new(1)?;
        little.set_parameter(CParameter::WindowLog(21))?;
        little.set_parameter(CParameter::HashLog(17))?;
        // As the eighth level, but without the short matches: log lines are alike in long stretches,
        // and what is random in them finds short matches everywhere that cost more than they save. It
        // makes less of lines than the eighth level does, in two thirds of the time.
        let mut much = Compressor::new(8)?;
        much.set_parameter(CParameter::MinMatch(6))?;
        much.set_parameter(CParameter::SearchLog(2))?;
        let (packed, other) = (Vec::new(), Vec::new());
        Ok(Self { usual, little, much, packed, other })
    }

    pub(super) fn pack(&mut self, page: &[u8], effort: &mut Effort) -> io::Result<Bytes> {
        let tool = match effort {
            Effort::None => return Ok(Bytes::copy_from_slice(page)),
            Effort::Tried => return self.tried(page, effort),
            Effort::Usual => &mut self.usual,
            Effort::Little => &mut self.little,
            Effort::Much => &mut self.much,
        };
        pack(tool, page, &mut self.packed)?;
        Ok(Bytes::copy_from_slice(&self.packed))
    }

    fn tried(&mut self, page: &[u8], effort: &mut Effort) -> io::Result<Bytes> {
        pack(&mut self.little, page, &mut self.packed)?;
        if self.packed.len() * ENOUGH <= page.len() {
            if page.len() >= TELLING {
                *effort = Effort::Little;
            }
            return Ok(Bytes::copy_from_slice(&self.packed));
        }
        pack(&mut self.much, page, &mut self.other)?;
        let saved = self.packed.len().saturating_sub(self.other.len());
        if page.len() >= TELLING {
            *effort = if saved * 100 > page.len() * WORTH { Effort::Much } else { Effort::Little };
        }
        let least = if saved > 0 { &self.other } else { &self.packed };
        Ok(Bytes::copy_from_slice(least))
    }
}

fn pack(tool: &mut Compressor<'_>, page: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    out.clear();
    out.reserve(compress_bound(page.len()));
    tool.compress_to_buffer(page, out)?;
    Ok(())
}
