//! The task that keeps the metadata fresh: on age, and soon after somebody asks.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use super::{Metadata, Shared, check_topic_name};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::ErrorCode;
use crate::protocol::messages::describe_cluster::DescribeClusterRequest;
use crate::protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use crate::transport::Connection;

/// Who wants fresh metadata, and how it went. A request is a ticket: it is served by a refresh
/// that starts after it, and any number of tickets share one refresh.
#[derive(Debug)]
pub(super) struct Refresh {
    asked: watch::Sender<u64>,
    served: watch::Sender<(u64, Option<Error>)>,
    /// Topics in use, and by how many.
    topics: Mutex<HashMap<Arc<str>, usize>>,
}

impl Default for Refresh {
    fn default() -> Self {
        Self {
            asked: watch::Sender::new(0),
            served: watch::Sender::new((0, None)),
            topics: Mutex::default(),
        }
    }
}

impl Refresh {
    /// Asks for a refresh, and does not wait for it.
    pub(super) fn ask(&self) -> u64 {
        let mut ticket = 0;
        self.asked.send_modify(|asked| {
            *asked += 1;
            ticket = *asked;
        });
        ticket
    }

    /// Tickets that are taken from now on.
    pub(super) fn tickets(&self) -> watch::Receiver<u64> {
        self.asked.subscribe()
    }

    /// Waits until a refresh that began after `ticket` is done.
    ///
    /// # Errors
    ///
    /// What made that refresh fail.
    pub(super) async fn served(&self, ticket: u64) -> Result<()> {
        let mut served = self.served.subscribe();
        match served.wait_for(|(done, _)| *done >= ticket).await.as_deref() {
            Ok((_, None)) => Ok(()),
            Ok((_, Some(error))) => Err(error.clone()),
            Err(_) => Err(Error::closed("client")),
        }
    }

    /// Counts a user of the topics; whether any of them is new.
    pub(super) fn track(&self, topics: &[Arc<str>]) -> bool {
        let mut tracked = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        let before = tracked.len();
        for topic in topics.iter().filter(|topic| check_topic_name(topic).is_ok()) {
            *tracked.entry(topic.clone()).or_default() += 1;
        }
        tracked.len() > before
    }

    /// Ends what [`track`](Self::track) began.
    pub(super) fn untrack(&self, topics: &[Arc<str>]) {
        let mut tracked = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        for topic in topics {
            if let Some(count) = tracked.get_mut(topic) {
                *count -= 1;
                if *count == 0 {
                    tracked.remove(topic);
                }
            }
        }
    }

    fn topics(&self) -> Vec<Arc<str>> {
        let tracked = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        tracked.keys().cloned().collect()
    }
}

/// Runs until the cluster is dropped.
pub(super) async fn run(shared: Arc<Shared>, mut asked: watch::Receiver<u64>) {
    let (mut failures, mut leaderless) = (0, 0);
    loop {
        let max_age = match leaderless {
            0 => shared.config.metadata_max_age,
            // Nobody can fail, and ask, at a leader that is not there.
            times => shared.config.backoff.after(times).min(shared.config.metadata_max_age),
        };
        let _ = timeout(max_age, asked.changed()).await;
        let ticket = *asked.borrow_and_update();
        let began = Instant::now();
        let error = refresh(&shared).await.err();
        leaderless = if shared.metadata.borrow().is_complete() { 0 } else { leaderless + 1 };
        match &error {
            None => failures = 0,
            Some(error) => {
                failures += 1;
                tracing::warn!(%error, "metadata refresh failed");
            }
        }
        shared.refresh.served.send_replace((ticket, error));
        // However many ask: one refresh each backoff, and rarer while the cluster is away.
        tokio::time::sleep_until(began + shared.config.backoff.after(failures)).await;
    }
}

/// Whom to ask for metadata.
enum Source {
    Broker(i32),
    /// An address from the configuration, whose id is not known.
    Bootstrap(String, u16),
}

/// The type of endpoint, as the protocol numbers it.
const CONTROLLERS: i8 = 2;

/// A broker that has not answered after this long is joined by the next one.
const PATIENCE: Duration = Duration::from_secs(1);

/// Asks brokers that are known, in random order, and then the bootstrap addresses again: when
/// every broker has moved, the names in the configuration still lead to the new ones (KIP-899).
/// A silent broker does not hold up the refresh: the others are asked beside it.
async fn refresh(shared: &Shared) -> Result<()> {
    let metadata = shared.metadata.borrow().clone();
    let mut sources: Vec<_> = metadata.brokers.keys().copied().map(Source::Broker).collect();
    fastrand::shuffle(&mut sources);
    let known = sources.len();
    let bootstrap = shared.bootstrap.iter().cloned();
    sources.extend(bootstrap.map(|(host, port)| Source::Bootstrap(host, port)));
    fastrand::shuffle(sources.split_at_mut(known).1);
    let asked = sources.into_iter().map(|source| ask(shared, source));
    let deadline = Instant::now() + shared.config.api_timeout;
    first(asked, deadline).await.map_err(|failures| no_broker(&failures))
}

