//! One connection to one broker: topics, offsets, reading and writing without retries.

use std::time::{Duration, SystemTime};

use kafkio::admin::topics::NewTopic;
use kafkio::protocol::{ApiKey, ErrorCode};
use kafkio::{Acks, Compression, Conn, Message, PartitionConn, ReadBatch, Record, Result, Start};
use tokio::time::{Instant, sleep, timeout};

use crate::support::{Need, Outcome, PATIENCE, TestCluster, eventually, topic, unique};

pub async fn topics(cluster: &impl TestCluster) -> Outcome {
    let conn = conn(cluster).await;
    let controller = conn.controller().await.expect("a controller");
    assert!(conn.brokers().await.expect("brokers").contains(&controller));
    let controller = conn.dial_broker(&controller).await.expect("the controller answers");

    let name = unique("conn-topics");
    let new = || [NewTopic::new(&name).partitions(2).replication_factor(1)];
    let created = controller.create_topics(new()).await.expect("an answer");
    created.into_result().expect("created");
    let again = controller.create_topics(new()).await.expect("an answer").into_only();
    assert_eq!(again.unwrap_err().code(), Some(ErrorCode::TOPIC_ALREADY_EXISTS));

    let described = ready(async || conn.read_partitions(&[&name]).await.map(Some)).await;
    assert_eq!(described.len(), 1);
    assert_eq!(&*described[0].name, name.as_str());
    assert_eq!(described[0].partitions.len(), 2);
    let all = conn.read_partitions(&[]).await.expect("all topics");
    assert!(all.iter().any(|topic| *topic.name == *name));

    let deleted = controller.delete_topics(&[&name]).await.expect("an answer");
    deleted.into_result().expect("deleted");
    let again = async || match controller.delete_topics(&[&name]).await?.into_only() {
        Err(error) if error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => Ok(Some(())),
        // It may take a moment until it is gone.
        _ => Ok(None),
    };
    ready(again).await;
    Ok(())
}

pub async fn looking_creates_nothing(cluster: &impl TestCluster) -> Outcome {
    let conn = conn(cluster).await;
    let name = unique("conn-missing");
    let error = conn.leader(name.as_str(), 0).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    let error = conn.read_partitions(&[&name]).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    sleep(Duration::from_millis(300)).await;
    let all = conn.read_partitions(&[]).await.expect("all topics");
    assert!(all.iter().all(|topic| *topic.name != *name));
    Ok(())
}

pub async fn batch_by_batch(cluster: &impl TestCluster) -> Outcome {
    let topic = topic(cluster, "conn-batches", 1).await;
    let mut conn = leader(cluster, &topic, 0).await;
    let versions = conn.conn().api_versions().await.expect("versions");
    let produce = *versions[&ApiKey::PRODUCE].end();
    let mut codecs =
        vec![Compression::none(), Compression::gzip(), Compression::snappy(), Compression::lz4()];
    if produce >= 7 {
        codecs.push(Compression::zstd());
    }
    let mut wanted = Vec::new();
    for codec in codecs {
        let values: Vec<_> = (0..50).map(|n| format!("{codec:?} {n}")).collect();
        let records = values.iter().map(|value| Record::new(value.clone()).key("k"));
        let records: Vec<_> = records.chain([Record::tombstone("gone")]).collect();
        let written = conn.write_compressed(records, codec).await.expect("written");
        assert_eq!(written.offset(0), Some(offset(wanted.len())));
        wanted.extend(values.into_iter().map(|value| ("k", Some(value))));
        wanted.push(("gone", None));
    }

    let mut read = Vec::<Message>::new();
    while read.len() < wanted.len() {
        let fetched = conn.read_batch(1, 1000).await.expect("a batch");
        assert!(!fetched.is_empty(), "{fetched:?}");
        assert_eq!(fetched.high_watermark(), offset(wanted.len()));
        assert_eq!(conn.offset(), Some(fetched.next_offset()));
        read.extend(fetched.messages().map(|message| message.expect("a message")));
    }
    for (at, (message, (key, value))) in read.iter().zip(&wanted).enumerate() {
        assert_eq!(message.offset(), offset(at));
        assert_eq!(message.key(), Some(key.as_bytes()));
        assert_eq!(message.value(), value.as_deref().map(str::as_bytes));
    }
    let fetched = conn.read_batch_with(ReadBatch::default().max_wait(Duration::ZERO)).await;
    assert!(fetched.expect("an answer").is_empty());
    Ok(())
}

