//! Drops each public future after every number of polls, under paused time: nothing is lost,
//! nothing is there twice, and whoever comes after finds everything at work.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "this is a test")]

use std::future::Future;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use kafkio::admin::offsets::OffsetSpec;
use kafkio::admin::topics::NewTopic;
use kafkio::protocol::ApiKey;
use kafkio::protocol::messages::describe_groups::{
    DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup,
};
use kafkio::protocol::messages::list_groups::{ListGroupsRequest, ListGroupsResponse, ListedGroup};
use kafkio::testing::{FakeCluster, Fault};
use kafkio::{Client, Message, Record};
use tokio::time::{sleep, timeout};

/// Polls so many times, with time for everybody else in between; `None` if that was not enough.
async fn polled<F: Future>(times: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..times {
        if let Poll::Ready(output) = futures::poll!(future.as_mut()) {
            return Some(output);
        }
        sleep(Duration::from_millis(1)).await;
    }
    None
}

/// Makes the future anew and drops it after 0, 1, 2, … polls, until it gets to its end.
async fn dropped_everywhere<T>(mut make: impl AsyncFnMut(usize) -> Option<T>) -> T {
    for polls in 0..10_000 {
        if let Some(output) = make(polls).await {
            assert!(polls > 0);
            return output;
        }
    }
    panic!("it does not get to its end");
}

async fn start(topics: &[&str]) -> (FakeCluster, Client) {
    let builder = FakeCluster::builder().in_memory().brokers(2);
    let builder = topics.iter().fold(builder, |builder, topic| builder.topic(*topic, 2));
    let cluster = builder.start().await.unwrap();
    let client = cluster.client().connect().await.unwrap();
    (cluster, client)
}

fn values(messages: impl IntoIterator<Item = Message>) -> Vec<String> {
    let value = |message: Message| String::from_utf8_lossy(message.value().unwrap()).into_owned();
    messages.into_iter().map(value).collect()
}

/// Writes one record and reads it back.
async fn works(client: &Client, topic: &str) {
    let writer = client.writer().topic(topic).build().await.unwrap();
    let written = writer.send("works").await.unwrap().await.unwrap();
    let at = kafkio::Start::Offset(written.offset().unwrap());
    let reader = client.reader().partitions(topic, [written.partition()]).start(at);
    let mut reader = reader.build().await.unwrap();
    let message = timeout(Duration::from_secs(60), reader.next()).await.unwrap();
    assert_eq!(values([message.unwrap().unwrap()]), ["works"]);
}

#[tokio::test(start_paused = true)]
async fn connecting_and_building() {
    let (cluster, client) = start(&["t"]).await;
    dropped_everywhere(async |polls| polled(polls, cluster.client().connect()).await)
        .await
        .unwrap();
    let reader =
        dropped_everywhere(async |polls| polled(polls, client.reader().topic("t").build()).await);
    drop(reader.await.unwrap());
    let writer =
        dropped_everywhere(async |polls| polled(polls, client.writer().topic("t").build()).await);
    drop(writer.await.unwrap());
    works(&client, "t").await;
}

#[tokio::test(start_paused = true)]
async fn operations() {
    let (_cluster, client) = start(&["t"]).await;
    let created = dropped_everywhere(async |polls| {
        let topic = NewTopic::new(format!("new-{polls}"));
        polled(polls, client.create_topics([topic]).into_future()).await
    });
    created.await.unwrap().into_result().unwrap();
    let listed = dropped_everywhere(async |polls| {
        polled(polls, client.list_offsets([("t", 0, OffsetSpec::Latest)]).into_future()).await
    });
    listed.await.unwrap().into_result().unwrap();
    dropped_everywhere(async |polls| polled(polls, client.metadata(["t"]).into_future()).await)
        .await
        .unwrap();
    works(&client, "t").await;
}

