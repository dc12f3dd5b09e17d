//! Share groups: see [`admin::share_groups`](crate::admin::share_groups).

use super::Client;
use crate::admin::Call;
use crate::admin::share_groups::{
    AlterShareGroupOffsets, DeleteShareGroupOffsets, DescribeShareGroups, ListShareGroupOffsets,
};
use crate::types::TopicPartition;

impl Client {
    /// Describes share groups, their members and assignments. Needs Kafka 4.1.
    ///
    /// What is no share group is
    /// [`ErrorCode::GROUP_ID_NOT_FOUND`](crate::protocol::ErrorCode::GROUP_ID_NOT_FOUND).
    pub fn describe_share_groups<S: Into<String>>(
        &self,
        groups: impl IntoIterator<Item = S>,
    ) -> Call<DescribeShareGroups> {
        self.request(DescribeShareGroups::new(groups))
    }

    /// Lists where share groups begin in each partition, or in some. Needs Kafka 4.1.
    ///
    /// Each group has a result, and in it each partition: see [`ListShareGroupOffsets`].
    pub fn list_share_group_offsets<S: Into<String>>(
        &self,
        groups: impl IntoIterator<Item = S>,
    ) -> Call<ListShareGroupOffsets> {
        self.request(ListShareGroupOffsets::new(groups))
    }

    /// Sets where a share group begins; a group that is not there is made. Needs Kafka 4.1.
    ///
    /// A group with members is
    /// [`ErrorCode::NON_EMPTY_GROUP`](crate::protocol::ErrorCode::NON_EMPTY_GROUP).
    pub fn alter_share_group_offsets(
        &self,
        group: impl Into<String>,
        offsets: impl IntoIterator<Item = (TopicPartition, i64)>,
    ) -> Call<AlterShareGroupOffsets> {
        self.request(AlterShareGroupOffsets::new(group, offsets))
    }

    /// Makes a share group forget topics: where it reads them again, it begins anew (property
    /// `share.auto.offset.reset` of the group). Needs Kafka 4.1.
    ///
    /// A group with members is
    /// [`ErrorCode::NON_EMPTY_GROUP`](crate::protocol::ErrorCode::NON_EMPTY_GROUP).
    pub fn delete_share_group_offsets<S: Into<String>>(
        &self,
        group: impl Into<String>,
        topics: impl IntoIterator<Item = S>,
    ) -> Call<DeleteShareGroupOffsets> {
        self.request(DeleteShareGroupOffsets::new(group, topics))
    }
}
