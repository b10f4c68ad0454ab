//! From where a source sees the web.

/// From where a source sees requests to web sites.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vantage {
    /// From the organisation's own sites: every domain in its events is one of those.
    Site,
    /// From a wire that goes both ways: to the organisation's own sites and to those of others.
    Wire,
    /// From elsewhere, or not at all.
    Other,
}
