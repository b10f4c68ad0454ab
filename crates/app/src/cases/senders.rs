//! Who may deliver logs, and the door through which deliveries over HTTP come.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use collect::sockets::Network;
use collect::{Allowance, Delivery, Intake as _, Position, Receipt, Refusal, Tag};
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
        Self {
            name: sender.form.name.as_str().into(),
            definition: sender.form.definition.as_deref().map(Into::into),
            tags: tags(&sender.form),
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

/// A sender's tags as its deliveries carry them.
pub(crate) fn tags(form: &SenderForm) -> Arc<[Tag]> {
    let tag = |text: &String| {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        Tag { name: name.into(), value: value.into() }
    };
    form.tags.iter().map(tag).collect()
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
    /// Shared with the sockets.
    pub(crate) allowance: Arc<Allowance>,
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
        let (allowance, rate) = (&self.0.gate.allowance, from.sender.form.rate_limit);
        if let Err(retry_after) = allowance.spend(&from.name, rate, events, Instant::now()) {
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
        let form = self.sound(form)?;
        let senders = self.0.ledger.senders();
        let sender = senders.add(actor, crate::now(), &form).await.map_err(from_ledger)?;
        self.sockets_know().await;
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
        let form = self.sound(form)?;
        let senders = self.0.ledger.senders();
        let changed = senders.change(actor, crate::now(), id, expected, &form).await;
        let changed = changed.map_err(from_ledger)?;
        self.sockets_know().await;
        Ok(changed)
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

    /// A sender as a person described it, spelled as it is kept; or what is wrong with it.
    fn sound(&self, form: &SenderForm) -> Result<SenderForm, Failure> {
        if let Some(name) = &form.definition {
            let stages = self.0.stages();
            if !stages.normalizer.definitions().iter().any(|known| *known.name == **name) {
                let message = format!("there is no source definition `{}`", model::inert(name));
                let hint = "`watchfloor sources list` names them all";
                return Err(Failure::new(Kind::Usage, message).hint(hint));
            }
        }
        let spelled = |text: &String| match text.trim().parse::<Network>() {
            Ok(network) => Ok(network.to_string()),
            Err(error) => {
                Err(Failure::new(Kind::Usage, model::inert(&error.to_string()).into_owned()))
            }
        };
        let networks = form.networks.iter().map(spelled).collect::<Result<_, _>>()?;
        // Names in certificates are the same in either case.
        let client_name = form.client_name.as_ref().map(|name| name.to_lowercase());
        Ok(SenderForm { networks, client_name, ..form.clone() })
    }
}
