//! Groups: which there are, their members and offsets, how far they are behind.
//!
//! Members come and go by the classic protocol, where they agree among themselves who reads what,
//! or by that of KIP-848, where the broker decides. Operations here are for both, if they do not
//! say otherwise. Each group is kept by a broker, its coordinator, to which requests go.
//!
//! A group need not have members: whoever keeps offsets elsewhere, or sets a group back, commits
//! from outside.
//!
//! ```no_run
//! // Compiled only: the in-process cluster keeps no groups.
//! use kafkio::admin::groups::GroupState;
//! use kafkio::{Client, TopicPartition};
//!
//! # async fn run(client: Client) -> kafkio::Result<()> {
//! for group in client.list_groups().states(vec![GroupState::Empty]).await?.into_result()? {
//!     println!("{} has no members", group.group_id);
//! }
//! let billing = client.group_lag(["billing"]).await?.into_only()?;
//! println!("billing is {} behind", billing.total());
//! if billing.group.members.is_empty() {
//!     let start = [(TopicPartition::new("orders", 0), 0)];
//!     client.alter_group_offsets("billing", start).await?.into_result()?;
//! }
//! # Ok(()) }
//! ```

mod commit;
mod consumer;
mod delete;
mod describe;
mod lag;
mod list;
mod members;
mod offsets;

pub use commit::{AlterGroupOffsets, DeleteGroupOffsets};
pub use consumer::{ConsumerGroup, ConsumerGroupMember, DescribeConsumerGroups};
pub use delete::DeleteGroups;
pub use describe::{ClassicGroup, ClassicMember, DescribeGroups};
pub use lag::{GroupLag, ListGroupLag, PartitionLag};
pub use list::{GroupListing, ListGroups};
pub use members::{MemberToRemove, RemoveMembers};
pub use offsets::{CommittedOffset, ListGroupOffsets};

use super::{check_once, names};
use crate::error::{Error, Result};

names! {
    /// What a group is doing.
    enum GroupState {
        /// A classic group waits for its members to join.
        PreparingRebalance = "PreparingRebalance",
        /// A classic group waits for its leader's assignment.
        CompletingRebalance = "CompletingRebalance",
        /// All members have what they should have.
        Stable = "Stable",
        /// The group is being deleted, or is gone.
        Dead = "Dead",
        /// No members.
        Empty = "Empty",
        /// A group of KIP-848 is computing an assignment.
        Assigning = "Assigning",
        /// A group of KIP-848 has an assignment, and members are on their way to it.
        Reconciling = "Reconciling",
        /// A streams group has not all the topics that it needs.
        NotReady = "NotReady",
    }
}

names! {
    /// How the members of a group are coordinated.
    enum GroupType {
        /// The members assign among themselves.
        Classic = "classic",
        /// The broker assigns (KIP-848).
        Consumer = "consumer",
        /// Members share partitions (KIP-932).
        Share = "share",
        /// The broker assigns tasks to instances of Kafka Streams (KIP-1071).
        Streams = "streams",
    }
}

/// `None` of an empty text.
fn text(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// Results are told by the names of groups. That of an old classic group may be empty: one that is
/// there can be described and deleted.
pub(super) fn check_groups(groups: &[String]) -> Result<()> {
    check_once("group", groups)
}

/// As [`check_groups`], of groups that always have a name.
pub(super) fn check_named_groups(groups: &[String]) -> Result<()> {
    check_groups(groups)?;
    if groups.iter().any(String::is_empty) {
        return Err(Error::config("a group has an empty name"));
    }
    Ok(())
}
