//! What is written is what is read: codecs, formats, keys, nulls, headers, sizes.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::StreamExt;
use kafkio::admin::topics::NewTopic;
use kafkio::{Compression, Header, Message, Record, Timestamp, TimestampType};
use tokio::time::timeout;

use crate::support::{
    Need, Outcome, PATIENCE, Skipped, TestCluster, connect, create, read, topic, unique, write,
};

/// The codecs that are built in, and that the broker takes.
fn codecs(cluster: &impl TestCluster) -> Vec<Compression> {
    let mut codecs = vec![Compression::none()];
    if cfg!(feature = "gzip") {
        codecs.push(Compression::gzip());
    }
    if cfg!(feature = "snappy") {
        codecs.push(Compression::snappy());
    }
    if cfg!(feature = "lz4") {
        codecs.push(Compression::lz4());
    }
    if cfg!(feature = "zstd") && cluster.version() >= (2, 1) {
        codecs.push(Compression::zstd());
    }
    codecs
}

/// Bytes that no codec makes smaller.
fn noise(len: usize) -> Bytes {
    let mut random = fastrand::Rng::with_seed(len as u64);
    std::iter::repeat_with(|| random.u8(..)).take(len).collect()
}

fn headers_of(message: &Message) -> Vec<(String, Option<Vec<u8>>)> {
    let pair = |header: Header| (header.key().into_owned(), header.value().map(<[u8]>::to_vec));
    message.headers().map(pair).collect()
}

pub async fn every_codec(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    for compression in codecs(cluster) {
        let topic = topic(cluster, "codec", 1).await;
        let writer = client.writer().topic(&*topic).compression(compression).build().await.unwrap();
        let record =
            |n: usize| Record::new(format!("value {n}, much like the others")).key(n.to_string());
        let written = writer.write((0..500).map(record)).await.unwrap();
        assert_eq!(written[499].offset(), Some(499));
        writer.close().await.unwrap();

        let mut reader = client.reader().topic(&*topic).build().await.unwrap();
        for (n, message) in read(&mut reader, 500).await.iter().enumerate() {
            assert_eq!(message.offset(), n as i64, "{compression:?}");
            assert_eq!(message.key(), Some(n.to_string().as_bytes()));
            assert_eq!(
                message.value(),
                Some(format!("value {n}, much like the others").as_bytes())
            );
        }
        let mut batches = client.reader().topic(&*topic).build().await.unwrap().batches();
        let batch = timeout(PATIENCE, batches.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(batch.compression().codec(), compression.codec(), "as the broker stores it");
    }
    Ok(())
}

/// The first codec of a list that the broker takes, another one for a topic, and none where it does
/// not help.
pub async fn chosen(cluster: &impl TestCluster) -> Outcome {
    if !cfg!(all(feature = "gzip", feature = "zstd")) {
        return Err(Skipped("gzip and zstd are not built in".to_owned()));
    }
    let client = connect(cluster).await;
    let topics = [
        topic(cluster, "listed", 1).await,
        topic(cluster, "own", 1).await,
        topic(cluster, "noise", 1).await,
    ];
    let writer = client.writer().compressions([Compression::zstd(), Compression::gzip()]);
    let writer = writer.topic_compression(&*topics[1], Compression::gzip()).build().await.unwrap();
    // Large batches, and small ones: they are compressed in different places.
    for count in [500, 1] {
        let alike = |n| Bytes::from(format!("{n} {}", "like the others ".repeat(20)));
        let alike: Vec<_> = (0..count).map(alike).collect();
        let values = [alike.clone(), alike, vec![noise(count * 100)]];
        for (topic, values) in topics.iter().zip(values) {
            let record = |value: Bytes| Record::new(value).topic(&**topic);
            writer.write(values.into_iter().map(record)).await.unwrap();
        }
    }
    writer.close().await.unwrap();
    let listed =
        if cluster.version() >= (2, 1) { Compression::zstd() } else { Compression::gzip() };
    for (topic, expected) in topics.iter().zip([listed, Compression::gzip(), Compression::none()]) {
        let mut batches = client.reader().topic(&**topic).build().await.unwrap().batches();
        let count = if expected == Compression::none() { 2 } else { 501 };
        let mut messages = 0;
        while messages < count {
            let batch = timeout(PATIENCE, batches.next()).await.unwrap().unwrap().unwrap();
            assert_eq!(batch.compression(), expected, "{topic}");
            messages += batch.messages().map(Result::unwrap).count();
        }
    }
    Ok(())
}

pub async fn keys_and_nulls(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let topic = topic(cluster, "nulls", 1).await;
    let records = [
        Record::new("value"),
        Record::new("value").key("key"),
        Record::new("").key(""),
        Record::new(""),
        Record::tombstone("key"),
        Record::tombstone(""),
        Record::default(),
        Record::new(vec![0, 255, 128]).key(vec![254, 0]),
    ];
    write(&client, &topic, records).await;
    let mut reader = client.reader().topic(&*topic).build().await.unwrap();
    let messages = read(&mut reader, 8).await;
    let read: Vec<_> = messages.iter().map(|message| (message.key(), message.value())).collect();
    let expected: [(Option<&[u8]>, Option<&[u8]>); 8] = [
        (None, Some(b"value")),
        (Some(b"key"), Some(b"value")),
        (Some(b""), Some(b"")),
        (None, Some(b"")),
        (Some(b"key"), None),
        (Some(b""), None),
        (None, None),
        (Some(&[254, 0]), Some(&[0, 255, 128])),
    ];
    assert_eq!(read, expected);
    Ok(())
}

pub async fn headers(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Headers)?;
    let client = connect(cluster).await;
    let topic = topic(cluster, "headers", 1).await;
    let many = (0..200).map(|n| Header::new(format!("header {n}"), format!("{n}")));
    let records = [
        Record::new("none"),
        Record::new("order, duplicates, nulls").headers([
            Header::new("b", "1"),
            Header::new("a", "2"),
            Header::new("b", "3"),
            Header::null("a"),
            Header::new("", ""),
            Header::new("ü", vec![0, 255]),
        ]),
        Record::tombstone("key").header("why", "deleted"),
        Record::new("many").headers(many),
    ];
    write(&client, &topic, records).await;
    let mut reader = client.reader().topic(&*topic).build().await.unwrap();
    let messages = read(&mut reader, 4).await;
    assert_eq!(headers_of(&messages[0]), []);
    let expected = [
        ("b", Some(b"1".to_vec())),
        ("a", Some(b"2".to_vec())),
        ("b", Some(b"3".to_vec())),
        ("a", None),
        ("", Some(Vec::new())),
        ("ü", Some(vec![0, 255])),
    ];
    assert_eq!(headers_of(&messages[1]), expected.map(|(key, value)| (key.to_owned(), value)));
    assert_eq!(headers_of(&messages[2]), [("why".to_owned(), Some(b"deleted".to_vec()))]);
    assert_eq!(headers_of(&messages[3]).len(), 200);
    assert_eq!(headers_of(&messages[3])[199], ("header 199".to_owned(), Some(b"199".to_vec())));
    Ok(())
}

