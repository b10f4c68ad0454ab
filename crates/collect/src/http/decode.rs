//! Bodies decoded as they come in, within hard limits: a bomb is refused before it is held.
//!
//! Source: RFC 9110 §8.4.1 (gzip, deflate), RFC 8878 and RFC 9659 (zstd, whose windows are of 8 MiB
//! at most in HTTP).

use std::io::{self, Write};

use flate2::write::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::DParameter;
use zstd::stream::{raw, zio};

/// How large bodies may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyLimits {
    /// Bytes as they are sent.
    pub sent: u64,
    /// Bytes when they are decoded.
    pub decoded: u64,
    /// Decoded bytes for each byte that was sent …
    pub ratio: u64,
    /// … once this many have come out.
    pub ratio_from: u64,
}

impl Default for BodyLimits {
    fn default() -> Self {
        let most = crate::wal::LARGEST as u64;
        Self { sent: most, decoded: most, ratio: 250, ratio_from: 4 << 20 }
    }
}

/// Why a body cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It is larger than bodies may be, sent or decoded.
    #[error("the body has more than {limit} bytes")]
    TooLarge {
        /// In bytes.
        limit: u64,
    },
    /// It expands as a bomb does.
    #[error("the body expands to more than {limit} times its size")]
    Ratio {
        /// How many times it may.
        limit: u64,
    },
    /// An encoding that is not decoded.
    #[error("an encoding that is not decoded")]
    Unknown,
    /// It breaks its encoding.
    #[error("{0}")]
    Broken(String),
}

/// Decodes a body as it comes in.
pub struct Decoder {
    coding: Coding,
    limits: BodyLimits,
    sent: u64,
}

enum Coding {
    Identity(Capped),
    Gzip(MultiGzDecoder<Capped>),
    /// `deflate` before its first two bytes: most send it with zlib's header, some without.
    Undecided(Vec<u8>, Capped),
    Deflate(Inflate),
    Zstd(Box<zio::Writer<Capped, raw::Decoder<'static>>>),
}

/// zstd's windows as a power of two: 8 MiB.
const WINDOW: u32 = 23;

impl Decoder {
    /// For a `Content-Encoding`; more than one is not decoded.
    pub fn new(encoding: Option<&[u8]>, limits: BodyLimits) -> Result<Self, DecodeError> {
        let name = encoding.unwrap_or(b"identity").trim_ascii().to_ascii_lowercase();
        let capped = Capped { out: Vec::new(), limits, sent: 0, over: None };
        let coding = match name.as_slice() {
            b"" | b"identity" => Coding::Identity(capped),
            b"gzip" | b"x-gzip" => Coding::Gzip(MultiGzDecoder::new(capped)),
            b"deflate" => Coding::Undecided(Vec::new(), capped),
            b"zstd" => {
                let broken = |e: io::Error| DecodeError::Broken(e.to_string());
                let mut decoder = raw::Decoder::new().map_err(broken)?;
                decoder.set_parameter(DParameter::WindowLogMax(WINDOW)).map_err(broken)?;
                Coding::Zstd(Box::new(zio::Writer::new(capped, decoder)))
            }
            _ => return Err(DecodeError::Unknown),
        };
        Ok(Self { coding, limits, sent: 0 })
    }

    /// Takes the next bytes as they were sent.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        self.sent += bytes.len() as u64;
        if self.sent > self.limits.sent {
            return Err(DecodeError::TooLarge { limit: self.limits.sent });
        }
        if let Coding::Undecided(first, capped) = &mut self.coding {
            first.extend_from_slice(bytes);
            let [a, b, ..] = first.as_slice() else { return Ok(()) };
            // RFC 1950: method 8, and a check over both bytes.
            let is_zlib = a & 0x0F == 8 && (u32::from(*a) << 8 | u32::from(*b)).is_multiple_of(31);
            let capped = std::mem::replace(capped, Capped::none());
            let first = std::mem::take(first);
            let stream = Decompress::new(is_zlib);
            self.coding = Coding::Deflate(Inflate { stream, capped, ended: false });
            return self.write(&first);
        }
        self.write(bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        let sent = self.sent;
        let result = match &mut self.coding {
            Coding::Identity(capped) | Coding::Undecided(_, capped) => {
                capped.sent = sent;
                capped.write_all(bytes)
            }
            Coding::Gzip(decoder) => {
                decoder.get_mut().sent = sent;
                decoder.write_all(bytes)
            }
            Coding::Deflate(inflate) => {
                inflate.capped.sent = sent;
                inflate.write(bytes)
            }
            Coding::Zstd(decoder) => {
                decoder.writer_mut().sent = sent;
                decoder.write_all(bytes)
            }
        };
        result.map_err(|error| self.error(&error))
    }

