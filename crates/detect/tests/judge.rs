//! rsigma-eval as the judge: over real events, the same rules must fire.
//!
//! Where we mend rsigma on purpose, the judge is given the mended question, worked out here a
//! second time and in another way: `windash` as lists of spelled-out values, null that is also
//! empty text, field names in any case, Windows fields by their bare names.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

mod common;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use detect::{RuleText, Rules};
use model::{LogSource, Value};
use rsigma_eval::Engine;
use rsigma_eval::event::{Event, EventValue};
use rsigma_parser::{
    Detection, DetectionItem, Modifier, SigmaCollection, SigmaRule, SigmaString, SigmaValue,
};

/// Folders of JSON lines, and what kind of log they are.
const JSON: &[(&str, &str, &str, &str)] = &[
    ("sources/aws_cloudtrail", "aws", "", "cloudtrail"),
    ("sources/okta_system", "okta", "", "okta"),
    ("sources/github_audit", "github", "", "audit"),
    ("sources/kubernetes_audit", "kubernetes", "application", "audit"),
    ("sources/m365_audit", "m365", "", "audit"),
    ("sources/entra_id", "azure", "", "auditlogs"),
    ("sources/entra_id", "azure", "", "signinlogs"),
    ("sources/azure_activity", "azure", "", "activitylogs"),
    ("sources/zeek/slips", "zeek", "", "conn"),
    ("sources/zeek/slips", "zeek", "", "dns"),
    ("sources/otrf", "zeek", "", "dce_rpc"),
    ("sources/otrf", "zeek", "", "smb_files"),
    ("sources/otrf", "linux", "process_creation", ""),
    ("sources/suricata", "suricata", "", "eve"),
    ("sources/syslog", "linux", "", ""),
];

#[test]
fn the_same_rules_fire() {
    let (Some(root), Some(sigma)) = (common::corpora(""), common::corpora("sigma")) else {
        return;
    };
    let texts: Vec<RuleText> = common::sigma_rules(&sigma)
        .into_iter()
        .filter(|text| !text.text.contains("base64offset"))
        .collect();
    let mut rules = Vec::new();
    for text in &texts {
        rules.extend(rsigma_parser::parse_sigma_yaml(&text.text).unwrap().rules);
    }
    let (ours, _) = Rules::load(texts);
    let loaded: BTreeSet<String> = ours.list().iter().map(|info| info.id.to_string()).collect();
    rules.retain(|rule| rule.id.as_ref().is_some_and(|id| loaded.contains(id)));
    for rule in &mut rules {
        for detection in rule.detection.named.values_mut() {
            mend(detection);
        }
    }
    let ours = Arc::new(ours);
    let mut detector = ours.detector();

    let mut records: Vec<(LogSource, serde_json::Value)> = Vec::new();
    for folder in ["evtx", "sigma/regression_data", "sources/windows"] {
        for path in common::files(&root.join(folder), &["evtx"]) {
            records.extend(
                common::evtx(&path).into_iter().map(|record| {
                    (common::windows(&record), serde_json::to_value(&record).unwrap())
                }),
            );
        }
    }
    for (folder, product, category, service) in JSON {
        let source = LogSource::new(product, category, service);
        for path in common::files(&root.join(folder), &["ndjson", "json", "jsonl", "log"]) {
            for record in common::json_lines(&path) {
                let record = record.get("log").unwrap_or(&record);
                if matches!(record, Value::Map(_)) {
                    records.push((source.clone(), serde_json::to_value(record).unwrap()));
                }
            }
        }
    }

    let mut engines: BTreeMap<LogSource, Engine> = BTreeMap::new();
    let mut wrong: BTreeMap<String, (usize, String)> = BTreeMap::new();
    let mut agreed = 0;
    for (source, record) in &records {
        // rsigma's `*` stops at line ends; ours does not. The events are given none.
        let record = unbroken(record);
        let engine = engines.entry(source.clone()).or_insert_with(|| engine(&rules, source));
        let judge = Judge::new(source, &record);
        let theirs: BTreeSet<String> = engine
            .evaluate(&judge)
            .into_iter()
            .map(|result| result.header.rule_id.unwrap())
            .collect();
        let native = Value::from_json(record.clone());
        let mut findings = Vec::new();
        common::with_view(&native, source, 1, |view| detector.evaluate(view, &mut findings));
        let mine: BTreeSet<String> =
            findings.iter().map(|finding| finding.rule_id.to_string()).collect();
        agreed += mine.intersection(&theirs).count();
        for (ids, who) in
            [(mine.difference(&theirs), "we alone"), (theirs.difference(&mine), "rsigma alone")]
        {
            for id in ids {
                let row = wrong.entry(format!("{who}: {id}")).or_default();
                row.0 += 1;
                row.1 = format!("{source} {record}");
            }
        }
    }
    eprintln!("{} events, {agreed} findings on which both agree", records.len());
    assert!(agreed > 1_000, "the corpora are there but hardly anything fires");
    let title = |id: &str| {
        let id = id.rsplit(": ").next().unwrap_or_default();
        ours.list().iter().find(|info| *info.id == *id).map_or("", |info| &info.title).to_owned()
    };
    let wrong: Vec<String> = wrong
        .iter()
        .map(|(what, (count, example))| {
            let example: String = example.chars().take(1500).collect();
            format!("{what} ({}) {count} times, as on {example}", title(what))
        })
        .collect();
    assert!(wrong.is_empty(), "{} differences\n{}", wrong.len(), wrong.join("\n"));
}

