//! One batch to one partition: the request in every version, and what its answer says. No I/O.

use bytes::{Bytes, BytesMut};

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::ErrorCode;
use crate::protocol::messages::produce::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, ProduceResponse,
    TopicProduceData,
};
use crate::record::{BatchEncoder, Compression, ProducerState, Record};
use crate::types::{Acks, Timestamp, TopicPartition};
use crate::wire::Uuid;

/// A broker ends the connection when a request is larger (`socket.request.max.bytes`, default).
const MAX_BYTES: usize = 100 << 20;

/// Where the records of one call were written: see
/// [`PartitionConn::write_messages`](super::PartitionConn::write_messages).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    base_offset: Option<i64>,
    count: usize,
    append_time: Option<Timestamp>,
}

impl Written {
    /// The offset of the first record; `None` with [`Acks::None`], or without any record.
    pub fn base_offset(&self) -> Option<i64> {
        self.base_offset
    }

    /// The offset of the record at `index`, counted in the order of the call.
    pub fn offset(&self, index: usize) -> Option<i64> {
        let delta = i64::try_from(index).ok().filter(|_| index < self.count)?;
        self.base_offset?.checked_add(delta)
    }

    /// How many records there were.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The time that the broker gave the records, if the topic has `LogAppendTime`.
    pub fn append_time(&self) -> Option<Timestamp> {
        self.append_time
    }
}

/// One write, for the version in use.
#[derive(Clone, Debug)]
pub(super) struct Produce {
    pub(super) at: TopicPartition,
    pub(super) topic_id: Uuid,
    pub(super) acks: Acks,
    /// How long the broker may wait for followers, in milliseconds.
    pub(super) timeout_ms: i32,
}

/// Records as they go out.
#[derive(Debug)]
pub(super) struct Encoded {
    pub(super) bytes: Bytes,
    pub(super) count: usize,
}

impl Produce {
    /// The version to use when both sides know `version`: a topic without an id has to be named.
    pub(super) fn version(&self, version: i16) -> i16 {
        if self.topic_id.is_nil() { version.min(ProduceRequest::LAST_BY_NAME) } else { version }
    }

    /// All records as one batch, in the format that goes with the version of the request.
    pub(super) fn encode(
        &self,
        records: impl IntoIterator<Item = Record>,
        compression: Compression,
        now: Timestamp,
        version: i16,
    ) -> Result<Encoded> {
        let failed = |kind, text: String| Error::new(kind, format!("write to {}: {text}", self.at));
        if compression.codec() == Compression::zstd().codec() && version < 7 {
            let text = "zstd needs Kafka 2.1 (KIP-110)".to_owned();
            return Err(failed(ErrorKind::Unsupported, text));
        }
        let mut batch = BatchEncoder::new(BytesMut::new());
        let mut count = 0;
        for record in records {
            self.check(&record)?;
            let timestamp = record.timestamp.unwrap_or(now);
            if batch.len().saturating_add(batch.encoded_len(&record, timestamp)) > MAX_BYTES {
                return Err(failed(ErrorKind::TooLarge, format!("more than {MAX_BYTES} bytes")));
            }
            batch.append(&record, timestamp);
            count += 1;
        }
        let bytes = match version {
            ..2 => batch.finish_legacy(0, compression),
            2 => batch.finish_legacy(1, compression),
            3.. => batch.finish(compression, ProducerState::NONE),
        };
        let bytes = bytes.map_err(|error| {
            failed(ErrorKind::Record, "not encodable".to_owned()).with_source(error)
        })?;
        Ok(Encoded { bytes, count })
    }

    /// A record may name this partition, but not another one.
    fn check(&self, record: &Record) -> Result<()> {
        let at = &self.at;
        let other_topic = record.topic.as_ref().filter(|topic| **topic != at.topic);
        let other_partition = record.partition.filter(|partition| *partition != at.partition);
        if other_topic.is_none() && other_partition.is_none() {
            return Ok(());
        }
        let topic = other_topic.unwrap_or(&at.topic);
        let partition = other_partition.unwrap_or(at.partition);
        Err(Error::config(format!("write to {at}: a record is for {topic}[{partition}]")))
    }

