//! HTTP/1.1 over one connection that is kept. Proofs count what was sent: a library would send again by
//! itself when a connection breaks, and nobody would know.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// A client of one server.
pub(super) struct Http {
    address: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// As they came, names in lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Broken {
    /// Nothing was sent.
    Unsent(io::Error),
    /// What was sent may have arrived.
    Unknown(io::Error),
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unsent(error) => write!(f, "not sent: {error}"),
            Self::Unknown(error) => write!(f, "no answer: {error}"),
        }
    }
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Http {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { address, stream: None }
    }

    /// Sends a request and waits for its answer.
    pub(super) fn ask(
        &mut self,
        line: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, Broken> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                BufReader::with_capacity(64 << 10, connect(self.address).map_err(Broken::Unsent)?)
            }
        };
        stream.get_mut().write_all(&request(line, headers, body)).map_err(Broken::Unknown)?;
        let answer = read(&mut stream).map_err(Broken::Unknown)?;
        if answer.header("connection") != Some("close") {
            self.stream = Some(stream);
        }
        Ok(answer)
    }
}

/// Opens a connection on which nothing waits for more.
pub(super) fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// The lines of an endless answer, such as server-sent events. An error ends them.
pub(super) fn lines(
    address: SocketAddr,
    line: &str,
    headers: &[(&str, &str)],
) -> io::Result<impl Iterator<Item = String> + use<>> {
    let mut stream = connect(address)?;
    stream.write_all(&request(line, headers, &[]))?;
    Ok(BufReader::new(stream).lines().map_while(Result::ok))
}

/// The whole of a request, so that it is one write.
fn request(line: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 512);
    out.extend_from_slice(line.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\nhost: floor\r\n");
    for (name, value) in headers {
        for part in [*name, ": ", *value, "\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
    }
    out.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
    out.extend_from_slice(body);
    out
}

fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Answer> {
    let odd = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let first = head_line(stream)?;
    let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| odd("this is no HTTP"))?;
    let mut headers = Vec::new();
    loop {
        let line = head_line(stream)?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut answer = Answer { status, headers, body: Vec::new() };
    if answer.header("transfer-encoding") == Some("chunked") {
        loop {
            let size = head_line(stream)?;
            let size = usize::from_str_radix(size.trim(), 16).map_err(|_| odd("an odd chunk"))?;
            let from = answer.body.len();
            answer.body.resize(from + size, 0);
            stream.read_exact(answer.body.get_mut(from..).unwrap_or_default())?;
            head_line(stream)?;
            if size == 0 {
                return Ok(answer);
            }
        }
    }
    let length = answer.header("content-length").and_then(|length| length.parse().ok());
    answer.body.resize(length.unwrap_or(0), 0);
    stream.read_exact(&mut answer.body)?;
    Ok(answer)
}

/// A line without what ends it. The end of the stream is an error: an answer was awaited.
fn head_line(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    line.truncate(line.trim_end().len());
    Ok(line)
}
