//! Creates and deletes topics.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use super::sealed::{Context, Run};
use super::{Results, Running, setters};
use crate::cluster::{Cluster, Target, check_duration};
use crate::error::{Error, Result};
use crate::protocol::messages::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreatableTopicResult,
    CreateTopicsRequest, CreateTopicsResponse,
};
use crate::protocol::messages::delete_topics::{
    DeletableTopicResult, DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse,
};
use crate::protocol::{ErrorCode, Request};
use crate::wire::Uuid;

/// A topic to be created.
///
/// ```
/// use kafkio::admin::NewTopic;
///
/// let topic = NewTopic::new("orders")
///     .partitions(12)
///     .replication_factor(3)
///     .config("retention.ms", "86400000");
/// ```
#[derive(Clone, Debug)]
#[must_use = "a topic is created by `Client::create_topics`"]
pub struct NewTopic {
    name: String,
    partitions: Option<i32>,
    replication_factor: Option<i16>,
    assignments: Vec<(i32, Vec<i32>)>,
    configs: Vec<(String, Option<String>)>,
}

impl NewTopic {
    /// A topic with the broker's default of partitions and copies; one of each before Kafka 2.4,
    /// which does not know defaults in this call (KIP-464).
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            partitions: None,
            replication_factor: None,
            assignments: Vec::new(),
            configs: Vec::new(),
        }
    }

    /// How many partitions.
    pub fn partitions(mut self, count: i32) -> Self {
        self.partitions = Some(count);
        self
    }

    /// How many brokers keep a copy.
    pub fn replication_factor(mut self, copies: i16) -> Self {
        self.replication_factor = Some(copies);
        self
    }

    /// Which brokers keep a partition, the preferred leader first. Takes the place of
    /// [`partitions`](Self::partitions) and [`replication_factor`](Self::replication_factor), and
    /// must then be given for each partition.
    pub fn assign(mut self, partition: i32, brokers: impl IntoIterator<Item = i32>) -> Self {
        self.assignments.push((partition, brokers.into_iter().collect()));
        self
    }

    /// A setting of the topic, such as `cleanup.policy`.
    pub fn config(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.configs.push((name.into(), Some(value.into())));
        self
    }

    fn to_wire(&self, version: i16) -> CreatableTopic {
        let assigned = !self.assignments.is_empty();
        let default = if version >= 4 { -1 } else { 1 };
        CreatableTopic {
            name: self.name.clone(),
            num_partitions: if assigned { -1 } else { self.partitions.unwrap_or(default.into()) },
            replication_factor: if assigned {
                -1
            } else {
                self.replication_factor.unwrap_or(default)
            },
            assignments: self
                .assignments
                .iter()
                .map(|(partition, brokers)| CreatableReplicaAssignment {
                    partition_index: *partition,
                    broker_ids: brokers.clone(),
                    ..Default::default()
                })
                .collect(),
            configs: self
                .configs
                .iter()
                .map(|(name, value)| CreatableTopicConfig {
                    name: name.clone(),
                    value: value.clone(),
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        }
    }
}

/// Creates topics: see [`Client::create_topics`](crate::Client::create_topics).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct CreateTopics {
    topics: Vec<NewTopic>,
    timeout: Option<Duration>,
    validate_only: bool,
}

impl CreateTopics {
    /// Creates these topics.
    pub fn new(topics: impl IntoIterator<Item = NewTopic>) -> Self {
        Self { topics: topics.into_iter().collect(), timeout: None, validate_only: false }
    }
}

setters!(CreateTopics {
    /// How long the call may take with its retries, and the broker to create the topics. Default:
    /// the client's `api_timeout`.
    timeout: Duration => |this, value| this.timeout = Some(value);
    /// Only asks whether the topics could be created. Default: no. Needs Kafka 0.10.2.
    validate_only: bool => |this, value| this.validate_only = value;
});

/// A topic that was created, as far as the broker tells: Kafka 2.4 and later.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreatedTopic {
    /// Its id, from Kafka 2.8 on.
    pub id: Option<Uuid>,
    /// Its partitions.
    pub partitions: Option<i32>,
    /// Its copies.
    pub replication_factor: Option<i16>,
}

impl Run for CreateTopics {
    type Output = Results<String, CreatedTopic>;

    fn check(&self) -> Result<()> {
        check_once(self.topics.iter().map(|topic| &topic.name))?;
        check_duration("timeout", self.timeout.unwrap_or_default())?;
        for topic in &self.topics {
            if !topic.assignments.is_empty()
                && (topic.partitions.is_some() || topic.replication_factor.is_some())
            {
                let name = &topic.name;
                return Err(Error::config(format!(
                    "topic {name}: assign replaces partitions and replication_factor"
                )));
            }
        }
        Ok(())
    }

