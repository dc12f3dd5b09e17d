#![doc = include_str!("../README.md")]

pub mod admin;
mod client;
mod cluster;
mod conn;
mod error;
mod exactly_once;
#[cfg(any(fuzzing, kafkio_internals))]
#[doc(hidden)]
pub mod internals;
pub mod protocol;
mod reader;
pub mod record;
mod task;
#[cfg(feature = "testing")]
pub mod testing;
pub mod transport;
mod types;
pub mod wire;
mod writer;

pub use client::{Client, ClientBuilder};
pub use conn::{Conn, ConnBuilder, Fetched, PartitionConn, ReadBatch, Written};
pub use error::{Error, ErrorKind, Result};
pub use exactly_once::{ExactlyOnce, Step};
pub use reader::{
    Batches, End, OutOfRange, PartitionStream, Partitions, Reader, ReaderBuilder, ReaderEvent,
    ReaderEvents, ReaderHandle, ReaderStats,
};
pub use record::{Batch, Compression, Header, Message, Record, TimestampType};
pub use types::{Acks, IsolationLevel, Start, Timestamp, TopicPartition};
pub use writer::{
    BatchReport, Deliveries, Delivery, GroupMetadata, HashPartitioner, LeastBytesPartitioner,
    Partitioner, Partitioning, RecordMetadata, RoundRobinPartitioner, Transaction,
    TransactionalWriter, Unwritten, Writer, WriterBuilder, WriterInterceptor, Writing,
};
