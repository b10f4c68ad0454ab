//! `watchfloor query`: SQL over a data folder.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use app::{Answered, Failure, Kind, Question};
use model::inert;

use crate::Ground;
use crate::args::{Answer, Form, Query};
use crate::screen::{Tone, err};

/// Bytes of SQL read from standard input.
const LONGEST: u64 = 1 << 20;

pub(crate) fn run(ground: &Ground, args: Query) -> Result<ExitCode, Failure> {
    let sql = if args.sql == "-" {
        let mut sql = String::new();
        io::stdin()
            .lock()
            .take(LONGEST)
            .read_to_string(&mut sql)
            .map_err(|e| Failure::new(Kind::System, format!("cannot read the SQL: {e}")))?;
        sql
    } else {
        args.sql
    };
    let data = args.data.data;
    answer(ground, &args.answer, |question, out| app::query(&data, &sql, question, out))
}

/// Writes an answer where it was asked for, and says what was left out.
pub(crate) fn answer(
    ground: &Ground,
    args: &Answer,
    ask: impl FnOnce(&Question, &mut (dyn Write + Send)) -> Result<Answered, Failure>,
) -> Result<ExitCode, Failure> {
    let form = if ground.json { Form::Json } else { args.format };
    if form == Form::Parquet && args.out.is_none() && io::stdout().is_terminal() {
        return Err(
            Failure::new(Kind::Usage, "Parquet is not for a terminal").hint("give --out FILE")
        );
    }
    let tables = args.tables.iter().map(|text| table(text)).collect::<Result<_, _>>()?;
    let question = Question {
        since: args.since.clone(),
        until: args.until.clone(),
        limit: args.limit,
        tables,
        form: name(form).to_owned(),
        width: width(args.out.as_deref()),
    };
    let cannot = |e: io::Error| Failure::new(Kind::System, format!("cannot write the answer: {e}"));
    let done = match &args.out {
        Some(path) => {
            let mut file = BufWriter::new(File::create(path).map_err(cannot)?);
            let done = ask(&question, &mut file)?;
            file.flush().map_err(cannot)?;
            done
        }
        None => ask(&question, &mut Stdout)?,
    };
    if !ground.quiet && !ground.json && form != Form::Table {
        let cut = if done.cut { ", cut at the limit" } else { "" };
        err(&ground.screen.paint(Tone::Quiet, &format!("{} rows{cut}", done.rows)));
    }
    Ok(ExitCode::SUCCESS)
}

/// Standard output, whose reader may leave whenever it likes.
struct Stdout;

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        crate::screen::out_bytes(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn table(text: &str) -> Result<(String, PathBuf), Failure> {
    let (name, file) = text.split_once('=').ok_or_else(|| {
        Failure::new(Kind::Usage, format!("--table {}: expected NAME=FILE", inert(text)))
    })?;
    Ok((name.to_owned(), PathBuf::from(file)))
}

/// JSON means a line for each row: that is what machines read best.
fn name(form: Form) -> &'static str {
    match form {
        Form::Table => "table",
        Form::Json => "ndjson",
        Form::Csv => "csv",
        Form::Parquet => "parquet",
    }
}

fn width(out: Option<&Path>) -> Option<usize> {
    (out.is_none() && io::stdout().is_terminal())
        .then(|| console_width().unwrap_or(120))
        .map(|width| width.max(40))
}

/// The width of the terminal, which shells tell in `COLUMNS` and terminals when asked.
fn console_width() -> Option<usize> {
    let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    told.or_else(|| Some(usize::from(console::Term::stdout().size_checked()?.1)))
}
