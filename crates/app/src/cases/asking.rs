//! Questions to a live floor: SQL and saved hunts over the lake and what is not committed yet.

use hunt::SavedHunt;

use crate::access::{Caller, Permission};
use crate::ask::{self, Answered, Asker, Question};
use crate::content::Content;
use crate::failure::Failure;
use crate::live::{Floor, blocking};

/// Bytes of an answer that is sent in one piece.
const ANSWER: usize = 64 << 20;

/// A question in SQL.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The SQL.
    pub sql: String,
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
    /// Answers SQL; who asked what is in the audit trail.
    pub async fn ask(&self, caller: &Caller, asked: Asked) -> Result<(Vec<u8>, Answered), Failure> {
        let actor = caller.may(Permission::Hunt)?;
        self.note(actor, "query", &model::shortened(&asked.sql, 500)).await?;
        let floor = self.clone();
        blocking(move || {
            let asker = floor.asker(asked.question.limit)?;
            bounded(|out| ask::answer(asker, &asked.sql, None, &asked.question, out))
        })
        .await
    }

    /// The saved hunts.
    pub async fn saved_hunts(&self, caller: &Caller) -> Result<Vec<SavedHunt>, Failure> {
        caller.may(Permission::Read)?;
        let folder = self.0.options.content.clone();
        blocking(move || Ok(ask::hunts(&Content::of(folder.as_deref())).0)).await
    }

    /// Runs a saved hunt.
    pub async fn run_hunt(
        &self,
        caller: &Caller,
        asked: HuntAsked,
    ) -> Result<(Vec<u8>, Answered), Failure> {
        let actor = caller.may(Permission::Hunt)?;
        self.note(actor, "hunt", &asked.name).await?;
        let floor = self.clone();
        blocking(move || {
            let content = Content::of(floor.0.options.content.as_deref());
            let saved = ask::find_hunt(&content, &asked.name)?;
            let asker = floor.asker(asked.question.limit)?;
            let given = Some((&saved, asked.given.as_slice()));
            bounded(|out| ask::answer(asker, &saved.sql, given, &asked.question, out))
        })
        .await
    }

    fn asker(&self, rows: Option<usize>) -> Result<Asker, Failure> {
        let (lake, gate) = self.0.keeper.lake()?;
        let asker = Asker::over(&lake, &self.0.options.data, rows)?;
        drop(gate);
        Ok(asker)
    }
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
