//! Syslog: RFC 5424, RFC 3164 and the files that follow neither quite.
//!
//! A record begins with a priority, a timestamp or a body of a known shape; any other line goes on
//! with the record before it (bounded). Streams that count octets (`123 <34>1 …`) are framed by
//! their counts, so that a newline in a message forges no record; captures of packets, one behind
//! the other without newlines, by what packets begin with. The syntax of a message is read
//! one level deeper when its first bytes say what it is, into `body` and `body_format`.

mod body;
mod frame;
mod header;
mod structured;

use std::sync::Arc;

use model::{FlawKind, Value};

use crate::fields;
use crate::line::{Frame, Line};
use crate::{Cut, Cutter, Format, Head, Reader, Sink, line};

/// The format `syslog`.
pub(crate) struct Syslog;

impl Format for Syslog {
    fn name(&self) -> &'static str {
        "syslog"
    }

    fn about(&self) -> &'static str {
        "syslog: RFC 5424, RFC 3164, files without priority, octet-counted streams"
    }

    fn sniff(&self, head: &Head<'_>) -> u8 {
        if frame::octet_counted(head.bytes).is_some() {
            return 94;
        }
        let (mut telling, mut other, mut continued) = (0u32, 0u32, 0u32);
        for line in head.lines().take(200) {
            if frame::is_blank_led(line) && telling > 0 {
                continued += 1;
            } else if header::telling(line) {
                telling += 1;
            } else {
                other += 1;
            }
        }
        // Lines that go on say nothing either way, as long as they are not nearly all there is.
        let lines = telling + other + continued / 8;
        match telling * 100 / lines.max(1) {
            80.. => 85,
            50.. => 60,
            _ => 0,
        }
    }

    fn open(&self, head: &Head<'_>) -> Box<dyn Cutter> {
        Box::new(if frame::is_counted(head.bytes) {
            SyslogCutter::Counted
        } else if frame::is_packed(head.bytes) {
            SyslogCutter::Packed
        } else {
            SyslogCutter::Lines
        })
    }
}

/// How a stream is cut.
enum SyslogCutter {
    Lines,
    Counted,
    Packed,
}

impl Cutter for SyslogCutter {
    fn cut(&mut self, window: &[u8], last: bool) -> Cut {
        let (take, framing) = match self {
            Self::Lines => (frame::whole_records(window, last), Framing::Records),
            Self::Packed => (frame::whole_packets(window, last), Framing::Packets),
            Self::Counted => {
                let (take, frames) = frame::counted(window, last);
                (take, Framing::Counted(frames))
            }
        };
        Cut { take, reader: Arc::new(framing) }
    }
}

/// How the records of a chunk are told apart.
enum Framing {
    /// By the lines that begin one.
    Records,
    /// By the priority and time that each begins with, anywhere.
    Packets,
    /// By the counts in front of them, which the cutter had to follow anyway.
    Counted(Vec<Frame>),
}

impl Reader for Framing {
    fn read(&self, chunk: &[u8], offset: u64, sink: &mut dyn Sink) {
        let each = &mut read;
        match self {
            Self::Records => {
                line::each_frame(chunk, offset, frame::Records::new(chunk), sink, each);
            }
            Self::Packets => {
                line::each_frame(chunk, offset, frame::Packets::new(chunk), sink, each);
            }
            Self::Counted(frames) => {
                line::each_frame(chunk, offset, frames.iter().copied(), sink, each);
            }
        }
    }
}

fn read(mut line: Line<'_>, sink: &mut dyn Sink) {
    let mut header = header::read(line.text);
    if let Some(problem) = header.problem {
        line.flaw(FlawKind::Syntax, problem);
    }
    if !header.message.is_empty() {
        let body = body::read(header.message);
        fields::push(&mut header.fields, "message", header.message);
        if let Some((format, body)) = body {
            fields::push(&mut header.fields, "body", body);
            fields::push(&mut header.fields, "body_format", format);
        }
    }
    sink.record(line.record(Value::Map(header.fields)));
}

/// The header in front of an event of another format (CEF, LEEF); nothing when there is none.
pub(crate) fn prefix(text: &str) -> Option<Value<'_>> {
    let text = text.trim_end();
    if text.is_empty() {
        return None;
    }
    let mut header = header::read(text);
    if !header.message.is_empty() {
        fields::push(&mut header.fields, "message", header.message);
    }
    Some(Value::Map(header.fields))
}
