//! What an archive may cost. A bomb is a small file that asks for a great deal of everything.

use model::FlawKind;

/// Limits on what one named file may expand to.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Archives inside archives: how deep.
    pub depth: u32,
    /// How many members all archives in one named file may have together.
    pub members: u64,
    /// Bytes that all members of one named file may expand to together.
    pub expanded: u64,
    /// Expanded bytes for each byte of the named file …
    pub ratio: u64,
    /// … once this many bytes have come out: small files may be as dense as they like.
    pub ratio_from: u64,
    /// Bytes that the extended header of one member may have (long names, attributes).
    pub header: u64,
    /// Bodies up to this size are held in memory; larger members go to an unnamed temporary file.
    pub in_memory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 8,
            members: 100_000,
            expanded: 256 << 30,
            ratio: 250,
            ratio_from: 64 << 20,
            header: 256 << 10,
            in_memory: 4 << 20,
        }
    }
}

/// Why expansion stopped, in words for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) kind: FlawKind,
    pub(crate) message: String,
}

/// What is left of the limits for one named file.
pub(crate) struct Budget<'l> {
    limits: &'l Limits,
    named_size: u64,
    expanded: u64,
    members: u64,
    spent: bool,
}

impl<'l> Budget<'l> {
    pub(crate) fn new(limits: &'l Limits, named_size: u64) -> Self {
        Self { limits, named_size, expanded: 0, members: 0, spent: false }
    }

    pub(crate) fn limits(&self) -> &'l Limits {
        self.limits
    }

    /// Counts one more member. Refused when an earlier one has used up the bytes.
    pub(crate) fn member(&mut self) -> Result<(), Refusal> {
        if self.spent {
            let message = "the members that follow were not read: the limit is reached";
            return Err(refuse(message.to_owned()));
        }
        self.members += 1;
        if self.members > self.limits.members {
            return Err(refuse(format!(
                "more than {} archive members; the rest were not read",
                self.limits.members
            )));
        }
        Ok(())
    }

    /// Counts expanded bytes.
    pub(crate) fn bytes(&mut self, count: u64) -> Result<(), Refusal> {
        self.expanded += count;
        let allowed = self.named_size.saturating_mul(self.limits.ratio);
        let message = if self.expanded > self.limits.expanded {
            format!("expands to more than {} GiB; stopped there", self.limits.expanded >> 30)
        } else if self.expanded > allowed.max(self.limits.ratio_from) {
            format!(
                "expands to more than {} times its size, as a decompression bomb does; stopped \
                 after {} MiB",
                self.limits.ratio,
                self.expanded >> 20
            )
        } else {
            return Ok(());
        };
        self.spent = true;
        Err(refuse(message))
    }

    /// Refuses a header of an archive that is larger than any name, before it is held in memory.
    pub(crate) fn header(&self, size: u64) -> Result<(), Refusal> {
        if size > self.limits.header {
            return Err(refuse(format!(
                "a header of {size} bytes, which would hold a member's name, is passed over with \
                 what follows it"
            )));
        }
        Ok(())
    }

    /// Refuses archives that lie too deep.
    pub(crate) fn depth(&self, depth: u32) -> Result<(), Refusal> {
        if depth >= self.limits.depth {
            return Err(refuse(format!(
                "archives are nested more than {} deep; this one was not opened",
                self.limits.depth
            )));
        }
        Ok(())
    }
}

fn refuse(message: String) -> Refusal {
    Refusal { kind: FlawKind::Limit, message }
}
