//! The fetch loop of one broker. It waits for nobody: neither for other brokers, nor for the
//! application, except that it holds no more than its share of the byte budget.
//!
//! It has two connections. A request that waits for data on one of them is abandoned when something
//! else is wanted, and the next one goes out on the other: a seek does not wait for a long poll.

use std::future::{Future, pending};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::{Instant, sleep_until};

use super::Shared;
use super::appetite::Appetite;
use super::builder::Config;
use super::cursor::State;
use super::decode::{Backlog, CHUNK, Room, Step};
use super::fetch::{self, Fetched, Found, Outcome, Rules};
use super::lane::{Lane, News};
use super::partition::Partition;
use super::session::{Session, Terms, Verdict};
use super::stats::count;
use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::protocol::messages::fetch::{FetchRequest, FetchResponse};
use crate::task::{self, Task};
use crate::transport::{Answer, Connection};

/// What the loops of a reader have in common.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) cluster: Cluster,
    pub(super) config: Arc<Config>,
    /// Wakes the engine: a cursor has to be resolved, validated or moved.
    pub(super) engine: Arc<tokio::sync::Notify>,
    pub(super) shared: Arc<Shared>,
}

/// Starts the loop; it runs until the reader is dropped.
pub(super) fn start(context: Context, lane: Arc<Lane>) -> Task<()> {
    let fetching = Loop {
        context,
        lane,
        session: Session::new(),
        backlog: Backlog::default(),
        appetite: Appetite::new(),
        share: 0,
        connections: [None, None],
        active: 0,
        dialling: None,
        waiting: None,
        abandoned: None,
        spare_not_before: None,
        is_short: false,
        failures: 0,
        not_before: None,
        quiet: 0,
    };
    task::spawn(fetching.run())
}

struct Loop {
    context: Context,
    lane: Arc<Lane>,
    session: Session,
    backlog: Backlog,
    appetite: Appetite,
    share: usize,
    /// Its own: a long poll holds up whatever comes behind it.
    connections: [Option<Connection>; 2],
    /// The index of the one that requests go out on.
    active: usize,
    /// For the index with it.
    dialling: Option<(usize, BoxFuture<'static, Result<Connection>>)>,
    waiting: Option<Waiting>,
    /// The answer to come on the other connection, which nobody needs, and since when.
    abandoned: Option<Waiting>,
    /// After a failure, the other connection is not dialled before this.
    spare_not_before: Option<Instant>,
    /// There was no room for the next request.
    is_short: bool,
    failures: u32,
    /// After a failure, no request goes out before this.
    not_before: Option<Instant>,
    /// Answers in a row that had no data.
    quiet: u32,
}

/// A fetch that is under way.
struct Waiting {
    answer: Answer<FetchRequest>,
    since: Instant,
    /// The most that it may bring.
    reserved: usize,
}

/// How long an answer may take before it counts as waiting for data.
const GRACE: Duration = Duration::from_millis(5);

/// How long an answer that nobody needs keeps its connection, if that is wanted; and how long a
/// second connection is not tried again that could not be made.
const PATIENCE: Duration = Duration::from_secs(1);

/// The first wait while a partition is left out because it is full: it may want more soon.
const SHORT_WAIT: Duration = Duration::from_millis(10);

impl Loop {
    async fn run(mut self) {
        loop {
            self.read_inbox();
            let now = Instant::now();
            let is_waiting = self.waiting.is_some();
            let until = match self.advance(now).await {
                Ok(until) => until.into_iter().chain(self.session.next_look(now)).min(),
                Err(error) => {
                    self.failed(&error);
                    self.not_before
                }
            };
            if self.waiting.is_some() && !is_waiting {
                // The next request goes out before what has come is decoded: the connection's task
                // may be the next on this thread, and no other would take it over.
                tokio::task::yield_now().await;
            }
            let step = self.decode();
            match step {
                Step::Closed => return,
                // What they have that is not decoded cannot be, now.
                Step::Short => self.make_room(|partition| partition.held() > 0),
                Step::More | Step::Rest if self.is_short => self.make_room(holds),
                Step::More | Step::Rest => {}
            }
            tokio::select! {
                biased;
                response = done(self.waiting.as_mut().map(|it| &mut it.answer)) => {
                    let waiting = self.waiting.take();
                    self.answered(response.map_err(Error::from), waiting.as_ref());
                }
                _ = done(self.abandoned.as_mut().map(|it| &mut it.answer)) => self.abandoned = None,
                dialled = done(self.dialling.as_mut().map(|(_, dialling)| dialling)) => {
                    self.dialled(dialled);
                }
                () = self.lane.budget.wake.notified() => {}
                () = sleep_or_never(until) => {}
                () = tokio::task::yield_now(), if step == Step::More => {}
            }
        }
    }

