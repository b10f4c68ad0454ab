//! Searching bytes, and counting in tests how many were looked at.
//!
//! Hostile text is written to make a reader look at the same bytes again and again. Every search
//! whose length depends on the text goes through here, so that a test can hold the sum of them
//! against the length of the text: a count does not vary with the machine as a time does.

/// Where `byte` first stands in `text`.
#[inline]
pub(crate) fn find(byte: u8, text: &[u8]) -> Option<usize> {
    seen(memchr::memchr(byte, text), text)
}

/// Where one of two bytes first stands in `text`.
#[inline]
pub(crate) fn find2(a: u8, b: u8, text: &[u8]) -> Option<usize> {
    seen(memchr::memchr2(a, b, text), text)
}

/// Where one of three bytes first stands in `text`.
#[inline]
pub(crate) fn find3(a: u8, b: u8, c: u8, text: &[u8]) -> Option<usize> {
    seen(memchr::memchr3(a, b, c, text), text)
}

/// Where `byte` last stands in `text`.
#[inline]
pub(crate) fn rfind(byte: u8, text: &[u8]) -> Option<usize> {
    let found = memchr::memrchr(byte, text);
    work(found.map_or(text.len(), |at| text.len() - at));
    found
}

/// Where `needle` first stands in `text`.
#[inline]
pub(crate) fn find_text(needle: &[u8], text: &[u8]) -> Option<usize> {
    seen(memchr::memmem::find(text, needle), text)
}

#[inline]
fn seen(found: Option<usize>, text: &[u8]) -> Option<usize> {
    work(found.map_or(text.len(), |at| at + 1));
    found
}

#[cfg(not(test))]
#[inline]
fn work(_: usize) {}

