//! Looks up where partitions start: what to ask a leader, and what its answer means.

use std::sync::Arc;

use tokio::time::Instant;

use super::broker::Context;
use super::partition::{Origin, Partition, State};
use super::{Event, OutOfRange};
use crate::cluster::{EARLIEST, FoundOffset, LATEST, list_offsets_at};
use crate::error::{Error, ErrorKind};
use crate::types::Start;

/// One cursor to look up, for a seek that may be over when the answer comes.
pub(super) struct Lookup {
    pub(super) partition: Arc<Partition>,
    pub(super) epoch: u64,
    pub(super) origin: Origin,
}

/// Asks a leader once where its partitions start. What fails is tried again, each by itself.
pub(super) async fn resolve(context: Context, leader: i32, lookups: Vec<Lookup>) {
    let start = |origin| match origin {
        Origin::Start(start) => start,
        Origin::Reset { .. } => match context.config.out_of_range {
            OutOfRange::Latest => Start::Latest,
            OutOfRange::Earliest | OutOfRange::Error => Start::Earliest,
        },
    };
    let questions = lookups.iter().map(|lookup| {
        let timestamp = match start(lookup.origin) {
            Start::Latest => LATEST,
            // Times before 1970 are special to the protocol.
            Start::Timestamp(timestamp) => timestamp.as_millis().max(0),
            Start::Earliest | Start::Offset(_) => EARLIEST,
        };
        (lookup.partition.at.clone(), timestamp)
    });
    let (cluster, isolation) = (&context.cluster, context.config.isolation);
    let questions: Vec<_> = questions.collect();
    let mut answers = list_offsets_at(cluster, leader, &questions, isolation).await;
    for Lookup { partition, epoch, origin } in lookups {
        let answer = match &mut answers {
            Ok(answers) => answers.remove(&partition.at),
            Err(error) => Some(Err(error.clone())),
        };
        let error = match (answer, start(origin)) {
            (Some(Ok(FoundOffset { offset: Some(offset), .. })), _) => {
                partition.resolved(epoch, offset);
                continue;
            }
            // No record is that new: begin with the next one that is written.
            (Some(Ok(_)), Start::Timestamp(_)) => {
                let mut cursor = partition.cursor();
                if cursor.epoch == epoch {
                    cursor.state = State::Unresolved(Origin::Start(Start::Latest));
                }
                continue;
            }
            (Some(Err(error)), _) => error,
            (None | Some(Ok(_)), _) => {
                let text =
                    format!("list offsets: broker {leader} did not answer for {}", partition.at);
                Error::new(ErrorKind::Protocol, text).retriable(true)
            }
        };
        if error.is_retriable() {
            tracing::debug!(partition = %partition.at, %error, "start not found yet");
            cluster.refresh();
            partition.unresolved(epoch, origin, Instant::now(), cluster.config().backoff);
        } else {
            partition.halt(epoch);
            partition.send(Event::Error(error));
        }
    }
}