    fn read_inbox(&mut self) {
        let News { partitions, touched, share } = self.lane.news();
        self.share = share;
        if let Some(partitions) = partitions {
            self.session.assign(partitions);
        }
        for partition in touched {
            partition.cursor().looked_at(&self.lane);
            self.session.touch(&partition);
            self.backlog.touch(&partition);
        }
    }

    /// The most that may wait of a partition that has a channel of its own.
    fn cap(&self) -> usize {
        (self.share / 2 / self.session.entries.len().max(1)).max(1)
    }

    /// The most that may be held besides what is on its way.
    fn limit(&self) -> usize {
        let on_its_way = self.waiting.iter().chain(&self.abandoned).map(|it| it.reserved);
        self.share.saturating_sub(on_its_way.sum())
    }

    /// Sends what is wanted, as far as it can be now. Returns when to look again.
    async fn advance(&mut self, now: Instant) -> Result<Option<Instant>> {
        self.is_short = false;
        if let Some(at) = self.not_before.filter(|at| now < *at) {
            return Ok(Some(at));
        }
        if self.dialling.as_ref().is_some_and(|(at, _)| *at == self.active) {
            return Ok(None);
        }
        // Looks at those again whose time has come.
        let _ = self.session.next_look(now);
        let (context, lane) = (self.context.clone(), self.lane.clone());
        let terms = Terms {
            lane: &lane,
            config: &context.config,
            now,
            cap: self.cap(),
            short_wait: SHORT_WAIT
                .saturating_mul(1 << self.quiet.min(10))
                .min(context.config.max_wait),
        };
        if let Some(waiting) = &self.waiting {
            if !self.session.wants_more(&terms) {
                return Ok(None);
            }
            // One answer at most is abandoned at a time, however often something else is wanted.
            let patience = self.abandoned.as_ref().map(|abandoned| abandoned.since + PATIENCE);
            let at = (waiting.since + GRACE).max(patience.unwrap_or(now));
            let at = at.max(self.spare_not_before.unwrap_or(now));
            if self.dialling.is_some() {
                return Ok(None);
            }
            if now < at {
                return Ok(Some(at));
            }
            let other = 1 - self.active;
            if self.abandoned.take().is_some() || !self.is_open(other) {
                self.dial(other);
                return Ok(None);
            }
            self.abandoned = self.waiting.take().map(|waiting| Waiting { since: now, ..waiting });
            self.active = other;
            self.session.abandoned();
        } else if !self.session.is_wanted(&terms) {
            return Ok(None);
        }
        let config = &context.config;
        let max_frame = context.cluster.config().max_frame_size;
        // Half of the share, so that one answer can be fetched while another is being read; and an
        // answer has more in it than records.
        let min_bytes = usize::try_from(config.min_bytes).unwrap_or(0);
        let most = self.appetite.bytes(min_bytes, config.max_bytes);
        let mut most = most.min(self.share / 2).min(max_frame / 2).max(1);
        if !self.session.is_diverted {
            let limit = self.limit();
            let free = || limit.saturating_sub(lane.budget.held());
            // While the last answer is being read, half of what is left: the other is for what
            // comes out of it.
            let least = most.min(self.share / 8).max(1);
            self.is_short = !lane.budget.check(|| free().div_ceil(2) >= least);
            if self.is_short {
                return Ok(None);
            }
            most = most.min(free().div_ceil(2));
        }
        if !self.is_open(self.active) {
            self.dial(self.active);
            return Ok(None);
        }
        let Some(Some(connection)) = self.connections.get(self.active) else { return Ok(None) };
        let version = connection.version::<FetchRequest>()?;
        let (is_diverted, mut reserved) = (self.session.is_diverted, most);
        let max_bytes = |known: usize| {
            if is_diverted {
                // Each has a limit of its own, whatever the others hold.
                reserved = most.min(known.saturating_mul(terms.cap));
            }
            i32::try_from(reserved).unwrap_or(i32::MAX)
        };
        let Some((version, request)) = self.session.request(version, max_bytes, &terms) else {
            return Ok(None);
        };
        let timeout = config.max_wait + context.cluster.config().request_timeout;
        match connection.start_at(version, &request, timeout).await {
            Ok(answer) => self.waiting = Some(Waiting { answer, since: now, reserved }),
            Err(error) => {
                self.session.lost();
                return Err(error.into());
            }
        }
        Ok(None)
    }

