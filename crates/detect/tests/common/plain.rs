//! Correlations as their definitions read, worked out window by window without any cleverness: the
//! judge of those that are worked out fast.
#![allow(dead_code, clippy::self_only_used_in_recursion)]

use std::collections::{BTreeMap, BTreeSet};

use model::{EventUid, Match, Micros};

/// What a finding says of its window.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Outline {
    pub(crate) rule: String,
    pub(crate) start: Micros,
    pub(crate) end: Micros,
    pub(crate) count: u64,
    pub(crate) group: Vec<String>,
    pub(crate) events: Vec<EventUid>,
}

type Row<'r> = (&'r str, &'r str, &'r str, &'r str, u32, &'r str);

/// A match, or a moment at which a correlation holds.
#[derive(Debug, Clone)]
struct Thing {
    rule: String,
    time: i64,
    event: EventUid,
    start: i64,
    events: Vec<EventUid>,
    birth: bool,
    values: BTreeMap<String, String>,
    /// Of a moment, the group of its correlation; never empty.
    origin: String,
}

/// One correlation, read from its row.
struct Plain<'r> {
    kind: &'r str,
    parts: Vec<&'r str>,
    group: Vec<&'r str>,
    span: i64,
    window: &'r str,
    gap: i64,
    rest: &'r str,
}

