//! Operations on many items: each item goes to the broker that can answer for it, all brokers are
//! asked at once, and each item is tried again by itself. Knows no operation.

use std::collections::hash_map::Entry;
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

use super::ask::{At, fail_together, is_again};
use super::{Asked, Cluster, Lookup, Target};
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

    /// The same for a client of controllers (KIP-919).
    fn controller_target(&self, item: &Self::Item) -> Target {
        self.target(item)
    }

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

    /// Whether this code calls for another attempt; `None` where it is as for other operations.
    fn is_again(&self, _code: ErrorCode) -> Option<bool> {
        None
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
    /// `None`: of this one it says two things.
    each: HashMap<K, Option<Result<V, Refusal>>>,
    all: Option<Refusal>,
}

/// A code that is not 0, and what the broker said besides.
type Refusal = (ErrorCode, Option<String>);

impl<K: Eq + Hash, V> Answers<K, V> {
    pub(crate) fn new(broker: i32, version: i16) -> Self {
        Self { broker, version, each: HashMap::new(), all: None }
    }

    /// Of one item: the value, if there is no error.
    pub(crate) fn insert(&mut self, key: K, code: i16, message: Option<String>, value: V) {
        let result = ErrorCode(code).check().map(|()| value).map_err(|code| (code, message));
        let code = |result: &Result<V, Refusal>| result.as_ref().err().map(|(code, _)| *code);
        match self.each.entry(key) {
            Entry::Vacant(entry) => drop(entry.insert(Some(result))),
            Entry::Occupied(mut entry) => {
                let agrees = entry.get().as_ref().is_some_and(|old| code(old) == code(&result));
                entry.insert(Some(result).filter(|_| agrees));
            }
        }
    }

    /// An error at the top of the response: of every item that has no error of its own.
    pub(crate) fn all(&mut self, code: i16, message: Option<String>) {
        self.all = ErrorCode(code).check().err().map(|code| (code, message));
    }

    /// What became of one item; `what` says in errors what was asked.
    ///
    /// # Errors
    ///
    /// The response says so, or says nothing.
    pub(crate) fn take(&mut self, key: &K, what: &str) -> Result<V> {
        let refusal = match (self.each.remove(key), &self.all) {
            (Some(Some(Ok(value))), None) => return Ok(value),
            (Some(Some(Err(refusal))), _) => Ok(refusal),
            (_, Some(refusal)) => Ok(refusal.clone()),
            (Some(None), None) => Err("the answer contradicts itself"),
            (None, None) => Err("not in the answer"),
        };
        Err(match refusal {
            Ok((code, message)) => {
                let said = message.filter(|text| !text.is_empty());
                let said = said.map(|text| format!(" ({text})")).unwrap_or_default();
                Error::broker(code, format!("{what}{said}"))
            }
            Err(why) => Error::new(ErrorKind::Protocol, format!("{what}: {why}")),
        })
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
    let keys: Vec<_> = items.iter().map(|item| operation.key(item)).collect();
    let mut results = BTreeMap::new();
    let settled = |index, result| drop(results.insert(index, result));
    split_each(cluster, deadline, operation, items, settled).await;

    let keys = keys.into_iter().enumerate();
    let results = keys.filter_map(|(index, key)| Some((key, results.remove(&index)?))).collect();
    fail_together(results, |error| error.kind() != ErrorKind::Broker)
}

/// Runs the operation, and tells the result of each item, by its index, once there is one.
pub(crate) async fn split_each<S: Split>(
    cluster: &Cluster,
    deadline: Instant,
    operation: &S,
    items: Vec<S::Item>,
    mut settled: impl FnMut(usize, Result<S::Value>) + Send,
) {
    let is_client_of_controllers = cluster.config().controllers;
    let target = |item: &S::Item| {
        if is_client_of_controllers {
            operation.controller_target(item)
        } else {
            operation.target(item)
        }
    };
    let job = |item| Job {
        key: operation.key(&item),
        target: target(&item),
        item,
        failures: 0,
        last: None,
    };
    let mut jobs: Vec<Job<S>> = items.into_iter().map(job).collect();
    let topics: BTreeSet<Arc<str>> = jobs.iter().filter_map(|job| job.target.topic()).collect();
    let _interest = cluster.track(&topics.into_iter().collect::<Vec<_>>());

    let mut events = Events::<S::Request>::new();
    let all = 0..jobs.len();
    events.extend(route(cluster, deadline, Duration::ZERO, targets(&jobs, all)));
    while let Some(event) = events.next().await {
        let mut failed = Vec::new();
        match event {
            Event::Routed(routes) => {
                for ((broker, _), indexes) in group(&jobs, routes, &mut failed) {
                    let some = indexes.iter().filter_map(|index| jobs.get(*index));
                    let (items, targets): (Vec<_>, Vec<_>) =
                        some.map(|job| (job.item.clone(), job.target.clone())).unzip();
                    events.push(Box::pin(async move {
                        let asked = Asked::new(cluster, targets);
                        let responses = send(cluster, deadline, operation, broker, items).await;
                        asked.answered();
                        Event::Answered(broker, responses.version, responses.assign(&indexes))
                    }));
                }
            }
            Event::Answered(broker, version, responses) => {
                for (indexes, response) in responses {
                    let from = (broker, version);
                    failed.extend(settle(operation, &jobs, from, &indexes, response, &mut settled));
                }
            }
        }
        let mut again = Vec::new();
        let mut wait = Duration::ZERO;
        for (index, error) in failed {
            let Some(job) = jobs.get_mut(index) else { continue };
            job.failures += 1;
            let backoff = cluster.config().backoff.after(job.failures);
            let may = error.code().and_then(|code| operation.is_again(code));
            let may = may.unwrap_or_else(|| is_again(&job.target, &error, job.failures));
            if may {
                // Whoever comes after must find another broker, also when our time is over.
                cluster.forget(&job.target);
            }
            if may && Instant::now() + backoff < deadline {
                job.last = Some(error);
                wait = wait.max(backoff);
                again.push(index);
            } else {
                settled(index, Err(error));
            }
        }
        events.extend(route(cluster, deadline, wait, targets(&jobs, again)));
    }
}

fn targets<S: Split>(
    jobs: &[Job<S>],
    indexes: impl IntoIterator<Item = usize>,
) -> Vec<(usize, Target)> {
    let target = |index: usize| Some((index, jobs.get(index)?.target.clone()));
    indexes.into_iter().filter_map(target).collect()
}

/// Finds the broker of each after the wait. What is known does not wait for what is looked up.
fn route<'a, R: Request>(
    cluster: &'a Cluster,
    deadline: Instant,
    wait: Duration,
    targets: Vec<(usize, Target)>,
) -> impl Iterator<Item = Pin<Box<dyn Future<Output = Event<R>> + Send + 'a>>> {
    let mut lookups = BTreeMap::<Option<Lookup>, (Vec<_>, Vec<_>)>::new();
    for (index, target) in targets {
        let (indexes, targets) = lookups.entry(cluster.needs(&target)).or_default();
        indexes.push(index);
        targets.push(target);
    }
    lookups.into_values().map(move |(indexes, targets)| {
        let routed = async move {
            sleep(wait).await;
            let brokers = timeout_at(deadline, cluster.resolve_all(&targets)).await;
            let brokers = brokers.unwrap_or_else(|_| {
                let error = Error::timeout("the broker to ask was not found in time");
                vec![Err(error); targets.len()]
            });
            Event::Routed(indexes.into_iter().zip(brokers).collect())
        };
        Box::pin(routed) as Pin<Box<dyn Future<Output = Event<R>> + Send + 'a>>
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
    let ask = async |items: &[S::Item]| {
        let request = operation.request(items, at)?;
        let timeout = cluster.config().request_timeout;
        let call = async { connection.start_at(at.version, &request, timeout).await?.await };
        match timeout_at(deadline, call).await {
            Ok(response) => Ok(response?),
            Err(_) => Err(Error::timeout("no answer in time")),
        }
    };
    let ask = &ask;
    let chunks = items.chunks(size).map(async |items| match ask(items).await {
        // Nothing was sent: one item that cannot be said must not fail the others.
        Err(error)
            if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::Config)
                && items.len() > 1 =>
        {
            join_all(items.chunks(1).map(async |item| (1, ask(item).await))).await
        }
        response => vec![(items.len(), response)],
    });
    let each = join_all(chunks).await.into_iter().flatten().collect();
    Responses { version: at.version, each }
}

