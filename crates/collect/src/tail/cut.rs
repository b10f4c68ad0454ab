//! Where the bytes of a file that grows may be cut: behind a whole line.

use model::{Flaw, FlawKind};

/// Bytes that are read at once while lines are short.
pub(super) const PIECE: usize = 1 << 20;
/// Bytes of a line. A longer one is cut, and the cut is said; it is what the parsers hold at most.
pub(super) const LINE: usize = 16 << 20;

/// How wide a character is, and where its newline stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    /// UTF-8, or any encoding in which a newline is a byte of its own.
    Bytes,
    /// UTF-16, with the byte order mark that each piece is given.
    Wide([u8; 2]),
}

impl Text {
    /// Told by the byte order mark at the front of a file.
    pub(super) fn of(head: &[u8]) -> Self {
        match head.first_chunk::<2>() {
            Some(mark @ ([0xff, 0xfe] | [0xfe, 0xff])) => Self::Wide(*mark),
            _ => Self::Bytes,
        }
    }
}

/// What may be taken of the bytes that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// So many, whole lines.
    Lines(usize),
    /// So many, which end in the midst of a line that is longer than any may be.
    Midst(usize),
    /// None: the line goes on.
    More,
}

/// Finds the last end of a line. `last` says that nothing will come behind these bytes.
pub(super) fn cut(bytes: &[u8], text: Text, last: bool) -> Cut {
    let whole = match text {
        Text::Bytes => bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1),
        Text::Wide(mark) => {
            let newline = if mark == [0xff, 0xfe] { [b'\n', 0] } else { [0, b'\n'] };
            let pairs = bytes.chunks_exact(2);
            pairs.clone().rposition(|pair| *pair == newline).map_or(0, |at| (at + 1) * 2)
        }
    };
    match whole {
        0 if last && !bytes.is_empty() => Cut::Lines(bytes.len()),
        0 if bytes.len() >= LINE => Cut::Midst(bytes.len() & !1),
        0 => Cut::More,
        whole => Cut::Lines(whole),
    }
}

/// NULs in front: what is left where a writer went on at its old place in a file that was emptied.
pub(super) fn nuls(bytes: &[u8], text: Text) -> usize {
    match text {
        Text::Bytes => bytes.iter().take_while(|byte| **byte == 0).count(),
        Text::Wide(_) => 0,
    }
}

/// What is said of a line that was cut.
pub(super) fn too_long(at: usize) -> Flaw {
    Flaw {
        offset: at as u64,
        kind: FlawKind::Limit,
        message: format!("a line of more than {} MiB is cut here", LINE >> 20),
        record_lost: false,
    }
}

/// What is said of NULs that were passed over.
pub(super) fn passed_over(nuls: u64) -> Flaw {
    let message = format!("{nuls} NUL bytes in front of this were passed over");
    Flaw { offset: 0, kind: FlawKind::Corrupt, message, record_lost: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_lines_are_taken_and_a_part_waits() {
        assert_eq!(cut(b"one\ntwo\nthr", Text::Bytes, false), Cut::Lines(8));
        assert_eq!(cut(b"thr", Text::Bytes, false), Cut::More);
        assert_eq!(cut(b"thr", Text::Bytes, true), Cut::Lines(3));
        assert_eq!(cut(b"one\nthr", Text::Bytes, true), Cut::Lines(4));
        assert_eq!(cut(b"", Text::Bytes, true), Cut::More);
        assert_eq!(cut(&vec![b'x'; LINE], Text::Bytes, false), Cut::Midst(LINE));
        // U+0A0A is no newline, and neither is a byte 0x0A across two characters.
        let wide = Text::of(b"\xff\xfea\0");
        assert_eq!(cut(b"a\0\n\0\x0a\x0ab\0", wide, false), Cut::Lines(4));
        assert_eq!(cut(b"\0\x0a\0b", Text::of(b"\xfe\xff"), false), Cut::Lines(2));
        assert_eq!(cut(b"\x01\x0a\0b", Text::of(b"\xfe\xff"), false), Cut::More);
    }
}
