//! Snappy in the framing of Java's `SnappyOutputStream` ("xerial"), and raw. Knows both formats,
//! not where the bytes come from.
//!
//! A frame is a header of 16 bytes, then blocks: length (big-endian `u32`), raw Snappy block.

use bytes::{BufMut, BytesMut};

use super::{Failure, lengthen};

const MAGIC: &[u8; 8] = b"\x82SNAPPY\0";
/// Version, and the oldest version that can read it.
const VERSIONS: &[u8; 8] = &[0, 0, 0, 1, 0, 0, 0, 1];
/// Java's default.
const BLOCK: usize = 32 * 1024;
/// The densest element of a block: a copy of 64 bytes, said in three.
const MAX_RATIO: usize = 22;

pub(super) fn compress(src: &[u8], dst: &mut BytesMut) -> Result<(), String> {
    dst.reserve(MAGIC.len() + VERSIONS.len() + src.len() / 2);
    dst.extend_from_slice(MAGIC);
    dst.extend_from_slice(VERSIONS);
    let mut encoder = snap::raw::Encoder::new();
    for block in src.chunks(BLOCK) {
        let start = dst.len();
        dst.put_u32(0);
        dst.resize(start + 4 + snap::raw::max_compress_len(block.len()), 0);
        let (_, frame) = dst.split_at_mut(start);
        let (length, compressed) = frame.split_at_mut(4);
        let written = encoder.compress(block, compressed).map_err(|error| error.to_string())?;
        let announced = u32::try_from(written).map_err(|error| error.to_string())?;
        length.copy_from_slice(&announced.to_be_bytes());
        dst.truncate(start + 4 + written);
    }
    Ok(())
}

pub(super) fn decompress(src: &[u8], limit: usize) -> Result<Vec<u8>, Failure> {
    let mut out = Vec::new();
    // No raw block begins like this: its first element would copy what is not there yet.
    if !src.starts_with(MAGIC) {
        block(src, &mut out, limit)?;
        return Ok(out);
    }
    let truncated = || Failure::corrupt("truncated");
    let mut rest = src;
    while !rest.is_empty() {
        // Frames may follow each other.
        if let Some(after) = rest.strip_prefix(MAGIC) {
            (_, rest) = after.split_at_checked(VERSIONS.len()).ok_or_else(truncated)?;
            continue;
        }
        let (length, after) = rest.split_first_chunk().ok_or_else(truncated)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(Failure::corrupt)?;
        let (compressed, after) = after.split_at_checked(length).ok_or_else(truncated)?;
        block(compressed, &mut out, limit)?;
        rest = after;
    }
    Ok(out)
}

fn block(compressed: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<(), Failure> {
    let start = out.len();
    let declared = snap::raw::decompress_len(compressed).map_err(Failure::corrupt)?;
    if declared > limit.saturating_sub(start) {
        return Err(Failure::TooLarge);
    }
    if declared > compressed.len().saturating_mul(MAX_RATIO) {
        return Err(Failure::corrupt("declares more bytes than it can hold"));
    }
    lengthen(out, start + declared, limit);
    let (_, block) = out.split_at_mut(start);
    snap::raw::Decoder::new().decompress(compressed, block).map_err(Failure::corrupt)?;
    Ok(())
}
