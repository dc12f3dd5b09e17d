//! Transactions, and the writer that writes in them. What happens between the calls is decided in
//! `accumulator/transaction.rs`.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Sink;
use tokio::sync::oneshot;

use super::coordinator::{Lost, is_fatal};
use super::sequence::Identity;
use super::{Delivery, RecordMetadata, Writer};
use crate::admin::groups::CommittedOffset;
use crate::cluster::{At, Cluster, Target, check_response};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::ErrorCode;
use crate::protocol::messages::add_offsets_to_txn::AddOffsetsToTxnRequest;
use crate::protocol::messages::txn_offset_commit::{
    TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
    TxnOffsetCommitResponse,
};
use crate::record::Record;
use crate::types::TopicPartition;

/// The newest version of `TxnOffsetCommit` that needs `AddOffsetsToTxn` before it.
const LAST_OFFSETS_V1: i16 = 4;
/// The first one that names the member (KIP-447).
const FIRST_WITH_MEMBERS: i16 = 3;

/// A writer whose records count only together with all others of their [`Transaction`] (KIP-98).
///
/// Readers with [`IsolationLevel::ReadCommitted`](crate::IsolationLevel) see all of a transaction, in
/// all topics it has written to, or nothing. It is made by
/// [`WriterBuilder::transactional`](super::WriterBuilder::transactional).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> kafkio::Result<()> {
/// # let cluster = kafkio::testing::FakeCluster::builder().topic("orders", 3).start().await.unwrap();
/// # let client = cluster.client().connect().await?;
/// use kafkio::Record;
///
/// let mut writer = client.writer().topic("orders").transactional("orders-1").await?;
/// let transaction = writer.begin().await?;
/// drop(transaction.send(Record::new("debit").key("alice")).await?);
/// drop(transaction.send(Record::new("credit").key("bob")).await?);
/// // Committing tells what has failed.
/// transaction.commit().await?;
/// # Ok(()) }
/// ```
///
/// # Errors
///
/// After a failure that only concerns one transaction, the next one can begin. When
/// [`Error::is_fatal`] says that the writer is of no use any more, as another one has taken its
/// transactional id, build it anew or end.
///
/// Before Kafka 3.6, a request whose connection was lost may arrive when its transaction is aborted, and
/// count with the next one (KIP-890).
///
/// When the writer is dropped, a transaction that is not over may stay open until
/// [`transaction_timeout`](super::WriterBuilder::transaction_timeout), or until the transactional id
/// is taken again: call [`close`](Self::close) before.
#[derive(Debug)]
pub struct TransactionalWriter {
    writer: Writer,
}

/// A transaction that is open. It is aborted when it is dropped.
///
/// It is a sink of records, too, as a [`Writer`] is; flushing and closing the sink ends nothing.
///
/// # Errors
///
/// When a record fails, or [`send_offsets`](Self::send_offsets) does, all that is left is to abort:
/// what is sent after that fails with [`ErrorKind::Aborted`], and so does [`commit`](Self::commit).
#[must_use = "a transaction that is dropped is aborted"]
pub struct Transaction<'a> {
    /// A handle of its own: what it sends as a sink belongs to this transaction.
    writer: Writer,
    /// No other transaction may be open.
    owner: &'a TransactionalWriter,
    is_over: bool,
}

/// The group whose offsets a transaction commits, and the member that does it, whose commit a group
/// refuses when it is a member no more (KIP-447).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupMetadata {
    /// The id of the group.
    pub group: String,
    /// The generation of the member, or its epoch; -1 for a group without members.
    pub generation: i32,
    /// The id of the member; empty for a group without members.
    pub member: String,
    /// The name of a static member (KIP-345).
    pub instance: Option<String>,
}

impl GroupMetadata {
    /// A group without members: who reads which partition is settled otherwise.
    pub fn new(group: impl Into<String>) -> Self {
        Self { group: group.into(), generation: -1, member: String::new(), instance: None }
    }
}

impl<S: Into<String>> From<S> for GroupMetadata {
    fn from(group: S) -> Self {
        Self::new(group)
    }
}

