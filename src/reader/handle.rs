//! Steers a reader from outside.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Shared;
use crate::error::{Error, Result};
use crate::types::{Start, TopicPartition};

/// Steers a [`Reader`](super::Reader), wherever it has been moved. Clones steer the same one.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> kafkio::Result<()> {
/// # let cluster = kafkio::testing::FakeCluster::builder().topic("orders", 1).start().await.unwrap();
/// # let client = cluster.client().connect().await?;
/// # client.writer().topic("orders").build().await?.write(["a", "b"].map(kafkio::Record::new)).await?;
/// use futures::TryStreamExt;
/// use kafkio::Start;
///
/// let mut reader = client.reader().topic("orders").build().await?;
/// let handle = reader.handle();
/// reader.try_next().await?;
/// reader.try_next().await?;
/// assert_eq!(handle.position("orders", 0), Some(2));
/// handle.seek("orders", 0, Start::Offset(1))?;
/// assert_eq!(reader.try_next().await?.unwrap().offset(), 1);
/// handle.close();
/// assert!(reader.try_next().await?.is_none());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ReaderHandle {
    shared: Arc<Shared>,
}

impl ReaderHandle {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Goes on in a partition from there. When this returns, no message from before it is handed
    /// out any more. Also restarts a partition that has stopped with an error. A fetch that waits
    /// for data at the broker is not interrupted: on a quiet topic the first message may take up
    /// to [`max_wait`](super::ReaderBuilder::max_wait).
    ///
    /// # Errors
    ///
    /// The reader does not read that partition, the offset is negative, or the reader is closed.
    pub fn seek(&self, topic: &str, partition: i32, start: Start) -> Result<()> {
        if self.shared.is_closed() {
            return Err(Error::closed("reader"));
        }
        if let Start::Offset(offset @ ..0) = start {
            return Err(Error::config(format!("seek: offset {offset} is negative")));
        }
        self.partition(topic, partition)?.seek(start);
        self.shared.version.fetch_add(1, Ordering::AcqRel);
        self.shared.engine.notify_one();
        Ok(())
    }

    /// The offset of the next message of a partition. `None` while it is not known yet, and for a
    /// partition that is not read.
    pub fn position(&self, topic: &str, partition: i32) -> Option<i64> {
        self.partition(topic, partition).ok()?.position()
    }

    /// The position of each partition.
    pub fn positions(&self) -> HashMap<TopicPartition, Option<i64>> {
        self.shared.positions()
    }

    /// How many offsets lie between the position and the end of a partition, as of the last fetch.
    /// `None` before the first fetch, and for a partition that is not read.
    pub fn lag(&self, topic: &str, partition: i32) -> Option<i64> {
        self.partition(topic, partition).ok()?.lag()
    }

    /// The lag over all partitions. `None` until each has been fetched once.
    pub fn total_lag(&self) -> Option<i64> {
        let lags = self.shared.partitions();
        lags.iter().try_fold(0i64, |sum, partition| Some(sum.saturating_add(partition.lag()?)))
    }

    /// Ends the stream: it gives no message after this.
    pub fn close(&self) {
        self.shared.close();
    }

    fn partition(&self, topic: &str, partition: i32) -> Result<Arc<super::Partition>> {
        self.shared
            .partition(topic, partition)
            .ok_or_else(|| Error::config(format!("reader does not read {topic}[{partition}]")))
    }
}

impl fmt::Debug for ReaderHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReaderHandle").field("positions", &self.positions()).finish_non_exhaustive()
    }
}
