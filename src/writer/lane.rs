//! The loop of one broker: sends what may leave to it, and takes the answers. It waits for no other
//! broker, and other brokers do not wait for it.

use std::future::pending;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::future::{self, BoxFuture, Either};
use futures::stream::FuturesOrdered;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::Shared;
use super::accumulator::{Drained, Ready, Wakes};
use super::batch::Batch;
use super::produce::{self, FIRST_IMPLICIT, Part, Taken, Verdict};
use crate::cluster::LeaderHint;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::messages::produce::{ProduceRequest, ProduceResponse};
use crate::task;
use crate::transport::{Connection, TransportError};
use crate::types::Acks;

/// From so many plain bytes on, a batch is compressed on another thread. Fewer take gzip about a
/// millisecond, which others can wait; the fast codecs are done sooner than threads are changed.
const LARGE: usize = 32 << 10;

/// Batches on their way, in the order of the request's parts.
struct Sent {
    batches: Vec<Batch>,
    parts: Vec<Part>,
    version: i16,
}

/// What comes back for them: `None` if no answer was asked for.
type Answered = (Sent, Result<Option<ProduceResponse>, TransportError>);

/// What the loop does beside waiting for answers, one thing at a time.
enum Done {
    Connected(Result<Connection>),
    /// Handed to the connection; its answer is to come.
    Sent(BoxFuture<'static, Answered>),
    /// Nothing was left to send.
    Nothing,
}

struct Lane {
    shared: Arc<Shared>,
    broker: i32,
    connection: Option<Connection>,
    failures: u32,
    /// Until then the broker is left alone.
    blocked_until: Option<Instant>,
}

/// Runs until the writer is closed or dropped.
pub(super) async fn run(shared: Arc<Shared>, broker: i32, wake: Arc<Notify>) {
    let max_in_flight = shared.config.max_in_flight;
    let mut lane = Lane { shared, broker, connection: None, failures: 0, blocked_until: None };
    let mut job: Option<BoxFuture<'static, Done>> = None;
    let mut answers = FuturesOrdered::new();
    loop {
        let mut until = None;
        if job.is_none() && answers.len() < max_in_flight {
            (job, until) = lane.next();
        }
        tokio::select! {
            done = maybe(job.as_mut()) => {
                job = None;
                match done {
                    Done::Connected(connection) => lane.connected(connection),
                    Done::Sent(answer) => answers.push_back(answer),
                    Done::Nothing => {}
                }
            }
            Some((sent, answer)) = answers.next() => lane.answered(sent, answer),
            () = wake.notified() => {}
            () = until_or_never(until) => {}
        }
    }
}

/// Waits for ever if there is nothing to wait for.
pub(super) async fn maybe<F: Future + Unpin>(future: Option<&mut F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => pending().await,
    }
}

async fn until_or_never(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => pending().await,
    }
}

impl Lane {
    /// What to do now; if nothing, when to look again.
    fn next(&mut self) -> (Option<BoxFuture<'static, Done>>, Option<Instant>) {
        let now = Instant::now();
        if let Some(until) = self.blocked_until.filter(|until| *until > now) {
            return (None, Some(until));
        }
        let (shared, broker) = (self.shared.clone(), self.broker);
        self.connection = self.connection.take().filter(|connection| !connection.is_closed());
        let Some(connection) = self.connection.clone() else {
            // Batches stay where they are, and grow, until there is a connection.
            return match shared.accumulator().peek(broker, now) {
                Drained::Idle(until) => (None, until),
                Drained::Ready(_) => {
                    let shared = shared.clone();
                    let connect = async move { Done::Connected(shared.cluster.dial(broker).await) };
                    (Some(Box::pin(connect)), None)
                }
            };
        };
        let (drained, wants_identity) = {
            let mut accumulator = shared.accumulator();
            let drained = accumulator.drain(broker, shared.config.max_request_bytes, now);
            (drained, accumulator.wants_identity())
        };
        if wants_identity {
            shared.engine.notify_one();
        }
        match drained {
            Drained::Idle(until) => (None, until),
            Drained::Ready(ready) => (Some(Box::pin(send(shared, connection, ready))), None),
        }
    }

