//! What a part of a parcel needs of the parts before it, where a file is read while it grows.

use std::ops::Range;

use crate::encoding::{self, Encoding};
use crate::{Head, Recognised, recognise};

/// The part of these bytes, whole lines, that everything behind them cannot be read without; none when
/// there is no such part. `front` says that the bytes are the front of a parcel: there a table has its
/// names. In its midst only directives count, which take the place of those before.
///
/// UTF-16 is not looked into.
pub fn preamble(bytes: &[u8], front: bool) -> Option<Range<usize>> {
    if !front {
        return directives(bytes);
    }
    let (encoding, mark) = encoding::detect(bytes);
    if encoding != Encoding::Utf8 {
        return None;
    }
    let head = Head { bytes: bytes.get(mark..)?, name: "", complete: true };
    match recognise(&head) {
        Recognised::Format(format) => Some(mark..mark + format.preamble(&head)),
        Recognised::Binary(_) => None,
    }
    .filter(|range| !range.is_empty())
}

/// The last lines with a `#` that name fields.
fn directives(bytes: &[u8]) -> Option<Range<usize>> {
    let (mut at, mut block, mut named, mut last) = (0, 0, false, None);
    for line in bytes.split_inclusive(|&b| b == b'\n') {
        if line.first() == Some(&b'#') {
            named |= line.get(..7).is_some_and(|word| word.eq_ignore_ascii_case(b"#fields"));
            if named {
                last = Some(block..at + line.len());
            }
        } else {
            (block, named) = (at + line.len(), false);
        }
        at += line.len();
    }
    last
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn front(text: &str) -> &str {
        preamble(text.as_bytes(), true).map_or("", |range| &text[range])
    }

    #[test]
    fn names_and_directives_are_needed_by_what_follows() {
        let iis = "#Software: IIS\n#Fields: date time c-ip\n2026-10-14 02:11:00 192.0.2.1\n";
        assert_eq!(front(iis), "#Software: IIS\n#Fields: date time c-ip\n");
        let zeek = "#separator \\x09\n#fields\tts\tuid\n#types\ttime\tstring\n1\tC1\n";
        assert!(front(zeek).ends_with("string\n"));
        assert_eq!(front("sep=;\na;b;c\n1;2;3\n4;5;6\n"), "sep=;\na;b;c\n");
        assert_eq!(front("\u{feff}a,b,c\n1,2,3\n"), "a,b,c\n");
        assert_eq!(front("{\"a\": 1}\n{\"a\": 2}\n"), "");
        assert_eq!(front("Oct 14 02:11:00 host sshd[1]: hello\n"), "");
        assert_eq!(front(""), "");
    }

    #[test]
    fn in_the_midst_the_last_names_count() {
        let text = "1 2\n#Date: x\n#Fields: a b\n3 4\n#Fields: c d\n#Note\n5 6\n#close 7\n";
        let range = preamble(text.as_bytes(), false).unwrap();
        assert_eq!(&text[range], "#Fields: c d\n#Note\n");
        assert_eq!(preamble(b"1 2\n#close 7\n", false), None);
    }
}
