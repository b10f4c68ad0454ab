//! A source definition: from its YAML to a plan.

use std::borrow::Cow;
use std::collections::HashMap;
use std::mem;
use std::slice;
use std::sync::Arc;

use jiff::tz::TimeZone;
use model::{Flaw, FlawKind, LogSource, Micros, Record, inert, shortened};
use ocsf::{Class, ColumnId, Event, Scalar};

use crate::choice::Choice;
use crate::clock::{self, Format, Frame};
use crate::condition::Condition;
use crate::expr::{self, Expr, Scene, Shared};
use crate::lens::{Lens, Trail};
use crate::live::{Awake, Live};
use crate::open::{self, Open};
use crate::pattern::Patterns;
use crate::slots::Slots;
use crate::target::Target;
use crate::value::Val;
use crate::{Context, Normalized, mapper};

/// A source definition, compiled.
#[derive(Debug)]
pub struct Definition {
    /// Its name, which is its folder's too: `okta_system`.
    pub name: Arc<str>,
    /// Its version, which grows when events come out differently.
    pub version: u32,
    /// Its title for people: `Okta System Log`.
    pub title: Arc<str>,
    /// Who makes the product: `Okta`.
    pub vendor: Arc<str>,
    /// The product.
    pub product: Arc<str>,
    /// The file that it was read from.
    pub path: Arc<str>,
    /// Every Sigma log source that its events may have.
    pub logsources: Vec<Arc<LogSource>>,
    /// The OCSF classes that its events may have, in order of number.
    pub classes: Vec<&'static Class>,
    pub(crate) plan: Plan,
}

#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) open: Vec<Open>,
    pub(crate) lens: Lens,
    pub(crate) shared: Vec<Shared>,
    pub(crate) patterns: Vec<Patterns>,
    pub(crate) times: Vec<TimeRule>,
    pub(crate) severity: Option<Expr>,
    /// Which of `sources` a record has.
    pub(crate) source: Choice,
    pub(crate) sources: Vec<(Condition, Box<[Arc<LogSource>]>)>,
    /// Which of `classes` it is of.
    pub(crate) class: Choice,
    pub(crate) classes: Vec<ClassPlan>,
    pub(crate) product: [(ColumnId, Arc<str>); 2],
}

#[derive(Debug)]
pub(crate) struct TimeRule {
    pub(crate) from: Expr,
    pub(crate) format: Format,
    pub(crate) zone: TimeZone,
}

#[derive(Debug)]
pub(crate) struct ClassPlan {
    pub(crate) class: &'static Class,
    pub(crate) when: Condition,
    pub(crate) activity: Option<Expr>,
    pub(crate) severity: Option<Expr>,
    pub(crate) fields: Vec<(Target, Expr)>,
    /// The fields by the slots that they are made of.
    pub(crate) live: Live,
}

/// An event, and which of the definition's log sources it has.
struct Made<'r> {
    event: Event<'r>,
    source: Option<usize>,
    flaws: Vec<Flaw>,
    time_found: bool,
}

/// What a thread remembers of the records of a definition.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    trail: Trail,
    /// For each class, the fields that the last record of it had something for.
    classes: Vec<Awake>,
}

static NO_LOGSOURCE: std::sync::LazyLock<Arc<LogSource>> = std::sync::LazyLock::new(Arc::default);

/// What stands for an unknown log source.
pub(crate) fn no_logsource() -> &'static Arc<LogSource> {
    &NO_LOGSOURCE
}

impl Definition {
    /// All log sources that an event of this definition has whose first one is known.
    pub fn logsources_with(&self, first: &LogSource) -> &[Arc<LogSource>] {
        let mut lists = self.plan.sources.iter().map(|(_, all)| &**all);
        lists.find(|all| all.first().is_some_and(|one| **one == *first)).unwrap_or_default()
    }

