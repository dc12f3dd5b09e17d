//! Which codecs there are and what they are called. Knows names, ids, levels and limits; the
//! formats are in the files beside this one.

#[cfg(feature = "gzip")]
mod gzip;
#[cfg(feature = "lz4")]
mod lz4;
#[cfg(feature = "snappy")]
mod snappy;
#[cfg(feature = "zstd")]
mod zstd;

use std::fmt;
use std::str::FromStr;

use bytes::{Bytes, BytesMut};

use super::RecordError;

/// How batches are compressed (property `compression.type`), with a level where the codec has
/// any (KIP-390).
///
/// | | property | levels | default |
/// |---|---|---|---|
/// | [`none`](Self::none) | | | |
/// | [`gzip`](Self::gzip) | `compression.gzip.level` | 1 (fast) to 9 (small) | 6 |
/// | [`snappy`](Self::snappy) | | | |
/// | [`lz4`](Self::lz4) | `compression.lz4.level` | 1 to 17, all alike | |
/// | [`zstd`](Self::zstd) | `compression.zstd.level` | -131072 (fast) to 22 (small) | 3 |
///
/// zstd needs Kafka 2.1 (KIP-110). Of LZ4 there is only the fast mode, so that its level is
/// accepted and has no effect. Each codec is a cargo feature of the same name.
///
/// It is written as a name, `zstd`, or with a level, `zstd:9`, and parsed from the same:
///
/// ```
/// use kafkio::Compression;
///
/// let compression: Compression = "zstd:9".parse()?;
/// assert_eq!(compression, Compression::zstd().level(9));
/// assert_eq!(compression.to_string(), "zstd:9");
/// assert_eq!(Compression::default(), Compression::none());
/// # Ok::<(), kafkio::record::RecordError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Compression {
    codec: Codec,
    level: Option<i32>,
}

/// The algorithm of a [`Compression`], without its level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// Not compressed.
    #[default]
    None = 0,
    /// gzip: slow, small, understood everywhere.
    Gzip = 1,
    /// Snappy: fast.
    Snappy = 2,
    /// LZ4: fastest.
    Lz4 = 3,
    /// Zstandard: nearly as fast as Snappy, and smaller than gzip.
    Zstd = 4,
}

impl Compression {
    /// As it is.
    pub const fn none() -> Self {
        Self::of(Codec::None)
    }

    /// gzip at level 6.
    pub const fn gzip() -> Self {
        Self::of(Codec::Gzip)
    }

    /// Snappy.
    pub const fn snappy() -> Self {
        Self::of(Codec::Snappy)
    }

    /// LZ4.
    pub const fn lz4() -> Self {
        Self::of(Codec::Lz4)
    }

    /// Zstandard at level 3.
    pub const fn zstd() -> Self {
        Self::of(Codec::Zstd)
    }

    /// How hard to try. A level that the codec does not have is an error when the writer is
    /// built.
    #[must_use]
    pub const fn level(mut self, level: i32) -> Self {
        self.level = Some(level);
        self
    }

    /// The algorithm.
    pub const fn codec(self) -> Codec {
        self.codec
    }

    const fn of(codec: Codec) -> Self {
        Self { codec, level: None }
    }

    /// What is wrong with it, for `build()` of a writer: level out of range, codec not built in.
    pub(crate) fn check(self) -> Result<(), RecordError> {
        let Self { codec, level } = self;
        if !codec.is_built() {
            return Err(RecordError::CodecNotBuilt(codec));
        }
        let Some(level) = level else {
            return Ok(());
        };
        let (valid, allowed) = match codec {
            Codec::None => (false, "there is nothing to set"),
            Codec::Snappy => (false, "snappy has no levels"),
            Codec::Gzip => ((1..=9).contains(&level), "must be from 1 to 9"),
            Codec::Lz4 => ((1..=17).contains(&level), "must be from 1 to 17"),
            Codec::Zstd => ((-131_072..=22).contains(&level), "must be from -131072 to 22"),
        };
        if valid { Ok(()) } else { Err(RecordError::Level { codec, level, allowed }) }
    }

    /// The three bits in the attributes of a batch.
    pub(crate) const fn id(self) -> i16 {
        self.codec as i16
    }

    /// From the three bits in the attributes of a batch.
    pub(crate) fn from_id(id: i16) -> Result<Self, RecordError> {
        Codec::ALL
            .into_iter()
            .map(Self::of)
            .find(|compression| compression.id() == id)
            .ok_or(RecordError::UnknownCodec(id))
    }

    /// Appends the compressed bytes to `dst`. `magic` is that of the message format: LZ4 has
    /// another checksum in format 0.
    #[cfg_attr(not(feature = "lz4"), expect(unused_variables, reason = "for LZ4 only"))]
    pub(crate) fn compress(
        self,
        src: &[u8],
        magic: u8,
        dst: &mut BytesMut,
    ) -> Result<(), RecordError> {
        let result: Result<(), String> = match self.codec {
            Codec::None => {
                dst.extend_from_slice(src);
                Ok(())
            }
            #[cfg(feature = "gzip")]
            Codec::Gzip => gzip::compress(src, self.level, dst),
            #[cfg(feature = "snappy")]
            Codec::Snappy => snappy::compress(src, dst),
            #[cfg(feature = "lz4")]
            Codec::Lz4 => lz4::compress(src, magic, dst),
            #[cfg(feature = "zstd")]
            Codec::Zstd => zstd::compress(src, self.level, dst),
            #[allow(unreachable_patterns, reason = "reached where a codec is not built in")]
            codec => return Err(RecordError::CodecNotBuilt(codec)),
        };
        result.map_err(|reason| RecordError::Compress { codec: self.codec, reason })
    }