    fn is_open(&self, at: usize) -> bool {
        let connection = self.connections.get(at).and_then(Option::as_ref);
        connection.is_some_and(|connection| !connection.is_closed())
    }

    /// Not waited for here: what has come must not wait for that.
    fn dial(&mut self, at: usize) {
        let (cluster, broker) = (self.context.cluster.clone(), self.lane.broker);
        self.dialling = Some((at, Box::pin(async move { cluster.dial(broker).await })));
    }

    fn dialled(&mut self, dialled: Result<Connection>) {
        let Some((at, _)) = self.dialling.take() else { return };
        match dialled {
            Ok(connection) => {
                self.session.connected();
                if let Some(place) = self.connections.get_mut(at) {
                    *place = Some(connection);
                }
            }
            Err(error) if at == self.active => self.failed(&error),
            // The one that is in use says itself what is wrong with it.
            Err(error) => {
                tracing::debug!(broker = self.lane.broker, %error, "no second connection");
                self.spare_not_before = Some(Instant::now() + PATIENCE);
            }
        }
    }

    fn answered(&mut self, response: Result<FetchResponse>, to: Option<&Waiting>) {
        let response = match response {
            Ok(response) => response,
            Err(error) => {
                self.session.lost();
                self.failed(&error);
                return;
            }
        };
        let cluster = &self.context.cluster;
        let (now, backoff) = (Instant::now(), cluster.config().backoff);
        match self.session.answered(&response) {
            Verdict::Good => self.failures = 0,
            Verdict::Over { failures } => {
                let code = response.error_code;
                tracing::debug!(broker = self.lane.broker, code, failures, "session is over");
                // The first time, the broker has just lost it.
                self.not_before = (failures > 1).then(|| now + backoff.after(failures - 1));
                cluster.refresh();
                return;
            }
            Verdict::Failed(code) => {
                tracing::debug!(broker = self.lane.broker, %code, "fetch refused");
                count(&self.context.shared.counters.fetch_errors, 1);
                self.failures += 1;
                self.not_before = Some(now + backoff.after(self.failures));
                cluster.refresh();
                return;
            }
        }
        let metadata = cluster.metadata();
        let rules = Rules {
            broker: self.lane.broker,
            config: &self.context.config,
            now,
            backoff: backoff.drawn(),
            replica_age: cluster.config().metadata_max_age,
            is_broker: &|id| metadata.brokers.contains_key(&id),
        };
        let outcome = fetch::apply(response, &mut self.session, &rules);
        if let Some(Waiting { since, reserved, .. }) = to {
            self.appetite.fed(*reserved, outcome.bytes(), now - *since);
        }
        self.take(outcome);
    }

