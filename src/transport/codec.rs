//! Frames: four bytes of length, and that many bytes. Knows nothing of what is in them, but
//! recognises the first bytes of protocols that are often met by mistake.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use super::TransportError;

/// Splits a byte stream into Kafka's frames, for [`Framed`](tokio_util::codec::Framed) and its
/// halves. An item is what stands behind the length prefix: a header and a body.
///
/// ```
/// use bytes::{Bytes, BytesMut};
/// use kafkio::transport::FrameCodec;
/// use tokio_util::codec::{Decoder, Encoder};
///
/// let mut codec = FrameCodec::new(1024);
/// let mut buffer = BytesMut::new();
/// codec.encode(Bytes::from_static(b"hello"), &mut buffer)?;
/// assert_eq!(&buffer[..], b"\0\0\0\x05hello");
/// assert_eq!(codec.decode(&mut buffer)?.as_deref(), Some(&b"hello"[..]));
/// # Ok::<(), kafkio::transport::TransportError>(())
/// ```
#[derive(Clone, Debug)]
pub struct FrameCodec {
    max_frame_size: usize,
    /// The largest frame that has come whole: then the other side does speak Kafka's protocol, and
    /// may be believed that it sends as much again.
    largest: usize,
}

/// Length of the length prefix.
const PREFIX: usize = 4;
/// Every request and response begins with four bytes at least: a correlation id, or a key and a
/// version.
const MIN_FRAME_SIZE: usize = 4;
/// A frame up to this size, or up to that of one that has come, is reserved as a whole as soon as its
/// length is known: to grow means to copy. A larger one grows as its bytes arrive, to four times what
/// is there, so that a length alone never costs more than this; but never beyond its length, because
/// its messages keep the whole buffer.
const EAGER_SIZE: usize = 4 << 20;

impl FrameCodec {
    /// A codec that refuses to decode frames of more than `max_frame_size` bytes.
    pub fn new(max_frame_size: usize) -> Self {
        Self { max_frame_size, largest: 0 }
    }

    fn length(&self, prefix: [u8; PREFIX]) -> Result<usize, TransportError> {
        if self.largest == 0 {
            match prefix {
                // An alert or a handshake message of any version since SSL 3. As lengths they
                // are above 350 MB, and no conversation begins with such a frame.
                [0x15 | 0x16, 0x03, ..] => return Err(TransportError::Tls),
                [b'H', b'T', b'T', b'P'] => return Err(TransportError::Http),
                _ => {}
            }
        }
        let length = i32::from_be_bytes(prefix);
        match usize::try_from(length) {
            Ok(size) if (MIN_FRAME_SIZE..=self.max_frame_size).contains(&size) => Ok(size),
            _ => {
                let limit = self.max_frame_size;
                Err(TransportError::FrameSize { length: length.into(), limit })
            }
        }
    }
}

impl Decoder for FrameCodec {
    type Item = Bytes;
    type Error = TransportError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Bytes>, TransportError> {
        let Some(prefix) = src.first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let length = self.length(*prefix)?;
        let missing = length.saturating_add(PREFIX).saturating_sub(src.len());
        if missing > 0 {
            let (received, eager) = (src.len(), self.largest.max(EAGER_SIZE));
            if received < eager {
                src.reserve(missing.min(eager - received));
            } else if received == src.capacity() {
                src.reserve(missing.min(received.saturating_mul(3)));
            }
            return Ok(None);
        }
        self.largest = self.largest.max(length + PREFIX);
        src.advance(PREFIX);
        Ok(Some(src.split_to(length).freeze()))
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Bytes>, TransportError> {
        match self.decode(src)? {
            None if !src.is_empty() => Err(TransportError::Truncated { received: src.len() }),
            frame => Ok(frame),
        }
    }
}

impl Encoder<Bytes> for FrameCodec {
    type Error = TransportError;

