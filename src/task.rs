//! The only file that spawns: a task always has an owner, and ends with it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::task::JoinHandle;

/// A running task. Dropping it aborts the task, and does not wait for it.
#[derive(Debug)]
#[must_use = "dropping a task aborts it"]
pub(crate) struct Task<T>(JoinHandle<T>);

/// The task panicked, or the runtime went away under it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("background task failed: {0}")]
pub(crate) struct TaskFailed(String);

/// Starts a task on the current runtime.
#[expect(clippy::disallowed_methods, reason = "this is the place that spawns")]
pub(crate) fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Task<T> {
    Task(tokio::spawn(work))
}

/// Computes what takes long, on a thread of its own where it holds up no task. Dropping the task
/// does not stop what has begun.
pub(crate) fn compute<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Task<T> {
    Task(tokio::task::spawn_blocking(work))
}

impl<T> Task<T> {
    /// Aborts the task, and waits until it has let go of everything.
    pub(crate) async fn stop(mut self) {
        self.0.abort();
        let _ = (&mut self.0).await;
    }

    /// Whether the task has returned, panicked or been aborted.
    #[cfg(feature = "testing")]
    pub(crate) fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

/// Waits for the task to return; a panic is an error here, never lost.
impl<T> Future for Task<T> {
    type Output = Result<T, TaskFailed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map_err(|error| match error.try_into_panic() {
            Ok(panic) => {
                let text = panic
                    .downcast_ref::<&str>()
                    .map(|text| (*text).to_owned())
                    .or_else(|| panic.downcast_ref::<String>().cloned());
                TaskFailed(text.unwrap_or_else(|| "panic".to_owned()))
            }
            Err(error) => TaskFailed(error.to_string()),
        })
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
