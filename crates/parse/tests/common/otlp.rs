//! Writes the protobuf of OTLP logs: just enough of it to make requests for tests.
#![allow(dead_code, unreachable_pub)]

/// A message that is being written.
#[derive(Clone, Default)]
pub struct Message(pub Vec<u8>);

impl Message {
    fn varint(mut self, mut n: u64) -> Self {
        while n > 0x7F {
            self.0.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.0.push(n as u8);
        self
    }

    pub fn number(self, field: u64, n: u64) -> Self {
        self.varint(field << 3).varint(n)
    }

    pub fn fixed64(self, field: u64, n: u64) -> Self {
        let mut out = self.varint(field << 3 | 1);
        out.0.extend(n.to_le_bytes());
        out
    }

    pub fn fixed32(self, field: u64, n: u32) -> Self {
        let mut out = self.varint(field << 3 | 5);
        out.0.extend(n.to_le_bytes());
        out
    }

    pub fn bytes(self, field: u64, bytes: &[u8]) -> Self {
        let mut out = self.varint(field << 3 | 2).varint(bytes.len() as u64);
        out.0.extend(bytes);
        out
    }

    pub fn text(self, field: u64, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    pub fn message(self, field: u64, inner: Message) -> Self {
        self.bytes(field, &inner.0)
    }
}

pub fn new() -> Message {
    Message::default()
}

/// AnyValue of a text.
pub fn text(text: &str) -> Message {
    new().text(1, text)
}

/// KeyValue.
pub fn pair(key: &str, value: Message) -> Message {
    new().text(1, key).message(2, value)
}

/// AnyValue of named values.
pub fn map(pairs: &[(&str, Message)]) -> Message {
    let list = pairs.iter().fold(new(), |m, (key, value)| m.message(1, pair(key, value.clone())));
    new().message(6, list)
}

/// Resource with attributes.
pub fn resource(pairs: &[(&str, &str)]) -> Message {
    pairs.iter().fold(new(), |m, (key, value)| m.message(1, pair(key, text(value))))
}

/// LogRecord with a time and a body.
pub fn log(time: u64, body: Message) -> Message {
    new().fixed64(1, time).message(5, body)
}

/// ScopeLogs.
pub fn scope(name: &str, logs: &[Message]) -> Message {
    let scope = new().message(1, new().text(1, name).text(2, "1.0"));
    logs.iter().fold(scope, |m, log| m.message(2, log.clone()))
}

/// ExportLogsServiceRequest of one resource.
pub fn request(resource: Message, scopes: &[Message]) -> Message {
    let logs =
        scopes.iter().fold(new().message(1, resource), |m, scope| m.message(2, scope.clone()));
    new().message(1, logs)
}
