//! As much of protobuf's wire format as answers need: counting log records, writing a status.
//!
//! What the records say is read elsewhere, from the bytes as they were delivered.
//!
//! Source: "Encoding", protobuf.dev.

/// The path from an `ExportLogsServiceRequest` to its log records: field numbers.
const LOG_RECORDS: [u64; 3] = [1, 2, 2];

/// How many log records a request holds that can be found; and the first byte from which on
/// something cannot.
pub(super) fn log_records(request: &[u8]) -> (u64, Option<usize>) {
    count(request, 0, &LOG_RECORDS)
}

fn count(message: &[u8], start: usize, path: &[u64]) -> (u64, Option<usize>) {
    let Some((wanted, deeper)) = path.split_first() else { return (1, None) };
    let (mut at, mut found, mut broken) = (0, 0, None);
    while at < message.len() {
        let Some((number, inner, end)) = field(message, at) else {
            return (found, broken.or(Some(start + at)));
        };
        if let Some(from) = inner
            && number == *wanted
        {
            let bytes = message.get(from..end).unwrap_or_default();
            let (more, wrong) = count(bytes, start + from, deeper);
            found += more;
            broken = broken.or(wrong);
        }
        at = end;
    }
    (found, broken)
}

/// The field at `at`: its number, where its bytes begin when it has a length, and where it ends.
fn field(message: &[u8], at: usize) -> Option<(u64, Option<usize>, usize)> {
    let (key, from) = varint(message, at)?;
    let (inner, end) = match key & 7 {
        0 => (None, varint(message, from)?.1),
        1 => (None, from + 8),
        2 => {
            let (length, from) = varint(message, from)?;
            (Some(from), from.checked_add(usize::try_from(length).ok()?)?)
        }
        5 => (None, from + 4),
        _ => return None,
    };
    (key >> 3 > 0 && end <= message.len()).then_some((key >> 3, inner, end))
}

fn varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut number = 0u64;
    for place in 0..10 {
        let byte = *bytes.get(at + place)?;
        number |= u64::from(byte & 0x7F) << (7 * place).min(63);
        if byte & 0x80 == 0 {
            return Some((number, at + place + 1));
        }
    }
    None
}

/// A message that is being written.
#[derive(Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    pub(super) fn number(mut self, field: u64, number: u64) -> Self {
        self.varint(field << 3);
        self.varint(number);
        self
    }

    pub(super) fn bytes(mut self, field: u64, bytes: &[u8]) -> Self {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    pub(super) fn message(self, field: u64, inner: Message) -> Self {
        self.bytes(field, &inner.0)
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn varint(&mut self, mut number: u64) {
        while number > 0x7F {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(logs: &[&[u8]]) -> Vec<u8> {
        let scope = logs.iter().fold(Message::default(), |m, log| m.bytes(2, log));
        let resource = Message::default().message(1, Message::default()).message(2, scope);
        Message::default().message(1, resource).into_bytes()
    }

    #[test]
    fn records_are_counted_as_far_as_they_are_found() {
        assert_eq!(log_records(b""), (0, None));
        let two = request(&[b"\x10\x09", b""]);
        assert_eq!(log_records(&two), (2, None));
        let both = [two.clone(), request(&[b""])].concat();
        assert_eq!(log_records(&both), (3, None));
        // Cut off: what it says is longer than what there is.
        let (found, broken) = log_records(both.get(..both.len() - 1).unwrap_or_default());
        assert_eq!((found, broken), (2, Some(two.len())));
        assert_eq!(log_records(b"{\"resourceLogs\":[]}"), (0, Some(0)));
        assert_eq!(log_records(&[0x80; 20]), (0, Some(0)));
    }
}
