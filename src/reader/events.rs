//! What happens to a reader besides messages, for those who want to know.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use futures::Stream;
use tokio::sync::mpsc;

use crate::types::TopicPartition;

/// How many events may wait for one who listens.
const WAITING: usize = 1_024;

/// Something that happened to a partition: see [`ReaderHandle::events`](super::ReaderHandle::events).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReaderEvent {
    /// It is read from now on: it was added, is new in its topic, or its topic matches.
    Added(TopicPartition),
    /// It is not read any more.
    Removed(TopicPartition),
    /// Its end was reached: everything up to this offset has been handed out. Told again when it
    /// is reached again (librdkafka's `PARTITION_EOF`).
    CaughtUp {
        /// The partition.
        at: TopicPartition,
        /// The offset that the next record will have.
        offset: i64,
    },
    /// Its position was not in the log any more, and reading goes on elsewhere (property
    /// `auto.offset.reset`).
    Reset {
        /// The partition.
        at: TopicPartition,
        /// The offset that is not there.
        from: i64,
        /// Where reading goes on.
        to: i64,
    },
    /// Records that were read already, or would have been, are lost: the log was truncated by an
    /// unclean election (KIP-320).
    Truncated {
        /// The partition.
        at: TopicPartition,
        /// Where the position was.
        from: i64,
        /// Where the log parts from what was read, and reading goes on.
        to: i64,
    },
    /// Its topic was deleted and created anew: offsets begin again at 0.
    Recreated(TopicPartition),
}

/// A [`Stream`] of what happens to a reader: see
/// [`ReaderHandle::events`](super::ReaderHandle::events).
///
/// # Cancel safety
///
/// Dropping a `next()` loses nothing.
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct ReaderEvents(mpsc::Receiver<ReaderEvent>);

impl Stream for ReaderEvents {
    type Item = ReaderEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ReaderEvent>> {
        self.0.poll_recv(cx)
    }
}

/// Those who listen.
#[derive(Debug, Default)]
pub(super) struct Listeners(Mutex<Vec<mpsc::Sender<ReaderEvent>>>);

impl Listeners {
    pub(super) fn listen(&self) -> ReaderEvents {
        let (sender, events) = mpsc::channel(WAITING);
        self.lock().push(sender);
        ReaderEvents(events)
    }

    /// Tells all of them; who does not listen for long misses what comes then.
    pub(super) fn tell(&self, event: &ReaderEvent) {
        tracing::debug!(?event, "reader");
        self.lock().retain(|listener| {
            let told = listener.try_send(event.clone());
            !matches!(told, Err(mpsc::error::TrySendError::Closed(_)))
        });
    }

    /// Ends their streams.
    pub(super) fn close(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<mpsc::Sender<ReaderEvent>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