    fn take(&mut self, outcome: Outcome) {
        let cluster = &self.context.cluster;
        for hint in &outcome.hints {
            cluster.leader_hint(hint);
        }
        if outcome.stale {
            cluster.refresh();
        }
        if outcome.unresolved {
            self.context.engine.notify_one();
        }
        count(&self.context.shared.counters.fetches, 1);
        count(&self.context.shared.counters.fetched_bytes, outcome.bytes());
        for partition in &outcome.idle {
            self.context.shared.passed(partition, None);
        }
        self.quiet = if outcome.fetched.is_empty() { self.quiet.saturating_add(1) } else { 0 };
        // Events take memory too, however little they hold.
        let mut bytes = 0;
        for fetched in &outcome.fetched {
            bytes += fetched.batches.len() * CHUNK;
            bytes += if fetched.is_copy { 0 } else { fetched.bytes };
        }
        let frame = self.lane.budget.lend(bytes);
        for fetched in outcome.fetched {
            let loan =
                if fetched.is_copy { self.lane.budget.lend(fetched.bytes) } else { frame.clone() };
            self.backlog.push(fetched, loan);
        }
    }

    fn decode(&mut self) -> Step {
        let room = Room {
            lane: &self.lane,
            // Where all have moved away, nothing more comes.
            limit: if self.session.entries.is_empty() { usize::MAX } else { self.limit() },
            cap: self.cap(),
            max_batch: self.context.config.max_batch_bytes,
        };
        self.backlog.step(&room, || self.context.engine.notify_one())
    }

    /// If all that is held is of paused partitions, it is dropped: the others need the room.
    fn make_room(&self, keeps: impl Fn(&Arc<Partition>) -> bool) {
        let all = self.session.entries.iter().map(|entry| &entry.partition);
        let mut others = all.filter(|partition| !partition.is_paused()).peekable();
        if self.session.is_diverted || others.peek().is_none() || others.any(keeps) {
            return;
        }
        // Those that have moved away since may hold what came from here.
        let shared = &self.context.shared;
        for partition in shared.partitions().iter().filter(|it| it.is_paused() && holds(it)) {
            if partition.rewind() {
                shared.wake(partition);
            }
        }
    }

    /// The broker cannot be reached, and its partitions may have moved; or it sends what cannot be
    /// read, and would send that again.
    fn failed(&mut self, error: &Error) {
        self.failures += 1;
        let (now, broker) = (Instant::now(), self.lane.broker);
        tracing::debug!(broker, %error, failures = self.failures, "fetch failed");
        count(&self.context.shared.counters.fetch_errors, 1);
        let cluster = &self.context.cluster;
        cluster.refresh();
        self.not_before = Some(now + cluster.config().backoff.after(self.failures));
        for entry in &self.session.entries {
            let mut cursor = entry.partition.cursor();
            if cursor.leader.is_some_and(|leader| leader != broker) {
                cursor.leave_replica(now + fetch::LEADER_ONLY);
                self.context.engine.notify_one();
            } else if !error.is_retriable() && matches!(cursor.state, State::At(_)) {
                cursor.state = State::Halted;
                cursor.deliver(broker);
                let epoch = cursor.epoch;
                drop(cursor);
                let text = format!("fetch of {} from broker {broker}", entry.partition.at);
                // Behind what came before it.
                let batches = [Found::Error(error.clone().context(text))].into();
                let (partition, is_copy) = (entry.partition.clone(), false);
                let failed = Fetched { partition, epoch, from: 0, batches, bytes: 0, is_copy };
                self.backlog.push(failed, self.lane.budget.lend(0));
            }
        }
        if !error.is_retriable() {
            for at in 0..self.session.entries.len() {
                self.session.touch_at(at);
            }
        }
    }
}

fn holds(partition: &Arc<Partition>) -> bool {
    partition.held() > 0 || partition.pending() > 0
}

async fn done<F: Future + Unpin>(future: Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => pending().await,
    }
}

pub(super) async fn sleep_or_never(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => pending().await,
    }
}
