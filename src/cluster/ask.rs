//! One question to one broker, or to each of them: which version, whom, and when to ask again.

use std::sync::Arc;

use futures::future::join_all;
use tokio::time::Instant;

use super::{Asked, Cluster, Metadata, Target};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::{ErrorCode, Request, first_release};
use crate::transport::Connection;

/// What a request is made for.
#[derive(Debug)]
#[expect(unnameable_types, reason = "as `Split`")]
pub struct At {
    /// The version that the broker speaks.
    pub(crate) version: i16,
    /// Milliseconds that the broker may take: to the deadline, but no longer than its connection
    /// waits for the answer.
    pub(crate) left_ms: i32,
    pub(crate) metadata: Arc<Metadata>,
}

impl At {
    /// # Errors
    ///
    /// The broker speaks none of our versions.
    pub(super) fn of<R: Request>(
        cluster: &Cluster,
        connection: &Connection,
        deadline: Instant,
    ) -> Result<Self> {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = left.min(cluster.config().request_timeout).as_millis();
        Ok(Self {
            version: connection.version::<R>()?,
            left_ms: i32::try_from(left).unwrap_or(i32::MAX),
            metadata: cluster.metadata(),
        })
    }

    /// Refuses what the broker's version cannot do although its request could say it.
    ///
    /// # Errors
    ///
    /// The version is below `needed`; `what` completes "… needs Kafka 2.8".
    pub(crate) fn needs<R: Request>(&self, needed: i16, what: &str) -> Result<()> {
        if self.version >= needed {
            return Ok(());
        }
        let release = first_release(R::KEY, needed);
        let kafka = release.map(|release| format!("Kafka {release}: ")).unwrap_or_default();
        let (call, has) = (R::KEY, self.version);
        let text = format!("{what} needs {kafka}version {needed} of {call}, the broker has {has}");
        Err(Error::new(ErrorKind::Unsupported, text))
    }
}

/// How often what may be a matter of moments is tried: a topic that was just created is unknown to
/// some brokers, and one that does not exist to all of them.
const FEW: u32 = 5;

/// Whether another attempt may mend the error, after so many failures.
#[expect(clippy::match_same_arms, reason = "the first that fits counts")]
pub(super) fn is_again(target: &Target, error: &Error, failures: u32) -> bool {
    let Some(code) = error.code() else {
        return error.is_retriable();
    };
    match (code, target) {
        (
            ErrorCode::NOT_CONTROLLER
            | ErrorCode::NOT_COORDINATOR
            | ErrorCode::COORDINATOR_NOT_AVAILABLE
            | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
            | ErrorCode::CONCURRENT_TRANSACTIONS
            | ErrorCode::THROTTLING_QUOTA_EXCEEDED,
            _,
        ) => true,
        (
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION | ErrorCode::UNKNOWN_TOPIC_ID,
            Target::Leader(_) | Target::Transaction(_),
        ) => failures < FEW,
        (ErrorCode::BROKER_NOT_AVAILABLE, Target::Broker(_)) => failures < FEW,
        (ErrorCode::BROKER_NOT_AVAILABLE, _) => true,
        // What a controller that no longer leads the quorum says.
        (ErrorCode::NOT_LEADER_OR_FOLLOWER, Target::Controller) => true,
        (code, Target::Leader(_)) => code.is_metadata_stale(),
        _ => false,
    }
}

impl Cluster {
    /// Sends a request until its response can be read, or says something that another attempt
    /// cannot mend. `what` names the operation in errors.
    ///
    /// # Errors
    ///
    /// What `request` and `read` say, or why there is no response.
    pub(crate) async fn ask<R: Request, T>(
        &self,
        target: &Target,
        deadline: Instant,
        what: &str,
        request: impl Fn(&At) -> Result<R> + Send + Sync,
        read: impl Fn(R::Response) -> Result<T> + Send + Sync,
    ) -> Result<T> {
        self.ask_up_to(i16::MAX, target, deadline, what, request, read).await
    }

