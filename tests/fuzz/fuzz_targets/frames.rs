//! A byte stream in pieces: the frames are the same as if it had come at once.
#![no_main]

use bytes::{Bytes, BytesMut};
use kafkio::transport::FrameCodec;
use libfuzzer_sys::fuzz_target;
use tokio_util::codec::Decoder;

const MAX_FRAME: usize = 1 << 16;

/// All frames, and whether an error came behind them.
fn frames<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Bytes>, bool) {
    let mut codec = FrameCodec::new(MAX_FRAME);
    let mut buffer = BytesMut::new();
    let mut frames = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match codec.decode(&mut buffer) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(_) => return (frames, true),
            }
        }
        assert!(buffer.len() <= MAX_FRAME + 4 + piece.len());
    }
    (frames, false)
}

fuzz_target!(|input: (u8, &[u8])| {
    let (piece, bytes) = input;
    let at_once = frames(std::iter::once(bytes));
    assert_eq!(at_once, frames(bytes.chunks(usize::from(piece).max(1))));
});
