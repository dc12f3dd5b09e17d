//! Where records without a key go: to one partition until about the bytes of a batch were put
//! there, and then to another (KIP-794). It is bytes that count, not batches: a slow broker, whose
//! batches are larger, gets no more than others.

use std::time::Duration;

/// How the next partition is chosen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Adaptive {
    /// By how many batches wait for each partition.
    pub(crate) is_enabled: bool,
    /// How long a broker may let batches wait before it is passed over; zero: for ever.
    pub(crate) availability_timeout: Duration,
}

impl Default for Adaptive {
    fn default() -> Self {
        Self { is_enabled: true, availability_timeout: Duration::ZERO }
    }
}

/// Where the writer stands in one topic.
#[derive(Debug, Default)]
pub(crate) struct Sticky {
    pub(crate) partition: Option<usize>,
    /// What was put there since it came.
    bytes: usize,
}

impl Sticky {
    pub(crate) fn go(&mut self, partition: Option<usize>) {
        *self = Self { partition, bytes: 0 };
    }

    /// Whether a record of this size still belongs there. The writer goes on between two batches,
    /// lest it leaves half of one behind; what others put into the batch delays it no further than
    /// to twice the limit.
    #[inline]
    pub(crate) fn stays(&self, size: usize, limit: usize, between_batches: bool) -> bool {
        let limit = if between_batches { limit } else { limit.saturating_mul(2) };
        self.partition.is_some() && self.bytes + size <= limit
    }

    #[inline]
    pub(crate) fn put(&mut self, bytes: usize) {
        self.bytes += bytes;
    }
}

/// One of these partitions, each with the number of batches that wait for it. The one with the most
/// has weight 1, and each batch less is one more.
pub(crate) fn pick(
    partitions: impl Iterator<Item = (usize, usize)> + Clone,
    random: impl FnOnce(usize) -> usize,
) -> Option<usize> {
    let most = partitions.clone().map(|(_, waiting)| waiting).max()?;
    let mut weights = partitions.map(|(partition, waiting)| (partition, most - waiting + 1));
    let mut left = random(weights.clone().map(|(_, weight)| weight).sum());
    weights.find_map(|(partition, weight)| match left.checked_sub(weight) {
        Some(rest) => {
            left = rest;
            None
        }
        None => Some(partition),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_less_is_chosen_more_often() {
        let pick = |waiting: &[usize], random: usize| {
            pick(waiting.iter().copied().enumerate(), |total| {
                assert!(random < total, "{random} of {total}");
                random
            })
        };
        // The example of Java's `BuiltInPartitioner`: weights 4, 1 and 3.
        let chosen: Vec<_> = (0..8).filter_map(|random| pick(&[0, 3, 1], random)).collect();
        assert_eq!(chosen, [0, 0, 0, 0, 1, 2, 2, 2]);
        assert_eq!([0, 1, 2].map(|random| pick(&[7; 3], random)), [0, 1, 2].map(Some));
        assert_eq!(pick(&[5], 0), Some(0));
        assert_eq!(pick(&[], 0), None);
    }

    #[test]
    fn it_goes_on_between_batches() {
        let mut sticky = Sticky::default();
        assert!(!sticky.stays(1, 100, true), "it stands nowhere");
        sticky.go(Some(3));
        sticky.put(90);
        assert!(sticky.stays(10, 100, true));
        assert!(!sticky.stays(11, 100, true));
        assert!(sticky.stays(110, 100, false));
        assert!(!sticky.stays(111, 100, false), "but not for ever");
        sticky.go(Some(3));
        assert!(sticky.stays(100, 100, true));
    }
}
