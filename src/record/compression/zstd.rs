//! Zstandard (RFC 8878). Knows as much of the format as says how much can come out.

use std::cell::RefCell;

use bytes::BytesMut;
use zstd::zstd_safe::{
    CCtx, CLEVEL_DEFAULT, CParameter, DCtx, compress_bound, get_error_name, zstd_sys,
};

use super::Failure;

/// Above it the tables of a compressor may take tens of MiB: too much to keep for each thread.
const MAX_KEPT_LEVEL: i32 = 9;
/// No block is longer when decoded.
const MAX_BLOCK: u64 = 128 * 1024;
const MAGIC: u32 = 0xFD2F_B528;
/// What the library returns where the output does not fit.
const TOO_SMALL: usize =
    0_usize.wrapping_sub(zstd_sys::ZSTD_ErrorCode::ZSTD_error_dstSize_tooSmall as usize);

thread_local! {
    // To make a context costs more than a small batch.
    static COMPRESSOR: RefCell<CCtx<'static>> = RefCell::new(CCtx::create());
    static DECOMPRESSOR: RefCell<DCtx<'static>> = RefCell::new(DCtx::create());
}

pub(super) fn compress(src: &[u8], level: Option<i32>, dst: &mut BytesMut) -> Result<(), String> {
    let level = level.unwrap_or(CLEVEL_DEFAULT);
    if level <= MAX_KEPT_LEVEL {
        COMPRESSOR.with_borrow_mut(|context| compress_with(context, src, level, dst))
    } else {
        compress_with(&mut CCtx::create(), src, level, dst)
    }
    .map_err(|code| get_error_name(code).to_owned())
}

fn compress_with(
    context: &mut CCtx<'_>,
    src: &[u8],
    level: i32,
    dst: &mut BytesMut,
) -> Result<(), usize> {
    context.set_parameter(CParameter::CompressionLevel(level))?;
    let start = dst.len();
    dst.resize(start + compress_bound(src.len()), 0);
    let (_, free) = dst.split_at_mut(start);
    let written = context.compress2(free, src)?;
    dst.truncate(start + written);
    Ok(())
}

/// In one go, not as a stream: a stream has a window of its own beside the output, as large as
/// the sender says (128 MiB at level 22).
pub(super) fn decompress(src: &[u8], limit: usize) -> Result<Vec<u8>, Failure> {
    let most = usize::try_from(upper_bound(src)).unwrap_or(usize::MAX).min(limit);
    // Thirty-two-fold is believed; beyond that, only in steps.
    let mut room = src.len().saturating_mul(32).min(most);
    DECOMPRESSOR.with_borrow_mut(|context| {
        loop {
            let mut out = Vec::with_capacity(room);
            match context.decompress(&mut out, src) {
                Ok(_) => return Ok(out),
                Err(TOO_SMALL) if room < most => room = room.saturating_mul(8).min(most),
                Err(TOO_SMALL) if room == limit => return Err(Failure::TooLarge),
                Err(code) => return Err(Failure::corrupt(get_error_name(code))),
            }
        }
    })
}

/// How much can come out, by the declared sizes and the number of blocks. Java does not declare
/// sizes, but fills its blocks: the bound is close.
///
/// Where the bytes are not as they should be, what was seen before; the decoder says what is wrong.
fn upper_bound(src: &[u8]) -> u64 {
    let mut sum = 0_u64;
    let mut rest = src;
    while let Some((bound, after)) = frame_bound(rest) {
        sum = sum.saturating_add(bound);
        rest = after;
    }
    sum
}

/// Of the first frame, and what follows it.
fn frame_bound(src: &[u8]) -> Option<(u64, &[u8])> {
    let magic = u32::try_from(little_endian(src.get(..4)?)).ok()?;
    let mut rest = src.get(4..)?;
    if magic & 0xFFFF_FFF0 == 0x184D_2A50 {
        let length = usize::try_from(little_endian(rest.get(..4)?)).ok()?;
        return Some((0, rest.get(4..)?.get(length..)?));
    }
    if magic != MAGIC {
        return None;
    }
    let (&descriptor, after) = rest.split_first()?;
    let single_segment = descriptor & 0b0010_0000 != 0;
    let has_checksum = descriptor & 0b0000_0100 != 0;
    let window_length = usize::from(!single_segment);
    let dictionary_length = *[0, 1, 2, 4].get(usize::from(descriptor & 0b11))?;
    let size_length = *[usize::from(single_segment), 2, 4, 8].get(usize::from(descriptor >> 6))?;
    let size = after.get(window_length + dictionary_length..)?.get(..size_length)?;
    // Sizes of two bytes count from 256.
    let declared = little_endian(size) + if size_length == 2 { 256 } else { 0 };
    rest = after.get(window_length + dictionary_length + size_length..)?;

    let mut bound = 0_u64;
    loop {
        let header = little_endian(rest.get(..3)?);
        rest = rest.get(3..)?;
        let size = header >> 3;
        let (length, most) = match header >> 1 & 0b11 {
            0 => (size, size),
            1 => (1, size),
            _ => (size, MAX_BLOCK),
        };
        bound = bound.saturating_add(most);
        rest = rest.get(usize::try_from(length).ok()?..)?;
        if header & 1 == 1 {
            break;
        }
    }
    if has_checksum {
        rest = rest.get(4..)?;
    }
    Some((if size_length == 0 { bound } else { bound.min(declared) }, rest))
}

/// At most eight bytes.
fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
}
