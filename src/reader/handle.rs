//! Steers a reader from outside.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::builder::{check_partition, check_start, check_topic};
use super::partition::Partition;
use super::{ReaderBuilder, ReaderEvents, ReaderStats, Shared};
use crate::admin::offsets::{ListOffsets, OffsetSpec};
use crate::admin::start;
use crate::error::{Error, ErrorKind, Result};
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

    /// Goes on in a partition from there: kafka-go's `SetOffset` and `SetOffsetAt`. When this
    /// returns, no message from before it is handed out any more. Also restarts a partition that
    /// has stopped with an error; one that is paused stays so.
    ///
    /// # Errors
    ///
    /// The reader does not read that partition, the offset is negative, or the reader is closed.
    pub fn seek(&self, topic: &str, partition: i32, start: Start) -> Result<()> {
        check_start("seek", start)?;
        self.change(|it| it.seek(start), [self.partition(topic, partition)])
    }

    /// Goes on in all partitions from there.
    ///
    /// # Errors
    ///
    /// As [`seek`](Self::seek).
    pub fn seek_all(&self, start: Start) -> Result<()> {
        check_start("seek", start)?;
        self.change(|it| it.seek(start), self.shared.partitions().into_iter().map(Ok))
    }

    /// Hands out no more of a partition, and fetches no more of it, until it is resumed. What was
    /// fetched already is kept, while there is room for it.
    ///
    /// # Errors
    ///
    /// The reader does not read that partition, or is closed.
    pub fn pause(&self, topic: &str, partition: i32) -> Result<()> {
        self.change(Partition::pause, [self.partition(topic, partition)])
    }

    /// Pauses all partitions that are read at the moment.
    ///
    /// # Errors
    ///
    /// The reader is closed.
    pub fn pause_all(&self) -> Result<()> {
        self.change(Partition::pause, self.shared.partitions().into_iter().map(Ok))
    }

    /// Goes on with a partition that was paused.
    ///
    /// # Errors
    ///
    /// The reader does not read that partition, or is closed.
    pub fn resume(&self, topic: &str, partition: i32) -> Result<()> {
        self.change(Partition::resume, [self.partition(topic, partition)])
    }

    /// Goes on with all partitions that were paused.
    ///
    /// # Errors
    ///
    /// The reader is closed.
    pub fn resume_all(&self) -> Result<()> {
        self.change(Partition::resume, self.shared.partitions().into_iter().map(Ok))
    }

    /// The partitions that are paused, in order.
    pub fn paused(&self) -> Vec<TopicPartition> {
        let partitions = self.shared.partitions().into_iter();
        partitions.filter(|it| it.is_paused()).map(|it| it.at.clone()).collect()
    }

    /// Reads all partitions of a topic too, each from where the settings say; also one that does
    /// not exist yet, once it does. What is read of it already is not changed.
    ///
    /// # Errors
    ///
    /// No topic has such a name; the reader is closed, or has an [`End`](super::End) that would have
    /// to be looked up.
    pub fn add_topic(&self, topic: impl Into<Arc<str>>) -> Result<()> {
        let topic = topic.into();
        self.grow()?;
        check_topic("add_topic", &topic)?;
        self.shared.select(|selection| selection.add_topic(&self.shared.cluster, &topic));
        Ok(())
    }

    /// Reads nothing of a topic any more, by name or by pattern. When this returns, no message of
    /// it is handed out any more.
    ///
    /// # Errors
    ///
    /// The reader does not read that topic, or is closed.
    pub fn remove_topic(&self, topic: &str) -> Result<()> {
        self.check()?;
        let mut was_there = false;
        self.shared.select(|selection| was_there = selection.remove_topic(topic));
        if was_there { Ok(()) } else { Err(Error::config(format!("reader does not read {topic}"))) }
    }

    /// Reads these partitions too, each from where the settings say; also those that do not exist
    /// yet, once they do. One that is read already is not changed.
    ///
    /// # Errors
    ///
    /// As [`add_topic`](Self::add_topic); or a partition is negative.
    pub fn add_partitions(
        &self,
        topic: impl Into<Arc<str>>,
        partitions: impl IntoIterator<Item = i32>,
    ) -> Result<()> {
        self.add("add_partitions", &topic.into(), partitions.into_iter().map(|id| (id, None)))
    }

    /// As [`add_partitions`](Self::add_partitions), each from there.
    ///
    /// # Errors
    ///
    /// Likewise; or a start is wrong.
    pub fn add_partitions_at(
        &self,
        topic: impl Into<Arc<str>>,
        partitions: impl IntoIterator<Item = (i32, Start)>,
    ) -> Result<()> {
        let partitions = partitions.into_iter().map(|(id, start)| (id, Some(start)));
        self.add("add_partitions_at", &topic.into(), partitions)
    }

    fn add(
        &self,
        call: &str,
        topic: &Arc<str>,
        partitions: impl Iterator<Item = (i32, Option<Start>)>,
    ) -> Result<()> {
        self.grow()?;
        check_topic(call, topic)?;
        let partitions: Vec<_> = partitions.collect();
        for (id, start) in &partitions {
            check_partition(call, topic, *id)?;
            start.map_or(Ok(()), |start| check_start(call, start))?;
        }
        let cluster = &self.shared.cluster;
        self.shared.select(|selection| selection.add_partitions(cluster, topic, partitions));
        Ok(())
    }

    /// Reads these partitions no more; those that come to their topic later are read as before.
    /// When this returns, no message of them is handed out any more.
    ///
    /// # Errors
    ///
    /// The reader is closed.
    pub fn remove_partitions(
        &self,
        topic: &str,
        partitions: impl IntoIterator<Item = i32>,
    ) -> Result<()> {
        self.check()?;
        self.shared.select(|selection| selection.remove_partitions(topic, partitions));
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

    /// The lag over all partitions. `None` until each has been fetched once; one that is paused from
    /// the beginning, or has stopped, may never be: see [`fetch_total_lag`](Self::fetch_total_lag).
    pub fn total_lag(&self) -> Option<i64> {
        let lags = self.shared.partitions();
        lags.iter().try_fold(0i64, |sum, partition| Some(sum.saturating_add(partition.lag()?)))
    }

    /// How many offsets lie between the position and the end of a partition, asked of its leader:
    /// kafka-go's `ReadLag`. With [`IsolationLevel::ReadCommitted`](crate::IsolationLevel), the end
    /// is before the first open transaction.
    ///
    /// # Errors
    ///
    /// The reader does not read that partition, or its leader has not answered in time; its position
    /// is not known yet, which is [retriable](Error::is_retriable).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the answer.
    pub async fn fetch_lag(&self, topic: &str, partition: i32) -> Result<i64> {
        self.lag_of(vec![self.partition(topic, partition)?]).await
    }

    /// The lag over all partitions, asked of their leaders.
    ///
    /// # Errors
    ///
    /// A position is not known yet, or a leader has not answered in time.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the answers.
    pub async fn fetch_total_lag(&self) -> Result<i64> {
        self.lag_of(self.shared.partitions()).await
    }

    async fn lag_of(&self, partitions: Vec<Arc<Partition>>) -> Result<i64> {
        let question =
            |it: &Arc<Partition>| (it.at.topic.clone(), it.at.partition, OffsetSpec::Latest);
        let operation = ListOffsets::new(partitions.iter().map(question));
        let operation = operation.isolation(self.shared.config.isolation);
        let found = start(self.shared.cluster.clone(), operation).await?.into_result()?;
        let ends: HashMap<_, _> = found.into_iter().collect();
        partitions.iter().try_fold(0i64, |sum, partition| {
            let at = &partition.at;
            let position = partition.position();
            let unknown = || {
                let text = format!("lag of {at}: its position is not known yet");
                Error::new(ErrorKind::Timeout, text)
            };
            let position = position.ok_or_else(unknown)?;
            let end = ends.get(at).and_then(|found| found.offset).unwrap_or(position);
            Ok(sum.saturating_add((end - position).max(0)))
        })
    }

    /// What the reader has done so far. Counted by batch: messages of one that is being handed out
    /// are not in it yet.
    pub fn stats(&self) -> ReaderStats {
        let partitions = self.shared.partitions();
        ReaderStats {
            buffered_bytes: partitions.iter().map(|it| it.held()).sum::<usize>() as u64,
            buffer_capacity: self.shared.settings.buffer_capacity() as u64,
            partitions: partitions.len(),
            paused: partitions.iter().filter(|it| it.is_paused()).count(),
            ..self.shared.counters.read()
        }
    }

    /// What happens to the reader from now on, besides messages. One who does not listen for 1 024
    /// events misses what comes then. Ends with the reader.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> kafkio::Result<()> {
    /// # let cluster = kafkio::testing::FakeCluster::builder().topic("orders", 1).start().await.unwrap();
    /// # let client = cluster.client().connect().await?;
    /// # client.writer().topic("orders").build().await?.write(["a", "b"].map(kafkio::Record::new)).await?;
    /// use futures::StreamExt;
    /// use kafkio::ReaderEvent;
    ///
    /// let mut reader = client.reader().topic("orders").build().await?;
    /// let mut events = reader.handle().events();
    /// let mut count = 0;
    /// loop {
    ///     tokio::select! {
    ///         Some(message) = reader.next() => count += message.map(|_| 1)?,
    ///         Some(ReaderEvent::CaughtUp { at, .. }) = events.next() => {
    ///             println!("{count} messages, to the end of {at}");
    ///             break;
    ///         }
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    pub fn events(&self) -> ReaderEvents {
        let events = self.shared.listeners.listen();
        if self.shared.is_closed() {
            // Nobody else would end it.
            self.shared.listeners.close();
        }
        events
    }

    /// The settings that the reader was built with; to build another like it, on the same client.
    pub fn config(&self) -> ReaderBuilder {
        self.shared.settings.clone()
    }

    /// Ends the stream: it gives no message after this.
    pub fn close(&self) {
        self.shared.close();
    }

    fn partition(&self, topic: &str, partition: i32) -> Result<Arc<Partition>> {
        self.shared
            .partition(topic, partition)
            .ok_or_else(|| Error::config(format!("reader does not read {topic}[{partition}]")))
    }

    fn check(&self) -> Result<()> {
        if self.shared.is_closed() { Err(Error::closed("reader")) } else { Ok(()) }
    }

    fn grow(&self) -> Result<()> {
        self.check()?;
        if self.shared.settings.can_grow() {
            return Ok(());
        }
        Err(Error::config("end: nothing can be added to what ends as of when it was built"))
    }

    /// Does something to partitions, and lets everybody know.
    fn change(
        &self,
        change: impl Fn(&Arc<Partition>),
        partitions: impl IntoIterator<Item = Result<Arc<Partition>>>,
    ) -> Result<()> {
        self.check()?;
        for partition in partitions {
            let partition = partition?;
            change(&partition);
            self.shared.wake(&partition);
        }
        self.shared.engine.notify_one();
        Ok(())
    }
}

impl fmt::Debug for ReaderHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReaderHandle").field("positions", &self.positions()).finish_non_exhaustive()
    }
}
