//! Where a reader begins, where it is, and where it is sent.

use std::time::Duration;

use kafkio::admin::topics::NewTopic;
use kafkio::{
    End, IsolationLevel, Message, OutOfRange, Record, Start, Timestamp, TimestampType,
    TopicPartition,
};
use tokio::time::{sleep, timeout};

use futures::StreamExt;

use crate::support::transaction::Transactional;
use crate::support::{
    Need, Outcome, PATIENCE, TestCluster, connect, create, expect_nothing, next, number, numbered,
    read, read_numbers, topic, unique, write,
};

pub async fn earliest_and_latest(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let topic = topic(cluster, "ends", 1).await;
    write(&client, &topic, numbered(0..10)).await;

    let mut earliest = client.reader().topic(&*topic).build().await.unwrap();
    assert!(read_numbers(&mut earliest, 10).await.into_iter().eq(0..10));

    let mut latest = client.reader().topic(&*topic).start(Start::Latest).build().await.unwrap();
    let handle = latest.handle();
    let found = timeout(PATIENCE, async {
        while handle.position(&topic, 0).is_none() {
            sleep(Duration::from_millis(10)).await;
        }
    });
    found.await.expect("the end is looked up without anybody reading");
    assert_eq!(handle.position(&topic, 0), Some(10));
    write(&client, &topic, numbered(10..15)).await;
    assert!(read_numbers(&mut latest, 5).await.into_iter().eq(10..15));
    assert!(read_numbers(&mut earliest, 5).await.into_iter().eq(10..15));
    Ok(())
}

pub async fn offset(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let topic = topic(cluster, "offset", 2).await;
    let record = |n: usize| Record::new(n.to_string()).partition(n as i32 % 2);
    write(&client, &topic, (0..200).map(record)).await;
    let reader = client.reader().topic(&*topic).start(Start::Offset(42));
    let mut reader = reader.start_at(&*topic, 1, Start::Offset(99)).build().await.unwrap();
    let mut read: Vec<_> = read(&mut reader, 59).await.iter().map(Message::offset).collect();
    read.sort_unstable();
    let mut expected: Vec<_> = (42..100).chain([99]).collect();
    expected.sort_unstable();
    assert_eq!(read, expected, "from the middle of a batch on, each partition from its own start");
    Ok(())
}

pub async fn timestamp(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let topic = topic(cluster, "time", 1).await;
    let base = Timestamp::now().as_millis() - 3_600_000;
    let at = |n: usize| Timestamp::from_millis(base + 1_000 * n as i64);
    let writer = client.writer().topic(&*topic).build().await.unwrap();
    for n in 0..20 {
        let record = Record::new(n.to_string()).timestamp(at(n));
        writer.send(record).await.unwrap().await.unwrap();
    }
    let start = |at| client.reader().topic(&*topic).start(Start::Timestamp(at)).build();

    let mut reader = start(at(12)).await.unwrap();
    assert!(read_numbers(&mut reader, 8).await.into_iter().eq(12..20), "exactly then");
    let between = Timestamp::from_millis(at(4).as_millis() + 1);
    assert_eq!(number(&next(&mut start(between).await.unwrap()).await), 5, "the first after it");
    assert_eq!(number(&next(&mut start(Timestamp::from_millis(0)).await.unwrap()).await), 0);

    let mut later = start(Timestamp::now()).await.unwrap();
    expect_nothing(&mut later, Duration::from_millis(700)).await;
    write(&client, &topic, numbered(20..21)).await;
    assert_eq!(number(&next(&mut later).await), 20, "behind the newest if nothing is that new");
    Ok(())
}

pub async fn seek(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let topic = topic(cluster, "seek", 1).await;
    write(&client, &topic, numbered(0..1_000)).await;
    let mut reader = client.reader().topic(&*topic).build().await.unwrap();
    let handle = reader.handle();
    assert!(read_numbers(&mut reader, 10).await.into_iter().eq(0..10));
    for target in [500, 0, 999, 3, 4] {
        handle.seek(&topic, 0, Start::Offset(target)).unwrap();
        assert_eq!(next(&mut reader).await.offset(), target, "nothing from before the seek");
    }
    handle.seek(&topic, 0, Start::Latest).unwrap();
    expect_nothing(&mut reader, Duration::from_millis(700)).await;
    write(&client, &topic, numbered(1_000..1_001)).await;
    assert_eq!(next(&mut reader).await.offset(), 1_000);
    handle.seek(&topic, 0, Start::Earliest).unwrap();
    assert!(read_numbers(&mut reader, 1_001).await.into_iter().eq(0..1_001));
    assert!(handle.seek(&topic, 7, Start::Earliest).is_err(), "not a partition of this reader");
    Ok(())
}

