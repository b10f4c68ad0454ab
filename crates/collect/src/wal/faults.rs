//! Where the tests make a disk fail. Outside of tests it never does.

/// A disk that does what it is asked.
#[cfg(not(test))]
pub(super) struct Faults;

#[cfg(not(test))]
#[allow(clippy::unused_self, clippy::unnecessary_wraps)] // As the tests have it.
impl Faults {
    pub(super) fn new() -> Self {
        Self
    }

    pub(super) fn fail_write(&self) -> std::io::Result<()> {
        Ok(())
    }

    pub(super) fn fail_sync(&self) -> std::io::Result<()> {
        Ok(())
    }

    pub(super) fn pass(&self) {}
}

#[cfg(test)]
pub(super) use super::tests::Faults;
