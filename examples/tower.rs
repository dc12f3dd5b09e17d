//! A client is a tower service of each operation: timeouts, retries and limits fit around it.

mod common;

use std::future::ready;
use std::time::Duration;

use kafkio::admin::{ClusterMetadata, CreateTopics, DescribeMetadata, NewTopic};
use kafkio::{Client, Error};
use tower::retry::Policy;
use tower::{BoxError, ServiceBuilder, ServiceExt};

/// Asks again, so many times, until there is a controller.
#[derive(Clone)]
struct UntilController(u32);

impl Policy<DescribeMetadata, ClusterMetadata, Error> for UntilController {
    type Future = std::future::Ready<()>;

    fn retry(
        &mut self,
        _request: &mut DescribeMetadata,
        result: &mut Result<ClusterMetadata, Error>,
    ) -> Option<Self::Future> {
        let done = result.as_ref().is_ok_and(|metadata| metadata.controller.is_some());
        self.0 = self.0.checked_sub(1).filter(|_| !done)?;
        Some(ready(()))
    }

    fn clone_request(&mut self, request: &DescribeMetadata) -> Option<DescribeMetadata> {
        Some(request.clone())
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let kafka = common::kafka(&["orders"]).await?;
    let client = Client::builder(&kafka.bootstrap).connect().await?;

    let service = ServiceBuilder::new()
        .timeout(Duration::from_secs(10))
        .concurrency_limit(4)
        .retry(UntilController(3))
        .service(client.clone());
    let cluster = service.oneshot(DescribeMetadata::new(["orders"])).await?;
    println!("controller {:?}", cluster.controller);

    let service = ServiceBuilder::new().timeout(Duration::from_secs(10)).service(client);
    let request = CreateTopics::new([NewTopic::new("dry-run").partitions(12)]).validate_only(true);
    for (topic, result) in service.oneshot(request).await? {
        println!("{topic}: {result:?}");
    }
    Ok(())
}
