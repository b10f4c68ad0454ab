//! Records that no definition knows: still events, with their time where it can be found.

use std::borrow::Cow;
use std::mem;
use std::sync::LazyLock;

use jiff::tz::TimeZone;
use model::Record;
use ocsf::{Class, Event, Scalar};

use crate::clock::{self, Format, Frame};
use crate::definition::no_logsource;
use crate::lens::Lens;
use crate::mapper::Memory;
use crate::slots::{Got, Slots};
use crate::syntax::Step;
use crate::value::{Val, bare};
use crate::{Context, Normalized};

/// Where times usually stand, best first.
const TIMES: [&str; 32] = [
    "@timestamp",
    "timestamp",
    "time",
    "ts",
    "eventTime",
    "event_time",
    "EventTime",
    "eventtime",
    "Event.System.TimeCreated.#attributes.SystemTime",
    "datetime",
    "date_time",
    "DateTime",
    "date",
    "Timestamp",
    "TimeGenerated",
    "TimeCreated",
    "CreationTime",
    "createdDateTime",
    "created_at",
    "createdAt",
    "published",
    "occurred_at",
    "start_time",
    "startTime",
    "_time",
    "log_time",
    "__REALTIME_TIMESTAMP",
    "receivedTime",
    "event.created",
    "extension.rt",
    "attributes.devTime",
    "syslog.timestamp",
];

/// Where the message usually stands, best first.
const MESSAGES: [&str; 8] =
    ["message", "msg", "Message", "MESSAGE", "name", "description", "summary", "text"];

struct Usual {
    lens: Lens,
    times: Vec<u16>,
    /// A date beside a time, as W3C logs and spreadsheets have it.
    date: u16,
    time: u16,
    messages: Vec<u16>,
}

static USUAL: LazyLock<Usual> = LazyLock::new(|| {
    let mut lens = Lens::new(vec!["".into(), "-".into()]);
    let mut slot = |path: &str| {
        let steps: Vec<Step> = path.split('.').map(|k| Step::Key(k.into())).collect();
        lens.slot(&[Vec::new()], &steps)
    };
    let times = TIMES.iter().map(|path| slot(path)).collect();
    let (date, time) = (slot("date"), slot("time"));
    let messages = MESSAGES.iter().map(|path| slot(path)).collect();
    Usual { lens, times, date, time, messages }
});

/// The class of an event of which nothing is known.
#[allow(clippy::expect_used)] // Class 0 is in every version of the schema; the table is static.
pub(crate) fn base_class() -> &'static Class {
    static BASE: LazyLock<&'static Class> =
        LazyLock::new(|| ocsf::class_by_uid(0).expect("the base event"));
    *BASE
}

/// The base event of a record.
pub(crate) fn apply<'r>(
    record: &'r Record<'r>,
    context: &Context<'_>,
    memory: &mut Memory,
) -> Normalized<'r> {
    let usual = &*USUAL;
    let Memory { layouts, fallback, slots: room, generation, .. } = memory;
    fallback.begin(*generation);
    let known = Some((layouts, fallback));
    let slots = usual.lens.fill(&record.fields, known, mem::take(room));
    let got = |slot: &u16| slots.get(*slot);
    let value = |slot: &u16| match got(slot) {
        Some(Got::Value(value)) => Val::Ref(value),
        _ => Val::None,
    };
    let latest = context.modified.unwrap_or(context.received_at);
    let frame = Frame { zone: &TimeZone::UTC, latest };
    let read = |val: &Val<'_>| clock::read(val, &Format::Auto, &frame);
    let both = match (value(&usual.date).text(), value(&usual.time).text()) {
        (Some(date), Some(time)) => read(&Val::Text(Cow::Owned(format!("{date} {time}")))),
        _ => None,
    };
    let time = both.or_else(|| {
        // Small numbers are durations and counters rather than times.
        usual.times.iter().map(value).find_map(|val| read(&val).filter(|t| t.0 > 100_000_000_000))
    });
    let mut event = Event::new(base_class(), time.unwrap_or(latest));
    if let Some(column) = ocsf::column("message") {
        let found = usual.messages.iter().find_map(|slot| match got(slot) {
            Some(Got::Value(value)) => bare(value).as_str(),
            _ => None,
        });
        let text = found.or_else(|| std::str::from_utf8(&record.raw).ok()).map(str::trim);
        if let Some(text) = text.filter(|t| !t.is_empty()) {
            event.set(column, Scalar::text(text));
        }
    }
    *room = Slots::reuse(slots, 0);
    Normalized {
        event,
        definition: None,
        logsource: no_logsource(),
        logsources: std::slice::from_ref(no_logsource()),
        flaws: Vec::new(),
        time_found: time.is_some(),
    }
}
