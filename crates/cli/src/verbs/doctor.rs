//! `watchfloor doctor`: what is wrong here, if anything.

use std::fmt::Write as _;
use std::process::ExitCode;

use app::{Failure, Kind, Verdict};
use model::inert;

use super::{print, print_json};
use crate::Ground;
use crate::args::Data;
use crate::screen::Tone;

pub(crate) fn run(ground: &Ground, args: &Data) -> Result<ExitCode, Failure> {
    let checks = app::doctor(&ground.content, &args.data);
    let sick = checks.iter().any(|check| check.verdict == Verdict::Wrong);
    if ground.json {
        print_json(&checks)?;
    } else {
        let mut text = String::new();
        for check in &checks {
            let (tone, word) = match check.verdict {
                Verdict::Fine => (Tone::Good, "ok   "),
                Verdict::Note => (Tone::Warn, "note "),
                Verdict::Wrong => (Tone::Bad, "WRONG"),
            };
            let _ = writeln!(
                text,
                "{} {}: {}",
                ground.screen.paint(tone, word),
                check.what,
                inert(&check.found)
            );
            if let Some(mend) = &check.mend {
                let _ = writeln!(text, "      {}", inert(mend));
            }
        }
        print(&text)?;
    }
    Ok(if sick { Kind::System.exit_code().into() } else { ExitCode::SUCCESS })
}