    fn run(self, Context(cluster): Context) -> Running<Self::Output> {
        Box::pin(async move {
            let deadline = deadline(&cluster, self.timeout);
            let mut work = Work::new(self.topics, |topic| topic.name.clone());
            work.run(
                &cluster,
                deadline,
                "create topic",
                |topics, left| {
                    let validate_only = self.validate_only;
                    move |version| CreateTopicsRequest {
                        validate_only,
                        ..create_topics_request(&topics, left, version)
                    }
                },
                |response| response.topics.into_iter().map(created).collect(),
            )
            .await
        })
    }
}

/// The request of one attempt.
pub(crate) fn create_topics_request(
    topics: &[NewTopic],
    timeout_ms: i32,
    version: i16,
) -> CreateTopicsRequest {
    CreateTopicsRequest {
        topics: topics.iter().map(|topic| topic.to_wire(version)).collect(),
        timeout_ms,
        ..Default::default()
    }
}

/// The results of an attempt that is the only one.
pub(crate) fn create_topics_results(
    what: &str,
    topics: &[NewTopic],
    response: CreateTopicsResponse,
) -> Results<String, CreatedTopic> {
    let names = topics.iter().map(|topic| topic.name.clone());
    results(what, names, response.topics.into_iter().map(created).collect())
}

fn created(topic: CreatableTopicResult) -> Answer<CreatedTopic> {
    let value = CreatedTopic {
        id: Some(topic.topic_id).filter(|id| !id.is_nil()),
        partitions: Some(topic.num_partitions).filter(|count| *count > 0),
        replication_factor: Some(topic.replication_factor).filter(|copies| *copies > 0),
    };
    Answer::new(Some(topic.name), topic.error_code, topic.error_message, value)
}

/// Deletes topics: see [`Client::delete_topics`](crate::Client::delete_topics).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct DeleteTopics {
    names: Vec<String>,
    timeout: Option<Duration>,
}

impl DeleteTopics {
    /// Deletes the topics of these names.
    pub fn new<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self { names: names.into_iter().map(Into::into).collect(), timeout: None }
    }
}

setters!(DeleteTopics {
    /// How long the call may take with its retries, and the broker to delete the topics. Default:
    /// the client's `api_timeout`.
    timeout: Duration => |this, value| this.timeout = Some(value);
});

impl Run for DeleteTopics {
    type Output = Results<String, ()>;

    fn check(&self) -> Result<()> {
        check_duration("timeout", self.timeout.unwrap_or_default())?;
        check_once(self.names.iter())
    }

    fn run(self, Context(cluster): Context) -> Running<Self::Output> {
        Box::pin(async move {
            let deadline = deadline(&cluster, self.timeout);
            let mut work = Work::new(self.names, Clone::clone);
            work.run(
                &cluster,
                deadline,
                "delete topic",
                |names, left| move |version| delete_topics_request(&names, left, version),
                |response| response.responses.into_iter().map(deleted).collect(),
            )
            .await
        })
    }
}

/// The request of one attempt.
pub(crate) fn delete_topics_request(
    names: &[String],
    timeout_ms: i32,
    version: i16,
) -> DeleteTopicsRequest {
    // From version 6 on topics have names or ids (KIP-516).
    let states = names
        .iter()
        .filter(|_| version >= 6)
        .map(|name| DeleteTopicState { name: Some(name.clone()), ..Default::default() });
    DeleteTopicsRequest {
        topics: states.collect(),
        topic_names: if version >= 6 { Vec::new() } else { names.to_vec() },
        timeout_ms,
        ..Default::default()
    }
}

/// The results of an attempt that is the only one.
pub(crate) fn delete_topics_results(
    what: &str,
    names: &[String],
    response: DeleteTopicsResponse,
) -> Results<String, ()> {
    results(what, names.iter().cloned(), response.responses.into_iter().map(deleted).collect())
}

fn deleted(topic: DeletableTopicResult) -> Answer<()> {
    Answer::new(topic.name, topic.error_code, topic.error_message, ())
}

/// A broker refuses all of them if one is named twice, and results are told by name.
fn check_once<'a>(names: impl Iterator<Item = &'a String>) -> Result<()> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(Error::config(format!("topic {name} is named twice")));
        }
    }
    Ok(())
}

