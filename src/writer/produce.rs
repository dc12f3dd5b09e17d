//! Makes produce requests out of batches, and reads what the answers say of each. No I/O: the loop
//! in `lane.rs` sends and receives.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::error::{Error, ErrorKind};
use crate::protocol::ErrorCode;
use crate::protocol::messages::produce::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, ProduceResponse,
    TopicProduceData,
};
use crate::record::{Codec, Compression};
use crate::types::{Acks, Timestamp};
use crate::wire::Uuid;

/// From this version on the client waits when it is throttled, and not the broker (KIP-219).
const THROTTLED_BY_CLIENT: i16 = 6;
/// The first version for zstd (KIP-110).
const FIRST_WITH_ZSTD: i16 = 7;
/// From here on, what is written becomes part of the transaction by that (KIP-890).
pub(super) const FIRST_IMPLICIT: i16 = 12;

/// One batch in a request.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) topic: Arc<str>,
    pub(super) topic_id: Uuid,
    pub(super) partition: i32,
    /// How many records it has.
    pub(super) count: u32,
}

/// What became of a batch.
#[derive(Debug)]
pub(super) enum Verdict {
    Written {
        base_offset: Option<i64>,
        append_time: Option<Timestamp>,
    },
    /// To be sent again; it may have been written if the error is ambiguous.
    Retry(Error),
    /// To be sent again in parts.
    Split(Error),
    /// Not written, and never will be.
    Failed(Error),
    /// The same, because of the records that are named (KIP-467).
    Refused {
        named: BTreeMap<u32, Error>,
        others: Error,
    },
}

/// An answer, taken apart.
#[derive(Debug)]
pub(super) struct Taken {
    /// In the order of the parts.
    pub(super) verdicts: Vec<Verdict>,
    /// New leaders that the answer names: part, broker, epoch.
    pub(super) hints: Vec<(usize, i32, i32)>,
    /// Whether leaders or topics are not as we thought.
    pub(super) stale: bool,
    /// How long the broker wants to be left alone.
    pub(super) throttle: Duration,
}

/// The message format that a version of the request carries.
pub(super) fn magic(version: i16) -> u8 {
    match version {
        ..2 => 0,
        2 => 1,
        3.. => 2,
    }
}

/// Whether a broker takes batches that are compressed like this.
pub(super) fn takes(version: i16, compression: Compression) -> bool {
    compression.codec() != Codec::Zstd || version >= FIRST_WITH_ZSTD
}

/// Parts of one topic must stand together.
pub(super) fn request(
    parts: &[Part],
    records: Vec<Bytes>,
    version: i16,
    acks: Acks,
    timeout: Duration,
    transactional_id: Option<&str>,
) -> ProduceRequest {
    let mut topics: Vec<TopicProduceData> = Vec::new();
    let mut last: Option<&Arc<str>> = None;
    for (part, records) in parts.iter().zip(records) {
        if last != Some(&part.topic) {
            last = Some(&part.topic);
            let mut topic = TopicProduceData::default();
            if version <= ProduceRequest::LAST_BY_NAME {
                topic.name = part.topic.to_string();
            } else {
                topic.topic_id = part.topic_id;
            }
            topics.push(topic);
        }
        if let Some(topic) = topics.last_mut() {
            topic.partition_data.push(PartitionProduceData {
                index: part.partition,
                records: Some(records),
                ..Default::default()
            });
        }
    }
    ProduceRequest {
        transactional_id: transactional_id.map(str::to_owned),
        acks: match acks {
            Acks::All => -1,
            Acks::Leader => 1,
            Acks::None => 0,
        },
        timeout_ms: i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX),
        topic_data: topics,
        ..Default::default()
    }
}

/// Reads what an answer says of each part. What it does not mention may have been written.
pub(super) fn take(
    response: ProduceResponse,
    parts: &[Part],
    broker: i32,
    acks: Acks,
    version: i16,
) -> Taken {
    let ids: HashMap<Uuid, &str> = parts.iter().map(|part| (part.topic_id, &*part.topic)).collect();
    let index: BTreeMap<_, _> = parts.iter().zip(0..).map(|(part, at)| (key(part), at)).collect();
    let mut verdicts: Vec<Option<Verdict>> = parts.iter().map(|_| None).collect();
    let mut taken =
        Taken { verdicts: Vec::new(), hints: Vec::new(), stale: false, throttle: Duration::ZERO };
    if version >= THROTTLED_BY_CLIENT {
        let millis = u64::try_from(response.throttle_time_ms).unwrap_or_default();
        taken.throttle = Duration::from_millis(millis);
    }
    for topic in response.responses {
        let name = if version <= ProduceRequest::LAST_BY_NAME {
            topic.name.as_str()
        } else {
            ids.get(&topic.topic_id).copied().unwrap_or_default()
        };
        for answer in topic.partition_responses {
            let Some(at) = index.get(&(name, answer.index)).copied() else {
                continue;
            };
            let (Some(part), Some(verdict)) = (parts.get(at), verdicts.get_mut(at)) else {
                continue;
            };
            let leader = &answer.current_leader;
            if leader.leader_id >= 0 {
                taken.hints.push((at, leader.leader_id, leader.leader_epoch));
            }
            let judged = judge(answer, part, broker, acks);
            taken.stale |= matches!(judged, Verdict::Retry(_));
            *verdict = Some(judged);
        }
    }
    let unmentioned = |(verdict, part): (Option<Verdict>, &Part)| {
        verdict.unwrap_or_else(|| {
            let text = format!("{}: not in the answer", place(part, broker));
            Verdict::Retry(Error::new(ErrorKind::Protocol, text).ambiguous())
        })
    };
    taken.verdicts = verdicts.into_iter().zip(parts).map(unmentioned).collect();
    taken
}

