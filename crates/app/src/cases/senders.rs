//! Who may deliver logs, and the door through which deliveries over HTTP come.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use collect::{Delivery, Intake as _, Position, Receipt, Refusal, Tag};
use ledger::{Page, Paging, Sender, SenderForm, SenderId, SourceHealth};
use model::{Digest, Micros};

use crate::access::{Caller, Permission, Token, sender_token};
use crate::failure::{Failure, Kind};
use crate::live::{Floor, everything, from_ledger};

/// How long a sender that was looked up is believed. A token that is revoked works for so long, or until
/// the ledger answers again.
const FRESH: Duration = Duration::from_secs(2);
/// How long a sender that is known waits for the ledger: logs are taken also when it does not answer.
const PATIENCE: Duration = Duration::from_millis(250);
/// Senders that are remembered; past them all are forgotten.
const REMEMBERED: usize = 10_000;

/// A sender that was made, with the token that it is to use. The token is shown this once.
#[derive(Debug)]
pub struct SenderMade {
    /// The sender.
    pub sender: Sender,
    /// Its token.
    pub token: Token,
}

/// A sender that has shown who it is.
#[derive(Debug, Clone)]
pub struct Delivering {
    sender: Arc<Sender>,
    name: Arc<str>,
    definition: Option<Arc<str>>,
    tags: Arc<[Tag]>,
}

impl Delivering {
    fn new(sender: Sender) -> Self {
        let tag = |text: &String| {
            let (name, value) = text.split_once('=').unwrap_or((text, ""));
            Tag { name: name.into(), value: value.into() }
        };
        Self {
            name: sender.form.name.as_str().into(),
            definition: sender.form.definition.as_deref().map(Into::into),
            tags: sender.form.tags.iter().map(tag).collect(),
            sender: Arc::new(sender),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it may deliver at present.
    pub fn is_enabled(&self) -> bool {
        self.sender.form.enabled
    }
}

/// What a sender delivers at once.
#[derive(Debug, Clone)]
pub struct Load {
    /// The format that it says; recognised by content when it says none.
    pub format: Option<&'static str>,
    /// How many events it is, where that is known; else its lines are counted.
    pub events: Option<u64>,
    /// Where it came from, as a person would say it, inert.
    pub origin: String,
    /// The bytes.
    pub bytes: Bytes,
}

/// Senders by the digests of their tokens, and how much each may still deliver.
#[derive(Default)]
pub(crate) struct Gate {
    known: Mutex<HashMap<Digest, (Instant, Option<Delivering>)>>,
    spent: Mutex<HashMap<String, Bucket>>,
}

/// Events that a sender may deliver at once, and when that was true.
struct Bucket {
    left: f64,
    at: Instant,
}

impl Gate {
    fn known(&self, digest: Digest) -> Option<Option<Delivering>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, delivering) = known.get(&digest)?;
        (at.elapsed() < FRESH).then(|| delivering.clone())
    }

    /// What was known, however long ago.
    fn once_known(&self, digest: Digest) -> Option<Delivering> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&digest).and_then(|(_, delivering)| delivering.clone())
    }

    fn learn(&self, digest: Digest, delivering: Option<Delivering>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(digest, (Instant::now(), delivering));
    }

    /// Takes events out of a sender's allowance, or says how long to wait. A delivery that is larger
    /// than a second's allowance is taken when the allowance is whole, and paid for afterwards.
    fn spend(
        &self,
        sender: &str,
        rate: Option<u64>,
        events: u64,
        now: Instant,
    ) -> Result<(), Duration> {
        let Some(rate) = rate.map(|rate| rate.max(1) as f64) else { return Ok(()) };
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = spent.entry(sender.to_owned()).or_insert(Bucket { left: rate, at: now });
        let earned = now.saturating_duration_since(bucket.at).as_secs_f64() * rate;
        bucket.left = (bucket.left + earned).min(rate);
        bucket.at = now;
        let need = (events as f64).min(rate);
        if bucket.left < need {
            return Err(Duration::from_secs_f64(((need - bucket.left) / rate).clamp(0.05, 60.0)));
        }
        bucket.left -= events as f64;
        Ok(())
    }
}

impl Floor {
    /// Whose token has this digest; none when nobody's has.
    pub async fn sender_by_digest(&self, digest: Digest) -> Result<Option<Delivering>, Failure> {
        if let Some(known) = self.0.gate.known(digest) {
            return Ok(known);
        }
        let senders = self.0.ledger.senders();
        let asked = senders.by_token(digest, crate::now());
        let delivering = match self.0.gate.once_known(digest) {
            None => asked.await.map_err(from_ledger)?.map(Delivering::new),
            Some(before) => match tokio::time::timeout(PATIENCE, asked).await {
                Ok(Ok(found)) => found.map(Delivering::new),
                // It may be locked, or away: that is no reason to turn logs away.
                Ok(Err(_)) | Err(_) => Some(before),
            },
        };
        self.0.gate.learn(digest, delivering.clone());
        Ok(delivering)
    }

