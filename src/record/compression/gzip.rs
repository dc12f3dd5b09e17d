//! gzip (RFC 1952), one member when written, any number when read. Knows the format, not where
//! the bytes come from.

use std::cell::RefCell;
use std::io::{Cursor, Read};

use bytes::{Bytes, BytesMut};
use flate2::bufread::GzDecoder;
use flate2::{Compress, FlushCompress, Status};

use super::{Failure, first_guess, lengthen};

/// Deflate; no flags, no time; system unknown.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// zlib's default.
const DEFAULT_LEVEL: u32 = 6;
/// The least that is made room for at once.
const STEP: usize = 4 * 1024;

thread_local! {
    // Their tables are larger than most batches: to make them anew costs more than the work.
    static DEFLATE: RefCell<Option<(u32, Compress)>> = const { RefCell::new(None) };
    static INFLATE: RefCell<GzDecoder<Cursor<Bytes>>> = RefCell::new(GzDecoder::new(Cursor::default()));
}

pub(super) fn compress(src: &[u8], level: Option<i32>, dst: &mut BytesMut) -> Result<(), String> {
    let level = match level {
        None => DEFAULT_LEVEL,
        Some(level) => u32::try_from(level).map_err(|error| error.to_string())?,
    };
    dst.extend_from_slice(&HEADER);
    DEFLATE.with_borrow_mut(|slot| {
        let (_, state) = match slot {
            Some(kept) if kept.0 == level => kept,
            slot => slot.insert((level, Compress::new(flate2::Compression::new(level), false))),
        };
        state.reset();
        deflate(state, src, dst)
    })?;
    dst.extend_from_slice(&crc32fast::hash(src).to_le_bytes());
    // Modulo 2^32, as the format has it.
    let [a, b, c, d, ..] = src.len().to_le_bytes();
    dst.extend_from_slice(&[a, b, c, d]);
    Ok(())
}

fn deflate(state: &mut Compress, mut src: &[u8], dst: &mut BytesMut) -> Result<(), String> {
    let mut step = STEP.max(src.len() / 2);
    loop {
        let start = dst.len();
        let (read_before, written_before) = (state.total_in(), state.total_out());
        dst.resize(start + step, 0);
        let (_, free) = dst.split_at_mut(start);
        let status = state.compress(src, free, FlushCompress::Finish);
        let read = advanced(read_before, state.total_in())?;
        let written = advanced(written_before, state.total_out())?;
        dst.truncate(start + written);
        (_, src) = src.split_at_checked(read).ok_or("read more than there is")?;
        match status.map_err(|error| error.to_string())? {
            Status::StreamEnd => return Ok(()),
            _ if read == 0 && written == 0 => return Err("makes no progress".into()),
            _ => step = STEP.max(src.len() / 2),
        }
    }
}

fn advanced(before: u64, after: u64) -> Result<usize, String> {
    usize::try_from(after - before).map_err(|error| error.to_string())
}

pub(super) fn decompress(src: &Bytes, limit: usize) -> Result<Vec<u8>, Failure> {
    INFLATE.with_borrow_mut(|decoder| {
        decoder.reset(Cursor::new(src.clone()));
        let result = inflate(decoder, first_guess(src.len(), limit), limit);
        // Otherwise the fetched frame would stay until this thread decompresses again.
        decoder.reset(Cursor::default());
        result
    })
}

fn inflate(
    decoder: &mut GzDecoder<Cursor<Bytes>>,
    guess: usize,
    limit: usize,
) -> Result<Vec<u8>, Failure> {
    // One byte more than may come out shows that more would.
    let most = limit.saturating_add(1);
    let mut out = Vec::new();
    let mut filled = 0;
    loop {
        if filled == out.len() {
            let len = filled.saturating_mul(2).max(guess).max(STEP).min(most);
            lengthen(&mut out, len, most);
        }
        let (_, free) = out.split_at_mut(filled);
        match decoder.read(free).map_err(Failure::corrupt)? {
            0 => {
                let input = decoder.reset(Cursor::default());
                if input.position() >= input.get_ref().len() as u64 {
                    break;
                }
                decoder.reset(input);
            }
            read => filled += read,
        }
        if filled > limit {
            return Err(Failure::TooLarge);
        }
    }
    out.truncate(filled);
    Ok(out)
}