fn judge(answer: PartitionProduceResponse, part: &Part, broker: i32, acks: Acks) -> Verdict {
    let code = ErrorCode(answer.error_code);
    let known = |value: i64| Some(value).filter(|value| *value >= 0);
    let mut text = place(part, broker);
    if let Some(message) = answer.error_message.as_deref().filter(|text| !text.is_empty()) {
        text = format!("{text}: {message}");
    }
    match code {
        // It was there already, if the broker has said so or not.
        ErrorCode::NONE | ErrorCode::DUPLICATE_SEQUENCE_NUMBER => Verdict::Written {
            base_offset: known(answer.base_offset),
            append_time: known(answer.log_append_time_ms).map(Timestamp::from_millis),
        },
        ErrorCode::MESSAGE_TOO_LARGE | ErrorCode::RECORD_LIST_TOO_LARGE if part.count > 1 => {
            Verdict::Split(Error::broker(code, text))
        }
        code if !answer.record_errors.is_empty() => {
            let place = place(part, broker);
            let others = format!("{place}: another record of its batch was refused");
            let named = answer.record_errors.into_iter().filter_map(|record| {
                let index = u32::try_from(record.batch_index).ok()?;
                let text = match record.batch_index_error_message {
                    Some(message) => format!("{place}: record refused: {message}"),
                    None => text.clone(),
                };
                Some((index, Error::broker(code, text)))
            });
            Verdict::Refused {
                named: named.collect(),
                // Without the others it may be written.
                others: Error::broker(code, others).retriable(true),
            }
        }
        // Again under the same numbers, or under new ones, or none: see `sequence.rs`.
        code if code.is_sequence_broken() || code == ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT => {
            Verdict::Retry(Error::broker(code, text).retriable(true))
        }
        code => {
            let error = Error::broker(code, text);
            let error = if code.may_have_written(acks) { error.ambiguous() } else { error };
            if code.is_retriable() { Verdict::Retry(error) } else { Verdict::Failed(error) }
        }
    }
}

/// Where a batch was sent.
pub(super) fn place(part: &Part, broker: i32) -> String {
    format!("produce to {}[{}] on broker {broker}", part.topic, part.partition)
}

