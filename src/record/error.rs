//! What can be wrong with the bytes of records. Knows nothing about where they came from.

use super::Codec;

/// Bytes that are not a record batch, or records that cannot be made one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The bytes end inside a batch or a record.
    #[error("bytes end inside a record")]
    Truncated,
    /// A length is negative, or says more than there is room for.
    #[error("a length does not fit what it stands in")]
    Length,
    /// Bytes are left over behind the last field of a record, or the last record of a batch.
    #[error("bytes are left over behind the last field")]
    Trailing,
    /// The batch cannot hold as many records as it says.
    #[error("the batch says {0} records, which it cannot hold")]
    Count(i64),
    /// An offset is negative, or outside of the batch it is in.
    #[error("an offset is outside of its batch")]
    Offset,
    /// A message format that is not known: 0 to 2 are.
    #[error("unknown message format {0}")]
    Magic(u8),
    /// The bytes have changed since they were written.
    #[error("checksum is {computed:08x}, and should be {stored:08x}")]
    Checksum {
        /// What the batch or message says.
        stored: u32,
        /// What its bytes give.
        computed: u32,
    },
    /// A marker of a transaction that is not one.
    #[error("a control batch cannot be read")]
    Control,
    /// A compressed message of an old format with compressed messages inside.
    #[error("compressed messages inside a compressed message")]
    Nested,
    /// There are no records in what should have some.
    #[error("no records")]
    Empty,
    /// A batch of more than 2 GiB.
    #[error("the batch is larger than 2 GiB")]
    BatchTooLarge,
    /// Records with headers for a broker before Kafka 0.11, whose message format has none.
    #[error("Kafka before 0.11 has no headers")]
    Headers,
    /// A codec that is younger than the message format.
    #[error("message formats before Kafka 0.11 have no {0}")]
    CodecTooNew(Codec),
    /// A batch names a codec that Kafka does not have.
    #[error("unknown compression codec {0}")]
    UnknownCodec(i16),
    /// Text that is not the name of a codec.
    #[error("unknown compression `{0}`: must be none, gzip, snappy, lz4 or zstd")]
    UnknownCompression(String),
    /// The crate was built without this codec.
    #[error("{0} is not built in: enable the cargo feature `{0}` of kafkio")]
    CodecNotBuilt(Codec),
    /// A level that the codec does not have.
    #[error("compression level {level} of {codec}: {allowed}")]
    Level {
        /// The codec.
        codec: Codec,
        /// What was asked for.
        level: i32,
        /// What may be asked for.
        allowed: &'static str,
    },
    /// The codec refused to compress.
    #[error("cannot compress with {codec}: {reason}")]
    Compress {
        /// The codec.
        codec: Codec,
        /// What it said.
        reason: String,
    },
    /// Compressed bytes that are not what they claim to be.
    #[error("cannot decompress {codec}: {reason}")]
    Decompress {
        /// The codec.
        codec: Codec,
        /// What is wrong with them.
        reason: String,
    },
    /// More bytes come out than may.
    #[error("decompresses to more than {limit} bytes")]
    DecompressedTooLarge {
        /// How many may.
        limit: usize,
    },
}