#[cfg(test)]
use tests::work;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
    use std::cell::Cell;

    use crate::{FORMATS, Head, Reading};

    thread_local! {
        static WORK: Cell<u64> = const { Cell::new(0) };
    }

    pub(super) fn work(bytes: usize) {
        WORK.with(|work| work.set(work.get() + bytes as u64));
    }

    /// Bytes looked at for each byte of a text that is read in chunks of this size. The format is
    /// given, since a hostile text may not look like it; it opens on `head`, with which `text` begins.
    fn cost(format: &str, head: &str, text: &[u8], chunk: usize) -> f64 {
        let format = FORMATS.iter().find(|f| f.name() == format).unwrap();
        let mut cutter = format.open(&Head { bytes: head.as_bytes(), name: "", complete: true });
        let mut sink = Reading { format: "", records: Vec::new(), flaws: Vec::new() };
        WORK.with(|work| work.set(0));
        let (mut at, mut want) = (0, chunk);
        while at < text.len() {
            let end = text.len().min(at + want);
            let cut = cutter.cut(&text[at..end], end == text.len());
            if cut.take == 0 {
                assert!(end < text.len(), "the last bytes are left");
                want *= 2;
                continue;
            }
            cut.reader.read(&text[at..at + cut.take], at as u64, &mut sink);
            at += cut.take;
            want = chunk;
        }
        WORK.with(Cell::get) as f64 / text.len() as f64
    }

    const PACKETS: &str = "<1>Mar  1 10:00:00 a<1>Mar  1 10:00:00 b<1>Mar  1 10:00:00 c\
        <1>Mar  1 10:00:00 d";

    /// What it tries, on which format, the head, and what is repeated behind it, in one line or as lines.
    const HOSTILE: &[(&str, &str, &str, &str)] = &[
        ("quotes that never close", "keyvalue", "a=1 b=2 c=3\n", "a=\"b "),
        ("quotes that seem to close", "keyvalue", "a=1 b=2 c=3\n", "a=\"b\"c"),
        ("escaped quotes", "keyvalue", "a=1 b=2 c=3\n", "a=\"\\\" "),
        ("quotes, a line each", "keyvalue", "a=1 b=2 c=3\n", "a=\"b\n"),
        ("cells that never close", "delimited", "a,b,c\n1,2,3\n", ",\"a"),
        ("cells that open and break", "delimited", "a,b,c\n1,2,3\n", ",\"a\"b"),
        ("doubled marks", "delimited", "a,b,c\n1,2,3\n", ",\"\"\""),
        ("rows that never close", "delimited", "a,b,c\n1,2,3\n", "x,\"\"\"\n"),
        ("rows that open and break", "delimited", "a,b,c\n1,2,3\n", "x,\"y\n"),
        ("rows of pairs of marks", "delimited", "a,b,c\n1,2,3\n", "\"\"\"\"\n"),
        ("one open row", "delimited", "a,b,c\n1,2,3\n\"", "x,y,z\n"),
        ("equals signs", "cef", "CEF:0|a|b|c|d|e|f|x=1\nCEF:0|a|b|c|d|e|f|", "x="),
        ("equals signs and blanks", "cef", "CEF:0|a|b|c|d|e|f|x=1\nCEF:0|a|b|c|d|e|f|", "x =y"),
        ("backslashes", "cef", "CEF:0|a|b|c|d|e|f|x=1\nCEF:0|a|b|c|d|e|f|x=", "\\"),
        ("no header ends", "cef", "CEF:0|a|b|c|d|e|f|x=1\n", "CEF:0\\|"),
        ("pieces that are no pair", "leef", "LEEF:1.0|a|b|c|d|x=1\nLEEF:1.0|a|b|c|d|", "x\t"),
        (
            "pieces of a long delimiter",
            "leef",
            "LEEF:1.0|a|b|c|d|x=1\nLEEF:1.0|a|b|c|d|",
            "#01#011",
        ),
        ("structured data", "syslog", "<1>1 - - - - - -\n<1>1 - - - - - ", "[a b=\"c\" "),
        (
            "structured data that never closes",
            "syslog",
            "<1>1 - - - - - -\n<1>1 - - - - - [a ",
            "b=\"\\\"",
        ),
        ("elements", "syslog", "<1>1 - - - - - -\n<1>1 - - - - - ", "[a]"),
        ("lines that go on", "syslog", "<1>a\n", " b\n"),
        ("lines that begin nothing", "syslog", "<1>a\n", "b\n"),
        ("blank lines", "syslog", "<1>a\n", "\n \n"),
        ("priorities", "syslog", "<1>a\n", "<1>\n"),
        ("counts", "syslog", "4 <1>a", "4 <1>a"),
        ("counts that are wrong", "syslog", "4 <1>a\n", "9 <1>a\n"),
        ("counts beyond the end", "syslog", "4 <1>a\n", "999999 <1>a\n"),
        ("counts in one line", "syslog", "4 <1>a", "99 <1>a"),
        ("packets", "syslog", PACKETS, "<1>Mar  1 10:00:00 "),
        ("packets that are none", "syslog", PACKETS, "<1>"),
        ("a long tag", "syslog", "<1>a\n<1>", "a["),
        (
            "requests",
            "weblog",
            "1 - - [01/Jan/2026:00:00:00] \"G\" 200 1\n1 - - [01/Jan/2026:00:00:00] \"",
            "\" ",
        ),
        (
            "tokens",
            "weblog",
            "1 - - [01/Jan/2026:00:00:00] \"G\" 200 1\n1 - - [01/Jan/2026:00:00:00] \"G\" 200 1 ",
            "\"a ",
        ),
        ("times", "weblog", "1 - - [01/Jan/2026:00:00:00] \"G\" 200 1\n", "1 - - ["),
        ("directives", "zeek", "#separator \\x09\n#fields\ta\n", "#fields\tb\n"),
        ("one directive", "zeek", "#separator \\x09\n#fields\ta\n#fields", "\tb"),
        ("sets", "zeek", "#separator \\x09\n#fields\ta\n#types\tset[string]\n", "a,"),
        ("field lines", "w3c", "#Fields: a b\n1 2\n", "#Fields: a\n\"\n"),
        ("values that never close", "w3c", "#Fields: a b\n1 2\n", " \"a"),
        ("actions", "bulk", "{\"index\":{}}\n{}\n", "{\"index\":{}}\n"),
        ("deletions", "bulk", "{\"index\":{}}\n{}\n", "{\"delete\":{}}\n"),
        (
            "texts in envelopes",
            "hec",
            "{\"sourcetype\":\"a\",\"event\":\"b\"}",
            "{\"sourcetype\":\"a\",\"event\":\"<1>a\\n<1>b\\n c=\\\"d\"}",
        ),
    ];

    #[test]
    fn work_grows_with_the_text_and_no_faster() {
        let mut worse = Vec::new();
        for (what, format, head, piece) in HOSTILE {
            for chunk in [1 << 20, 4096] {
                let text = |size: usize| {
                    let body = piece.repeat(size / piece.len() + 1);
                    [head.as_bytes(), body.as_bytes()].concat()
                };
                let (small, large) = (
                    cost(format, head, &text(20_000), chunk),
                    cost(format, head, &text(320_000), chunk),
                );
                // Windows that double until a record fits may be looked at twice over.
                if large > 24.0 || large > small * 2.5 + 2.0 {
                    worse
                        .push(format!("{what}, in chunks of {chunk}: {small:.1}, then {large:.1}"));
                }
            }
        }
        assert!(worse.is_empty(), "looks at each byte: {worse:#?}");
    }
}
