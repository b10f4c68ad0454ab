//! Where an event's time and its Sigma log source stand.

use std::sync::Arc;

use jiff::tz::TimeZone;
use model::LogSource;

use super::{Compiler, unknown_keys};
use crate::clock::{self, Format};
use crate::condition::Condition;
use crate::definition::TimeRule;
use crate::yaml::Node;

impl Compiler<'_, '_> {
    pub(super) fn times(&mut self, node: Option<&Node>) -> Vec<TimeRule> {
        let Some(node) = node else { return Vec::new() };
        node.items().iter().filter_map(|item| self.time(item)).collect()
    }

    fn time(&mut self, node: &Node) -> Option<TimeRule> {
        if let Some(text) = node.as_text() {
            let from = self.names.whole(text, node.inner(), self.reporter)?;
            return Some(TimeRule { from, format: Format::Auto, zone: TimeZone::UTC });
        }
        let entries = node.as_map().unwrap_or_default();
        unknown_keys(entries, || ["from", "format", "zone"].into_iter(), "a time", self.reporter);
        let Some((from, at)) = node.get("from").and_then(|n| Some((n.as_text()?, n.inner())))
        else {
            let help =
                "time:\n  - published\n  - {from: date, format: \"%d.%m.%Y\", zone: Europe/Berlin}";
            self.reporter.add("S003", node.span, "a time needs `from`", "here", help);
            return None;
        };
        let from = self.names.whole(from, at, self.reporter)?;
        let format = match node.get("format") {
            None => Format::Auto,
            Some(format) => {
                if let Some(format) = format.as_text().and_then(Format::named) {
                    format
                } else {
                    let help = format!(
                        "one of {}, or a pattern like %d/%b/%Y %H:%M:%S",
                        clock::NAMES.join(", ")
                    );
                    self.reporter.add("S015", format.span, "not a time format", "this", help);
                    return None;
                }
            }
        };
        let zone = match node.get("zone") {
            None => TimeZone::UTC,
            Some(zone) => {
                if let Some(zone) = zone.as_text().and_then(read_zone) {
                    zone
                } else {
                    let help = "write UTC, an offset like +02:00, or a name like Europe/Berlin";
                    self.reporter.add("S015", zone.span, "not a time zone", "this", help);
                    return None;
                }
            }
        };
        Some(TimeRule { from, format, zone })
    }

    #[allow(clippy::type_complexity)] // Condition and log sources, once.
    pub(super) fn sources(
        &mut self,
        node: Option<&Node>,
    ) -> (Vec<(Condition, Box<[Arc<LogSource>]>)>, Vec<Arc<LogSource>>) {
        let Some(node) = node else { return (Vec::new(), Vec::new()) };
        let Some(entries) = node.as_map() else {
            let help = "logsource:\n  product: okta\n  service: okta";
            self.reporter.add("S006", node.span, "`logsource` is a map", "this is not", help);
            return (Vec::new(), Vec::new());
        };
        let known = || ["product", "category", "service", "also", "cases"].into_iter();
        unknown_keys(entries, known, "`logsource`", self.reporter);
        let mut rules = Vec::new();
        for case in node.get("cases").map(Node::items).unwrap_or_default() {
            let known = || ["when", "product", "category", "service", "also"].into_iter();
            unknown_keys(case.as_map().unwrap_or_default(), known, "a case", self.reporter);
            let when = self.condition(case.get("when"));
            rules.push((when, triples(case, Some(node))));
        }
        rules.push((Condition::Always, triples(node, None)));
        let mut every: Vec<Arc<LogSource>> = rules
            .iter()
            .flat_map(|(_, all)| all.iter().cloned())
            .filter(|s| !s.is_empty())
            .collect();
        every.sort();
        every.dedup();
        (rules, every)
    }
}

fn triples(node: &Node, outer: Option<&Node>) -> Box<[Arc<LogSource>]> {
    let part = |of: &Node, key: &str| {
        let own = of.get(key);
        let text = own.or_else(|| outer.and_then(|o| o.get(key))).and_then(Node::as_text);
        text.unwrap_or_default().to_owned()
    };
    let triple = |of: &Node, product: &str| {
        let product = match of.get("product").and_then(Node::as_text) {
            Some(own) => own.to_owned(),
            None => product.to_owned(),
        };
        let text = |key| of.get(key).and_then(Node::as_text).unwrap_or_default();
        Arc::new(LogSource::new(&product, text("category"), text("service")))
    };
    let product = part(node, "product");
    let first = LogSource::new(&product, &part(node, "category"), &part(node, "service"));
    let mut all = vec![Arc::new(first)];
    let also = node.get("also").or_else(|| outer.and_then(|o| o.get("also")));
    all.extend(also.map(Node::items).unwrap_or_default().iter().map(|n| triple(n, &product)));
    all.dedup();
    all.into()
}

fn read_zone(text: &str) -> Option<TimeZone> {
    if matches!(text, "UTC" | "Z") {
        return Some(TimeZone::UTC);
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return TimeZone::get(text).ok(),
    };
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    let seconds: i32 = hours.parse::<i32>().ok()? * 3600 + minutes.parse::<i32>().ok()? * 60;
    Some(TimeZone::fixed(jiff::tz::Offset::from_seconds(sign * seconds).ok()?))
}