    /// What an error of a decoder means: a limit, when one was reached.
    fn error(&self, error: &io::Error) -> DecodeError {
        let over = match &self.coding {
            Coding::Identity(capped) | Coding::Undecided(_, capped) => &capped.over,
            Coding::Gzip(decoder) => &decoder.get_ref().over,
            Coding::Deflate(inflate) => &inflate.capped.over,
            Coding::Zstd(decoder) => &decoder.writer().over,
        };
        over.clone().unwrap_or_else(|| {
            DecodeError::Broken(format!("the body breaks its encoding: {error}"))
        })
    }

    /// Bytes that are held at present.
    pub fn held(&self) -> usize {
        match &self.coding {
            Coding::Identity(capped) => capped.out.capacity(),
            Coding::Undecided(first, _) => first.capacity(),
            Coding::Gzip(decoder) => decoder.get_ref().out.capacity(),
            Coding::Deflate(inflate) => inflate.capped.out.capacity(),
            Coding::Zstd(decoder) => decoder.writer().out.capacity(),
        }
    }

    /// The body, when all of it was taken.
    pub fn finish(mut self) -> Result<Vec<u8>, DecodeError> {
        let ended = match &mut self.coding {
            Coding::Identity(_) => Ok(()),
            Coding::Undecided(first, _) if first.is_empty() => Ok(()),
            Coding::Undecided(..) => Err(io::ErrorKind::UnexpectedEof.into()),
            // Nothing at all is no broken gzip: senders say `gzip` of an empty body.
            _ if self.sent == 0 => Ok(()),
            Coding::Gzip(decoder) => decoder.try_finish(),
            Coding::Deflate(inflate) if inflate.ended => Ok(()),
            Coding::Deflate(_) => Err(io::ErrorKind::UnexpectedEof.into()),
            Coding::Zstd(decoder) => decoder.finish(),
        };
        if let Err(error) = ended {
            return Err(self.error(&error));
        }
        let capped = match self.coding {
            Coding::Identity(capped) | Coding::Undecided(_, capped) => Ok(capped),
            Coding::Gzip(decoder) => decoder.finish(),
            Coding::Deflate(inflate) => Ok(inflate.capped),
            Coding::Zstd(decoder) => Ok(decoder.into_inner().0),
        };
        match capped {
            Ok(capped) => Ok(capped.out),
            Err(_) if self.sent == 0 => Ok(Vec::new()),
            Err(error) => Err(DecodeError::Broken(error.to_string())),
        }
    }
}

/// Deflate by hand: the library's own writer takes a stream that is cut off for a whole one.
struct Inflate {
    stream: Decompress,
    capped: Capped,
    ended: bool,
}

impl Inflate {
    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let mut out = Vec::with_capacity(32 << 10);
        // What stands behind the stream's end is no part of it.
        while !self.ended {
            let before = self.stream.total_in();
            let status = self.stream.decompress_vec(bytes, &mut out, FlushDecompress::None)?;
            let taken = (self.stream.total_in() - before) as usize;
            bytes = bytes.get(taken..).unwrap_or_default();
            self.capped.write_all(&out)?;
            self.ended = status == Status::StreamEnd;
            if out.is_empty() && taken == 0 {
                break;
            }
            out.clear();
        }
        Ok(())
    }
}

/// Holds what comes out, as far as it may.
struct Capped {
    out: Vec<u8>,
    limits: BodyLimits,
    sent: u64,
    over: Option<DecodeError>,
}

impl Capped {
    fn none() -> Self {
        let limits = BodyLimits { sent: 0, decoded: 0, ratio: 0, ratio_from: 0 };
        Self { out: Vec::new(), limits, sent: 0, over: None }
    }
}

impl Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let size = self.out.len() as u64 + bytes.len() as u64;
        let BodyLimits { decoded, ratio, ratio_from, .. } = self.limits;
        if size > decoded {
            self.over = Some(DecodeError::TooLarge { limit: decoded });
        } else if size > self.sent.saturating_mul(ratio).max(ratio_from) {
            self.over = Some(DecodeError::Ratio { limit: ratio });
        }
        if self.over.is_some() {
            return Err(io::Error::other("a limit is reached"));
        }
        self.out.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
