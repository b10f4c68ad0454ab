//! How likely a text is to stand in a log, guessed from its bytes and from the rules themselves:
//! what many rules spell (`\system32\`, `.exe`) is what logs are full of.

use rustc_hash::FxHashMap;

/// Knows how common texts are.
#[derive(Debug, Default)]
pub(crate) struct Rarity {
    /// How often rules spell each run of four bytes.
    spelled: FxHashMap<[u8; 4], u32>,
    /// How many different values rules compare each field with.
    values: FxHashMap<u32, u32>,
}

impl Rarity {
    /// Learns from a text of a rule.
    pub(crate) fn learn(&mut self, text: &str) {
        for window in text.as_bytes().array_windows::<4>() {
            *self.spelled.entry(*window).or_default() += 1;
        }
    }

    /// Learns that some rule compares a field with one more value.
    pub(crate) fn learn_value(&mut self, field: u32) {
        *self.values.entry(field).or_default() += 1;
    }

    /// Where the rarest run of (up to) four bytes of the text begins.
    pub(crate) fn best(&self, text: &[u8]) -> usize {
        let mut best = (f32::INFINITY, 0);
        for (at, window) in text.array_windows::<4>().enumerate() {
            let weight = self.weight(*window);
            if weight < best.0 {
                best = (weight, at);
            }
        }
        best.1
    }

    /// A guess at how many of a thousand values hold the text.
    pub(crate) fn holding(&self, text: &str) -> f32 {
        let bytes = text.as_bytes();
        let rare = bytes.iter().any(|byte| share(*byte) < 0.007);
        match bytes.len() {
            0 => 1000.0,
            1 => 800.0,
            2 if rare => 200.0,
            2 => 400.0,
            3 if rare => 50.0,
            3 => 120.0,
            _ => {
                let weights = bytes.array_windows::<4>().map(|window| self.weight(*window));
                // Longer texts are rarer than their rarest run.
                let rarest = weights.fold(f32::INFINITY, f32::min);
                (rarest / (bytes.len() as f32 / 4.0).sqrt()).clamp(0.05, 400.0)
            }
        }
    }

    /// A guess at how many of a thousand values of a field are one of those that rules name: where
    /// rules name few, there are few.
    pub(crate) fn being(&self, field: u32) -> f32 {
        500.0 / self.values.get(&field).map_or(1.0, |count| *count as f32)
    }

    /// A guess at how many of a thousand values hold a run: what rules spell is what logs hold, and
    /// common letters stand together in words that no rule spells.
    fn weight(&self, window: [u8; 4]) -> f32 {
        let spelled = self.spelled.get(&window).copied().unwrap_or(0) as f32;
        let shares: f32 = window.iter().map(|byte| share(*byte)).product();
        0.3 * spelled + 2_700.0 * shares.sqrt()
    }
}

/// Roughly what share of the bytes of lower-cased logs is this one.
fn share(byte: u8) -> f32 {
    match byte {
        b'e' | b's' | b't' | b'i' | b'o' | b'r' | b'n' | b'a' | b' ' | b'\\' => 0.06,
        b'c' | b'd' | b'm' | b'p' | b'l' | b'u' | b'w' | b'0' | b'-' | b'.' | b'1' | b'/' => 0.025,
        b'2'..=b'9' | b'f' | b'g' | b'h' | b'b' | b'y' | b'v' | b'x' | b':' | b'"' => 0.012,
        b'k' | b'_' | b',' | b'=' | b'(' | b')' => 0.006,
        _ => 0.002,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rules_repeat_is_common() {
        let mut rarity = Rarity::default();
        for _ in 0..500 {
            rarity.learn(r"c:\windows\system32\");
        }
        rarity.learn("sekurlsa");
        assert!(rarity.holding(r"\system32\") > 10.0 * rarity.holding("sekurlsa"));
        let path = br"\system32\zqjx.exe";
        assert!((7..14).contains(&rarity.best(path)), "{}", rarity.best(path));
        assert!(rarity.holding("a") > rarity.holding("ab"));
        assert_eq!(rarity.best(b"ab"), 0);
    }
}