pub async fn position_and_lag(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let topic = topic(cluster, "lag", 1).await;
    write(&client, &topic, numbered(0..100)).await;
    let mut reader = client.reader().topic(&*topic).build().await.unwrap();
    let handle = reader.handle();
    for read in 1..=100 {
        next(&mut reader).await;
        assert_eq!(handle.position(&topic, 0), Some(read));
        assert_eq!(handle.lag(&topic, 0), Some(100 - read));
    }
    assert_eq!(handle.total_lag(), Some(0));
    assert_eq!(handle.position(&topic, 1), None);
    assert_eq!(handle.lag("another", 0), None);
    handle.close();
    assert!(timeout(PATIENCE, reader.next()).await.unwrap().is_none(), "closed: the stream ends");
    Ok(())
}

pub async fn log_append_time(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let topic = unique("append-time");
    let new = NewTopic::new(&topic).partitions(1).replication_factor(1);
    create(cluster, new.config("message.timestamp.type", "LogAppendTime")).await;
    let writer = client.writer().topic(&*topic).build().await.unwrap();
    let before = Timestamp::now();
    let record = |n: usize| Record::new(n.to_string()).timestamp(Timestamp::from_millis(1_000));
    let written = writer.write((0..10).map(record)).await.unwrap();
    let after = Timestamp::now();
    let range = before..=after;
    assert!(written.iter().all(|w| range.contains(&w.timestamp())), "{written:?} in {range:?}");
    let mut reader = client.reader().topic(&*topic).build().await.unwrap();
    for message in read(&mut reader, 10).await {
        assert_eq!(message.timestamp_type(), TimestampType::LogAppendTime);
        assert!(range.contains(&message.timestamp()), "{message:?}");
    }
    Ok(())
}

pub async fn out_of_range(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let topic = topic(cluster, "range", 1).await;
    write(&client, &topic, numbered(0..10)).await;
    let far = client.reader().topic(&*topic).start(Start::Offset(10_000));
    assert_eq!(number(&next(&mut far.clone().build().await.unwrap()).await), 0, "by default");

    let mut latest = far.clone().on_out_of_range(OutOfRange::Latest).build().await.unwrap();
    expect_nothing(&mut latest, Duration::from_millis(700)).await;
    write(&client, &topic, numbered(10..11)).await;
    assert_eq!(number(&next(&mut latest).await), 10);

    let mut strict = far.on_out_of_range(OutOfRange::Error).build().await.unwrap();
    let error = timeout(PATIENCE, strict.next()).await.unwrap().unwrap().unwrap_err();
    assert!(error.to_string().contains(&format!("{topic}[0] at offset 10000")), "{error}");
    strict.handle().seek(&topic, 0, Start::Offset(5)).unwrap();
    assert_eq!(number(&next(&mut strict).await), 5, "goes on after a seek");
    Ok(())
}

pub async fn chosen_partitions(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let topic = topic(cluster, "chosen", 6).await;
    let record = |n: usize| Record::new(n.to_string()).partition(n as i32 % 6);
    write(&client, &topic, (0..600).map(record)).await;
    let mut reader = client.reader().partitions(&*topic, [1, 4]).build().await.unwrap();
    for message in read(&mut reader, 200).await {
        assert!([1, 4].contains(&message.partition()));
    }
    expect_nothing(&mut reader, Duration::from_millis(700)).await;
    Ok(())
}

