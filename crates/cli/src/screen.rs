//! What people see: lines that cannot be made to lie by what stands in them, colour that is never
//! the only signal, and a progress line that leaves nothing behind.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use app::Meter;
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use model::Level;

/// Standard output and what it can do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    colour: bool,
}

/// How a word is set off.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tone {
    Strong,
    Quiet,
    Good,
    Bad,
    Warn,
}

impl Screen {
    /// Colours only for a terminal, and not when `NO_COLOR` is set (no-color.org).
    pub(crate) fn new() -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        Self { colour: !plain && io::stdout().is_terminal() }
    }

    /// A text in a tone.
    pub(crate) fn paint(self, tone: Tone, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Strong => "1",
            Tone::Quiet => "2",
            Tone::Good => "32",
            Tone::Bad => "1;31",
            Tone::Warn => "33",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// A level as a word of fixed width, coloured by how grave it is.
    pub(crate) fn level(self, level: Level) -> String {
        let name = if level == Level::Informational { "info" } else { level.name() };
        let word = format!("{:<8}", name.to_uppercase());
        match level {
            Level::Critical | Level::High => self.paint(Tone::Bad, &word),
            Level::Medium => self.paint(Tone::Warn, &word),
            _ => self.paint(Tone::Quiet, &word),
        }
    }
}

/// Writes to standard output. A closed pipe (`| head`) is no failure: the reader had enough.
pub(crate) fn out(text: &str) -> io::Result<()> {
    out_bytes(text.as_bytes())
}

/// Writes bytes to standard output, with the same understanding.
pub(crate) fn out_bytes(bytes: &[u8]) -> io::Result<()> {
    match io::stdout().lock().write_all(bytes) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Writes a line to standard error.
pub(crate) fn err(text: &str) {
    let _nowhere_to_say_it = writeln!(io::stderr().lock(), "{text}");
}

/// A progress line on standard error, drawn from a meter until it is dropped.
pub(crate) struct Progress {
    ended: Arc<AtomicBool>,
    drawer: Option<JoinHandle<()>>,
}

impl Progress {
    /// Starts drawing; draws nothing when `quiet` or when nobody is looking.
    pub(crate) fn start(meter: &Arc<Meter>, quiet: bool) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        if quiet || !io::stderr().is_terminal() {
            return Self { ended, drawer: None };
        }
        let (meter, stop) = (Arc::clone(meter), Arc::clone(&ended));
        let drawer = std::thread::spawn(move || {
            let bar =
                ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(10));
            let style = ProgressStyle::with_template(
                "{prefix:<11} {bar:24} {percent:>3}%  {msg}  {binary_bytes_per_sec}  {eta} left",
            );
            if let Ok(style) = style {
                bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
            }
            while !stop.load(Ordering::Relaxed) {
                bar.set_length(Meter::get(&meter.bytes_total));
                bar.set_position(Meter::get(&meter.bytes_done));
                bar.set_prefix(meter.phase());
                bar.set_message(format!(
                    "{} of {}  {} events  {} findings",
                    HumanBytes(Meter::get(&meter.bytes_done)),
                    HumanBytes(Meter::get(&meter.bytes_total)),
                    HumanCount(Meter::get(&meter.events)),
                    HumanCount(Meter::get(&meter.findings)),
                ));
                std::thread::park_timeout(Duration::from_millis(100));
            }
            bar.finish_and_clear();
        });
        Self { ended, drawer: Some(drawer) }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(drawer) = self.drawer.take() {
            drawer.thread().unpark();
            let _drawing_is_not_worth_a_failure = drawer.join();
        }
    }
}
