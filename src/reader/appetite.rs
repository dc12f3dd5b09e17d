//! How much to ask of a broker at once.

use std::time::Duration;

/// The size of the answers that a fetch loop asks for. Small ones are still in the caches of the
/// processor when they are checked and read: answers of 1 MiB cost a third less CPU than those of
/// 6 MiB. But a broker that is far away, or slow, has to be asked for more at once, since it is asked
/// again only when its answer is there.
#[derive(Debug)]
pub(super) struct Appetite {
    bytes: usize,
}

/// No answer is asked to be smaller for the sake of the caches.
const LEAST: usize = 1 << 20;
/// An answer that took longer should have been larger. 1 MiB in that time is 100 MB/s.
const SLOW: Duration = Duration::from_millis(10);

impl Appetite {
    pub(super) fn new() -> Self {
        Self { bytes: LEAST }
    }

    /// What to ask for, between what the settings ask for at least and at most.
    pub(super) fn bytes(&self, min: usize, max: usize) -> usize {
        self.bytes.max(min).min(max)
    }

    /// An answer has come, for which so much was asked.
    pub(super) fn fed(&mut self, asked: usize, came: usize, took: Duration) {
        if came <= asked / 2 {
            // There was no more.
            return;
        }
        if took < SLOW / 2 {
            self.bytes = (asked / 2).max(LEAST);
        } else if took > SLOW && asked >= self.bytes {
            self.bytes = asked.saturating_mul(2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_where_answers_are_slow_and_shrinks_where_they_are_not() {
        let mut appetite = Appetite::new();
        let ms = Duration::from_millis;
        let ask = |appetite: &Appetite| appetite.bytes(1, 50 << 20);
        appetite.fed(1 << 20, 1 << 20, ms(1));
        assert_eq!(ask(&appetite), 1 << 20);
        for size in [2, 4, 8, 16, 32, 50, 50] {
            let asked = ask(&appetite);
            appetite.fed(asked, asked - 1000, ms(50));
            assert_eq!(ask(&appetite), size << 20);
        }
        // What waited for data says nothing.
        appetite.fed(50 << 20, 100, ms(1));
        assert_eq!(ask(&appetite), 50 << 20);
        for _ in 0..9 {
            let asked = ask(&appetite);
            appetite.fed(asked, asked, ms(1));
        }
        assert_eq!(ask(&appetite), 1 << 20);
        assert_eq!(appetite.bytes(2 << 20, 50 << 20), 2 << 20);
        assert_eq!(appetite.bytes(1, 1000), 1000);
        appetite.fed(1000, 1000, ms(50));
        assert_eq!(ask(&appetite), 1 << 20, "the settings have limited it");
    }
}
