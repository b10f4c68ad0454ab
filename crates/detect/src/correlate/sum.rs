//! A sum that does not depend on the order in which its numbers came and went.
//!
//! A window's sum is kept by adding what enters and taking away what leaves. With plain floating
//! point the error would depend on everything that ever passed through, and a correlation that
//! begins in the middle would say something else than one that saw it all. Shewchuk's expansions
//! (Adaptive Precision Floating-Point Arithmetic, 1997; Python's `math.fsum`) are exact.

/// Numbers beyond this count as this, so that no sum of them overflows.
const MOST: f64 = 1e290;

/// An exact sum of numbers.
#[derive(Debug, Clone, Default)]
pub(super) struct Exact {
    /// Parts that do not overlap, the smallest first. What they add up to is the sum.
    parts: Vec<f64>,
}

impl Exact {
    /// Adds a number.
    pub(super) fn add(&mut self, number: f64) {
        let mut carry = number.clamp(-MOST, MOST);
        self.parts.retain_mut(|part| {
            let (big, small) =
                if carry.abs() < part.abs() { (*part, carry) } else { (carry, *part) };
            let high = big + small;
            *part = small - (high - big);
            carry = high;
            *part != 0.0
        });
        if carry != 0.0 {
            self.parts.push(carry);
        }
    }

    /// Takes a number away that was added.
    pub(super) fn remove(&mut self, number: f64) {
        self.add(-number);
    }

    /// The number nearest to the sum.
    pub(super) fn value(&self) -> f64 {
        let mut rest = self.parts.iter().rev().copied();
        let mut high = rest.next().unwrap_or(0.0);
        for part in rest.by_ref() {
            let before = high;
            high = before + part;
            let low = part - (high - before);
            if low != 0.0 {
                // Half way between two numbers: what is smaller still decides.
                let next = rest.next().unwrap_or(0.0);
                if (low < 0.0 && next < 0.0) || (low > 0.0 && next > 0.0) {
                    let twice = low * 2.0;
                    let nearer = high + twice;
                    if (nearer - high).to_bits() == twice.to_bits() {
                        high = nearer;
                    }
                }
                break;
            }
        }
        high
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Exact;

    #[test]
    fn what_floating_point_loses_is_kept() {
        let mut sum = Exact::default();
        for number in [1e16, 1.0, -1e16, 0.1, 0.2, -0.3] {
            sum.add(number);
        }
        assert!((sum.value() - 1.0).abs() < 1e-15, "{}", sum.value());
        for _ in 0..10 {
            sum.add(f64::MAX);
        }
        assert!(sum.value().is_finite());
    }

    proptest! {
        #[test]
        fn the_way_does_not_matter(
            kept in prop::collection::vec(-1e9..1e9_f64, 0..20),
            passing in prop::collection::vec(-1e18..1e18_f64, 0..20),
        ) {
            let (mut one, mut other) = (Exact::default(), Exact::default());
            passing.iter().for_each(|number| one.add(*number));
            kept.iter().for_each(|number| one.add(*number));
            passing.iter().for_each(|number| one.remove(*number));
            kept.iter().rev().for_each(|number| other.add(*number));
            prop_assert_eq!(one.value().to_bits(), other.value().to_bits());
        }
    }
}
