//! Deletes topics.

use super::{TopicRef, again_on_quota};
use crate::admin::{PerItem, check_once, setters};
use crate::cluster::{Answers, At, Split, Target};
use crate::error::Result;
use crate::protocol::ErrorCode;
use crate::protocol::messages::delete_topics::{
    DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse,
};

/// Deletes topics: see [`Client::delete_topics`](crate::Client::delete_topics).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct DeleteTopics {
    topics: Vec<TopicRef>,
    retry_on_quota_violation: bool,
}

impl DeleteTopics {
    /// Deletes the topics of these names or ids. Ids need Kafka 2.8.
    pub fn new<T: Into<TopicRef>>(topics: impl IntoIterator<Item = T>) -> Self {
        let topics = topics.into_iter().map(Into::into).collect();
        Self { topics, retry_on_quota_violation: true }
    }
}

setters!(DeleteTopics {
    /// Whether to try again, until the time is over, what a quota of the brokers (KIP-599) puts
    /// off: `THROTTLING_QUOTA_EXCEEDED`. Default: yes.
    retry_on_quota_violation: bool => |this, value| this.retry_on_quota_violation = value;
});

impl PerItem for DeleteTopics {
    fn items(&self) -> Vec<Self::Item> {
        self.topics.clone()
    }

    fn check(&self) -> Result<()> {
        check_once("topic", &self.topics)
    }
}

impl Split for DeleteTopics {
    type Item = TopicRef;
    type Key = TopicRef;
    type Request = DeleteTopicsRequest;
    type Value = ();
    const WHAT: &'static str = "delete topic";

    fn key(&self, topic: &TopicRef) -> TopicRef {
        topic.clone()
    }

    fn target(&self, _: &TopicRef) -> Target {
        Target::Controller
    }

    fn is_again(&self, code: ErrorCode) -> Option<bool> {
        again_on_quota(self.retry_on_quota_violation, code)
    }

    #[inline]
    fn request(&self, topics: &[TopicRef], at: &At) -> Result<DeleteTopicsRequest> {
        if topics.iter().any(|topic| matches!(topic, TopicRef::Id(_))) {
            at.needs::<DeleteTopicsRequest>(6, "deleting topics by id")?;
        }
        Ok(delete_topics_request(topics, at.left_ms, at.version))
    }

    #[inline]
    fn answers(
        &self,
        _: &[TopicRef],
        response: DeleteTopicsResponse,
        answers: &mut Answers<TopicRef, ()>,
    ) {
        // The broker tells both the name and the id, if it can.
        for topic in response.responses {
            let id = Some(topic.topic_id).filter(|id| !id.is_nil()).map(TopicRef::Id);
            for of in topic.name.map(TopicRef::Name).into_iter().chain(id) {
                answers.insert(of, topic.error_code, topic.error_message.clone(), ());
            }
        }
    }
}

/// The request of one attempt. Before version 6 there are no ids.
pub(crate) fn delete_topics_request(
    topics: &[TopicRef],
    timeout_ms: i32,
    version: i16,
) -> DeleteTopicsRequest {
    let mut request = DeleteTopicsRequest { timeout_ms, ..Default::default() };
    for topic in topics.iter().cloned() {
        match topic {
            TopicRef::Name(name) if version < 6 => request.topic_names.push(name),
            TopicRef::Name(name) => {
                request.topics.push(DeleteTopicState { name: Some(name), ..Default::default() });
            }
            TopicRef::Id(topic_id) => {
                request.topics.push(DeleteTopicState { topic_id, ..Default::default() });
            }
        }
    }
    request
}