/// Tells what a response says of jobs; the others have failed.
fn settle<S: Split>(
    operation: &S,
    jobs: &[Job<S>],
    (broker, version): (i32, i16),
    indexes: &[usize],
    response: Result<<S::Request as Request>::Response>,
    mut settled: impl FnMut(usize, Result<S::Value>),
) -> Vec<(usize, Error)> {
    let mut failed = Vec::new();
    let mut answers = Answers::new(broker, version);
    let response = response.map(|response| {
        let items = indexes.iter().filter_map(|index| jobs.get(*index));
        let items: Vec<_> = items.map(|job| job.item.clone()).collect();
        operation.answers(&items, response, &mut answers);
    });
    for index in indexes {
        let Some(job) = jobs.get(*index) else { continue };
        let what = format!("{} {} at broker {broker}", S::WHAT, job.key);
        let result = match &response {
            Ok(()) => answers.take(&job.key, &what),
            Err(error) => Err(late(job.last.as_ref(), error.clone()).context(what)),
        };
        match result {
            Ok(value) => settled(*index, Ok(value)),
            Err(error) => failed.push((*index, error)),
        }
    }
    failed
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

#[cfg(test)]
mod tests {
    use super::*;

    fn answers() -> Answers<&'static str, ()> {
        Answers::new(0, 0)
    }

    #[test]
    fn an_error_at_the_top_counts_more_than_a_success_below() {
        let mut answers = answers();
        answers.all(ErrorCode::REQUEST_TIMED_OUT.0, None);
        answers.insert("a", 0, None, ());
        answers.insert("b", ErrorCode::INVALID_REQUEST.0, None, ());
        let mut code = |key| answers.take(&key, "item").unwrap_err().code().unwrap();
        assert_eq!(code("a"), ErrorCode::REQUEST_TIMED_OUT);
        assert_eq!(code("b"), ErrorCode::INVALID_REQUEST);
        assert_eq!(code("c"), ErrorCode::REQUEST_TIMED_OUT);
    }

    #[test]
    fn an_answer_that_contradicts_itself_is_none() {
        let mut answers = answers();
        for code in [0, 0] {
            answers.insert("same", code, None, ());
        }
        for code in [0, ErrorCode::INVALID_REQUEST.0, 0] {
            answers.insert("other", code, None, ());
        }
        assert!(answers.take(&"same", "item").is_ok());
        assert!(answers.take(&"other", "item").is_err());
        assert!(answers.take(&"missing", "item").is_err());
    }
}
