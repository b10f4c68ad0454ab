//! Where everything stands on the timeline picture: pure geometry, drawn by the forms.

use std::collections::BTreeMap;

use model::{Level, Micros};

use crate::document::{Case, Document, Point};
use crate::text;

/// The picture. Positions along time run from 0 (left) to 1 (right).
#[derive(Debug, PartialEq)]
pub(crate) struct Picture {
    /// One lane for each source, in order of first sight.
    pub(crate) lanes: Vec<String>,
    pub(crate) marks: Vec<Mark>,
    pub(crate) ticks: Vec<Tick>,
    /// Events over time; heights run from 0 to 1.
    pub(crate) bars: Vec<Bar>,
    /// Marks whose time lies outside the picture, or makes no sense.
    pub(crate) outside: usize,
    pub(crate) first: Micros,
    pub(crate) last: Micros,
}

/// Alerts of one level on one lane that stand too close to be told apart.
#[derive(Debug, PartialEq)]
pub(crate) struct Mark {
    pub(crate) x: f64,
    /// Where the last of them ends.
    pub(crate) until: f64,
    pub(crate) lane: usize,
    pub(crate) level: Level,
    /// How many alerts it stands for.
    pub(crate) alerts: u64,
    pub(crate) findings: u64,
    pub(crate) label: String,
}

impl Mark {
    /// Half its width, in units of about a point: larger for more findings.
    pub(crate) fn radius(&self) -> f64 {
        4.5 + (self.findings.max(1) as f64).log10().min(4.0) * 1.1
    }
}

/// A line across the lanes.
#[derive(Debug, PartialEq)]
pub(crate) struct Tick {
    pub(crate) x: f64,
    /// `09:00`, or the day when steps are days.
    pub(crate) label: String,
    /// The day, where it changes; empty elsewhere.
    pub(crate) day: String,
}

/// Events of one stretch.
#[derive(Debug, PartialEq)]
pub(crate) struct Bar {
    pub(crate) x: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

/// Lanes drawn; what is beyond shares the last.
const LANES: usize = 12;
/// Marks of one lane nearer than this part of the width are drawn as one.
const NEAR: f64 = 1.0 / 110.0;
/// Steps between ticks, in seconds.
const STEPS: [i64; 21] = [
    1,
    5,
    15,
    30,
    60,
    300,
    900,
    1_800,
    3_600,
    7_200,
    10_800,
    21_600,
    43_200,
    86_400,
    172_800,
    604_800,
    1_209_600,
    2_592_000,
    7_862_400,
    31_536_000,
    315_360_000,
];
const TICKS: i64 = 9;

impl Picture {
    /// The picture of all of a document's points; none when no point has a sensible time.
    pub(crate) fn of(document: &Document) -> Option<Self> {
        let cased = document.timeline.iter().any(|p| p.incident.is_some() && sane(p.time));
        let counts = |p: &Point| !cased || p.incident.is_some();
        Self::draw(document, counts, |_| true)
    }

    /// The picture of one incident, in its own time.
    pub(crate) fn of_case(document: &Document, case: &Case) -> Option<Self> {
        let id = Some(case.incident.incident_id);
        Self::draw(document, |p| p.incident == id, |p| p.incident == id)
    }

