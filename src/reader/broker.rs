//! The fetch loop of one broker. It waits for nobody: neither for other brokers, nor for the
//! application, except that it holds no more than its share of the byte budget.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::budget::Budget;
use super::fetch::{self, Fetch, Fetched, Found, LAST_BY_NAME, Outcome};
use super::partition::Partition;
use super::{Config, Delivery, Event};
use crate::cluster::Cluster;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::messages::fetch::FetchRequest;
use crate::record::RawBatch;
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
}

/// Runs until the reader is closed or dropped.
pub(super) async fn run(context: Context, lane: Arc<Lane>) {
    let mut failures = 0;
    let mut turn = 0;
    // Its own: a long poll holds up whatever comes behind it.
    let mut connection = None;
    // The request that is under way while the data of the one before is delivered.
    let mut under_way = None;
    loop {
        let sent = match under_way.take() {
            Some(sent) => sent,
            None => match send(&context, &lane, &mut connection, &mut turn).await {
                Ok(Some(sent)) => sent,
                Ok(None) => {
                    idle(&lane).await;
                    continue;
                }
                Err(error) => {
                    failures += 1;
                    lost(&context, &lane, &error, failures).await;
                    continue;
                }
            },
        };
        let response = match sent.answer.await {
            Ok(response) => response,
            Err(error) => {
                failures += 1;
                lost(&context, &lane, &error.into(), failures).await;
                continue;
            }
        };
        failures = 0;
        let backoff = context.cluster.config().backoff;
        let outcome = fetch::apply(response, &sent.asked, &context.config, backoff, Instant::now());
        // The data stays charged as a whole until its batches carry the charge on.
        let held = lane.budget.charge(size(&outcome));
        if let Ok(next) = send(&context, &lane, &mut connection, &mut turn).await {
            under_way = next;
        }
        if !deliver(&context, &lane, outcome) {
            return;
        }
        drop(held);
    }
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
) -> Result<Option<Sent>> {
    let config = &context.config;
    let (partitions, share) = lane.now();
    // Half of the share, so that one answer can be fetched while another is being read.
    let max_bytes = config.max_bytes.min(share / 2).max(1);
    if lane.budget.held() + max_bytes > share {
        return Ok(None);
    }
    *turn = turn.wrapping_add(1);
    let max_bytes = i32::try_from(max_bytes).unwrap_or(i32::MAX);
    let Some(fetch) = Fetch::build(&partitions, *turn, max_bytes, config, Instant::now()) else {
        return Ok(None);
    };
    let connection = match connection.take().filter(|connection| !connection.is_closed()) {
        Some(open) => connection.insert(open),
        None => connection.insert(context.cluster.dial(lane.broker).await?),
    };
    let mut version = connection.version::<FetchRequest>()?;
    if !fetch.has_ids {
        version = version.min(LAST_BY_NAME);
    }
    let request = for_version(fetch.request, version);
    let timeout = config.max_wait + context.cluster.config().request_timeout;
    let answer = connection.start_at(version, &request, timeout).await?;
    Ok(Some(Sent { answer, asked: fetch.asked }))
}

/// Drops what a version cannot say and does not need.
fn for_version(mut request: FetchRequest, version: i16) -> FetchRequest {
    for topic in &mut request.topics {
        if version <= LAST_BY_NAME {
            topic.topic_id = crate::wire::Uuid::default();
        } else {
            topic.topic.clear();
        }
    }
    request
}

/// Waits until something may be wanted: bytes given back, a partition, or the end of a backoff.
async fn idle(lane: &Lane) {
    let (partitions, _) = lane.now();
    let now = Instant::now();
    let retries = partitions.iter().filter_map(|p| p.cursor().retry_at());
    let retry = retries.filter(|at| *at > now).min();
    let wake = lane.budget.wake.notified();
    match retry {
        Some(at) => drop(timeout_at(at, wake).await),
        None => wake.await,
    }
}

/// The broker cannot be reached: its partitions may have moved.
async fn lost(context: &Context, lane: &Lane, error: &Error, failures: u32) {
    tracing::debug!(broker = lane.broker, %error, failures, "fetch failed");
    context.cluster.refresh();
    let mut wait = context.cluster.config().backoff.after(failures);
    if lane.now().0.is_empty() {
        wait = wait.max(Duration::from_secs(1));
    }
    tokio::time::sleep(wait).await;
}

fn size(outcome: &Outcome) -> usize {
    let batches = outcome.fetched.iter().flat_map(|fetched| &fetched.batches);
    batches.map(|found| if let Found::Batch(batch) = found { batch.size() } else { 0 }).sum()
}

/// Checks the batches and hands them to the reader. `false` when there is no reader any more.
fn deliver(context: &Context, lane: &Lane, outcome: Outcome) -> bool {
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
    for fetched in outcome.fetched {
        let Fetched { partition, epoch, from, batches } = fetched;
        for found in batches {
            let (delivery, bytes) = match found {
                Found::Skip(next) => (Delivery::Skip(next), 0),
                Found::Batch(batch) => {
                    let bytes = batch.size();
                    match verify(&partition, &batch) {
                        Ok(()) => (Delivery::Batch(batch), bytes),
                        Err(error) => {
                            partition.halt(epoch);
                            (Delivery::Error(error), 0)
                        }
                    }
                }
            };
            let failed = matches!(delivery, Delivery::Error(_));
            let charge = lane.budget.charge(bytes);
            let partition = partition.clone();
            let event = Event::Data { partition, epoch, from, delivery, charge };
            if context.events.send(event).is_err() {
                return false;
            }
            if failed {
                break;
            }
        }
    }
    outcome.errors.into_iter().all(|error| context.events.send(Event::Error(error)).is_ok())
}

fn verify(partition: &Partition, batch: &RawBatch) -> Result<()> {
    batch.verify().map_err(|error| {
        let (at, offset) = (&partition.at, batch.base_offset());
        let text = format!("batch of {at} at offset {offset} is damaged");
        Error::new(ErrorKind::Record, text).with_source(error)
    })
}
