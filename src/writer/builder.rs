//! The settings of a writer, and what is wrong with them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::interceptor::WriterInterceptor;
use super::partitioner::{Adaptive, Partitioner};
use super::{Shared, TransactionalWriter, Writer, produce};
use crate::cluster::{Source, check_duration};
use crate::error::{Error, ErrorKind, Result};
use crate::record::{BatchEncoder, Compression};
use crate::types::Acks;

/// Collects the settings of a [`Writer`]; [`build`](Self::build) checks them all at once.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct WriterBuilder {
    source: Source,
    topic: Option<Arc<str>>,
    config: Config,
}

/// What the writer needs of the settings.
#[derive(Clone, Debug)]
pub(super) struct Config {
    pub(super) acks: Acks,
    /// `None`: if `acks` allows it.
    pub(super) idempotent: Option<bool>,
    /// The first that the broker takes.
    compressions: Vec<Compression>,
    topic_compressions: HashMap<Arc<str>, Compression>,
    pub(super) linger: Duration,
    pub(super) batch_bytes: usize,
    pub(super) buffer_bytes: usize,
    pub(super) max_request_bytes: usize,
    pub(super) max_in_flight: usize,
    pub(super) delivery_timeout: Duration,
    pub(super) topic_timeout: Duration,
    /// `None`: the hash of the key.
    pub(super) partitioner: Option<Arc<dyn Partitioner>>,
    pub(super) interceptors: Vec<Arc<dyn WriterInterceptor>>,
    pub(super) ignore_keys: bool,
    pub(super) adaptive: Adaptive,
    pub(super) transaction_timeout: Duration,
    pub(super) transactional: Option<Transactional>,
}

/// Whose transactions the records belong to.
#[derive(Clone, Debug)]
pub(super) struct Transactional {
    pub(super) id: String,
    pub(super) timeout: Duration,
}

/// No batch is larger: lengths in the protocol have 31 bits, and compression may add a little.
const MAX_BATCH_BYTES: usize = 1 << 30;

impl WriterBuilder {
    pub(crate) fn new(source: Source) -> Self {
        Self {
            source,
            topic: None,
            config: Config {
                acks: Acks::All,
                idempotent: None,
                compressions: vec![Compression::none()],
                topic_compressions: HashMap::new(),
                linger: Duration::ZERO,
                batch_bytes: 1_000_012,
                buffer_bytes: 64 << 20,
                max_request_bytes: 1 << 20,
                max_in_flight: 5,
                delivery_timeout: Duration::from_secs(120),
                topic_timeout: Duration::from_secs(10),
                partitioner: None,
                interceptors: Vec::new(),
                ignore_keys: false,
                adaptive: Adaptive::default(),
                transaction_timeout: Duration::from_secs(60),
                transactional: None,
            },
        }
    }

    /// The topic of all records that name none. Without one, each record has to name its own.
    pub fn topic(mut self, topic: impl Into<Arc<str>>) -> Self {
        self.topic = Some(topic.into());
        self
    }

    /// How many brokers must have a record before it counts as written (property `acks`). Fewer
    /// cost less time, and lose records that were acknowledged; the writer is not
    /// [`idempotent`](Self::idempotent) then. Default: [`Acks::All`].
    pub fn acks(mut self, acks: Acks) -> Self {
        self.config.acks = acks;
        self
    }

