//! The terminal: arguments to `app` and back. Nothing is decided here but form.
//!
//! Each verb is one file in `verbs/`. Results go to standard output, progress and complaints to
//! standard error; with `--json` standard output holds JSON and nothing else. Exit codes are those of
//! `app::Kind` and never change.

mod args;
mod screen;
mod verbs;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use app::{Failure, Kind};
use clap::Parser;
use model::inert_json;

pub use args::Cli;
pub use verbs::serve::Door;

use crate::args::Verb;
use crate::screen::{Screen, Tone, err};

/// What a verb gets beside its own arguments.
pub(crate) struct Ground {
    pub(crate) screen: Screen,
    pub(crate) json: bool,
    pub(crate) quiet: bool,
    pub(crate) content: app::Content,
    /// The user's own content.
    pub(crate) folder: Option<PathBuf>,
}

impl Ground {
    /// Lays the user's content over the built-in one.
    fn overlay(&mut self, folder: &Path) -> Result<(), Failure> {
        if !folder.is_dir() {
            let message = format!("--content {}: there is no such folder", folder.display());
            return Err(Failure::new(Kind::Usage, message));
        }
        self.content = std::mem::take(&mut self.content).overlaid(folder);
        self.folder = Some(folder.to_owned());
        Ok(())
    }
}

/// What the web does for the program: this room does not know it.
pub struct Web<'d> {
    /// Serves.
    pub serve: Door<'d>,
    /// Describes its API.
    pub openapi: &'d dyn Fn() -> serde_json::Value,
}

impl std::fmt::Debug for Web<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Web")
    }
}

/// Runs the program.
pub fn run(args: impl IntoIterator<Item = OsString>, web: Web<'_>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            let asked_for_help = !error.use_stderr();
            let _nowhere_to_say_it = error.print();
            return if asked_for_help { ExitCode::SUCCESS } else { Kind::Usage.exit_code().into() };
        }
    };
    let content = app::Content::built_in();
    let (json, quiet) = (cli.json, cli.quiet);
    let mut ground = Ground { screen: Screen::new(), json, quiet, content, folder: None };
    let result = cli.content.map_or(Ok(()), |folder| ground.overlay(&folder)).and_then(|()| {
        match cli.verb {
            Verb::Investigate(args) => verbs::investigate::run(&ground, args),
            Verb::Serve(args) => verbs::serve::run(&ground, args, web.serve),
            Verb::Play(args) => verbs::play::run(&ground, args),
            Verb::Normalize(args) => verbs::normalize::run(&ground, args),
            Verb::Query(args) => verbs::query::run(&ground, args),
            Verb::Hunt(args) => verbs::hunt::run(&ground, args),
            Verb::Rules(args) => verbs::rules::run(&ground, args),
            Verb::Sources(args) => verbs::sources::run(&ground, args),
            Verb::Report(args) => verbs::report::run(&ground, args),
            Verb::Doctor(args) => verbs::doctor::run(&ground, &args),
            Verb::Openapi => verbs::print_json(&(web.openapi)()).map(|()| ExitCode::SUCCESS),
        }
    });
    match result {
        Ok(code) => code,
        Err(failure) => {
            complain(&ground, &failure);
            failure.kind.exit_code().into()
        }
    }
}

/// Says what went wrong: a sentence, then what could be done.
fn complain(ground: &Ground, failure: &Failure) {
    if ground.json {
        let text = serde_json::to_string(&serde_json::json!({ "error": failure }));
        err(&inert_json(&text.unwrap_or_else(|_| failure.message.clone())));
        return;
    }
    // A diagnostic has lines of its own (a caret under the mistake); what evidence put into it was
    // made inert where the sentence was written.
    err(&format!("{} {}", ground.screen.paint(Tone::Bad, "error:"), failure.message));
    for hint in &failure.hints {
        err(&format!("  {} {hint}", ground.screen.paint(Tone::Strong, "hint:")));
    }
}
