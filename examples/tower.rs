//! A client is a tower service of each operation: timeouts, retries and limits fit around it.

mod common;

use std::future::ready;
use std::time::Duration;

use futures::{TryStreamExt, stream};
use kafkio::admin::metadata::{ClusterMetadata, DescribeMetadata};
use kafkio::admin::topics::{CreateTopics, NewTopic};
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

    // Requests are plain values: a stream of them goes through `call_all`.
    let service = ServiceBuilder::new().timeout(Duration::from_secs(10)).service(client);
    let requests = ["dry", "run"]
        .map(|name| CreateTopics::new([NewTopic::new(name).partitions(12)]).validate_only(true));
    let mut answers = service.call_all(stream::iter(requests));
    while let Some(topics) = answers.try_next().await? {
        for (topic, result) in topics {
            println!("{topic}: {:?}", result.map(|created| created.partitions));
        }
    }
    Ok(())
}
