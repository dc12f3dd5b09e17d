//! The LZ4 frame format, with Kafka's mistake of message format 0. Knows frames; the blocks are
//! `lz4_flex`'s.
//!
//! A frame is a magic number, a descriptor of 3 to 15 bytes whose last is a checksum, blocks, each
//! after its length, and a length of zero. All numbers are little-endian.

use bytes::{BufMut, BytesMut};
use lz4_flex::block::{
    CompressTable, DecompressError, compress_into_with_table, decompress_into,
    decompress_into_with_dict, get_maximum_output_size,
};
use twox_hash::XxHash32;

use super::{Failure, first_guess, lengthen};

const MAGIC: [u8; 4] = 0x184D_2204_u32.to_le_bytes();
/// Version 1, the only one.
const VERSION: u8 = 0b0100_0000;
const VERSION_MASK: u8 = 0b1100_0000;
const INDEPENDENT: u8 = 0b0010_0000;
const BLOCK_CHECKSUM: u8 = 0b0001_0000;
const CONTENT_SIZE: u8 = 0b0000_1000;
const CONTENT_CHECKSUM: u8 = 0b0000_0100;
/// Of flags: one reserved bit, and dictionaries, which Kafka has none of.
const UNSUPPORTED: u8 = 0b0000_0011;
/// Set in a length: the block is stored as it is.
const STORED: u32 = 1 << 31;
/// What is written: 64 KiB, as Java does.
const BLOCK: usize = 64 * 1024;
const BLOCK_CODE: u8 = 0b0100_0000;
/// How far back a linked block can refer.
const WINDOW: usize = 64 * 1024;

pub(super) fn compress(src: &[u8], magic: u8, dst: &mut BytesMut) -> Result<(), String> {
    let descriptor = [VERSION | INDEPENDENT, BLOCK_CODE];
    dst.reserve(MAGIC.len() + 7 + src.len() / 2);
    dst.extend_from_slice(&MAGIC);
    dst.extend_from_slice(&descriptor);
    dst.put_u8(if magic == 0 { old_checksum(&descriptor) } else { checksum(&descriptor) });
    let mut table = CompressTable::default();
    for block in src.chunks(BLOCK) {
        let start = dst.len();
        dst.resize(start + 4 + get_maximum_output_size(block.len()), 0);
        let (_, frame) = dst.split_at_mut(start);
        let (length, compressed) = frame.split_at_mut(4);
        let written = compress_into_with_table(block, compressed, &mut table)
            .map_err(|error| error.to_string())?;
        if written < block.len() {
            let announced = u32::try_from(written).map_err(|error| error.to_string())?;
            length.copy_from_slice(&announced.to_le_bytes());
            dst.truncate(start + 4 + written);
        } else {
            let announced = u32::try_from(block.len()).map_err(|error| error.to_string())?;
            dst.truncate(start);
            dst.put_u32_le(announced | STORED);
            dst.extend_from_slice(block);
        }
    }
    dst.put_u32_le(0);
    Ok(())
}

pub(super) fn decompress(src: &[u8], magic: u8, limit: usize) -> Result<Vec<u8>, Failure> {
    let mut out = Vec::with_capacity(first_guess(src.len(), limit));
    let mut input = Input(src);
    loop {
        Frame::read(&mut input, magic)?.decode(&mut input, &mut out, limit)?;
        // Frames may follow each other.
        if input.0.is_empty() {
            return Ok(out);
        }
    }
}

/// What the descriptor says.
struct Frame {
    flags: u8,
    max_block: usize,
    content_size: Option<u64>,
}