    fn connected(&mut self, connection: Result<Connection>) {
        match connection {
            Ok(connection) => {
                self.connection = Some(connection);
                self.failures = 0;
                self.shared.accumulator().unreachable(self.broker, None);
            }
            Err(error) => {
                self.failures += 1;
                tracing::debug!(broker = self.broker, %error, self.failures, "cannot produce");
                let now = Instant::now();
                let backoff = self.shared.cluster.config().backoff;
                self.blocked_until = Some(now + backoff.after(self.failures));
                self.shared.cluster.refresh();
                if error.is_retriable() {
                    self.shared.accumulator().unreachable(self.broker, Some(error));
                    return;
                }
                // What waiting cannot mend is told at once.
                let drained = self.shared.accumulator().drain(self.broker, usize::MAX, now);
                if let Drained::Ready(ready) = drained {
                    for Ready { batch, .. } in ready {
                        self.shared.fail(batch, error.clone());
                    }
                }
            }
        }
    }

    fn answered(&mut self, sent: Sent, answer: Result<Option<ProduceResponse>, TransportError>) {
        let taken = match answer {
            Ok(None) => {
                let unknown = || Verdict::Written { base_offset: None, append_time: None };
                sent.parts.iter().map(|_| unknown()).collect()
            }
            Ok(Some(response)) => {
                let acks = self.shared.config.acks;
                let taken = produce::take(response, &sent.parts, self.broker, acks, sent.version);
                self.follow(&taken, &sent.parts);
                taken.verdicts
            }
            Err(error) => {
                tracing::debug!(broker = self.broker, %error, "produce failed");
                self.shared.cluster.refresh();
                sent.parts.iter().map(|part| lost(part, self.broker, &error)).collect()
            }
        };
        self.settle(sent.batches, taken);
    }

    fn follow(&mut self, taken: &Taken, parts: &[Part]) {
        let cluster = &self.shared.cluster;
        for (at, leader, epoch) in &taken.hints {
            if let Some(part) = parts.get(*at) {
                cluster.leader_hint(&LeaderHint {
                    topic: part.topic.clone(),
                    topic_id: part.topic_id,
                    partition: part.partition,
                    leader: *leader,
                    epoch: *epoch,
                    endpoint: None,
                });
            }
        }
        if taken.stale {
            cluster.refresh();
        }
        if !taken.throttle.is_zero() {
            let throttle = taken.throttle.min(cluster.config().request_timeout);
            self.blocked_until = Some(Instant::now() + throttle);
        }
    }

    /// Tells the records of each batch, or puts it back. The records are told outside of the lock.
    fn settle(&self, batches: Vec<Batch>, verdicts: Vec<Verdict>) {
        let mut wakes = Wakes::default();
        let mut buffers: Vec<BytesMut> = Vec::new();
        for (batch, verdict) in batches.into_iter().zip(verdicts) {
            let (at, result) = (batch.at, batch.result().clone());
            let verdict = match verdict {
                Verdict::Retry(error) if self.shared.accumulator().is_written(&batch, &error) => {
                    Verdict::Written { base_offset: None, append_time: None }
                }
                verdict => verdict,
            };
            let is_written = matches!(verdict, Verdict::Written { .. });
            match verdict {
                Verdict::Written { base_offset, append_time } => {
                    buffers.extend(batch.written(base_offset, append_time));
                }
                Verdict::Failed(error) => batch.failed(error),
                Verdict::Refused { named, others } => batch.refused(named, others),
                // Its records may have been told that it was too late while it was away.
                Verdict::Split(_) if result.is_settled() => drop(batch),
                Verdict::Split(error) => {
                    tracing::info!(%error, records = batch.count(), "batch is split");
                    if let Some((first, rest)) = batch.split(error) {
                        let put = self.shared.accumulator().requeue_parts(&result, first, rest);
                        match put {
                            Ok(more) => wakes = wakes.and(more),
                            // The writer has failed; dropping them tells their records.
                            Err(parts) => drop(parts),
                        }
                        continue;
                    }
                }
                Verdict::Retry(error) => {
                    wakes = wakes.and(self.shared.retry(batch, self.broker, error));
                    continue;
                }
            }
            wakes = wakes.and(self.shared.accumulator().complete(at, &result, is_written));
        }
        if !buffers.is_empty() {
            let mut accumulator = self.shared.accumulator();
            for buffer in buffers {
                accumulator.recycle(buffer);
            }
        }
        wakes.wake();
    }
}

