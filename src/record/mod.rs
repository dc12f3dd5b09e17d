//! Records and batches: what is inside a fetched or a produced partition.
//!
//! Knows the message formats 0 to 2, and nothing about requests, partitions' leaders and sockets.
//!
//! # Formats
//!
//! Since Kafka 0.11 records are stored in *batches* (magic byte 2): a header of 61 bytes, with a
//! CRC-32C over what follows it, and records whose offsets and timestamps are distances to those of
//! the header. A batch may be compressed as a whole, behind its header. Before, each message stood
//! alone (magic byte 0, or 1 with a timestamp) with a CRC-32, and compressed ones were the value of
//! another. A fetch may hold all of them: the magic byte decides, at the same place in each.
//!
//! # Reading
//!
//! `RawBatches` walks a fetched frame and looks at headers only, so that the next request can go
//! out. `RawBatch::verify` checks the checksum, `RawBatch::decode` decompresses, and gives a
//! [`Batch`]. Its [`Records`] and [`Messages`] decode one record at a time, in place: keys, values
//! and headers are slices of the frame, and nothing is allocated per record. Every length is
//! checked against the bytes that are left; an iterator that has given an error has ended.
//!
//! # Writing
//!
//! `BatchEncoder` encodes each [`Record`] once, into the buffer that goes to the broker.
//!
//! # Files
//!
//! | file | what it knows |
//! |---|---|
//! | `record.rs` | [`Record`], [`Header`]: what users write |
//! | `message.rs` | [`Message`]: what users read |
//! | `batch.rs` | [`Batch`] and its iterators |
//! | `cursor.rs` | where the fields of one v2 record are |
//! | `raw.rs` | headers of batches in a fetch, checksums |
//! | `encode.rs` | making v2 batches |
//! | `legacy/` | formats 0 and 1, reading and writing |
//! | `isolation.rs` | which batches hold records for the application |
//! | `compression/` | the codecs |

mod batch;
mod compression;
mod cursor;
mod encode;
mod error;
mod isolation;
mod legacy;
mod message;
mod raw;
#[expect(clippy::module_inception, reason = "the module is about more than records")]
mod record;
#[cfg(test)]
mod tests;

pub use batch::{Batch, Messages, RecordRef, Records, TimestampType};
pub use compression::{Codec, Compression};
pub(crate) use encode::{BatchEncoder, ProducerState, renumber};
pub use error::RecordError;
pub(crate) use isolation::Filter;
pub use message::Message;
pub(crate) use raw::{ControlKind, RawBatch, RawBatches};
pub use record::{Header, Record};