/// Runs all correlations of a table; each stands after those that it counts.
pub(crate) fn correlate(rows: &[Row<'_>], matches: &[Match]) -> Vec<Outline> {
    let mut things: Vec<Thing> = matches
        .iter()
        .map(|one| Thing {
            rule: one.rule_id.to_string(),
            time: one.time.0,
            event: one.event_uid,
            start: one.time.0,
            events: vec![one.event_uid],
            birth: true,
            values: one
                .fields
                .iter()
                .filter_map(|(name, value)| Some((name.to_string(), value.as_ref()?.to_string())))
                .collect(),
            origin: String::new(),
        })
        .collect();
    let mut out = Vec::new();
    for (id, kind, parts, group, span, rest) in rows {
        let after =
            |key: &str| rest.split(key).nth(1).and_then(|t| t.split([',', 's', '}']).next());
        let plain = Plain {
            kind,
            parts: parts.split(", ").collect(),
            group: group.split(", ").filter(|name| !name.is_empty()).collect(),
            span: i64::from(*span) * 1_000_000,
            window: ["tumbling", "session"]
                .into_iter()
                .find(|w| rest.contains(w))
                .unwrap_or("sliding"),
            gap: after("gap: ").map_or(0, |gap| gap.parse::<i64>().unwrap() * 1_000_000),
            rest,
        };
        let mut said = Vec::new();
        for inputs in plain.groups(&things).values() {
            plain.findings(id, inputs, &mut said, &mut out);
        }
        things.extend(said);
    }
    out.sort();
    out
}

impl Plain<'_> {
    fn presence(&self) -> bool {
        self.kind.starts_with("temporal") || self.kind == "value_count"
    }

    fn field(&self) -> Option<&str> {
        self.rest.split("field: ").nth(1).and_then(|rest| rest.split([',', '}']).next())
    }

    fn number(&self, key: &str) -> Option<f64> {
        let rest = self.rest.split(&format!("{key}: ")).nth(1)?;
        rest.split([',', '}']).next()?.parse().ok()
    }

    /// Inputs by group: a thing with the number of the part that it is.
    fn groups(&self, things: &[Thing]) -> BTreeMap<Vec<String>, Vec<(usize, Thing)>> {
        let mut groups: BTreeMap<Vec<String>, Vec<(usize, Thing)>> = BTreeMap::new();
        for (part, name) in self.parts.iter().enumerate() {
            for thing in things.iter().filter(|thing| thing.rule == *name) {
                let counts = thing.origin.is_empty() || thing.birth || self.presence();
                let key = self.group.iter().map(|f| Some(thing.values.get(*f)?.to_lowercase()));
                let has = self.field().is_none_or(|field| thing.values.contains_key(field));
                if let (true, true, Some(key)) = (counts, has, key.collect()) {
                    groups.entry(key).or_default().push((part, thing.clone()));
                }
            }
        }
        for inputs in groups.values_mut() {
            let first = |part: usize| if self.kind == "temporal_ordered" { part } else { 0 };
            inputs.sort_by(|(part, one), (other_part, other)| {
                (one.time, first(*part), one.event, &one.origin, part).cmp(&(
                    other.time,
                    first(*other_part),
                    other.event,
                    &other.origin,
                    other_part,
                ))
            });
            if !self.kind.starts_with("temporal") {
                let mut seen = BTreeSet::new();
                inputs.retain(|(_, t)| !t.origin.is_empty() || seen.insert(t.event));
            }
        }
        groups
    }

    /// Cuts inputs into windows that follow each other.
    fn windows(&self, inputs: &[(usize, Thing)]) -> Vec<(usize, usize)> {
        let mut out: Vec<(usize, usize)> = Vec::new();
        for (at, (_, thing)) in inputs.iter().enumerate() {
            let joins = out.last().is_some_and(|(first, last)| {
                let (begin, before) = (inputs[*first].1.time, inputs[*last].1.time);
                match self.window {
                    "tumbling" => begin.div_euclid(self.span) == thing.time.div_euclid(self.span),
                    "session" => thing.time - before <= self.gap && thing.time - begin <= self.span,
                    _ => thing.time - begin <= self.span,
                }
            });
            match out.last_mut().filter(|_| joins) {
                Some((_, last)) => *last = at,
                None => out.push((at, at)),
            }
        }
        out
    }

    fn findings(
        &self,
        id: &str,
        inputs: &[(usize, Thing)],
        said: &mut Vec<Thing>,
        out: &mut Vec<Outline>,
    ) {
        let most = ["lt: ", "lte: ", "eq: "].iter().any(|order| self.rest.contains(order));
        let grows = ["event_count", "value_count", "temporal"].contains(&self.kind)
            && !most
            && !self.rest.contains("not ");
        // Places at which it holds, each with the beginning of its window and its count.
        let mut holds: Vec<(usize, usize, f64)> = Vec::new();
        if self.window == "sliding" && !most {
            for at in 0..inputs.len() {
                let low = (0..=at)
                    .find(|low| inputs[at].1.time - inputs[*low].1.time <= self.span)
                    .unwrap();
                if let Some((begin, count)) = self.holds(inputs, low, at) {
                    holds.push((at, begin, count));
                }
            }
        } else {
            for (first, last) in self.windows(inputs) {
                let fills = grows || self.kind == "temporal_ordered";
                let mut completed = None;
                for at in if fills { first } else { last }..=last {
                    let now = self.holds(inputs, first, at).map(|(_, count)| count);
                    if self.kind == "temporal_ordered" {
                        completed = now.or(completed);
                    } else {
                        completed = now;
                    }
                    holds.extend(completed.map(|count| (at, first, count)));
                }
            }
        }
        // First and last place, the highest count.
        let mut stretches: Vec<(usize, usize, f64)> = Vec::new();
        for (at, begin, count) in holds {
            let open = stretches.last_mut().filter(|(_, last, _)| begin <= *last);
            let birth = open.is_none();
            match open {
                Some((_, last, highest)) => (*last, *highest) = (at, highest.max(count)),
                None => stretches.push((begin, at, count)),
            }
            let (_, thing) = &inputs[at];
            let from = if birth { begin } else { at };
            let whole = inputs[from..=at].iter().map(|(_, thing)| thing);
            let group = self.group.iter().map(|f| ((*f).to_owned(), thing.values[*f].clone()));
            let key: Vec<String> = self
                .group
                .iter()
                .map(|f| thing.values[*f].to_lowercase())
                .map(|value| format!("{}:{value}", value.len()))
                .collect();
            said.push(Thing {
                rule: id.to_owned(),
                time: thing.time,
                event: thing.event,
                start: whole.clone().map(|thing| thing.start).min().unwrap(),
                events: distinct(whole),
                birth,
                values: group.collect(),
                origin: format!("/{}", key.concat()),
            });
        }
        for (first, last, highest) in stretches {
            let whole = || inputs[first..=last].iter().map(|(_, thing)| thing);
            let count = match self.kind {
                "event_count" => (last - first + 1) as u64,
                _ => highest.max(0.0).round() as u64,
            };
            out.push(Outline {
                rule: id.to_owned(),
                start: Micros(whole().map(|thing| thing.start).min().unwrap()),
                end: Micros(inputs[last].1.time),
                count,
                group: self.group.iter().map(|f| inputs[first].1.values[*f].clone()).collect(),
                events: distinct(whole()),
            });
        }
    }

    /// Whether it holds of a window, with the beginning of it and the count.
    fn holds(&self, inputs: &[(usize, Thing)], low: usize, at: usize) -> Option<(usize, f64)> {
        let window = &inputs[low..=at];
        let parts: BTreeSet<usize> = window.iter().map(|(part, _)| *part).collect();
        if self.kind == "temporal_ordered" {
            if inputs[at].0 + 1 != self.parts.len() {
                return None;
            }
            let begin = self.chain(inputs, low, at)?;
            return Some((begin, parts.len() as f64));
        }
        let has = |name: &str| parts.iter().any(|part| self.parts[*part] == name);
        match self.rest.split("condition: ").nth(1) {
            Some("a and not b") if !has("a") || has("b") => return None,
            Some("a and (b or c)") if !has("a") || !(has("b") || has("c")) => return None,
            _ => {}
        }
        let texts = window.iter().filter_map(|(_, thing)| thing.values.get(self.field()?));
        let mut numbers: Vec<f64> = texts.clone().filter_map(|text| text.parse().ok()).collect();
        numbers.sort_by(f64::total_cmp);
        let rank = |rank: f64| {
            let place = rank / 100.0 * numbers.len().checked_sub(1)? as f64;
            let (below, above) = (numbers[place.floor() as usize], numbers[place.ceil() as usize]);
            Some(below + (above - below) * place.fract())
        };
        let value = match self.kind {
            "event_count" => window.len() as f64,
            "value_count" => texts.map(|t| t.to_lowercase()).collect::<BTreeSet<_>>().len() as f64,
            "temporal" => parts.len() as f64,
            "value_sum" => numbers.iter().sum(),
            "value_avg" if numbers.is_empty() => return None,
            "value_avg" => numbers.iter().sum::<f64>() / numbers.len() as f64,
            "value_median" => rank(50.0)?,
            _ => rank(self.number("percentile").unwrap())?,
        };
        let holds = [
            self.number("gte").is_none_or(|bound| value >= bound),
            self.number("gt").is_none_or(|bound| value > bound),
            self.number("lte").is_none_or(|bound| value <= bound),
            self.number("lt").is_none_or(|bound| value < bound),
            self.number("eq").is_none_or(|bound| (value - bound).abs() < 1e-9),
            !self.rest.is_empty() && self.rest.contains("condition")
                || self.kind != "temporal"
                || parts.len() == self.parts.len(),
        ];
        holds.iter().all(|holds| *holds).then_some((low, value))
    }

    /// The latest beginning of a chain in the window that ends with an input.
    fn chain(&self, inputs: &[(usize, Thing)], low: usize, at: usize) -> Option<usize> {
        let (part, thing) = &inputs[at];
        if *part == 0 {
            return Some(at);
        }
        let before = (low..at).filter(|at| {
            let (other, before) = &inputs[*at];
            other + 1 == *part && before.event != thing.event
        });
        before.filter_map(|at| self.chain(inputs, low, at)).max()
    }
}

fn distinct<'t>(things: impl Iterator<Item = &'t Thing>) -> Vec<EventUid> {
    let mut seen = BTreeSet::new();
    things.flat_map(|thing| thing.events.clone()).filter(|event| seen.insert(*event)).collect()
}