impl TransactionalWriter {
    /// Takes the transactional id.
    pub(super) async fn new(writer: Writer) -> Result<Self> {
        let this = Self { writer };
        this.settle().await?;
        Ok(this)
    }

    /// Begins a transaction, as soon as the one before is over. If that has ended with an error, its
    /// end is asked for again, and is the same as then.
    ///
    /// # Errors
    ///
    /// The coordinator of the transactional id cannot be reached in the time that the client has
    /// for calls; the writer is of no use any more ([`Error::is_fatal`]).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future begins nothing.
    pub async fn begin(&mut self) -> Result<Transaction<'_>> {
        loop {
            self.settle().await?;
            if self.writer.shared.accumulator().open()? {
                return Ok(Transaction {
                    writer: self.writer.clone(),
                    owner: self,
                    is_over: false,
                });
            }
        }
    }

    /// Waits until the markers of the transaction before are written, where offsets cannot be asked
    /// for with that in mind: before Kafka 2.5 the next epoch has to wait for them.
    pub(crate) async fn renew(&self) -> Result<()> {
        self.writer.shared.accumulator().spoil();
        self.settle().await
    }

    /// Waits until there is no transaction, and the next one may begin.
    pub(crate) async fn settle(&self) -> Result<()> {
        loop {
            let Some(told) = self.writer.shared.accumulator().settle()? else {
                return Ok(());
            };
            match wait(told).await {
                // Whoever has asked for its commit has not waited to hear this.
                Err(error) if error.kind() == ErrorKind::Aborted => {}
                settled => settled?,
            }
        }
    }

    pub(crate) fn cluster(&self) -> Cluster {
        self.writer.shared.cluster.clone()
    }

    /// The transactional id (property `transactional.id`).
    pub fn id(&self) -> &str {
        self.writer.shared.config.transactional.as_ref().map_or("", |own| &own.id)
    }

    /// Waits until the last transaction is over, and ends the background work.
    ///
    /// # Errors
    ///
    /// The transaction has not ended in the time that the client has for calls: its coordinator
    /// aborts it later, unless it has heard of the commit.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the writer is, too.
    pub async fn close(self) -> Result<()> {
        let settled = self.settle().await;
        let closed = self.writer.close().await;
        settled.and(closed)
    }
}