    /// Makes the event of a record. `place` is the definition's among all.
    pub(crate) fn apply<'r>(
        &'r self,
        record: &'r Record<'r>,
        context: &Context<'_>,
        place: usize,
        memory: &mut mapper::Memory,
    ) -> Normalized<'r> {
        let opened = match self.plan.open.as_slice() {
            [] => None,
            open => open::apply(open, record),
        };
        let made = match &opened {
            Some(opened) => {
                let made = self.make(opened, context, place, memory);
                Made {
                    event: open::own(&made.event),
                    source: made.source,
                    flaws: made.flaws,
                    time_found: made.time_found,
                }
            }
            None => self.make(record, context, place, memory),
        };
        let sources = made.source.and_then(|at| self.plan.sources.get(at));
        let logsources = sources.map_or_else(|| slice::from_ref(no_logsource()), |(_, all)| all);
        Normalized {
            event: made.event,
            definition: Some(self),
            logsource: logsources.first().unwrap_or(no_logsource()),
            logsources,
            flaws: made.flaws,
            time_found: made.time_found,
        }
    }

    fn make<'r>(
        &'r self,
        record: &'r Record<'r>,
        context: &Context<'_>,
        place: usize,
        memory: &mut mapper::Memory,
    ) -> Made<'r> {
        let plan = &self.plan;
        let mapper::Memory { layouts, slots: room, definitions, generation, .. } = memory;
        if definitions.len() <= place {
            definitions.resize_with(place + 1, || None);
        }
        let own = definitions.get_mut(place).map(Option::get_or_insert_default);
        let (trail, woken) = own.map(|m| (&mut m.trail, &mut m.classes)).unzip();
        let known = trail.map(|trail| {
            trail.begin(*generation);
            (layouts, trail)
        });
        let mut slots = plan.lens.fill(&record.fields, known, mem::take(room));
        let pattern = plan.capture(&mut slots, record, context);
        let cells = expr::cells(&plan.shared);
        let scene = Scene {
            slots: &slots,
            lens: &plan.lens,
            record,
            parser: context.parser,
            origin: context.origin,
            pattern,
            cells: &cells,
        };
        let mut flaws = Vec::new();
        let time = plan.time(&scene, context, &mut flaws);
        let fallback = context.modified.unwrap_or(context.received_at);
        let chosen = plan.class.first(&scene, |at| plan.classes.get(at).map(|c| &c.when));
        let chosen = chosen.and_then(|number| Some((number, plan.classes.get(number)?)));
        let class = chosen.map_or_else(crate::fallback::base_class, |(_, plan)| plan.class);
        let mut event = Event::new(class, time.unwrap_or(fallback));
        for (column, text) in &plan.product {
            event.set(*column, Scalar::text(text));
        }
        if let Some((number, class_plan)) = chosen {
            let mut other = Awake::default();
            let woken = woken.and_then(|woken| {
                woken.resize_with(plan.classes.len(), Awake::default);
                woken.get_mut(number)
            });
            let awake = woken.unwrap_or(&mut other);
            class_plan.fill(&mut event, &scene, plan.severity.as_ref(), awake);
        }
        let source = plan.source.first(&scene, |at| plan.sources.get(at).map(|(when, _)| when));
        *room = Slots::reuse(slots, 0);
        Made { event, source, flaws, time_found: time.is_some() }
    }
}

impl Plan {
    fn capture<'r>(
        &'r self,
        slots: &mut Slots<'r>,
        record: &'r Record<'r>,
        context: &Context<'_>,
    ) -> Option<&'r str> {
        let mut matched = None;
        let mut captured = Vec::new();
        for patterns in &self.patterns {
            let scene = Scene {
                slots,
                lens: &self.lens,
                record,
                parser: context.parser,
                origin: context.origin,
                pattern: matched,
                cells: &expr::cells(&self.shared),
            };
            let name = patterns.apply(&scene, &mut captured);
            for (slot, text) in captured.drain(..) {
                slots.put(slot, text);
            }
            matched = name.or(matched);
        }
        matched
    }

    fn time<'r>(
        &'r self,
        scene: &Scene<'_, 'r>,
        context: &Context<'_>,
        flaws: &mut Vec<Flaw>,
    ) -> Option<Micros> {
        let latest = context.modified.unwrap_or(context.received_at);
        let mut unread = None;
        for rule in &self.times {
            let val = rule.from.eval(scene);
            if val.is_none() {
                continue;
            }
            let frame = Frame { zone: &rule.zone, latest };
            match clock::read(&val, &rule.format, &frame) {
                Some(time) => return Some(time),
                None => unread = unread.or_else(|| val.text().map(Cow::into_owned)),
            }
        }
        if let Some(text) = unread {
            flaws.push(Flaw {
                offset: scene.record.offset,
                kind: FlawKind::Time,
                message: format!(
                    "`{}` is not a time that the definition can read",
                    inert(&shortened(&text, 80))
                ),
                record_lost: false,
            });
        }
        None
    }
}

impl ClassPlan {
    fn fill<'r>(
        &'r self,
        event: &mut Event<'r>,
        scene: &Scene<'_, 'r>,
        severity: Option<&'r Expr>,
        last: &mut Awake,
    ) {
        if let Some(activity) = &self.activity {
            let (id, word) = enumerated(activity.eval(scene), self.class.activities);
            event.activity_id = id;
            event.activity_name = word;
        }
        if let Some(severity) = self.severity.as_ref().or(severity) {
            let val = severity.eval(scene);
            if !val.is_none() {
                event.severity = enumerated(val, SEVERITIES).0;
            }
        }
        for field in self.live.awake(scene.slots.filled(), last) {
            if let Some((target, expr)) = self.fields.get(*field as usize)
                && !target.is_settled(event)
            {
                expr.offer(scene, &mut |val| target.put(event, val));
            }
        }
    }
}

/// OCSF's `severity_id`.
pub(crate) const SEVERITIES: &[(i32, &str)] = &[
    (0, "Unknown"),
    (1, "Informational"),
    (2, "Low"),
    (3, "Medium"),
    (4, "High"),
    (5, "Critical"),
    (6, "Fatal"),
    (99, "Other"),
];

/// The number of a caption or a number; Other with the source's word for what is neither, Unknown
/// for nothing.
fn enumerated<'r>(
    val: Val<'r>,
    rows: &'static [(i32, &'static str)],
) -> (i32, Option<Cow<'r, str>>) {
    let number = match val.as_str() {
        Some(word) => rows.iter().find(|(_, c)| c.eq_ignore_ascii_case(word)).map(|(n, _)| *n),
        None => None,
    };
    let number = number.or_else(|| {
        let n = i32::try_from(val.int()?).ok()?;
        rows.iter().any(|(row, _)| *row == n).then_some(n)
    });
    if let Some(number) = number {
        return (number, None);
    }
    match val.text() {
        Some(word) if !word.is_empty() => (99, Some(word)),
        _ => (0, None),
    }
}

/// Named maps of a definition.
pub(crate) type Maps = HashMap<Box<str>, crate::yaml::Node>;
