//! One RELP session: nothing is answered before it is on the disk.

use std::pin::pin;
use std::sync::atomic::Ordering::Relaxed;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::batch::Batch;
use super::connection::{Filled, Pace, fill};
use super::desk::{Desk, Outcome, Source};
use super::relp::{self, Command, Decoder, Frame};

/// Bytes that are read ahead while what was read before waits to be taken.
const AHEAD: usize = 256 << 10;

/// What a session has to say next.
enum Say {
    /// This transaction's message is on the disk.
    Taken(u32),
    /// Something else about a transaction.
    Text(u32, String),
}

/// A session between its first and last frame.
struct Session {
    decoder: Decoder,
    batch: Batch,
    say: Vec<Say>,
    open: bool,
    /// The peer said `close`, or something that is no RELP.
    ends: bool,
}

/// RELP over a stream.
pub(super) async fn relp<S>(desk: &Desk, mut stream: S, source: &Source)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut session = Session {
        decoder: Decoder::new(desk.limits.message),
        batch: Batch::default(),
        say: Vec::new(),
        open: false,
        ends: false,
    };
    let mut pace = Pace::new();
    loop {
        let all = session.take_apart(desk);
        if !session.say.is_empty() {
            pace.whole();
        }
        if !session.settle(desk, &mut stream, source).await || session.ends {
            break;
        }
        if !all {
            continue;
        }
        if pace.is_over(desk) {
            break;
        }
        let until = pace.until(desk, session.decoder.is_inside());
        match fill(desk, &mut stream, &mut session.decoder.buffer, &mut pace, until).await {
            Filled::Bytes => {}
            Filled::Late | Filled::End => break,
        }
    }
    let farewell = async {
        if session.open {
            stream.write_all(relp::SERVER_CLOSE).await?;
        }
        stream.shutdown().await
    };
    let _closed = timeout(desk.limits.stalled, farewell).await;
}

impl Session {
    /// Takes what is there apart, as much as makes a delivery. True when that was all of it.
    fn take_apart(&mut self, desk: &Desk) -> bool {
        while !self.ends && self.batch.size() < desk.limits.delivery {
            match self.decoder.next() {
                Ok(Some(frame)) => self.frame(frame),
                Ok(None) => return true,
                Err(relp::Broken) => {
                    desk.counts.flaws.fetch_add(1, Relaxed);
                    self.ends = true;
                }
            }
        }
        false
    }

    fn frame(&mut self, frame: Frame) {
        let Frame { transaction, command, data, flaw } = frame;
        match command {
            Command::Open if !self.open => {
                let (answer, open) = relp::open(&data);
                self.open = open;
                self.ends = !open;
                self.say.push(Say::Text(transaction, answer));
            }
            Command::Syslog if self.open => {
                self.batch.push(&data, flaw);
                self.say.push(Say::Taken(transaction));
            }
            Command::Close if self.open => {
                self.ends = true;
                self.say.push(Say::Text(transaction, String::new()));
            }
            Command::Open | Command::Syslog | Command::Close => {
                self.ends = true;
                let text = "500 the session is not in a state for this command".to_owned();
                self.say.push(Say::Text(transaction, text));
            }
            Command::Unknown => {
                let text = "500 this command is not known here".to_owned();
                self.say.push(Say::Text(transaction, text));
            }
        }
    }

    /// Hands in what was taken apart and answers it. False when the session is over.
    async fn settle<S>(&mut self, desk: &Desk, stream: &mut S, source: &Source) -> bool
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        if !self.batch.is_empty() {
            let packed = self.batch.pack();
            let buffer = &mut self.decoder.buffer;
            let reader = &mut *stream;
            // A sender that goes away keeps its messages and sends them again.
            let gone = pin!(async move {
                while buffer.len() < AHEAD {
                    match reader.read_buf(buffer).await {
                        Ok(0) | Err(_) => return,
                        Ok(count) => {
                            desk.counts.bytes.fetch_add(count as u64, Relaxed);
                        }
                    }
                }
                std::future::pending::<()>().await;
            });
            if desk.hand_in(source, packed, gone).await != Outcome::Taken {
                return false;
            }
        }
        let mut out = Vec::new();
        for say in self.say.drain(..) {
            match say {
                Say::Taken(transaction) => relp::answer(&mut out, transaction, "200 OK"),
                Say::Text(transaction, text) => relp::answer(&mut out, transaction, &text),
            }
        }
        if out.is_empty() {
            return true;
        }
        let written = async {
            stream.write_all(&out).await?;
            stream.flush().await
        };
        matches!(timeout(desk.limits.stalled, written).await, Ok(Ok(())))
    }
}
