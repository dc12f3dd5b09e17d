//! Operations on many items: each item goes to the broker that can answer for it, all brokers are
//! asked at once, and each item is tried again by itself. Knows no operation.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Display;
use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::join_all;
use futures::stream::FuturesUnordered;
use tokio::time::{Instant, sleep, timeout_at};

use super::ask::{At, is_again};
use super::{Cluster, Target};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::{ErrorCode, Request};

/// An operation on many items.
#[expect(unnameable_types, reason = "shows only in how operations are sealed")]
pub trait Split: Send + Sync {
    /// What is asked about.
    type Item: Clone + Send + Sync;
    /// What results are listed by.
    type Key: Clone + Eq + Hash + Display + Send + Sync;
    /// The request, which asks about some items.
    type Request: Request;
    /// What a success gives for one item.
    type Value: Send;
    /// Such as "delete topic": errors say it with the key behind.
    const WHAT: &'static str;
    /// Before this version a request carries one item.
    const MANY_FROM: i16 = 0;
    /// The newest version that is used: later ones would say less of what is meant.
    const LAST: i16 = i16::MAX;

    fn key(&self, item: &Self::Item) -> Self::Key;

    fn target(&self, item: &Self::Item) -> Target;

    /// The request for these items, whose keys differ.
    ///
    /// # Errors
    ///
    /// What these items ask for cannot be said to this broker.
    fn request(&self, items: &[Self::Item], at: &At) -> Result<Self::Request>;

    /// What the response says of each of the items.
    fn answers(
        &self,
        items: &[Self::Item],
        response: <Self::Request as Request>::Response,
        answers: &mut Answers<Self::Key, Self::Value>,
    );

    /// Whether this code, which others must take for an answer, calls for another attempt.
    fn is_again(&self, _code: ErrorCode) -> bool {
        false
    }
}

/// What one response says of its items.
#[derive(Debug)]
#[expect(unnameable_types, reason = "as `Split`")]
pub struct Answers<K, V> {
    /// The broker that answered.
    pub(crate) broker: i32,
    /// The version of the response.
    pub(crate) version: i16,
    each: HashMap<K, Result<V, Refusal>>,
    all: Option<Refusal>,
}

/// A code that is not 0, and what the broker said besides.
type Refusal = (ErrorCode, Option<String>);

impl<K: Eq + Hash, V> Answers<K, V> {
    /// Of one item: the value, if there is no error.
    pub(crate) fn insert(&mut self, key: K, code: i16, message: Option<String>, value: V) {
        let result = ErrorCode(code).check().map(|()| value).map_err(|code| (code, message));
        self.each.insert(key, result);
    }

    /// An error at the top of the response: of every item that has no answer of its own.
    pub(crate) fn all(&mut self, code: i16, message: Option<String>) {
        self.all = ErrorCode(code).check().err().map(|code| (code, message));
    }

    fn take(&mut self, key: &K) -> Option<Result<V, Refusal>> {
        self.each.remove(key).or_else(|| self.all.clone().map(Err))
    }
}

/// One item on its way.
struct Job<S: Split> {
    item: S::Item,
    key: S::Key,
    target: Target,
    failures: u32,
    /// Why it is tried again.
    last: Option<Error>,
    outcome: Option<Result<S::Value>>,
}

/// What becomes of some of the jobs.
enum Event<R: Request> {
    /// The broker that each is for.
    Routed(Vec<(usize, Result<i32>)>),
    /// The responses of a broker, each to some jobs.
    Answered(i32, i16, Vec<(Vec<usize>, Result<R::Response>)>),
}

type Events<'a, R> = FuturesUnordered<Pin<Box<dyn Future<Output = Event<R>> + Send + 'a>>>;