fn key(part: &Part) -> (&str, i32) {
    (&part.topic, part.partition)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::messages::produce::{
        BatchIndexAndErrorMessage, LeaderIdAndEpoch, TopicProduceResponse,
    };

    fn part(topic: &str, id: u128, partition: i32) -> Part {
        let (topic, topic_id) = (topic.into(), Uuid(id));
        Part { topic, topic_id, partition, count: 3 }
    }

    fn answer(index: i32, code: ErrorCode) -> PartitionProduceResponse {
        PartitionProduceResponse { index, error_code: code.0, base_offset: 7, ..Default::default() }
    }

    fn response(topics: Vec<(&str, u128, Vec<PartitionProduceResponse>)>) -> ProduceResponse {
        let topic = |(name, id, partition_responses)| TopicProduceResponse {
            name: String::from(name),
            topic_id: Uuid(id),
            partition_responses,
            ..Default::default()
        };
        ProduceResponse {
            responses: topics.into_iter().map(topic).collect(),
            throttle_time_ms: 50,
            ..Default::default()
        }
    }

    fn verdict(answer: PartitionProduceResponse, acks: Acks) -> Verdict {
        let response = response(vec![("t", 0, vec![answer])]);
        take(response, &[part("t", 0, 0)], 2, acks, 9).verdicts.remove(0)
    }

    #[test]
    fn a_request_groups_its_parts_by_topic() {
        let parts = [part("a", 1, 0), part("a", 1, 2), part("b", 2, 0)];
        let records = vec![Bytes::from_static(b"x"); 3];
        let timeout = Duration::from_secs(30);
        let by_name = request(&parts, records.clone(), 12, Acks::All, timeout, None);
        assert_eq!(by_name.acks, -1);
        assert_eq!(by_name.timeout_ms, 30_000);
        let names: Vec<_> = by_name.topic_data.iter().map(|topic| topic.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(by_name.topic_data[0].partition_data.len(), 2);
        assert!(by_name.topic_data[0].topic_id.is_nil());
        let by_id = request(&parts, records, 13, Acks::Leader, timeout, None);
        assert_eq!(by_id.topic_data[1].topic_id, Uuid(2));
        assert!(by_id.topic_data[1].name.is_empty());
    }

    #[test]
    fn formats_by_version() {
        assert_eq!([0, 1, 2, 3, 13].map(magic), [0, 0, 1, 2, 2]);
    }

    #[test]
    fn answers_are_matched_by_name_or_id_in_any_order() {
        let parts = [part("a", 1, 0), part("a", 1, 1), part("b", 2, 0)];
        for version in [12, 13] {
            let (one, two) = if version == 12 { (0, 0) } else { (1, 2) };
            let mut leader = answer(1, ErrorCode::NOT_LEADER_OR_FOLLOWER);
            leader.current_leader =
                LeaderIdAndEpoch { leader_id: 5, leader_epoch: 9, ..Default::default() };
            let names = if version == 12 { ("a", "b") } else { ("", "") };
            let response = response(vec![
                (names.1, two, vec![answer(0, ErrorCode::NONE), answer(8, ErrorCode::NONE)]),
                (names.0, one, vec![leader]),
            ]);
            let taken = take(response, &parts, 2, Acks::Leader, version);
            let Verdict::Retry(unmentioned) = &taken.verdicts[0] else { panic!("{taken:?}") };
            assert!(unmentioned.is_ambiguous());
            let Verdict::Retry(moved) = &taken.verdicts[1] else { panic!("{taken:?}") };
            assert!(!moved.is_ambiguous());
            assert!(matches!(
                taken.verdicts[2],
                Verdict::Written { base_offset: Some(7), append_time: None }
            ));
            assert_eq!(taken.hints, [(1, 5, 9)]);
            assert!(taken.stale);
            assert_eq!(taken.throttle, Duration::from_millis(50));
        }
    }

    #[test]
    fn what_may_be_written_is_ambiguous() {
        let ambiguous = |code, acks| match verdict(answer(0, code), acks) {
            Verdict::Retry(error) | Verdict::Failed(error) => error.is_ambiguous(),
            other => panic!("{other:?}"),
        };
        for code in [
            ErrorCode::REQUEST_TIMED_OUT,
            ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND,
            ErrorCode::KAFKA_STORAGE_ERROR,
            ErrorCode::UNKNOWN_SERVER_ERROR,
            ErrorCode(999),
        ] {
            assert!(ambiguous(code, Acks::Leader), "{code}");
        }
        for code in [
            ErrorCode::NOT_ENOUGH_REPLICAS,
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            ErrorCode::LEADER_NOT_AVAILABLE,
            ErrorCode::TOPIC_AUTHORIZATION_FAILED,
        ] {
            assert!(!ambiguous(code, Acks::All), "{code}");
        }
        assert!(ambiguous(ErrorCode::NOT_LEADER_OR_FOLLOWER, Acks::All));
        assert!(!ambiguous(ErrorCode::NOT_LEADER_OR_FOLLOWER, Acks::Leader));
    }

    #[test]
    fn too_large_a_batch_is_split_and_too_large_a_record_fails() {
        let too_large = || answer(0, ErrorCode::MESSAGE_TOO_LARGE);
        assert!(matches!(verdict(too_large(), Acks::All), Verdict::Split(_)));
        let single = Part { count: 1, ..part("t", 0, 0) };
        let response = response(vec![("t", 0, vec![too_large()])]);
        let taken = take(response, &[single], 2, Acks::All, 9);
        let [Verdict::Failed(error)] = &taken.verdicts[..] else { panic!("{taken:?}") };
        assert_eq!(error.code(), Some(ErrorCode::MESSAGE_TOO_LARGE));
        assert!(error.to_string().starts_with("produce to t[0] on broker 2"), "{error}");
        assert!(!error.is_ambiguous());
    }

    #[test]
    fn records_are_named_where_the_broker_names_them() {
        let mut refused = answer(0, ErrorCode::INVALID_RECORD);
        refused.record_errors = vec![BatchIndexAndErrorMessage {
            batch_index: 1,
            batch_index_error_message: Some("no key".to_owned()),
            ..Default::default()
        }];
        let Verdict::Refused { named, others } = verdict(refused, Acks::All) else {
            panic!("not refused")
        };
        assert!(named[&1].to_string().contains("no key"));
        assert!(!named[&1].is_retriable());
        assert!(others.is_retriable());
    }

    #[test]
    fn an_unknown_offset_is_none() {
        let mut written = answer(0, ErrorCode::NONE);
        written.base_offset = -1;
        written.log_append_time_ms = 5;
        let Verdict::Written { base_offset, append_time } = verdict(written, Acks::All) else {
            panic!("not written")
        };
        assert_eq!(base_offset, None);
        assert_eq!(append_time, Some(Timestamp::from_millis(5)));
    }
}
