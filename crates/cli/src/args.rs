//! The command line as data: every verb, flag and example that `--help` shows.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Evidence in, incident and report out.
#[derive(Debug, Parser)]
#[command(
    name = "watchfloor",
    version,
    about = "The incident-response workbench: evidence in, incident and report out.",
    long_about = "Watchfloor takes raw evidence (logs, event logs, archives of them) and leaves a data \
                  folder that holds every event as OCSF, the findings of a full Sigma rule set, the \
                  incidents that they form, and a finished report.",
    after_help = EXAMPLES,
    max_term_width = 100
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,

    /// Print results as JSON on standard output, for machines.
    #[arg(long, global = true)]
    pub json: bool,

    /// Print no progress.
    #[arg(long, short, global = true)]
    pub quiet: bool,

    /// Your own content folder (`sources/`, `rules/`, `hunts/`), laid over the built-in content.
    #[arg(long, global = true, value_name = "DIR", env = "WATCHFLOOR_CONTENT")]
    pub content: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  watchfloor investigate ./evidence                    everything, into ./watchfloor-data
  watchfloor investigate *.evtx --rules ~/sigma/rules  with a rule set of your own
  zcat big.log.gz | watchfloor investigate -           from a pipe
  watchfloor query \"SELECT time, user_name FROM authentication WHERE status_id = 2\"
  watchfloor hunt run rare-parents                     a saved hunt
  watchfloor normalize access.log | jq .http_request   events as OCSF, nothing kept

Exit codes:
  0 done   1 the system would not do it   2 asked wrongly   3 content has mistakes
  4 nothing to work on   70 a defect of this program   130 interrupted";

/// What Watchfloor can be asked to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Investigate evidence: events, findings, incidents and a report
    Investigate(Investigate),
    /// Keep a data folder alive: receive logs, detect as they arrive, show pages and answer an API
    ///
    /// Logs that senders deliver are acknowledged when they are on the disk, rules look at them as they arrive, and
    /// alerts and incidents are there within a second. A browser opened at the address of --listen shows the pages:
    /// alerts, incidents, search and hunt, rules, sources; programs find the API at /api/v1, described in
    /// /api/v1/openapi.json.
    ///
    /// The first start prints a link that makes the first admin, once. Stop it with Ctrl-C or SIGTERM; killing it
    /// at any moment loses nothing that was acknowledged.
    Serve(Serve),
    /// Play recorded evidence to a floor that is open, as if it happened now
    Play(Play),
    /// Print the OCSF events of a file, one JSON object a line; keep nothing
    Normalize(Normalize),
    /// Ask a data folder in SQL
    Query(Query),
    /// Saved hunts: list them, run one
    #[command(subcommand)]
    Hunt(Hunt),
    /// Detection rules: check, test, list, coverage, import
    #[command(subcommand)]
    Rules(Rules),
    /// Source definitions: how products' records become OCSF events
    #[command(subcommand)]
    Sources(Sources),
    /// Write the report of a data folder again, in any form
    Report(Report),
    /// Look at this machine, the content and a data folder, and say what is wrong
    Doctor(Data),
    /// Print the description of the API of `serve`: OpenAPI 3.1
    Openapi,
}

/// Where the data folder is.
#[derive(Debug, Clone, Args)]
pub struct Data {
    /// The data folder.
    #[arg(long, value_name = "DIR", default_value = "watchfloor-data", env = "WATCHFLOOR_DATA")]
    pub data: PathBuf,
}

/// `investigate`.
#[derive(Debug, Args)]
#[command(
    long_about = "Reads files, folders and archives (zip, tar, gz, zst, bz2, xz, nested), tells each \
                  file's format by its content, turns every record into an OCSF event, runs the \
                  Sigma rules, forms incidents, and writes a report.\n\nRunning it again with the \
                  same evidence changes nothing: a parcel that the data folder holds is not read \
                  twice. New evidence joins what is there: findings, alerts and incidents are \
                  worked out anew over all of it, and what they were before stays in the earlier \
                  versions of their tables. Rules that are new look at new evidence only, unless \
                  --again is given. Killing it at any moment does no harm: run it again."
)]
pub struct Investigate {
    /// Files, folders and archives; `-` is standard input.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    pub data: Data,
    /// Sigma rules to load beside the built-in ones: files and folders.
    #[arg(long, value_name = "DIR")]
    pub rules: Vec<PathBuf>,
    /// Leave the built-in rules out.
    #[arg(long)]
    pub no_builtin_rules: bool,
    /// Values for the `%placeholders%` in rules, as JSON: `{"admins": ["anna", "ben"]}`. Rules whose
    /// placeholders have no values are not loaded.
    #[arg(long, value_name = "FILE")]
    pub placeholders: Option<PathBuf>,
    /// The least grave level of finding that is kept.
    #[arg(long, value_name = "LEVEL", default_value = "informational")]
    pub min_level: String,
    /// Read evidence that the data folder knows again, with the rules as they are now. Its events
    /// stay; what the loaded rules found in it before gives way to what they find now.
    #[arg(long)]
    pub again: bool,
    /// Write no report.
    #[arg(long)]
    pub no_report: bool,
    /// Threads that parse and detect; one for each core unless said.
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
}

