//! What becomes of records, told in other ways than by a future each: lists, a stream, interceptors,
//! and what a writer hands back that is closed in a hurry.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "this is a test")]

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use futures::{FutureExt, SinkExt, Stream, StreamExt};
use kafkio::protocol::{ApiKey, ErrorCode};
use kafkio::testing::{FakeCluster, Fault};
use kafkio::{
    BatchReport, Compression, Deliveries, ErrorKind, Header, Record, Unwritten, Writer,
    WriterBuilder, WriterInterceptor,
};
use tokio::time::{Instant, timeout};

async fn cluster(partitions: i32) -> FakeCluster {
    FakeCluster::builder().in_memory().topic("t", partitions).start().await.unwrap()
}

async fn builder(cluster: &FakeCluster) -> WriterBuilder {
    cluster.client().connect().await.unwrap().writer().topic("t")
}

async fn writer(cluster: &FakeCluster) -> Writer {
    builder(cluster).await.build().await.unwrap()
}

fn record(n: usize) -> Record {
    Record::new(n.to_string()).partition(0)
}

fn values(cluster: &FakeCluster, partition: i32) -> Vec<String> {
    let text = |value: Option<&[u8]>| String::from_utf8(value.unwrap().to_vec()).unwrap();
    cluster.messages("t", partition).iter().map(|message| text(message.value())).collect()
}

/// No test waits longer than this, in paused time.
async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(600), work).await.expect("the writer is stuck")
}

#[tokio::test(start_paused = true)]
async fn write_all_tells_of_each_record_in_order() {
    let cluster = cluster(2).await;
    let writer = writer(&cluster).await;
    let records = [
        record(0),
        Record::new(vec![0; 2 << 20]),
        record(1),
        Record::new("x").partition(2),
        Record::new("y").partition(1),
    ];
    let results = soon(writer.write_all(records)).await;
    let kinds: Vec<_> =
        results.iter().map(|it| it.as_ref().err().map(kafkio::Error::kind)).collect();
    assert_eq!(kinds, [None, Some(ErrorKind::TooLarge), None, Some(ErrorKind::Config), None]);
    assert_eq!(results[2].as_ref().unwrap().offset(), Some(1));
    assert_eq!(results[4].as_ref().unwrap().partition(), 1);
    // `write` stops where `write_all` goes on.
    assert!(
        soon(writer.write([record(2), Record::new(vec![0; 2 << 20]), record(3)])).await.is_err()
    );
    assert_eq!(values(&cluster, 0), ["0", "1", "2"]);
}

#[tokio::test(start_paused = true)]
async fn write_all_waits_once_for_a_topic_that_does_not_exist() {
    let cluster = cluster(1).await;
    let writer =
        builder(&cluster).await.topic_timeout(Duration::from_secs(10)).build().await.unwrap();
    let start = Instant::now();
    let nowhere = (0..100).map(|n| Record::new(n.to_string()).topic("nowhere"));
    let results = soon(writer.write_all(nowhere.chain([record(7)]))).await;
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    for result in &results[..100] {
        let error = result.as_ref().unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION), "{error}");
    }
    assert_eq!(results[100].as_ref().unwrap().offset(), Some(0));
}

#[tokio::test(start_paused = true)]
async fn write_prefers_the_ambiguous_failure() {
    let cluster = cluster(2).await;
    let writer = writer(&cluster).await;
    let _hook = cluster.on(ApiKey::PRODUCE, |_| Fault::Error(ErrorCode::UNKNOWN_SERVER_ERROR));
    let error = soon(writer.write([record(0), Record::new("x").partition(7)])).await.unwrap_err();
    assert!(error.is_ambiguous(), "{error}");
    let error = soon(writer.write([Record::new("x").partition(7), record(0)])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "nothing else was sent");
}

