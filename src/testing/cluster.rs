//! The handle to a cluster: what a test sees of it, and can do to it.

use std::io;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::FakeClusterBuilder;
use super::batch;
use super::broker::Shared;
use super::faults::{Call, Fault, FaultGuard, LoggedRequest};
use super::log::Rules;
use super::network::PipeConnector;
use super::state::{Partition, State, TopicRef, is_topic_name};
use super::transactions;
use crate::client::{Client, ClientBuilder};
use crate::protocol::{ApiKey, ErrorCode};
use crate::record::{BatchEncoder, Compression, Message, ProducerState, RawBatches, Record};
use crate::types::Timestamp;

/// The most that [`FakeCluster::messages`] decompresses a batch to.
const MAX_DECOMPRESSED: usize = 256 << 20;

/// A Kafka cluster in this process; see the [module](crate::testing). Dropping it ends its brokers
/// and their connections, at once.
///
/// The methods that change it panic when they are asked for what cannot be, such as the leader of a
/// partition that does not exist: the test is wrong then.
#[derive(Debug)]
pub struct FakeCluster {
    shared: Arc<Shared>,
    in_memory: bool,
}

impl FakeCluster {
    pub(super) fn new(shared: Arc<Shared>, in_memory: bool) -> Self {
        Self { shared, in_memory }
    }

    /// Starts a cluster of one broker, without topics, on loopback TCP.
    ///
    /// # Errors
    ///
    /// The system has no port left.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends what it has started.
    pub async fn start() -> io::Result<Self> {
        Self::builder().start().await
    }

    /// Begins a cluster with other settings.
    pub fn builder() -> FakeClusterBuilder {
        FakeClusterBuilder::new()
    }

    /// `host:port` of each broker, whether it is up or not.
    pub fn bootstrap(&self) -> Vec<String> {
        self.shared.with(|state| {
            let brokers = state.brokers.values();
            brokers.map(|broker| format!("{}:{}", broker.host, broker.port)).collect()
        })
    }

    /// Begins a client of this cluster, over sockets or in memory as the cluster is.
    pub fn client(&self) -> ClientBuilder {
        let client = Client::builder(self.bootstrap());
        if self.in_memory { client.connector(self.pipes()) } else { client }
    }

    pub(super) fn pipes(&self) -> PipeConnector {
        PipeConnector(Arc::downgrade(&self.shared))
    }

    #[cfg(test)]
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The ids of all brokers.
    pub fn brokers(&self) -> Vec<i32> {
        self.shared.with(|state| state.brokers.keys().copied().collect())
    }

    /// The broker that creates and deletes topics: the one with the lowest id, until it stops.
    pub fn controller(&self) -> i32 {
        self.shared.with(|state| state.controller)
    }

    /// The leader of the partition, if there are both.
    pub fn leader(&self, topic: &str, partition: i32) -> Option<i32> {
        self.peek(topic, partition, |it| it.leader)?
    }

    /// How often the partition has changed its leader, if it exists.
    pub fn leader_epoch(&self, topic: &str, partition: i32) -> Option<i32> {
        self.peek(topic, partition, |it| it.leader_epoch)
    }

    /// Makes the broker the leader, in a new epoch; it becomes a replica if it was none. With -1
    /// the partition has no leader.
    ///
    /// # Panics
    ///
    /// If there is no such partition or broker, or the broker is down.
    #[track_caller]
    pub fn move_leader(&self, topic: &str, partition: i32, broker: i32) {
        let is_up = self.shared.with(|state| state.live().contains(&broker));
        assert!(broker == -1 || is_up, "broker {broker} is not there");
        self.poke(topic, partition, |it| {
            if broker == -1 {
                it.lead(None);
                return;
            }
            if !it.replicas.contains(&broker) {
                it.replicas.push(broker);
            }
            it.lead(Some(broker));
        });
    }

    /// Cuts the connections of the broker, closes new ones, and moves its leaderships to other
    /// replicas, where there are any that are up.
    ///
    /// # Panics
    ///
    /// If there is no such broker.
    #[track_caller]
    pub fn stop_broker(&self, broker: i32) {
        self.set_up(broker, false);
        self.shared.cut(broker);
    }

