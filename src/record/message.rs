//! A message that was read.

use std::fmt;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use super::batch::{Shared, describe};
use super::cursor::{Entry, Span};
use super::{Header, Record, TimestampType};
use crate::types::Timestamp;

/// A message that was read.
///
/// One reference count on what its batch shares, and a few integers: keys, values and headers are
/// slices of the bytes that came from the broker. So a message **keeps its whole batch in memory**
/// — and, where the batch was not compressed, the whole response that it came in. To keep a few
/// messages for long, keep their [`detached`](Self::detached) copies.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let cluster = kafkio::testing::FakeCluster::builder().topic("orders", 1).start().await?;
/// # let client = cluster.client().connect().await?;
/// # client.writer().topic("orders").build().await?.send(kafkio::Record::new("12.50").key("7")).await?.await?;
/// # let mut reader = client.reader().topic("orders").build().await?;
/// use futures::StreamExt;
///
/// if let Some(message) = reader.next().await {
///     let message = message?;
///     println!("{}[{}]@{}", message.topic(), message.partition(), message.offset());
///     assert_eq!(message.key(), Some(&b"7"[..]));
///     assert_eq!(message.value(), Some(&b"12.50"[..]));
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Message {
    shared: Arc<Shared>,
    entry: Entry,
}

impl Message {
    #[inline]
    pub(super) fn new(shared: Arc<Shared>, entry: Entry) -> Self {
        Self { shared, entry }
    }

    /// The topic it was read from.
    #[inline]
    pub fn topic(&self) -> &str {
        &self.shared.topic
    }

    /// The partition it was read from.
    #[inline]
    pub fn partition(&self) -> i32 {
        self.shared.partition
    }

    /// Its offset in the partition.
    #[inline]
    pub fn offset(&self) -> i64 {
        self.shared.offset(&self.entry)
    }

    /// When it was written; -1 if that is not known. [`timestamp_type`](Self::timestamp_type)
    /// says whose clock it is.
    #[inline]
    pub fn timestamp(&self) -> Timestamp {
        Timestamp::from_millis(self.entry.timestamp)
    }

    /// Who set the timestamp.
    #[inline]
    pub fn timestamp_type(&self) -> TimestampType {
        self.shared.timestamp_type
    }

    /// The epoch of the leader that wrote the message; `None` before Kafka 0.11.
    #[inline]
    pub fn leader_epoch(&self) -> Option<i32> {
        self.shared.leader_epoch()
    }

    /// The key; `None` is null.
    #[inline]
    pub fn key(&self) -> Option<&[u8]> {
        self.entry.key.of(&self.shared.bytes)
    }

    /// The value; `None` is null, a tombstone in compacted topics.
    #[inline]
    pub fn value(&self) -> Option<&[u8]> {
        self.entry.value.of(&self.shared.bytes)
    }

    /// The key, without a copy: keeps the batch in memory as the message does.
    pub fn key_bytes(&self) -> Option<Bytes> {
        self.key().map(|key| self.shared.bytes.slice_ref(key))
    }

    /// The value, without a copy: keeps the batch in memory as the message does.
    pub fn value_bytes(&self) -> Option<Bytes> {
        self.value().map(|value| self.shared.bytes.slice_ref(value))
    }

    /// The headers, in order, duplicates kept. They share the bytes of the batch. Empty before
    /// Kafka 0.11.
    pub fn headers(&self) -> impl ExactSizeIterator<Item = Header> + '_ {
        self.shared.headers(&self.entry)
    }

    /// Key, value, headers and timestamp as a record to write, without a copy. Topic and partition
    /// are left to the writer.
    pub fn to_record(&self) -> Record {
        Record {
            key: self.key_bytes(),
            value: self.value_bytes(),
            headers: self.headers().collect(),
            timestamp: Some(self.timestamp()).filter(|at| at.as_millis() >= 0),
            ..Record::default()
        }
    }

    /// A copy with bytes of its own: it does not keep the batch in memory.
    #[must_use]
    pub fn detached(&self) -> Self {
        let Self { shared, entry } = self;
        let parts = [entry.key, entry.value, entry.headers].map(|span| span.of(&shared.bytes));
        let mut bytes =
            BytesMut::with_capacity(parts.iter().flatten().map(|part| part.len()).sum());
        let [key, value, headers] = parts
            .map(|part| {
                let start = bytes.len();
                bytes.put_slice(part?);
                Some(Span::new(start, bytes.len()))
            })
            .map(|span| span.unwrap_or(Span::NULL));
        let entry = Entry { key, value, headers, ..*entry };
        let shared = Shared { bytes: bytes.freeze(), topic: shared.topic.clone(), ..**shared };
        Self { shared: Arc::new(shared), entry }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        describe(f, &self.shared, &self.entry)
    }
}
