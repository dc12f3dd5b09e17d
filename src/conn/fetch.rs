//! One fetch of one partition: the request in every version, and what its answer holds. No I/O.

use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::ErrorCode;
use crate::protocol::messages::fetch::{
    FetchPartition, FetchRequest, FetchResponse, FetchTopic, PartitionData,
};
use crate::record::{Batch, Filter, Message, Messages, RawBatch, RawBatches, RecordError};
use crate::types::{IsolationLevel, TopicPartition};
use crate::wire::Uuid;

/// How one fetch is to be answered: see
/// [`PartitionConn::read_batch_with`](super::PartitionConn::read_batch_with).
///
/// ```
/// use std::time::Duration;
/// use kafkio::{IsolationLevel, ReadBatch};
///
/// let config = ReadBatch::new(10_000, 1_000_000)
///     .max_wait(Duration::from_millis(100))
///     .isolation(IsolationLevel::ReadCommitted);
/// # let _ = config;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "it is for `read_batch_with`"]
pub struct ReadBatch {
    min_bytes: u32,
    max_bytes: u32,
    pub(super) max_wait: Duration,
    pub(super) isolation: Option<IsolationLevel>,
}

impl ReadBatch {
    /// Answered as soon as there are `min_bytes` (property `fetch.min.bytes`), with at most
    /// `max_bytes` (property `fetch.max.bytes`). A single larger batch still comes from Kafka
    /// 0.10.1 on, so that reading can go on.
    pub fn new(min_bytes: u32, max_bytes: u32) -> Self {
        Self { min_bytes, max_bytes, ..Self::default() }
    }

    /// How long the broker may wait for `min_bytes` (property `fetch.max.wait.ms`); later calls on
    /// the same connection wait as long. Default: 500 ms.
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    /// Which records of transactions are read (property `isolation.level`). Default: that of the
    /// connection.
    pub fn isolation(mut self, isolation: IsolationLevel) -> Self {
        self.isolation = Some(isolation);
        self
    }
}

/// From 1 byte to 1 MiB, within 500 ms.
impl Default for ReadBatch {
    fn default() -> Self {
        let max_wait = Duration::from_millis(500);
        Self { min_bytes: 1, max_bytes: 1 << 20, max_wait, isolation: None }
    }
}

/// What one fetch brought: see
/// [`PartitionConn::read_batch`](super::PartitionConn::read_batch).
///
/// It owns its bytes: keep it as long as it is of use, the connection does not wait for it.
#[derive(Clone, Debug)]
pub struct Fetched {
    batches: Vec<RawBatch>,
    at: TopicPartition,
    max_decoded: usize,
    offset: i64,
    next_offset: i64,
    high_watermark: i64,
    log_start_offset: Option<i64>,
    throttle: Duration,
}

impl Fetched {
    /// The offset that was asked for.
    pub fn offset(&self) -> i64 {
        self.offset
    }

    /// The offset behind all that is in here: what markers and aborted transactions took up
    /// counts too.
    pub fn next_offset(&self) -> i64 {
        self.next_offset
    }

    /// The offset behind the newest record that all in-sync copies have.
    pub fn high_watermark(&self) -> i64 {
        self.high_watermark
    }

    /// The oldest offset that is still there, from Kafka 1.0 on.
    pub fn log_start_offset(&self) -> Option<i64> {
        self.log_start_offset
    }

    /// How long the broker held the answer back, because of a quota.
    pub fn throttle_time(&self) -> Duration {
        self.throttle
    }

    /// Whether there is no batch in it: nothing was written in time, or nothing for applications.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// The batches, as they were written, each decompressed when the iterator comes to it. The
    /// first may begin before [`offset`](Self::offset). One that cannot be read is an error; the
    /// position of the connection is behind it all the same.
    pub fn batches(&self) -> impl Iterator<Item = Result<Batch>> + Send + '_ {
        self.batches.iter().map(|raw| decode(raw.clone(), &self.at, self.max_decoded))
    }

    /// The messages from [`offset`](Self::offset) on, decoded as the iterator comes to them.
    pub fn messages(&self) -> impl Iterator<Item = Result<Message>> + Send + use<> {
        Buffer::new(self.clone())
    }
}