#[tokio::test(start_paused = true)]
async fn deliveries_come_in_the_order_of_sending() {
    let cluster = cluster(3).await;
    let writer = builder(&cluster).await.batch_bytes(1000).build().await.unwrap();
    let slow = cluster.once(ApiKey::PRODUCE, |_| Fault::Delay(Duration::from_secs(5)));
    let mut deliveries = Deliveries::default();
    assert!(deliveries.is_empty() && deliveries.next().await.is_none());
    for n in 0..300 {
        let record = Record::new(n.to_string()).partition(n % 3);
        deliveries.push(n, writer.send(record).await.unwrap());
    }
    assert_eq!((deliveries.len(), deliveries.size_hint()), (300, (300, Some(300))));
    assert!(deliveries.next().now_or_never().is_none());
    let mut expected = 0;
    while let Some((n, result)) = soon(deliveries.next()).await {
        let metadata = result.unwrap();
        assert_eq!((n, metadata.partition()), (expected, expected % 3));
        assert_eq!(metadata.offset(), Some((n / 3).into()));
        expected += 1;
    }
    assert_eq!(expected, 300);
    drop(slow);
    // It goes on where it has ended, and tells failures in their places.
    cluster.fail_next(ApiKey::PRODUCE, [ErrorCode::INVALID_TIMESTAMP]);
    deliveries.push(300, writer.send(record(0)).await.unwrap());
    let (n, result) = soon(deliveries.next()).await.unwrap();
    assert_eq!((n, result.unwrap_err().code()), (300, Some(ErrorCode::INVALID_TIMESTAMP)));
}

