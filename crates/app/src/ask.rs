//! `query` and `hunt`: questions to a data folder.

use std::future::Future;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use hunt::{Between, Form, Hunt, HuntError, Limits, SavedHunt, TableStyle};
use lake::Lake;
use tokio::runtime::Runtime;

use crate::content::Content;
use crate::failure::{Failure, Kind};
use crate::scratch::Scratch;
use crate::tell::Row;

/// A question, and how its answer is bounded and written.
#[derive(Debug, Clone)]
pub struct Question {
    /// From when on.
    pub since: Option<String>,
    /// Before when.
    pub until: Option<String>,
    /// Most rows.
    pub limit: Option<usize>,
    /// Tables that the operator brings: name and file.
    pub tables: Vec<(String, PathBuf)>,
    /// The form of the answer: `table`, `json`, `ndjson`, `csv`, `parquet`.
    pub form: String,
    /// Columns of the terminal; none for a file.
    pub width: Option<usize>,
}

/// What was answered.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Answered {
    /// Rows written.
    pub rows: u64,
    /// True when there were more than the limit let through.
    pub cut: bool,
}

/// Answers SQL over a data folder. An interrupt ends it cleanly.
pub fn query(
    data: &Path,
    sql: &str,
    question: &Question,
    out: &mut (dyn Write + Send),
) -> Result<Answered, Failure> {
    ask(data, sql, None, question, out)
}

/// The saved hunts of the content, in order of name, and what is wrong with those that do not load.
pub fn hunts(content: &Content) -> (Vec<SavedHunt>, Vec<String>) {
    let mut hunts = Vec::new();
    // A file that could not be read might have been one.
    let mut problems = content.problems.clone();
    for (_, text) in content.below("hunts") {
        match SavedHunt::read(&text.path, &text.text) {
            Ok(hunt) => hunts.push(hunt),
            Err(error) => problems.push(error.to_string()),
        }
    }
    hunts.sort_by(|a, b| a.name.cmp(&b.name));
    (hunts, problems)
}

/// The saved hunt of that name.
pub fn find_hunt(content: &Content, name: &str) -> Result<SavedHunt, Failure> {
    let (hunts, _) = hunts(content);
    let words: Vec<&str> = name.split('-').filter(|word| word.len() > 3).collect();
    let alike: Vec<_> = hunts
        .iter()
        .filter(|hunt| words.iter().any(|word| hunt.name.contains(word.trim_end_matches('s'))))
        .map(|hunt| format!("`{}`", hunt.name))
        .collect();
    hunts.into_iter().find(|hunt| hunt.name == name).ok_or_else(|| {
        let failure =
            Failure::new(Kind::Usage, format!("there is no hunt `{}`", model::inert(name)));
        let failure = match alike.as_slice() {
            [] => failure,
            names => failure.hint(format!("like it: {}", names.join(", "))),
        };
        failure.hint("`watchfloor hunt list` names them all")
    })
}

/// Runs a saved hunt with the given parameters.
pub fn run_hunt(
    data: &Path,
    saved: &SavedHunt,
    given: &[(String, String)],
    question: &Question,
    out: &mut (dyn Write + Send),
) -> Result<Answered, Failure> {
    ask(data, &saved.sql, Some((saved, given)), question, out)
}

fn ask(
    data: &Path,
    sql: &str,
    saved: Option<(&SavedHunt, &[(String, String)])>,
    question: &Question,
    out: &mut (dyn Write + Send),
) -> Result<Answered, Failure> {
    let asker = Asker::with_rows(data, question.limit)?;
    answer(asker, (sql, saved), question, out, std::future::pending())
}

