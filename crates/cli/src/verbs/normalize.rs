//! `watchfloor normalize`: OCSF events on standard output.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use app::{Failure, Input};
use model::{inert, inert_json};

use crate::Ground;
use crate::args::Normalize;
use crate::screen::{Tone, err};

/// Flaws that are shown one by one.
const SHOWN: usize = 20;

pub(crate) fn run(ground: &Ground, args: Normalize) -> Result<ExitCode, Failure> {
    let (normalizer, mistakes) = app::load_sources(&ground.content);
    for mistake in &mistakes {
        err(&mistake.to_string());
    }
    let inputs: Vec<_> = args.paths.into_iter().map(Input::from_arg).collect();
    let mut stream = BufWriter::with_capacity(1 << 18, io::stdout().lock());
    let done =
        app::convert(&normalizer, &inputs, args.extensions, &std::env::temp_dir(), &mut stream)?;
    // A closed pipe was noticed above; what cannot be flushed now has no reader.
    let _nobody_reads = stream.flush();
    if ground.quiet {
        return Ok(ExitCode::SUCCESS);
    }
    if ground.json {
        let text = serde_json::to_string(&done).unwrap_or_default();
        err(&inert_json(&text));
        return Ok(ExitCode::SUCCESS);
    }
    for (origin, flaw) in done.flaws.iter().take(SHOWN) {
        err(&format!(
            "{} {}, byte {}: {} ({})",
            ground.screen.paint(Tone::Warn, "flaw:"),
            inert(origin),
            flaw.offset,
            inert(&flaw.message),
            flaw.kind.name(),
        ));
    }
    err(&format!(
        "{} events, {} of them unknown to every source definition, {} flaws",
        done.events, done.unrecognised, done.flaw_count
    ));
    Ok(ExitCode::SUCCESS)
}
