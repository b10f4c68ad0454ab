//! How far event time has come: past what arrived a while ago, and before everything that arrived since.
//!
//! A clock on the wall would not do. A file of last month that is delivered today must be counted as it
//! would have been then; so nothing is let go before five minutes have passed since the events beside it
//! arrived, however old or new they say that they are. That is how late an event may come behind its
//! neighbours.

use std::collections::VecDeque;

use model::Micros;

/// What arrived within this long holds the watermark back.
pub(crate) const LATELY: Micros = Micros::from_seconds(300);

/// What the turns of the line saw.
#[derive(Debug)]
pub(crate) struct Watermark {
    /// When each turn was, and the earliest and latest event time in it.
    recent: VecDeque<(Micros, Micros, Micros)>,
    /// The latest event time of what did not arrive lately.
    passed: Option<Micros>,
    /// When something arrived last.
    last: Micros,
    value: Micros,
}

impl Watermark {
    /// Goes on where an earlier process was.
    pub(crate) fn at(value: Micros) -> Self {
        Self { recent: VecDeque::new(), passed: None, last: Micros(i64::MIN), value }
    }

    /// Learns the earliest and latest event time of a turn.
    pub(crate) fn saw(&mut self, now: Micros, earliest: Micros, latest: Micros) {
        self.last = self.last.max(now);
        match self.recent.back_mut() {
            // A second's turns are one.
            Some((at, first, last)) if now.0.saturating_sub(at.0) < 1_000_000 => {
                *first = earliest.min(*first);
                *last = latest.max(*last);
            }
            _ => self.recent.push_back((now, earliest, latest)),
        }
    }

    /// The watermark at this time. It never goes back: what it has passed has been concluded.
    pub(crate) fn now(&mut self, now: Micros) -> Micros {
        let long_ago = now.0.saturating_sub(LATELY.0);
        while let Some((_, _, latest)) = self.recent.pop_front_if(|(at, ..)| at.0 < long_ago) {
            self.passed = self.passed.max(Some(latest));
        }
        let Some(passed) = self.passed else { return self.value };
        let reached = match self.recent.iter().map(|(_, earliest, _)| *earliest).min() {
            Some(earliest) => passed.min(earliest),
            // When nothing arrives, time passes all the same.
            None => Micros(passed.0.saturating_add(long_ago.saturating_sub(self.last.0).max(0))),
        };
        self.value = self.value.max(reached);
        self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: i64) -> Micros {
        Micros::from_seconds(seconds)
    }

    #[test]
    fn what_arrived_lately_holds_it_back_in_whatever_order() {
        let start = Micros(i64::MIN);
        let mut mark = Watermark::at(start);
        mark.saw(s(10_000), s(9_000), s(9_999));
        // Older evidence right behind it, which is not late.
        mark.saw(s(10_100), s(50), s(8_000));
        assert_eq!(mark.now(s(10_300)), start);
        assert_eq!(mark.now(s(10_301)), s(50));
        mark.saw(s(10_350), s(10_340), s(10_350));
        assert_eq!(mark.now(s(10_401)), s(9_999));
        // What comes later than that is late.
        mark.saw(s(10_402), s(60), s(70));
        assert_eq!(mark.now(s(10_651)), s(9_999));
        assert_eq!(mark.now(s(10_703)), s(10_351));
    }

    #[test]
    fn it_goes_on_when_nothing_comes() {
        let mut mark = Watermark::at(s(77));
        assert_eq!(mark.now(s(5_000)), s(77));
        mark.saw(s(1_000), s(980), s(990));
        assert_eq!(mark.now(s(1_300)), s(77));
        assert_eq!(mark.now(s(1_301)), s(991));
        assert_eq!(mark.now(s(1_400)), s(1_090));
    }
}
