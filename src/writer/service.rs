//! The writer as a tower service: a record goes in, and where it was written comes out.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::BoxFuture;

use super::{RecordMetadata, Writer};
use crate::error::{Error, Result};
use crate::record::Record;

/// A record that is being written through the tower service of a [`Writer`].
///
/// Dropping it before the record is accepted undoes everything; after that the record is written
/// all the same.
#[must_use = "futures do nothing unless polled"]
pub struct Writing(BoxFuture<'static, Result<RecordMetadata>>);

/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), tower::BoxError> {
/// # let cluster = kafkio::testing::FakeCluster::builder().topic("orders", 1).start().await.unwrap();
/// # let client = cluster.client().connect().await?;
/// use std::time::Duration;
/// use kafkio::Record;
/// use tower::{ServiceBuilder, ServiceExt};
///
/// let writer = client.writer().topic("orders").build().await?;
/// let service = ServiceBuilder::new().timeout(Duration::from_secs(5)).service(writer);
/// let written = service.oneshot(Record::new("hello")).await?;
/// assert_eq!(written.offset(), Some(0));
/// # Ok(()) }
/// ```
impl tower_service::Service<Record> for Writer {
    type Response = RecordMetadata;
    type Error = Error;
    type Future = Writing;

    /// Ready while there is room in the byte budget.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let (sink, shared) = self.sink_mut();
        sink.poll_budget(cx, shared)
    }

    fn call(&mut self, record: Record) -> Writing {
        let writer = self.clone();
        Writing(Box::pin(async move { writer.send(record).await?.await }))
    }
}

impl Future for Writing {
    type Output = Result<RecordMetadata>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Writing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writing").finish_non_exhaustive()
    }
}