    /// Whether batches are numbered, so that a broker takes each of them once and in order, however
    /// often it is sent (property `enable.idempotence`, KIP-98). Several batches of a partition may
    /// be under way then, else one. Needs [`Acks::All`]; brokers before Kafka 0.11 do not know it, and
    /// are written to without; before 2.8 it may need the right `IDEMPOTENT_WRITE` on the cluster.
    /// Default: as `acks` allows.
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        self.config.idempotent = Some(idempotent);
        self
    }

    /// How batches are compressed (property `compression.type`). Costs processor time here, and
    /// saves network, disk and memory everywhere else. A batch that does not get smaller goes out as
    /// it is; one of 32 KiB or more is compressed on a thread of its own, where it holds up nothing.
    /// Where the broker does not know the codec, writing fails with
    /// [`Unsupported`](crate::ErrorKind::Unsupported). Default: not at all.
    pub fn compression(self, compression: Compression) -> Self {
        self.compressions([compression])
    }

    /// As [`compression`](Self::compression), by the first of these that the broker takes: Zstandard
    /// from Kafka 2.1 on, the others always. Several brokers may differ while they are upgraded.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> kafkio::Result<()> {
    /// # let cluster = kafkio::testing::FakeCluster::builder().topic("orders", 1).topic("photos", 1);
    /// # let cluster = cluster.start().await.unwrap();
    /// # let client = cluster.client().connect().await?;
    /// use kafkio::{Compression, Record};
    ///
    /// let writer = client.writer()
    ///     .compressions([Compression::zstd().level(9), Compression::gzip()])
    ///     .topic_compression("photos", Compression::none())
    ///     .build().await?;
    /// writer.write(["orders", "photos"].map(|topic| Record::new("hello").topic(topic))).await?;
    /// # Ok(()) }
    /// ```
    pub fn compressions(mut self, choices: impl IntoIterator<Item = Compression>) -> Self {
        self.config.compressions = choices.into_iter().collect();
        self
    }

    /// How batches of this topic are compressed, whatever is set for the others.
    pub fn topic_compression(
        mut self,
        topic: impl Into<Arc<str>>,
        compression: Compression,
    ) -> Self {
        self.config.topic_compressions.insert(topic.into(), compression);
        self
    }

    /// How long a batch waits for more records before it leaves (property `linger.ms`). Larger
    /// batches cost less, here and at the broker; each record that has nothing to wait for is
    /// later by this. Without it, what arrives while a batch is under way makes the next one.
    /// Default: 0, where Java's clients have 5 ms.
    pub fn linger(mut self, linger: Duration) -> Self {
        self.config.linger = linger;
        self
    }

    /// The largest batch, in bytes before compression, and so the largest record (property
    /// `batch.size`, and `batch.num.messages` of librdkafka). Must fit under `max.message.bytes` of
    /// the topic; a batch that does not is sent again in parts. So much is also what records without
    /// a key put into one partition before they go on to another. Up to 1 GiB. Default: 1 000 012,
    /// which fits under Kafka's default.
    pub fn batch_bytes(mut self, bytes: usize) -> Self {
        self.config.batch_bytes = bytes;
        self
    }

    /// The bytes that may be accepted and not yet acknowledged; then sending waits (property
    /// `buffer.memory`). With buffers that are kept for reuse it is a quarter more, and 16 MiB at
    /// most. Default: 64 MiB.
    pub fn buffer_bytes(mut self, bytes: usize) -> Self {
        self.config.buffer_bytes = bytes;
        self
    }

    /// The largest request, in bytes before compression (property `max.request.size`): batches of
    /// several partitions share one up to here. A single batch is sent however large it is.
    /// Default: 1 MiB.
    pub fn max_request_bytes(mut self, bytes: usize) -> Self {
        self.config.max_request_bytes = bytes;
        self
    }

    /// Requests to one broker that may wait for their answers (property
    /// `max.in.flight.requests.per.connection`). Records of a partition keep their order whatever
    /// it is: no more than five batches of a partition are under way, and one if the writer is not
    /// [`idempotent`](Self::idempotent). Default: 5.
    pub fn max_in_flight(mut self, requests: usize) -> Self {
        self.config.max_in_flight = requests;
        self
    }

    /// How long a batch may take from its first record until it is acknowledged, retries included
    /// (property `delivery.timeout.ms`). Default: 120 s.
    pub fn delivery_timeout(mut self, timeout: Duration) -> Self {
        self.config.delivery_timeout = timeout;
        self
    }

    /// How long [`build`](Self::build), or the first record to a topic, waits for the topic to
    /// appear (property `max.block.ms`). Default: 10 s.
    pub fn topic_timeout(mut self, timeout: Duration) -> Self {
        self.config.topic_timeout = timeout;
        self
    }

    /// How records that name no partition find theirs (property `partitioner.class`). Default: by
    /// the hash of the key, as Java's clients do; see [`Partitioner`].
    pub fn partitioner(mut self, partitioner: impl Partitioner) -> Self {
        self.config.partitioner = Some(Arc::new(partitioner));
        self
    }

    /// Lets records with a key go where those without one go (property `partitioner.ignore.keys`):
    /// full batches, but no order among the records of a key. Makes no difference to a
    /// [`partitioner`](Self::partitioner) that is set. Default: `false`.
    pub fn ignore_keys(mut self, ignore: bool) -> Self {
        self.config.ignore_keys = ignore;
        self
    }

    /// Whether records without a key go more rarely to partitions for which more batches wait
    /// (property `partitioner.adaptive.partitioning.enable`, KIP-794): slow brokers get less. If
    /// not, all partitions get the same. Default: `true`.
    pub fn adaptive_partitioning(mut self, adaptive: bool) -> Self {
        self.config.adaptive.is_enabled = adaptive;
        self
    }

    /// Passes over the partitions of a broker that has taken nothing for so long while batches
    /// waited for it, as long as others do better (property `partitioner.availability.timeout.ms`,
    /// KIP-794). For records without a key, and with
    /// [`adaptive_partitioning`](Self::adaptive_partitioning). Default: zero, which is never.
    pub fn availability_timeout(mut self, timeout: Duration) -> Self {
        self.config.adaptive.availability_timeout = timeout;
        self
    }

    /// How long a transaction may be open before its coordinator aborts it (property
    /// `transaction.timeout.ms`): so long, a writer that has died holds up the readers of committed
    /// records. Brokers have a limit, 15 minutes if nobody has changed it. For
    /// [`transactional`](Self::transactional) writers. Default: 60 s.
    pub fn transaction_timeout(mut self, timeout: Duration) -> Self {
        self.config.transaction_timeout = timeout;
        self
    }

    /// Adds one that sees each record before it is accepted, and learns how each batch ends (property
    /// `interceptor.classes`, KIP-42). Several are asked in the order in which they were added.
    /// Default: none.
    pub fn interceptor(mut self, interceptor: impl WriterInterceptor) -> Self {
        self.config.interceptors.push(Arc::new(interceptor));
        self
    }

    /// Checks the settings, connects if there is no client yet, waits for the topic if there is
    /// one, and begins to work.
    ///
    /// # Errors
    ///
    /// A wrong setting, by its name; no broker that answers; a topic that does not exist.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends what it has begun.
    pub async fn build(self) -> Result<Writer> {
        self.check()?;
        self.start().await
    }

    /// As [`build`](Self::build), for a writer whose records belong to transactions (property
    /// `transactional.id`, KIP-98). The id has to be the same each time the application starts, and
    /// another one for each of its instances: a writer that comes later fences the one before, whose
    /// calls fail then, and aborts the transaction that it has left open. Needs Kafka 0.11.
    ///
    /// # Errors
    ///
    /// As of [`build`](Self::build); a broker that is too old, or that refuses the id.
    ///
    /// # Cancel safety
    ///
    /// As of [`build`](Self::build). Another writer may be fenced already.
    pub async fn transactional(mut self, id: impl Into<String>) -> Result<TransactionalWriter> {
        let timeout = self.config.transaction_timeout;
        let own = self.config.transactional.insert(Transactional { id: id.into(), timeout });
        if own.id.is_empty() {
            return Err(Error::config("transactional: an id needs a name"));
        }
        self.check()?;
        TransactionalWriter::new(self.start().await?).await
    }

    async fn start(self) -> Result<Writer> {
        let cluster = self.source.cluster().await?;
        let shared = Arc::new(Shared::new(cluster, self.topic.clone(), self.config));
        if let Some(topic) = &self.topic {
            let deadline = Instant::now() + shared.config.topic_timeout;
            shared.resolve(topic, deadline).await?;
        }
        Ok(Writer::start(shared))
    }

    fn check(&self) -> Result<()> {
        let config = &self.config;
        let wrong = |text: &str| Err(Error::config(text));
        if self.topic.as_deref() == Some("") {
            return wrong("topic: a topic needs a name");
        }
        if config.idempotent == Some(true) && config.acks != Acks::All {
            return wrong("idempotent: needs acks of all replicas");
        }
        if self.config.transactional.is_some() && !config.is_idempotent() {
            return wrong("transactional: needs acks of all replicas, and idempotent");
        }
        if config.transaction_timeout.as_millis() == 0 {
            return wrong("transaction_timeout: must be a millisecond at least");
        }
        if i32::try_from(config.transaction_timeout.as_millis()).is_err() {
            return wrong("transaction_timeout: must be 24 days at most");
        }
        if config.compressions.is_empty() {
            return wrong("compressions: there is none to choose from");
        }
        for compression in config.compressions.iter().chain(config.topic_compressions.values()) {
            let unusable = |error| Error::config("compression: cannot be used").with_source(error);
            compression.check().map_err(unusable)?;
        }
        if config.batch_bytes <= BatchEncoder::HEADER {
            return wrong("batch_bytes: there is no room for a record");
        }
        if config.batch_bytes > MAX_BATCH_BYTES {
            return wrong("batch_bytes: must be 1 GiB at most");
        }
        if config.buffer_bytes < config.batch_bytes {
            return wrong("buffer_bytes: must be batch_bytes at least");
        }
        if config.buffer_bytes > tokio::sync::Semaphore::MAX_PERMITS {
            return wrong("buffer_bytes: is more than this machine can address");
        }
        if config.max_request_bytes == 0 {
            return wrong("max_request_bytes: must be more than zero");
        }
        if config.max_in_flight == 0 {
            return wrong("max_in_flight: must be more than zero");
        }
        if config.delivery_timeout <= config.linger {
            return wrong("delivery_timeout: must be longer than linger");
        }
        check_duration("delivery_timeout", config.delivery_timeout)?;
        check_duration("topic_timeout", config.topic_timeout)?;
        check_duration("availability_timeout", config.adaptive.availability_timeout)?;
        if config.topic_timeout.is_zero() {
            return wrong("topic_timeout: must be longer than zero");
        }
        Ok(())
    }
}

