//! `watchfloor investigate`: run it, watch it, say in fifteen lines what matters.

use std::cmp::Ordering;
use std::fmt::Write as _;
use std::mem::ManuallyDrop;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering as Memory;
use std::time::Instant;

use app::{Failure, Input, Kind, Meter, Options, Outcome, RuleChoice, Stages};
use indicatif::{HumanBytes, HumanCount, HumanDuration};
use model::{Level, inert, shortened};

use super::print_json;
use crate::Ground;
use crate::args::Investigate;
use crate::screen::{Progress, Screen, Tone, err, out};

/// Incidents that the last screen names.
const NAMED: usize = 4;

pub(crate) fn run(ground: &Ground, args: Investigate) -> Result<ExitCode, Failure> {
    let min_level = Level::from_name(&args.min_level).ok_or_else(|| {
        Failure::new(Kind::Usage, format!("`{}` is not a level", inert(&args.min_level)))
            .hint("levels are informational, low, medium, high, critical")
    })?;
    let began = Instant::now();
    let meter = Arc::new(Meter::default());
    let progress = Progress::start(&meter, ground.quiet || ground.json);
    stop_on_signal(&meter)?;
    meter.enter("loading");
    let choice = RuleChoice {
        paths: args.rules,
        only_paths: args.no_builtin_rules,
        placeholders: args.placeholders,
        ..RuleChoice::default()
    };
    let choice = choice.of_floor(&args.data.data);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let options = Options {
        inputs: args.paths.into_iter().map(Input::from_arg).collect(),
        data: args.data.data.clone(),
        min_level,
        threads: args.threads.unwrap_or(cores),
        again: args.again,
        now: app::now(),
    };
    let (stages, outcome) = app::load_and_investigate(&ground.content, &choice, &options, &meter)?;
    // The process ends with this: thousands of rules need not be taken apart one by one.
    let stages = ManuallyDrop::new(stages);
    let reports = if args.no_report {
        Vec::new()
    } else {
        meter.enter("report");
        app::write_reports(&stages, &options.data, &[], None).map_err(|failure| {
            let data = options.data.display();
            failure.hint(format!(
                "the lake is whole; `watchfloor report --data {data}` writes the report again"
            ))
        })?
    };
    drop(progress);
    if ground.json {
        let written: Vec<_> = reports.iter().map(|path| path.display().to_string()).collect();
        let value = serde_json::json!({ "outcome": outcome, "reports": written });
        print_json(&value)?;
        return Ok(ExitCode::SUCCESS);
    }
    problems(ground, &stages, &outcome);
    unlooked(ground, &outcome);
    let mut text = last_screen(ground.screen, &outcome, began.elapsed());
    let bold = |t: &str| ground.screen.paint(Tone::Strong, t);
    let data = options.data.display();
    if let Some(first) = reports.first() {
        let _ = writeln!(text, "{}    {}", bold("Report"), first.display());
    }
    let _ = writeln!(
        text,
        "{}      watchfloor query --data {data} \"SELECT * FROM incidents\"",
        bold("Next")
    );
    out(&text).map_err(|e| Failure::new(Kind::System, e.to_string()))?;
    Ok(ExitCode::SUCCESS)
}

/// The first signal stops the work in order; the second ends the process at once, which does no harm.
fn stop_on_signal(meter: &Arc<Meter>) -> Result<(), Failure> {
    let meter = Arc::clone(meter);
    app::on_interrupt(move || {
        if meter.stop.swap(true, Memory::Relaxed) {
            #[allow(clippy::exit)] // The person insists; a run may be cut anywhere.
            std::process::exit(i32::from(Kind::Interrupted.exit_code()));
        }
        err("stopping; press Ctrl-C again to stop at once");
    })
}

/// Says what of the evidence could not be had and what of the content did not load, in a line each kind:
/// the commands that show it all are named.
fn problems(ground: &Ground, stages: &Stages, outcome: &Outcome) {
    if ground.quiet {
        return;
    }
    let note = |text: String| err(&format!("{} {text}", ground.screen.paint(Tone::Warn, "note:")));
    for unread in stages.unread.iter().chain(&outcome.refused) {
        note(inert(unread).into_owned());
    }
    if !stages.rule_problems.is_empty() {
        note(format!(
            "{} rules did not load; `watchfloor rules check` says why, the report lists them",
            stages.rule_problems.len()
        ));
    }
    match &*outcome.rules_off {
        [] => {}
        [off] => note(format!(
            "the rule `{}` did not look: {} switched it off ({})",
            inert(&shortened(&off.title, 90)),
            inert(&off.by),
            inert(&off.reason)
        )),
        off => note(format!(
            "{} rules did not look: they are switched off; `watchfloor rules list` names them",
            off.len()
        )),
    }
    if !stages.source_problems.is_empty() {
        note(format!(
            "{} mistakes in source definitions; `watchfloor sources check` shows them",
            stages.source_problems.len()
        ));
    }
}