    /// Starts the broker again, at the same address. It leads what nobody else does.
    ///
    /// # Panics
    ///
    /// If there is no such broker.
    #[track_caller]
    pub fn start_broker(&self, broker: i32) {
        self.set_up(broker, true);
    }

    #[track_caller]
    fn set_up(&self, broker: i32, is_up: bool) {
        let exists = self.shared.update(|state| {
            state.set_up(broker, is_up);
            state.brokers.contains_key(&broker)
        });
        assert!(exists, "there is no broker {broker}");
    }

    /// Cuts the connections of the broker, which goes on.
    pub fn cut_connections(&self, broker: i32) {
        self.shared.cut(broker);
    }

    /// How many connections to the broker are open.
    pub fn connections(&self, broker: i32) -> usize {
        self.shared.connections(broker)
    }

    /// Creates a topic, as an administrator would.
    ///
    /// # Panics
    ///
    /// If it exists, or its name or number of partitions cannot be.
    #[track_caller]
    pub fn create_topic(&self, name: &str, partitions: i32) {
        assert!(is_topic_name(name) && partitions > 0, "{name:?} cannot be a topic");
        let is_new = self.shared.update(|state| {
            let is_new = !state.topics.0.contains_key(name);
            if is_new {
                let replicas = state.place(partitions, 0, state.default_factor());
                state.create_topic(name, replicas, std::collections::BTreeMap::new());
            }
            is_new
        });
        assert!(is_new, "there is a topic {name} already");
    }

    /// Deletes a topic and all that is in it.
    ///
    /// # Panics
    ///
    /// If it does not exist.
    #[track_caller]
    pub fn delete_topic(&self, name: &str) {
        let removed = self.shared.update(|state| state.delete_topic(name));
        assert!(removed.is_some(), "there is no topic {name}");
    }

    /// Makes the topic have so many partitions.
    ///
    /// # Panics
    ///
    /// If it does not exist, or has more already.
    #[track_caller]
    pub fn add_partitions(&self, name: &str, total: i32) {
        let now = self.shared.update(|state| {
            state.add_partitions(name, total);
            state.topics.0.get(name).map(|topic| topic.partitions.len())
        });
        let wanted = usize::try_from(total).ok();
        assert!(now.is_some() && now == wanted, "{name} cannot have {total} partitions");
    }

    /// The first offset that can be read, and the one that the next record gets.
    pub fn offsets(&self, topic: &str, partition: i32) -> Option<(i64, i64)> {
        self.peek(topic, partition, |it| (it.log.start(), it.log.end()))
    }

    /// Appends records without any client, and returns the offset of the first.
    ///
    /// # Panics
    ///
    /// If there is no such partition or there are no records; or if they have headers and the
    /// emulated Kafka is too old for those.
    #[track_caller]
    pub fn append(
        &self,
        topic: &str,
        partition: i32,
        records: impl IntoIterator<Item = Record>,
    ) -> i64 {
        let now = Timestamp::from_millis(self.shared.with(|state| state.now()));
        let mut batch = BatchEncoder::new(BytesMut::new());
        for record in records {
            batch.append(&record, record.timestamp.unwrap_or(now));
        }
        let release = self.shared.with(|state| state.settings.release);
        let encoded = if release.has_batches() {
            batch.finish(Compression::none(), ProducerState::NONE)
        } else {
            batch.finish_legacy(1, Compression::none())
        };
        let rules = Rules {
            produce_version: if release.has_batches() { 7 } else { 2 },
            max_batch_bytes: usize::MAX,
            release,
            log_append_time: None,
        };
        let appended = self.poke(topic, partition, |it| {
            let encoded = encoded.map_err(|error| error.to_string())?;
            it.log.append(encoded, &rules).map_err(|rejected| rejected.text.to_owned())
        });
        match appended {
            Ok(appended) => appended.base_offset,
            Err(why) => panic!("append to {topic}[{partition}]: {why}"),
        }
    }

