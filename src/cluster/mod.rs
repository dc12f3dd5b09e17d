//! Which broker, over which connection, in which version, and whether to try again.
//!
//! Knows brokers, metadata and routing; knows nothing of what readers and writers do with it.

mod ask;
mod config;
mod coordinator;
mod metadata;
mod offsets;
mod pool;
mod refresh;
mod retry;
mod split;

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

pub(crate) use ask::{At, check_response, fail_together};
pub(crate) use config::{ClusterConfig, Source, check_duration};
pub use metadata::{Broker, PartitionMetadata, TopicMetadata};
pub(crate) use metadata::{LeaderHint, Metadata};
pub use offsets::FoundOffset;
pub(crate) use offsets::{
    EARLIEST, LATEST, MAX_TIMESTAMP, found_offset, list_offsets_at, list_offsets_request,
};
pub(crate) use retry::{Attempts, Backoff, WHILE_ENDING};
pub(crate) use split::{Answers, Split, split, split_each};

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::{ErrorCode, Request};
use crate::task::{self, Task};
use crate::transport::{Connect, Connection, TransportError};
use crate::types::TopicPartition;
use crate::wire::{EncodeError, Uuid};
use ask::is_again;
use coordinator::{Coordinators, GROUP, TRANSACTION};
use pool::Pool;
use refresh::Refresh;

/// A handle to one cluster; clones share its connections and metadata, and the last one to drop
/// closes them.
#[derive(Clone, Debug)]
pub(crate) struct Cluster(Arc<Owner>);

/// Ends the refresh task with the last handle; the task itself holds only what is shared.
#[derive(Debug)]
struct Owner {
    shared: Arc<Shared>,
    _refresh: Task<()>,
}

#[derive(Debug)]
struct Shared {
    config: ClusterConfig,
    bootstrap: Vec<(String, u16)>,
    pool: Pool,
    metadata: watch::Sender<Arc<Metadata>>,
    refresh: Refresh,
    coordinators: Coordinators,
    instance_id: OnceLock<Uuid>,
}

/// Which broker a request goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// Whichever broker is there; of a client of controllers, the active one.
    Any,
    /// The broker that changes topics and settings.
    Controller,
    /// The broker of this id.
    Broker(i32),
    /// The leader of this partition.
    Leader(TopicPartition),
    /// The coordinator of this group.
    Group(String),
    /// The coordinator of this transactional id.
    Transaction(String),
}

/// Keeps topics in the metadata while it lives.
#[derive(Debug)]
pub(crate) struct Interest {
    shared: Arc<Shared>,
    topics: Vec<Arc<str>>,
}

impl Cluster {
    /// Starts without asking anybody; [`bootstrap`](Self::bootstrap) does.
    ///
    /// # Errors
    ///
    /// A wrong setting, by its name.
    fn new(config: ClusterConfig, connector: Arc<dyn Connect>) -> Result<Self> {
        let bootstrap = config.check()?;
        let shared = Arc::new(Shared {
            config,
            bootstrap,
            pool: Pool::new(connector),
            metadata: watch::Sender::default(),
            refresh: Refresh::default(),
            coordinators: Coordinators::default(),
            instance_id: OnceLock::new(),
        });
        // Subscribed before the task runs: who asks in between must be heard.
        let asked = shared.refresh.tickets();
        let refresh = task::spawn(refresh::run(shared.clone(), asked));
        Ok(Self(Arc::new(Owner { shared, _refresh: refresh })))
    }

    /// Waits until a broker has answered.
    ///
    /// # Errors
    ///
    /// Why no broker could be asked, with one reason per address.
    async fn bootstrap(&self, deadline: Instant) -> Result<()> {
        let mut attempts = self.attempts(deadline).with_grace(Duration::from_millis(500));
        while !self.metadata().is_known() {
            let what = || format!("connect to {}", self.config().bootstrap.join(", "));
            if let Err(error) = attempts.run(what, self.refreshed()).await {
                attempts.next(error).await?;
            }
        }
        Ok(())
    }

    pub(crate) fn config(&self) -> &ClusterConfig {
        &self.0.shared.config
    }

    /// How brokers name this client in its metrics, once one has said it.
    pub(crate) fn instance_id(&self) -> &OnceLock<Uuid> {
        &self.0.shared.instance_id
    }

