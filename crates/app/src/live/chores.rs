//! What is done by the clock: sources that were heard go to the ledger, silent ones raise an alert, and
//! what is only kept for a while is forgotten.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ledger::{Actor, Heard, Silent, Telling};
use model::{Alert, AlertId, Entity, EntityKind, Hasher, Level, Micros, RiskPart};

use super::costs::ShutOff;
use super::floor::Inner;
use super::trouble_of;
use crate::failure::Failure;

/// How often what was heard is brought to the ledger, and silence is looked for.
const HEARD: Duration = Duration::from_secs(5);
/// How often what is only kept for a while is forgotten.
const FORGET: Duration = Duration::from_hours(1);
/// How often the thread looks whether the floor closes.
const LOOK: Duration = Duration::from_millis(200);

/// How long the log must have taken everything before it is called well again.
const CALM: Duration = Duration::from_secs(5);

/// Deliveries are known again for as long.
const DELIVERIES: Micros = Micros::from_seconds(30 * 86_400);
/// Findings stay in the ledger for as long; the lake has them for good.
const FINDINGS: Micros = Micros::from_seconds(90 * 86_400);

/// The rule that the alert of a rule that is shut off names.
const SHUT_OFF_RULE: &str = "watchfloor-rule-shut-off";
/// The setting of the ledger that keeps which rules are shut off, and the most that it keeps.
const SHUT_OFF: &str = "rules.shut_off";
const MOST_SHUT_OFF: usize = 500;
/// The rule that a silent source's alert names.
const SILENT_RULE: &str = "watchfloor-source-silent";

pub(crate) fn run(inner: &Arc<Inner>) {
    let mut log = Log::default();
    let mut forgot: Option<Instant> = None;
    let mut heard: Option<Instant> = None;
    loop {
        let closing = inner.closing();
        if closing || heard.is_none_or(|last| last.elapsed() >= HEARD) {
            heard = Some(Instant::now());
            said(inner, "sources", sources(inner));
            said(inner, "senders", inner.runtime.block_on(super::listeners::know(inner)));
            said(inner, "rules", rules(inner));
            said(inner, "rules", inner.runtime.block_on(save_shut_off(inner)));
        }
        if closing {
            return;
        }
        log.look(inner);
        if let Some(jump) = inner.steady.jumped(crate::now()) {
            inner.figures.notice("clock", jump.to_string());
        }
        if forgot.is_none_or(|last| last.elapsed() >= FORGET) {
            forgot = Some(Instant::now());
            said(inner, "housekeeping", forget(inner));
        }
        std::thread::sleep(LOOK);
    }
}

/// What the log said of itself so far.
#[derive(Default)]
struct Log {
    problems: u64,
    /// When it took nothing.
    refused: Option<Instant>,
}

impl Log {
    /// Tells what is new: what went wrong with what it keeps, and whether it takes anything.
    fn look(&mut self, inner: &Inner) {
        let health = inner.wal.health();
        let new = health.problem_count.saturating_sub(self.problems) as usize;
        self.problems = health.problem_count;
        for problem in health.problems.iter().rev().take(new).rev() {
            if problem.is_loss() {
                tracing::error!(%problem, "part of the write-ahead log cannot be read");
            } else {
                tracing::warn!(%problem, "the write-ahead log");
            }
        }
        match health.obstacle {
            Some(refusal) => {
                self.refused = Some(Instant::now());
                inner.figures.trouble("log", &format!("nothing is taken: {refusal}"));
            }
            // A log that is full lets go of a segment now and then: that is no recovery.
            None if self.refused.is_none_or(|at| at.elapsed() >= CALM) => {
                self.refused = None;
                inner.figures.well("log");
            }
            None => {}
        }
    }
}

fn said(inner: &Inner, part: &'static str, done: Result<(), Failure>) {
    match done {
        Ok(()) => inner.figures.well(part),
        Err(failure) => inner.figures.trouble(part, &failure.message),
    }
}

fn sources(inner: &Inner) -> Result<(), Failure> {
    let now = crate::now();
    let taken = inner.figures.take_heard();
    let all: Vec<Heard> = taken
        .iter()
        .map(|((sender, definition), heard)| Heard {
            sender: sender.to_string(),
            definition: definition.clone(),
            events: heard.events,
            bytes: heard.bytes,
            flaws: heard.flaws,
            unrecognised: heard.unrecognised,
            lag: heard.last_event.map_or(0, |last| heard.received_at.0.saturating_sub(last.0)),
            seen: heard.received_at,
            last_event: heard.last_event,
        })
        .collect();
    for part in all.chunks(ledger::MAX_BATCH) {
        let brought = inner.runtime.block_on(inner.ledger.health().heard(part));
        if let Err(error) = brought.map_err(trouble_of) {
            inner.figures.put_back(taken);
            return Err(error);
        }
    }
    let silent = inner.runtime.block_on(inner.ledger.senders().silent(now)).map_err(trouble_of)?;
    let alerts: Vec<Alert> = silent.iter().map(|silent| alert(silent, now)).collect();
    if alerts.is_empty() {
        return Ok(());
    }
    inner.runtime.block_on(inner.ledger.alerts().upsert(&alerts, now)).map_err(trouble_of)?;
    Ok(())
}