/// Answers one question with an engine that was opened for it, unless whoever asked is `gone`.
pub(crate) fn answer(
    mut asker: Asker,
    (sql, saved): (&str, Option<(&SavedHunt, &[(String, String)])>),
    question: &Question,
    out: &mut (dyn Write + Send),
    gone: impl Future<Output = ()>,
) -> Result<Answered, Failure> {
    let form = Form::from_name(&question.form).ok_or_else(|| {
        Failure::new(Kind::Usage, format!("there is no form `{}`", model::inert(&question.form)))
    })?;
    let between = Between {
        since: instant(question.since.as_deref(), "--since", crate::now())?,
        until: instant(question.until.as_deref(), "--until", crate::now())?,
    };
    for (name, file) in &question.tables {
        asker.hunt.add_list(name, file).map_err(|error| from_hunt(&error, sql))?;
    }
    let values = match saved {
        Some((saved, given)) => saved.values(given).map_err(|error| from_hunt(&error, sql))?,
        None => std::collections::HashMap::new(),
    };
    let style = TableStyle { width: question.width, empty_columns: false };
    asker.runtime.block_on(unless_stopped(gone, async {
        let mut answer = asker
            .hunt
            .query_with(sql, &values, between)
            .await
            .map_err(|error| from_hunt(&error, sql))?;
        let written =
            hunt::write(form, &mut answer, out, style).await.map_err(|e| from_hunt(&e, sql))?;
        Ok(Answered { rows: written.rows, cut: written.cut })
    }))
}

/// Reads `--since` and `--until`: an instant, a day (its first moment), a time without a zone (UTC), or
/// a span that counts back from now.
pub(crate) fn instant(
    text: Option<&str>,
    flag: &str,
    now: model::Micros,
) -> Result<Option<model::Micros>, Failure> {
    let Some(text) = text.map(str::trim) else { return Ok(None) };
    if let Some(span) = span(text) {
        return Ok(Some(model::Micros(now.0.saturating_sub(span))));
    }
    let forms =
        [text.to_owned(), format!("{text}Z"), format!("{text}:00Z"), format!("{text}T00:00:00Z")];
    match forms.iter().find_map(|form| form.replacen(' ', "T", 1).parse().ok()) {
        Some(time) => Ok(Some(time)),
        None => Err(Failure::new(
            Kind::Usage,
            format!("{flag}: `{}` is not a time", model::inert(text)),
        )
        .hint("write 2026-10-14, 2026-10-14T10:30:00Z, or 7d for seven days ago")),
    }
}

/// A span such as `90m` or `7d`, in microseconds.
fn span(text: &str) -> Option<i64> {
    let unit = text.chars().last()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return None,
    };
    let count: i64 = text.strip_suffix(unit)?.parse().ok().filter(|count| *count >= 0)?;
    count.checked_mul(seconds)?.checked_mul(1_000_000)
}

async fn unless_stopped<T>(
    gone: impl Future<Output = ()>,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        done = work => done,
        () = gone => Err(Failure::new(Kind::Interrupted, "nobody waits for the answer any more")),
        _ = tokio::signal::ctrl_c() => Err(Failure::new(Kind::Interrupted, "stopped")),
    }
}

/// Calls `act` at every interrupt (Ctrl-C) from now on.
pub fn on_interrupt(act: impl Fn() + Send + 'static) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(crate::failure::system("cannot watch for interrupts"))?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            while tokio::signal::ctrl_c().await.is_ok() {
                act();
            }
        });
    });
    Ok(())
}

/// A lake with the engine over it.
pub(crate) struct Asker {
    runtime: Runtime,
    hunt: Hunt,
    /// Goes last.
    _scratch: Option<Scratch>,
}

impl Asker {
    /// Opens the lake of a data folder for reading.
    pub(crate) fn open(data: &Path) -> Result<Self, Failure> {
        Self::with_rows(data, None)
    }

    fn with_rows(data: &Path, rows: Option<usize>) -> Result<Self, Failure> {
        if !data.join("lake").is_dir() {
            let message = format!("{} holds no lake", data.display());
            return Err(Failure::new(Kind::Nothing, message)
                .hint("`watchfloor investigate PATH --data DIR` makes one"));
        }
        Self::over(&crate::open_lake(data)?, data, Limits { rows, ..Limits::default() })
    }

