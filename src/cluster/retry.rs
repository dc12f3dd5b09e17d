//! How long to wait before the next attempt, and when to give up.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, Result};
use crate::protocol::ErrorCode;

/// How long a transaction takes that a coordinator is ending: a matter of milliseconds.
pub(crate) const WHILE_ENDING: Duration = Duration::from_millis(20);

/// Exponential backoff with jitter (properties `retry.backoff.ms`, `retry.backoff.max.ms`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    pub(crate) min: Duration,
    pub(crate) max: Duration,
}

impl Backoff {
    /// The wait after the given number of failures: doubled each time, and up to a fifth more or
    /// less, so that clients which failed together do not come back together.
    pub(crate) fn after(self, failures: u32) -> Duration {
        self.drawn().exactly(failures)
    }

    /// With its jitter drawn already: for those who fail together, and are to come back together.
    pub(crate) fn drawn(self) -> Self {
        let jitter = 0.8 + 0.4 * fastrand::f64();
        Self { min: self.min.mul_f64(jitter), max: self.max.mul_f64(jitter) }
    }

    /// As [`after`](Self::after), without jitter.
    pub(crate) fn exactly(self, failures: u32) -> Duration {
        self.min.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(self.max)
    }
}

/// The attempts of one call.
#[derive(Debug)]
pub(crate) struct Attempts {
    backoff: Backoff,
    deadline: Instant,
    grace: Duration,
    failures: u32,
    last: Option<Error>,
}

impl Attempts {
    pub(crate) fn new(backoff: Backoff, deadline: Instant) -> Self {
        Self { backoff, deadline, grace: Duration::ZERO, failures: 0, last: None }
    }

    /// Lets the attempt that runs at the deadline go on for that long: its own timeout tells more
    /// than ours would.
    pub(crate) fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Runs one attempt, but no longer than to the deadline; `what` names it in the error, which
    /// tells of the failure before it too.
    pub(crate) async fn run<T>(
        &self,
        what: impl FnOnce() -> String + Send,
        work: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        match (tokio::time::timeout_at(self.deadline + self.grace, work).await, &self.last) {
            (Ok(result), _) => result,
            (Err(_), None) => Err(Error::timeout(format!("{}: no answer in time", what()))),
            (Err(_), Some(last)) => {
                let text = format!("{}: not done in time; before: {last}", what());
                Err(Error::timeout(text).with_source(last.clone()))
            }
        }
    }

    /// Waits before the next attempt.
    ///
    /// # Errors
    ///
    /// `error` itself, when it is not retriable or the next attempt would be too late.
    pub(crate) async fn next(&mut self, error: Error) -> Result<()> {
        self.failures += 1;
        let at = Instant::now()
            + match error.code() {
                Some(ErrorCode::CONCURRENT_TRANSACTIONS) => WHILE_ENDING,
                _ => self.backoff.after(self.failures),
            };
        if !error.is_retriable() || at >= self.deadline {
            return Err(error);
        }
        tracing::debug!(attempt = self.failures, %error, "retrying");
        self.last = Some(error);
        tokio::time::sleep_until(at).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_grows_to_its_limit() {
        let backoff = Backoff { min: Duration::from_millis(100), max: Duration::from_secs(1) };
        for _ in 0..100 {
            assert!((80..=120).contains(&backoff.after(1).as_millis()));
            assert!((320..=480).contains(&backoff.after(3).as_millis()));
            assert!((800..=1200).contains(&backoff.after(40).as_millis()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn gives_up_at_the_deadline_with_the_last_error() {
        let backoff = Backoff { min: Duration::from_millis(100), max: Duration::from_secs(1) };
        let began = Instant::now();
        let mut attempts = Attempts::new(backoff, began + Duration::from_secs(5));
        let error = loop {
            if let Err(error) = attempts.next(Error::timeout("broker 1")).await {
                break error;
            }
        };
        assert_eq!(error.to_string(), "broker 1");
        assert!(began.elapsed() < Duration::from_secs(5));
        assert!(attempts.next(Error::config("linger")).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn running_out_of_time_tells_of_the_failure_before() {
        let backoff = Backoff { min: Duration::from_millis(100), max: Duration::from_secs(1) };
        let mut attempts = Attempts::new(backoff, Instant::now() + Duration::from_secs(5));
        attempts.next(Error::timeout("broker 1 is away")).await.unwrap();
        let what = || "metadata".to_owned();
        let error = attempts.run(what, std::future::pending::<Result<()>>()).await.unwrap_err();
        assert!(error.is_timeout());
        assert!(error.to_string().contains("broker 1 is away"), "{error}");
    }
}
