//! Asks a new leader whether it has what was read so far (KIP-320): an unclean election may have
//! lost some of it, and other records may stand at the same offsets by now.

use std::collections::{BTreeMap, HashMap};

use tokio::time::Instant;

use super::broker::Context;
use super::events::ReaderEvent;
use super::partition::Check;
use super::{Delivery, OutOfRange};
use crate::cluster::Target;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::ErrorCode;
use crate::protocol::messages::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};

/// What a leader says about the offset of a cursor.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// All that was read is there; or nobody can tell.
    Kept,
    /// What stands from here on is something else. The epoch of what comes before.
    Diverged { offset: i64, epoch: i32 },
    /// Not an answer: to be asked again.
    Again,
}

/// Asks a leader once about its partitions. What fails is tried again, each by itself.
pub(super) async fn ask(context: Context, leader: i32, checks: Vec<Check>) {
    let cluster = &context.cluster;
    let answers = cluster.attempt(&Target::Broker(leader), |_| request(&checks)).await;
    let mut answers = answers.map(by_partition);
    let (now, backoff) = (Instant::now(), cluster.config().backoff.drawn());
    for check in checks {
        let at = &check.partition.at;
        let answer = match &mut answers {
            Ok(answers) => Ok(answers.remove(&(at.topic.to_string(), at.partition))),
            Err(error) => Err(&*error),
        };
        let Check { partition, epoch, offset, last_epoch, .. } = &check;
        match verdict(&check, answer) {
            Verdict::Kept => {
                partition.validated(&check, *offset, *last_epoch);
            }
            Verdict::Diverged { offset: end, epoch: end_epoch } => {
                let text = format!(
                    "{at} has lost records that were read: its leader in epoch {} has epoch \
                     {end_epoch} up to offset {end}, and this reader is at offset {offset} of epoch \
                     {last_epoch}",
                    check.leader_epoch
                );
                tracing::warn!("{text}");
                if partition.validated(&check, end, end_epoch) {
                    if context.config.out_of_range == OutOfRange::Error {
                        partition.halt(*epoch);
                    } else {
                        // Whoever sees the error sees where it goes on.
                        partition.tell(*epoch, Delivery::Skip(end));
                    }
                    partition.fail(*epoch, Error::new(ErrorKind::DataLoss, text));
                    let (at, from, to) = (at.clone(), *offset, end);
                    context.shared.listeners.tell(&ReaderEvent::Truncated { at, from, to });
                }
            }
            Verdict::Again => {
                cluster.refresh();
                partition.unvalidated(&check, now, backoff);
            }
        }
    }
}

fn request(checks: &[Check]) -> OffsetForLeaderEpochRequest {
    let mut topics = BTreeMap::<_, Vec<_>>::new();
    for check in checks {
        let at = &check.partition.at;
        topics.entry(at.topic.clone()).or_default().push(OffsetForLeaderPartition {
            partition: at.partition,
            current_leader_epoch: check.leader_epoch,
            leader_epoch: check.last_epoch,
            ..Default::default()
        });
    }
    let topics = topics.into_iter().map(|(name, partitions)| OffsetForLeaderTopic {
        topic: name.to_string(),
        partitions,
        ..Default::default()
    });
    OffsetForLeaderEpochRequest { replica_id: -1, topics: topics.collect(), ..Default::default() }
}

fn by_partition(response: OffsetForLeaderEpochResponse) -> HashMap<(String, i32), EpochEndOffset> {
    let mut all = HashMap::new();
    for topic in response.topics {
        for partition in topic.partitions {
            all.insert((topic.topic.clone(), partition.partition), partition);
        }
    }
    all
}

fn verdict(check: &Check, answer: Result<Option<EpochEndOffset>, &Error>) -> Verdict {
    let answer = match answer {
        Ok(Some(answer)) => answer,
        // A broker that is too old for the question, or does not let us ask: as without it.
        Err(error) if !error.is_retriable() => return Verdict::Kept,
        Ok(None) | Err(_) => return Verdict::Again,
    };
    match ErrorCode(answer.error_code) {
        ErrorCode::NONE => {}
        code if code.is_retriable() || code == ErrorCode::UNKNOWN_SERVER_ERROR => {
            return Verdict::Again;
        }
        _ => return Verdict::Kept,
    }
    let (offset, epoch) = (answer.end_offset, answer.leader_epoch);
    // Undefined: it does not know that epoch any more, which is no loss.
    if offset < 0 || epoch < 0 || offset >= check.offset {
        return Verdict::Kept;
    }
    Verdict::Diverged { offset, epoch }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::reader::cursor::State;
    use crate::reader::partition::Partition;
    use crate::types::{Start, TopicPartition};
    use crate::wire::Uuid;

    fn check() -> Check {
        let outlet = tokio::sync::mpsc::unbounded_channel().0;
        let at = TopicPartition::new("t", 0);
        let partition =
            Arc::new(Partition::new(at, Start::Offset(10), Uuid::default(), outlet, i64::MAX));
        Check { partition, epoch: 1, offset: 10, last_epoch: 3, leader_epoch: 5 }
    }

    fn answer(error_code: i16, leader_epoch: i32, end_offset: i64) -> Verdict {
        let answer = EpochEndOffset { error_code, leader_epoch, end_offset, ..Default::default() };
        verdict(&check(), Ok(Some(answer)))
    }

    #[test]
    fn what_leaders_say() {
        assert_eq!(answer(0, 3, 10), Verdict::Kept);
        assert_eq!(answer(0, 3, 99), Verdict::Kept);
        assert_eq!(answer(0, 3, 7), Verdict::Diverged { offset: 7, epoch: 3 });
        assert_eq!(answer(0, 2, 7), Verdict::Diverged { offset: 7, epoch: 2 });
        assert_eq!(answer(0, -1, -1), Verdict::Kept, "undefined is no loss");
        for code in [
            ErrorCode::FENCED_LEADER_EPOCH,
            ErrorCode::UNKNOWN_LEADER_EPOCH,
            ErrorCode::NOT_LEADER_OR_FOLLOWER,
            ErrorCode::UNKNOWN_SERVER_ERROR,
        ] {
            assert_eq!(answer(code.0, -1, -1), Verdict::Again, "{code}");
        }
        assert_eq!(answer(ErrorCode::TOPIC_AUTHORIZATION_FAILED.0, -1, -1), Verdict::Kept);
        let closed = Error::new(ErrorKind::Connection, "closed");
        assert_eq!(verdict(&check(), Err(&closed)), Verdict::Again, "never a reset");
        assert_eq!(verdict(&check(), Ok(None)), Verdict::Again);
    }

    #[test]
    fn a_seek_or_another_leader_ends_a_validation() {
        let check = check();
        let partition = &check.partition;
        let validating = || {
            let mut cursor = partition.cursor();
            (cursor.state, cursor.leader_epoch) = (State::Validating(10), 5);
        };
        validating();
        partition.seek(Start::Offset(2));
        assert!(!partition.validated(&check, 7, 3));
        assert_eq!(partition.cursor().state, State::At(2));
        let check =
            Check { epoch: partition.cursor().epoch, partition: partition.clone(), ..check };
        validating();
        partition.cursor().leader_epoch = 6;
        assert!(!partition.validated(&check, 7, 3), "what the old leader says is of no use");
        validating();
        assert!(partition.validated(&check, 7, 3));
    }
}
