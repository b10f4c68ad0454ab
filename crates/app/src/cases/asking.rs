//! Questions to a live floor: SQL and saved hunts over the lake and what is not committed yet.

use std::sync::Arc;
use std::time::Duration;

use hunt::{Limits, SavedHunt};
use ledger::{Actor, Page, Paging};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::access::{Caller, Permission};
use crate::ask::{self, Answered, Asker, Question};
use crate::failure::{Failure, Kind};
use crate::live::{Floor, blocking, from_ledger};

/// Questions that are answered at once: each may take [`MEMORY`].
pub(crate) const AT_ONCE: usize = 4;
/// Time for a question.
const PATIENCE: Duration = Duration::from_mins(1);
/// Bytes of memory for a question's sorts, joins and groups.
const MEMORY: usize = 256 << 20;
/// Bytes of disk for what a question spills.
const DISK: u64 = 4 << 30;
/// Bytes of an answer that is sent in one piece.
const ANSWER: usize = 64 << 20;

/// Characters by which a question is named in the audit trail, and those of it that are kept beside its name
/// when it is longer.
const NAMED: usize = 500;
const WRITTEN: usize = 20_000;

/// A question in SQL.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The SQL.
    pub sql: String,
    /// The search that it is a stretch of, by a name of its caller's making: the very same question over
    /// another span of time is no line of its own in the audit trail.
    pub search: Option<String>,
    /// How the answer is bounded, and its form.
    pub question: Question,
}

/// A saved hunt with its parameters.
#[derive(Debug, Clone)]
pub struct HuntAsked {
    /// The hunt's name.
    pub name: String,
    /// Its parameters.
    pub given: Vec<(String, String)>,
    /// How the answer is bounded, and its form.
    pub question: Question,
}

impl Floor {
    /// Answers SQL; who asked what is in the audit trail. The question ends when nobody waits for its
    /// answer any more.
    pub async fn ask(&self, caller: &Caller, asked: Asked) -> Result<(Vec<u8>, Answered), Failure> {
        let actor = caller.may(Permission::Hunt)?;
        let turn = self.turn()?;
        self.note_question(actor, &asked).await?;
        let floor = self.clone();
        let (waiting, gone) = oneshot::channel::<()>();
        let answered = blocking(move || {
            let _turn = turn;
            let asker = floor.asker(asked.question.limit)?;
            let what = (asked.sql.as_str(), None);
            bounded(|out| ask::answer(asker, what, &asked.question, out, ended(gone)))
        })
        .await;
        drop(waiting);
        answered
    }

    /// Writes down who asks what; of a search once.
    async fn note_question(&self, actor: &Actor, asked: &Asked) -> Result<(), Failure> {
        let stretches = &self.0.stretches;
        if let Some(search) = &asked.search
            && stretches.known(actor, search, &asked.sql, crate::now())?
        {
            return Ok(());
        }
        let name = model::shortened(&asked.sql, NAMED);
        // What the name leaves out may be what was asked for.
        let whole = (name.len() < asked.sql.len())
            .then(|| json!({ "sql": model::shortened(&asked.sql, WRITTEN) }));
        let audit = self.0.ledger.audit();
        let object = (ledger::Kind::Other, &*name);
        let noted = audit.record(actor, crate::now(), "query", object, (None, whole)).await;
        noted.map_err(from_ledger).inspect_err(|_| stretches.forget())
    }

    /// The saved hunts, by name.
    pub fn saved_hunts(
        &self,
        caller: &Caller,
        paging: &Paging,
    ) -> Result<Page<SavedHunt>, Failure> {
        caller.may(Permission::Read)?;
        let all = self.0.content.get().hunts.clone();
        Page::of(all, "hunts", paging, |hunt| hunt.name.clone()).map_err(from_ledger)
    }

    /// Runs a saved hunt, likewise.
    pub async fn run_hunt(
        &self,
        caller: &Caller,
        asked: HuntAsked,
    ) -> Result<(Vec<u8>, Answered), Failure> {
        let actor = caller.may(Permission::Hunt)?;
        let turn = self.turn()?;
        self.note(actor, "hunt", &model::shortened(&asked.name, 200)).await?;
        let floor = self.clone();
        let (waiting, gone) = oneshot::channel::<()>();
        let answered = blocking(move || {
            let _turn = turn;
            let content = floor.0.content.get();
            let saved = ask::find_hunt(&content.content, &asked.name).map_err(not_there)?;
            let asker = floor.asker(asked.question.limit)?;
            let what = (saved.sql.as_str(), Some((&saved, asked.given.as_slice())));
            bounded(|out| ask::answer(asker, what, &asked.question, out, ended(gone)))
        })
        .await;
        drop(waiting);
        answered
    }

    /// A turn to ask; none while others have them all.
    pub(super) fn turn(&self) -> Result<OwnedSemaphorePermit, Failure> {
        Arc::clone(&self.0.asking).try_acquire_owned().map_err(|_| {
            let message = format!("{AT_ONCE} questions are being answered already");
            Failure::new(Kind::Throttled, message).hint("ask again in some seconds")
        })
    }

    fn asker(&self, rows: Option<usize>) -> Result<Asker, Failure> {
        self.asker_within(rows, PATIENCE)
    }

    /// Asks the lake and what is on its way there, as of now. Each question may take so long.
    pub(super) fn asker_within(
        &self,
        rows: Option<usize>,
        patience: Duration,
    ) -> Result<Asker, Failure> {
        let limits = Limits {
            memory: MEMORY,
            disk: DISK,
            rows,
            timeout: Some(patience),
            threads: (self.0.threads / 2).max(1),
            spill: None,
        };
        let (lake, gate) = self.0.keeper.lake()?;
        let asker = Asker::over(&lake, &self.0.options.data, limits)?;
        drop(gate);
        Ok(asker)
    }
}

/// Done when the other end is gone.
async fn ended(gone: oneshot::Receiver<()>) {
    drop(gone.await);
}

/// Here the name of a hunt is a place, and not an argument.
fn not_there(failure: Failure) -> Failure {
    Failure { kind: Kind::NotFound, ..failure }
}

/// Collects an answer, up to a size at which one should ask for less.
fn bounded(
    write: impl FnOnce(&mut (dyn std::io::Write + Send)) -> Result<Answered, Failure>,
) -> Result<(Vec<u8>, Answered), Failure> {
    let mut out = Bounded(Vec::new());
    let answered = write(&mut out)?;
    Ok((out.0, answered))
}

struct Bounded(Vec<u8>);

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > ANSWER {
            let message = "the answer is larger than 64 MiB; ask for fewer rows or columns";
            return Err(std::io::Error::other(message));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
