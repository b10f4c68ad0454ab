//! Findings made in a line.

use model::{
    Entity, EntityKind, EventUid, Finding, FindingKind, Hasher, Level, Micros, Tactic, Technique,
    Window,
};

pub(crate) fn entity(text: &str) -> Entity {
    let (kind, value) = text.split_once(':').expect("kind:value");
    Entity::new(EntityKind::from_name(kind).expect("a kind"), value)
}

pub(crate) fn minute(n: i64) -> Micros {
    Micros("2026-11-18T06:00:00Z".parse::<Micros>().unwrap().0 + n * 60_000_000)
}

/// A finding of one event; the rule's level, tactic and technique follow from its name by `tags`.
pub(crate) fn finding(rule: &str, level: Level, time: Micros, entities: &[&str]) -> Finding {
    let event = EventUid::from(
        Hasher::new("event")
            .part(rule.as_bytes())
            .number(time.0 as u64)
            .part(entities.join(" ").as_bytes()),
    );
    Finding {
        finding_id: Finding::derive_id(rule, "1", None, &[event]),
        kind: FindingKind::Sigma,
        rule_id: rule.to_lowercase().replace(' ', "-").into(),
        rule_version: "1".into(),
        rule_title: rule.into(),
        description: format!("Looks for {}. And more.", rule.to_lowercase()).into(),
        level,
        time,
        event_uids: vec![event],
        entities: entities.iter().map(|e| entity(e)).collect(),
        tactics: Vec::new(),
        techniques: Vec::new(),
        matched_fields: Vec::new(),
        window: None,
        source: "windows_sysmon".into(),
        labels: vec![],
    }
}

pub(crate) trait With {
    fn tagged(self, tactic: Tactic, technique: &str) -> Self;
    fn from(self, source: &str) -> Self;
    fn correlated(self, start: Micros, group: &[(&str, &str)]) -> Self;
}

impl With for Finding {
    fn tagged(mut self, tactic: Tactic, technique: &str) -> Self {
        self.tactics.push(tactic);
        self.techniques.push(Technique::from_tag(technique).expect("a technique"));
        self
    }

    fn from(mut self, source: &str) -> Self {
        self.source = source.into();
        self
    }

    fn correlated(mut self, start: Micros, group: &[(&str, &str)]) -> Self {
        self.kind = FindingKind::Correlation;
        let group = group.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        self.window = Some(Window { start, end: self.time, group, count: 10 });
        self
    }
}