    pub(super) fn request(&self, records: Bytes) -> ProduceRequest {
        ProduceRequest {
            acks: match self.acks {
                Acks::All => -1,
                Acks::Leader => 1,
                Acks::None => 0,
            },
            timeout_ms: self.timeout_ms,
            topic_data: vec![TopicProduceData {
                name: self.at.topic.to_string(),
                topic_id: self.topic_id,
                partition_data: vec![PartitionProduceData {
                    index: self.at.partition,
                    records: Some(records),
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        }
    }

    fn is_topic(&self, name: &str, id: Uuid) -> bool {
        if id.is_nil() { name == &*self.at.topic } else { id == self.topic_id }
    }

    /// What a call without an answer, or without records, tells.
    pub(super) fn unanswered(count: usize) -> Written {
        Written { base_offset: None, count, append_time: None }
    }

    /// Takes the answer apart; `broker` is whose it is.
    pub(super) fn read(
        &self,
        response: ProduceResponse,
        count: usize,
        broker: &str,
    ) -> Result<Written> {
        let answer = response
            .responses
            .into_iter()
            .filter(|topic| self.is_topic(&topic.name, topic.topic_id))
            .flat_map(|topic| topic.partition_responses)
            .find(|partition| partition.index == self.at.partition);
        let Some(answer) = answer else {
            let text = format!("write: {broker} did not answer for {}", self.at);
            return Err(Error::new(ErrorKind::Protocol, text).ambiguous());
        };
        let code = ErrorCode(answer.error_code);
        if code != ErrorCode::NONE {
            let hint = super::leader_hint(code, answer.current_leader.leader_id);
            let text = format!("write to {} at {broker}{hint}{}", self.at, detail(&answer));
            let error = Error::broker(code, text);
            return Err(if code.may_have_written(self.acks) { error.ambiguous() } else { error });
        }
        let known = |value: i64| Some(value).filter(|value| *value >= 0);
        Ok(Written {
            base_offset: known(answer.base_offset),
            count,
            append_time: known(answer.log_append_time_ms).map(Timestamp::from_millis),
        })
    }
}

/// What the broker says of the batch, and of the first record that it refused.
fn detail(answer: &PartitionProduceResponse) -> String {
    let batch = answer.error_message.iter().cloned();
    let record = answer.record_errors.first().map(|error| {
        let why = error.batch_index_error_message.as_deref().unwrap_or("refused");
        format!("record {}: {why}", error.batch_index)
    });
    let parts: Vec<_> = batch.chain(record).collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Request;
    use crate::protocol::messages::produce::{
        BatchIndexAndErrorMessage, LeaderIdAndEpoch, TopicProduceResponse,
    };

    fn produce(acks: Acks) -> Produce {
        let at = TopicPartition::new("t", 3);
        Produce { at, topic_id: Uuid::default(), acks, timeout_ms: 30_000 }
    }

    fn encode(record: Record, compression: Compression, version: i16) -> Result<Encoded> {
        produce(Acks::All).encode([record], compression, Timestamp::from_millis(7), version)
    }

    fn read(answer: PartitionProduceResponse) -> Result<Written> {
        let answer = PartitionProduceResponse { index: 3, ..answer };
        let topic = TopicProduceResponse {
            name: "t".to_owned(),
            partition_responses: vec![answer],
            ..Default::default()
        };
        let response = ProduceResponse { responses: vec![topic], ..Default::default() };
        produce(Acks::All).read(response, 2, "broker 1")
    }

    #[test]
    fn each_version_has_its_message_format() {
        for version in ProduceRequest::VERSIONS {
            let encoded = encode(Record::new("a"), Compression::none(), version).unwrap();
            let magic = match version {
                0 | 1 => 0,
                2 => 1,
                _ => 2,
            };
            assert_eq!(encoded.bytes[16], magic, "version {version}");
            let request = produce(Acks::Leader).request(encoded.bytes);
            assert_eq!(request.acks, 1);
            request.encode_body(version, &mut crate::wire::Output::default()).unwrap();
        }
    }

    #[test]
    fn what_an_old_broker_cannot_take_is_refused() {
        let error = encode(Record::new("a"), Compression::zstd(), 6).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(encode(Record::new("a"), Compression::zstd(), 7).is_ok());
        let error = encode(Record::new("a").header("k", "v"), Compression::none(), 2).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Record);
    }

    #[test]
    fn records_for_another_partition_are_refused() {
        let named = Record::new("a").topic("t").partition(3);
        assert!(encode(named.clone(), Compression::none(), 9).is_ok());
        for other in [named.clone().topic("u"), named.partition(4)] {
            let error = encode(other, Compression::none(), 9).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().starts_with("write to t[3]: a record is for"), "{error}");
        }
    }

    #[test]
    fn offsets_count_from_the_first() {
        let log_append_time_ms = 55;
        let answer =
            PartitionProduceResponse { base_offset: 10, log_append_time_ms, ..Default::default() };
        let written = read(answer).unwrap();
        assert_eq!([0, 1, 2].map(|at| written.offset(at)), [Some(10), Some(11), None]);
        assert_eq!(written.append_time(), Some(Timestamp::from_millis(55)));
        assert_eq!(Produce::unanswered(2).offset(0), None);
    }

    #[test]
    fn only_what_may_be_written_is_ambiguous() {
        let failed = |error_code| {
            read(PartitionProduceResponse { error_code, ..Default::default() }).unwrap_err()
        };
        assert!(failed(ErrorCode::REQUEST_TIMED_OUT.0).is_ambiguous());
        assert!(failed(ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND.0).is_ambiguous());
        assert!(failed(ErrorCode::KAFKA_STORAGE_ERROR.0).is_ambiguous());
        assert!(failed(ErrorCode::NETWORK_EXCEPTION.0).is_ambiguous());
        assert!(failed(999).is_ambiguous());
        assert!(!failed(ErrorCode::NOT_ENOUGH_REPLICAS.0).is_ambiguous());
        assert!(!failed(ErrorCode::MESSAGE_TOO_LARGE.0).is_ambiguous());
        let missing = produce(Acks::All).read(ProduceResponse::default(), 2, "broker 1");
        assert!(missing.unwrap_err().is_ambiguous());
    }

    #[test]
    fn an_error_tells_all_that_the_broker_said() {
        let error = read(PartitionProduceResponse {
            error_code: ErrorCode::NOT_LEADER_OR_FOLLOWER.0,
            error_message: Some("moved".to_owned()),
            record_errors: vec![BatchIndexAndErrorMessage { batch_index: 1, ..Default::default() }],
            current_leader: LeaderIdAndEpoch { leader_id: 2, ..Default::default() },
            ..Default::default()
        });
        let text = error.unwrap_err().to_string();
        let wanted = "write to t[3] at broker 1 (broker 2 leads it now: dial the leader again) \
                      (moved; record 1: refused): NOT_LEADER_OR_FOLLOWER";
        assert!(text.starts_with(wanted), "{text}");
    }
}