/// No answer came.
fn lost(part: &Part, broker: i32, error: &TransportError) -> Verdict {
    let unsent = error.is_unsent();
    let error = Error::from(error.clone()).context(produce::place(part, broker));
    let error = if unsent { error } else { error.ambiguous() };
    if error.is_retriable() { Verdict::Retry(error) } else { Verdict::Failed(error) }
}

/// Finishes batches, which is where they are compressed, and hands them to the connection.
async fn send(shared: Arc<Shared>, connection: Connection, ready: Vec<Ready>) -> Done {
    let config = &shared.config;
    let is_transactional = shared.accumulator().is_transactional();
    let version = version(&connection, &ready).and_then(|version| match is_transactional {
        Some(true) if version < FIRST_IMPLICIT => {
            let text = "transactional: this broker is older than the cluster's features";
            Err(Error::new(ErrorKind::Unsupported, text))
        }
        Some(false) => Ok(version.min(FIRST_IMPLICIT - 1)),
        _ => Ok(version),
    });
    let version = match version {
        Ok(version) => version,
        Err(error) => {
            for Ready { batch, .. } in ready {
                shared.fail(batch, error.clone());
            }
            return Done::Nothing;
        }
    };
    let (mut batches, mut parts, mut records) = (Vec::new(), Vec::new(), Vec::new());
    for (Ready { batch, topic_id }, bytes) in finish(&shared, ready, version).await {
        let result = batch.result();
        parts.push(Part {
            topic: result.topic.clone(),
            topic_id,
            partition: result.partition,
            count: batch.count(),
        });
        records.push(bytes);
        batches.push(batch);
    }
    if batches.is_empty() {
        return Done::Nothing;
    }
    let timeout = shared.cluster.config().request_timeout;
    // The broker gives up waiting for followers before the connection gives up on the broker.
    let own = config.transactional.as_ref().map(|own| own.id.as_str());
    let request = produce::request(&parts, records, version, config.acks, timeout / 10 * 9, own);
    let sent = Sent { batches, parts, version };
    if config.acks == Acks::None {
        let handed = connection.send_only(version, &request).await;
        return Done::Sent(Box::pin(async { (sent, handed.map(|()| None)) }));
    }
    match connection.start_at(version, &request, timeout).await {
        Ok(answer) => Done::Sent(Box::pin(async { (sent, answer.await.map(Some)) })),
        Err(error) => Done::Sent(Box::pin(async { (sent, Err(error)) })),
    }
}

/// The bytes of each batch, sorted by partitions. Large ones are compressed side by side, and the
/// others here meanwhile; those that cannot be sent have failed.
async fn finish(shared: &Shared, mut ready: Vec<Ready>, version: i16) -> Vec<(Ready, Bytes)> {
    ready.sort_unstable_by_key(|ready| ready.batch.at);
    let magic = produce::magic(version);
    let mut finishing = Vec::with_capacity(ready.len());
    for mut ready in ready {
        let (at, result) = (ready.batch.at, ready.batch.result().clone());
        let compression = match shared.config.compression(&result.topic, version) {
            Ok(compression) => compression,
            Err(error) => {
                shared.fail(ready.batch, error);
                continue;
            }
        };
        let uncompressed = ready.batch.uncompressed(compression);
        let finish = move || {
            let bytes = ready.batch.finish(magic, compression);
            (ready, bytes)
        };
        let finished = if uncompressed >= LARGE {
            Either::Left(task::compute(finish))
        } else {
            Either::Right(future::ready(Ok(finish())))
        };
        finishing.push((at, result, finished));
        if uncompressed > 0 {
            // Compressing takes a while: others get their turn in between.
            tokio::task::yield_now().await;
        }
    }
    let mut done = Vec::with_capacity(finishing.len());
    for (at, result, finished) in finishing {
        match finished.await {
            Ok((ready, Ok(bytes))) => done.push((ready, bytes)),
            Ok((Ready { batch, .. }, Err(error))) => shared.fail(batch, error),
            // It was dropped, which has told its records.
            Err(_) => shared.accumulator().complete(at, &result, false).wake(),
        }
    }
    done
}

fn version(connection: &Connection, ready: &[Ready]) -> Result<i16> {
    let version = connection.version::<ProduceRequest>()?;
    let has_ids = ready.iter().all(|ready| !ready.topic_id.is_nil());
    Ok(if has_ids { version } else { version.min(ProduceRequest::LAST_BY_NAME) })
}