    /// The engine over a lake, with a place in the data folder for what it cannot hold in memory.
    pub(crate) fn over(lake: &Lake, data: &Path, limits: Limits) -> Result<Self, Failure> {
        let runtime = crate::runtime()?;
        let scratch = Scratch::of(data);
        let spill = scratch.as_ref().map(|scratch| scratch.path().to_owned());
        let limits = Limits { spill, ..limits };
        let hunt = runtime
            .block_on(Hunt::open(lake, limits, crate::now()))
            .map_err(|error| from_hunt(&error, ""))?;
        Ok(Self { runtime, hunt, _scratch: scratch })
    }

    /// All rows of a short answer.
    pub(crate) fn rows(&self, sql: &str) -> Result<Vec<Row>, Failure> {
        let mut rows = Vec::new();
        self.each(sql, |row| {
            rows.push(row);
            Ok(())
        })?;
        Ok(rows)
    }

    /// Each row of an answer of any length.
    pub(crate) fn each(
        &self,
        sql: &str,
        take: impl FnMut(Row) -> Result<(), Failure> + Send,
    ) -> Result<(), Failure> {
        let mut lines = Lines { rest: Vec::new(), take, failure: None };
        let written = self.runtime.block_on(async {
            let between = Between::default();
            let mut answer =
                self.hunt.query(sql, between).await.map_err(|error| from_hunt(&error, sql))?;
            hunt::write(Form::Ndjson, &mut answer, &mut lines, TableStyle::default())
                .await
                .map_err(|error| from_hunt(&error, sql))
        });
        match lines.failure {
            Some(failure) => Err(failure),
            None => written.map(|_| ()),
        }
    }

    /// The one number that an answer is.
    pub(crate) fn count(&self, sql: &str) -> Result<u64, Failure> {
        let rows = self.rows(sql)?;
        let first = rows.first().and_then(|row| row.values().next());
        Ok(first.and_then(serde_json::Value::as_u64).unwrap_or(0))
    }
}

/// Takes an answer that is written as lines of JSON apart into rows.
struct Lines<T> {
    /// What of a line has come so far.
    rest: Vec<u8>,
    take: T,
    failure: Option<Failure>,
}

impl<T: FnMut(Row) -> Result<(), Failure>> Write for Lines<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.rest.extend_from_slice(bytes);
        if !bytes.contains(&b'\n') {
            return Ok(bytes.len());
        }
        let mut lines = self.rest.split_inclusive(|byte| *byte == b'\n').peekable();
        let mut taken = 0;
        while let Some(line) = lines.next_if(|line| line.ends_with(b"\n")) {
            taken += line.len();
            let row = serde_json::from_slice(line)
                .map_err(|e| Failure::new(Kind::Defect, format!("an answer is not JSON: {e}")));
            if let Err(failure) = row.and_then(&mut self.take) {
                let text = failure.message.clone();
                self.failure = Some(failure);
                return Err(io::Error::other(text));
            }
        }
        self.rest.drain(..taken);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn from_hunt(error: &HuntError, sql: &str) -> Failure {
    let kind = match error.kind {
        hunt::Kind::Lake => Kind::System,
        hunt::Kind::Limit => Kind::TooMuch,
        hunt::Kind::Internal => Kind::Defect,
        _ => Kind::Usage,
    };
    Failure::new(kind, error.render(sql))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let now: model::Micros = "2026-11-22T12:00:00Z".parse().unwrap();
        let read = |text| instant(Some(text), "--since", now).map(|t| t.unwrap().to_string());
        for (text, want) in [
            ("2026-10-14", "2026-10-14T00:00:00Z"),
            ("2026-10-14 10:30", "2026-10-14T10:30:00Z"),
            ("2026-10-14T10:30:05", "2026-10-14T10:30:05Z"),
            ("2026-10-14T10:30:05+02:00", "2026-10-14T08:30:05Z"),
            ("7d", "2026-11-15T12:00:00Z"),
            ("90m", "2026-11-22T10:30:00Z"),
        ] {
            assert_eq!(read(text).unwrap(), want, "{text}");
        }
        for wrong in ["yesterday", "d", "-1d", "99999999999999999w", "2026-13-01", ""] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