fn engine(rules: &[SigmaRule], event: &LogSource) -> Engine {
    let mut collection = SigmaCollection::new();
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    for rule in rules {
        let l = &rule.logsource;
        let rule_source = LogSource::new(&part(&l.product), &part(&l.category), &part(&l.service));
        let category = event.category.as_deref().unwrap_or_default();
        let family = rule_source.category.as_deref() == Some("registry_event")
            && category.starts_with("registry_");
        let fits = |a: &Option<Arc<str>>, b: &Option<Arc<str>>| a.is_none() || a == b;
        if fits(&rule_source.product, &event.product)
            && fits(&rule_source.service, &event.service)
            && (family || fits(&rule_source.category, &event.category))
        {
            collection.rules.push(rule.clone());
        }
    }
    let mut engine = Engine::new();
    engine.add_collection(&collection).unwrap();
    engine
}

fn mend(detection: &mut Detection) {
    match detection {
        Detection::AllOf(items) => {
            let mended = std::mem::take(items).into_iter().flat_map(mend_item).collect();
            *items = mended;
        }
        Detection::AnyOf(parts) | Detection::And(parts) => parts.iter_mut().for_each(mend),
        _ => {}
    }
}

fn mend_item(mut item: DetectionItem) -> Vec<DetectionItem> {
    if item.values.contains(&SigmaValue::Null) {
        item.values.push(SigmaValue::String(SigmaString::new("")));
    }
    if !item.field.has_modifier(Modifier::WindAsh) {
        return vec![item];
    }
    item.field.modifiers.retain(|modifier| *modifier != Modifier::WindAsh);
    if item.field.has_modifier(Modifier::All) {
        item.field.modifiers.retain(|modifier| *modifier != Modifier::All);
        let field = item.field.clone();
        return item
            .values
            .iter()
            .map(|value| DetectionItem { field: field.clone(), values: dashed(value) })
            .collect();
    }
    item.values = item.values.iter().flat_map(dashed).collect();
    vec![item]
}

/// Every spelling of a value under `windash`.
fn dashed(value: &SigmaValue) -> Vec<SigmaValue> {
    let SigmaValue::String(text) = value else { return vec![value.clone()] };
    let mut spellings = vec![String::new()];
    let chars: Vec<char> = text.original.chars().collect();
    let word = |c: Option<&char>| c.is_some_and(|c| c.is_alphanumeric() || *c == '_');
    for (at, c) in chars.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| chars.get(at));
        let dash = matches!(c, '-' | '/') && !word(before) && word(chars.get(at + 1));
        let choices: &[char] =
            if dash { &['-', '/', '\u{2013}', '\u{2014}', '\u{2015}'] } else { &[*c] };
        spellings = spellings
            .iter()
            .flat_map(|text| choices.iter().map(move |choice| format!("{text}{choice}")))
            .collect();
    }
    spellings.iter().map(|text| SigmaValue::String(SigmaString::new(text))).collect()
}