    /// The newest snapshot.
    pub(crate) fn metadata(&self) -> Arc<Metadata> {
        self.0.shared.metadata.borrow().clone()
    }

    /// Snapshots as they change.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<Metadata>> {
        self.0.shared.metadata.subscribe()
    }

    /// Asks for fresh metadata soon; many who ask share one request.
    pub(crate) fn refresh(&self) {
        self.0.shared.refresh.ask();
    }

    /// Asks for fresh metadata, and waits for it.
    pub(crate) async fn refreshed(&self) -> Result<()> {
        let ticket = self.0.shared.refresh.ask();
        self.0.shared.refresh.served(ticket).await
    }

    /// Keeps these topics in the metadata until the guard is dropped; but not what is no name of a
    /// topic, which would spoil the requests of everybody.
    pub(crate) fn track(&self, topics: &[Arc<str>]) -> Interest {
        if self.0.shared.refresh.track(topics) {
            self.refresh();
        }
        Interest { shared: self.0.shared.clone(), topics: topics.to_vec() }
    }

    /// The metadata of a topic, which must be tracked; waits until the topic exists.
    ///
    /// # Errors
    ///
    /// What the broker says against it; `UNKNOWN_TOPIC_OR_PARTITION` when it is not there at the
    /// deadline.
    pub(crate) async fn topic(&self, name: &str, deadline: Instant) -> Result<Arc<TopicMetadata>> {
        check_topic_name(name)?;
        let mut attempts = self.attempts(deadline);
        loop {
            let error = match self.metadata().topics.get(name) {
                Some(topic) if topic.error == ErrorCode::NONE && !topic.partitions.is_empty() => {
                    return Ok(topic.clone());
                }
                Some(topic) if topic.error != ErrorCode::NONE => topic.error,
                _ => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            };
            let error = Error::broker(error, format!("metadata of topic {name}"));
            if self.metadata().topics.contains_key(name) {
                attempts.next(error.clone()).await?;
            }
            match tokio::time::timeout_at(deadline, self.refreshed()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => attempts.next(error).await?,
                Err(_) => return Err(error),
            }
        }
    }

    /// The shared connection to a broker, for what it answers at once: fetches and produce requests
    /// wait there, and have connections of their own by [`dial`](Self::dial).
    ///
    /// # Errors
    ///
    /// Why it could not be made.
    pub(crate) async fn connection(&self, broker: i32) -> Result<Connection> {
        self.0.shared.connection(broker).await
    }

    /// A connection to a broker for the caller alone, whose requests may wait at the broker:
    /// answers come in order, so that on a shared one everybody would wait.
    ///
    /// # Errors
    ///
    /// Why it could not be made.
    pub(crate) async fn dial(&self, broker: i32) -> Result<Connection> {
        let shared = &self.0.shared;
        let (host, port) = shared.address(broker)?;
        let dialled = shared.pool.dial(&host, port, &shared.config).await;
        dialled
            .map_err(|error| error.context(format!("connect to broker {broker} at {host}:{port}")))
    }

    /// Sends a request, again where that may help, and returns the answer, whose error codes are
    /// the caller's to look at. No version above `last` is used.
    ///
    /// # Errors
    ///
    /// The last failure before the time was over, or one that a retry cannot mend.
    pub(crate) async fn call<R: Request>(
        &self,
        target: &Target,
        request: &R,
        last: i16,
        deadline: Instant,
    ) -> Result<R::Response> {
        let mut attempts = self.attempts(deadline);
        let mut failures = 0;
        loop {
            let attempt = async {
                let asked = Asked::new(self, [target.clone()]);
                let response = self.attempt_at(target, last, |_| request.clone()).await;
                asked.answered();
                response
            };
            match attempts.run(|| R::KEY.to_string(), attempt).await {
                Ok(response) => return Ok(response),
                Err(error) => {
                    failures += 1;
                    if !is_again(target, &error, failures) {
                        return Err(error);
                    }
                    self.forget(target);
                    attempts.next(error).await?;
                }
            }
        }
    }

    /// Sends a request once; `request` makes it for the version that the broker speaks.
    ///
    /// # Errors
    ///
    /// Why there is no answer.
    pub(crate) async fn attempt<R: Request>(
        &self,
        target: &Target,
        request: impl FnOnce(i16) -> R + Send,
    ) -> Result<R::Response> {
        self.attempt_at(target, i16::MAX, request).await
    }

    async fn attempt_at<R: Request>(
        &self,
        target: &Target,
        last: i16,
        request: impl FnOnce(i16) -> R + Send,
    ) -> Result<R::Response> {
        let broker = self.resolve(target).await?;
        let connection = self.connection(broker).await?;
        let version = connection.version::<R>()?.min(last);
        let (request, timeout) = (request(version), self.config().request_timeout);
        let answer = async { connection.start_at(version, &request, timeout).await?.await };
        answer
            .await
            .map_err(|error| Error::from(error).context(format!("{} to broker {broker}", R::KEY)))
    }

    /// Drops what led to a broker that did not answer, or said that it is the wrong one.
    pub(crate) fn forget(&self, target: &Target) {
        self.0.shared.coordinators.forget(target);
        self.refresh();
    }

    /// A response named a new leader (KIP-951): used at once, and metadata follows.
    pub(crate) fn leader_hint(&self, hint: &LeaderHint) {
        self.0.shared.metadata.send_if_modified(|metadata| match metadata.with_leader(hint) {
            Some(next) => {
                *metadata = Arc::new(next);
                true
            }
            None => false,
        });
    }

    pub(crate) fn attempts(&self, deadline: Instant) -> Attempts {
        Attempts::new(self.config().backoff, deadline)
    }

    /// The deadline of a call that begins now and has no other limit.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.config().api_timeout
    }

    async fn resolve(&self, target: &Target) -> Result<i32> {
        let found = self.resolve_all(std::slice::from_ref(target)).await.pop();
        found.unwrap_or_else(|| Err(unavailable("the broker")))
    }

    /// What has to be asked before the target can be told; `None` if it is known.
    fn needs(&self, target: &Target) -> Option<Lookup> {
        let coordinators = &self.0.shared.coordinators;
        match target {
            _ if self.config().controllers => None,
            Target::Group(name) if !coordinators.has(GROUP, name) => Some(Lookup::Group),
            Target::Transaction(name) if !coordinators.has(TRANSACTION, name) => {
                Some(Lookup::Transaction)
            }
            Target::Leader(at) if check_topic_name(&at.topic).is_ok() => {
                // What was wrong with a topic a while ago may have been mended since.
                let metadata = self.metadata();
                let is_fine = |topic: &Arc<TopicMetadata>| topic.error == ErrorCode::NONE;
                (!metadata.topics.get(&at.topic).is_some_and(is_fine)).then_some(Lookup::Topic)
            }
            _ => None,
        }
    }

    /// The broker that each target means at the moment; coordinators are looked up together.
    async fn resolve_all(&self, targets: &[Target]) -> Vec<Result<i32>> {
        let is_client_of_controllers = self.config().controllers;
        let names = |of: fn(&Target) -> Option<&str>| -> BTreeSet<&str> {
            let asked = targets.iter().filter(|_| !is_client_of_controllers);
            asked.filter_map(of).collect()
        };
        let coordinators = &self.0.shared.coordinators;
        let topics = async {
            if targets.iter().any(|target| self.needs(target) == Some(Lookup::Topic)) {
                return self.refreshed().await;
            }
            Ok(())
        };
        let (refreshed, groups, transactions) = futures::join!(
            topics,
            coordinators.find(
                self,
                GROUP,
                names(|target| match target {
                    Target::Group(name) => Some(name),
                    _ => None,
                })
            ),
            coordinators.find(
                self,
                TRANSACTION,
                names(|target| match target {
                    Target::Transaction(name) => Some(name),
                    _ => None,
                })
            ),
        );
        let metadata = self.metadata();
        let brokers_only = |target: &Target| {
            let text =
                format!("{target:?}: only brokers can answer, and this is a client of controllers");
            Err(Error::new(ErrorKind::Unsupported, text))
        };
        let missing = |name: &str| Err(unavailable(&format!("the coordinator of {name}")));
        // The same for all of them: one request does.
        let any = fastrand::choice(metadata.brokers.keys().copied());
        let found = targets.iter().map(|target| match target {
            Target::Any if !is_client_of_controllers => {
                any.ok_or_else(|| unavailable("any broker"))
            }
            // Controllers that are not active can neither change nor tell much.
            Target::Any | Target::Controller => {
                metadata.controller.ok_or_else(|| unavailable("the controller"))
            }
            Target::Broker(id) => Ok(*id),
            target if is_client_of_controllers => brokers_only(target),
            Target::Leader(at) => refreshed.clone().and_then(|()| leader(&metadata, at)),
            Target::Group(name) => groups.get(name).cloned().unwrap_or_else(|| missing(name)),
            Target::Transaction(name) => {
                transactions.get(name).cloned().unwrap_or_else(|| missing(name))
            }
        });
        found.collect()
    }
}

