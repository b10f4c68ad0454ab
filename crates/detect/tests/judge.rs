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

/// Our rules and, for the judge, the same rules mended.
fn both(sigma: &std::path::Path) -> (Arc<Rules>, Vec<SigmaRule>) {
    let texts: Vec<RuleText> = common::sigma_rules(sigma)
        .into_iter()
        // rsigma keeps a character of base64offset that depends on what follows, and compares a
        // field that is absent with another that is absent as equal.
        .filter(|text| !text.text.contains("base64offset") && !text.text.contains("fieldref"))
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
    (Arc::new(ours), rules)
}

/// Over many events, the same rules must fire; says how often they did.
fn judge(
    ours: &Arc<Rules>,
    rules: &[SigmaRule],
    records: &[(LogSource, serde_json::Value)],
) -> usize {
    let mut detector = ours.detector();
    let mut engines: BTreeMap<LogSource, Engine> = BTreeMap::new();
    let mut wrong: BTreeMap<String, (usize, String)> = BTreeMap::new();
    let mut agreed = 0;
    for (source, record) in records {
        // rsigma's `*` stops at line ends; ours does not. The events are given none.
        let record = unbroken(record);
        let engine = engines.entry(source.clone()).or_insert_with(|| engine(rules, source));
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
    agreed
}

#[test]
fn the_same_rules_fire_over_real_events() {
    let (Some(root), Some(sigma)) = (common::corpora(""), common::corpora("sigma")) else {
        return;
    };
    let (ours, rules) = both(&sigma);
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

    let agreed = judge(&ours, &rules, &records);
    assert!(agreed > 1_000, "the corpora are there but hardly anything fires");
}

/// Events made of what the rules themselves look for, so that every rule comes near to firing.
#[test]
fn the_same_rules_fire_over_events_made_of_rules() {
    let Some(sigma) = common::corpora("sigma") else { return };
    let (ours, rules) = both(&sigma);
    let mut dice = Dice(7);
    let mut records = Vec::new();
    for rule in &rules {
        let l = &rule.logsource;
        let part = |part: &Option<String>| part.clone().unwrap_or_default();
        let source = LogSource::new(&part(&l.product), &part(&l.category), &part(&l.service));
        for _ in 0..4 {
            let mut event = serde_json::Map::new();
            let mut named: Vec<_> = rule.detection.named.iter().collect();
            named.sort_by_key(|(name, _)| *name);
            for (name, detection) in named {
                let chance = if name.starts_with("filter") { 2 } else { 9 };
                if dice.roll(10) < chance {
                    dream(detection, &mut dice, &mut event);
                }
            }
            records.push((source.clone(), serde_json::Value::Object(event)));
        }
    }
    let agreed = judge(&ours, &rules, &records);
    assert!(agreed > rules.len(), "hardly anything fires: {agreed}");
}

/// Numbers that look random and are always the same.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides.max(1)
    }
}

/// Adds fields that should satisfy a detection, now and then spoilt a little.
fn dream(
    detection: &Detection,
    dice: &mut Dice,
    event: &mut serde_json::Map<String, serde_json::Value>,
) {
    match detection {
        Detection::AllOf(items) => {
            for item in items {
                dream_item(item, dice, event);
            }
        }
        Detection::AnyOf(parts) => {
            if let Some(part) = parts.get(dice.roll(parts.len())) {
                dream(part, dice, event);
            }
        }
        Detection::And(parts) => parts.iter().for_each(|part| dream(part, dice, event)),
        Detection::Keywords(values) => {
            let text = values.get(dice.roll(values.len())).map(spelled).unwrap_or_default();
            event.insert("message".to_owned(), format!("x {text} y").into());
        }
        _ => {}
    }
}

