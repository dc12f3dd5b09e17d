//! Who looks on: sees each record before it is accepted, and learns how each batch ends.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use tokio::sync::mpsc;

use super::batch::Remains;
use super::delivery::{BatchResult, Outcome};
use crate::error::{Error, Result};
use crate::record::Record;

/// Looks at what passes through a [`Writer`](super::Writer): for tracing, metrics, headers that
/// every record is to have. Java's `ProducerInterceptor` (property `interceptor.classes`, KIP-42);
/// see [`WriterBuilder::interceptor`](super::WriterBuilder::interceptor).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> kafkio::Result<()> {
/// # let cluster = kafkio::testing::FakeCluster::builder().topic("orders", 1).start().await.unwrap();
/// # let client = cluster.client().connect().await?;
/// use kafkio::{BatchReport, Header, Record, WriterInterceptor};
///
/// struct Tracing;
///
/// impl WriterInterceptor for Tracing {
///     fn on_send(&self, record: &mut Record) {
///         record.headers_mut().push(Header::new("trace", "1f"));
///     }
///
///     fn on_delivery(&self, report: &BatchReport<'_>) {
///         let BatchReport { topic, partition, records, result, .. } = report;
///         println!("{records} records to {topic}[{partition}]: {result:?}");
///     }
/// }
///
/// let writer = client.writer().topic("orders").interceptor(Tracing).build().await?;
/// writer.write([Record::new("hello")]).await?;
/// assert_eq!(cluster.messages("orders", 0)[0].headers().count(), 1);
/// # Ok(()) }
/// ```
pub trait WriterInterceptor: Send + Sync + 'static {
    /// A record is sent, by whatever method. Called once, in the task that sends it, before its
    /// topic, partition and size are looked at, so that it may change them. A record that the writer
    /// refuses then was seen all the same, and is seen again when it is sent again. A panic is the
    /// sender's.
    fn on_send(&self, record: &mut Record) {
        let _ = record;
    }

    /// A batch has ended: it is in the log, or its records have failed. Called once for each batch,
    /// before its deliveries wake whoever waits for them; of one that was sent on in parts, for
    /// each part. Runs mostly in the loop of a broker, which waits for it, as others do not. A panic
    /// is logged, and otherwise passed over.
    fn on_delivery(&self, report: &BatchReport<'_>) {
        let _ = report;
    }
}

impl fmt::Debug for dyn WriterInterceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WriterInterceptor")
    }
}

/// How a batch has ended: see [`WriterInterceptor::on_delivery`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct BatchReport<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition.
    pub partition: i32,
    /// How many records it has.
    pub records: u32,
    /// The offset of the first record, `None` where the broker does not say; or the failure, of
    /// several the first.
    pub result: Result<Option<i64>, &'a Error>,
}

/// All who look on at one writer.
#[derive(Debug, Default)]
pub(super) struct Observers {
    interceptors: Vec<Arc<dyn WriterInterceptor>>,
    /// Where batches go that are dropped and not written, once somebody wants them.
    remains: OnceLock<mpsc::UnboundedSender<Remains>>,
}

impl Observers {
    pub(super) fn new(interceptors: Vec<Arc<dyn WriterInterceptor>>) -> Arc<Self> {
        Arc::new(Self { interceptors, remains: OnceLock::new() })
    }

    pub(super) fn is_intercepted(&self) -> bool {
        !self.interceptors.is_empty()
    }

    #[inline]
    pub(super) fn on_send(&self, record: &mut Record) {
        for interceptor in &self.interceptors {
            interceptor.on_send(record);
        }
    }

    /// Nobody's panic may keep a batch from being told.
    pub(super) fn on_delivery(&self, batch: &BatchResult, outcome: &Outcome) {
        let result = match (outcome, outcome.error()) {
            (Outcome::Written { base_offset, .. }, _) => Ok(*base_offset),
            (_, Some(error)) => Err(error),
            (_, None) => return,
        };
        let BatchResult { topic, partition, .. } = batch;
        let (partition, records) = (*partition, batch.count());
        let report = BatchReport { topic, partition, records, result };
        for interceptor in &self.interceptors {
            let told = catch_unwind(AssertUnwindSafe(|| interceptor.on_delivery(&report)));
            if told.is_err() {
                tracing::error!(%topic, partition, "an interceptor panicked in on_delivery");
            }
        }
    }

    /// What is dropped and not written from now on goes to the first who asks for it.
    pub(super) fn remains(&self) -> mpsc::UnboundedReceiver<Remains> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let _ = self.remains.set(sender);
        receiver
    }

    /// Who wants what is left of batches.
    #[inline]
    pub(super) fn heir(&self) -> Option<&mpsc::UnboundedSender<Remains>> {
        self.remains.get()
    }
}
