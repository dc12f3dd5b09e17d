//! A reader is a stream and a writer a sink: what one does with those.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::{SinkExt, StreamExt, TryStreamExt};
use kafkio::{IsolationLevel, Message, Record};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::support::{
    Outcome, PATIENCE, TestCluster, connect, number, numbered, read, read_numbers, topic, write,
};

pub async fn take_until(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let topic = topic(cluster, "until", 1).await;
    write(&client, &topic, numbered(0..10)).await;
    let reader = client.reader().topic(&*topic).build().await.unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let mut messages = reader.take_until(stopped);
    for n in 0..10 {
        assert_eq!(number(&messages.next().await.unwrap().unwrap()), n);
    }
    stop.send(()).unwrap();
    assert!(timeout(PATIENCE, messages.next()).await.unwrap().is_none());
    Ok(())
}

pub async fn forward(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let (from, to) = (topic(cluster, "from", 3).await, topic(cluster, "to", 2).await);
    let record = |n: usize| Record::new(n.to_string()).key(n.to_string());
    write(&client, &from, (0..1_000).map(record)).await;
    let reader = client.reader().topic(&*from).build().await.unwrap();
    let writer = client.writer().topic(&*to).build().await.unwrap();
    let piped = reader.take(1_000).map_ok(|message| message.to_record()).forward(writer);
    timeout(PATIENCE, piped).await.expect("forwarding ends").unwrap();

    let mut reader = client.reader().topic(&*to).build().await.unwrap();
    let messages = read(&mut reader, 1_000).await;
    assert!(messages.iter().all(|message| message.key() == message.value()));
    let mut numbers: Vec<_> = messages.iter().map(number).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..1_000));
    Ok(())
}

pub async fn ready_chunks(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let topic = topic(cluster, "chunks", 1).await;
    write(&client, &topic, numbered(0..1_000)).await;
    let reader = client.reader().topic(&*topic).build().await.unwrap();
    let mut chunks = reader.ready_chunks(100);
    let (mut numbers, mut count) = (Vec::new(), 0);
    while numbers.len() < 1_000 {
        let chunk = timeout(PATIENCE, chunks.next()).await.unwrap().unwrap();
        numbers.extend(chunk.into_iter().map(|message| number(&message.unwrap())));
        count += 1;
    }
    assert!(numbers.into_iter().eq(0..1_000));
    assert!(count < 500, "{count} chunks: what is ready comes together");
    Ok(())
}

pub async fn for_each_concurrent(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let topic = topic(cluster, "concurrent", 3).await;
    write(&client, &topic, numbered(0..500)).await;
    let reader = client.reader().topic(&*topic).build().await.unwrap();
    let sum = AtomicUsize::new(0);
    let work = reader.take(500).try_for_each_concurrent(16, |message: Message| {
        let sum = &sum;
        async move {
            tokio::task::yield_now().await;
            sum.fetch_add(number(&message), Ordering::Relaxed);
            Ok(())
        }
    });
    timeout(PATIENCE, work).await.unwrap().unwrap();
    assert_eq!(sum.into_inner(), (0..500).sum());
    Ok(())
}

pub async fn batches(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let topic = topic(cluster, "batches", 1).await;
    for chunk in 0..10 {
        write(&client, &topic, numbered(chunk * 50..chunk * 50 + 50)).await;
    }
    let mut batches = client.reader().topic(&*topic).build().await.unwrap().batches();
    let mut next = 0;
    while next < 500 {
        let batch = timeout(PATIENCE, batches.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(batch.base_offset(), next, "no gap between batches");
        for record in batch.records() {
            let record = record.unwrap();
            assert_eq!(record.offset(), next);
            assert_eq!(record.value(), Some(next.to_string().as_bytes()));
            next += 1;
        }
        assert_eq!(batch.next_offset(), next);
    }
    assert_eq!(batches.handle().position(&topic, 0), Some(500));
    Ok(())
}

/// What no transaction wrote is there at either level.
pub async fn isolation(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let topic = topic(cluster, "isolation", 2).await;
    let record = |n: usize| Record::new(n.to_string()).partition(n as i32 % 2);
    write(&client, &topic, (0..100).map(record)).await;
    for level in [IsolationLevel::default(), IsolationLevel::ReadCommitted] {
        let mut reader = client.reader().topic(&*topic).isolation(level).build().await.unwrap();
        let mut numbers = read_numbers(&mut reader, 100).await;
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..100), "{level:?}");
    }
    assert_eq!(IsolationLevel::default(), IsolationLevel::ReadUncommitted);
    Ok(())
}

pub async fn many_writers(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let topic = topic(cluster, "many", 3).await;
    let writer = client.writer().topic(&*topic).build().await.unwrap();
    let tasks = (0..8).map(|task| {
        let writer = writer.clone();
        async move {
            for n in task * 100..task * 100 + 100 {
                let record = Record::new(n.to_string()).key(task.to_string());
                writer.send(record).await.unwrap().await.unwrap();
            }
        }
    });
    timeout(PATIENCE, futures::future::join_all(tasks)).await.unwrap();
    writer.close().await.unwrap();
    let mut reader = client.reader().topic(&*topic).build().await.unwrap();
    let mut last = [None; 8];
    for message in read(&mut reader, 800).await {
        let n = number(&message);
        let expected = last[n / 100].map_or(n / 100 * 100, |last: usize| last + 1);
        assert_eq!(n, expected, "each task's records are in its order");
        last[n / 100] = Some(n);
    }
    Ok(())
}

pub async fn sink(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let topic = topic(cluster, "sink", 1).await;
    let mut writer = client
        .writer()
        .topic(&*topic)
        .batch_bytes(16 << 10)
        .buffer_bytes(64 << 10)
        .build()
        .await
        .unwrap();
    // More than the budget: the sink waits for room.
    let record = |n: usize| Record::new(format!("{n:0>1000}"));
    let mut records = futures::stream::iter((0..500).map(|n| Ok(record(n))));
    timeout(PATIENCE, writer.send_all(&mut records)).await.unwrap().unwrap();
    writer.feed(record(500)).await.unwrap();
    SinkExt::close(&mut writer).await.unwrap();
    let mut reader = client.reader().topic(&*topic).build().await.unwrap();
    let numbers = timeout(Duration::from_secs(60), read_numbers(&mut reader, 501)).await.unwrap();
    assert!(numbers.into_iter().eq(0..=500));
    Ok(())
}
