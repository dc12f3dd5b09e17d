//! One partition over one connection: where one is, what is there, reading and writing.

use std::pin::Pin;
use std::sync::Arc;

use futures::future::try_join;

use super::fetch::{Buffer, Fetch};
use super::produce::Produce;
use super::{Conn, Fetched, ReadBatch, Written};
use crate::cluster::{EARLIEST, LATEST, check_duration};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::messages::fetch::FetchRequest;
use crate::protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
};
use crate::protocol::messages::produce::ProduceRequest;
use crate::protocol::{ApiKey, ErrorCode};
use crate::record::{Compression, Message, Record};
use crate::transport::Answer;
use crate::types::{Acks, IsolationLevel, Start, Timestamp, TopicPartition};
use crate::wire::Uuid;

/// One partition, over a connection to its leader.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> kafkio::Result<()> {
/// # let cluster = kafkio::testing::FakeCluster::builder().topic("orders", 1).start().await.unwrap();
/// # let address = cluster.bootstrap().remove(0);
/// use kafkio::{Conn, Record, Start};
///
/// let mut conn = Conn::dial_leader(&address, "orders", 0).await?;
/// let written = conn.write_messages(["a", "b", "c"].map(Record::new)).await?;
/// assert_eq!(written.offset(2), Some(2));
///
/// conn.seek(Start::Offset(1)).await?;
/// let fetched = conn.read_batch(1, 1_000_000).await?;
/// for message in fetched.messages() {
///     let message = message?;
///     println!("{}: {:?}", message.offset(), message.value());
/// }
/// assert_eq!(conn.offset(), Some(3));
/// # Ok(()) }
/// ```
///
/// It stays with its broker: when another becomes the leader, reading and writing fail with
/// [`NOT_LEADER_OR_FOLLOWER`](ErrorCode::NOT_LEADER_OR_FOLLOWER), and the error names the new
/// leader where the broker does; [`Conn::leader`] finds it in any case.
///
/// A broker answers one request of a connection after the other, so that a write behind a fetch
/// that waits for data waits too, for up to [`ReadBatch::max_wait`]. Dial twice to read and write
/// at the same time.
///
/// # Errors
///
/// Of every call: those of [`Conn`].
///
/// # Cancel safety
///
/// Dropping the future of a read loses nothing: the position moves only when data is returned,
/// and a fetch under way is taken up by the next read at the same position, so that reading under
/// a short timeout makes progress.
#[derive(Debug)]
pub struct PartitionConn {
    conn: Conn,
    at: TopicPartition,
    topic_id: Uuid,
    acks: Acks,
    /// `None` until it is known: the oldest record.
    position: Option<i64>,
    /// What [`read_message`](Self::read_message) has fetched ahead.
    buffer: Option<Buffer>,
    /// The question where to begin, and the fetch, that have been sent. They stay here when the
    /// read that waits for them is dropped, so that the next one need not ask again.
    first: Option<Pin<Box<Answer<ListOffsetsRequest>>>>,
    pending: Option<Pending>,
}

/// A fetch that has been sent.
#[derive(Debug)]
struct Pending {
    fetch: Fetch,
    answer: Pin<Box<Answer<FetchRequest>>>,
}

impl PartitionConn {
    pub(super) fn new(conn: Conn, topic: Arc<str>, partition: i32, topic_id: Uuid) -> Self {
        Self {
            conn,
            at: TopicPartition::new(topic, partition),
            topic_id,
            acks: Acks::All,
            position: None,
            buffer: None,
            first: None,
            pending: None,
        }
    }

    /// The connection beneath, for everything that is not about this partition.
    pub fn conn(&self) -> &Conn {
        &self.conn
    }

    /// The name of the topic.
    pub fn topic(&self) -> &str {
        &self.at.topic
    }

    /// The number of the partition.
    pub fn partition(&self) -> i32 {
        self.at.partition
    }

    /// Closes the connection if this is the last handle to it, as dropping it does.
    pub fn close(self) {
        drop(self);
    }

    /// The oldest offset that is still there.
    ///
    /// # Errors
    ///
    /// See [`PartitionConn`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the answer.
    pub async fn read_first_offset(&self) -> Result<i64> {
        self.end_of_log(EARLIEST).await
    }

    /// The offset of the next record to be written. With [`IsolationLevel::ReadCommitted`], that
    /// of the first record of a transaction that is still open, if there is one.
    ///
    /// # Errors
    ///
    /// See [`PartitionConn`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the answer.
    pub async fn read_last_offset(&self) -> Result<i64> {
        self.end_of_log(LATEST).await
    }