fn decode(raw: RawBatch, at: &TopicPartition, max_decoded: usize) -> Result<Batch> {
    let offset = raw.base_offset();
    let batch = raw.verify().and_then(|()| raw.decode(&at.topic, at.partition, max_decoded));
    batch.map_err(|error| unreadable(at, offset, error))
}

fn unreadable(at: &TopicPartition, offset: i64, error: RecordError) -> Error {
    let text = format!("batch of {at} at offset {offset} cannot be read");
    Error::new(ErrorKind::Record, text).with_source(error)
}

/// Fetched messages that wait to be handed out one by one.
#[derive(Debug)]
pub(super) struct Buffer {
    batches: std::vec::IntoIter<RawBatch>,
    current: Option<(i64, Messages)>,
    at: TopicPartition,
    max_decoded: usize,
    offset: i64,
    end: i64,
}

impl Buffer {
    pub(super) fn new(fetched: Fetched) -> Self {
        Self {
            batches: fetched.batches.into_iter(),
            current: None,
            at: fetched.at,
            max_decoded: fetched.max_decoded,
            offset: fetched.offset,
            end: fetched.next_offset,
        }
    }

    /// The offset behind all that was fetched.
    pub(super) fn end(&self) -> i64 {
        self.end
    }
}

/// Ends with the first error.
impl Iterator for Buffer {
    type Item = Result<Message>;

    fn next(&mut self) -> Option<Result<Message>> {
        loop {
            if let Some((base, messages)) = &mut self.current {
                match messages.next() {
                    Some(Ok(message)) => return Some(Ok(message)),
                    Some(Err(error)) => {
                        let error = unreadable(&self.at, *base, error);
                        self.current = None;
                        self.batches = Vec::new().into_iter();
                        return Some(Err(error));
                    }
                    None => self.current = None,
                }
            }
            let raw = self.batches.next()?;
            let base = raw.base_offset();
            match decode(raw, &self.at, self.max_decoded) {
                Ok(batch) => self.current = Some((base, batch.messages_from(self.offset))),
                Err(error) => {
                    self.batches = Vec::new().into_iter();
                    return Some(Err(error));
                }
            }
        }
    }
}

/// One fetch, for the version in use.
#[derive(Clone, Debug)]
pub(super) struct Fetch {
    pub(super) at: TopicPartition,
    pub(super) topic_id: Uuid,
    pub(super) offset: i64,
    pub(super) config: ReadBatch,
    pub(super) isolation: IsolationLevel,
    /// The most that a batch may be when decompressed.
    pub(super) max_decoded: usize,
}

impl Fetch {
    /// The version to use when both sides know `version`: a topic without an id has to be named.
    pub(super) fn version(&self, version: i16) -> i16 {
        if self.topic_id.is_nil() { version.min(FetchRequest::LAST_BY_NAME) } else { version }
    }

