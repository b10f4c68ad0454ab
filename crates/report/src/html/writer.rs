//! HTML in the making, by which evidence cannot become markup: [`Html::raw`] takes only literals of
//! this program, and everything else is cleaned and escaped on its way in.

use std::fmt::Write as _;

use crate::text::{self, CELL, PROSE};

/// A page in the making.
#[derive(Default)]
pub(super) struct Html(String);

impl Html {
    /// Markup of ours.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// A name or a cell; also safe within a quoted attribute.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.escaped(&text::clean(text, CELL))
    }

    /// A sentence or a paragraph.
    pub(super) fn prose(&mut self, text: &str) -> &mut Self {
        self.escaped(&text::clean(text, PROSE))
    }

    /// Text with its line breaks, for `<pre>`.
    pub(super) fn block(&mut self, text: &str, most: usize) -> &mut Self {
        self.escaped(&text::clean_block(text, most))
    }

    /// `1,204,311`.
    pub(super) fn count(&mut self, n: u64) -> &mut Self {
        self.0.push_str(&text::count(n));
        self
    }

    /// A coordinate.
    pub(super) fn at(&mut self, x: f64) -> &mut Self {
        let x = if x.is_finite() { x } else { 0.0 };
        let _infallible = write!(self.0, "{x:.1}");
        self
    }

    /// A tag with a text in it.
    pub(super) fn tagged(
        &mut self,
        open: &'static str,
        text: &str,
        close: &'static str,
    ) -> &mut Self {
        self.raw(open).prose(text).raw(close)
    }

    fn escaped(&mut self, clean: &str) -> &mut Self {
        for c in clean.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                c => self.0.push(c),
            }
        }
        self
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

/// Base64 with padding (RFC 4648, section 4), for the hashes of the content security policy.
pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte));
        let group = group << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let digit = DIGITS.get((group >> (18 - 6 * at) & 63) as usize).copied().unwrap_or(b'=');
            out.push(if at <= chunk.len() { digit as char } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads() {
        assert_eq!(base64(b"any carnal pleas"), "YW55IGNhcm5hbCBwbGVhcw==");
        assert_eq!(base64(b"any carnal pleasu"), "YW55IGNhcm5hbCBwbGVhc3U=");
        assert_eq!(base64(b"any carnal pleasur"), "YW55IGNhcm5hbCBwbGVhc3Vy");
    }

    #[test]
    fn evidence_is_escaped() {
        let mut html = Html::default();
        html.text("<b a='1' c=\"2\">&\u{1b}");
        assert_eq!(html.finish(), "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;\\x1b");
    }
}
