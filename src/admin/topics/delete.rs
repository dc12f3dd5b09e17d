//! Deletes topics.

use super::{Answer, TopicRef, check_once, results};
use crate::admin::PerItem;
use crate::admin::Results;
use crate::cluster::{Answers, At, Split, Target};
use crate::error::Result;
use crate::protocol::messages::delete_topics::{
    DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse,
};

/// Deletes topics: see [`Client::delete_topics`](crate::Client::delete_topics).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct DeleteTopics {
    topics: Vec<TopicRef>,
}

impl DeleteTopics {
    /// Deletes the topics of these names or ids. Ids need Kafka 2.8.
    pub fn new<T: Into<TopicRef>>(topics: impl IntoIterator<Item = T>) -> Self {
        Self { topics: topics.into_iter().map(Into::into).collect() }
    }
}

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

    fn request(&self, topics: &[TopicRef], at: &At) -> Result<DeleteTopicsRequest> {
        if topics.iter().any(|topic| matches!(topic, TopicRef::Id(_))) {
            at.needs::<DeleteTopicsRequest>(6, "deleting topics by id")?;
        }
        Ok(delete_topics_request(topics, at.left_ms, at.version))
    }

    fn answers(
        &self,
        _: &[TopicRef],
        response: DeleteTopicsResponse,
        answers: &mut Answers<TopicRef, ()>,
    ) {
        for (topic, code, message, ()) in deleted(response) {
            answers.insert(topic, code, message, ());
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

/// The results of an attempt that is the only one.
pub(crate) fn delete_topics_results(
    what: &str,
    names: &[String],
    response: DeleteTopicsResponse,
) -> Results<String, ()> {
    let answers = deleted(response).filter_map(|(topic, code, message, ())| match topic {
        TopicRef::Name(name) => Some((name, code, message, ())),
        TopicRef::Id(_) => None,
    });
    results(what, names.iter().cloned(), answers.collect())
}

/// What was said of each topic, under its name and under its id: the broker tells both if it can.
fn deleted(response: DeleteTopicsResponse) -> impl Iterator<Item = Answer<TopicRef, ()>> {
    response.responses.into_iter().flat_map(|topic| {
        let id = Some(topic.topic_id).filter(|id| !id.is_nil()).map(TopicRef::Id);
        [topic.name.map(TopicRef::Name), id]
            .into_iter()
            .flatten()
            .map(move |of| (of, topic.error_code, topic.error_message.clone(), ()))
    })
}
