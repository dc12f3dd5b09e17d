//! Buffers of batches that are done with: a busy writer asks the system for no new memory, which would
//! have to be cleared first.

use bytes::BytesMut;

/// Keeps buffers. Those that are kept and those that are in use take no more than the writer may
/// hold, and a little more.
#[derive(Debug)]
pub(super) struct Spare {
    buffers: Vec<BytesMut>,
    bytes: usize,
    /// What is kept in any case.
    least: usize,
}

impl Spare {
    /// The first batch of a partition begins small, and doubles.
    const FIRST: usize = 512;
    /// So many are looked at.
    const SEARCHED: usize = 8;

    pub(super) fn new(least: usize) -> Self {
        Self { buffers: Vec::new(), bytes: 0, least }
    }

    /// A buffer for a batch that will be about so long: no small one holds a large buffer. `unused` as
    /// for [`put`](Self::put).
    pub(super) fn take(&mut self, length: usize, unused: usize) -> BytesMut {
        self.shrink(self.least + unused);
        let fits = |buffer: &BytesMut| buffer.capacity() <= 2 * length.max(Self::FIRST);
        let newest = self.buffers.len().saturating_sub(Self::SEARCHED);
        let recent = self.buffers.iter().enumerate().skip(newest).filter(|(_, it)| fits(it));
        let Some((at, _)) = recent.max_by_key(|(_, it)| it.capacity()) else {
            return BytesMut::with_capacity(Self::FIRST);
        };
        let buffer = self.buffers.swap_remove(at);
        self.bytes -= buffer.capacity();
        buffer
    }

    /// `unused` bytes are not in use, of those that the writer may hold.
    pub(super) fn put(&mut self, mut buffer: BytesMut, unused: usize) {
        buffer.clear();
        if self.bytes + buffer.capacity() <= self.least + unused {
            self.bytes += buffer.capacity();
            self.buffers.push(buffer);
        }
    }

    /// Lets go of what an idle writer need not keep.
    pub(super) fn trim(&mut self) {
        self.shrink(self.least);
    }

    fn shrink(&mut self, most: usize) {
        while self.bytes > most {
            let Some(buffer) = self.buffers.pop() else { return };
            self.bytes -= buffer.capacity();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_up_to_its_limit_and_gives_back_what_it_has() {
        let mut spare = Spare::new(3000);
        spare.put(BytesMut::with_capacity(2000), 0);
        spare.put(BytesMut::with_capacity(2000), 999);
        assert_eq!(spare.take(1000, 0).capacity(), 2000);
        assert_eq!(spare.take(1000, 0).capacity(), Spare::FIRST);
        spare.put(BytesMut::with_capacity(3000), 0);
        assert_eq!(spare.take(900, 0).capacity(), Spare::FIRST, "it would be too large");
        assert_eq!(spare.take(9000, 0).capacity(), 3000);
    }

    #[test]
    fn keeps_more_while_less_is_in_use() {
        let mut spare = Spare::new(3000);
        for _ in 0..3 {
            spare.put(BytesMut::with_capacity(2000), 2000);
        }
        assert_eq!(spare.bytes, 4000);
        spare.trim();
        assert_eq!(spare.bytes, 2000);
    }

    #[test]
    fn keeps_less_while_more_is_in_use() {
        let mut spare = Spare::new(1000);
        for _ in 0..10 {
            spare.put(BytesMut::with_capacity(1000), 10_000);
        }
        drop(spare.take(1000, 4000));
        assert_eq!(spare.bytes, 4000);
    }
}