/// What has to be asked before a broker is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Lookup {
    Topic,
    Group,
    Transaction,
}

/// A request on its way: if nobody waits for the answer any more, what led to the broker is
/// forgotten. The broker may be dead, and the next call has to find another.
struct Asked<'a> {
    cluster: &'a Cluster,
    targets: Vec<Target>,
}

impl<'a> Asked<'a> {
    fn new(cluster: &'a Cluster, targets: impl IntoIterator<Item = Target>) -> Self {
        Self { cluster, targets: targets.into_iter().collect() }
    }

    /// There is an answer, or an error that tells as much.
    fn answered(mut self) {
        self.targets.clear();
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        for target in &self.targets {
            self.cluster.forget(target);
        }
    }
}

impl Target {
    /// The topic whose metadata leads to the broker.
    fn topic(&self) -> Option<Arc<str>> {
        match self {
            Self::Leader(at) => Some(at.topic.clone()),
            _ => None,
        }
    }
}

impl Shared {
    async fn connection(&self, broker: i32) -> Result<Connection> {
        let (host, port) = self.address(broker)?;
        self.pool.get(broker, (&host, port), &self.config).await
    }

    fn address(&self, broker: i32) -> Result<(String, u16)> {
        let metadata = self.metadata.borrow();
        let known = metadata.brokers.get(&broker);
        let known = known.ok_or_else(|| {
            Error::broker(ErrorCode::BROKER_NOT_AVAILABLE, format!("broker {broker} is not known"))
                .retriable(true)
        })?;
        Ok((known.host.clone(), known.port))
    }
}

