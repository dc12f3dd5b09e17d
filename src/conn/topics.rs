//! Creates and deletes topics, by one request to the broker of the connection.

use super::Conn;
use crate::admin::Results;
use crate::admin::topics::{
    CreateTopics, CreatedTopic, DeleteTopics, NewTopic, TopicRef, create_topics_request,
    delete_topics_request, results,
};
use crate::error::Result;

impl Conn {
    /// Creates topics. This must be a connection to the [controller](Self::controller); under
    /// `KRaft`, to any broker.
    ///
    /// The broker answers when the topics are created; it may take a moment until all brokers
    /// know their leaders.
    ///
    /// # Errors
    ///
    /// See [`Conn`]. Each topic has a result of its own: `TOPIC_ALREADY_EXISTS`, or
    /// `NOT_CONTROLLER` if this broker is not the one to ask.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future recalls nothing that was sent: the topics may be created.
    pub async fn create_topics(
        &self,
        topics: impl IntoIterator<Item = NewTopic> + Send,
    ) -> Result<Results<String, CreatedTopic>> {
        let topics: Vec<_> = topics.into_iter().collect();
        let what = format!("create topic at {}:", self.name());
        let timeout = self.broker_timeout();
        let request = |version| create_topics_request(&topics, timeout, version);
        let response = self.call(request).await?;
        Ok(results(&CreateTopics::new([]), &what, &topics, response))
    }

    /// Deletes topics, with all that is in them. This must be a connection to the
    /// [controller](Self::controller); under `KRaft`, to any broker.
    ///
    /// # Errors
    ///
    /// See [`Conn`]. Each topic has a result of its own: `UNKNOWN_TOPIC_OR_PARTITION`, or
    /// `NOT_CONTROLLER` if this broker is not the one to ask.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future recalls nothing that was sent: the topics may be deleted.
    pub async fn delete_topics(&self, topics: &[&str]) -> Result<Results<String, ()>> {
        let names: Vec<_> = topics.iter().map(|name| (*name).to_owned()).collect();
        let topics: Vec<_> = names.iter().map(TopicRef::from).collect();
        let what = format!("delete topic at {}:", self.name());
        let timeout = self.broker_timeout();
        let request = |version| delete_topics_request(&topics, timeout, version);
        let response = self.call(request).await?;
        let results = results(&DeleteTopics::new::<TopicRef>([]), &what, &topics, response);
        Ok(Results::new(names.into_iter().zip(results.into_iter().map(|(_, it)| it)).collect()))
    }

    /// How long the broker may work on a request, in milliseconds.
    pub(super) fn broker_timeout(&self) -> i32 {
        let timeout = self.inner.settings.cluster.request_timeout;
        i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX)
    }
}
