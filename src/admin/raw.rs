//! Sends any request of the protocol as it is: the way out for what has no operation of its own.

use super::Running;
use super::sealed::{Context, Run};
use crate::cluster::Target;
use crate::protocol::Request;

/// Sends a request of [`protocol`](crate::protocol): see [`Client::send`](crate::Client::send).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct Raw<R> {
    target: Target,
    request: R,
}

impl<R: Request> Raw<R> {
    /// Sends this request to that broker.
    pub fn new(target: Target, request: R) -> Self {
        Self { target, request }
    }
}

impl<R: Request> Run for Raw<R> {
    type Output = R::Response;

    fn run(self, Context(cluster): Context) -> Running<Self::Output> {
        Box::pin(async move {
            let deadline = cluster.deadline();
            let _interest = match &self.target {
                Target::Leader(at) => {
                    let interest = cluster.track(std::slice::from_ref(&at.topic));
                    cluster.topic(&at.topic, deadline).await?;
                    Some(interest)
                }
                _ => None,
            };
            cluster.call(&self.target, &self.request, deadline).await
        })
    }
}