    fn encode(&mut self, frame: Bytes, dst: &mut BytesMut) -> Result<(), TransportError> {
        let length = i32::try_from(frame.len()).map_err(|_| TransportError::FrameSize {
            length: i64::try_from(frame.len()).unwrap_or(i64::MAX),
            limit: i32::MAX as usize,
        })?;
        dst.reserve(PREFIX + frame.len());
        dst.put_i32(length);
        dst.put(frame);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Result<Option<Bytes>, TransportError> {
        FrameCodec::new(100).decode(&mut BytesMut::from(bytes))
    }

    #[test]
    fn takes_one_frame_at_a_time() {
        let mut codec = FrameCodec::new(100);
        let mut buffer = BytesMut::new();
        for frame in ["first", "second"] {
            codec.encode(Bytes::from(frame), &mut buffer).unwrap();
        }
        buffer.put_slice(b"\0\0");
        assert_eq!(codec.decode(&mut buffer).unwrap().unwrap(), "first");
        assert_eq!(codec.decode(&mut buffer).unwrap().unwrap(), "second");
        assert_eq!(codec.decode(&mut buffer).unwrap(), None);
        let error = codec.decode_eof(&mut buffer).unwrap_err();
        assert!(matches!(error, TransportError::Truncated { received: 2 }));
    }

    #[test]
    fn refuses_lengths_out_of_bounds() {
        for length in [i32::MIN, -1, 0, 3, 101, i32::MAX] {
            match decode(&length.to_be_bytes()) {
                Err(TransportError::FrameSize { length: l, limit: 100 }) => {
                    assert_eq!(l, i64::from(length));
                }
                other => panic!("{length}: {other:?}"),
            }
        }
        assert_eq!(decode(&100_i32.to_be_bytes()).unwrap(), None);
        let text = decode(&101_i32.to_be_bytes()).unwrap_err().to_string();
        assert!(text.contains("frame of 101 bytes") && text.contains("max_frame_size (100"));
    }

    #[test]
    fn recognises_other_protocols_at_the_beginning() {
        let mut large = FrameCodec::new(i32::MAX as usize);
        let mut alert = BytesMut::from(&b"\x15\x03\x03\x00\x02\x02\x46"[..]);
        assert!(matches!(large.decode(&mut alert), Err(TransportError::Tls)));
        assert!(matches!(decode(b"\x16\x03\x01\x00"), Err(TransportError::Tls)));
        assert!(matches!(decode(b"HTTP/1.1 400"), Err(TransportError::Http)));
        let mut codec = FrameCodec::new(100);
        codec.decode(&mut BytesMut::from(&b"\0\0\0\x04kafk"[..])).unwrap().unwrap();
        let error = codec.decode(&mut BytesMut::from(&b"HTTP"[..])).unwrap_err();
        assert!(matches!(error, TransportError::FrameSize { .. }));
    }

    #[test]
    fn reserves_a_frame_once_and_a_huge_one_step_by_step() {
        let mut codec = FrameCodec::new(i32::MAX as usize);
        let mut buffer = BytesMut::from(&1_000_000_i32.to_be_bytes()[..]);
        codec.decode(&mut buffer).unwrap();
        let reserved = buffer.capacity();
        assert!((1_000_004..1_100_000).contains(&reserved));
        buffer.resize(500_000, 0);
        codec.decode(&mut buffer).unwrap();
        assert_eq!(buffer.capacity(), reserved);

        let mut buffer = BytesMut::from(&i32::MAX.to_be_bytes()[..]);
        codec.decode(&mut buffer).unwrap();
        assert!(buffer.capacity() <= EAGER_SIZE + PREFIX);
        buffer.resize(EAGER_SIZE + 1, 0);
        let reserved = buffer.capacity();
        codec.decode(&mut buffer).unwrap();
        assert_eq!(buffer.capacity(), reserved);

        // Once such a frame has come, the next is not believed to be a lie.
        let length = EAGER_SIZE * 2;
        let mut buffer = BytesMut::from(&i32::try_from(length).unwrap().to_be_bytes()[..]);
        buffer.resize(length + PREFIX + PREFIX, 0);
        assert_eq!(codec.decode(&mut buffer).unwrap().unwrap().len(), length);
        let mut buffer = BytesMut::from(&i32::try_from(length).unwrap().to_be_bytes()[..]);
        codec.decode(&mut buffer).unwrap();
        assert!(buffer.capacity() >= length + PREFIX);
    }
}