/// Runs the operation; the results come in the order of the items.
///
/// # Errors
///
/// No broker has answered for any item; else each item has its own error.
pub(crate) async fn split<S: Split>(
    cluster: &Cluster,
    deadline: Instant,
    operation: &S,
    items: Vec<S::Item>,
) -> Result<Vec<(S::Key, Result<S::Value>)>> {
    let job = |item| Job {
        key: operation.key(&item),
        target: operation.target(&item),
        item,
        failures: 0,
        last: None,
        outcome: None,
    };
    let mut jobs: Vec<Job<S>> = items.into_iter().map(job).collect();
    let topics: BTreeSet<Arc<str>> = jobs.iter().filter_map(|job| job.target.topic()).collect();
    let _interest = cluster.track(&topics.into_iter().collect::<Vec<_>>());

    let mut events = Events::<S::Request>::new();
    if !jobs.is_empty() {
        events.push(route(cluster, deadline, Duration::ZERO, targets(&jobs, 0..jobs.len())));
    }
    while let Some(event) = events.next().await {
        let mut failed = Vec::new();
        match event {
            Event::Routed(routes) => {
                for ((broker, _), indexes) in group(&jobs, routes, &mut failed) {
                    let items = indexes.iter().filter_map(|index| jobs.get(*index));
                    let items: Vec<_> = items.map(|job| job.item.clone()).collect();
                    events.push(Box::pin(async move {
                        let responses = send(cluster, deadline, operation, broker, items);
                        let responses = responses.await;
                        Event::Answered(broker, responses.version, responses.assign(&indexes))
                    }));
                }
            }
            Event::Answered(broker, version, responses) => {
                for (indexes, response) in responses {
                    let from = (broker, version);
                    settle(operation, &mut jobs, from, &indexes, response, &mut failed);
                }
            }
        }
        let mut again = Vec::new();
        let mut wait = Duration::ZERO;
        for (index, error) in failed {
            let Some(job) = jobs.get_mut(index) else { continue };
            job.failures += 1;
            let backoff = cluster.config().backoff.after(job.failures);
            let may = is_again(&job.target, &error, job.failures)
                || error.code().is_some_and(|code| operation.is_again(code));
            if may && Instant::now() + backoff < deadline {
                cluster.forget(&job.target);
                job.last = Some(error);
                wait = wait.max(backoff);
                again.push(index);
            } else {
                job.outcome = Some(Err(error));
            }
        }
        if !again.is_empty() {
            events.push(route(cluster, deadline, wait, targets(&jobs, again)));
        }
    }
    drop(events);

    let results = jobs.into_iter().filter_map(|job| Some((job.key, job.outcome?)));
    let mut results: Vec<_> = results.collect();
    let silent = |result: &Result<_>| matches!(result, Err(e) if e.kind() != ErrorKind::Broker);
    if results.iter().all(|(_, result)| silent(result)) {
        if let Some((_, Err(error))) = results.pop() {
            return Err(error);
        }
    }
    Ok(results)
}

fn targets<S: Split>(
    jobs: &[Job<S>],
    indexes: impl IntoIterator<Item = usize>,
) -> Vec<(usize, Target)> {
    let target = |index: usize| Some((index, jobs.get(index)?.target.clone()));
    indexes.into_iter().filter_map(target).collect()
}

/// Finds the broker of each after the wait.
fn route<'a, R: Request>(
    cluster: &'a Cluster,
    deadline: Instant,
    wait: Duration,
    targets: Vec<(usize, Target)>,
) -> Pin<Box<dyn Future<Output = Event<R>> + Send + 'a>> {
    Box::pin(async move {
        sleep(wait).await;
        let all: Vec<_> = targets.iter().map(|(_, target)| target.clone()).collect();
        let brokers = async {
            // What was wrong with a topic a while ago may have been mended since.
            let metadata = cluster.metadata();
            let is_fine = |topic: &Arc<str>| {
                metadata.topics.get(topic).is_some_and(|topic| topic.error == ErrorCode::NONE)
            };
            if !all.iter().filter_map(Target::topic).all(|topic| is_fine(&topic)) {
                cluster.refreshed().await?;
            }
            Ok(cluster.resolve_all(&all).await)
        };
        let brokers = timeout_at(deadline, brokers)
            .await
            .unwrap_or_else(|_| Err(Error::timeout("the broker to ask was not found in time")));
        let brokers = brokers.unwrap_or_else(|error| vec![Err(error); all.len()]);
        Event::Routed(targets.into_iter().map(|(index, _)| index).zip(brokers).collect())
    })
}