    /// First and last offset.
    ///
    /// # Errors
    ///
    /// See [`PartitionConn`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the answers.
    pub async fn read_offsets(&self) -> Result<(i64, i64)> {
        try_join(self.read_first_offset(), self.read_last_offset()).await
    }

    /// The offset of the first record that is not older than this; `None` if there is none.
    ///
    /// # Errors
    ///
    /// See [`PartitionConn`]. Topics with message format 0 keep no times:
    /// `UNSUPPORTED_FOR_MESSAGE_FORMAT`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the answer.
    pub async fn read_offset(&self, at: impl Into<Timestamp> + Send) -> Result<Option<i64>> {
        let millis = at.into().as_millis();
        if millis < 0 {
            return Err(Error::config("read_offset: the time is before 1970"));
        }
        self.list_offset(millis).await
    }

    /// The offset of the next message to be read; `None` before the first
    /// [`seek`](Self::seek) or read has looked it up.
    pub fn offset(&self) -> Option<i64> {
        self.position
    }

    /// Goes on reading from there, and returns the offset. Without a seek, reading begins at the
    /// oldest record.
    ///
    /// # Errors
    ///
    /// `OFFSET_OUT_OF_RANGE` for a [`Start::Offset`] that is not in the log, a negative offset or
    /// distance, and see [`PartitionConn`]; the position is then what it was.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the position as it was.
    pub async fn seek(&mut self, start: Start) -> Result<i64> {
        let offset = self.resolve(start).await?;
        if let Start::Offset(offset) = start {
            let (first, last) = self.read_offsets().await?;
            if !(first..=last).contains(&offset) {
                let text = format!("seek in {} to {offset}: it has {first} to {last}", self.at);
                return Err(Error::broker(ErrorCode::OFFSET_OUT_OF_RANGE, text));
            }
        }
        self.set_offset(offset);
        Ok(offset)
    }

    /// Goes on reading from this offset, without asking whether it is there.
    pub fn set_offset(&mut self, offset: i64) {
        self.position = Some(offset);
        self.buffer = None;
    }

    /// Reads by one fetch, answered as soon as there are `min_bytes`, or after 500 ms; with about
    /// `max_bytes` at most. See [`ReadBatch`].
    ///
    /// # Errors
    ///
    /// `OFFSET_OUT_OF_RANGE` when the position is not in the log, [`ErrorKind::Record`] when
    /// damaged bytes are there, [`ErrorKind::TooLarge`] when a broker cannot send the batch in
    /// `max_bytes`; and see [`PartitionConn`]. The position is then what it was.
    ///
    /// # Cancel safety
    ///
    /// Loses nothing: see [`PartitionConn`].
    pub async fn read_batch(&mut self, min_bytes: u32, max_bytes: u32) -> Result<Fetched> {
        self.read_batch_with(ReadBatch::new(min_bytes, max_bytes)).await
    }

    /// Reads by one fetch; it may be empty. The position is behind it when it is returned.
    ///
    /// What [`read_message`](Self::read_message) fetched and did not return is fetched again.
    ///
    /// # Errors
    ///
    /// See [`read_batch`](Self::read_batch).
    ///
    /// # Cancel safety
    ///
    /// Loses nothing: see [`PartitionConn`].
    pub async fn read_batch_with(&mut self, config: ReadBatch) -> Result<Fetched> {
        check_duration("max_wait", config.max_wait)?;
        self.buffer = None;
        let fetched = self.fetch(config).await?;
        self.position = Some(fetched.next_offset());
        Ok(fetched)
    }

    /// Waits for the next message. Fetches up to 1 MiB at a time, and keeps the rest for the next
    /// calls.
    ///
    /// # Errors
    ///
    /// See [`read_batch`](Self::read_batch). After an error the same message is tried again, until
    /// [`set_offset`](Self::set_offset).
    ///
    /// # Cancel safety
    ///
    /// Loses nothing: see [`PartitionConn`].
    pub async fn read_message(&mut self) -> Result<Message> {
        loop {
            if let Some(buffer) = &mut self.buffer {
                match buffer.next() {
                    Some(Ok(message)) => {
                        self.position = Some(message.offset().saturating_add(1));
                        return Ok(message);
                    }
                    Some(Err(error)) => {
                        self.buffer = None;
                        return Err(error);
                    }
                    // Behind the last message there may have been markers and such.
                    None => {
                        self.position = Some(buffer.end());
                        self.buffer = None;
                    }
                }
            }
            let fetched = self.fetch(ReadBatch::default()).await?;
            self.buffer = Some(Buffer::new(fetched));
        }
    }