/// What is reported, as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Adds a header, and logs what it is told.
struct Stamp(&'static str, Log);

impl WriterInterceptor for Stamp {
    fn on_send(&self, record: &mut Record) {
        record.headers_mut().push(Header::new("by", self.0));
    }

    fn on_delivery(&self, report: &BatchReport<'_>) {
        let BatchReport { topic, partition, records, result, .. } = report;
        let result = match result {
            Ok(offset) => format!("at {}", offset.unwrap()),
            Err(error) => format!("{}", error.code().unwrap()),
        };
        let text = format!("{}: {records} to {topic}[{partition}] {result}", self.0);
        self.1.0.lock().unwrap().push(text);
    }
}

#[tokio::test(start_paused = true)]
async fn interceptors_see_each_record_and_each_batch_in_their_order() {
    let cluster = cluster(1).await;
    let log = Log::default();
    let builder = builder(&cluster).await;
    let builder = builder.interceptor(Stamp("a", log.clone())).interceptor(Stamp("b", log.clone()));
    let mut writer = builder.linger(Duration::from_millis(5)).build().await.unwrap();
    soon(writer.write((0..3).map(record))).await.unwrap();
    assert_eq!(log.take(), ["a: 3 to t[0] at 0", "b: 3 to t[0] at 0"]);
    drop(writer.try_send(record(3)).unwrap());
    writer.feed(record(4)).await.unwrap();
    drop(soon(writer.send(record(5))).await.unwrap());
    soon(writer.flush()).await.unwrap();
    assert_eq!(log.take(), ["a: 3 to t[0] at 3", "b: 3 to t[0] at 3"]);
    soon(writer.write_all([record(6)])).await.pop().unwrap().unwrap();
    for message in cluster.messages("t", 0) {
        let by: Vec<_> = message.headers().map(|it| it.value().unwrap().to_vec()).collect();
        assert_eq!(by, [b"a", b"b"], "offset {}", message.offset());
    }
    log.take();
    cluster.fail_next(ApiKey::PRODUCE, [ErrorCode::INVALID_TIMESTAMP]);
    assert!(soon(writer.write([record(7)])).await.is_err());
    assert!(log.take()[0].starts_with("a: 1 to t[0] INVALID_TIMESTAMP"));
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_refused_comes_back_as_it_was() {
    let cluster = cluster(1).await;
    let log = Log::default();
    let builder = builder(&cluster).await.interceptor(Stamp("a", log.clone()));
    let writer = builder.build().await.unwrap();
    let (refused, _) = writer.try_send(record(0).topic("unknown")).unwrap_err();
    assert_eq!(refused, record(0).topic("unknown"));
    assert!(log.take().is_empty(), "it was in no batch");
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_split_is_reported_in_parts() {
    let cluster = FakeCluster::builder().in_memory().topic("t", 1).message_max_bytes(400);
    let cluster = cluster.start().await.unwrap();
    let log = Log::default();
    let builder = builder(&cluster).await.interceptor(Stamp("a", log.clone()));
    let writer = builder.linger(Duration::from_millis(5)).build().await.unwrap();
    soon(writer.write((0..4).map(|n| Record::new(vec![n; 100]).partition(0)))).await.unwrap();
    assert_eq!(log.take(), ["a: 2 to t[0] at 0", "a: 2 to t[0] at 2"]);
}

/// Panics whatever it is told.
struct Panics;

impl WriterInterceptor for Panics {
    fn on_delivery(&self, _: &BatchReport<'_>) {
        panic!("an interceptor panics");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_an_interceptor_harms_nobody() {
    let cluster = cluster(1).await;
    let log = Log::default();
    let builder = builder(&cluster).await.interceptor(Panics);
    let writer = builder.interceptor(Stamp("a", log.clone())).build().await.unwrap();
    soon(writer.write([record(0)])).await.unwrap();
    soon(writer.write([record(1)])).await.unwrap();
    soon(writer.close()).await.unwrap();
    assert_eq!(log.take().len(), 2);
}

/// Uses the writer that it is in.
struct Echo(Arc<OnceLock<Writer>>);

impl WriterInterceptor for Echo {
    fn on_delivery(&self, report: &BatchReport<'_>) {
        if let (Ok(Some(offset @ ..5)), Some(writer)) = (report.result, self.0.get()) {
            drop(writer.try_send(record(usize::try_from(offset).unwrap() + 1)).unwrap());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_interceptor_may_use_its_writer() {
    let cluster = cluster(1).await;
    let own = Arc::new(OnceLock::new());
    let writer = builder(&cluster).await.interceptor(Echo(own.clone())).build().await.unwrap();
    own.set(writer.clone()).unwrap();
    soon(writer.write([record(0)])).await.unwrap();
    while values(&cluster, 0).len() < 6 {
        soon(writer.flush()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(values(&cluster, 0), ["0", "1", "2", "3", "4", "5"]);
}

/// Topic, partition, whether it may be written, and the records.
fn shown(list: &[Unwritten]) -> Vec<(String, Option<i32>, bool, Vec<String>)> {
    let text = |record: &Record| String::from_utf8(record.value_bytes().unwrap().to_vec()).unwrap();
    let shown = list.iter().map(|it| {
        let records = it.records.iter().map(text).collect();
        (it.topic.to_string(), it.partition, it.error.is_ambiguous(), records)
    });
    shown.collect()
}

fn texts(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_close_in_time_hands_nothing_back() {
    let cluster = cluster(2).await;
    let builder = builder(&cluster).await.linger(Duration::from_secs(60));
    let mut writer = builder.build().await.unwrap();
    drop(writer.send(record(0)).await.unwrap());
    writer.feed(Record::new("x").topic("t").partition(1)).await.unwrap();
    assert!(soon(writer.close_within(Duration::from_secs(5))).await.is_empty());
    assert_eq!((values(&cluster, 0).len(), values(&cluster, 1).len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_written_in_time_is_handed_back() {
    for compression in [Compression::none(), Compression::lz4()] {
        let cluster = cluster(2).await;
        let builder =
            builder(&cluster).await.compression(compression).linger(Duration::from_millis(5));
        let writer = builder.max_in_flight(1).build().await.unwrap();
        let _hook = cluster.on(ApiKey::PRODUCE, |_| Fault::Hang);
        let mut deliveries = Vec::new();
        for n in 0..20 {
            let record = record(n).key("k").header("h", "v");
            deliveries.push(writer.send(record).await.unwrap());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        // These are behind what is under way.
        for n in 20..30 {
            deliveries.push(writer.send(record(n)).await.unwrap());
        }
        deliveries.push(writer.send(Record::new("30").partition(1)).await.unwrap());
        let other = writer.clone();
        let start = Instant::now();
        let list = soon(writer.close_within(Duration::from_secs(3))).await;
        assert_eq!(start.elapsed().as_secs(), 3);
        let t = || "t".to_owned();
        let expected = [
            (t(), Some(0), true, texts(0..20)),
            (t(), Some(0), false, texts(20..30)),
            (t(), Some(1), false, texts(30..31)),
        ];
        assert_eq!(shown(&list), expected);
        assert!(list[0].error.to_string().contains("t[0]"), "{}", list[0].error);
        assert!(list.iter().all(|it| it.error.is_timeout()), "{list:?}");
        let mut first = list[0].records[0].clone();
        let headers = std::mem::take(first.headers_mut());
        assert_eq!(headers, [Header::new("h", "v")]);
        assert_eq!((first.topic_name(), first.key_bytes()), (Some("t"), Some(&"k".into())));
        for (n, delivery) in deliveries.into_iter().enumerate() {
            assert_eq!(delivery.now_or_never().unwrap().unwrap_err().is_ambiguous(), n < 20);
        }
        assert_eq!(other.send(record(0)).await.unwrap_err().kind(), ErrorKind::Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_handed_back_can_be_sent_again() {
    let cluster = cluster(1).await;
    let first = writer(&cluster).await;
    let hook = cluster.on(ApiKey::PRODUCE, |_| Fault::Hang);
    let _deliveries = [first.send(record(0)).await.unwrap(), first.send(record(1)).await.unwrap()];
    let list = soon(first.close_within(Duration::ZERO)).await;
    drop(hook);
    let second = cluster.client().connect().await.unwrap().writer().build().await.unwrap();
    soon(second.write(list.into_iter().flat_map(|it| it.records))).await.unwrap();
    assert_eq!(values(&cluster, 0), ["0", "1"]);
}

#[tokio::test(start_paused = true)]
async fn what_fails_while_it_closes_is_handed_back() {
    let cluster = cluster(1).await;
    let mut writer = writer(&cluster).await;
    cluster.fail_next(ApiKey::PRODUCE, [ErrorCode::INVALID_TIMESTAMP]);
    writer.feed(record(0)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    cluster.fail_next(ApiKey::PRODUCE, [ErrorCode::INVALID_TIMESTAMP]);
    drop(writer.send(record(1)).await.unwrap());
    let list = soon(writer.close_within(Duration::from_secs(5))).await;
    // What the sink was not told yet is told, without its record, which is gone.
    let t = || "t".to_owned();
    assert_eq!(
        shown(&list),
        [(t(), Some(0), false, Vec::new()), (t(), Some(0), false, texts(1..2))]
    );
    assert!(list.iter().all(|it| it.error.code() == Some(ErrorCode::INVALID_TIMESTAMP)));
}

#[tokio::test(start_paused = true)]
async fn a_sink_s_record_without_a_topic_is_handed_back() {
    for (within, is_known) in [(1, false), (60, true)] {
        let cluster = cluster(1).await;
        let mut writer = writer(&cluster).await;
        writer.feed(Record::new("0").topic("nowhere")).await.unwrap();
        let list = soon(writer.close_within(Duration::from_secs(within))).await;
        assert_eq!(shown(&list), [("nowhere".to_owned(), None, false, texts(0..1))]);
        assert_eq!(list[0].error.code().is_some(), is_known, "{}", list[0].error);
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_close_within_lets_the_others_go_on() {
    let cluster = cluster(1).await;
    let writer = writer(&cluster).await;
    let _hook = cluster.once(ApiKey::PRODUCE, |_| Fault::Delay(Duration::from_secs(5)));
    let delivery = writer.send(record(0)).await.unwrap();
    let other = writer.clone();
    assert!(writer.close_within(Duration::from_secs(60)).now_or_never().is_none());
    soon(delivery).await.unwrap();
    assert_eq!(other.send(record(1)).await.unwrap_err().kind(), ErrorKind::Closed);
    assert!(soon(other.close_within(Duration::from_secs(60))).await.is_empty());
}
