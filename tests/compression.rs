//! Which batches the writer compresses, how, and where, against an in-process cluster.

#![cfg(all(feature = "gzip", feature = "lz4", feature = "zstd"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "this is a test")]

use std::time::Duration;

use futures::StreamExt;
use kafkio::protocol::ApiKey;
use kafkio::testing::{FakeCluster, Fault};
use kafkio::{Client, Compression, ErrorKind, Record};
use tokio::time::timeout;

async fn cluster(version: &str) -> FakeCluster {
    let builder = FakeCluster::builder().in_memory().kafka_version(version);
    builder.topic("t", 4).topic("u", 1).start().await.unwrap()
}

async fn client(cluster: &FakeCluster) -> Client {
    cluster.client().connect().await.unwrap()
}

/// How the first batch of partition 0 is stored.
async fn stored(client: &Client, topic: &str) -> Compression {
    let reader = client.reader().topic(topic).build().await.unwrap();
    let batch = soon(reader.batches().next()).await.unwrap().unwrap();
    assert!(batch.messages().all(|message| message.is_ok()));
    batch.compression()
}

async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(600), work).await.expect("it is stuck")
}

fn squeezable(topic: &str) -> Record {
    Record::new(vec![b'x'; 1000]).topic(topic).partition(0)
}

#[tokio::test(start_paused = true)]
async fn the_first_choice_that_a_broker_takes() {
    for (version, expected) in [
        ("4.3", Compression::zstd()),
        ("2.1", Compression::zstd()),
        ("2.0", Compression::gzip()),
        ("0.11.0", Compression::gzip()),
        ("0.10.1", Compression::gzip()),
    ] {
        let cluster = cluster(version).await;
        let client = client(&cluster).await;
        let choices = [Compression::zstd(), Compression::gzip()];
        let writer = client.writer().compressions(choices).build().await.unwrap();
        soon(writer.write([squeezable("t")])).await.unwrap();
        assert_eq!(stored(&client, "t").await, expected, "Kafka {version}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_another_choice_it_is_an_error() {
    let cluster = cluster("2.0").await;
    let writer = client(&cluster).await.writer().compression(Compression::zstd());
    // Only the topic that asks for it is concerned.
    let writer = writer.topic_compression("u", Compression::lz4()).build().await.unwrap();
    let results = soon(writer.write_all([squeezable("t"), squeezable("u")])).await;
    let error = results[0].as_ref().unwrap_err();
    assert_eq!((error.kind(), error.is_ambiguous()), (ErrorKind::Unsupported, false));
    assert!(error.to_string().contains("zstd needs Kafka 2.1"), "{error}");
    assert!(results[1].is_ok());
    soon(writer.close()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_topic_may_have_its_own() {
    let cluster = cluster("4.3").await;
    let client = client(&cluster).await;
    let writer = client.writer().compression(Compression::zstd());
    let writer = writer.topic_compression("u", Compression::gzip()).build().await.unwrap();
    soon(writer.write([squeezable("t"), squeezable("u")])).await.unwrap();
    assert_eq!(stored(&client, "t").await, Compression::zstd());
    assert_eq!(stored(&client, "u").await, Compression::gzip());
}

#[tokio::test(start_paused = true)]
async fn what_does_not_get_smaller_goes_out_as_it_is() {
    for version in ["4.3", "0.10.1"] {
        let cluster = cluster(version).await;
        let client = client(&cluster).await;
        let writer = client.writer().topic("t").compression(Compression::gzip());
        let writer = writer.build().await.unwrap();
        soon(writer.write([Record::new("x").partition(0)])).await.unwrap();
        assert_eq!(stored(&client, "t").await, Compression::none(), "Kafka {version}");
    }
}

/// On the one thread that there is, others get their turn while large batches are compressed.
#[tokio::test]
async fn large_batches_are_compressed_elsewhere() {
    let cluster = cluster("4.3").await;
    let client = client(&cluster).await;
    let writer = client.writer().topic("t").compression(Compression::zstd().level(9));
    let writer = writer.build().await.unwrap();
    let mut random = fastrand::Rng::with_seed(5);
    let mut words = |n: i32| {
        let value: Vec<u8> = (0..900_000).map(|_| random.u8(b'a'..b'i')).collect();
        Record::new(value).partition(n % 4)
    };
    let records: Vec<_> = (0..4).map(&mut words).collect();
    let mut turns = 0;
    let others = async {
        loop {
            tokio::task::yield_now().await;
            turns += 1;
        }
    };
    tokio::select! {
        written = writer.write(records) => assert_eq!(written.unwrap().len(), 4),
        () = others => {}
    }
    assert!(turns > 2000, "{turns} turns");
    assert_eq!(stored(&client, "t").await.codec(), Compression::zstd().codec());
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_goes_again_is_the_same() {
    let cluster = cluster("4.3").await;
    let client = client(&cluster).await;
    let writer = client.writer().topic("t").compression(Compression::zstd());
    let writer = writer.build().await.unwrap();
    let _hook = cluster.once(ApiKey::PRODUCE, |_| Fault::Cut(0));
    // Large enough to be compressed elsewhere.
    let records = (0..100).map(|n| Record::new(format!("{n} {}", "x".repeat(1000))).partition(0));
    soon(writer.write(records)).await.unwrap();
    assert_eq!(cluster.messages("t", 0).len(), 100);
    let produces = cluster.requests();
    let mut produces = produces.iter().filter(|it| it.api_key == ApiKey::PRODUCE);
    let (first, second) = (produces.next().unwrap(), produces.next().unwrap());
    assert_eq!(first.body, second.body);
    assert!(first.body.len() < 10_000, "{} bytes", first.body.len());
}