#[tokio::test(start_paused = true)]
async fn operations_on_all_brokers_and_at_coordinators() {
    let (cluster, _) = start(&["t"]).await;
    let _listed = cluster.on(ApiKey::LIST_GROUPS, |call| {
        let group = ListedGroup { group_id: format!("g-{}", call.broker), ..Default::default() };
        Fault::answer::<ListGroupsRequest>(ListGroupsResponse {
            groups: vec![group],
            ..Default::default()
        })
    });
    let _described = cluster.on(ApiKey::DESCRIBE_GROUPS, |call| {
        let groups = call.request::<DescribeGroupsRequest>().groups.into_iter();
        let group = |group_id| DescribedGroup { group_id, ..Default::default() };
        Fault::answer::<DescribeGroupsRequest>(DescribeGroupsResponse {
            groups: groups.map(group).collect(),
            ..Default::default()
        })
    });
    let client = cluster.client().connect().await.unwrap();
    let listed =
        dropped_everywhere(async |polls| polled(polls, client.list_groups().into_future()).await)
            .await
            .unwrap();
    assert_eq!(listed.into_result().unwrap().len(), 2);
    // New groups each time: each call looks its coordinators up.
    let described = dropped_everywhere(async |polls| {
        let groups = [format!("a-{polls}"), format!("b-{polls}")];
        polled(polls, client.describe_groups(groups).into_future()).await
    });
    described.await.unwrap().into_result().unwrap();
    client.describe_groups(["a-1"]).await.unwrap().into_result().unwrap();
    works(&client, "t").await;
}

/// A send that was dropped before its end has not happened, and one that got there has.
#[tokio::test(start_paused = true)]
async fn sending() {
    let (cluster, client) = start(&["t"]).await;
    // So small a budget that sends wait for each other.
    let writer = client.writer().topic("t").batch_bytes(200).buffer_bytes(300);
    let writer = writer.build().await.unwrap();
    let mut accepted = Vec::new();
    for n in 0..200 {
        let value = format!("{n:0>100}");
        let record = Record::new(value.clone()).partition(0);
        if let Some(delivery) = polled(n % 7, writer.send(record)).await {
            accepted.push(value);
            // Nor does dropping what tells of it undo it.
            drop(delivery.unwrap());
        }
    }
    writer.flush().await.unwrap();
    assert!((50..200).contains(&accepted.len()), "{}", accepted.len());
    assert_eq!(values(cluster.messages("t", 0)), accepted);
    works(&client, "t").await;
}

#[tokio::test(start_paused = true)]
async fn writing_and_flushing() {
    let (cluster, client) = start(&["t"]).await;
    let writer = client.writer().topic("t").build().await.unwrap();
    let mut expected = 0;
    dropped_everywhere(async |polls| {
        let records = (0..3).map(|n| Record::new(format!("{polls}-{n}")).partition(0));
        let written = polled(polls, writer.write(records)).await;
        writer.flush().await.unwrap();
        let there = cluster.messages("t", 0).len();
        // All that were accepted, which takes one poll, and none of them twice.
        expected += if polls == 0 { 0 } else { 3 };
        assert_eq!(there, expected);
        written
    })
    .await
    .unwrap();
    for polls in 0..5 {
        let delivery = writer.send(Record::new("flushed").partition(1)).await.unwrap();
        let _ = polled(polls, writer.flush()).await;
        delivery.await.unwrap();
    }
    let _ = polled(1, writer.close()).await;
    assert_eq!(cluster.messages("t", 1).len(), 5);
    works(&client, "t").await;
}

#[tokio::test(start_paused = true)]
async fn reading() {
    let (_cluster, client) = start(&["t"]).await;
    let mut reader = client.reader().partitions("t", [0]).build().await.unwrap();
    let writer = client.writer().topic("t").build().await.unwrap();
    let expected: Vec<_> = (0..100).map(|n| n.to_string()).collect();
    let mut read = Vec::new();
    for (n, value) in expected.iter().enumerate() {
        drop(writer.send(Record::new(value.clone()).partition(0)).await.unwrap());
        if let Some(message) = polled(n % 5, reader.next()).await {
            read.push(message.unwrap().unwrap());
        }
    }
    assert!(!read.is_empty() && read.len() < 100);
    let rest = reader.take(100 - read.len()).try_collect::<Vec<_>>();
    read.extend(timeout(Duration::from_secs(60), rest).await.unwrap().unwrap());
    assert_eq!(values(read), expected);
}