    /// `spans` says which points decide how much time is shown, `shows` which are drawn.
    fn draw(
        document: &Document,
        spans: impl Fn(&Point) -> bool,
        shows: impl Fn(&Point) -> bool,
    ) -> Option<Self> {
        let times = || document.timeline.iter().filter(|p| sane(p.time) && spans(p));
        let first = times().map(|p| p.time.0).min()?;
        let last = times().map(|p| if sane(p.until) { p.until.0 } else { p.time.0 }).max()?;
        let last = last.max(first + 60_000_000);
        let margin = (last - first) / 30;
        let (first, last) = ((first - margin).max(0), last + margin);
        let place = |time: i64| (time.clamp(first, last) - first) as f64 / (last - first) as f64;

        let mut lanes: Vec<String> = Vec::new();
        let mut others = false;
        let mut groups: BTreeMap<(usize, Level, i64), Mark> = BTreeMap::new();
        let mut outside = 0;
        for point in document.timeline.iter().filter(|p| shows(p)) {
            if !(first..=last).contains(&point.time.0) {
                outside += 1;
                continue;
            }
            let name = model::shortened(&text::source(&point.lane), 19).into_owned();
            let lane = match lanes.iter().position(|lane| *lane == name) {
                Some(at) => at,
                None if lanes.len() < LANES => {
                    lanes.push(name);
                    lanes.len() - 1
                }
                None => {
                    others = true;
                    LANES - 1
                }
            };
            let x = place(point.time.0);
            let mark =
                groups.entry((lane, point.level, (x / NEAR) as i64)).or_insert_with(|| Mark {
                    x,
                    until: x,
                    lane,
                    level: point.level,
                    alerts: 0,
                    findings: 0,
                    label: text::clean(&point.label, 80),
                });
            mark.alerts += 1;
            mark.findings = mark.findings.saturating_add(point.count);
            mark.until = mark.until.max(place(point.until.0));
        }
        if others && let Some(last) = lanes.last_mut() {
            last.push_str(" and others");
        }
        // The gravest are drawn last, on top.
        let mut marks: Vec<Mark> = groups.into_values().collect();
        marks.sort_by_key(|mark| mark.level);
        Some(Self {
            lanes,
            marks,
            ticks: ticks(first, last),
            bars: bars(document, first, last),
            outside,
            first: Micros(first),
            last: Micros(last),
        })
    }
}

/// Whether a time lies in the years 1970 to 2100: outside them is a broken clock, and one such mark
/// would flatten the picture.
fn sane(time: Micros) -> bool {
    (0..4_102_444_800_000_000).contains(&time.0)
}

fn ticks(first: i64, last: i64) -> Vec<Tick> {
    let seconds = (last - first) / 1_000_000;
    let step = STEPS.into_iter().find(|step| seconds / step <= TICKS).unwrap_or(3_153_600_000);
    let step = step * 1_000_000;
    let mut out = Vec::new();
    let mut day = String::new();
    let mut at = (first + step - 1).div_euclid(step) * step;
    while at <= last {
        let time = Micros(at).written("%H:%M");
        let date = Micros(at).written("%-d %b");
        let whole = step >= 86_400_000_000;
        let label = if whole { date.clone() } else { time };
        let fresh = !whole && date != day;
        out.push(Tick {
            x: (at - first) as f64 / (last - first) as f64,
            label,
            day: if fresh { date.clone() } else { String::new() },
        });
        day = date;
        at += step;
    }
    out
}

/// At most this many bars are drawn.
const BARS: usize = 240;

fn bars(document: &Document, first: i64, last: i64) -> Vec<Bar> {
    let width = (last - first) as f64;
    let mut slots = vec![0_f64; BARS];
    for (at, bucket) in document.volume.iter().enumerate() {
        let end = document
            .volume
            .get(at + 1)
            .map_or_else(|| bucket.start.0.saturating_add(gap(document)), |next| next.start.0);
        let (from, to) = (bucket.start.0.max(first), end.min(last));
        if to <= from {
            continue;
        }
        // Spread evenly over the slots that it covers.
        let scale = |time: i64| (time - first) as f64 / width * BARS as f64;
        let per = bucket.events as f64 / (end - bucket.start.0).max(1) as f64 * width / BARS as f64;
        for slot in (scale(from) as usize)..=(scale(to) as usize).min(BARS - 1) {
            let inside = (scale(to).min(slot as f64 + 1.0) - scale(from).max(slot as f64)).max(0.0);
            if let Some(value) = slots.get_mut(slot) {
                *value += per * inside;
            }
        }
    }
    let most = slots.iter().copied().fold(0.0, f64::max);
    if most <= 0.0 {
        return Vec::new();
    }
    let bar = |(at, value): (usize, &f64)| Bar {
        x: at as f64 / BARS as f64,
        width: 1.0 / BARS as f64,
        height: value / most,
    };
    slots.iter().enumerate().filter(|(_, v)| **v > 0.0).map(bar).collect()
}

/// The usual width of a bucket: that of the first.
fn gap(document: &Document) -> i64 {
    match document.volume.as_slice() {
        [a, b, ..] => b.start.0.saturating_sub(a.start.0),
        _ => 3_600_000_000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(time: i64) -> Point {
        Point {
            time: Micros(time),
            until: Micros(time),
            lane: "a".to_owned(),
            level: Level::High,
            label: String::new(),
            count: 1,
            incident: None,
        }
    }

    #[test]
    fn broken_clocks_do_not_flatten_it() {
        let noon = 1_795_003_200_000_000;
        let points = [i64::MIN, 0, noon, noon + 1, noon + 3_600_000_000, i64::MAX];
        let mut document = Document { timeline: points.map(point).to_vec(), ..Document::default() };
        document.timeline.remove(1);
        let Some(picture) = Picture::of(&document) else { unreachable!("it has points") };
        assert_eq!(picture.outside, 2);
        assert_eq!(picture.marks.len(), 2, "two that stand together are one");
        assert!(picture.ticks.len() >= 2);
        assert!(picture.ticks.iter().all(|t| (0.0..=1.0).contains(&t.x)));
        assert_eq!(Picture::of(&Document::default()), None);
    }
}
