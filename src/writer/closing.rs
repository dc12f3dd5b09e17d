//! Closes a writer within a time, and hands back what is not written by then.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{self, Instant};

use super::Writer;
use crate::error::Error;
use crate::record::Record;

/// Records of one batch that are not known to be written: see [`Writer::close_within`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Unwritten {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition that they were to go to. `None` if there was none yet: nothing is known of the
    /// topic.
    pub partition: Option<i32>,
    /// Why they are not written, or that nobody knows: [`Error::is_ambiguous`].
    pub error: Error,
    /// The records in the order of sending, as they were accepted; they name their topic and
    /// partition, so that any writer can send them again. Empty where only the failure is left.
    pub records: Vec<Record>,
}

impl Writer {
    /// As [`close`](Self::close), but what is not written in time is given up, and handed back: what
    /// waits, what is under way, and what fails meanwhile. An empty list means that everything is
    /// written. Partitions come in order, and their records in the order of sending.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> kafkio::Result<()> {
    /// # let cluster = kafkio::testing::FakeCluster::builder().topic("orders", 3).start().await.unwrap();
    /// # let client = cluster.client().connect().await?;
    /// use std::time::Duration;
    /// use kafkio::Record;
    ///
    /// let writer = client.writer().topic("orders").build().await?;
    /// let delivery = writer.send(Record::new("hello")).await?;
    /// for unwritten in writer.close_within(Duration::from_secs(5)).await {
    ///     let may_be_there = unwritten.error.is_ambiguous();
    ///     for record in unwritten.records {
    ///         println!("keep {record:?} for later, may be there: {may_be_there}");
    ///     }
    /// }
    /// # assert!(delivery.await.is_ok());
    /// # Ok(()) }
    /// ```
    ///
    /// Their deliveries fail with the same errors. What had failed before is told by its deliveries
    /// only, or, of what this handle has sent as a sink, by an entry without records. If several
    /// handles close the writer like this, the first gets the records.
    ///
    /// # Cancel safety
    ///
    /// As for [`close`](Self::close): what is given up then is not handed back.
    pub async fn close_within(self, timeout: Duration) -> Vec<Unwritten> {
        let shared = &self.shared;
        // Whatever fails from here on is among them.
        let mut remains = shared.observers.remains();
        let untold = self.sink().untold();
        let mut list = Vec::new();
        let mut pending = self.sink().pending_record().cloned();
        let late = || Error::timeout(format!("sink: its topic was not known within {timeout:?}"));
        let mut failure = None;
        let in_time = time::timeout(timeout, async {
            failure = self.send_pending().await.err();
            pending.take_if(|_| failure.is_none());
            // The list tells what has failed.
            let _ = self.drain().await;
        });
        if in_time.await.is_err() {
            let given_up = shared.accumulator().give_up(timeout, Instant::now());
            shared.budget.close();
            given_up.tell();
        }
        self.stop().await;
        // What was under way comes back when those who sent it have let go of it.
        shared.budget.empty().await;
        if let Some(record) = pending {
            let topic = record.topic.clone().or_else(|| shared.topic.clone()).unwrap_or_default();
            let (partition, error) = (record.partition, failure.unwrap_or_else(late));
            list.push(Unwritten { topic, partition, error, records: vec![record] });
        }
        let mut batches: Vec<_> = std::iter::from_fn(|| remains.try_recv().ok()).collect();
        for batch in untold {
            let is_handed_back = batches.iter().any(|it| Arc::ptr_eq(&it.result, &batch));
            if let Some(error) = batch.error().cloned().filter(|_| !is_handed_back) {
                let (topic, partition) = (batch.topic.clone(), Some(batch.partition));
                list.push(Unwritten { topic, partition, error, records: Vec::new() });
            }
        }
        batches.sort_by_key(|it| (it.result.topic.clone(), it.result.partition, it.order));
        list.extend(batches.into_iter().map(|batch| {
            let (topic, partition) = (batch.result.topic.clone(), Some(batch.result.partition));
            let error = batch.result.error().cloned().unwrap_or_else(|| Error::closed("writer"));
            Unwritten { topic, partition, error, records: batch.records() }
        }));
        list
    }
}