pub async fn message_by_message(cluster: &impl TestCluster) -> Outcome {
    let topic = topic(cluster, "conn-messages", 2).await;
    let mut conn = leader(cluster, &topic, 1).await;
    for n in 0..10 {
        let records = (0..10).map(|m| Record::new(format!("{}", 10 * n + m)));
        conn.write_compressed(records, Compression::gzip()).await.expect("written");
    }
    assert_eq!(conn.offset(), None);
    for n in 0..100 {
        expect(&mut conn, n).await;
        assert_eq!(conn.offset(), Some(n + 1));
    }

    // From the middle of a batch, and on by batches from the middle of another.
    assert_eq!(conn.seek(Start::Offset(37)).await.expect("there"), 37);
    for n in 37..44 {
        expect(&mut conn, n).await;
    }
    let fetched = conn.read_batch(1, 1 << 20).await.expect("batches");
    let first = fetched.messages().next().expect("some").expect("readable");
    assert_eq!((fetched.offset(), first.offset()), (44, 44));

    let error = conn.seek(Start::Offset(101)).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::OFFSET_OUT_OF_RANGE));
    assert_eq!(conn.offset(), Some(100));
    conn.set_offset(2000);
    let error = conn.read_message().await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::OFFSET_OUT_OF_RANGE));
    assert_eq!(conn.seek(Start::Earliest).await.expect("there"), 0);
    expect(&mut conn, 0).await;
    Ok(())
}

/// A read that is dropped again and again gets on, and loses nothing.
pub async fn short_timeouts(cluster: &impl TestCluster) -> Outcome {
    let topic = topic(cluster, "conn-timeouts", 1).await;
    let mut conn = leader(cluster, &topic, 0).await;
    let writer = leader(cluster, &topic, 0).await;
    let deadline = Instant::now() + PATIENCE;
    for n in 0..20 {
        writer.write_messages([Record::new(format!("{n}"))]).await.expect("written");
        loop {
            assert!(Instant::now() < deadline, "stuck at {n}");
            let tick = timeout(Duration::from_millis(1), conn.read_message()).await;
            let Ok(message) = tick else { continue };
            assert_eq!(message.expect("a message").offset(), n);
            break;
        }
    }
    Ok(())
}

/// A fetch that waits is answered when there is data, and a dropped one holds nothing up for longer
/// than it would have waited.
pub async fn waiting_fetch(cluster: &impl TestCluster) -> Outcome {
    let topic = topic(cluster, "conn-wait", 1).await;
    let mut conn = leader(cluster, &topic, 0).await;
    let writer = leader(cluster, &topic, 0).await;
    let config = ReadBatch::default().max_wait(PATIENCE / 2);
    let began = Instant::now();
    let (fetched, written) = tokio::join!(conn.read_batch_with(config), async {
        sleep(Duration::from_millis(100)).await;
        writer.write_messages([Record::new("late")]).await
    });
    written.expect("written");
    assert_eq!(fetched.expect("a batch").messages().count(), 1);
    assert!(began.elapsed() < PATIENCE / 2);

    let config = ReadBatch::default().max_wait(Duration::from_millis(200));
    let dropped = timeout(Duration::from_millis(10), conn.read_batch_with(config)).await;
    assert!(dropped.is_err(), "{dropped:?}");
    assert_eq!(conn.read_last_offset().await.expect("an answer"), 1);
    Ok(())
}

