//! A stream for each partition, and what the combinators of `futures` do with a reader, against an
//! in-process cluster, under paused time.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "this is a test")]

#[path = "support/numbers.rs"]
mod numbers;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::{FutureExt, StreamExt, TryStreamExt};
use kafkio::testing::FakeCluster;
use kafkio::{Client, End, Message, PartitionStream, Partitions, Record, Start};
use numbers::{number, read_numbers};
use tokio::time::{sleep, timeout};

async fn start(partitions: i32) -> (FakeCluster, Client) {
    let builder = FakeCluster::builder().in_memory().brokers(2).topic("t", partitions);
    let cluster = builder.start().await.unwrap();
    let client = cluster.client().metadata_max_age(Duration::from_secs(5)).connect().await.unwrap();
    (cluster, client)
}

/// Appends the numbers of the range to one partition, in batches of ten.
fn fill(cluster: &FakeCluster, partition: i32, numbers: std::ops::Range<usize>) {
    let numbers: Vec<_> = numbers.collect();
    for chunk in numbers.chunks(10) {
        cluster.append("t", partition, chunk.iter().map(|n| Record::new(n.to_string())));
    }
}

async fn next(partitions: &mut Partitions) -> PartitionStream {
    timeout(Duration::from_secs(60), partitions.next()).await.unwrap().unwrap().unwrap()
}

