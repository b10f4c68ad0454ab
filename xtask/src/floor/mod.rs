//! The live floor put to it: the real program, killed, flooded and hurt while senders deliver to it that
//! keep what was not acknowledged; and what is there afterwards, counted through its API.

mod check;
mod evidence;
mod faults;
mod http;
mod kill;
mod load;
mod pages;
mod power;
mod senders;
mod server;
mod watch;

use std::time::{SystemTime, UNIX_EPOCH};

pub use evidence::{Stream, Way};
pub use faults::{FaultTrial, floor_faults};
pub use kill::{KillTrial, floor_kill};
pub use load::{LoadTrial, OverloadTrial, floor_load, floor_overload};
pub use pages::{Figure, pages_pictures, pages_speed};
pub use power::{PowerTrial, floor_power};
pub use server::Place;

/// Now, in microseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_micros() as i64)
}