pub async fn offsets(cluster: &impl TestCluster) -> Outcome {
    let topic = topic(cluster, "conn-offsets", 1).await;
    let mut conn = leader(cluster, &topic, 0).await;
    assert_eq!(conn.read_offsets().await.expect("offsets"), (0, 0));
    let now = SystemTime::now();
    let minutes = |n: u64| now - Duration::from_secs(60 * n);
    let records = [30, 20, 10].map(|n| Record::new("x").timestamp(minutes(n)));
    conn.write_messages(records).await.expect("written");

    assert_eq!(conn.read_first_offset().await.expect("offset"), 0);
    assert_eq!(conn.read_last_offset().await.expect("offset"), 3);
    assert_eq!(conn.read_offset(minutes(25)).await.expect("offset"), Some(1));
    assert_eq!(conn.read_offset(minutes(5)).await.expect("offset"), None);
    assert_eq!(conn.seek(Start::Timestamp(minutes(15).into())).await.expect("offset"), 2);
    assert_eq!(conn.seek(Start::Timestamp(minutes(5).into())).await.expect("offset"), 3);
    assert_eq!(conn.seek(Start::Latest).await.expect("offset"), 3);
    Ok(())
}

pub async fn acks(cluster: &impl TestCluster) -> Outcome {
    let topic = topic(cluster, "conn-acks", 1).await;
    let mut conn = leader(cluster, &topic, 0).await;
    for (acks, wanted) in [(Acks::All, Some(0)), (Acks::Leader, Some(1)), (Acks::None, None)] {
        conn.set_required_acks(acks);
        let written = conn.write_messages([Record::new("x")]).await.expect("written");
        assert_eq!(written.base_offset(), wanted);
    }
    // The connection is in step after a request without an answer.
    let all = async || Ok(Some(conn.read_last_offset().await?).filter(|end| *end == 3));
    ready(all).await;
    Ok(())
}

pub async fn wrong_broker(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::ThreeBrokers)?;
    let topic = unique("conn-wrong");
    let conn = conn(cluster).await;
    let controller = conn.controller().await.expect("a controller");
    let controller = conn.dial_broker(&controller).await.expect("the controller answers");
    let new = NewTopic::new(&topic).partitions(1).replication_factor(1);
    controller.create_topics([new]).await.expect("an answer").into_only().expect("created");
    let right = leader(cluster, &topic, 0).await;

    let brokers = conn.brokers().await.expect("brokers");
    let other = brokers.iter().find(|broker| broker.id != right.conn().broker().id);
    let other = conn.dial_broker(other.expect("three brokers")).await.expect("it answers");
    let mut wrong = other.partition(topic.as_str(), 0);
    let refused = [ErrorCode::NOT_LEADER_OR_FOLLOWER, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION];
    let error = wrong.write_messages([Record::new("x")]).await.unwrap_err();
    assert!(error.code().is_some_and(|it| refused.contains(&it)), "{error}");
    let error = wrong.read_first_offset().await.unwrap_err();
    assert!(error.code().is_some_and(|it| refused.contains(&it)), "{error}");
    wrong.set_offset(0);
    let error = wrong.read_message().await.unwrap_err();
    assert!(error.code().is_some_and(|it| refused.contains(&it)), "{error}");

    let again = wrong.conn().leader(topic.as_str(), 0).await.expect("the leader");
    assert_eq!(
        again.write_messages([Record::new("x")]).await.expect("written").base_offset(),
        Some(0)
    );
    Ok(())
}

async fn conn(cluster: &impl TestCluster) -> Conn {
    cluster.client().conn().dial().await.expect("a broker answers")
}

/// A connection to the leader, when it knows that it is the leader.
async fn leader(cluster: &impl TestCluster, topic: &str, partition: i32) -> PartitionConn {
    ready(async || {
        let conn = cluster.client().conn().dial_leader(topic, partition).await?;
        conn.read_offsets().await?;
        Ok(Some(conn))
    })
    .await
}

/// Tries again while the cluster is not ready, as it may be right after a change.
async fn ready<T>(mut work: impl AsyncFnMut() -> Result<Option<T>>) -> T {
    eventually("the cluster is ready", async || match work().await {
        Ok(value) => value,
        Err(error) if error.is_retriable() => None,
        Err(error) => panic!("{error:?}"),
    })
    .await
}

/// The next message, which must be this one.
async fn expect(conn: &mut PartitionConn, n: i64) {
    let message = timeout(PATIENCE, conn.read_message()).await.expect("a message in time");
    let message = message.expect("a message");
    let value = message.value().map(String::from_utf8_lossy);
    assert_eq!((message.offset(), value.as_deref()), (n, Some(n.to_string().as_str())));
}

fn offset(index: usize) -> i64 {
    i64::try_from(index).expect("few records")
}