fn dream_item(
    item: &DetectionItem,
    dice: &mut Dice,
    event: &mut serde_json::Map<String, serde_json::Value>,
) {
    let name = item.field.name.clone().unwrap_or_else(|| "message".to_owned());
    let has = |modifier| item.field.has_modifier(modifier);
    let chosen: Vec<&SigmaValue> = if has(Modifier::All) {
        item.values.iter().collect()
    } else {
        item.values.get(dice.roll(item.values.len())).into_iter().collect()
    };
    let value = match chosen.as_slice() {
        [SigmaValue::Integer(number)] if dice.roll(2) == 0 => (*number).into(),
        [SigmaValue::Bool(truth)] => (*truth).into(),
        [SigmaValue::Null] => serde_json::Value::Null,
        values => {
            let texts: Vec<String> = values.iter().map(|value| spelled(value)).collect();
            let mut text = texts.join(["", " ", "\\"][dice.roll(3)]);
            if dice.roll(4) == 0 {
                text = text.to_uppercase();
            }
            if has(Modifier::EndsWith) || has(Modifier::Contains) {
                text.insert_str(0, ["", "C:\\Windows", "é "][dice.roll(3)]);
            }
            if has(Modifier::StartsWith) || has(Modifier::Contains) {
                text.push_str(["", " more", "\\x"][dice.roll(3)]);
            }
            if dice.roll(8) == 0 {
                text.pop();
            }
            text.into()
        }
    };
    // Nothing beside something in one list is nobody's business.
    if value.is_null() || value == "" {
        event.insert(name, value);
        return;
    }
    // Several detections may speak of one field: both values, so that both may hold.
    match event.get_mut(&name) {
        Some(serde_json::Value::Array(list)) => list.push(value),
        Some(old) if old.is_null() || *old == "" => {}
        Some(old) => *old = serde_json::Value::Array(vec![old.take(), value]),
        None => {
            event.insert(name, value);
        }
    }
}

/// A value's text, its wildcards filled in.
fn spelled(value: &SigmaValue) -> String {
    let SigmaValue::String(text) = value else { return value.to_string() };
    let parts = text.parts.iter().map(|part| match part {
        rsigma_parser::StringPart::Plain(text) => text.as_str(),
        rsigma_parser::StringPart::Special(_) => "q",
    });
    parts.collect()
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
            let items = std::mem::take(items);
            *detection = Detection::And(items.into_iter().map(mend_item).collect());
        }
        Detection::AnyOf(parts) | Detection::And(parts) => parts.iter_mut().for_each(mend),
        _ => {}
    }
}

/// One line of a rule, in words that rsigma takes as we do.
fn mend_item(mut item: DetectionItem) -> Detection {
    if item.values.contains(&SigmaValue::Null) {
        item.values.push(SigmaValue::String(SigmaString::new("")));
    }
    // Keywords with `|all` stand each anywhere in the event.
    let all = item.field.has_modifier(Modifier::All);
    if item.field.name.is_none() && all {
        let words = item.values.into_iter().map(|word| Detection::Keywords(vec![word]));
        return Detection::And(words.collect());
    }
    let dashes = item.field.has_modifier(Modifier::WindAsh);
    item.field.modifiers.retain(|m| !matches!(m, Modifier::All | Modifier::WindAsh));
    let one = |value: &SigmaValue| {
        let spellings = if dashes { dashed(value) } else { vec![value.clone()] };
        Detection::AnyOf(
            spellings
                .into_iter()
                .map(|value| Detection::AllOf(vec![opened(&item.field, value)]))
                .collect(),
        )
    };
    if !all && !dashes && !item.values.iter().any(wild) {
        return Detection::AllOf(vec![item]);
    }
    let each = item.values.iter().map(one).collect();
    if all { Detection::And(each) } else { Detection::AnyOf(each) }
}

fn wild(value: &SigmaValue) -> bool {
    matches!(value, SigmaValue::String(text) if text.contains_wildcards())
}

/// rsigma anchors `startswith` and `endswith` at the wrong end when there are wildcards: they are
/// given as plain wildcards instead.
fn opened(field: &rsigma_parser::FieldSpec, value: SigmaValue) -> DetectionItem {
    let mut field = field.clone();
    let SigmaValue::String(text) = &value else {
        return DetectionItem { field, values: vec![value] };
    };
    let text = match () {
        () if !wild(&value) => return DetectionItem { field, values: vec![value] },
        () if field.has_modifier(Modifier::EndsWith) => format!("*{}", text.original),
        () if field.has_modifier(Modifier::StartsWith) => format!("{}*", text.original),
        () => return DetectionItem { field, values: vec![value] },
    };
    field.modifiers.retain(|m| !matches!(m, Modifier::StartsWith | Modifier::EndsWith));
    DetectionItem { field, values: vec![SigmaValue::String(SigmaString::new(&text))] }
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
        for part in ["body", "data", "detail", "event", "properties", "attributes"] {
            if let Some(map) = record.get(part).filter(|map| map.is_object()) {
                judge.add("", map);
            }
        }
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
