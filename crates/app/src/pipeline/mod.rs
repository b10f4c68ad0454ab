//! What every record passes through, whether it comes from a folder or from the network: read, normalise,
//! detect, lay out as columns. [`investigate`](mod@crate::investigate) and the live floor hand
//! [`Work`] to [`Worker`]s and say where the results go.

mod tally;
mod worker;

pub(crate) use tally::{Book, Entry, Tally};
pub(crate) use worker::{Job, Outlet, Shared, Work, Worker};
