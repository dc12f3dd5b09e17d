//! One record of a v2 batch, taken apart in place: where its fields are. Copies nothing, and does
//! not know what batch it is in.
//!
//! A record is `length attributes timestamp_delta offset_delta key value headers`: all integers
//! are zig-zag varints but the attributes (one byte, unused), keys and values follow their length
//! (-1 is null), headers follow their count.

use super::RecordError;
use crate::wire::varint;

/// Where the fields of a record are in the bytes of its batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) timestamp: i64,
    pub(super) offset_delta: u32,
    pub(super) key: Span,
    pub(super) value: Span,
    /// Their count and they; null if there are none.
    pub(super) headers: Span,
}

/// What positions in a batch can say.
pub(super) const MAX_LEN: usize = u32::MAX as usize;

/// A part of the bytes, or null.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// Begins behind its end, which no range of bytes does: [`Span::of`] needs no branch for it.
    pub(super) const NULL: Self = Self { start: u32::MAX, end: 0 };

    pub(super) fn new(start: usize, end: usize) -> Self {
        Self { start: low(start), end: low(end) }
    }

    #[inline]
    pub(super) fn of(self, bytes: &[u8]) -> Option<&[u8]> {
        bytes.get(self.start as usize..self.end as usize)
    }
}

impl Entry {
    /// Makes the timestamp, so far a delta, what it is in a batch.
    #[inline]
    pub(super) fn at_time(self, base: i64, create_time: bool) -> Self {
        let delta = if create_time { self.timestamp } else { 0 };
        // Kafka's own arithmetic: extreme timestamps wrap there and back.
        Self { timestamp: base.wrapping_add(delta), ..self }
    }
}

/// Reads the record at `at`, in at most [`MAX_LEN`] bytes, and says where it ends. The timestamp
/// is still a delta.
#[inline(always)]
#[expect(clippy::inline_always, reason = "measured: out of line, copies double the time")]
pub(super) fn read(bytes: &[u8], at: usize) -> Result<(Entry, usize), RecordError> {
    let mut rest = bytes.get(at..).unwrap_or_default();
    let length = take(&mut rest)?;
    let Some(record) = usize::try_from(length).ok().and_then(|length| rest.get(..length)) else {
        return Err(RecordError::Length);
    };
    // Positions count from the end of the record, because `src` only ever loses its front.
    let end = bytes.len() - rest.len() + record.len();
    let Some((_attributes, mut src)) = record.split_first() else {
        return Err(RecordError::Truncated);
    };
    let timestamp = take(&mut src)?;
    let offset_delta = u32::try_from(take(&mut src)?).map_err(|_| RecordError::Offset)?;
    let key = take_span(&mut src, end)?;
    let value = take_span(&mut src, end)?;
    let headers = if src == [0] { Span::NULL } else { check_headers(src, end)? };
    Ok((Entry { timestamp, offset_delta, key, value, headers }, end))
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "measured: out of line, copies double the time")]
fn take(src: &mut &[u8]) -> Result<i64, RecordError> {
    varint::take_i64(src).ok_or(RecordError::Truncated)
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "measured: out of line, copies double the time")]
fn take_span(src: &mut &[u8], end: usize) -> Result<Span, RecordError> {
    let length = take(src)?;
    let start = end - src.len();
    let Ok(length) = usize::try_from(length) else {
        return if length == -1 { Ok(Span::NULL) } else { Err(RecordError::Length) };
    };
    *src = src.get(length..).ok_or(RecordError::Length)?;
    Ok(Span::new(start, start + length))
}

/// Walks the headers, so that [`Headers`] can do it again without errors.
#[inline(never)]
fn check_headers(src: &[u8], end: usize) -> Result<Span, RecordError> {
    let mut rest = src;
    let count = take(&mut rest)?;
    if count < 0 {
        return Err(RecordError::Length);
    }
    // Ends with the bytes, however large the count: each header takes two bytes or more.
    for _ in 0..count {
        take_header(&mut rest)?;
    }
    if !rest.is_empty() {
        return Err(RecordError::Trailing);
    }
    Ok(Span::new(end - src.len(), end))
}

/// The name and the value of one header.
pub(super) type RawHeader<'a> = (&'a [u8], Option<&'a [u8]>);

fn take_header<'a>(src: &mut &'a [u8]) -> Result<RawHeader<'a>, RecordError> {
    let key = take_bytes(src)?.ok_or(RecordError::Length)?;
    Ok((key, take_bytes(src)?))
}

fn take_bytes<'a>(src: &mut &'a [u8]) -> Result<Option<&'a [u8]>, RecordError> {
    let length = take(src)?;
    let Ok(length) = usize::try_from(length) else {
        return if length == -1 { Ok(None) } else { Err(RecordError::Length) };
    };
    let (bytes, rest) = src.split_at_checked(length).ok_or(RecordError::Length)?;
    *src = rest;
    Ok(Some(bytes))
}

/// The headers of an entry.
#[derive(Clone, Debug)]
pub(super) struct Headers<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Headers<'a> {
    /// `bytes` are those that the entry was read from.
    pub(super) fn new(bytes: &'a [u8], entry: &Entry) -> Self {
        let mut rest = entry.headers.of(bytes).unwrap_or_default();
        let count = varint::take_i64(&mut rest).unwrap_or_default();
        Self { rest, left: usize::try_from(count).unwrap_or_default() }
    }
}

impl ExactSizeIterator for Headers<'_> {}

impl<'a> Iterator for Headers<'a> {
    type Item = RawHeader<'a>;

    fn next(&mut self) -> Option<RawHeader<'a>> {
        self.left = self.left.checked_sub(1)?;
        take_header(&mut self.rest).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

/// Positions are at most [`MAX_LEN`], so that nothing is lost.
const fn low(position: usize) -> u32 {
    let [a, b, c, d, ..] = position.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}