    /// How many brokers must have what is written from now on (property `acks`). Default:
    /// [`Acks::All`].
    pub fn set_required_acks(&mut self, acks: Acks) {
        self.acks = acks;
    }

    /// Writes these records as one batch, uncompressed; all of them or none.
    ///
    /// A record without a timestamp gets the current time. One that names another topic or
    /// partition is an error.
    ///
    /// # Errors
    ///
    /// What the broker says against the batch, and see [`PartitionConn`]. Unless it
    /// [is ambiguous](Error::is_ambiguous), nothing was written. Nothing is sent twice, and there
    /// is no producer id: whoever writes again after an ambiguous error may write twice.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future recalls nothing that was sent: the records may be written.
    pub async fn write_messages(
        &self,
        records: impl IntoIterator<Item = Record> + Send,
    ) -> Result<Written> {
        self.write_compressed(records, Compression::none()).await
    }

    /// Writes these records as one batch, compressed.
    ///
    /// # Errors
    ///
    /// See [`write_messages`](Self::write_messages); or the broker does not know the compression.
    ///
    /// # Cancel safety
    ///
    /// See [`write_messages`](Self::write_messages).
    pub async fn write_compressed(
        &self,
        records: impl IntoIterator<Item = Record> + Send,
        compression: Compression,
    ) -> Result<Written> {
        let produce = Produce {
            at: self.at.clone(),
            topic_id: self.topic_id,
            acks: self.acks,
            timeout_ms: self.conn.broker_timeout(),
        };
        let version = produce.version(self.conn.version::<ProduceRequest>()?);
        let mut records = records.into_iter().peekable();
        if records.peek().is_none() {
            return Ok(Produce::unanswered(0));
        }
        let encoded = produce.encode(records, compression, Timestamp::now(), version)?;
        self.produce(produce, encoded.bytes, encoded.count, version).await
    }

    async fn produce(
        &self,
        produce: Produce,
        bytes: bytes::Bytes,
        count: usize,
        version: i16,
    ) -> Result<Written> {
        let request = produce.request(bytes);
        let connection = &self.conn.inner.connection;
        let sent = async {
            if produce.acks == Acks::None {
                connection.send_only(version, &request).await?;
                return Ok(None);
            }
            let timeout = self.conn.inner.settings.cluster.request_timeout;
            connection.start_at(version, &request, timeout).await?.await.map(Some)
        };
        match sent.await {
            Ok(Some(response)) => produce.read(response, count, &self.conn.name()),
            Ok(None) => Ok(Produce::unanswered(count)),
            Err(error) => {
                let unsent = error.is_unsent();
                let error = self.conn.failed(ApiKey::PRODUCE, error);
                Err(if unsent { error } else { error.ambiguous() })
            }
        }
    }

    /// One fetch at the position, which does not move.
    async fn fetch(&mut self, config: ReadBatch) -> Result<Fetched> {
        let offset = match self.position {
            Some(offset) => offset,
            None => self.begin().await?,
        };
        let pending = match &mut self.pending {
            Some(pending) if pending.fetch.offset == offset && pending.fetch.config == config => {
                pending
            }
            slot => {
                let settings = &self.conn.inner.settings;
                let fetch = Fetch {
                    at: self.at.clone(),
                    topic_id: self.topic_id,
                    offset,
                    config,
                    isolation: config.isolation.unwrap_or(settings.isolation),
                    max_decoded: settings.cluster.max_frame_size,
                };
                let version = fetch.version(self.conn.version::<FetchRequest>()?);
                let timeout = settings.cluster.request_timeout.saturating_add(config.max_wait);
                let connection = &self.conn.inner.connection;
                let answer = connection.start_at(version, &fetch.request(), timeout).await;
                let answer = answer.map_err(|error| self.conn.failed(ApiKey::FETCH, error))?;
                slot.insert(Pending { fetch, answer: Box::pin(answer) })
            }
        };
        let response = pending.answer.as_mut().await;
        let Some(Pending { fetch, .. }) = self.pending.take() else {
            return Err(Error::new(ErrorKind::Internal, "fetch: taken twice"));
        };
        let response = response.map_err(|error| self.conn.failed(ApiKey::FETCH, error))?;
        fetch.read(response, &self.conn.name())
    }