/// The first success. Each attempt begins when the one before has failed, or is silent for longer
/// than patience goes.
///
/// # Errors
///
/// Why each attempt failed, of those that did until the deadline.
pub(super) async fn first<T, F: Future<Output = Result<T>>>(
    attempts: impl IntoIterator<Item = F>,
    deadline: Instant,
) -> Result<T, Vec<Error>> {
    let mut attempts = attempts.into_iter();
    let mut asked = FuturesUnordered::new();
    let mut failures = Vec::new();
    loop {
        let next = attempts.next();
        let last = next.is_none();
        asked.extend(next);
        let patience = if last { deadline } else { deadline.min(Instant::now() + PATIENCE) };
        match timeout_at(patience, asked.next()).await {
            Ok(Some(Ok(value))) => return Ok(value),
            Ok(Some(Err(error))) => failures.push(error),
            Ok(None) => return Err(failures),
            Err(_) if Instant::now() >= deadline => return Err(failures),
            Err(_) => {}
        }
    }
}

/// One error out of all attempts: what the user must see is why each one failed.
fn no_broker(failures: &[Error]) -> Error {
    use std::error::Error as _;
    use std::fmt::Write as _;

    let mut text = String::from("no broker could be asked");
    for (at, failure) in failures.iter().enumerate() {
        let _ = write!(text, "{} {failure}", if at == 0 { ":" } else { ";" });
        let mut cause = failure.source();
        while let Some(error) = cause {
            let _ = write!(text, ": {error}");
            cause = error.source();
        }
    }
    // What retrying cannot mend is told at once: a wrong protocol, a refused login.
    let retriable = failures.is_empty() || failures.iter().any(Error::is_retriable);
    let kind = failures.first().map_or(ErrorKind::Timeout, Error::kind);
    Error::new(kind, text).retriable(retriable)
}

/// Asks one of them, and takes over its answer.
async fn ask(shared: &Shared, source: Source) -> Result<()> {
    let connection = match source {
        Source::Broker(id) => shared.connection(id).await?,
        Source::Bootstrap(host, port) => {
            let connection = shared.pool.dial(&host, port, &shared.config).await;
            connection.map_err(|error| error.context(format!("connect to {host}:{port}")))?
        }
    };
    if shared.config.controllers {
        return ask_controller(shared, &connection).await;
    }
    let topics = shared.refresh.topics();
    let request = request(&connection, &topics, shared.config.allow_auto_topic_creation)?;
    let response = connection.call(&request, shared.config.request_timeout).await?;
    shared.metadata.send_modify(|metadata| {
        let mut next = metadata.merged(response);
        // Topics that nobody uses any more would go stale here.
        next.topics.retain(|name, _| topics.contains(name));
        *metadata = Arc::new(next);
    });
    Ok(())
}

/// Controllers know no topics; they know each other, and which of them is active.
async fn ask_controller(shared: &Shared, connection: &Connection) -> Result<()> {
    let request = DescribeClusterRequest { endpoint_type: CONTROLLERS, ..Default::default() };
    let response = connection.call(&request, shared.config.request_timeout).await?;
    ErrorCode(response.error_code)
        .check()
        .map_err(|code| Error::broker(code, "describe the controllers"))?;
    shared.metadata.send_replace(Arc::new(Metadata::of_nodes(response)));
    Ok(())
}

/// A request for just these topics; for none of them if the list is empty.
fn request(
    connection: &Connection,
    topics: &[Arc<str>],
    allow_auto_topic_creation: bool,
) -> Result<MetadataRequest> {
    let version = connection.version::<MetadataRequest>()?;
    let topics = topics
        .iter()
        .map(|name| MetadataRequestTopic { name: Some(name.to_string()), ..Default::default() })
        .collect();
    Ok(MetadataRequest {
        topics: Some(topics),
        // Before version 4 the broker decides alone, and the field cannot be sent.
        allow_auto_topic_creation: allow_auto_topic_creation || version < 4,
        ..Default::default()
    })
}

impl Metadata {
    /// Whether an answer has ever arrived.
    pub(crate) fn is_known(&self) -> bool {
        !self.brokers.is_empty()
    }

    /// Whether each partition of the topics that exist has a leader.
    fn is_complete(&self) -> bool {
        let topics = self.topics.values();
        topics.flat_map(|topic| &topic.partitions).all(|partition| partition.leader.is_some())
    }
}
