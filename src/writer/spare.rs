//! Buffers of batches that are done with: a busy writer asks the system for no new memory.

use bytes::BytesMut;

/// Keeps buffers, up to a limit of bytes.
#[derive(Debug)]
pub(super) struct Spare {
    buffers: Vec<BytesMut>,
    bytes: usize,
    limit: usize,
}

impl Spare {
    /// The first batch of a partition begins small, and doubles.
    const FIRST: usize = 512;

    pub(super) fn new(limit: usize) -> Self {
        Self { buffers: Vec::new(), bytes: 0, limit }
    }

    pub(super) fn take(&mut self) -> BytesMut {
        match self.buffers.pop() {
            Some(buffer) => {
                self.bytes -= buffer.capacity();
                buffer
            }
            None => BytesMut::with_capacity(Self::FIRST),
        }
    }

    pub(super) fn put(&mut self, mut buffer: BytesMut) {
        buffer.clear();
        if self.bytes + buffer.capacity() <= self.limit {
            self.bytes += buffer.capacity();
            self.buffers.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_up_to_its_limit_and_gives_back_what_it_has() {
        let mut spare = Spare::new(3000);
        spare.put(BytesMut::with_capacity(2000));
        spare.put(BytesMut::with_capacity(2000));
        assert_eq!(spare.take().capacity(), 2000);
        assert_eq!(spare.take().capacity(), Spare::FIRST);
        spare.put(BytesMut::with_capacity(3000));
        assert_eq!(spare.take().capacity(), 3000);
    }
}
