//! The writer as a sink, against an in-process cluster that misbehaves, under paused time.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "this is a test")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::stream::FuturesUnordered;
use futures::{FutureExt, SinkExt, StreamExt, TryStreamExt, future, stream};
use kafkio::protocol::{ApiKey, ErrorCode};
use kafkio::testing::{FakeCluster, Fault};
use kafkio::{Record, WriterBuilder};
use tokio::time::timeout;

async fn cluster(partitions: i32) -> FakeCluster {
    FakeCluster::builder().in_memory().topic("t", partitions).start().await.unwrap()
}

async fn builder(cluster: &FakeCluster) -> WriterBuilder {
    cluster.client().connect().await.unwrap().writer()
}

/// No test waits longer than this, in paused time.
async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(600), work).await.expect("the writer is stuck")
}

#[tokio::test(start_paused = true)]
async fn the_handle_s_flush_and_close_wait_for_the_sink_s_record() {
    let cluster = cluster(1).await;
    let mut writer = builder(&cluster).await.build().await.unwrap();
    writer.feed(Record::new("x").topic("t")).await.unwrap();
    soon(writer.flush()).await.unwrap();
    assert_eq!(cluster.messages("t", 0).len(), 1, "after flush");

    let mut writer = builder(&cluster).await.build().await.unwrap();
    writer.feed(Record::new("y").topic("t")).await.unwrap();
    soon(writer.close()).await.unwrap();
    assert_eq!(cluster.messages("t", 0).len(), 2, "after close");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_flush_leaves_the_sink_s_record_where_it_is() {
    let cluster = cluster(1).await;
    let mut writer = builder(&cluster).await.build().await.unwrap();
    writer.feed(Record::new("x").topic("t")).await.unwrap();
    assert!(writer.flush().now_or_never().is_none());
    let (first, second) = tokio::join!(writer.flush(), writer.flush());
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(cluster.messages("t", 0).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_handle_s_close_tells_why_the_sink_s_record_has_no_topic() {
    let cluster = cluster(1).await;
    let builder = builder(&cluster).await.topic_timeout(Duration::from_secs(1));
    let mut writer = builder.build().await.unwrap();
    writer.feed(Record::new("x").topic("nowhere")).await.unwrap();
    let error = soon(writer.close()).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_handle_s_close_tells_a_failure_of_the_sink_that_was_before() {
    let cluster = cluster(1).await;
    let mut writer = builder(&cluster).await.topic("t").build().await.unwrap();
    cluster.fail_next(ApiKey::PRODUCE, [ErrorCode::INVALID_TIMESTAMP]);
    writer.feed(Record::new("x")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let error = soon(writer.clone().flush()).await;
    assert!(error.is_ok(), "another handle has sent nothing as a sink");
    let error = soon(writer.flush()).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::INVALID_TIMESTAMP), "{error}");
    soon(writer.close()).await.expect("it was told");
}

#[tokio::test(start_paused = true)]
async fn each_of_many_batches_is_told_once() {
    let cluster = cluster(40).await;
    let builder = builder(&cluster).await.topic("t").linger(Duration::from_millis(200));
    let mut writer = builder.build().await.unwrap();
    let _hook = cluster.on(ApiKey::PRODUCE, |_| Fault::Error(ErrorCode::INVALID_TIMESTAMP));
    for n in 0..4000 {
        writer.feed(Record::new("x").partition(n % 40)).await.unwrap();
    }
    let mut errors = 0;
    while soon(SinkExt::<Record>::flush(&mut writer)).await.is_err() {
        errors += 1;
    }
    assert_eq!(errors, 40);
}

#[tokio::test(start_paused = true)]
async fn sinks_that_waited_together_do_not_overdraw_together() {
    let cluster = cluster(1).await;
    let builder = builder(&cluster).await.topic("t").batch_bytes(1000).buffer_bytes(1000);
    let mut writer = builder.build().await.unwrap();
    let _hook = cluster.on(ApiKey::PRODUCE, |_| Fault::Delay(Duration::from_secs(10)));
    let record = || Record::new(vec![b'x'; 300]).partition(0);
    while writer.feed(record()).now_or_never().is_some() {}
    let fed = AtomicUsize::new(0);
    let sinks = FuturesUnordered::new();
    for _ in 0..20 {
        let (mut sink, fed) = (writer.clone(), &fed);
        sinks.push(async move {
            sink.feed(record()).await.unwrap();
            fed.fetch_add(1, Ordering::Relaxed);
            SinkExt::<Record>::flush(&mut sink).await.unwrap();
        });
    }
    let look = async {
        // The first answer is there, the second is not.
        tokio::time::sleep(Duration::from_secs(15)).await;
        fed.load(Ordering::Relaxed)
    };
    let (together, done) = soon(future::join(look, sinks.count())).await;
    assert!((1..=4).contains(&together), "{together} records found room for three and one");
    assert_eq!(done, 20);
}

/// `n` in partition `n % 4`.
fn numbered(range: std::ops::Range<i32>) -> impl Iterator<Item = kafkio::Result<Record>> {
    range.map(|n| Ok(Record::new(n.to_string()).partition(n % 4)))
}

fn count(cluster: &FakeCluster, topic: &str, partitions: i32) -> usize {
    (0..partitions).map(|partition| cluster.messages(topic, partition).len()).sum()
}

#[tokio::test(start_paused = true)]
async fn forward_send_all_buffer_and_fanout() {
    let cluster = FakeCluster::builder().in_memory().topic("t", 4).topic("u", 4);
    let cluster = cluster.start().await.unwrap();
    let client = cluster.client().connect().await.unwrap();
    let mut writer = client.writer().topic("t").build().await.unwrap();
    let other = client.writer().topic("u").build().await.unwrap();

    soon(stream::iter(numbered(0..100)).forward(writer.clone())).await.unwrap();
    assert_eq!(count(&cluster, "t", 4), 100);

    soon(writer.send_all(&mut stream::iter(numbered(100..200)))).await.unwrap();
    assert_eq!(count(&cluster, "t", 4), 200);

    let mut buffer = SinkExt::<Record>::buffer(writer.clone(), 16);
    for record in numbered(200..300) {
        soon(buffer.feed(record.unwrap())).await.unwrap();
    }
    soon(buffer.close()).await.unwrap();
    assert_eq!(count(&cluster, "t", 4), 300);

    let mut both = SinkExt::<Record>::fanout(writer.clone(), other);
    soon(both.send_all(&mut stream::iter(numbered(300..400)))).await.unwrap();
    soon(both.close()).await.unwrap();
    assert_eq!((count(&cluster, "t", 4), count(&cluster, "u", 4)), (400, 100));

    // Closing a sink closes one handle.
    let refused = soon(SinkExt::send(both.get_mut().0, Record::new("x"))).await;
    assert!(refused.is_err());
    for partition in 0..4 {
        let values = cluster.messages("t", partition);
        let values =
            values.iter().map(|it| String::from_utf8(it.value().unwrap().to_vec()).unwrap());
        let values: Vec<i32> = values.map(|it| it.parse().unwrap()).collect();
        let expected: Vec<_> = (0..400).filter(|n| n % 4 == partition).collect();
        assert_eq!(values, expected, "partition {partition}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_ends_forward_and_says_where_it_was() {
    let cluster = cluster(4).await;
    let mut writer = builder(&cluster).await.topic("t").build().await.unwrap();
    let _hook = cluster.on(ApiKey::PRODUCE, |call| {
        let request = call.request::<kafkio::protocol::messages::produce::ProduceRequest>();
        let data = &request.topic_data[0].partition_data;
        if data.iter().any(|it| it.index == 2) {
            Fault::Error(ErrorCode::INVALID_TIMESTAMP)
        } else {
            Fault::Pass
        }
    });
    let error = soon(stream::iter(numbered(2..3)).forward(writer.clone())).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::INVALID_TIMESTAMP));
    assert!(error.to_string().contains("t[2]"), "{error}");

    let error = soon(writer.send_all(&mut stream::iter(numbered(2..3)))).await.unwrap_err();
    assert!(error.to_string().contains("t[2]"), "{error}");
    soon(SinkExt::<Record>::flush(&mut writer)).await.expect("it was told");
    // What cannot be accepted is an error of the call, and what is behind it goes on.
    let mut records = stream::iter([Record::new("x").partition(9), Record::new("y").partition(0)]);
    let error = soon(writer.send_all(&mut (&mut records).map(Ok))).await.unwrap_err();
    assert!(error.to_string().contains("t[9]"), "{error}");
    soon(writer.send_all(&mut records.map(Ok))).await.unwrap();
    assert_eq!(cluster.messages("t", 0).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_reader_is_forwarded_across() {
    let cluster = FakeCluster::builder().in_memory().brokers(2).topic("t", 4).topic("u", 4);
    let cluster = cluster.start().await.unwrap();
    let client = cluster.client().connect().await.unwrap();
    let source = client.writer().topic("t").build().await.unwrap();
    soon(stream::iter(numbered(0..10_000)).forward(source)).await.unwrap();
    // Less than all that is read, so that the reader has to wait for the writer.
    let writer = client.writer().topic("u").batch_bytes(1000).buffer_bytes(10_000);
    let writer = writer.build().await.unwrap();
    let reader = client.reader().topic("t").build().await.unwrap();
    let across = reader.take(10_000).map_ok(|message| {
        let partition = message.partition();
        Record::from(message).partition(partition)
    });
    soon(across.forward(writer)).await.unwrap();
    for partition in 0..4 {
        let values = |topic| -> Vec<_> {
            let messages = cluster.messages(topic, partition);
            messages.iter().map(|it| it.value().unwrap().to_vec()).collect()
        };
        assert_eq!(values("u").len(), 2500);
        assert_eq!(values("u"), values("t"), "partition {partition}");
    }
}