/// The alert of a sender that fell silent. One silence is one alert, however long it lasts.
fn alert(silent: &Silent, now: Micros) -> Alert {
    let name = &silent.sender.form.name;
    let since = silent.last_seen.unwrap_or(silent.sender.created_at);
    let id = Hasher::new("silent source").part(name.as_bytes()).number(since.0 as u64);
    let allowed = silent.sender.form.silent_after.unwrap_or_default() / 1_000_000;
    let reason = match silent.last_seen {
        Some(last) => format!(
            "{name} was last heard at {last}; it is expected at least every {allowed} seconds"
        ),
        None => format!("{name} was never heard; it is expected at least every {allowed} seconds"),
    };
    Alert {
        alert_id: AlertId::from(id),
        rule_id: SILENT_RULE.into(),
        rule_title: "A log source fell silent".into(),
        description:
            "A sender that is expected to deliver logs does not. It may be down, cut off, or \
                      somebody may have stopped it so as not to be seen."
                .into(),
        entity: Some(Entity::new(EntityKind::Resource, name)),
        entities: vec![Entity::new(EntityKind::Resource, name)],
        level: Level::High,
        count: 1,
        first_time: since,
        last_time: since.max(silent.sender.created_at).min(now),
        finding_ids: Vec::new(),
        tactics: Vec::new(),
        techniques: Vec::new(),
        source: "watchfloor".into(),
        risk: 60,
        risk_parts: vec![RiskPart {
            name: "silence".to_owned(),
            points: 60,
            why: "nothing is seen of what happens there".to_owned(),
        }],
        reason,
    }
}

/// Raises an alert for each rule that was shut off.
fn rules(inner: &Inner) -> Result<(), Failure> {
    let untold = inner.costs.take_untold();
    if untold.is_empty() {
        return Ok(());
    }
    let alerts: Vec<Alert> = untold.iter().map(shut_off).collect();
    let raised = inner.runtime.block_on(inner.ledger.alerts().upsert(&alerts, crate::now()));
    if let Err(error) = raised.map_err(trouble_of) {
        inner.costs.put_back(untold);
        return Err(error);
    }
    Ok(())
}

/// Keeps which rules are shut off, so that a restart does not forget it.
pub(crate) async fn save_shut_off(inner: &Inner) -> Result<(), Failure> {
    let Some(mut shut_off) = inner.costs.take_unsaved() else { return Ok(()) };
    shut_off.truncate(MOST_SHUT_OFF);
    let value = serde_json::to_value(&shut_off).unwrap_or_default();
    let (settings, actor) = (inner.ledger.settings(), Actor::system("costs"));
    let set = (SHUT_OFF, &value);
    let saved = settings.set(&actor, crate::now(), set, None, Telling::Values).await;
    if saved.is_err() {
        inner.costs.not_saved();
    }
    saved.map(drop).map_err(trouble_of)
}

/// Takes up which rules an earlier process had shut off.
pub(crate) fn recall_shut_off(inner: &Inner) -> Result<(), Failure> {
    let kept = inner.runtime.block_on(inner.ledger.settings().get(SHUT_OFF));
    let Some(kept) = kept.map_err(trouble_of)? else { return Ok(()) };
    match serde_json::from_value::<Vec<ShutOff>>(kept.value) {
        Ok(shut_off) => inner.costs.recall(shut_off),
        Err(error) => tracing::error!(%error, "which rules were shut off cannot be read"),
    }
    Ok(())
}

fn shut_off(shut: &ShutOff) -> Alert {
    let id = Hasher::new("rule shut off")
        .part(shut.rule_id.as_bytes())
        .part(shut.version.as_bytes())
        .number(shut.since.0 as u64);
    let rule = Entity::new(EntityKind::Resource, &format!("rule {}", shut.rule_id));
    Alert {
        alert_id: AlertId::from(id),
        rule_id: SHUT_OFF_RULE.into(),
        rule_title: "A rule was shut off".into(),
        description: "A detection rule took so long that it held up the others. It finds nothing \
                      until somebody mends it or lets it run again. Events may have been written so \
                      that this happens."
            .into(),
        entity: Some(rule.clone()),
        entities: vec![rule],
        level: Level::High,
        count: 1,
        first_time: shut.since,
        last_time: shut.since,
        finding_ids: Vec::new(),
        tactics: Vec::new(),
        techniques: Vec::new(),
        source: "watchfloor".into(),
        risk: 60,
        risk_parts: vec![RiskPart {
            name: "blindness".to_owned(),
            points: 60,
            why: "what the rule looks for is not seen".to_owned(),
        }],
        reason: format!("the rule \u{201c}{}\u{201d} was shut off: {}", shut.title, shut.why),
    }
}

fn forget(inner: &Inner) -> Result<(), Failure> {
    let now = crate::now();
    let before = |span: Micros| Micros(now.0.saturating_sub(span.0));
    inner.runtime.block_on(async {
        let ledger = &inner.ledger;
        while ledger.deliveries().prune(before(DELIVERIES)).await.map_err(trouble_of)? > 0 {}
        while ledger.findings().prune(before(FINDINGS)).await.map_err(trouble_of)? > 0 {}
        while ledger.sessions().prune(now).await.map_err(trouble_of)? > 0 {}
        while ledger.idempotency().prune(now).await.map_err(trouble_of)? > 0 {}
        Ok(())
    })
}