/// Says what the rules did not look at.
fn unlooked(ground: &Ground, outcome: &Outcome) {
    if ground.quiet {
        return;
    }
    let note = |text: String| err(&format!("{} {text}", ground.screen.paint(Tone::Warn, "note:")));
    if outcome.rules_changed {
        note(format!(
            "rules or source definitions have changed since {} known parcels were read; these were \
             not looked at again: add --again to do so",
            HumanCount(outcome.known_parcels)
        ));
    }
    if outcome.hits_left_out > 0 {
        note(format!(
            "correlations did not count {} matches of rules that matched too often; the earliest \
             were counted",
            HumanCount(outcome.hits_left_out)
        ));
    }
    for rule in outcome.given_up.iter().take(NAMED) {
        note(format!(
            "the rule `{}` would have taken too long on {} and was given up there",
            inert(&shortened(&rule.title, 90)),
            plural("event", rule.events)
        ));
    }
    if let Some(rest) = outcome.given_up.len().checked_sub(NAMED).filter(|rest| *rest > 0) {
        note(format!("so were {rest} other rules; the run's summary names them"));
    }
}

/// What became of the incidents that were there before.
fn changes(outcome: &Outcome) -> Option<String> {
    let changes = &outcome.changes;
    if outcome.before.runs == 0 {
        return None;
    }
    if outcome.parcels == 0 && outcome.parcels_again == 0 {
        return Some("nothing: all of this evidence was known".to_owned());
    }
    let counts = [
        (changes.new.len(), "new"),
        (changes.changed.len(), "with other alerts than before"),
        (changes.gone.values().flatten().count(), "now part of another"),
        (changes.gone.values().filter(|into| into.is_none()).count(), "gone"),
    ];
    let told: Vec<_> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    Some(if told.is_empty() {
        "no incident".to_owned()
    } else {
        format!("incidents: {}", told.join(", "))
    })
}

/// How many there are, and how many more than before where there was a before.
fn more(what: &str, now: u64, outcome: &Outcome, before: u64) -> String {
    let change = match (outcome.before.runs, now.cmp(&before)) {
        (0, _) | (_, Ordering::Equal) => String::new(),
        (_, Ordering::Greater) => format!(" (+{})", HumanCount(now - before)),
        (_, Ordering::Less) => format!(" (-{})", HumanCount(before - now)),
    };
    plural(what, now) + &change
}

/// A count and what is counted.
fn plural(what: &str, count: u64) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{} {what}{ending}", HumanCount(count))
}

fn last_screen(screen: Screen, outcome: &Outcome, took: std::time::Duration) -> String {
    let mut text = String::new();
    let bold = |t: &str| screen.paint(Tone::Strong, t);
    let count = |n: u64| HumanCount(n).to_string();
    let line = |text: &mut String, label: &str, value: String| {
        let _ = writeln!(
            text,
            "{}{} {value}",
            bold(label),
            " ".repeat(9_usize.saturating_sub(label.len()))
        );
    };
    let mut known = match outcome.known_parcels {
        0 => String::new(),
        n => format!(", {} known from before and left out", count(n)),
    };
    if outcome.parcels_again > 0 {
        let _ = write!(known, ", {} known and read again", count(outcome.parcels_again));
    }
    line(
        &mut text,
        "Read",
        format!(
            "{} from {}{known} in {}",
            plural("event", outcome.events),
            plural("parcel", outcome.parcels),
            if took.as_secs() == 0 {
                "a moment".to_owned()
            } else {
                HumanDuration(took).to_string()
            }
        ),
    );
    if let Some((first, last)) = outcome.span {
        line(&mut text, "From", format!("{first} to {last}"));
    }
    let looked = outcome.parcels + outcome.parcels_again > 0;
    if looked || outcome.flaws > 0 {
        line(
            &mut text,
            "Unsure",
            format!(
                "{} of unknown sources, {}, {} lost",
                plural("event", outcome.unrecognised),
                plural("flaw", outcome.flaws),
                plural("record", outcome.records_lost)
            ),
        );
    }
    let rules = outcome.rules.0.saturating_sub(outcome.rules_off.len());
    let by = if looked { format!(" by {} rules", count(rules as u64)) } else { String::new() };
    line(
        &mut text,
        "Found",
        format!(
            "{}{by}, {}, {}",
            more("finding", outcome.findings, outcome, outcome.before.findings),
            more("alert", outcome.alerts, outcome, outcome.before.alerts),
            more("incident", outcome.incidents.len() as u64, outcome, outcome.before.incidents),
        ),
    );
    if let Some(changes) = changes(outcome) {
        line(&mut text, "Changed", changes);
    }
    for incident in outcome.incidents.iter().take(NAMED) {
        let _ = writeln!(
            text,
            "  {} risk {:>3}  {}",
            screen.level(incident.severity),
            incident.risk,
            inert(&shortened(&incident.title, 90)),
        );
    }
    if let Some(rest) = outcome.incidents.len().checked_sub(NAMED).filter(|rest| *rest > 0) {
        let _ = writeln!(text, "  {}", screen.paint(Tone::Quiet, &format!("and {rest} more")));
    }
    if let Some(step) = outcome.incidents.first().and_then(|incident| incident.next_steps.first()) {
        line(&mut text, "Do first", inert(&shortened(step, 110)).into_owned());
    }
    if outcome.incidents.is_empty() && outcome.events > 0 {
        let calm = "no incident: nothing that the rules know tied together";
        let _ = writeln!(text, "  {}", screen.paint(Tone::Good, calm));
    }
    if looked {
        line(&mut text, "Lake", HumanBytes(outcome.lake_bytes).to_string());
    }
    text
}