/// Relative to either end, and a while ago.
pub async fn relative(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let topic = topic(cluster, "relative", 1).await;
    let now = Timestamp::now().as_millis();
    // One in each minute of an hour.
    let at = |n: usize| Timestamp::from_millis(now - (60 - n as i64) * 60_000);
    write(&client, &topic, (0..60).map(|n| Record::new(n.to_string()).timestamp(at(n)))).await;
    for (start, expected) in [
        (Start::AfterEarliest(0), 0),
        (Start::AfterEarliest(7), 7),
        (Start::BeforeLatest(1), 59),
        (Start::BeforeLatest(15), 45),
        (Start::BeforeLatest(1_000), 0),
        (Start::Ago(Duration::from_secs(630)), 50),
        (Start::Ago(Duration::from_secs(86_400)), 0),
    ] {
        let mut reader = client.reader().topic(&*topic).start(start).build().await.unwrap();
        assert_eq!(number(&next(&mut reader).await), expected, "{start:?}");
        reader.handle().seek(&topic, 0, Start::Offset(3)).unwrap();
        assert_eq!(number(&next(&mut reader).await), 3);
        reader.handle().seek(&topic, 0, start).unwrap();
        assert_eq!(number(&next(&mut reader).await), expected, "{start:?} by a seek");
    }
    for start in [Start::AfterEarliest(1_000), Start::BeforeLatest(0), Start::Ago(Duration::ZERO)] {
        let mut reader = client.reader().topic(&*topic).start(start).build().await.unwrap();
        expect_nothing(&mut reader, Duration::from_millis(700)).await;
        assert_eq!(reader.handle().position(&topic, 0), Some(60), "{start:?}");
    }
    Ok(())
}

/// Readers that end: at the latest, at an offset, at a time; where there is nothing too.
pub async fn bounded(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let topic = topic(cluster, "bounded", 3).await;
    let now = Timestamp::now().as_millis();
    let at = |n: usize| Timestamp::from_millis(now + n as i64);
    // The last partition stays empty.
    let record = |n: usize| Record::new(n.to_string()).partition(n as i32 % 2).timestamp(at(n));
    write(&client, &topic, (0..100).map(record)).await;
    let all = async |builder: kafkio::ReaderBuilder| {
        let reader = builder.build().await.unwrap();
        let messages: Vec<_> = timeout(PATIENCE, reader.collect()).await.expect("it ends");
        let mut numbers: Vec<_> = messages.iter().map(|it| number(it.as_ref().unwrap())).collect();
        numbers.sort_unstable();
        numbers
    };
    let reader = client.reader().topic(&*topic);
    assert!(all(reader.clone().end(End::Latest)).await.into_iter().eq(0..100));
    // An offset is waited for, and so the partition that stays empty is left out.
    let two = client.reader().partitions(&*topic, [0, 1]);
    assert!(all(two.clone().end(End::Offset(10))).await.into_iter().eq(0..20));
    assert!(all(reader.clone().end(End::Timestamp(at(31)))).await.into_iter().eq(0..31));
    assert!(all(reader.clone().end(End::Offset(0))).await.is_empty());
    let range = two.start(Start::Offset(5)).end(End::Offset(9));
    assert!(all(range).await.into_iter().eq(10..18));
    assert!(all(reader.clone().start(Start::Latest).end(End::Latest)).await.is_empty());
    let time = reader.start(Start::Timestamp(at(20))).end(End::Timestamp(at(40)));
    assert!(all(time).await.into_iter().eq(20..40));
    Ok(())
}

/// They end as well where there is nothing but what transactions took back, or their marks.
pub async fn bounded_by_transactions(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Kafka(0, 11))?;
    let client = connect(cluster).await;
    let topic = topic(cluster, "bounded-tx", 2).await;
    let [one, two] = [0, 1].map(|n| TopicPartition::new(&*topic, n));
    let mut producer = Transactional::begin(&client).await;
    producer.write(&one, &["taken", "back"]).await;
    producer.add(&two).await;
    producer.end(false).await;
    let count = async |end: End| {
        let reader = client.reader().topic(&*topic).isolation(IsolationLevel::ReadCommitted);
        let reader = reader.end(end).build().await.unwrap();
        timeout(PATIENCE, reader.count()).await.expect("it ends")
    };
    assert_eq!(count(End::Latest).await, 0);
    assert_eq!(count(End::Offset(1)).await, 0);
    producer.write(&one, &["kept"]).await;
    producer.write(&two, &["kept"]).await;
    producer.end(true).await;
    assert_eq!(count(End::Latest).await, 2);
    // Where a transaction is open, the latest is before it.
    producer.write(&one, &["open"]).await;
    assert_eq!(count(End::Latest).await, 2);
    producer.end(true).await;
    Ok(())
}