/// What the controller said of one topic.
struct Answer<T> {
    name: Option<String>,
    error: ErrorCode,
    message: Option<String>,
    value: T,
}

impl<T> Answer<T> {
    fn new(name: Option<String>, error: i16, message: Option<String>, value: T) -> Self {
        Self { name, error: ErrorCode(error), message, value }
    }

    fn into_result(self, what: &str, name: &str) -> Result<T> {
        self.error.check().map(|()| self.value).map_err(|code| {
            let detail = self.message.map(|text| format!(" ({text})")).unwrap_or_default();
            Error::broker(code, format!("{what} {name}{detail}"))
        })
    }
}

/// Each name with its answer; an error for those that have none.
fn results<T>(
    what: &str,
    names: impl Iterator<Item = String>,
    mut answers: Vec<Answer<T>>,
) -> Results<String, T> {
    let results = names.map(|name| {
        let at = answers.iter().position(|answer| answer.name.as_ref() == Some(&name));
        let result = if let Some(at) = at {
            answers.swap_remove(at).into_result(what, &name)
        } else {
            let text = format!("{what} {name}: no answer");
            Err(Error::broker(ErrorCode::UNKNOWN_SERVER_ERROR, text))
        };
        (name, result)
    });
    Results::new(results.collect())
}

/// Topics that the controller has not settled yet, and those that it has.
struct Work<I, T> {
    pending: Vec<I>,
    order: Vec<String>,
    name: fn(&I) -> String,
    done: Vec<(String, Result<T>)>,
}

impl<I: Clone + Send + Sync, T: Send> Work<I, T> {
    fn new(items: Vec<I>, name: fn(&I) -> String) -> Self {
        let order = items.iter().map(name).collect();
        Self { pending: items, order, name, done: Vec::new() }
    }

    /// Sends what is pending to the controller until each topic has its result; a topic is tried
    /// again while the broker is not, or not yet, the controller.
    async fn run<R: Request, B: FnOnce(i16) -> R + Send>(
        &mut self,
        cluster: &Cluster,
        deadline: Instant,
        what: &str,
        request: impl Fn(Vec<I>, i32) -> B + Send + Sync,
        answers: fn(R::Response) -> Vec<Answer<T>>,
    ) -> Result<Results<String, T>> {
        let mut attempts = cluster.attempts(deadline);
        while !self.pending.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now()).as_millis();
            let build = request(self.pending.clone(), i32::try_from(left).unwrap_or(i32::MAX));
            let attempt = cluster.attempt(&Target::Controller, build);
            let error = match attempts.run(|| what.to_owned(), attempt).await {
                Ok(response) => self.settle(what, answers(response)),
                Err(error) => Some(error),
            };
            if let Some(error) = error {
                cluster.forget(&Target::Controller);
                if let Err(error) = attempts.next(error).await {
                    if self.done.is_empty() {
                        return Err(error);
                    }
                    self.give_up(what, &error);
                }
            }
        }
        let mut results = Vec::new();
        for name in self.order.drain(..) {
            if let Some(at) = self.done.iter().position(|(done, _)| *done == name) {
                results.push(self.done.swap_remove(at));
            }
        }
        Ok(Results::new(results))
    }

    /// What is not settled has failed; what is settled stays.
    fn give_up(&mut self, what: &str, error: &Error) {
        for item in self.pending.drain(..) {
            let name = (self.name)(&item);
            let error = error.clone().context(format!("{what} {name}"));
            self.done.push((name, Err(error)));
        }
    }

    /// Takes the answers; returns the error of a topic that is to be tried again.
    fn settle(&mut self, what: &str, answers: Vec<Answer<T>>) -> Option<Error> {
        let mut again = None;
        let mut answered = false;
        for answer in answers {
            let at = self.pending.iter().position(|item| Some((self.name)(item)) == answer.name);
            let (Some(at), Some(name)) = (at, answer.name.clone()) else {
                continue;
            };
            answered = true;
            let code = answer.error;
            match answer.into_result(what, &name) {
                Err(error) if code == ErrorCode::NOT_CONTROLLER => again = Some(error),
                result => {
                    self.pending.remove(at);
                    self.done.push((name, result));
                }
            }
        }
        if !answered {
            again =
                Some(Error::broker(ErrorCode::UNKNOWN_SERVER_ERROR, format!("{what}: no answer")));
        }
        again
    }
}

fn deadline(cluster: &Cluster, timeout: Option<Duration>) -> Instant {
    timeout.map_or_else(|| cluster.deadline(), |timeout| Instant::now() + timeout)
}