    /// The same, in no version above `last`.
    pub(crate) async fn ask_up_to<R: Request, T>(
        &self,
        last: i16,
        target: &Target,
        deadline: Instant,
        what: &str,
        request: impl Fn(&At) -> Result<R> + Send + Sync,
        read: impl Fn(R::Response) -> Result<T> + Send + Sync,
    ) -> Result<T> {
        let mut attempts = self.attempts(deadline);
        let mut failures = 0;
        loop {
            match attempts
                .run(
                    || what.to_owned(),
                    self.ask_once(last, target, deadline, what, &request, &read),
                )
                .await
            {
                Ok(value) => return Ok(value),
                Err(error) => {
                    failures += 1;
                    if !is_again(target, &error, failures) {
                        return Err(error);
                    }
                    self.forget(target);
                    attempts.next(error).await?;
                }
            }
        }
    }

    async fn ask_once<R: Request, T>(
        &self,
        last: i16,
        target: &Target,
        deadline: Instant,
        what: &str,
        request: impl Fn(&At) -> Result<R> + Send + Sync,
        read: impl Fn(R::Response) -> Result<T> + Send + Sync,
    ) -> Result<T> {
        let context = |error: Error, at: &str| error.context(format!("{what}{at}"));
        let broker = self.resolve(target).await.map_err(|error| context(error, ""))?;
        let at = format!(" at broker {broker}");
        let response = async {
            let connection = self.connection(broker).await?;
            let at = At::of::<R>(self, &connection, deadline)?;
            let at = At { version: at.version.min(last), ..at };
            let request = request(&at)?;
            let timeout = self.config().request_timeout;
            Ok(connection.start_at(at.version, &request, timeout).await?.await?)
        };
        let asked = Asked::new(self, [target.clone()]);
        let response = response.await;
        asked.answered();
        read(response.map_err(|error: Error| context(error, &at))?)
            .map_err(|error| context(error, &at))
    }

    /// Asks each broker, and gives what each said. A broker that is away is asked once more, and
    /// one that is silent is not: it may be away for long, and what the others say is worth having.
    ///
    /// # Errors
    ///
    /// No broker has answered.
    pub(crate) async fn ask_every<R: Request, T>(
        &self,
        deadline: Instant,
        what: &str,
        request: impl Fn(&At) -> Result<R> + Send + Sync,
        read: impl Fn(R::Response) -> Result<T> + Send + Sync,
    ) -> Result<Vec<(i32, Result<T>)>> {
        // Brokers that have come since the last refresh must not be missed.
        let mut attempts = self.attempts(deadline);
        while let Err(error) = attempts.run(|| what.to_owned(), self.refreshed()).await {
            attempts.next(error).await?;
        }
        let (request, read) = (&request, &read);
        let asked = self.metadata().brokers.keys().copied().collect::<Vec<_>>();
        let asked = asked.into_iter().map(async |broker| {
            let target = Target::Broker(broker);
            let mut attempts = self.attempts(deadline);
            let (began, mut failed) = (Instant::now(), false);
            loop {
                let attempt = self.ask_once(i16::MAX, &target, deadline, what, request, read);
                let result = attempts.run(|| format!("{what} at broker {broker}"), attempt).await;
                let Err(error) = result else { return (broker, result) };
                // This code is our own: the broker is not in the metadata any more.
                let has_answered =
                    error.code().is_some_and(|it| it != ErrorCode::BROKER_NOT_AVAILABLE);
                let waited = error.is_timeout() || began.elapsed() >= self.config().request_timeout;
                if !has_answered && (failed || waited) {
                    return (broker, Err(error));
                }
                failed |= !has_answered;
                self.forget(&target);
                if let Err(error) = attempts.next(error).await {
                    return (broker, Err(error));
                }
            }
        });
        fail_together(join_all(asked).await, |_| true)
    }
}

/// What a response says at its top, or of a part of it: a code, and a text besides.
///
/// # Errors
///
/// It says that it failed.
pub(crate) fn check_response(code: i16, said: Option<String>) -> Result<()> {
    ErrorCode(code).check().map_err(|code| {
        let said = said.filter(|text| !text.is_empty());
        Error::broker(code, said.unwrap_or_else(|| "the broker refused".to_owned()))
    })
}

/// The results of a call, which fails as a whole only if no broker has said anything of any item.
///
/// # Errors
///
/// There are only errors of that sort: the last of them.
pub(crate) fn fail_together<K, V>(
    mut results: Vec<(K, Result<V>)>,
    says_nothing: impl Fn(&Error) -> bool,
) -> Result<Vec<(K, Result<V>)>> {
    if results.iter().all(|(_, result)| result.as_ref().is_err_and(&says_nothing)) {
        if let Some((_, Err(error))) = results.pop() {
            return Err(error);
        }
    }
    Ok(results)
}