impl Transaction<'_> {
    /// Accepts a record: see [`Writer::send`]. Its [`Delivery`] tells that it is written; it counts
    /// once the transaction is committed.
    ///
    /// # Errors
    ///
    /// As [`Writer::send`]. A record that was not accepted is no reason to abort.
    ///
    /// # Cancel safety
    ///
    /// As [`Writer::send`].
    pub fn send(
        &self,
        record: impl Into<Record>,
    ) -> impl Future<Output = Result<Delivery>> + Send + '_ {
        self.writer.send(record)
    }

    /// Accepts a record if there is room for it now: see [`Writer::try_send`].
    ///
    /// # Errors
    ///
    /// As [`Writer::try_send`], with the record.
    #[expect(clippy::result_large_err, reason = "the record goes back to its owner")]
    pub fn try_send(&self, record: impl Into<Record>) -> Result<Delivery, (Record, Error)> {
        self.writer.try_send(record)
    }

    /// Sends all records and waits until they are written: see [`Writer::write`].
    ///
    /// # Errors
    ///
    /// The first failure.
    ///
    /// # Cancel safety
    ///
    /// As [`Writer::write`].
    pub async fn write(
        &self,
        records: impl IntoIterator<Item = Record>,
    ) -> Result<Vec<RecordMetadata>> {
        self.writer.write(records).await
    }

    /// Commits offsets of a group with the transaction: the position of each partition is that of
    /// the next record to read. So what was read, and what came of it, counts together, or not at
    /// all. Needs the rights to read the group.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> kafkio::Result<()> {
    /// # let cluster = kafkio::testing::FakeCluster::builder().topic("orders", 1).start().await.unwrap();
    /// # let client = cluster.client().connect().await?;
    /// use kafkio::admin::groups::CommittedOffset;
    /// use kafkio::{Record, TopicPartition};
    ///
    /// let mut writer = client.writer().transactional("billing-1").await?;
    /// let transaction = writer.begin().await?;
    /// drop(transaction.send(Record::new("an invoice").topic("orders")).await?);
    /// let next = (TopicPartition::new("orders", 0), CommittedOffset::new(1));
    /// transaction.send_offsets("billing", [next]).await?;
    /// transaction.commit().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The coordinator of the group or of the transaction refuses, or cannot be reached in the time
    /// that the client has for calls. The transaction can only be aborted then.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped before it is done, the transaction can only be aborted.
    pub async fn send_offsets(
        &self,
        group: impl Into<GroupMetadata>,
        offsets: impl IntoIterator<Item = (TopicPartition, CommittedOffset)>,
    ) -> Result<()> {
        let (group, offsets) = (group.into(), topics(offsets));
        if group.group.is_empty() {
            return Err(Error::config("group: a group needs a name"));
        }
        if offsets.is_empty() {
            return Ok(());
        }
        let shared = &self.writer.shared;
        let (identity, is_implicit) = {
            let mut accumulator = shared.accumulator();
            let known = accumulator.transaction()?;
            accumulator.is_unsure();
            known
        };
        let lost = Lost::default();
        // Boxed, for it is large, and rare.
        let sent = Box::pin(self.offsets(&group, &offsets, identity, is_implicit, &lost)).await;
        let mut accumulator = shared.accumulator();
        if lost.any() {
            accumulator.spoil();
        }
        match (sent, &shared.config.transactional) {
            (Ok(()), _) => {
                accumulator.is_sure();
                Ok(())
            }
            (Err(error), Some(own)) if is_fatal(&error) => {
                drop(accumulator);
                let error = own.fatal(error);
                shared.fail_all(&error);
                Err(error)
            }
            (Err(error), _) => {
                accumulator.fail_transaction(&error);
                Err(error)
            }
        }
    }

    async fn offsets(
        &self,
        group: &GroupMetadata,
        offsets: &[TxnOffsetCommitRequestTopic],
        identity: Identity,
        is_implicit: bool,
        lost: &Lost,
    ) -> Result<()> {
        let cluster = &self.writer.shared.cluster;
        let (id, deadline) = (self.owner.id(), cluster.deadline());
        let Identity { id: producer_id, epoch: producer_epoch, .. } = identity;
        if !is_implicit {
            let request = |_: &_| {
                lost.asks();
                Ok(AddOffsetsToTxnRequest {
                    transactional_id: id.to_owned(),
                    producer_id,
                    producer_epoch,
                    group_id: group.group.clone(),
                    ..Default::default()
                })
            };
            let (target, what) =
                (Target::Transaction(id.to_owned()), "add a group to the transaction");
            cluster
                .ask(&target, deadline, what, request, |it| {
                    lost.answers();
                    check_response(it.error_code, None)
                })
                .await?;
        }
        let request = |at: &At| {
            if is_implicit {
                let what = "offsets in such a transaction";
                at.needs::<TxnOffsetCommitRequest>(LAST_OFFSETS_V1 + 1, what)?;
            }
            lost.asks();
            let request = TxnOffsetCommitRequest {
                transactional_id: id.to_owned(),
                group_id: group.group.clone(),
                producer_id,
                producer_epoch,
                topics: offsets.to_vec(),
                ..Default::default()
            };
            // Older brokers take the offsets whoever sends them.
            Ok(if at.version < FIRST_WITH_MEMBERS {
                request
            } else {
                TxnOffsetCommitRequest {
                    generation_id: group.generation,
                    member_id: group.member.clone(),
                    group_instance_id: group.instance.clone(),
                    ..request
                }
            })
        };
        let newest = if is_implicit { i16::MAX } else { LAST_OFFSETS_V1 };
        let target = Target::Group(group.group.clone());
        let what = "commit offsets in the transaction";
        let count = offsets.iter().map(|topic| topic.partitions.len()).sum();
        let read = |response| {
            lost.answers();
            check_offsets(response, count)
        };
        cluster.ask_up_to(newest, &target, deadline, what, request, read).await
    }

    /// Commits: waits until all records are written, and ends the transaction. What it has written
    /// counts then.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::Aborted`]: a record or another call has failed, which is the cause; the
    ///   transaction is aborted, and nothing of it counts.
    /// - [`Error::is_ambiguous`]: nobody has answered in the time that the client has for calls.
    ///   The transaction may be committed; it is not aborted. [`TransactionalWriter::begin`] goes on
    ///   asking for the commit before it begins another one.
    /// - [`Error::is_fatal`]: the writer is of no use any more. Nothing counts, unless the error is
    ///   ambiguous.
    ///
    /// # Cancel safety
    ///
    /// Once it was polled, it is decided: the transaction commits also if the future is dropped, as
    /// long as the writer is there. [`TransactionalWriter::begin`] waits for it. Only where a record
    /// was sent as a sink whose topic is not known yet, it is aborted until that is.
    pub async fn commit(self) -> Result<()> {
        self.end(true).await
    }

    /// Aborts: nothing that was written counts. Records that have not left are given up.
    ///
    /// # Errors
    ///
    /// Nobody has answered in the time that the client has for calls, or the writer is of no use any
    /// more. Nothing counts all the same.
    ///
    /// # Cancel safety
    ///
    /// As dropping the transaction.
    pub async fn abort(self) -> Result<()> {
        self.end(false).await
    }

    async fn end(mut self, commit: bool) -> Result<()> {
        let sent = if commit { self.writer.send_pending().await } else { Ok(()) };
        self.is_over = true;
        let commits = commit && sent.is_ok();
        let (told, wakes) = self.writer.shared.accumulator().decide(commits)?;
        wakes.wake();
        let ended = wait(told).await;
        // A record that was sent as a sink has not been accepted: it would be missing.
        sent.and(ended)
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            if let Ok((_, wakes)) = self.writer.shared.accumulator().decide(false) {
                wakes.wake();
            }
        }
    }
}

