//! The fetch loop of one broker. It waits for nobody: neither for other brokers, nor for the
//! application, except that it holds no more than its share of the byte budget.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::budget::{Budget, Charge, Loan};
use super::fetch::{self, Fetch, Fetched, Found, Outcome};
use super::partition::Partition;
use super::{Chunk, Config, Delivery, Event, Shared};
use crate::cluster::Cluster;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::messages::fetch::FetchRequest;
use crate::record::{Batch, RawBatch};
use crate::transport::{Answer, Connection};

/// What the engine and the loop of one broker share.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) broker: i32,
    pub(super) budget: Arc<Budget>,
    state: Mutex<LaneState>,
}

#[derive(Debug, Default)]
struct LaneState {
    partitions: Arc<Vec<Arc<Partition>>>,
    /// This broker's share of the budget, in bytes.
    share: usize,
}

impl Lane {
    pub(super) fn new(broker: i32) -> Arc<Self> {
        Arc::new(Self { broker, budget: Budget::new(), state: Mutex::default() })
    }

    /// Tells the loop which partitions the broker leads now.
    pub(super) fn assign(&self, partitions: Vec<Arc<Partition>>, share: usize) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = LaneState { partitions: Arc::new(partitions), share };
        drop(state);
        self.budget.wake.notify_one();
    }

    fn now(&self) -> (Arc<Vec<Arc<Partition>>>, usize) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.partitions.clone(), state.share)
    }
}

/// What the loops of a reader have in common.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) cluster: Cluster,
    pub(super) config: Arc<Config>,
    pub(super) events: mpsc::UnboundedSender<Event>,
    /// Wakes the engine, to resolve a cursor.
    pub(super) engine: Arc<tokio::sync::Notify>,
    pub(super) shared: Arc<Shared>,
}

/// Runs until the reader is dropped.
pub(super) async fn run(context: Context, lane: Arc<Lane>) {
    let mut failures = 0;
    let mut turn = 0;
    // Its own: a long poll holds up whatever comes behind it.
    let mut connection = None;
    // The request that is under way while the data of the one before is delivered.
    let mut under_way = None;
    loop {
        let next = match under_way.take() {
            Some(sent) => Ok(Next::Sent(sent)),
            None => send(&context, &lane, &mut connection, &mut turn).await,
        };
        let (asked, response) = match next {
            Ok(Next::Sent(sent)) => (sent.asked, sent.answer.await.map_err(Error::from)),
            Ok(Next::Idle(until)) => {
                idle(&lane, until).await;
                continue;
            }
            Err(error) => (Vec::new(), Err(error)),
        };
        let response = match response {
            Ok(response) => response,
            Err(error) => {
                failures += 1;
                lost(&context, &lane, &asked, error, failures).await;
                continue;
            }
        };
        failures = 0;
        let (broker, backoff) = (lane.broker, context.cluster.config().backoff);
        let outcome =
            fetch::apply(response, &asked, broker, &context.config, backoff, Instant::now());
        // Events take memory too, however little they hold.
        let events: usize = outcome.fetched.iter().map(|fetched| fetched.batches.len()).sum();
        let loan = lane.budget.lend(outcome.bytes + events * size_of::<Event>());
        // Not if it has to be dialled first: what is here must not wait for that.
        if connection.as_ref().is_some_and(|connection| !connection.is_closed()) {
            if let Ok(Next::Sent(sent)) = send(&context, &lane, &mut connection, &mut turn).await {
                under_way = Some(sent);
            }
        }
        if !deliver(&context, &lane, outcome, loan).await {
            return;
        }
    }
}

/// What a loop does next.
enum Next {
    Sent(Sent),
    /// Nothing, until it is woken or the time comes.
    Idle(Option<Instant>),
}

/// A fetch that is under way.
struct Sent {
    answer: Answer<FetchRequest>,
    asked: Vec<fetch::Asked>,
}

/// Sends a fetch, if something is wanted and there is room for its answer.
async fn send(
    context: &Context,
    lane: &Lane,
    connection: &mut Option<Connection>,
    turn: &mut usize,
) -> Result<Next> {
    let config = &context.config;
    let (partitions, share) = lane.now();
    // Half of the share, so that one answer can be fetched while another is being read; and an
    // answer has more in it than records.
    let max_frame = context.cluster.config().max_frame_size;
    let max_bytes = config.max_bytes.min(share / 2).min(max_frame / 2).max(1);
    if lane.budget.held() + max_bytes > share {
        return Ok(Next::Idle(None));
    }
    *turn = turn.wrapping_add(1);
    let max_bytes = i32::try_from(max_bytes).unwrap_or(i32::MAX);
    let now = Instant::now();
    let fetch = match Fetch::build(&partitions, lane.broker, *turn, max_bytes, config, now) {
        Ok(fetch) => fetch,
        Err(retry) => return Ok(Next::Idle(retry)),
    };
    let connection = match connection.take().filter(|connection| !connection.is_closed()) {
        Some(open) => connection.insert(open),
        None => connection.insert(context.cluster.dial(lane.broker).await?),
    };
    let mut version = connection.version::<FetchRequest>()?;
    if !fetch.has_ids {
        version = version.min(FetchRequest::LAST_BY_NAME);
    }
    let request = for_version(fetch.request, version);
    let timeout = config.max_wait + context.cluster.config().request_timeout;
    let answer = connection.start_at(version, &request, timeout).await?;
    Ok(Next::Sent(Sent { answer, asked: fetch.asked }))
}