/// `serve`.
#[derive(Debug, Args)]
pub struct Serve {
    #[command(flatten)]
    pub data: Data,
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8630")]
    pub listen: std::net::SocketAddr,
    /// What the floor fetches by itself: files that grow, and more. `floor.toml` in the data folder unless
    /// said.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Receive syslog over UDP there. UDP cannot promise that nothing is lost.
    #[arg(long, value_name = "ADDRESS")]
    pub syslog_udp: Vec<std::net::SocketAddr>,
    /// Receive syslog over TCP there.
    #[arg(long, value_name = "ADDRESS")]
    pub syslog_tcp: Vec<std::net::SocketAddr>,
    /// Receive syslog over TLS there.
    #[arg(long, value_name = "ADDRESS")]
    pub syslog_tls: Vec<std::net::SocketAddr>,
    /// Receive RELP there: each message is acknowledged when it is on the disk.
    #[arg(long, value_name = "ADDRESS")]
    pub relp: Vec<std::net::SocketAddr>,
    /// Receive RELP over TLS there.
    #[arg(long, value_name = "ADDRESS")]
    pub relp_tls: Vec<std::net::SocketAddr>,
    /// Ask senders on TLS sockets for certificates of this authority, in PEM: by the name in it a sender is
    /// known. Who shows none is let in as well.
    #[arg(long, value_name = "FILE", conflicts_with = "plain")]
    pub client_authority: Option<PathBuf>,
    /// Speak HTTP in the clear: for this machine alone, or behind a proxy that encrypts.
    #[arg(long)]
    pub plain: bool,
    /// The certificate chain, in PEM; without it one is made and kept in the data folder.
    #[arg(long, value_name = "FILE", requires = "key", conflicts_with = "plain")]
    pub certificate: Option<PathBuf>,
    /// The certificate's key, in PEM.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub key: Option<PathBuf>,
    /// Names that a certificate made here is for, beside localhost.
    #[arg(long, value_name = "NAME")]
    pub name: Vec<String>,
    /// Where alerts, incidents and users are kept: a `postgres://` URL, or a file; a SQLite file in the
    /// data folder unless said.
    #[arg(long, value_name = "PLACE", env = "WATCHFLOOR_LEDGER", hide_env_values = true)]
    pub ledger: Option<String>,
    /// Sigma rules to load beside the built-in ones: files and folders.
    #[arg(long, value_name = "DIR")]
    pub rules: Vec<PathBuf>,
    /// Leave the built-in rules out.
    #[arg(long)]
    pub no_builtin_rules: bool,
    /// Gibibytes of disk that deliveries may take until they have been read.
    #[arg(long, value_name = "GIB", default_value_t = 16)]
    pub log_gib: u64,
    /// Threads that parse and detect; one for each core unless said.
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
}

/// `play`.
#[derive(Debug, Args)]
#[command(
    long_about = "Delivers recorded evidence to a floor that `watchfloor serve` has open, through its \
                  receivers, with the times in it moved so that the story ends now. For exercises, \
                  demonstrations, and trials of rules on what happened once.\n\nEach folder of the \
                  evidence becomes a sender. Alerts and incidents are told as they appear."
)]
pub struct Play {
    /// Files, folders and archives.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// What `watchfloor serve --json` printed when it opened: its address, its sockets, and the word of
    /// its first start. It is waited for.
    #[arg(long, value_name = "FILE", required_unless_present = "to")]
    pub opened: Option<PathBuf>,
    /// The floor's address, such as `https://floor.example:8630`.
    #[arg(long, value_name = "URL", conflicts_with = "opened", requires = "password_file")]
    pub to: Option<String>,
    /// As whom to log in. At a first start this becomes the first admin.
    #[arg(long, value_name = "NAME", default_value = "demo")]
    pub login: String,
    /// A file with their password in its first line; at a first start one is made up and told.
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Seconds of the story in a second.
    #[arg(long, value_name = "N", default_value_t = 600.0)]
    pub pace: f64,
}

