//! `watchfloor play`: recorded evidence once more, now.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use app::{Failure, Input, Kind, PlayOptions, Told};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use model::{Level, inert};
use serde_json::Value;

use super::{print, print_json};
use crate::Ground;
use crate::args::Play;
use crate::screen::{Screen, Tone, err};

/// How long a floor may take to open.
const OPENING: Duration = Duration::from_mins(2);
/// Bytes of a file that says where a floor is, or a password.
const FILE: u64 = 1 << 16;

pub(crate) fn run(ground: &Ground, args: Play) -> Result<ExitCode, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let stopping = Arc::clone(&stop);
    app::on_interrupt(move || stopping.store(true, Ordering::Relaxed))?;
    let opened = args.opened.as_deref().map(|file| wait_for(file, &stop)).transpose()?;
    let told = |key: &str| opened.as_ref().and_then(|told| told[key].as_str()).map(str::to_owned);
    let link = told("first_link");
    let password = match (&args.password_file, &link) {
        (Some(file), _) => first_line(file)?,
        (None, Some(_)) => app::made_up_password()?,
        (None, None) => {
            let message = "somebody is known there already: name --login and --password-file";
            return Err(Failure::new(Kind::Usage, message));
        }
    };
    let syslog = opened.as_ref().and_then(|told| {
        let sockets = told["sockets"].as_array()?;
        let tcp = sockets.iter().find(|socket| socket[0] == "syslog-tcp")?;
        tcp[1].as_str()?.parse().ok()
    });
    let options = PlayOptions {
        inputs: args.paths.into_iter().map(Input::from_arg).collect(),
        url: told("url").or(args.to).unwrap_or_default(),
        link,
        login: args.login,
        password,
        syslog,
        pace: args.pace,
    };
    let (normalizer, mistakes) = app::load_sources(&ground.content);
    for mistake in &mistakes {
        err(&mistake.to_string());
    }
    let teller = Teller::new(ground);
    if !ground.json && options.link.is_some() {
        let (url, login) = (inert(&options.url), inert(&options.login));
        let password = &options.password;
        print(&format!("Open {url} in a browser, and log in as {login}, {password}\n"))?;
    }
    let mut failed = None;
    let spool = std::env::temp_dir();
    let played = app::play(&normalizer, &options, &spool, &stop, &mut |told| {
        let said = if ground.json { print_json(&told) } else { teller.tell(&told) };
        if let Err(failure) = said {
            failed.get_or_insert(failure);
            stop.store(true, Ordering::Relaxed);
        }
    })?;
    teller.bar.finish_and_clear();
    if let Some(failure) = failed {
        return Err(failure);
    }
    if ground.json {
        print_json(&played)?;
    } else {
        let end = if played.stopped { "Stopped" } else { "Played to the end" };
        print(&format!(
            "{}: {} records delivered, {} alerts, {} incidents\n",
            ground.screen.paint(Tone::Strong, end),
            played.delivered,
            played.alerts,
            played.incidents,
        ))?;
        if played.unread + played.flaws > 0 {
            let (unread, flaws) = (played.unread, played.flaws);
            print(&format!("  not read whole: {unread} parcels; flaws in the others: {flaws}\n"))?;
        }
    }
    Ok(ExitCode::from(if played.stopped { Kind::Interrupted.exit_code() } else { 0 }))
}

/// Waits until the file says where the floor is.
fn wait_for(file: &Path, stop: &AtomicBool) -> Result<Value, Failure> {
    let begin = Instant::now();
    loop {
        let text = read(file).unwrap_or_default();
        let opened = text.lines().find_map(|line| {
            serde_json::from_str(line).ok().filter(|told: &Value| told["url"].is_string())
        });
        if let Some(opened) = opened {
            return Ok(opened);
        }
        if stop.load(Ordering::Relaxed) {
            return Err(Failure::new(Kind::Interrupted, "stopped before the floor opened"));
        }
        if begin.elapsed() > OPENING {
            let message = format!("{} says of no floor that it is open", file.display());
            return Err(Failure::new(Kind::System, message));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn read(file: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    std::fs::File::open(file)?.take(FILE).read_to_string(&mut text)?;
    Ok(text)
}

fn first_line(file: &Path) -> Result<String, Failure> {
    let text = read(file).map_err(|error| {
        Failure::new(Kind::System, format!("cannot read {}: {error}", file.display()))
    })?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// Tells people, above a bar that says how far it is.
struct Teller {
    screen: Screen,
    bar: ProgressBar,
}

impl Teller {
    fn new(ground: &Ground) -> Self {
        let target = match ground.quiet || ground.json {
            true => ProgressDrawTarget::hidden(),
            false => ProgressDrawTarget::stderr_with_hz(5),
        };
        let bar = ProgressBar::with_draw_target(None, target);
        let style =
            ProgressStyle::with_template("playing {bar:24} {pos} of {len} records, {eta} left");
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
        }
        Self { screen: ground.screen, bar }
    }

    fn tell(&self, told: &Told) -> Result<(), Failure> {
        let line = match told {
            Told::Begins { records, senders, seconds } => {
                self.bar.set_length(*records as u64);
                let senders = senders.join(", ");
                format!("{records} records in about {seconds:.0} s, from {}", inert(&senders))
            }
            Told::Progress { delivered, .. } => {
                self.bar.set_position(*delivered as u64);
                return Ok(());
            }
            Told::Alert { level, title, entity, .. } => {
                let level = self.level(level);
                format!(
                    "{level} {}  {}",
                    inert(title),
                    self.screen.paint(Tone::Quiet, &inert(entity))
                )
            }
            Told::Incident { number, level, title, risk, alerts } => {
                let head = format!("INCIDENT {number}");
                let head = self.screen.paint(Tone::Strong, &head);
                let level = self.level(level);
                format!("{level} {head}  {}  (risk {risk}, {alerts} alerts)", inert(title))
            }
            Told::Joined { number } => {
                format!("{:<8} INCIDENT {number} is part of another now", "")
            }
        };
        let mut result = Ok(());
        self.bar.suspend(|| result = print(&(line + "\n")));
        result
    }

    fn level(&self, name: &str) -> String {
        self.screen.level(Level::from_name(name).unwrap_or(Level::Informational))
    }
}