impl Config {
    pub(super) fn is_idempotent(&self) -> bool {
        self.idempotent.unwrap_or(true) && self.acks == Acks::All
    }

    /// How a batch is compressed for a broker that knows this version of the request.
    pub(super) fn compression(&self, topic: &str, version: i16) -> Result<Compression> {
        let choices = match self.topic_compressions.get(topic) {
            Some(compression) => std::slice::from_ref(compression),
            None => self.compressions.as_slice(),
        };
        let choice = choices.iter().find(|choice| produce::takes(version, **choice));
        choice
            .copied()
            .ok_or_else(|| Error::new(ErrorKind::Unsupported, "compression: zstd needs Kafka 2.1"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_settings_are_named() {
        let builder = || WriterBuilder::new(Source::bootstrap(vec!["localhost".to_owned()]));
        let wrong = |builder: WriterBuilder| builder.check().unwrap_err().to_string();
        let second = Duration::from_secs(1);
        for (builder, name) in [
            (builder().topic(""), "topic"),
            (builder().idempotent(true).acks(Acks::Leader), "idempotent"),
            (builder().batch_bytes(61), "batch_bytes"),
            (builder().batch_bytes(2 << 30), "batch_bytes"),
            (builder().buffer_bytes(1_000_011), "buffer_bytes"),
            (builder().buffer_bytes(usize::MAX), "buffer_bytes"),
            (builder().max_request_bytes(0), "max_request_bytes"),
            (builder().max_in_flight(0), "max_in_flight"),
            (builder().linger(second).delivery_timeout(second), "delivery_timeout"),
            (builder().delivery_timeout(Duration::MAX), "delivery_timeout"),
            (builder().topic_timeout(Duration::ZERO), "topic_timeout"),
            (builder().transaction_timeout(Duration::ZERO), "transaction_timeout"),
            (builder().transaction_timeout(Duration::MAX), "transaction_timeout"),
            (builder().topic_timeout(Duration::MAX), "topic_timeout"),
            (builder().availability_timeout(Duration::MAX), "availability_timeout"),
            (builder().compression(Compression::zstd().level(1000)), "compression"),
            (builder().compressions([]), "compressions"),
            (builder().compressions([Compression::none(), Compression::gzip().level(0)]), "compr"),
            (builder().topic_compression("t", Compression::gzip().level(0)), "compression"),
        ] {
            let text = wrong(builder);
            assert!(text.starts_with(name), "{name}: {text}");
        }
        assert!(builder().check().is_ok());
        assert!(builder().topic("t").buffer_bytes(1_000_012).check().is_ok());
    }
}