/// Drops what a version cannot say and does not need.
fn for_version(mut request: FetchRequest, version: i16) -> FetchRequest {
    for topic in &mut request.topics {
        if version <= FetchRequest::LAST_BY_NAME {
            topic.topic_id = crate::wire::Uuid::default();
        } else {
            topic.topic.clear();
        }
    }
    request
}

/// Waits until something may be wanted: bytes given back, a partition, or the end of a backoff.
async fn idle(lane: &Lane, until: Option<Instant>) {
    let wake = lane.budget.wake.notified();
    match until {
        Some(at) => drop(timeout_at(at, wake).await),
        None => wake.await,
    }
}

/// The broker cannot be reached, and its partitions may have moved; or it sends what cannot be
/// read, and would send that again.
async fn lost(context: &Context, lane: &Lane, asked: &[fetch::Asked], error: Error, failures: u32) {
    tracing::debug!(broker = lane.broker, %error, failures, "fetch failed");
    context.cluster.refresh();
    if !error.is_retriable() {
        for asked in asked {
            asked.partition.halt(asked.epoch);
        }
        let text = format!("fetch from broker {}", lane.broker);
        let _ = context.events.send(Event::Error(error.context(text)));
    }
    let mut wait = context.cluster.config().backoff.after(failures);
    if lane.now().0.is_empty() {
        wait = wait.max(Duration::from_secs(1));
    }
    tokio::time::sleep(wait).await;
}

/// Decodes the batches and hands them to the reader. `false` when there is no reader any more.
async fn deliver(context: &Context, lane: &Lane, outcome: Outcome, loan: Arc<Loan>) -> bool {
    for (partition, leader, epoch) in &outcome.hints {
        let at = &partition.at;
        context.cluster.leader_hint(&at.topic, at.partition, *leader, *epoch);
    }
    if outcome.stale {
        context.cluster.refresh();
    }
    if outcome.unresolved {
        context.engine.notify_one();
    }
    let mut decoded = 0;
    for Fetched { partition, epoch, from, batches } in outcome.fetched {
        for found in batches {
            let mut size = 0;
            let item = match found {
                Found::Skip(next) => Delivery::Skip(next),
                Found::Batch(raw) => {
                    let batch = decode(&partition, raw, context.config.max_batch_bytes);
                    size = batch.as_ref().map_or(0, Batch::size);
                    batch.map_or_else(Delivery::Error, Delivery::Batch)
                }
            };
            let is_damaged = matches!(item, Delivery::Error(_));
            if is_damaged {
                partition.halt(epoch);
            }
            let charge = Charge::new(loan.clone(), partition.clone(), size);
            let chunk = Chunk { partition: partition.clone(), epoch, from, item, charge };
            if !partition.send(Event::Data(chunk)) {
                return false;
            }
            if is_damaged {
                break;
            }
            decoded += size;
            if decoded >= TURN {
                decoded = 0;
                tokio::task::yield_now().await;
            }
        }
        let mut cursor = partition.cursor();
        cursor.delivering = None;
        if cursor.leader != Some(lane.broker) {
            // Its new leader has been waiting for this.
            context.engine.notify_one();
        }
    }
    let mut errors = outcome.errors.into_iter();
    errors.all(|(partition, epoch, error)| {
        let charge = Charge::new(loan.clone(), partition.clone(), 0);
        let item = Delivery::Error(error);
        let chunk = Chunk { partition: partition.clone(), epoch, from: 0, item, charge };
        partition.send(Event::Data(chunk))
    })
}

/// The bytes that are decoded before others have their turn.
const TURN: usize = 128 << 10;

fn decode(partition: &Partition, raw: RawBatch, max_bytes: usize) -> Result<Batch> {
    let (at, offset) = (&partition.at, raw.base_offset());
    let failed = |error, what| {
        let text = format!("batch of {at} at offset {offset} {what}");
        Error::new(ErrorKind::Record, text).with_source(error)
    };
    raw.verify().map_err(|error| failed(error, "is damaged"))?;
    raw.decode(&at.topic, at.partition, max_bytes).map_err(|error| failed(error, "cannot be read"))
}
