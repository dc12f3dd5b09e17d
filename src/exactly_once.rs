//! Read, process, write: each message counts once. Knows readers, writers of transactions and the
//! offsets of a group, and nothing of what is done with the messages.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::Stream;

use crate::admin::groups::{CommittedOffset, ListGroupOffsets};
use crate::admin::start;
use crate::error::{Error, ErrorKind, Result};
use crate::reader::{Reader, ReaderHandle};
use crate::record::{Message, Record};
use crate::types::{Start, TopicPartition};
use crate::writer::{Delivery, GroupMetadata, Transaction, TransactionalWriter};

/// Reads messages and writes what becomes of them, so that each counts once, whatever fails: the
/// positions of the reader are committed in the transactions of the writer (KIP-98, KIP-447).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> kafkio::Result<()> {
/// # let cluster = kafkio::testing::FakeCluster::builder().topic("orders", 1).topic("invoices", 1).start().await.unwrap();
/// # let client = cluster.client().connect().await?;
/// # client.writer().topic("orders").build().await?.write([kafkio::Record::new("an order")]).await?;
/// use futures::StreamExt;
/// use kafkio::{ExactlyOnce, Record};
///
/// let reader = client.reader().topic("orders").build().await?;
/// let writer = client.writer().topic("invoices").transactional("billing-1").await?;
/// let mut billing = ExactlyOnce::new(reader, writer, "billing").await?;
/// loop {
///     let mut step = billing.begin().await?;
///     // As many as there are, but a hundred at most.
///     let orders = step.by_ref().ready_chunks(100).next().await;
///     for order in orders.into_iter().flatten() {
///         drop(step.send(Record::new(format!("invoice of {:?}", order?.value()))).await?);
///     }
///     step.commit().await?;
///     # break;
/// }
/// # Ok(()) }
/// ```
///
/// Each [`Step`] is a transaction. When it fails, or is dropped, nothing of it counts, and the reader
/// goes back to where it began. The group's offsets say where to go on after a restart; who reads
/// which partitions is settled by the reader's settings, and the transactional id must be one's own
/// for them.
///
/// The reader must stay in its partitions while a step is open, and nobody may seek in it meanwhile.
pub struct ExactlyOnce {
    reader: Reader,
    writer: TransactionalWriter,
    group: GroupMetadata,
    progress: Progress,
}

/// A transaction: a stream of messages, to be processed, and what is written.
///
/// # Cancel safety
///
/// The stream can be polled in `select!`: no message is lost. A message that was handed out counts as
/// processed when the step is committed.
#[must_use = "a step that is dropped is aborted"]
pub struct Step<'a> {
    reader: &'a mut Reader,
    /// `None` once it is over.
    transaction: Option<Transaction<'a>>,
    group: &'a GroupMetadata,
    progress: &'a mut Progress,
}

/// How far the open step has come.
struct Progress {
    handle: ReaderHandle,
    /// In the order of their first messages.
    moves: Vec<Move>,
    known: HashMap<TopicPartition, usize>,
    /// Where the last message came from.
    last: usize,
    /// Nobody knows whether the positions were committed.
    is_unknown: bool,
}

struct Move {
    at: TopicPartition,
    first: i64,
    next: CommittedOffset,
}

impl ExactlyOnce {
    /// Goes on where the group's offsets say, in the partitions that the reader has; in the others,
    /// where the reader's settings say.
    ///
    /// # Errors
    ///
    /// The reader is to see records of aborted transactions
    /// ([`IsolationLevel::ReadUncommitted`](crate::IsolationLevel)); the group has no name; its
    /// coordinator cannot be reached, or refuses.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the reader and the writer.
    pub async fn new(
        reader: Reader,
        writer: TransactionalWriter,
        group: impl Into<GroupMetadata>,
    ) -> Result<Self> {
        let (handle, group) = (reader.handle(), group.into());
        if !handle.config().is_committed() {
            return Err(Error::config("isolation: must be read_committed to count once"));
        }
        if group.group.is_empty() {
            return Err(Error::config("group: a group needs a name"));
        }
        let partitions = handle.positions().into_keys().collect();
        let progress = Progress {
            handle,
            moves: Vec::new(),
            known: HashMap::new(),
            last: 0,
            is_unknown: false,
        };
        let this = Self { reader, writer, group, progress };
        for (at, offset) in this.committed(partitions).await? {
            if let Some(committed) = offset {
                let start = Start::Offset(committed.offset);
                this.progress.handle.seek(&at.topic, at.partition, start)?;
            }
        }
        Ok(this)
    }

    /// Begins a transaction, as soon as the one before is over.
    ///
    /// # Errors
    ///
    /// As [`TransactionalWriter::begin`]. If it is [fatal](Error::is_fatal), build reader, writer and
    /// session anew.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future begins nothing.
    pub async fn begin(&mut self) -> Result<Step<'_>> {
        if self.progress.is_unknown {
            // It ends now the way it was meant to, if it has not yet.
            self.writer.settle().await?;
            let partitions = self.progress.moves.iter().map(|it| it.at.clone()).collect();
            let committed = self.committed(partitions).await?;
            self.progress.go_on(&committed);
        }
        // A step that was leaked.
        self.progress.rewind();
        let Self { reader, writer, group, progress } = self;
        let transaction = Some(writer.begin().await?);
        Ok(Step { reader, transaction, group, progress })
    }

    /// What the group has committed, not what is about to change.
    async fn committed(
        &self,
        partitions: Vec<TopicPartition>,
    ) -> Result<Vec<(TopicPartition, Option<CommittedOffset>)>> {
        let list = ListGroupOffsets::new([&self.group.group]).partitions(partitions);
        let listed = async |list: ListGroupOffsets| {
            let listed = start(self.writer.cluster(), list).await?;
            listed.into_only()?.into_result()
        };
        match listed(list.clone().require_stable(true)).await {
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                self.writer.renew().await?;
                listed(list).await
            }
            listed => listed,
        }
    }

    /// Steers the reader; see [`Step`] for what must not be done to it.
    pub fn handle(&self) -> ReaderHandle {
        self.progress.handle.clone()
    }

    /// Waits until the last step is over, and ends the background work.
    ///
    /// # Errors
    ///
    /// As [`TransactionalWriter::close`].
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the session is, too.
    pub async fn close(self) -> Result<()> {
        let closed = self.writer.close().await;
        self.reader.close().await;
        closed
    }
}

