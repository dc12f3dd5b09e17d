//! Sends any request of the protocol as it is: the way out for what has no operation of its own.

use super::sealed::{Context, Run};
use super::{Call, Running};
use crate::cluster::Target;
use crate::error::{Error, Result};
use crate::protocol::{Request, Route};

/// Sends a request of [`protocol`](crate::protocol): see [`Client::send`](crate::Client::send).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct Raw<R> {
    target: Target,
    request: R,
    max_version: i16,
}

impl<R: Request> Raw<R> {
    /// Sends this request to that broker.
    pub fn new(target: Target, request: R) -> Self {
        Self { target, request, max_version: i16::MAX }
    }

    /// The newest version of the request to use, where a later one is meant for others: of
    /// `AddPartitionsToTxn` those from 4 on are for brokers. Default: the newest that both sides
    /// know.
    pub fn max_version(mut self, version: i16) -> Self {
        self.max_version = version;
        self
    }
}

impl<R: Request> Call<Raw<R>> {
    /// The newest version of the request to use: see [`Raw::max_version`].
    pub fn max_version(mut self, version: i16) -> Self {
        self.operation = self.operation.max_version(version);
        self
    }
}

impl<R: Request> Run for Raw<R> {
    type Output = R::Response;

    fn check(&self) -> Result<()> {
        let place = match (R::ROUTE, &self.target) {
            // Who names a broker knows why.
            (_, Target::Broker(_))
            | (Route::Any | Route::Broker | Route::EveryBroker, _)
            | (Route::Controller, Target::Controller)
            | (Route::Leader, Target::Leader(_))
            | (Route::Group, Target::Group(_))
            // A producer that is idempotent only has no coordinator.
            | (Route::Transaction, Target::Transaction(_) | Target::Any) => return Ok(()),
            (Route::Controller, _) => "Target::Controller",
            (Route::Leader, _) => "Target::Leader",
            (Route::Group, _) => "Target::Group",
            (Route::Transaction, _) => "Target::Transaction",
        };
        Err(Error::config(format!("target: only {place} can answer {}", R::KEY)))
    }

    #[inline]
    fn run(self, Context { cluster, deadline }: Context) -> Running<Self::Output> {
        Box::pin(async move {
            let topic = match &self.target {
                Target::Leader(at) => std::slice::from_ref(&at.topic),
                _ => &[],
            };
            let _interest = cluster.track(topic);
            cluster.call(&self.target, &self.request, self.max_version, deadline).await
        })
    }
}
