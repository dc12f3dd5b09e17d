//! Looks up where partitions start: what to ask a leader, and what its answer means.

use std::sync::Arc;

use tokio::time::Instant;

use super::broker::Context;
use super::cursor::Origin;
use super::events::ReaderEvent;
use super::partition::Partition;
use super::{Config, OutOfRange};
use crate::cluster::{Backoff, EARLIEST, FoundOffset, LATEST, list_offsets_at};
use crate::error::{Error, ErrorKind, Result};
use crate::types::{Start, Timestamp};

/// One cursor to look up, for a seek that may be over when the answer comes.
pub(super) struct Lookup {
    pub(super) partition: Arc<Partition>,
    pub(super) epoch: u64,
    pub(super) origin: Origin,
}

/// What has to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Start(Start),
    /// As near to this offset as there is a record, or will be.
    Nearest(i64),
}

impl Wanted {
    fn new(origin: Origin, config: &Config) -> Self {
        match origin {
            Origin::Start(start) => Self::Start(start.fixed()),
            Origin::Reset { from } => match config.out_of_range {
                OutOfRange::Latest => Self::Start(Start::Latest),
                OutOfRange::Nearest => Self::Nearest(from),
                OutOfRange::Ago(time) => Self::Start(Start::Timestamp(Timestamp::ago(time))),
                OutOfRange::Earliest | OutOfRange::Error => Self::Start(Start::Earliest),
            },
        }
    }

    /// What to ask for, as the protocol says it, and whether the end is needed besides.
    fn question(self) -> (i64, bool) {
        match self {
            Self::Start(Start::Latest) => (LATEST, false),
            // Times before 1970 are special to the protocol.
            Self::Start(Start::Timestamp(timestamp)) => (timestamp.as_millis().max(0), true),
            Self::Start(Start::AfterEarliest(_) | Start::BeforeLatest(_)) | Self::Nearest(_) => {
                (EARLIEST, true)
            }
            Self::Start(Start::Earliest | Start::Offset(_) | Start::Ago(_)) => (EARLIEST, false),
        }
    }

    /// What the answers mean, if they suffice.
    fn offset(self, found: Option<i64>, end: Option<i64>) -> Option<i64> {
        match self {
            Self::Start(Start::AfterEarliest(distance)) => {
                Some(found?.saturating_add(distance).min(end?))
            }
            Self::Start(Start::BeforeLatest(distance)) => Some((end? - distance).max(found?)),
            Self::Nearest(offset) => Some(offset.max(found?).min(end?)),
            // No record is that new: begin with the next one that is written.
            Self::Start(Start::Timestamp(_)) => found.or(end),
            Self::Start(_) => found,
        }
    }
}

/// Asks a leader once where its partitions start. What fails is tried again, each by itself.
pub(super) async fn resolve(context: Context, leader: i32, lookups: Vec<Lookup>) {
    let wanted = |lookup: &Lookup| Wanted::new(lookup.origin, &context.config);
    let (mut questions, mut of_ends) = (Vec::new(), Vec::new());
    for lookup in &lookups {
        let (question, needs_end) = wanted(lookup).question();
        questions.push((lookup.partition.at.clone(), question));
        if needs_end {
            of_ends.push((lookup.partition.at.clone(), LATEST));
        }
    }
    let (cluster, isolation) = (&context.cluster, context.config.isolation);
    let ask = async |questions: &[_]| match questions {
        [] => Ok(std::collections::HashMap::new()),
        questions => list_offsets_at(cluster, leader, questions, isolation).await,
    };
    // The ends first, and alone: a record that comes in between must not lie before them, unseen.
    let mut ends = ask(&of_ends).await;
    let mut found = ask(&questions).await;
    let (now, backoff) = (Instant::now(), cluster.config().backoff.drawn());
    for lookup in lookups {
        let (wanted, at) = (wanted(&lookup), &lookup.partition.at);
        let answer = |answers: &mut Result<std::collections::HashMap<_, _>>| match answers {
            Ok(answers) => answers.remove(at).transpose(),
            Err(error) => Err(error.clone()),
        };
        let offset = |answer: Option<FoundOffset>| answer.and_then(|found| found.offset);
        let needs_end = wanted.question().1;
        let end = if needs_end { answer(&mut ends) } else { Ok(None) };
        let answers = answer(&mut found).and_then(|found| Ok((found, end?)));
        let result = answers.and_then(|(found, end)| {
            // A leader that says nothing has not said that there is nothing.
            let is_answered = found.is_some();
            let to = wanted.offset(offset(found), offset(end)).filter(|_| is_answered);
            let epoch = |at: i64| {
                let is_there = |answer: &FoundOffset| answer.offset == Some(at);
                let answer = [found, end].into_iter().flatten().find(is_there);
                answer.and_then(|answer| answer.leader_epoch).unwrap_or(-1)
            };
            to.map(|to| (to, epoch(to))).ok_or_else(|| {
                let text = format!("list offsets: broker {leader} did not answer for {at}");
                Error::new(ErrorKind::Protocol, text).retriable(true)
            })
        });
        settle(&context, &lookup, result, now, backoff);
    }
}

/// Goes on where the lookup led, or later, or not at all.
fn settle(
    context: &Context,
    Lookup { partition, epoch, origin }: &Lookup,
    found: Result<(i64, i32)>,
    now: Instant,
    backoff: Backoff,
) {
    match found {
        Ok((to, leader_epoch)) => {
            let is_accepted = partition.resolved(*epoch, to, leader_epoch);
            if let (true, Origin::Reset { from }) = (is_accepted, *origin) {
                let at = partition.at.clone();
                context.shared.listeners.tell(&ReaderEvent::Reset { at, from, to });
            }
            context.shared.wake(partition);
        }
        Err(error) if error.is_retriable() => {
            tracing::debug!(partition = %partition.at, %error, "start not found yet");
            context.cluster.refresh();
            partition.unresolved(*epoch, *origin, now, backoff);
        }
        Err(error) => {
            if partition.unresolvable(*epoch) {
                partition.fail(*epoch, error);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_stay_within_the_log() {
        let start = |start| Wanted::Start(start).offset(Some(10), Some(20));
        assert_eq!(start(Start::AfterEarliest(3)), Some(13));
        assert_eq!(start(Start::AfterEarliest(i64::MAX)), Some(20));
        assert_eq!(start(Start::BeforeLatest(3)), Some(17));
        assert_eq!(start(Start::BeforeLatest(i64::MAX)), Some(10));
        for (from, to) in [(5, 10), (15, 15), (25, 20)] {
            assert_eq!(Wanted::Nearest(from).offset(Some(10), Some(20)), Some(to));
        }
    }

    #[test]
    fn a_time_that_is_newer_than_all_is_the_end() {
        let time = Wanted::Start(Start::Timestamp(Timestamp::from_millis(5)));
        assert_eq!(time.offset(Some(3), Some(20)), Some(3));
        assert_eq!(time.offset(None, Some(20)), Some(20));
        assert_eq!(time.question(), (5, true));
    }
}
