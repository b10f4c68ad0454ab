//! A source definition: from its YAML to a plan.

use std::borrow::Cow;
use std::collections::HashMap;
use std::slice;
use std::sync::Arc;

use jiff::tz::TimeZone;
use model::{Flaw, FlawKind, LogSource, Micros, Record, inert, shortened};
use ocsf::{Class, ColumnId, Event, Scalar};

use crate::clock::{self, Format, Frame};
use crate::condition::Condition;
use crate::expr::{Expr, Scene};
use crate::lens::{Lens, Slot};
use crate::open::{self, Open};
use crate::pattern::Patterns;
use crate::target::Target;
use crate::value::Val;
use crate::{Context, Normalized};

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
    pub(crate) patterns: Vec<Patterns>,
    pub(crate) times: Vec<TimeRule>,
    pub(crate) severity: Option<Expr>,
    pub(crate) sources: Vec<(Condition, Box<[Arc<LogSource>]>)>,
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
}

/// An event, and which of the definition's log sources it has.
struct Made<'r> {
    event: Event<'r>,
    source: Option<usize>,
    flaws: Vec<Flaw>,
    time_found: bool,
}

static NO_LOGSOURCE: std::sync::LazyLock<Arc<LogSource>> = std::sync::LazyLock::new(Arc::default);

/// What stands for an unknown log source.
pub(crate) fn no_logsource() -> &'static Arc<LogSource> {
    &NO_LOGSOURCE
}

impl Definition {
    /// Makes the event of a record.
    pub(crate) fn apply<'r>(
        &'r self,
        record: &'r Record<'r>,
        context: &Context<'_>,
    ) -> Normalized<'r> {
        let opened = match self.plan.open.as_slice() {
            [] => None,
            open => open::apply(open, record),
        };
        let made = match &opened {
            Some(opened) => {
                let made = self.make(opened, context);
                Made {
                    event: open::own(&made.event),
                    source: made.source,
                    flaws: made.flaws,
                    time_found: made.time_found,
                }
            }
            None => self.make(record, context),
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

    fn make<'r>(&'r self, record: &'r Record<'r>, context: &Context<'_>) -> Made<'r> {
        let plan = &self.plan;
        let mut slots = vec![Slot::default(); plan.lens.len()];
        plan.lens.fill(&record.fields, &mut slots);
        let pattern = plan.capture(&mut slots, record, context);
        let scene = Scene {
            slots: &slots,
            lens: &plan.lens,
            record,
            parser: context.parser,
            origin: context.origin,
            pattern,
        };
        let mut flaws = Vec::new();
        let time = plan.time(&scene, context, &mut flaws);
        let fallback = context.modified.unwrap_or(context.received_at);
        let chosen = plan.classes.iter().find(|c| c.when.holds(&scene));
        let class = chosen.map_or_else(crate::fallback::base_class, |c| c.class);
        let mut event = Event::new(class, time.unwrap_or(fallback));
        for (column, text) in &plan.product {
            event.set(*column, Scalar::text(text));
        }
        if let Some(class_plan) = chosen {
            class_plan.fill(&mut event, &scene, plan.severity.as_ref());
        }
        let source = plan.sources.iter().position(|(when, _)| when.holds(&scene));
        Made { event, source, flaws, time_found: time.is_some() }
    }
}

impl Plan {
    fn capture<'r>(
        &'r self,
        slots: &mut [Slot<'r>],
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
            };
            let name = patterns.apply(&scene, &mut captured);
            for (slot, text) in captured.drain(..) {
                if let Some(place) = slots.get_mut(usize::from(slot)) {
                    place.got = text;
                }
            }
            matched = name.or(matched);
        }
        matched
    }

    fn time(
        &self,
        scene: &Scene<'_, '_>,
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
        for (target, expr) in &self.fields {
            expr.offer(scene, &mut |val| target.put(event, val));
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
    match (number, val.text()) {
        (Some(number), _) => (number, None),
        (None, Some(word)) if !word.is_empty() => (99, Some(word)),
        _ => (0, None),
    }
}

/// Named maps of a definition.
pub(crate) type Maps = HashMap<Box<str>, crate::yaml::Node>;
