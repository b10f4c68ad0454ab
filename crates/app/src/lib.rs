//! The application: each use case once, whoever asks. The only room in which stages meet.
//!
//! [`investigate`](mod@investigate) is the main job; around it stand the smaller use cases:
//! `normalize`, `sources`, `rules`, `query`, `hunts`, `report`, `doctor`. The command line (and later
//! the web) calls these and adds nothing but form.
//!
//! This room knows no terminal, no HTTP (it hands on what `collect` knows of senders) and no file format.

pub mod access;
mod ask;
mod cases;
mod content;
mod convert;
mod doctor;
mod failure;
mod form;
mod investigate;
mod live;
mod meter;
mod off;
mod pipeline;
mod play;
mod rules;
mod scratch;
mod serve;
mod sources;
mod stages;
mod tell;

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use model::Micros;

pub use ask::{Answered, Question, find_hunt, hunts, on_interrupt, query, run_hunt};
pub use cases::{
    Asked, ColumnWord, Delivering, FunctionWord, HuntAsked, IncidentReport, Load, Once,
    RuleChecked, RuleNamed, RuleOnTrial, RuleRemoved, RuleSaved, RuleSeen, RuleSwitched, RuleText,
    RuleTried, SenderMade, TechniqueWord, Ticket, Words,
};
pub use collect::Input;
/// What senders say over HTTP.
pub use collect::http;
pub use collect::{Full, Position, Receipt, Refusal};
pub use content::{Content, Text};
pub use convert::{Converted, convert};
pub use detect::{RuleInfo, Verdict as ImportVerdict};
pub use doctor::{Check, Verdict, doctor};
pub use failure::{Failure, Kind};
pub use hunt::{Parameter as HuntParameter, SavedHunt};
pub use investigate::{
    Before, Changes, GivenUp, Options, Outcome, investigate, load_and_investigate,
};
/// What the ledger keeps, as it is told.
pub use ledger;
pub use live::{
    ContentRefused, Cost, FetcherStatus, Floor, FloorOptions, KeeperHealth, LastError, LineHealth,
    Notice, RuleInForce, ShutOff, Socket, SocketFiles, SocketKind, SocketStatus, Status, Trouble,
};
pub use meter::Meter;
pub use off::RuleOff;
pub use play::{PlayOptions, Played, Told, made_up_password, play};
pub use rules::{RulesChecked, check_rules, import_rules, rule_coverage, test_rules};
pub use serve::{Encryption, Opened, ServeOptions};
pub use sources::{Checked, SAMPLE_TIME, check_sources, load_sources, source_texts};
pub use stages::{RuleChoice, Stages};
pub use tell::{document, write_reports};

/// The time now, in microseconds since 1970 UTC. The one clock of the application.
pub fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Names of the formats that are read.
pub fn formats() -> impl Iterator<Item = &'static str> {
    parse::FORMATS.iter().map(|format| format.name())
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

/// A runtime, such as the lake and the query engine work on.
pub fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(failure::system("cannot start the runtime"))
}

/// The lake of a data folder.
pub(crate) fn open_lake(data: &Path) -> Result<lake::Lake, Failure> {
    lake::Lake::open(&data.join("lake").display().to_string()).map_err(investigate::from_lake)
}
