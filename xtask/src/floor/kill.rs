//! `kill -9` of a floor at random moments while senders deliver to it, and what is there afterwards.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::check::{Concluded, Counted, concluded, count, differ};
use super::evidence::{Stream, Way};
use super::senders::{Control, Record, begin, beside, send_all};
use super::server::{Place, Running};
use crate::Dice;

/// How much is tried.
#[derive(Debug, Clone)]
pub struct KillTrial {
    /// Kills.
    pub times: u64,
    /// Where random choices begin.
    pub seed: u64,
    /// Events a second of each of the four senders.
    pub rate: u64,
    /// The longest life of a floor between its opening and its death, in milliseconds.
    pub life: u64,
}

/// The senders: HEC with acknowledgements, HTTP twice, RELP.
fn streams(trial: &KillTrial) -> Vec<Stream> {
    let ways = [Way::Hec, Way::Web, Way::Cloud, Way::Relp];
    Stream::several(trial.seed, &ways, trial.rate, 500)
}

/// Kills a floor again and again, and compares it with one that was left alone. Gives the figures, a line
/// each; an error says which promise is broken.
pub fn floor_kill(program: &Path, folder: &Path, trial: &KillTrial) -> Result<Vec<String>, String> {
    let streams = streams(trial);
    let place = Place::new(program, &folder.join("killed"))?;
    let (floor, mut api, works) = begin(&place, &streams, true, |_| u64::MAX)?;
    let control = Control::default();
    let began = Instant::now();
    let killed = beside(&works, &control, || kills(&place, floor, trial));
    let (records, (floor, mut opening)) =
        killed.map_err(|e| format!("{e}\n{}", place.last_words()))?;
    let took = began.elapsed();
    let all: Vec<_> = streams.iter().zip(&records).collect();
    let live = count(&mut api, &all)?;
    live.sound()?;
    let got = concluded(&mut api)?;
    got.knows(&all)?;
    // The same from the lake alone, with nothing in memory or in the log.
    floor.stop()?;
    let floor = place.open()?;
    let kept = count(&mut api, &all)?;
    if kept != live {
        return Err(format!("after a stop it holds {kept:?}, before {live:?}"));
    }
    floor.stop()?;
    let want = left_alone(program, folder, &streams, &records)?;
    differ(&got, &want)?;
    opening.sort_unstable();
    Ok(figures(trial, took, &opening, &live, &want))
}

/// The kills. Gives the floor that was opened last, and how long openings took.
fn kills(
    place: &Place,
    first: Running,
    trial: &KillTrial,
) -> Result<(Running, Vec<Duration>), String> {
    let mut dice = Dice(trial.seed);
    let mut floor = first;
    let mut opening = Vec::new();
    for _ in 0..trial.times {
        // Now and then it lives long enough to go about its commits in peace.
        let life = if dice.below(20) == 0 { trial.life * 4 } else { dice.below(trial.life) };
        thread::sleep(Duration::from_millis(life));
        floor.kill()?;
        floor = place.open()?;
        opening.push(floor.took);
    }
    Ok((floor, opening))
}

/// What a floor concludes that is sent the same and that nobody kills.
fn left_alone(
    program: &Path,
    folder: &Path,
    streams: &[Stream],
    records: &[Record],
) -> Result<Concluded, String> {
    let place = Place::new(program, &folder.join("left-alone"))?;
    let sent = |at: usize| records.get(at).map_or(0, Record::sent);
    let (floor, mut api, works) = begin(&place, streams, false, sent)?;
    send_all(&works)?;
    let want = concluded(&mut api)?;
    floor.stop()?;
    Ok(want)
}

fn figures(
    trial: &KillTrial,
    took: Duration,
    opening: &[Duration],
    counted: &Counted,
    want: &Concluded,
) -> Vec<String> {
    let Counted { sent, acknowledged, again, twice, rows, .. } = counted;
    let opened = |part: usize| opening.get(opening.len() * part / 100).copied().unwrap_or_default();
    vec![
        format!("{} kills in {:.0} s over HEC, HTTP and RELP", trial.times, took.as_secs_f64()),
        format!(
            "open again after {:.1} s (half of them), {:.1} s (99 of 100)",
            opened(50).as_secs_f64(),
            opened(99).as_secs_f64()
        ),
        format!(
            "{sent} events sent, {acknowledged} acknowledged, {rows} rows; acknowledged and lost: 0"
        ),
        format!(
            "{again} events were sent again because no acknowledgement had come; {twice} of them stand twice, as two deliveries; every other event stands once"
        ),
        format!(
            "{} findings (rule and event) and {} alerts (rule and entity): those of a floor that was left alone",
            want.findings.len(),
            want.alerts.len()
        ),
    ]
}