    /// Takes a delivery. The receipt means that it is on the disk.
    pub async fn deliver(&self, from: &Delivering, load: Load) -> Result<Receipt, Refusal> {
        let lines = || load.bytes.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
        let events = load.events.unwrap_or_else(lines);
        if let Err(retry_after) =
            self.0.gate.spend(&from.name, from.sender.form.rate_limit, events, Instant::now())
        {
            self.0.figures.refused.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            return Err(Refusal::Full { what: collect::Full::Allowance, retry_after });
        }
        let delivery = Delivery {
            sender: Arc::clone(&from.name),
            format: load.format.unwrap_or_default().into(),
            definition: from.definition.clone(),
            tags: Arc::clone(&from.tags),
            origin: load.origin.into(),
            received_at: crate::now(),
            flaws: Vec::new(),
            cursor: None,
            bytes: load.bytes,
        };
        self.door(true).offer(delivery).await
    }

    /// The last delivery that is on the disk.
    pub fn last_delivery(&self) -> Position {
        self.0.wal.metrics().last
    }

    /// All senders, in the order in which they were made.
    pub async fn senders(&self, caller: &Caller, paging: &Paging) -> Result<Page<Sender>, Failure> {
        caller.may(Permission::Read)?;
        let senders = self.0.ledger.senders();
        let all = everything(|from| senders.list(from)).await?;
        let by = |sender: &Sender| format!("{:020}", sender.sender_id.number());
        Page::of(all, "senders", paging, by).map_err(from_ledger)
    }

    /// How well each source is heard.
    pub async fn sources(
        &self,
        caller: &Caller,
        paging: &Paging,
    ) -> Result<Page<SourceHealth>, Failure> {
        caller.may(Permission::Read)?;
        let health = self.0.ledger.health();
        let all = everything(|from| health.list(None, from)).await?;
        let by = |source: &SourceHealth| format!("{}\u{1}{}", source.sender, source.definition);
        Page::of(all, "sources", paging, by).map_err(from_ledger)
    }

    /// Makes a sender, and the token with which it is to deliver.
    pub async fn add_sender(
        &self,
        caller: &Caller,
        form: &SenderForm,
    ) -> Result<SenderMade, Failure> {
        let actor = caller.may(Permission::Senders)?;
        self.known_definition(form)?;
        let senders = self.0.ledger.senders();
        let sender = senders.add(actor, crate::now(), form).await.map_err(from_ledger)?;
        let (token, digest) = sender_token()?;
        senders
            .add_token(actor, crate::now(), sender.sender_id, digest, None)
            .await
            .map_err(from_ledger)?;
        Ok(SenderMade { sender, token })
    }

    /// Changes a sender.
    pub async fn change_sender(
        &self,
        caller: &Caller,
        id: SenderId,
        expected: Option<u64>,
        form: &SenderForm,
    ) -> Result<Sender, Failure> {
        let actor = caller.may(Permission::Senders)?;
        self.known_definition(form)?;
        let senders = self.0.ledger.senders();
        senders.change(actor, crate::now(), id, expected, form).await.map_err(from_ledger)
    }

    /// Gives a sender another token. Those before it work until `retire`.
    pub async fn rotate_token(
        &self,
        caller: &Caller,
        id: SenderId,
        retire: Option<Micros>,
    ) -> Result<Token, Failure> {
        let actor = caller.may(Permission::Senders)?;
        let (token, digest) = sender_token()?;
        let now = crate::now();
        let senders = self.0.ledger.senders();
        let retire = Some(retire.unwrap_or(now));
        senders.add_token(actor, now, id, digest, retire).await.map_err(from_ledger)?;
        Ok(token)
    }

    fn known_definition(&self, form: &SenderForm) -> Result<(), Failure> {
        let Some(name) = &form.definition else { return Ok(()) };
        let stages = self.0.stages();
        if stages.normalizer.definitions().iter().any(|known| *known.name == **name) {
            return Ok(());
        }
        let message = format!("there is no source definition `{}`", model::inert(name));
        Err(Failure::new(Kind::Usage, message).hint("`watchfloor sources list` names them all"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_allowance_is_spent_and_earned_again() {
        let gate = Gate::default();
        let start = Instant::now();
        assert_eq!(gate.spend("web", Some(100), 60, start), Ok(()));
        let wait = gate.spend("web", Some(100), 60, start).unwrap_err();
        assert_eq!(wait, Duration::from_millis(200));
        assert_eq!(gate.spend("web", Some(100), 60, start + wait), Ok(()));
        // More than a second's worth goes through once, and is then paid for.
        assert_eq!(gate.spend("web", Some(100), 250, start + Duration::from_secs(5)), Ok(()));
        assert!(gate.spend("web", Some(100), 1, start + Duration::from_secs(6)).is_err());
        assert_eq!(gate.spend("web", Some(100), 1, start + Duration::from_millis(6_600)), Ok(()));
    }
}
