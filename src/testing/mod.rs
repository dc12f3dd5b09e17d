//! A Kafka cluster in this process, for tests: nothing to install, nothing to clean up.
//!
//! [`FakeCluster`] behaves as Apache Kafka does as far as it goes: topics with real logs, offsets,
//! timestamps, byte limits, long polls, leader epochs, producers that number what they write,
//! transactions with their coordinators, committed offsets, error codes, the request versions of any
//! Kafka from 0.10.1 to 4.3. Its brokers listen on loopback TCP, so any client can use them; or
//! they are [in memory](FakeClusterBuilder::in_memory), for tests with paused time.
//!
//! It comes with the feature `testing`, which a dev-dependency switches on for tests alone:
//!
//! ```toml
//! [dev-dependencies]
//! kafkio = { version = "0.1", features = ["testing"] }
//! ```
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> kafkio::Result<()> {
//! use kafkio::Record;
//! use kafkio::testing::FakeCluster;
//!
//! let cluster = FakeCluster::builder().brokers(3).topic("orders", 6).start().await.unwrap();
//! let client = cluster.client().connect().await?;
//! let writer = client.writer().topic("orders").build().await?;
//! let written = writer.send(Record::new("hello").partition(2)).await?.await?;
//! assert_eq!(written.offset(), Some(0));
//! assert_eq!(cluster.messages("orders", 2)[0].value(), Some(&b"hello"[..]));
//! # Ok(()) }
//! ```
//!
//! # Things that go wrong
//!
//! - [`stop_broker`](FakeCluster::stop_broker), [`start_broker`](FakeCluster::start_broker),
//!   [`move_leader`](FakeCluster::move_leader), [`delete_topic`](FakeCluster::delete_topic),
//!   [`truncate`](FakeCluster::truncate), [`set_follower_end`](FakeCluster::set_follower_end),
//!   [`forget_producers`](FakeCluster::forget_producers),
//!   [`use_up_epochs`](FakeCluster::use_up_epochs): what happens to clusters.
//! - [`fail_next`](FakeCluster::fail_next): the next answers carry these error codes.
//! - [`on`](FakeCluster::on) and [`once`](FakeCluster::once): a closure sees each request first and
//!   chooses a [`Fault`]: answer it, change the answer, delay, hang, cut the connection anywhere.
//! - [`append_raw`](FakeCluster::append_raw): bytes in a log that no writer would write.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> kafkio::Result<()> {
//! use kafkio::protocol::{ApiKey, ErrorCode};
//! use kafkio::testing::{Fault, FakeCluster};
//!
//! let cluster = FakeCluster::builder().topic("orders", 1).start().await.unwrap();
//! let client = cluster.client().connect().await?;
//! let writer = client.writer().topic("orders").build().await?;
//!
//! // The broker stores the batch, and the connection breaks before it can say so.
//! let _cut = cluster.once(ApiKey::PRODUCE, |_| Fault::Cut(0));
//! writer.write(["once or twice"].map(kafkio::Record::new)).await?;
//! assert!(cluster.offsets("orders", 0).unwrap().1 >= 1);
//!
//! cluster.fail_next(ApiKey::PRODUCE, [ErrorCode::NOT_LEADER_OR_FOLLOWER]);
//! writer.write(["written, at the second try"].map(kafkio::Record::new)).await?;
//! # Ok(()) }
//! ```
//!
//! # What it does not do
//!
//! No replication: all replicas of a partition are one log, in sync unless
//! [told otherwise](FakeCluster::set_follower_end). No conversion between message formats, no
//! retention or compaction, no members of groups of any kind (offsets are kept), no log directories,
//! no reassignments, no security. Configurations, access control entries and quotas are kept and
//! listed; of the configurations, [these](FakeClusterBuilder::topic_config) have an effect, of the
//! others none. It is stricter than Kafka 4 in one thing: only the controller creates and deletes
//! topics, and adds partitions.
//!
//! A call that it does not have is not announced to clients, until a [hook](FakeCluster::on)
//! answers it.

mod acls;
mod batch;
mod broker;
mod builder;
mod cluster;
mod configs;
mod faults;
mod handlers;
mod log;
mod network;
mod offsets;
mod producers;
mod sessions;
mod state;
mod transactions;
mod versions;

pub use builder::FakeClusterBuilder;
pub use cluster::FakeCluster;
pub use faults::{Answer, Call, Fault, FaultGuard, LoggedRequest};

#[cfg(test)]
mod tests;
