//! The engine of a writer: follows the metadata, keeps a loop for each broker that leads any of its
//! partitions, runs the errands to coordinators, and fails what was not written in time.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tokio::time::{Instant, sleep_until};

use super::accumulator::Wakes;
use super::{Shared, coordinator, lane};
use crate::cluster::Metadata;
use crate::error::{Error, ErrorKind};
use crate::protocol::ErrorCode;
use crate::task::{self, Task};

/// Runs until the writer is closed or dropped; whatever ends it, no delivery waits for ever.
pub(super) async fn run(shared: Arc<Shared>) {
    let _end = FailOnEnd(shared.clone());
    let mut lanes = Lanes::default();
    let mut watch = shared.cluster.watch();
    let mut errand: Option<BoxFuture<'_, ()>> = None;
    loop {
        let abandoned = shared.accumulator().abandon();
        abandoned.tell();
        if errand.is_none() {
            let next = shared.accumulator().errand();
            errand = next.map(|next| coordinator::run(&shared, next).boxed());
        }
        let metadata = watch.borrow_and_update().clone();
        follow(&shared, &metadata);
        lanes.start(&shared);
        let expiry = expire(&shared, Instant::now());
        tokio::select! {
            changed = watch.changed() => if changed.is_err() { return },
            () = shared.engine.notified() => {}
            () = lane::maybe(errand.as_mut()) => errand = None,
            () = sleep_until(expiry) => {}
            Some(ended) = lanes.tasks.next() => {
                let error = Error::new(ErrorKind::Internal, "writer: the loop of a broker ended");
                shared.fail_all(&match ended {
                    Ok(()) => error,
                    Err(failed) => error.with_source(failed),
                });
                return;
            }
        }
    }
}

/// The loops of the brokers. They end only when the writer does, or in a panic.
#[derive(Default)]
struct Lanes {
    brokers: BTreeSet<i32>,
    tasks: FuturesUnordered<Task<()>>,
}

impl Lanes {
    /// Starts those that are needed and not there.
    fn start(&mut self, shared: &Arc<Shared>) {
        for (broker, wake) in shared.accumulator().lanes() {
            if self.brokers.insert(broker) {
                self.tasks.push(task::spawn(lane::run(shared.clone(), broker, wake.clone())));
            }
        }
    }
}

/// Takes over new leaders, new partitions, and topics that were asked for.
fn follow(shared: &Shared, metadata: &Metadata) {
    let mut wakes = Wakes::default();
    for name in shared.wanted() {
        let Some(topic) = metadata.topics.get(&name) else {
            continue;
        };
        if topic.error == ErrorCode::NONE && !topic.partitions.is_empty() {
            wakes = wakes.and(shared.accumulator().follow(topic));
        } else {
            // Whoever still wants it asks again.
            shared.forget_unused(&name);
        }
    }
    wakes.wake();
}

/// Fails what is too late; when to look again.
fn expire(shared: &Shared, now: Instant) -> Instant {
    let expired = shared.accumulator().expire(now);
    let next = expired.next;
    expired.tell();
    // What is accepted from now on has all of its time before it.
    next.unwrap_or_else(|| now + shared.config.delivery_timeout)
}

/// The engine may be aborted, panic, or go down with its runtime.
struct FailOnEnd(Arc<Shared>);

impl Drop for FailOnEnd {
    fn drop(&mut self) {
        let error = if std::thread::panicking() {
            Error::new(ErrorKind::Internal, "writer: its engine panicked")
        } else {
            Error::closed("writer")
        };
        self.0.fail_all(&error);
    }
}