impl Frame {
    fn read(input: &mut Input<'_>, magic: u8) -> Result<Self, Failure> {
        if input.array()? != MAGIC {
            return Err(Failure::corrupt("not an LZ4 frame"));
        }
        let start = input.0;
        let [flags, block_code] = input.array()?;
        if flags & VERSION_MASK != VERSION || flags & UNSUPPORTED != 0 {
            return Err(Failure::corrupt("unsupported flags"));
        }
        let max_block = match block_code {
            0b0100_0000 => 64 * 1024,
            0b0101_0000 => 256 * 1024,
            0b0110_0000 => 1024 * 1024,
            0b0111_0000 => 4 * 1024 * 1024,
            _ => return Err(Failure::corrupt("unknown block size")),
        };
        let content_size = match flags & CONTENT_SIZE {
            0 => None,
            _ => Some(u64::from_le_bytes(input.array()?)),
        };
        let (descriptor, _) = start.split_at(start.len() - input.0.len());
        let [actual] = input.array()?;
        // Writers of format 0 may have had it right (KIP-57).
        if actual != checksum(descriptor) && (magic != 0 || actual != old_checksum(descriptor)) {
            return Err(Failure::corrupt("wrong checksum of the header"));
        }
        Ok(Self { flags, max_block, content_size })
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    fn decode(
        &self,
        input: &mut Input<'_>,
        out: &mut Vec<u8>,
        limit: usize,
    ) -> Result<(), Failure> {
        let start = out.len();
        loop {
            let length = input.u32()?;
            if length == 0 {
                break;
            }
            let stored = length & STORED != 0;
            let block = input.take(length & !STORED)?;
            if block.len() > self.max_block {
                return Err(Failure::corrupt("a block is larger than the frame allows"));
            }
            if self.has(BLOCK_CHECKSUM) && input.u32()? != XxHash32::oneshot(0, block) {
                return Err(Failure::corrupt("wrong checksum of a block"));
            }
            if stored {
                if block.len() > limit - out.len() {
                    return Err(Failure::TooLarge);
                }
                out.extend_from_slice(block);
            } else {
                self.decode_block(block, start, out, limit)?;
            }
        }
        let (_, content) = out.split_at(start);
        if self.content_size.is_some_and(|size| size != content.len() as u64) {
            return Err(Failure::corrupt("not as long as declared"));
        }
        if self.has(CONTENT_CHECKSUM) && input.u32()? != XxHash32::oneshot(0, content) {
            return Err(Failure::corrupt("wrong checksum of the content"));
        }
        Ok(())
    }

    /// `start`: where in `out` the frame begins.
    fn decode_block(
        &self,
        block: &[u8],
        start: usize,
        out: &mut Vec<u8>,
        limit: usize,
    ) -> Result<(), Failure> {
        let end = out.len();
        let most = self.max_block.min(limit - end);
        // Frames that may have blocks of 4 MiB often have one small block: to zero room for all that
        // may come would cost more than to try again where it does not suffice.
        let mut room = block.len().saturating_mul(8).min(most);
        loop {
            lengthen(out, end + room, limit);
            let (before, free) = out.split_at_mut(end);
            let window_start = start.max(end.saturating_sub(WINDOW));
            let result = if self.has(INDEPENDENT) || window_start == end {
                decompress_into(block, free)
            } else {
                let (_, window) = before.split_at(window_start);
                decompress_into_with_dict(block, free, window)
            };
            match result {
                Ok(length) => {
                    out.truncate(end + length);
                    return Ok(());
                }
                Err(DecompressError::OutputTooSmall { .. }) if room < most => {
                    room = room.saturating_mul(4).min(most);
                }
                Err(DecompressError::OutputTooSmall { .. }) if most < self.max_block => {
                    return Err(Failure::TooLarge);
                }
                Err(error) => return Err(Failure::corrupt(error)),
            }
        }
    }
}

/// The second byte of the hash.
fn checksum(descriptor: &[u8]) -> u8 {
    let [_, second, ..] = XxHash32::oneshot(0, descriptor).to_le_bytes();
    second
}

/// Before KIP-57 Kafka hashed the magic number too.
fn old_checksum(descriptor: &[u8]) -> u8 {
    checksum(&[&MAGIC, descriptor].concat())
}

/// What is left to read.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Failure> {
        let (array, rest) = self.0.split_first_chunk().ok_or_else(truncated)?;
        self.0 = rest;
        Ok(*array)
    }

    fn u32(&mut self) -> Result<u32, Failure> {
        self.array().map(u32::from_le_bytes)
    }

    fn take(&mut self, length: u32) -> Result<&'a [u8], Failure> {
        let length = usize::try_from(length).map_err(Failure::corrupt)?;
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(truncated)?;
        self.0 = rest;
        Ok(taken)
    }
}

fn truncated() -> Failure {
    Failure::corrupt("truncated")
}