    /// Stores batches as they are, checking nothing: with gaps between their offsets, as control
    /// batches, damaged. The log continues after the last offset that they claim; one that claims
    /// an offset before the end of the log is found at the end.
    ///
    /// # Panics
    ///
    /// If there is no such partition.
    #[track_caller]
    pub fn append_raw(&self, topic: &str, partition: i32, batches: impl Into<Bytes>) {
        self.poke(topic, partition, |it| it.log.append_raw(batches.into()));
    }

    /// All messages of the partition, as far as they can be decoded.
    pub fn messages(&self, topic: &str, partition: i32) -> Vec<Message> {
        let bytes = self.peek(topic, partition, |it| it.log.bytes()).unwrap_or_default();
        let topic = Arc::from(topic);
        let batches = RawBatches::new(bytes).map_while(Result::ok).filter(|it| !it.is_control());
        let batches = batches.filter_map(|it| it.decode(&topic, partition, MAX_DECOMPRESSED).ok());
        let start = self.offsets(&topic, partition).map_or(0, |(start, _)| start);
        batches.flat_map(|it| it.messages_from(start)).map_while(Result::ok).collect()
    }

    /// Moves the first offset up to this one, as retention and `DeleteRecords` do.
    ///
    /// # Panics
    ///
    /// If there is no such partition.
    #[track_caller]
    pub fn delete_records(&self, topic: &str, partition: i32, before_offset: i64) {
        let release = self.shared.with(|state| state.settings.release);
        self.poke(topic, partition, |it| it.log.delete_before(before_offset, release));
    }

    /// Forgets the producers that have written to the partition, except for those with an open
    /// transaction, as happens to those that are idle for long (property
    /// `producer.id.expiration.ms`). What a producer without a past may do differs by the version of
    /// Kafka; before 2.4, [`delete_records`](Self::delete_records) forgets producers too.
    ///
    /// # Panics
    ///
    /// If there is no such partition.
    #[track_caller]
    pub fn forget_producers(&self, topic: &str, partition: i32) {
        self.poke(topic, partition, |it| it.log.producers.forget());
    }

    /// Loses what is at this offset and after it, as an unclean election does: the leader's epoch
    /// changes too.
    ///
    /// # Panics
    ///
    /// If there is no such partition.
    #[track_caller]
    pub fn truncate(&self, topic: &str, partition: i32, offset: i64) {
        self.poke(topic, partition, |it| {
            it.log.truncate(offset);
            it.lead(it.leader);
        });
    }

    /// Gives the transactional id its last epoch: the next one who asks, and the next transaction
    /// with KIP-890, gets another producer id.
    ///
    /// # Panics
    ///
    /// If no producer has the transactional id.
    #[track_caller]
    pub fn use_up_epochs(&self, transactional_id: &str) {
        let found = self.shared.with(|state| {
            let found = state.transactions.get_mut(transactional_id);
            found.map(|it| it.epoch = transactions::LAST_EPOCH)
        });
        assert!(found.is_some(), "nobody has {transactional_id}");
    }

    /// Forgets the transactional id and its producer, as a coordinator does with those that have
    /// had no transaction for `transactional.id.expiration.ms`.
    ///
    /// # Panics
    ///
    /// If no producer has the transactional id.
    #[track_caller]
    pub fn expire_transactional_id(&self, transactional_id: &str) {
        let found = self.shared.with(|state| state.transactions.remove(transactional_id));
        assert!(found.is_some(), "nobody has {transactional_id}");
    }

    /// Ends what the producer has open in this partition by a marker, whose offset this returns.
    /// Coordinators do so without being told: this is for transactions that nobody knows but their
    /// log, of [raw batches](Self::append_raw), which hold up `read_committed` until then.
    ///
    /// # Panics
    ///
    /// If there is no such partition.
    #[track_caller]
    pub fn end_transaction(
        &self,
        topic: &str,
        partition: i32,
        producer_id: i64,
        producer_epoch: i16,
        committed: bool,
    ) -> i64 {
        let (now, empty_counts) =
            self.shared.with(|state| (state.now(), state.settings.release.tells_empty_aborts()));
        let marker = batch::marker(producer_id, producer_epoch, committed, now);
        self.poke(topic, partition, |it| it.log.end_transaction(marker, empty_counts))
    }