impl Drop for Interest {
    fn drop(&mut self) {
        self.shared.refresh.untrack(&self.topics);
    }
}

/// Only what brokers can be asked about: longer names cannot even be sent.
///
/// # Errors
///
/// The name is empty, or longer than 249 bytes.
pub(crate) fn check_topic_name(name: &str) -> Result<()> {
    match name.len() {
        1..=249 => Ok(()),
        len => {
            let text = format!("a name of {len} bytes, where topics have 1 to 249");
            Err(Error::broker(ErrorCode::INVALID_TOPIC_EXCEPTION, text))
        }
    }
}

fn leader(metadata: &Metadata, at: &TopicPartition) -> Result<i32> {
    check_topic_name(&at.topic)?;
    let Some(topic) = metadata.topics.get(&at.topic) else {
        return Err(unavailable(&format!("topic {}", at.topic)));
    };
    let partition = topic.partition(at.partition);
    let code = match (topic.error, partition.map(|partition| partition.leader)) {
        (ErrorCode::NONE, Some(Some(leader))) => return Ok(leader),
        (ErrorCode::NONE, Some(None)) => ErrorCode::LEADER_NOT_AVAILABLE,
        (ErrorCode::NONE, None) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        (code, _) => code,
    };
    Err(Error::broker(code, format!("the leader of {at}")))
}

/// Not known, or not there at the moment.
fn unavailable(what: &str) -> Error {
    Error::new(ErrorKind::Connection, format!("{what} is not known at the moment"))
}

impl From<TransportError> for Error {
    fn from(error: TransportError) -> Self {
        use TransportError as T;

        let kind = match &error {
            T::Refused { code } => return Self::broker(*code, error.to_string()),
            _ if error.is_timeout() => ErrorKind::Timeout,
            T::FrameSize { .. }
            | T::Correlation { .. }
            | T::Unsolicited { .. }
            | T::Decode { .. } => ErrorKind::Protocol,
            T::Tls | T::Http | T::Encode { source: EncodeError::Length, .. } => ErrorKind::Config,
            T::Unsupported { .. } | T::Encode { .. } => ErrorKind::Unsupported,
            _ => ErrorKind::Connection,
        };
        let retriable = error.is_retriable();
        Self::wrap(kind, error).retriable(retriable)
    }
}
