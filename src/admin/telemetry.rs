//! Metrics of clients that brokers collect (KIP-714): how this client is named in them.
//!
//! ```no_run
//! # // Compiled only: it needs brokers that collect metrics.
//! # async fn example(client: kafkio::Client) -> kafkio::Result<()> {
//! println!("the operator knows this client as {}", client.client_instance_id().await?);
//! # Ok(()) }
//! ```

use super::Running;
use super::sealed::{Context, Run};
use crate::cluster::{At, Target, check_response};
use crate::error::{Error, ErrorKind};
use crate::protocol::messages::get_telemetry_subscriptions::{
    GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse,
};
use crate::wire::Uuid;

/// Asks how brokers name this client: see
/// [`Client::client_instance_id`](crate::Client::client_instance_id).
#[derive(Clone, Debug, Default)]
#[must_use = "an operation does nothing until it is run"]
pub struct ClientInstanceId {}

impl ClientInstanceId {
    /// Asks.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Run for ClientInstanceId {
    type Output = Uuid;

    #[inline]
    fn run(self, Context { cluster, deadline }: Context) -> Running<Self::Output> {
        Box::pin(async move {
            if let Some(id) = cluster.instance_id().get() {
                return Ok(*id);
            }
            let request = |_: &At| Ok(GetTelemetrySubscriptionsRequest::default());
            let read = |response: GetTelemetrySubscriptionsResponse| {
                check_response(response.error_code, None)?;
                let nil = || Error::new(ErrorKind::Protocol, "the broker gave no id");
                Some(response.client_instance_id).filter(|id| !id.is_nil()).ok_or_else(nil)
            };
            let what = "client instance id";
            let id = cluster.ask(&Target::Any, deadline, what, request, read).await?;
            // The first id stays, also if two have asked at once.
            Ok(*cluster.instance_id().get_or_init(|| id))
        })
    }
}
