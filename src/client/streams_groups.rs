//! Streams groups: see [`admin::streams_groups`](crate::admin::streams_groups).

use super::Client;
use crate::admin::Call;
use crate::admin::streams_groups::DescribeStreamsGroups;

impl Client {
    /// Describes streams groups: topology, members and tasks. Needs Kafka 4.2.
    ///
    /// What is no streams group is
    /// [`ErrorCode::GROUP_ID_NOT_FOUND`](crate::protocol::ErrorCode::GROUP_ID_NOT_FOUND).
    pub fn describe_streams_groups<S: Into<String>>(
        &self,
        groups: impl IntoIterator<Item = S>,
    ) -> Call<DescribeStreamsGroups> {
        self.request(DescribeStreamsGroups::new(groups))
    }
}