    pub(super) fn request(&self) -> FetchRequest {
        let int = |bytes| i32::try_from(bytes).unwrap_or(i32::MAX);
        let max_wait = self.config.max_wait.as_millis();
        FetchRequest {
            max_wait_ms: i32::try_from(max_wait).unwrap_or(i32::MAX),
            min_bytes: int(self.config.min_bytes),
            max_bytes: int(self.config.max_bytes),
            isolation_level: i8::from(self.isolation == IsolationLevel::ReadCommitted),
            topics: vec![FetchTopic {
                topic: self.at.topic.to_string(),
                topic_id: self.topic_id,
                partitions: vec![FetchPartition {
                    partition: self.at.partition,
                    fetch_offset: self.offset,
                    partition_max_bytes: int(self.config.max_bytes),
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        }
    }

    /// Takes the answer apart; `broker` is whose it is.
    pub(super) fn read(&self, response: FetchResponse, broker: &str) -> Result<Fetched> {
        let failed = |code: ErrorCode, hint: &str| {
            let text = format!("fetch from {} at {broker}, offset {}{hint}", self.at, self.offset);
            Error::broker(code, text)
        };
        ErrorCode(response.error_code).check().map_err(|code| failed(code, ""))?;
        let throttle = u64::try_from(response.throttle_time_ms).unwrap_or_default();
        let data = response
            .responses
            .into_iter()
            .filter(|topic| self.is_topic(&topic.topic, topic.topic_id))
            .flat_map(|topic| topic.partitions)
            .find(|data| data.partition_index == self.at.partition);
        let Some(data) = data else {
            let text = format!("fetch: {broker} did not answer for {}", self.at);
            return Err(Error::new(ErrorKind::Protocol, text));
        };
        ErrorCode(data.error_code).check().map_err(|code| {
            failed(code, &super::leader_hint(code, data.current_leader.leader_id))
        })?;
        let mut fetched = Fetched {
            batches: Vec::new(),
            at: self.at.clone(),
            max_decoded: self.max_decoded,
            offset: self.offset,
            next_offset: self.offset,
            high_watermark: data.high_watermark,
            log_start_offset: Some(data.log_start_offset).filter(|offset| *offset >= 0),
            throttle: Duration::from_millis(throttle),
        };
        self.walk(data, &mut fetched)?;
        Ok(fetched)
    }

    fn is_topic(&self, name: &str, id: Uuid) -> bool {
        if id.is_nil() { name == &*self.at.topic } else { id == self.topic_id }
    }

    /// Picks the batches that hold records for the application. Stops before bytes that are no
    /// batch: they are an error when nothing comes before them.
    fn walk(&self, data: PartitionData, fetched: &mut Fetched) -> Result<()> {
        let mut filter = Filter::new(data.aborted_transactions);
        let records = data.records.unwrap_or_default();
        let received = records.len();
        for raw in RawBatches::new(records) {
            match raw {
                // A compacted or repeated batch may end before what was asked for.
                Ok(raw) if raw.next_offset() <= fetched.next_offset => {}
                Ok(raw) => {
                    fetched.next_offset = raw.next_offset();
                    if filter.keeps(&raw) {
                        fetched.batches.push(raw);
                    }
                }
                Err(_) if fetched.next_offset > self.offset => return Ok(()),
                Err(error) => return Err(unreadable(&self.at, self.offset, error)),
            }
        }
        // Before Fetch version 3 a batch is cut off where `max_bytes` ends.
        if received > 0 && fetched.next_offset == self.offset {
            let (at, offset, max) = (&self.at, self.offset, self.config.max_bytes);
            let text = format!("batch of {at} at offset {offset}: larger than {max} bytes");
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::{Bytes, BytesMut};

    use super::*;
    use crate::protocol::Request;
    use crate::protocol::messages::fetch::{FetchableTopicResponse, LeaderIdAndEpoch};
    use crate::record::{BatchEncoder, Compression, ProducerState, Record};
    use crate::types::Timestamp;

    fn fetch(offset: i64) -> Fetch {
        Fetch {
            at: TopicPartition::new("t", 3),
            topic_id: Uuid::default(),
            offset,
            config: ReadBatch::new(1, 500),
            isolation: IsolationLevel::ReadUncommitted,
            max_decoded: 1 << 20,
        }
    }

    /// A batch of these values, the first at `base`.
    fn batch(base: i64, values: &[&'static str]) -> Bytes {
        let mut encoder = BatchEncoder::new(BytesMut::new());
        for value in values {
            encoder.append(&Record::new(*value), Timestamp::from_millis(7));
        }
        let bytes = encoder.finish(Compression::none(), ProducerState::NONE).unwrap();
        // The checksum leaves the base offset out.
        [&base.to_be_bytes()[..], &bytes[8..]].concat().into()
    }

    fn answer(partition: PartitionData) -> FetchResponse {
        FetchResponse {
            responses: vec![FetchableTopicResponse {
                topic: "t".to_owned(),
                partitions: vec![PartitionData { partition_index: 3, ..partition }],
                ..Default::default()
            }],
            ..Default::default()
        }
    }

    fn records(records: impl Into<Bytes>) -> FetchResponse {
        let records = Some(records.into());
        answer(PartitionData { records, high_watermark: 9, ..Default::default() })
    }

    fn values(fetched: &Fetched) -> Vec<(i64, String)> {
        let text = |message: Message| {
            let value = message.value().unwrap_or_default();
            (message.offset(), String::from_utf8_lossy(value).into_owned())
        };
        fetched.messages().map(|message| text(message.unwrap())).collect()
    }

    #[test]
    fn every_version_can_say_the_request() {
        for (id, last) in [(Uuid::default(), 12), (Uuid(7), *FetchRequest::VERSIONS.end())] {
            for number in FetchRequest::VERSIONS {
                let fetch = Fetch { topic_id: id, ..fetch(5) };
                let version = fetch.version(number);
                assert_eq!(version, number.min(last));
                let mut bytes = crate::wire::Output::default();
                fetch.request().encode_body(version, &mut bytes).unwrap();
                let named = bytes
                    .windows(4)
                    .any(|window| window == [0, 1, b't', 0] || window == [2, b't', 2, 0]);
                assert_eq!(named, version <= 12, "version {version}");
            }
        }
    }

    #[test]
    fn begins_at_the_offset_inside_of_a_batch() {
        let both = [batch(4, &["a", "b", "c"]), batch(8, &["d"])].concat();
        let fetched = fetch(5).read(records(both), "b").unwrap();
        let wanted = [(5, "b"), (6, "c"), (8, "d")].map(|(at, text)| (at, text.to_owned()));
        assert_eq!(values(&fetched), wanted);
        assert_eq!((fetched.offset(), fetched.next_offset(), fetched.high_watermark()), (5, 9, 9));
        assert_eq!(fetched.batches().map(|batch| batch.unwrap().base_offset()).sum::<i64>(), 12);

        let empty = fetch(9).read(records(Bytes::new()), "b").unwrap();
        assert!(empty.is_empty());
        assert_eq!(empty.next_offset(), 9);
    }

    #[test]
    fn what_is_cut_off_at_the_end_is_left_for_the_next_fetch() {
        let both = [batch(0, &["a"]), batch(1, &["b"])].concat();
        let cut = Bytes::copy_from_slice(&both[..both.len() - 1]);
        let fetched = fetch(0).read(records(cut.clone()), "b").unwrap();
        assert_eq!((values(&fetched).len(), fetched.next_offset()), (1, 1));

        let second = cut.slice(both.len() / 2..);
        let error = fetch(1).read(records(second), "b").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        assert_eq!(error.to_string(), "batch of t[3] at offset 1: larger than 500 bytes");
    }

    #[test]
    fn a_damaged_batch_is_an_error_after_what_precedes_it() {
        let mut both = [batch(0, &["a"]), batch(1, &["b"])].concat();
        *both.last_mut().unwrap() ^= 1;
        let fetched = fetch(0).read(records(both), "b").unwrap();
        let mut messages = fetched.messages();
        assert!(messages.next().unwrap().is_ok());
        let error = messages.next().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Record);
        assert!(error.to_string().starts_with("batch of t[3] at offset 1"), "{error}");
        assert!(messages.next().is_none());
    }

    #[test]
    fn the_new_leader_is_named() {
        let moved = |leader_id| {
            let current_leader = LeaderIdAndEpoch { leader_id, ..Default::default() };
            let answer =
                answer(PartitionData { error_code: 6, current_leader, ..Default::default() });
            fetch(5).read(answer, "broker 1").unwrap_err()
        };
        assert_eq!(moved(2).code(), Some(ErrorCode::NOT_LEADER_OR_FOLLOWER));
        assert!(moved(2).to_string().contains("broker 2 leads it now"), "{}", moved(2));
        assert!(moved(-1).to_string().contains("dial the leader again"), "{}", moved(-1));
    }

    #[test]
    fn an_answer_for_something_else_is_refused() {
        let mut other = records(batch(5, &["a"]));
        other.responses[0].topic = "u".to_owned();
        assert_eq!(fetch(5).read(other, "b").unwrap_err().kind(), ErrorKind::Protocol);
        let none = FetchResponse::default();
        assert_eq!(fetch(5).read(none, "b").unwrap_err().kind(), ErrorKind::Protocol);
    }
}