/// Jobs by broker, so that no request names a key twice.
fn group<S: Split>(
    jobs: &[Job<S>],
    routes: Vec<(usize, Result<i32>)>,
    failed: &mut Vec<(usize, Error)>,
) -> BTreeMap<(i32, usize), Vec<usize>> {
    let mut groups = BTreeMap::<_, Vec<usize>>::new();
    let mut times = HashMap::<_, usize>::new();
    for (index, route) in routes {
        let Some(job) = jobs.get(index) else { continue };
        match route {
            Ok(broker) => {
                let time = times.entry(&job.key).or_default();
                groups.entry((broker, *time)).or_default().push(index);
                *time += 1;
            }
            Err(error) => {
                let text = format!("{} {}", S::WHAT, job.key);
                failed.push((index, late(job.last.as_ref(), error).context(text)));
            }
        }
    }
    groups
}

/// The responses of one broker: each to so many of the items, in their order.
struct Responses<R: Request> {
    version: i16,
    each: Vec<(usize, Result<R::Response>)>,
}

impl<R: Request> Responses<R> {
    fn assign(self, indexes: &[usize]) -> Vec<(Vec<usize>, Result<R::Response>)> {
        let mut indexes = indexes.iter().copied();
        let assign = |(count, response)| (indexes.by_ref().take(count).collect(), response);
        self.each.into_iter().map(assign).collect()
    }
}

/// Asks one broker about the items, in one request if its version can say that.
async fn send<S: Split>(
    cluster: &Cluster,
    deadline: Instant,
    operation: &S,
    broker: i32,
    items: Vec<S::Item>,
) -> Responses<S::Request> {
    let refused = |error| Responses { version: -1, each: vec![(items.len(), Err(error))] };
    let connection = match timeout_at(deadline, cluster.connection(broker)).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return refused(error),
        Err(_) => return refused(Error::timeout("no connection in time")),
    };
    let at = match At::of::<S::Request>(cluster, &connection, deadline) {
        Ok(at) => At { version: at.version.min(S::LAST), ..at },
        Err(error) => return refused(error),
    };
    let size = if at.version < S::MANY_FROM { 1 } else { items.len().max(1) };
    let (connection, at) = (&connection, &at);
    let chunks = items.chunks(size).map(async |items| {
        let response = async {
            let request = operation.request(items, at)?;
            let timeout = cluster.config().request_timeout;
            let call = async { connection.start_at(at.version, &request, timeout).await?.await };
            match timeout_at(deadline, call).await {
                Ok(response) => Ok(response?),
                Err(_) => Err(Error::timeout("no answer in time")),
            }
        };
        (items.len(), response.await)
    });
    Responses { version: at.version, each: join_all(chunks).await }
}

/// Gives jobs the outcome that a response says; the others have failed.
fn settle<S: Split>(
    operation: &S,
    jobs: &mut [Job<S>],
    (broker, version): (i32, i16),
    indexes: &[usize],
    response: Result<<S::Request as Request>::Response>,
    failed: &mut Vec<(usize, Error)>,
) {
    let mut answers = Answers { broker, version, each: HashMap::new(), all: None };
    let response = response.map(|response| {
        let items = indexes.iter().filter_map(|index| jobs.get(*index));
        let items: Vec<_> = items.map(|job| job.item.clone()).collect();
        operation.answers(&items, response, &mut answers);
    });
    for index in indexes {
        let Some(job) = jobs.get_mut(*index) else { continue };
        let what = || format!("{} {} at broker {broker}", S::WHAT, job.key);
        let error = match (&response, answers.take(&job.key)) {
            (Ok(()), Some(Ok(value))) => {
                job.outcome = Some(Ok(value));
                continue;
            }
            (Ok(()), Some(Err((code, message)))) => {
                let said = message.filter(|text| !text.is_empty());
                let said = said.map(|text| format!(" ({text})")).unwrap_or_default();
                Error::broker(code, what() + &said)
            }
            (Ok(()), None) => {
                Error::new(ErrorKind::Protocol, format!("{}: not in the answer", what()))
            }
            (Err(error), _) => late(job.last.as_ref(), error.clone()).context(what()),
        };
        failed.push((*index, error));
    }
}

/// A timeout that tells of the failure before it.
fn late(last: Option<&Error>, error: Error) -> Error {
    match last {
        Some(last) if error.is_timeout() && error.code().is_none() => {
            Error::timeout(format!("{error}; before: {last}")).with_source(last.clone())
        }
        _ => error,
    }
}