#[tokio::test(start_paused = true)]
async fn each_partition_is_a_stream_in_order() {
    let (cluster, client) = start(3).await;
    for partition in 0..3 {
        fill(&cluster, partition, 0..100);
    }
    let mut reader = client.reader().topic("t").build().await.unwrap();
    // What is being handed out, and what has been fetched by then, is neither lost nor repeated.
    let mut read = BTreeMap::<i32, Vec<usize>>::new();
    for _ in 0..37 {
        let message = reader.next().await.unwrap().unwrap();
        read.entry(message.partition()).or_default().push(number(&message));
    }
    sleep(Duration::from_secs(1)).await;
    let before = cluster.bytes_sent();
    let mut partitions = reader.partitions();
    let mut streams = Vec::new();
    for _ in 0..3 {
        streams.push(next(&mut partitions).await);
    }
    assert!(partitions.next().now_or_never().is_none());
    for stream in &mut streams {
        assert_eq!(stream.topic(), "t");
        let read = read.entry(stream.partition()).or_default();
        let rest = read_numbers(stream, 100 - read.len()).await;
        read.extend(rest);
        assert!(read.iter().copied().eq(0..100), "{read:?}");
    }
    assert_eq!(cluster.bytes_sent(), before, "nothing is fetched again");
    // The streams go on without the outer one.
    drop(partitions);
    fill(&cluster, 1, 100..200);
    let stream = streams.iter_mut().find(|stream| stream.partition() == 1).unwrap();
    assert!(read_numbers(stream, 100).await.into_iter().eq(100..200));
    let handle = stream.handle();
    assert_eq!(handle.position("t", 1), Some(200));
    handle.close();
    for stream in &mut streams {
        assert!(stream.next().await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_nobody_reads_holds_up_no_other() {
    let (cluster, client) = start(2).await;
    let big = |n: usize| Record::new(format!("{n:0>1000}"));
    for chunk in 0..500 {
        for partition in 0..2 {
            cluster.append("t", partition, (chunk * 10..chunk * 10 + 10).map(big));
        }
    }
    let reader = client.reader().topic("t").buffer_bytes(200_000).partition_max_bytes(20_000);
    let mut partitions = reader.build().await.unwrap().partitions();
    let mut first = next(&mut partitions).await;
    let mut second = next(&mut partitions).await;
    assert!(read_numbers(&mut first, 5_000).await.into_iter().eq(0..5_000));
    assert!(read_numbers(&mut second, 5_000).await.into_iter().eq(0..5_000));
}

#[tokio::test(start_paused = true)]
async fn new_partitions_are_announced_and_removed_ones_end() {
    let (cluster, client) = start(1).await;
    let mut partitions = client.reader().topic("t").build().await.unwrap().partitions();
    let handle = partitions.handle();
    let mut first = next(&mut partitions).await;
    cluster.add_partitions("t", 2);
    fill(&cluster, 1, 0..5);
    let mut second = next(&mut partitions).await;
    assert_eq!(second.partition(), 1);
    assert_eq!(read_numbers(&mut second, 5).await, [0, 1, 2, 3, 4], "from its beginning");
    let removing = async {
        sleep(Duration::from_secs(1)).await;
        handle.remove_partitions("t", [0]).unwrap();
    };
    let (end, ()) = tokio::join!(first.next(), removing);
    assert!(end.is_none());
    fill(&cluster, 1, 5..7);
    assert_eq!(read_numbers(&mut second, 2).await, [5, 6]);
    handle.add_partitions("t", [0]).unwrap();
    let mut first = next(&mut partitions).await;
    fill(&cluster, 0, 0..1);
    assert_eq!(read_numbers(&mut first, 1).await, [0]);
    handle.close();
    assert!(partitions.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn streams_of_partitions_end_with_their_range() {
    let (cluster, client) = start(3).await;
    fill(&cluster, 0, 0..25);
    fill(&cluster, 1, 0..50);
    let reader = client.reader().topic("t").end(End::Latest).build().await.unwrap();
    fill(&cluster, 0, 25..30);
    let counts = Mutex::new(BTreeMap::new());
    let work = reader.partitions().try_for_each_concurrent(None, |stream| {
        let counts = &counts;
        async move {
            let partition = stream.partition();
            let count = stream.try_fold(0, async |count, _| Ok(count + 1)).await?;
            counts.lock().unwrap().insert(partition, count);
            Ok(())
        }
    });
    timeout(Duration::from_secs(60), work).await.expect("no end").unwrap();
    assert_eq!(counts.into_inner().unwrap(), BTreeMap::from([(0, 25), (1, 50), (2, 0)]));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_dropped_holds_up_nothing() {
    let (cluster, client) = start(2).await;
    fill(&cluster, 0, 0..1_000);
    fill(&cluster, 1, 0..1_000);
    let reader = client.reader().topic("t").partition_max_bytes(2_000).build().await.unwrap();
    let mut partitions = reader.partitions();
    let handle = partitions.handle();
    let mut first = next(&mut partitions).await;
    let mut second = next(&mut partitions).await;
    read_numbers(&mut first, 5).await;
    drop(first);
    assert!(read_numbers(&mut second, 1_000).await.into_iter().eq(0..1_000));
    assert_eq!(handle.positions().len(), 1, "nobody reads it");
    handle.add_partitions("t", [0]).unwrap();
    let mut first = next(&mut partitions).await;
    assert!(
        read_numbers(&mut first, 1_000).await.into_iter().eq(0..1_000),
        "it can be added again"
    );
    // Whatever is announced and not taken is dropped with the outer one.
    handle.remove_partitions("t", [0]).unwrap();
    handle.add_partitions("t", [0]).unwrap();
    drop(partitions);
    cluster.add_partitions("t", 4);
    fill(&cluster, 3, 0..10);
    sleep(Duration::from_secs(30)).await;
    fill(&cluster, 1, 1_000..1_010);
    assert!(read_numbers(&mut second, 10).await.into_iter().eq(1_000..1_010));
    assert_eq!(handle.positions().len(), 1);
    assert!(first.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_dropped_counts_as_read_to_its_end() {
    let (cluster, client) = start(3).await;
    for partition in 0..3 {
        fill(&cluster, partition, 0..100);
    }
    let reader = client.reader().topic("t").end(End::Latest).build().await.unwrap();
    let work = reader.partitions().try_for_each_concurrent(None, |mut stream| async move {
        // All of one, some of one, nothing of one.
        let count = [100, 7, 0][usize::try_from(stream.partition()).unwrap()];
        read_numbers(&mut stream, count).await;
        Ok(())
    });
    timeout(Duration::from_secs(60), work).await.expect("no end").unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_partition_can_be_read_by_batch_paused_and_sought() {
    let (cluster, client) = start(1).await;
    fill(&cluster, 0, 0..40);
    let mut partitions = client.reader().topic("t").build().await.unwrap().partitions();
    let mut stream = next(&mut partitions).await;
    let handle = stream.handle();
    assert_eq!(read_numbers(&mut stream, 3).await, [0, 1, 2]);
    let mut batches = stream.batches();
    assert_eq!(batches.next().await.unwrap().unwrap().base_offset(), 0);
    assert_eq!(batches.next().await.unwrap().unwrap().base_offset(), 10);
    handle.pause("t", 0).unwrap();
    assert!(timeout(Duration::from_secs(10), batches.next()).await.is_err());
    handle.seek("t", 0, Start::Offset(5)).unwrap();
    assert!(timeout(Duration::from_secs(10), batches.next()).await.is_err());
    let resuming = async {
        sleep(Duration::from_secs(1)).await;
        handle.resume("t", 0).unwrap();
    };
    let (batch, ()) = tokio::join!(batches.next(), resuming);
    assert_eq!(batch.unwrap().unwrap().messages_in(5..8).count(), 3);
    let mut stream = batches.into_messages();
    assert!(read_numbers(&mut stream, 30).await.into_iter().eq(10..40));
}

#[tokio::test(start_paused = true)]
async fn ready_chunks_take_what_is_there_and_wait_for_nothing() {
    let (cluster, client) = start(1).await;
    fill(&cluster, 0, 0..1_000);
    let reader = client.reader().topic("t").build().await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let mut chunks = reader.ready_chunks(100);
    let (mut numbers, mut count) = (Vec::new(), 0);
    while numbers.len() < 1_000 {
        let chunk = chunks.next().await.unwrap();
        numbers.extend(chunk.into_iter().map(|message| number(&message.unwrap())));
        count += 1;
    }
    assert!(numbers.into_iter().eq(0..1_000));
    assert!(count < 40, "{count} chunks");
    assert!(timeout(Duration::from_secs(5), chunks.next()).await.is_err());
    fill(&cluster, 0, 0..1);
    assert_eq!(chunks.next().await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn for_each_concurrent_runs_many_at_once() {
    let (cluster, client) = start(2).await;
    fill(&cluster, 0, 0..100);
    fill(&cluster, 1, 100..200);
    let reader = client.reader().topic("t").end(End::Latest).build().await.unwrap();
    let (running, most, sum) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let work = reader.try_for_each_concurrent(8, |message: Message| {
        let (running, most, sum) = (&running, &most, &sum);
        async move {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            sleep(Duration::from_millis(10)).await;
            running.fetch_sub(1, Ordering::SeqCst);
            sum.fetch_add(number(&message), Ordering::SeqCst);
            Ok(())
        }
    });
    timeout(Duration::from_secs(60), work).await.unwrap().unwrap();
    assert_eq!((most.into_inner(), sum.into_inner()), (8, (0..200).sum()));
}

#[tokio::test(start_paused = true)]
async fn select_mixes_readers_and_loses_nothing() {
    let (cluster, client) = start(2).await;
    fill(&cluster, 0, 0..50);
    fill(&cluster, 1, 50..100);
    let reader = |id| client.reader().partitions("t", [id]).end(End::Latest).build();
    let both = futures::stream::select(reader(0).await.unwrap(), reader(1).await.unwrap());
    let numbers = both.map_ok(|message| number(&message)).try_collect::<Vec<_>>();
    let mut numbers = timeout(Duration::from_secs(60), numbers).await.unwrap().unwrap();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..100));
    // Under `select!`, branches that lose take nothing with them.
    let mut reader = client.reader().partitions("t", [0]).build().await.unwrap();
    let mut read = Vec::new();
    while read.len() < 50 {
        tokio::select! {
            biased;
            () = tokio::task::yield_now() => {}
            message = reader.next() => read.push(number(&message.unwrap().unwrap())),
        }
    }
    assert!(read.into_iter().eq(0..50));
}

#[tokio::test(start_paused = true)]
async fn take_until_ends_at_once_and_gives_the_reader_back() {
    let (cluster, client) = start(1).await;
    fill(&cluster, 0, 0..10);
    let reader = client.reader().topic("t").build().await.unwrap();
    let mut messages = reader.take_until(Box::pin(sleep(Duration::from_secs(5))));
    let mut count = 0;
    while messages.next().await.is_some() {
        count += 1;
    }
    assert_eq!(count, 10);
    fill(&cluster, 0, 10..12);
    let mut reader = messages.into_inner();
    assert_eq!(number(&reader.next().await.unwrap().unwrap()), 10);
    reader.close().await;
}