pub async fn sizes(cluster: &impl TestCluster) -> Outcome {
    const SIZES: [usize; 7] = [0, 1, 1 << 10, 100 << 10, 900 << 10, 127, 128];
    let client = connect(cluster).await;
    for compression in codecs(cluster) {
        let topic = topic(cluster, "sizes", 1).await;
        let writer = client.writer().topic(&*topic).compression(compression).build().await.unwrap();
        writer.write(SIZES.map(|size| Record::new(noise(size)))).await.unwrap();
        writer.close().await.unwrap();
        // Smaller than the largest record, which must come all the same.
        let reader = client.reader().topic(&*topic).partition_max_bytes(64 << 10);
        let mut reader = reader.build().await.unwrap();
        for (message, size) in read(&mut reader, SIZES.len()).await.iter().zip(SIZES) {
            assert!(message.value() == Some(&noise(size)), "{size} bytes, {compression:?}");
        }
    }
    Ok(())
}

pub async fn timestamps(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let topic = topic(cluster, "timestamps", 1).await;
    let now = SystemTime::now();
    let ages = [0, 3_600, 86_400, 7, 0];
    let records = ages.map(|age| Record::new("").timestamp(now - Duration::from_secs(age)));
    write(&client, &topic, records).await;
    let before = Timestamp::now();
    write(&client, &topic, [Record::new("now")]).await;
    let after = Timestamp::now();

    let mut reader = client.reader().topic(&*topic).build().await.unwrap();
    let messages = read(&mut reader, 6).await;
    for (message, age) in messages.iter().zip(ages) {
        assert_eq!(message.timestamp_type(), TimestampType::CreateTime);
        assert_eq!(message.timestamp(), Timestamp::from(now - Duration::from_secs(age)));
    }
    let stamped = messages[5].timestamp();
    assert!(before <= stamped && stamped <= after, "{before:?} {stamped:?} {after:?}");
    Ok(())
}

/// Topics that keep formats 0 and 1, whatever the writer sends: the reader sees them as stored, or
/// as an old broker converts them.
pub async fn old_formats(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::OldFormats)?;
    let client = connect(cluster).await;
    for (format, since) in [("0.9.0", (0, 9)), ("0.10.0", (0, 10)), ("0.11.0", (0, 11))] {
        if cluster.version() < since {
            continue;
        }
        for compression in codecs(cluster) {
            // Zstandard exists in format 2 only.
            if compression.codec() == Compression::zstd().codec() && format != "0.11.0" {
                continue;
            }
            let topic = unique("format");
            let new = NewTopic::new(&topic).partitions(1).replication_factor(1);
            create(cluster, new.config("message.format.version", format)).await;
            let at = Timestamp::from_millis(1_700_000_000_000);
            let writer = client.writer().topic(&*topic).compression(compression);
            let writer = writer.build().await.unwrap();
            for chunk in 0..3 {
                let record = |n: usize| Record::new(format!("value {n}")).key("k").timestamp(at);
                let records = (chunk * 100..chunk * 100 + 100).map(record);
                writer.write(records).await.unwrap();
            }
            writer.write([Record::tombstone("k").timestamp(at)]).await.unwrap();
            writer.close().await.unwrap();

            let what = format!("format {format}, {compression:?}");
            let reader = client.reader().topic(&*topic).start(kafkio::Start::Offset(50));
            let messages = read(&mut reader.build().await.unwrap(), 251).await;
            for (message, n) in messages.iter().zip(50..) {
                assert_eq!(message.offset(), n, "{what}");
                assert_eq!(message.key(), Some(&b"k"[..]), "{what}");
                let value = (n < 300).then(|| format!("value {n}"));
                assert_eq!(message.value(), value.as_deref().map(str::as_bytes), "{what}");
                match message.timestamp_type() {
                    TimestampType::None => assert_eq!(format, "0.9.0"),
                    TimestampType::CreateTime => assert_eq!(message.timestamp(), at, "{what}"),
                    other => panic!("{what}: {other:?}"),
                }
            }
        }
    }
    Ok(())
}