/// `normalize`.
#[derive(Debug, Args)]
pub struct Normalize {
    /// Files, folders and archives; `-` is standard input.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Write classes of OCSF's `win` extension as such (registry, Windows services), not as base
    /// events that every reader of the core schema understands.
    #[arg(long)]
    pub extensions: bool,
}

/// How a table is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// Aligned columns for people.
    Table,
    /// One JSON object a line.
    Json,
    /// CSV that a spreadsheet will not execute.
    Csv,
    /// Apache Parquet (give `--out`).
    Parquet,
}

/// `query`.
#[derive(Debug, Args)]
#[command(
    long_about = "Runs one SELECT over the tables events, findings, alerts, incidents, parcels, \
                  flaws, unrecognised, matches (what correlations count) and runs, and over a view \
                  for each OCSF class \
                  (authentication, dns_activity, process_activity …). SQL cannot read files or the \
                  network, and cannot change anything. SHOW TABLES and DESCRIBE TABLE say what is \
                  there."
)]
pub struct Query {
    /// The SQL; `-` reads it from standard input.
    pub sql: String,
    #[command(flatten)]
    pub data: Data,
    #[command(flatten)]
    pub answer: Answer,
}

/// How an answer is bounded and printed.
#[derive(Debug, Clone, Args)]
pub struct Answer {
    /// How to print the answer.
    #[arg(long, value_enum, default_value = "table")]
    pub format: Form,
    /// Write the answer to a file.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Only what happened at or after this time: `2026-10-14`, `2026-10-14T10:30:00Z`, or `7d` (also
    /// s, m, h, w) for that long ago. UTC where no zone is written.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only what happened before this time, in the same forms.
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Most rows to print.
    #[arg(long, value_name = "ROWS")]
    pub limit: Option<usize>,
    /// Bring a CSV file as a table: `--table indicators=iocs.csv`.
    #[arg(long = "table", value_name = "NAME=FILE")]
    pub tables: Vec<String>,
}

/// `hunt …`.
#[derive(Debug, Subcommand)]
pub enum Hunt {
    /// List the saved hunts
    List,
    /// Show one hunt: what it looks for, its parameters, its SQL
    Show {
        /// The hunt's name.
        name: String,
    },
    /// Run one hunt over a data folder
    Run {
        /// The hunt's name.
        name: String,
        /// A parameter: `--set user=anna`.
        #[arg(long = "set", value_name = "NAME=VALUE")]
        set: Vec<String>,
        #[command(flatten)]
        data: Data,
        #[command(flatten)]
        answer: Answer,
    },
}

/// Which rules.
#[derive(Debug, Clone, Args)]
pub struct RuleSet {
    /// Files and folders of Sigma rules; the built-in rules when none are named.
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}

/// `rules …`.
#[derive(Debug, Subcommand)]
pub enum Rules {
    /// Load rules and show every mistake with its place
    Check(RuleSet),
    /// Run rules over the samples beside them: positives must fire, negatives must not
    Test(RuleSet),
    /// List rules with level, log source and techniques, and which are switched off in the data folder
    List {
        #[command(flatten)]
        set: RuleSet,
        #[command(flatten)]
        data: Data,
    },
    /// Say which rules can see events of the known sources, by ATT&CK tactic
    Coverage(RuleSet),
    /// Check rules and copy those that are new into your content folder
    Import {
        /// Files and folders of Sigma rules.
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// The content folder to copy into (`rules/` below it).
        #[arg(long, value_name = "DIR")]
        into: PathBuf,
    },
}

/// `sources …`.
#[derive(Debug, Subcommand)]
pub enum Sources {
    /// List the known sources
    List,
    /// Check a definition's folder: the definition itself, then its samples
    Check {
        /// A folder with `source.yml` and `samples/`, or a folder of such folders.
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// Write what the samples give now as what is expected.
        #[arg(long)]
        accept: bool,
    },
}

/// `report`.
#[derive(Debug, Args)]
pub struct Report {
    #[command(flatten)]
    pub data: Data,
    /// Forms to write: html, pdf, markdown, json. All of them unless said.
    #[arg(long, value_name = "FORM")]
    pub form: Vec<String>,
    /// The folder to write to; `reports/` in the data folder unless said.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_is_sound_and_names_hunts_that_are_there() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
        let (hunts, _) = app::hunts(&app::Content::built_in());
        let named = EXAMPLES.lines().filter_map(|line| line.split("hunt run ").nth(1));
        let named: Vec<&str> = named.filter_map(|rest| rest.split_whitespace().next()).collect();
        assert!(!named.is_empty());
        for name in named {
            assert!(hunts.iter().any(|hunt| hunt.name == name), "{name}");
        }
    }
}
