//! Where messages are encoded to.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};

use bytes::{BufMut, Bytes, BytesMut};

/// An encoded message, or several in a row. Large payloads, such as batches of records, are not
/// copied into it, but stand between its bytes.
///
/// It dereferences to the bytes without those payloads, for values to be appended.
#[derive(Debug, Default)]
pub struct Output {
    bytes: BytesMut,
    /// Each with the number of bytes that stand before it.
    payloads: Vec<(usize, Bytes)>,
}

/// Below this, copying costs less than one more piece in a system call.
const LARGE: usize = 4096;

impl Output {
    /// Empty, with room for so many bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { bytes: BytesMut::with_capacity(capacity), payloads: Vec::new() }
    }

    /// Appends bytes, by reference if they are many.
    pub fn put_payload(&mut self, payload: &Bytes) {
        if payload.len() < LARGE {
            self.bytes.put_slice(payload);
        } else {
            self.payloads.push((self.bytes.len(), payload.clone()));
        }
    }

    /// How many bytes there are in all.
    pub fn len(&self) -> usize {
        self.bytes.len() + self.payloads.iter().map(|(_, payload)| payload.len()).sum::<usize>()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Drops what it has, and keeps its memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.payloads.clear();
    }

    /// The pieces one after the other; none is empty.
    pub fn into_pieces(self) -> VecDeque<Bytes> {
        let mut rest = self.bytes.freeze();
        let (mut pieces, mut before) = (VecDeque::with_capacity(1 + 2 * self.payloads.len()), 0);
        for (at, payload) in self.payloads {
            pieces.extend([rest.split_to(at - before), payload]);
            before = at;
        }
        pieces.push_back(rest);
        pieces.retain(|piece| !piece.is_empty());
        pieces
    }

    /// All in one piece, which copies the payloads.
    pub fn into_bytes(self) -> Bytes {
        if self.payloads.is_empty() {
            return self.bytes.freeze();
        }
        let mut whole = BytesMut::with_capacity(self.len());
        self.into_pieces().into_iter().for_each(|piece| whole.put(piece));
        whole.freeze()
    }
}

impl Deref for Output {
    type Target = BytesMut;

    fn deref(&self) -> &BytesMut {
        &self.bytes
    }
}

impl DerefMut for Output {
    fn deref_mut(&mut self) -> &mut BytesMut {
        &mut self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_payloads_are_not_copied() {
        let large = Bytes::from(vec![7; LARGE]);
        let mut output = Output::default();
        output.put_payload(&large);
        output.put_u8(1);
        output.put_payload(&Bytes::from_static(b"small"));
        output.put_payload(&large);
        output.put_payload(&large);
        assert_eq!(output.len(), 3 * LARGE + 6);
        let pieces = output.into_pieces();
        assert_eq!(pieces.iter().map(Bytes::len).collect::<Vec<_>>(), [LARGE, 6, LARGE, LARGE]);
        assert_eq!(pieces[0].as_ptr(), large.as_ptr());
        assert_eq!(&pieces[1][..], b"\x01small");
    }

    #[test]
    fn a_whole_is_all_pieces() {
        let large = Bytes::from(vec![7; LARGE]);
        let mut output = Output::with_capacity(8);
        output.put_u8(1);
        output.put_payload(&large);
        output.put_u8(2);
        let whole = output.into_bytes();
        assert_eq!((whole[0], whole[1], whole[LARGE + 1]), (1, 7, 2));
        assert!(Output::default().into_bytes().is_empty());
        assert!(Output::default().into_pieces().is_empty());
    }
}
