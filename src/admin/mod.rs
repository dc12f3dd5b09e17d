//! What one asks of a cluster besides reading and writing: one typed operation per file.
//!
//! Each operation is a plain value. [`Client`](crate::Client) has a method for each, which gives a
//! [`Call`] to set options on and to await; and it is a `tower` service of each, so that timeouts,
//! retries and the rest of that world fit around it:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), tower::BoxError> {
//! # let cluster = kafkio::testing::FakeCluster::start().await.unwrap();
//! # let client = cluster.client().connect().await?;
//! use std::time::Duration;
//! use kafkio::admin::{CreateTopics, NewTopic};
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! let topics = client.create_topics([NewTopic::new("orders")]).await?;
//! assert!(topics.get("orders").unwrap().is_ok());
//!
//! let service = ServiceBuilder::new().timeout(Duration::from_secs(5)).service(client);
//! let topics = service.oneshot(CreateTopics::new([NewTopic::new("invoices")])).await?;
//! assert!(topics.get("invoices").unwrap().is_ok());
//! # Ok(()) }
//! ```

mod metadata;
mod offsets;
mod raw;
mod results;
mod topics;

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;

pub use crate::cluster::{Broker, FoundOffset, PartitionMetadata, Target, TopicMetadata};
pub(crate) use metadata::metadata_request;
pub use metadata::{ClusterMetadata, DescribeMetadata};
pub use offsets::{ListOffsets, OffsetSpec};
pub use raw::Raw;
pub use results::Results;
pub use topics::{CreateTopics, CreatedTopic, DeleteTopics, NewTopic};
pub(crate) use topics::{
    create_topics_request, create_topics_results, delete_topics_request, delete_topics_results,
};

use crate::cluster::Cluster;
use crate::error::Result;

/// The future of an operation. Dropping it stops the retries; what has been sent is not recalled.
pub type Running<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

/// An operation on a cluster. Implemented by the types of this module, and only by them.
pub trait Operation: sealed::Run + Send + 'static {}

pub(crate) mod sealed {
    use super::{Cluster, Result, Running};

    /// Wraps what the public does not see.
    #[derive(Debug)]
    #[expect(unnameable_types, reason = "only this crate runs operations")]
    pub struct Context(pub(crate) Cluster);

    #[expect(unnameable_types, reason = "seals `Operation`")]
    pub trait Run: Sized {
        /// What a success gives.
        type Output: Send + 'static;

        fn run(self, context: Context) -> Running<Self::Output>;

        /// Checks what can be checked without a broker.
        fn check(&self) -> Result<()> {
            Ok(())
        }
    }
}

impl<O: sealed::Run + Send + 'static> Operation for O {}

/// An operation, and the client that will run it when this is awaited.
///
/// # Cancel safety
///
/// Dropping the future stops the retries; a request that was sent may still take effect.
#[must_use = "an operation does nothing until it is awaited"]
pub struct Call<O> {
    cluster: Cluster,
    pub(crate) operation: O,
}

impl<O: Operation> Call<O> {
    pub(crate) fn new(cluster: Cluster, operation: O) -> Self {
        Self { cluster, operation }
    }
}

impl<O: Operation> IntoFuture for Call<O> {
    type Output = Result<O::Output>;
    type IntoFuture = Running<O::Output>;

    fn into_future(self) -> Self::IntoFuture {
        start(self.cluster, self.operation)
    }
}

impl<O: fmt::Debug> fmt::Debug for Call<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Call").field(&self.operation).finish()
    }
}

/// Checks an operation, and gives its future.
pub(crate) fn start<O: Operation>(cluster: Cluster, operation: O) -> Running<O::Output> {
    match operation.check() {
        Ok(()) => operation.run(sealed::Context(cluster)),
        Err(error) => Box::pin(std::future::ready(Err(error))),
    }
}

/// Setters of an operation, on the plain value and on the call of a client alike.
macro_rules! setters {
    ($operation:ident { $($(#[$meta:meta])* $name:ident: $type:ty => $apply:expr;)* }) => {
        impl $operation {
            $($(#[$meta])* pub fn $name(mut self, value: $type) -> Self {
                let apply: fn(&mut Self, $type) = $apply;
                apply(&mut self, value);
                self
            })*
        }

        impl $crate::admin::Call<$operation> {
            $($(#[$meta])* pub fn $name(mut self, value: $type) -> Self {
                self.operation = self.operation.$name(value);
                self
            })*
        }
    };
}
use setters;