/// The record with every line end replaced by a space.
fn unbroken(record: &serde_json::Value) -> serde_json::Value {
    use serde_json::Value as J;
    match record {
        J::String(text) => J::String(text.replace(['\n', '\r'], " ")),
        J::Array(list) => J::Array(list.iter().map(unbroken).collect()),
        J::Object(map) => {
            J::Object(map.iter().map(|(key, value)| (key.clone(), unbroken(value))).collect())
        }
        other => other.clone(),
    }
}

/// An event as the judge sees it: every name under which a value may be found, in lower case.
struct Judge {
    fields: HashMap<String, Vec<serde_json::Value>>,
    texts: Vec<String>,
}

impl Judge {
    fn new(source: &LogSource, record: &serde_json::Value) -> Self {
        let mut judge = Self { fields: HashMap::new(), texts: Vec::new() };
        judge.texts(record);
        judge.add("", record);
        for part in ["/Event/System", "/Event/EventData"] {
            if let Some(map) = record.pointer(part) {
                judge.add("", map);
            }
        }
        let mut open: Vec<&serde_json::Value> =
            record.pointer("/Event/UserData").into_iter().collect();
        while let Some(map) = open.pop() {
            judge.add("", map);
            for (name, inner) in map.as_object().into_iter().flatten() {
                if name != "#attributes" {
                    open.push(inner);
                }
            }
        }
        if source.product.as_deref() == Some("windows") {
            let mut aliases =
                vec![("computername", "computer"), ("subjectaccountname", "subjectusername")];
            if source.category.as_deref() == Some("process_creation")
                && source.service.as_deref() == Some("security")
            {
                aliases.extend([
                    ("image", "newprocessname"),
                    ("parentimage", "parentprocessname"),
                    ("user", "subjectusername"),
                    ("logonid", "subjectlogonid"),
                    ("integritylevel", "mandatorylabel"),
                ]);
            }
            for (name, other) in aliases {
                let values = judge.fields.get(other).cloned().unwrap_or_default();
                judge.fields.entry(name.to_owned()).or_default().extend(values);
            }
        }
        judge
    }

    fn texts(&mut self, value: &serde_json::Value) {
        match value {
            serde_json::Value::String(text) => self.texts.push(text.clone()),
            serde_json::Value::Array(list) => list.iter().for_each(|value| self.texts(value)),
            serde_json::Value::Object(map) => map.values().for_each(|value| self.texts(value)),
            _ => {}
        }
    }

    fn add(&mut self, path: &str, value: &serde_json::Value) {
        use serde_json::Value as J;
        let mut put = |value: &J| {
            if !path.is_empty() {
                self.fields.entry(path.to_lowercase()).or_default().push(value.clone());
            }
        };
        match value {
            J::Array(list) => list.iter().for_each(|value| self.add(path, value)),
            J::Object(map) => {
                match map.get("#text") {
                    Some(J::Array(list)) => list.iter().for_each(put),
                    Some(text) => put(text),
                    None => put(&J::String(value.to_string())),
                }
                for (key, value) in map {
                    if let ("#attributes", J::Object(map)) = (key.as_str(), value) {
                        for (name, value) in map {
                            self.add(&format!("{path}_{name}"), value);
                        }
                    }
                    let dot = if path.is_empty() { "" } else { "." };
                    self.add(&format!("{path}{dot}{key}"), value);
                    if key.contains(' ') && path.is_empty() {
                        self.add(&key.replace(' ', ""), value);
                        self.add(&key.replace(' ', "_"), value);
                    }
                }
            }
            scalar => put(scalar),
        }
    }
}

impl Event for Judge {
    fn get_field(&self, path: &str) -> Option<EventValue<'_>> {
        let path = path.replace("\\[", "[").replace("\\]", "]").to_lowercase();
        match self.fields.get(&path).map(Vec::as_slice) {
            None | Some([]) => Some(EventValue::Null),
            Some([one]) => Some(EventValue::from(one)),
            Some(many) => Some(EventValue::Array(many.iter().map(EventValue::from).collect())),
        }
    }

    fn any_string_value(&self, pred: &dyn Fn(&str) -> bool) -> bool {
        self.texts.iter().any(|text| pred(text))
    }

    fn all_string_values(&self) -> Vec<Cow<'_, str>> {
        self.texts.iter().map(|text| Cow::Borrowed(text.as_str())).collect()
    }

    fn to_json(&self) -> serde_json::Value {
        serde_json::Value::Null
    }
}