    /// At most `max_bytes` come out, or it is an error. What is allocated grows with what is
    /// decoded: no size that the bytes declare is believed.
    #[cfg_attr(not(feature = "lz4"), expect(unused_variables, reason = "for LZ4 only"))]
    pub(crate) fn decompress(
        self,
        src: &Bytes,
        magic: u8,
        max_bytes: usize,
    ) -> Result<Bytes, RecordError> {
        let result: Result<Vec<u8>, Failure> = match self.codec {
            Codec::None if src.len() <= max_bytes => return Ok(src.clone()),
            Codec::None => Err(Failure::TooLarge),
            #[cfg(feature = "gzip")]
            Codec::Gzip => gzip::decompress(src, max_bytes),
            #[cfg(feature = "snappy")]
            Codec::Snappy => snappy::decompress(src, max_bytes),
            #[cfg(feature = "lz4")]
            Codec::Lz4 => lz4::decompress(src, magic, max_bytes),
            #[cfg(feature = "zstd")]
            Codec::Zstd => zstd::decompress(src, max_bytes),
            #[allow(unreachable_patterns, reason = "reached where a codec is not built in")]
            codec => return Err(RecordError::CodecNotBuilt(codec)),
        };
        match result {
            Ok(mut bytes) => {
                // The batch may live long: what it holds should be what is counted for it.
                if bytes.capacity() - bytes.len() > bytes.len() / 4 {
                    bytes.shrink_to_fit();
                }
                Ok(Bytes::from(bytes))
            }
            Err(Failure::TooLarge) => Err(RecordError::DecompressedTooLarge { limit: max_bytes }),
            Err(Failure::Corrupt(reason)) => {
                Err(RecordError::Decompress { codec: self.codec, reason })
            }
        }
    }
}

impl From<Codec> for Compression {
    fn from(codec: Codec) -> Self {
        Self::of(codec)
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level {
            None => self.codec.fmt(f),
            Some(level) => write!(f, "{}:{level}", self.codec),
        }
    }
}

impl FromStr for Compression {
    type Err = RecordError;

    /// # Errors
    /// [`RecordError::UnknownCompression`] where it is none of the names.
    fn from_str(text: &str) -> Result<Self, RecordError> {
        let unknown = || RecordError::UnknownCompression(text.into());
        let (name, level) = match text.split_once(':') {
            None => (text, None),
            Some((name, level)) => (name, Some(level.parse().map_err(|_| unknown())?)),
        };
        let codec = Codec::ALL.into_iter().find(|codec| codec.name() == name);
        Ok(Self { codec: codec.ok_or_else(unknown)?, level })
    }
}

impl TryFrom<&str> for Compression {
    type Error = RecordError;

    fn try_from(text: &str) -> Result<Self, RecordError> {
        text.parse()
    }
}

impl Codec {
    const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// As in the property `compression.type`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    const fn is_built(self) -> bool {
        match self {
            Self::None => true,
            Self::Gzip => cfg!(feature = "gzip"),
            Self::Snappy => cfg!(feature = "snappy"),
            Self::Lz4 => cfg!(feature = "lz4"),
            Self::Zstd => cfg!(feature = "zstd"),
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Why a codec gave nothing.
#[derive(Debug)]
enum Failure {
    TooLarge,
    #[cfg_attr(
        not(any(feature = "gzip", feature = "snappy", feature = "lz4", feature = "zstd")),
        expect(dead_code, reason = "what is not compressed cannot be corrupt")
    )]
    Corrupt(String),
}

#[cfg(any(feature = "gzip", feature = "snappy", feature = "lz4", feature = "zstd"))]
impl Failure {
    fn corrupt(reason: impl fmt::Display) -> Self {
        Self::Corrupt(reason.to_string())
    }
}

/// What to allocate before the first byte is decoded. Most batches shrink to no less than a
/// quarter.
#[cfg(any(feature = "gzip", feature = "lz4"))]
fn first_guess(compressed: usize, limit: usize) -> usize {
    compressed.saturating_mul(4).min(limit)
}

/// Appends zeros until `out` has `len` bytes. The capacity doubles, but not beyond `limit`.
#[cfg(any(feature = "gzip", feature = "snappy", feature = "lz4"))]
fn lengthen(out: &mut Vec<u8>, len: usize, limit: usize) {
    if len > out.capacity() {
        let capacity = out.capacity().saturating_mul(2).min(limit).max(len);
        out.reserve_exact(capacity - out.len());
    }
    out.resize(len, 0);
}

#[cfg(test)]
mod tests;