    /// Sets the position to the oldest record.
    async fn begin(&mut self) -> Result<i64> {
        let failed = |error| self.conn.failed(ApiKey::LIST_OFFSETS, error);
        let answer = match &mut self.first {
            Some(answer) => answer,
            slot => {
                let version = self.conn.version::<ListOffsetsRequest>()?;
                let request = list_offset_request(&self.conn, &self.at, EARLIEST, version);
                let timeout = self.conn.inner.settings.cluster.request_timeout;
                let connection = &self.conn.inner.connection;
                let answer = connection.start_at(version, &request, timeout).await;
                slot.insert(Box::pin(answer.map_err(failed)?))
            }
        };
        let response = answer.as_mut().await;
        self.first = None;
        let offset = self.read_list_offset(response.map_err(failed)?)?;
        let offset = offset.ok_or_else(|| self.no_end())?;
        self.position = Some(offset);
        Ok(offset)
    }

    async fn resolve(&self, start: Start) -> Result<i64> {
        if let Some(fault) = start.fault() {
            return Err(Error::config(format!("seek: {fault}")));
        }
        match start {
            Start::Offset(offset) => Ok(offset),
            Start::Earliest => self.read_first_offset().await,
            Start::Latest => self.read_last_offset().await,
            Start::AfterEarliest(distance) => {
                let (first, last) = self.read_offsets().await?;
                Ok(first.saturating_add(distance).min(last))
            }
            Start::BeforeLatest(distance) => {
                let (first, last) = self.read_offsets().await?;
                Ok((last - distance).max(first))
            }
            Start::Timestamp(at) => self.resolve_time(at).await,
            Start::Ago(time) => self.resolve_time(Timestamp::ago(time)).await,
        }
    }

    async fn resolve_time(&self, at: Timestamp) -> Result<i64> {
        match self.read_offset(at).await? {
            Some(offset) => Ok(offset),
            None => self.read_last_offset().await,
        }
    }

    async fn end_of_log(&self, which: i64) -> Result<i64> {
        self.list_offset(which).await?.ok_or_else(|| self.no_end())
    }

    fn no_end(&self) -> Error {
        let text = format!("list offsets: {} has no ends", self.at);
        Error::new(ErrorKind::Protocol, text)
    }

    async fn list_offset(&self, timestamp: i64) -> Result<Option<i64>> {
        let request = |version| list_offset_request(&self.conn, &self.at, timestamp, version);
        self.read_list_offset(self.conn.call(request).await?)
    }

    fn read_list_offset(&self, response: ListOffsetsResponse) -> Result<Option<i64>> {
        read_list_offset(response, &self.at, &self.conn.name())
    }
}

fn list_offset_request(
    conn: &Conn,
    at: &TopicPartition,
    timestamp: i64,
    version: i16,
) -> ListOffsetsRequest {
    let isolation = conn.inner.settings.isolation;
    ListOffsetsRequest {
        replica_id: -1,
        isolation_level: i8::from(version >= 2 && isolation == IsolationLevel::ReadCommitted),
        topics: vec![ListOffsetsTopic {
            name: at.topic.to_string(),
            partitions: vec![ListOffsetsPartition {
                partition_index: at.partition,
                timestamp,
                ..Default::default()
            }],
            ..Default::default()
        }],
        timeout_ms: conn.broker_timeout(),
        ..Default::default()
    }
}

fn read_list_offset(
    response: ListOffsetsResponse,
    at: &TopicPartition,
    broker: &str,
) -> Result<Option<i64>> {
    let answer = response
        .topics
        .into_iter()
        .filter(|topic| topic.name == *at.topic)
        .flat_map(|topic| topic.partitions)
        .find(|partition| partition.partition_index == at.partition);
    let Some(answer) = answer else {
        let text = format!("list offsets: {broker} did not answer for {at}");
        return Err(Error::new(ErrorKind::Protocol, text));
    };
    ErrorCode(answer.error_code).check().map_err(|code| {
        let hint = super::leader_hint(code, -1);
        Error::broker(code, format!("list offsets of {at} at {broker}{hint}"))
    })?;
    // Version 0 answers with a list of offsets.
    let offset = answer.old_style_offsets.first().copied().unwrap_or(answer.offset);
    Ok(Some(offset).filter(|offset| *offset >= 0))
}