    /// The replica on this broker has nothing at this offset and after it, and is out of sync; with
    /// `None` it has everything again. If it becomes the leader, the rest of the log is lost: an
    /// unclean election.
    ///
    /// # Panics
    ///
    /// If there is no such partition, or the broker does not follow it.
    #[track_caller]
    pub fn set_follower_end(
        &self,
        topic: &str,
        partition: i32,
        broker: i32,
        end: impl Into<Option<i64>>,
    ) {
        let end = end.into();
        let follows = self.poke(topic, partition, |it| {
            match end {
                Some(end) => it.lagging.insert(broker, end),
                None => it.lagging.remove(&broker),
            };
            it.replicas.contains(&broker) && it.leader != Some(broker)
        });
        assert!(follows, "broker {broker} does not follow {topic}[{partition}]");
    }

    /// Throttles the clients that make such calls: each answer says for how long (KIP-219), and
    /// the broker does not read from the connection meanwhile. Zero ends it.
    pub fn throttle(&self, key: ApiKey, time: Duration) {
        self.shared.with(|state| state.throttles.insert(key, time));
    }

    /// Shows every request of that kind to the hook, before the broker sees it. Hooks are asked in
    /// the order of their making, until one does not [`Pass`](Fault::Pass). They may use the
    /// cluster; it does not wait for them meanwhile. One that panics, as a failed assertion does,
    /// ends the connection, and fails the test: the panic goes on when the cluster is dropped.
    ///
    /// A call that the brokers themselves have no answer to is there from now on, if the emulated
    /// Kafka has it: on connections that ask for the versions after this. What no hook answers then
    /// ends the connection.
    pub fn on(&self, key: ApiKey, hook: impl FnMut(&Call) -> Fault + Send + 'static) -> FaultGuard {
        let id = self.shared.hooks.add(key, false, hook);
        FaultGuard::new(Arc::downgrade(&self.shared), id)
    }

    /// Shows one request of that kind to the hook: the next one that no earlier hook takes.
    pub fn once(
        &self,
        key: ApiKey,
        hook: impl FnOnce(&Call) -> Fault + Send + 'static,
    ) -> FaultGuard {
        let mut hook = Some(hook);
        let hook = move |call: &Call| hook.take().map_or(Fault::Pass, |hook| hook(call));
        let id = self.shared.hooks.add(key, true, hook);
        FaultGuard::new(Arc::downgrade(&self.shared), id)
    }

    /// Puts these codes into the next answers to such requests, one each, in every place for an
    /// error that they have; [`ErrorCode::NONE`] lets one request through. The broker does nothing
    /// else for those requests: see [`Fault::Error`].
    pub fn fail_next(&self, key: ApiKey, codes: impl IntoIterator<Item = ErrorCode>) {
        self.shared.hooks.push_failures(key, codes);
    }

    /// Every request so far, in the order of arrival, those included that faults took away.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.shared.requests()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.shared.clear_requests();
    }

    /// Bytes that brokers have sent, over all connections, length prefixes and headers included.
    pub fn bytes_sent(&self) -> u64 {
        self.shared.bytes_sent()
    }

    fn peek<T>(
        &self,
        topic: &str,
        partition: i32,
        look: impl FnOnce(&Partition) -> T,
    ) -> Option<T> {
        self.shared.with(|state| partition_of(state, topic, partition).map(|it| look(it)))
    }

    #[track_caller]
    fn poke<T>(&self, topic: &str, partition: i32, change: impl FnOnce(&mut Partition) -> T) -> T {
        let result = self.shared.update(|state| partition_of(state, topic, partition).map(change));
        match result {
            Some(result) => result,
            None => panic!("there is no partition {topic}[{partition}]"),
        }
    }
}

impl Drop for FakeCluster {
    fn drop(&mut self) {
        self.shared.shut_down();
        if let Some(panic) = self.shared.hooks.take_panic().filter(|_| !thread::panicking()) {
            resume_unwind(panic);
        }
    }
}

fn partition_of<'a>(
    state: &'a mut State,
    topic: &str,
    partition: i32,
) -> Option<&'a mut Partition> {
    state.topics.find(TopicRef::Name(topic)).ok()?.partition(partition)
}
