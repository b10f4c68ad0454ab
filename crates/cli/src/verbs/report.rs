//! `watchfloor report`: the report of a data folder, again.

use std::process::ExitCode;

use app::{Failure, RuleChoice, Stages};

use super::{print, print_json};
use crate::Ground;
use crate::args::Report;

pub(crate) fn run(ground: &Ground, args: Report) -> Result<ExitCode, Failure> {
    let stages = Stages::load(&ground.content, &RuleChoice::default().of_floor(&args.data.data));
    let written = app::write_reports(&stages, &args.data.data, &args.form, args.out.as_deref())?;
    let paths: Vec<String> = written.iter().map(|path| path.display().to_string()).collect();
    if ground.json {
        print_json(&serde_json::json!({ "reports": paths }))?;
    } else {
        print(&(paths.join("\n") + "\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}
