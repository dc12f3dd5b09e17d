//! Groups: see [`admin::groups`](crate::admin::groups).

use super::Client;
use crate::admin::Call;
use crate::admin::groups::{
    AlterGroupOffsets, CommittedOffset, DeleteGroupOffsets, DeleteGroups, DescribeConsumerGroups,
    DescribeGroups, ListGroupLag, ListGroupOffsets, ListGroups, MemberToRemove, RemoveMembers,
};
use crate::types::TopicPartition;

impl Client {
    /// Lists the groups of the cluster: all, or by state and type, see [`ListGroups`]. Each broker
    /// is asked for those that it coordinates.
    pub fn list_groups(&self) -> Call<ListGroups> {
        self.request(ListGroups::new())
    }

    /// Describes classic groups, whatever their members do. One that does not exist, or is not
    /// classic, is [`GROUP_ID_NOT_FOUND`](crate::protocol::ErrorCode::GROUP_ID_NOT_FOUND).
    pub fn describe_groups<S: Into<String>>(
        &self,
        groups: impl IntoIterator<Item = S>,
    ) -> Call<DescribeGroups> {
        self.request(DescribeGroups::new(groups))
    }

    /// Describes groups of consumers, coordinated by either protocol. One that does not exist is
    /// [`GROUP_ID_NOT_FOUND`](crate::protocol::ErrorCode::GROUP_ID_NOT_FOUND).
    pub fn describe_consumer_groups<S: Into<String>>(
        &self,
        groups: impl IntoIterator<Item = S>,
    ) -> Call<DescribeConsumerGroups> {
        self.request(DescribeConsumerGroups::new(groups))
    }

    /// Deletes groups with their offsets. One with members is
    /// [`NON_EMPTY_GROUP`](crate::protocol::ErrorCode::NON_EMPTY_GROUP). Needs Kafka 1.1.
    pub fn delete_groups<S: Into<String>>(
        &self,
        groups: impl IntoIterator<Item = S>,
    ) -> Call<DeleteGroups> {
        self.request(DeleteGroups::new(groups))
    }

    /// Takes members out of a group, which assigns their partitions to others. A member that lives
    /// comes back. Members by the protocol of KIP-848 need Kafka 4.3. All members: [`RemoveMembers::all`], run by [`request`](Self::request).
    pub fn remove_members(
        &self,
        group: impl Into<String>,
        members: impl IntoIterator<Item = MemberToRemove>,
    ) -> Call<RemoveMembers> {
        self.request(RemoveMembers::new(group, members))
    }

    /// Lists what groups have committed: all of it, or for some partitions, see
    /// [`ListGroupOffsets`]. A group that does not exist has nothing.
    pub fn list_group_offsets<S: Into<String>>(
        &self,
        groups: impl IntoIterator<Item = S>,
    ) -> Call<ListGroupOffsets> {
        self.request(ListGroupOffsets::new(groups))
    }

    /// Sets where a group without members goes on. A group with members is
    /// [`UNKNOWN_MEMBER_ID`](crate::protocol::ErrorCode::UNKNOWN_MEMBER_ID).
    pub fn alter_group_offsets<O: Into<CommittedOffset>>(
        &self,
        group: impl Into<String>,
        offsets: impl IntoIterator<Item = (TopicPartition, O)>,
    ) -> Call<AlterGroupOffsets> {
        self.request(AlterGroupOffsets::new(group, offsets))
    }

    /// Drops what a group has committed for partitions. One of a topic that members are subscribed
    /// to is [`GROUP_SUBSCRIBED_TO_TOPIC`](crate::protocol::ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC).
    /// Needs Kafka 2.4 (KIP-496).
    pub fn delete_group_offsets(
        &self,
        group: impl Into<String>,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Call<DeleteGroupOffsets> {
        self.request(DeleteGroupOffsets::new(group, partitions))
    }

    /// Tells how far groups of consumers are behind, in each partition of the topics that they have
    /// to do with.
    pub fn group_lag<S: Into<String>>(
        &self,
        groups: impl IntoIterator<Item = S>,
    ) -> Call<ListGroupLag> {
        self.request(ListGroupLag::new(groups))
    }
}
