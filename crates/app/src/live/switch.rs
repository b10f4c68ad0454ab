//! Rules switched off and on by people. What is off is loaded, shown, and does not run: a file below the
//! data folder says which, since when, by whom and why ([`crate::off`]).

use std::sync::{Arc, PoisonError};

use ledger::Actor;
use serde_json::Value;

use super::content::Loaded;
use super::floor::Inner;
use super::from_ledger;
use super::own::replace;
use crate::failure::{Failure, Kind};
use crate::off::{Off, RuleOff, word_on};

/// Characters of a reason.
const REASON: usize = 500;
/// Rules that are off on one floor.
const RULES: usize = 10_000;

/// How a rule is to stand.
pub(crate) enum Switch {
    /// It runs no more, for this reason.
    Off(String),
    /// It runs again.
    On(Option<String>),
}

/// Carries it out: all of it, or nothing. Blocks.
pub(crate) fn switch(
    inner: &Inner,
    actor: &Actor,
    id: &str,
    wanted: &Switch,
) -> Result<Arc<Loaded>, Failure> {
    let _one = inner.content.changing.lock().unwrap_or_else(PoisonError::into_inner);
    let old = inner.content.get();
    let off = decided(&old, actor, id, wanted)?;
    let Some(path) = &inner.options.rules.off else {
        return Err(Failure::new(Kind::Defect, "this floor has no place for what is switched off"));
    };
    // What somebody else wrote there and is not in force is not written over.
    let on_disk = Off::read(path).map_err(|problem| Failure::new(Kind::Conflict, problem))?;
    if on_disk.rules() != old.texts.off().rules() {
        let message = format!("{} was changed on the disk meanwhile", path.display());
        return Err(Failure::new(Kind::Outdated, message)
            .hint("it comes into force by itself; look at what it says, then decide"));
    }
    let texts = old.texts.with_off(&old.content, off);
    let new = Loaded::compile(old.content.clone(), texts);
    let told = |off: &RuleOff| serde_json::to_value(off).unwrap_or_default();
    let before = word_on(&old.stages.off, id).map(told);
    let (action, after) = match wanted {
        Switch::Off(_) => ("rule.off", word_on(&new.stages.off, id).map(told)),
        Switch::On(reason) => {
            let reason = reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
            ("rule.on", reason.map(|reason| Value::from_iter([("reason", reason)])))
        }
    };
    replace(path, Some(new.texts.off().text()), || {
        let object = (ledger::Kind::Other, id);
        let sides = (before, after);
        let noted = inner.ledger.audit().record(actor, crate::now(), action, object, sides);
        inner.runtime.block_on(noted).map(drop).map_err(from_ledger)
    })?;
    tracing::info!(rule = id, action, off = new.stages.off.len(), "a rule was switched");
    Ok(inner.content.put(new))
}

/// What is off when it is carried out.
fn decided(old: &Loaded, actor: &Actor, id: &str, wanted: &Switch) -> Result<Off, Failure> {
    let known = word_on(&old.stages.off, id);
    let reason = match wanted {
        Switch::Off(reason) => said(reason)?,
        Switch::On(reason) => {
            said(reason.as_deref().unwrap_or_default())?;
            return match known {
                Some(_) => Ok(old.texts.off().without(id)),
                None => Err(Failure::new(Kind::NotFound, "no rule of that id is switched off")),
            };
        }
    };
    if reason.is_empty() {
        return Err(Failure::new(Kind::Usage, "say why it is switched off"));
    }
    if let Some(RuleOff { by, since, .. }) = known {
        let message = format!("{} has switched the rule off already, at {since}", model::inert(by));
        return Err(Failure::new(Kind::Conflict, message));
    }
    let info = old.stages.rules.list().iter().find(|info| *info.id == *id);
    let info = info.ok_or_else(|| Failure::new(Kind::NotFound, "no rule has that id"))?;
    if old.stages.off.len() >= RULES {
        let message = format!("{RULES} rules are switched off already");
        return Err(Failure::new(Kind::TooMuch, message));
    }
    Ok(old.texts.off().with(RuleOff {
        rule_id: Arc::clone(&info.id),
        title: Arc::clone(&info.title),
        since: crate::now(),
        by: actor.name.as_str().into(),
        reason: reason.into(),
    }))
}

/// A reason that may stand in one line.
fn said(reason: &str) -> Result<&str, Failure> {
    let reason = reason.trim();
    if reason.chars().count() > REASON || reason.chars().any(char::is_control) {
        let message = format!("a reason has {REASON} characters at most, on one line");
        return Err(Failure::new(Kind::Usage, message));
    }
    Ok(reason)
}
