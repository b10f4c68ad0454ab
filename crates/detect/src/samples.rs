//! Rules tried on the samples beside them (`rules test`).
//!
//! A sample file is a JSON array of `{"logsource": {…}, "time": "…", "record": {…}}`. Of a plain
//! rule each positive record must match and no negative one; of a correlation the positive array
//! as a whole must fire it, and the negative array never.

use std::sync::Arc;

use model::{EventUid, Hasher, LogSource, Micros, Value};
use serde::{Deserialize, Serialize};

use crate::detector::View;
use crate::rule::RuleInfo;
use crate::rules::Rules;

/// One record of a sample file.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// What kind of log it is of.
    pub logsource: LogSource,
    /// When it happened; one second after the record before it where the file does not say.
    pub time: Micros,
    /// The fields as the source spells them.
    pub record: Value<'static>,
}

/// What came of trying a rule file on its samples.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trial {
    /// The rule file.
    pub path: String,
    /// How many positive records it has.
    pub positive: usize,
    /// How many negative records it has.
    pub negative: usize,
    /// What went wrong, one sentence each; empty when all is well.
    pub failures: Vec<String>,
}

/// As a sample stands in its file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    logsource: Source,
    #[serde(default)]
    time: Option<Micros>,
    record: serde_json::Map<String, serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    #[serde(default)]
    product: String,
    #[serde(default)]
    category: String,
    #[serde(default)]
    service: String,
}

/// Reads a sample file.
pub fn samples(text: &str) -> Result<Vec<Sample>, String> {
    let written: Vec<Written> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut next = Micros::from_seconds(1_700_000_000);
    let mut out = Vec::with_capacity(written.len());
    for sample in written {
        let time = sample.time.unwrap_or(next);
        next = Micros(time.0.saturating_add(1_000_000));
        let source = sample.logsource;
        out.push(Sample {
            logsource: LogSource::new(&source.product, &source.category, &source.service),
            time,
            record: Value::from_json(serde_json::Value::Object(sample.record)),
        });
    }
    Ok(out)
}

impl Rules {
    /// Tries the rules of one file on the texts of its sample files.
    pub fn try_samples(
        self: &Arc<Self>,
        path: &str,
        positive: Option<&str>,
        negative: Option<&str>,
    ) -> Trial {
        let mut trial =
            Trial { path: path.to_owned(), positive: 0, negative: 0, failures: Vec::new() };
        let rules: Vec<&RuleInfo> = self.list().iter().filter(|info| &*info.path == path).collect();
        if rules.is_empty() {
            trial.failures.push("no rule of this file was loaded".to_owned());
            return trial;
        }
        let mut read = |text: Option<&str>, kind: &str| match text.map(samples) {
            Some(Ok(samples)) if !samples.is_empty() => samples,
            Some(Ok(_)) => {
                trial.failures.push(format!("the {kind} sample file is empty"));
                Vec::new()
            }
            Some(Err(why)) => {
                trial.failures.push(format!("the {kind} sample file cannot be read: {why}"));
                Vec::new()
            }
            None => {
                trial.failures.push(format!("there is no {kind} sample file"));
                Vec::new()
            }
        };
        let good = read(positive, "positive");
        let bad = read(negative, "negative");
        (trial.positive, trial.negative) = (good.len(), bad.len());
        if rules.iter().any(|rule| rule.correlation) {
            for rule in rules.iter().filter(|rule| rule.correlation) {
                if !good.is_empty() && !self.fires(rule, &good) {
                    trial
                        .failures
                        .push(format!("`{}` does not fire on its positive samples", rule.title));
                }
                if self.fires(rule, &bad) {
                    trial.failures.push(format!("`{}` fires on its negative samples", rule.title));
                }
            }
            return trial;
        }
        for (number, sample) in good.iter().enumerate() {
            let fired = self.matching(std::slice::from_ref(sample));
            if !rules.iter().any(|rule| fired.contains(&rule.id)) {
                let seen = rules.iter().filter_map(|rule| rule.logsource.as_ref());
                let seen =
                    seen.clone().any(|source| crate::logsource::sees(source, &sample.logsource));
                let why = if seen { "" } else { " (the rule does not see its log source)" };
                trial.failures.push(format!("positive sample {} does not match{why}", number + 1));
            }
        }
        for (number, sample) in bad.iter().enumerate() {
            let fired = self.matching(std::slice::from_ref(sample));
            for rule in rules.iter().filter(|rule| fired.contains(&rule.id)) {
                let what = format!("negative sample {} matches `{}`", number + 1, rule.title);
                trial.failures.push(what);
            }
        }
        trial
    }

    /// Ids of the rules that match any of the samples, silent ones included.
    fn matching(self: &Arc<Self>, samples: &[Sample]) -> Vec<Arc<str>> {
        let (findings, hits) = self.run(samples);
        let quiet = hits.iter().filter_map(|hit| self.rule(hit.rule));
        let quiet = quiet.map(|rule| rule.info.id.clone());
        findings.into_iter().map(|finding| finding.rule_id).chain(quiet).collect()
    }

    /// True when a correlation fires over the samples as one log.
    fn fires(self: &Arc<Self>, rule: &RuleInfo, samples: &[Sample]) -> bool {
        let (_, hits) = self.run(samples);
        self.fired(hits).contains(&rule.id)
    }

    fn run(self: &Arc<Self>, samples: &[Sample]) -> (Vec<model::Finding>, Vec<crate::Hit>) {
        let mut detector = self.detector();
        let mut findings = Vec::new();
        let Some(class) = ocsf::class("base_event") else { return (findings, Vec::new()) };
        let source: Arc<str> = "sample".into();
        let labels = [].into();
        for (number, sample) in samples.iter().enumerate() {
            let event = ocsf::Event::new(class, sample.time);
            let view = View {
                native: &sample.record,
                raw: &[],
                logsource: &sample.logsource,
                uid: EventUid::from(Hasher::new("sample").number(number as u64)),
                time: sample.time,
                source: &source,
                labels: &labels,
                parser: "json",
                event: &event,
            };
            detector.evaluate(&view, &mut findings);
        }
        (findings, detector.take_hits())
    }
}
