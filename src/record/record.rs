//! Records to write, and headers. Knows nothing about how they are encoded.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use super::Message;
use crate::types::Timestamp;

/// A record to write.
///
/// Everything but the value is optional. Whatever becomes [`Bytes`] can be a key or a value:
/// string literals and `Vec<u8>`, `String` and `Bytes` are taken as they are, without a copy.
///
/// ```
/// use kafkio::Record;
///
/// let record = Record::new("12.50 EUR").key("order-7").header("currency", "EUR");
/// # let _ = record;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    pub(crate) topic: Option<Arc<str>>,
    pub(crate) partition: Option<i32>,
    pub(crate) key: Option<Bytes>,
    pub(crate) value: Option<Bytes>,
    pub(crate) headers: Vec<Header>,
    pub(crate) timestamp: Option<Timestamp>,
}

impl Record {
    /// A record with this value and no key.
    pub fn new(value: impl Into<Bytes>) -> Self {
        Self { value: Some(value.into()), ..Self::default() }
    }

    /// A record with this key and no value: a compacted topic forgets the key's older records.
    pub fn tombstone(key: impl Into<Bytes>) -> Self {
        Self { key: Some(key.into()), ..Self::default() }
    }

    /// Sets the key. Records with the same key go to the same partition, unless the partition is
    /// set or the writer's partitioner decides otherwise.
    #[must_use]
    pub fn key(mut self, key: impl Into<Bytes>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Adds a header behind those that are there. Needs brokers from Kafka 0.11 on.
    #[must_use]
    pub fn header(mut self, key: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        self.headers.push(Header::new(key, value));
        self
    }

    /// Replaces all headers.
    ///
    /// ```
    /// # use kafkio::Record;
    /// let record = Record::new("v").headers([("trace", "1f"), ("trace", "2e")]);
    /// # assert_eq!(record, Record::new("v").header("trace", "1f").header("trace", "2e"));
    /// ```
    #[must_use]
    pub fn headers<H: Into<Header>>(mut self, headers: impl IntoIterator<Item = H>) -> Self {
        self.headers = headers.into_iter().map(Into::into).collect();
        self
    }

    /// The headers, to be looked at and changed in place.
    pub fn headers_mut(&mut self) -> &mut Vec<Header> {
        &mut self.headers
    }

    /// The topic that it names.
    pub fn topic_name(&self) -> Option<&str> {
        self.topic.as_deref()
    }

    /// The key, shared instead of copied when it is cloned.
    pub fn key_bytes(&self) -> Option<&Bytes> {
        self.key.as_ref()
    }

    /// The value, shared instead of copied when it is cloned.
    pub fn value_bytes(&self) -> Option<&Bytes> {
        self.value.as_ref()
    }

    /// Names the topic, for a writer that has none of its own.
    #[must_use]
    pub fn topic(mut self, topic: impl Into<Arc<str>>) -> Self {
        self.topic = Some(topic.into());
        self
    }

    /// Chooses the partition, in place of the writer's partitioner.
    #[must_use]
    pub fn partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// Sets the time of the record. Default: when the writer accepts it. Topics with
    /// `message.timestamp.type=LogAppendTime` replace it by the broker's time.
    #[must_use]
    pub fn timestamp(mut self, at: impl Into<Timestamp>) -> Self {
        self.timestamp = Some(at.into());
        self
    }
}

/// The same as [`Message::to_record`], for `reader.map_ok(Record::from).forward(writer)`.
macro_rules! from_value {
    ($($value:ty),*) => {$(
        /// A record with this value and no key.
        impl From<$value> for Record {
            fn from(value: $value) -> Self {
                Self::new(value)
            }
        }
    )*};
}

from_value!(Bytes, Vec<u8>, String, &'static [u8], &'static str);

impl From<Message> for Record {
    fn from(message: Message) -> Self {
        message.to_record()
    }
}

/// One header of a record: a name and a value. Names may repeat, and keep their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    key: Bytes,
    value: Option<Bytes>,
}

impl Header {
    /// A header with a value.
    pub fn new(key: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        Self { key: key.into(), value: Some(value.into()) }
    }

    /// A header whose value is null, which is not the same as empty.
    pub fn null(key: impl Into<Bytes>) -> Self {
        Self { key: key.into(), value: None }
    }

    /// The name; where it is not UTF-8, with replacement characters.
    pub fn key(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.key)
    }

    /// The name as it is.
    pub fn key_bytes(&self) -> &Bytes {
        &self.key
    }

    /// The value; `None` is null.
    pub fn value(&self) -> Option<&[u8]> {
        self.value.as_deref()
    }

    /// The value, shared instead of copied when it is cloned.
    pub fn value_bytes(&self) -> Option<&Bytes> {
        self.value.as_ref()
    }
}

/// A name and a value.
impl<K: Into<Bytes>, V: Into<Bytes>> From<(K, V)> for Header {
    fn from((key, value): (K, V)) -> Self {
        Self::new(key, value)
    }
}