impl Sink<Record> for Transaction<'_> {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.writer).poll_ready(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, record: Record) -> Result<()> {
        Pin::new(&mut self.writer).start_send(record)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.writer).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.writer).poll_flush(cx)
    }
}

impl fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("id", &self.owner.id()).finish_non_exhaustive()
    }
}

async fn wait(told: oneshot::Receiver<Result<()>>) -> Result<()> {
    told.await.unwrap_or_else(|_| Err(Error::closed("writer")))
}

fn topics(
    offsets: impl IntoIterator<Item = (TopicPartition, CommittedOffset)>,
) -> Vec<TxnOffsetCommitRequestTopic> {
    let mut topics: Vec<TxnOffsetCommitRequestTopic> = Vec::new();
    let mut offsets: Vec<_> = offsets.into_iter().collect();
    offsets.sort_by(|(one, _), (other, _)| one.cmp(other));
    for (at, committed) in offsets {
        if topics.last().is_none_or(|last| last.name != *at.topic) {
            let name = at.topic.to_string();
            topics.push(TxnOffsetCommitRequestTopic { name, ..Default::default() });
        }
        if let Some(topic) = topics.last_mut() {
            topic.partitions.push(TxnOffsetCommitRequestPartition {
                partition_index: at.partition,
                committed_offset: committed.offset,
                committed_leader_epoch: committed.leader_epoch.unwrap_or(-1),
                committed_metadata: Some(committed.metadata.unwrap_or_default()),
                ..Default::default()
            });
        }
    }
    topics
}

/// Whether all offsets were taken, of which there are so many.
fn check_offsets(response: TxnOffsetCommitResponse, count: usize) -> Result<()> {
    let told: usize = response.topics.iter().map(|topic| topic.partitions.len()).sum();
    if told < count {
        let error = Error::new(ErrorKind::Protocol, "not all offsets are in the answer");
        return Err(error.retriable(true));
    }
    for topic in response.topics {
        for partition in topic.partitions {
            let code = ErrorCode(partition.error_code);
            if code != ErrorCode::NONE {
                let text = format!("{}[{}]", topic.name, partition.partition_index);
                return Err(Error::broker(code, text));
            }
        }
    }
    Ok(())
}