impl Step<'_> {
    /// Accepts a record: see [`Transaction::send`].
    ///
    /// # Errors
    ///
    /// As [`Transaction::send`].
    ///
    /// # Cancel safety
    ///
    /// As [`Transaction::send`].
    pub async fn send(&self, record: impl Into<Record>) -> Result<Delivery> {
        self.transaction()?.send(record).await
    }

    /// The transaction, to write in it by other ways.
    ///
    /// # Errors
    ///
    /// The step is over.
    pub fn transaction(&self) -> Result<&Transaction<'_>> {
        self.transaction.as_ref().ok_or_else(|| Error::closed("step"))
    }

    /// Commits what was written together with the positions behind the messages that were handed
    /// out.
    ///
    /// # Errors
    ///
    /// As [`Transaction::commit`] and [`Transaction::send_offsets`]. If it is ambiguous, the next
    /// [`ExactlyOnce::begin`] finds out; else nothing of the step counts, and its messages come
    /// again.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the step is committed or aborted; the next
    /// [`ExactlyOnce::begin`] finds out.
    pub async fn commit(mut self) -> Result<()> {
        let transaction = self.transaction.take().ok_or_else(|| Error::closed("step"))?;
        // Until there is an answer; also when this future is dropped.
        self.progress.is_unknown = true;
        let moves = self.progress.moves.iter();
        let offsets: Vec<_> = moves.map(|it| (it.at.clone(), it.next.clone())).collect();
        let sent = transaction.send_offsets(self.group.clone(), offsets).await;
        let committed = match sent {
            Ok(()) => transaction.commit().await,
            Err(error) => {
                // The cause is worth more than how the abort goes.
                let _ = transaction.abort().await;
                Err(error)
            }
        };
        match &committed {
            Ok(()) => {
                self.progress.is_unknown = false;
                self.progress.forget();
            }
            Err(error) if error.is_ambiguous() => {}
            Err(_) => {
                self.progress.is_unknown = false;
                self.progress.rewind();
            }
        }
        committed
    }

    /// Aborts: what was written does not count, and the messages come again.
    ///
    /// # Errors
    ///
    /// As [`Transaction::abort`].
    ///
    /// # Cancel safety
    ///
    /// As dropping the step.
    pub async fn abort(mut self) -> Result<()> {
        let transaction = self.transaction.take().ok_or_else(|| Error::closed("step"))?;
        self.progress.rewind();
        transaction.abort().await
    }
}

impl Stream for Step<'_> {
    type Item = Result<Message>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = ready!(Pin::new(&mut *self.reader).poll_next(cx));
        if let Some(Ok(message)) = &item {
            self.progress.passed(message);
        }
        Poll::Ready(item)
    }
}

impl Drop for Step<'_> {
    fn drop(&mut self) {
        if self.transaction.take().is_some() {
            self.progress.rewind();
        }
    }
}

impl Progress {
    /// A message was handed out.
    fn passed(&mut self, message: &Message) {
        let is_there =
            |it: &Move| it.at.partition == message.partition() && *it.at.topic == *message.topic();
        if !self.moves.get(self.last).is_some_and(is_there) {
            let topic = Arc::<str>::from(message.topic());
            let at = TopicPartition { topic, partition: message.partition() };
            self.last = *self.known.entry(at.clone()).or_insert_with(|| {
                let first = message.offset();
                self.moves.push(Move { at, first, next: CommittedOffset::new(first) });
                self.moves.len() - 1
            });
        }
        if let Some(it) = self.moves.get_mut(self.last) {
            it.next.offset = message.offset() + 1;
            it.next.leader_epoch = message.leader_epoch();
        }
    }

    fn forget(&mut self) {
        self.moves.clear();
        self.known.clear();
        self.is_unknown = false;
    }

    /// Goes back to where the step began. A partition that is not read any more needs no going back.
    fn rewind(&mut self) {
        for it in &self.moves {
            self.seek(&it.at, it.first);
        }
        self.forget();
    }

    fn seek(&self, at: &TopicPartition, offset: i64) {
        if let Err(error) = self.handle.seek(&at.topic, at.partition, Start::Offset(offset)) {
            tracing::debug!(partition = %at, %error, "not read any more");
        }
    }

    /// Goes on behind what turned out to be committed, and else goes back.
    fn go_on(&mut self, committed: &[(TopicPartition, Option<CommittedOffset>)]) {
        let committed: HashMap<_, _> = committed.iter().map(|(at, it)| (at, it)).collect();
        for it in &self.moves {
            let found = committed.get(&it.at).and_then(|it| it.as_ref());
            let is_committed = found.is_some_and(|found| found.offset == it.next.offset);
            self.seek(&it.at, if is_committed { it.next.offset } else { it.first });
        }
        self.forget();
    }
}

impl fmt::Debug for ExactlyOnce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExactlyOnce")
            .field("group", &self.group.group)
            .field("id", &self.writer.id())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step")
            .field("group", &self.group.group)
            .field("messages_from", &self.progress.moves.len())
            .finish_non_exhaustive()
    }
}
