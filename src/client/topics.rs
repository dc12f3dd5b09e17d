//! Topics: see [`admin::topics`](crate::admin::topics).

use std::sync::Arc;

use super::Client;
use crate::admin::Call;
use crate::admin::metadata::DescribeMetadata;
use crate::admin::topics::{
    CreatePartitions, CreateTopics, DeleteRecords, DeleteTopics, DescribeTopics, ListTopics,
    NewPartitions, NewTopic, RecordsBefore, TopicRef,
};

impl Client {
    /// Creates topics. Await the call, or set options first: see [`CreateTopics`].
    ///
    /// Each topic has a result of its own. One that exists already is
    /// [`ErrorCode::TOPIC_ALREADY_EXISTS`](crate::protocol::ErrorCode::TOPIC_ALREADY_EXISTS).
    pub fn create_topics(&self, topics: impl IntoIterator<Item = NewTopic>) -> Call<CreateTopics> {
        self.request(CreateTopics::new(topics))
    }

    /// Deletes topics by name or id, with all that is in them: see [`DeleteTopics`].
    pub fn delete_topics<T: Into<TopicRef>>(
        &self,
        topics: impl IntoIterator<Item = T>,
    ) -> Call<DeleteTopics> {
        self.request(DeleteTopics::new(topics))
    }

    /// Lists the topics that this client may see, by name: see [`ListTopics`].
    pub fn list_topics(&self) -> Call<ListTopics> {
        self.request(ListTopics::new())
    }

    /// Describes topics and their partitions by name or id: see [`DescribeTopics`]. A topic that
    /// was just created may be unknown to some of the brokers for a moment.
    pub fn describe_topics<T: Into<TopicRef>>(
        &self,
        topics: impl IntoIterator<Item = T>,
    ) -> Call<DescribeTopics> {
        self.request(DescribeTopics::new(topics))
    }

    /// Gives topics more partitions; there is no way back. Records with keys go to other partitions
    /// from then on. See [`CreatePartitions`].
    pub fn create_partitions<T: Into<String>>(
        &self,
        topics: impl IntoIterator<Item = (T, NewPartitions)>,
    ) -> Call<CreatePartitions> {
        self.request(CreatePartitions::new(topics))
    }

    /// Deletes the oldest records of partitions, up to an offset: see [`DeleteRecords`]. An offset
    /// above the high watermark is
    /// [`ErrorCode::OFFSET_OUT_OF_RANGE`](crate::protocol::ErrorCode::OFFSET_OUT_OF_RANGE).
    pub fn delete_records<T: Into<Arc<str>>>(
        &self,
        partitions: impl IntoIterator<Item = (T, i32, RecordsBefore)>,
    ) -> Call<DeleteRecords> {
        self.request(DeleteRecords::new(partitions))
    }

    /// Describes the brokers and these topics.
    pub fn metadata<S: Into<String>>(
        &self,
        topics: impl IntoIterator<Item = S>,
    ) -> Call<DescribeMetadata> {
        self.request(DescribeMetadata::new(topics))
    }

    /// Describes the brokers and all topics.
    pub fn all_metadata(&self) -> Call<DescribeMetadata> {
        self.request(DescribeMetadata::all())
    }
}
