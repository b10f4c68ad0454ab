//! `query` and `hunt`: questions to a data folder.

use std::future::Future;
use std::io::Write;
use std::path::{Path, PathBuf};

use hunt::{Between, Form, Hunt, HuntError, Limits, SavedHunt, TableStyle};
use tokio::runtime::Runtime;

use crate::content::Content;
use crate::failure::{Failure, Kind};
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
    let mut problems = Vec::new();
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
    hunts.into_iter().find(|hunt| hunt.name == name).ok_or_else(|| {
        Failure::new(Kind::Usage, format!("there is no hunt `{}`", model::inert(name)))
            .hint("`watchfloor hunt list` names them all")
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
    let form = Form::from_name(&question.form).ok_or_else(|| {
        Failure::new(Kind::Usage, format!("there is no form `{}`", question.form))
    })?;
    let between = Between {
        since: instant(question.since.as_deref(), "--since")?,
        until: instant(question.until.as_deref(), "--until")?,
    };
    let mut asker = Asker::with_rows(data, question.limit)?;
    for (name, file) in &question.tables {
        asker.hunt.add_list(name, file).map_err(|error| from_hunt(&error, sql))?;
    }
    let values = match saved {
        Some((saved, given)) => saved.values(given).map_err(|error| from_hunt(&error, sql))?,
        None => std::collections::HashMap::new(),
    };
    let style = TableStyle { width: question.width, empty_columns: false };
    asker.runtime.block_on(unless_interrupted(async {
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

fn instant(text: Option<&str>, flag: &str) -> Result<Option<model::Micros>, Failure> {
    let Some(text) = text else { return Ok(None) };
    // A day alone means its first instant.
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    whole.parse().map(Some).map_err(|error| Failure::new(Kind::Usage, format!("{flag}: {error}")))
}

async fn unless_interrupted<T>(
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        done = work => done,
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
        let runtime = crate::runtime()?;
        let lake = crate::open_lake(data)?;
        let limits = Limits { spill: Some(data.join("tmp")), rows, ..Limits::default() };
        let hunt = runtime
            .block_on(Hunt::open(&lake, limits, crate::now()))
            .map_err(|error| from_hunt(&error, ""))?;
        Ok(Self { runtime, hunt })
    }

    /// All rows of a short answer.
    pub(crate) fn rows(&self, sql: &str) -> Result<Vec<Row>, Failure> {
        let mut bytes: Vec<u8> = Vec::new();
        self.runtime.block_on(async {
            let between = Between::default();
            let mut answer =
                self.hunt.query(sql, between).await.map_err(|error| from_hunt(&error, sql))?;
            hunt::write(Form::Ndjson, &mut answer, &mut bytes, TableStyle::default())
                .await
                .map_err(|error| from_hunt(&error, sql))
        })?;
        bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| {
                serde_json::from_slice(line)
                    .map_err(|e| Failure::new(Kind::Defect, format!("an answer is not JSON: {e}")))
            })
            .collect()
    }

    /// The one number that an answer is.
    pub(crate) fn count(&self, sql: &str) -> Result<u64, Failure> {
        let rows = self.rows(sql)?;
        let first = rows.first().and_then(|row| row.values().next());
        Ok(first.and_then(serde_json::Value::as_u64).unwrap_or(0))
    }
}

fn from_hunt(error: &HuntError, sql: &str) -> Failure {
    let kind = match error.kind {
        hunt::Kind::Lake | hunt::Kind::Limit => Kind::System,
        hunt::Kind::Internal => Kind::Defect,
        _ => Kind::Usage,
    };
    Failure::new(kind, error.render(sql))
}
