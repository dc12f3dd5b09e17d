//! Hooks, error codes, throttling, the request log.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::{Instant, timeout};

use super::*;
use crate::protocol::ApiKey;
use crate::protocol::messages::api_versions::ApiVersionsRequest;
use crate::protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use crate::testing::Fault;

#[tokio::test(start_paused = true)]
async fn a_hook_answers_for_the_broker() {
    let cluster = small().await;
    let mut broker = Connection::open(&cluster, 0);
    let guard = cluster.on(ApiKey::METADATA, |call| {
        assert_eq!((call.broker, call.api_version), (0, 9));
        assert_eq!(call.client_id.as_deref(), Some("test"));
        assert_eq!(call.request::<MetadataRequest>().topics.unwrap().len(), 1);
        Fault::answer::<MetadataRequest>(MetadataResponse {
            controller_id: 77,
            ..Default::default()
        })
    });
    assert_eq!(broker.metadata(9, &["t"]).await.controller_id, 77);
    assert_eq!(broker.metadata(9, &["t"]).await.controller_id, 77);
    // Other calls are not its business.
    assert_eq!(broker.produce(9, batch(1, 0, 1)).await.error_code, 0);
    drop(guard);
    assert_eq!(broker.metadata(9, &["t"]).await.controller_id, 0);
}

#[tokio::test(start_paused = true)]
async fn a_hook_makes_the_broker_have_a_call() {
    let handshake = &[0, 0, 0, 10, 0, 17, 0, 0, 0, 0, 0, 2, 0xff, 0xff];
    let cluster = start(FakeCluster::builder().kafka_version("0.11")).await;
    let mut broker = Connection::open(&cluster, 0);
    let mut ranges = Vec::new();
    for has_hook in [false, true] {
        if has_hook {
            cluster.on(ApiKey::SASL_HANDSHAKE, |_| Fault::answer_bytes(&b"hi"[..])).keep();
            cluster.fail_next(ApiKey::DESCRIBE_QUORUM, [ErrorCode::NONE]);
            broker = Connection::open(&cluster, 0);
        }
        let versions = broker.call(0, &ApiVersionsRequest::default()).await.api_keys;
        ranges.push(versions.len());
        let range = versions.iter().find(|row| row.api_key == ApiKey::SASL_HANDSHAKE.0);
        assert_eq!(range.map(|row| (row.min_version, row.max_version)), has_hook.then_some((0, 0)));
        broker.io.write_all(handshake).await.unwrap();
        assert_eq!(broker.receive_raw().await, has_hook.then(|| Bytes::from_static(b"hi")));
    }
    // What that Kafka has not got stays away, hook or not.
    assert_eq!(ranges[0] + 1, ranges[1]);
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "the first panic")]
async fn a_hook_that_panics_fails_the_test() {
    let cluster = small().await;
    for text in ["the first panic", "the second panic"] {
        let _hook = cluster.once(ApiKey::METADATA, move |_| panic!("{text}"));
        let mut broker = Connection::open(&cluster, 0);
        broker.send(9, &MetadataRequest::default()).await;
        assert_eq!(broker.receive_raw().await, None);
    }
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "in an edit")]
async fn an_edit_that_panics_fails_the_test() {
    let cluster = small().await;
    let _hook = cluster
        .once(ApiKey::METADATA, |call| call.edit::<MetadataRequest>(|_| panic!("in an edit")));
    let mut broker = Connection::open(&cluster, 0);
    broker.send(9, &MetadataRequest::default()).await;
    assert_eq!(broker.receive_raw().await, None);
}

#[tokio::test(start_paused = true)]
async fn hooks_are_asked_in_turn() {
    let cluster = small().await;
    let mut broker = Connection::open(&cluster, 0);
    let seen = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&seen);
    cluster
        .on(ApiKey::METADATA, move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
            Fault::Pass
        })
        .keep();
    let answer = |id| {
        let response = MetadataResponse { controller_id: id, ..Default::default() };
        move |_: &crate::testing::Call| Fault::answer::<MetadataRequest>(response)
    };
    let _first = cluster.once(ApiKey::METADATA, answer(5));
    let _second = cluster.once(ApiKey::METADATA, answer(6));
    for expected in [5, 6, 0] {
        assert_eq!(broker.metadata(9, &[]).await.controller_id, expected);
    }
    assert_eq!(seen.load(Ordering::Relaxed), 3);
}

#[tokio::test(start_paused = true)]
async fn a_hook_may_use_the_cluster() {
    let cluster = Arc::new(small().await);
    let mut broker = Connection::open(&cluster, 0);
    let inner = Arc::downgrade(&cluster);
    let _guard = cluster.once(ApiKey::PRODUCE, move |_| {
        let cluster = inner.upgrade().unwrap();
        cluster.create_topic("made-by-a-hook", 1);
        cluster.once(ApiKey::PRODUCE, |_| Fault::Disconnect).keep();
        Fault::Pass
    });
    assert_eq!(broker.produce(9, batch(1, 0, 1)).await.error_code, 0);
    assert_eq!(cluster.offsets("made-by-a-hook", 0), Some((0, 0)));
    broker.send(9, &produce("t", 0, batch(1, 0, 1))).await;
    assert!(broker.is_cut().await);
}

#[tokio::test(start_paused = true)]
async fn answers_are_changed() {
    let cluster = small().await;
    let mut broker = Connection::open(&cluster, 0);
    let _edit = cluster.once(ApiKey::PRODUCE, |call| {
        call.edit::<ProduceRequest>(|response| {
            response.responses[0].partition_responses[0].base_offset += 100;
        })
    });
    assert_eq!(broker.produce(9, batch(1, 0, 1)).await.base_offset, 100);
    assert_eq!(cluster.offsets("t", 0), Some((0, 1)), "the broker handled it");
    let _mutate = cluster.once(ApiKey::METADATA, |_| Fault::Mutate(Box::new(|b| b.slice(..3))));
    broker.send(9, &MetadataRequest::default()).await;
    assert_eq!(broker.receive_raw().await.unwrap().len(), 4, "and one byte of the header");
    let _bytes = cluster.once(ApiKey::METADATA, |_| Fault::answer_bytes("hello"));
    broker.send(9, &MetadataRequest::default()).await;
    assert_eq!(broker.receive_raw().await.unwrap(), "\0hello");
}

#[tokio::test(start_paused = true)]
async fn delays() {
    let cluster = small().await;
    let mut broker = Connection::open(&cluster, 0);
    let start = Instant::now();
    let _guard = cluster.once(ApiKey::PRODUCE, |_| Fault::Delay(SECOND));
    broker.send(9, &produce("t", 0, batch(1, 0, 1))).await;
    tokio::time::sleep(SECOND / 2).await;
    assert_eq!(cluster.offsets("t", 0), Some((0, 0)), "not handled yet");
    assert!(broker.receive::<ProduceRequest>(9).await.is_some());
    assert_eq!(start.elapsed(), SECOND);

    let _guard = cluster.once(ApiKey::PRODUCE, |_| Fault::DelayAnswer(SECOND));
    broker.send(9, &produce("t", 0, batch(1, 0, 1))).await;
    tokio::time::sleep(SECOND / 2).await;
    assert_eq!(cluster.offsets("t", 0), Some((0, 2)), "handled, not answered");
    assert!(broker.receive::<ProduceRequest>(9).await.is_some());
    assert_eq!(start.elapsed(), SECOND * 2);
}

#[tokio::test(start_paused = true)]
async fn a_hung_connection_says_no_more() {
    let cluster = small().await;
    let mut broker = Connection::open(&cluster, 0);
    let _guard = cluster.once(ApiKey::PRODUCE, |_| Fault::Hang);
    broker.send(9, &produce("t", 0, batch(1, 0, 1))).await;
    broker.send(9, &MetadataRequest::default()).await;
    assert!(timeout(SECOND * 100, broker.receive_raw()).await.is_err());
    assert_eq!(cluster.offsets("t", 0), Some((0, 0)), "not handled");
    assert_eq!(cluster.connections(0), 1);
    drop(broker);
    tokio::time::sleep(SECOND).await;
    assert_eq!(cluster.connections(0), 0, "the broker sees that the client is gone");
}

#[tokio::test(start_paused = true)]
async fn connections_are_cut_at_any_byte() {
    let cluster = small().await;
    let answer = {
        let mut broker = Connection::open(&cluster, 0);
        broker.send(9, &MetadataRequest::default()).await;
        4 + 4 + broker.receive_raw().await.unwrap().len()
    };
    for bytes in 0..answer {
        let mut broker = Connection::open(&cluster, 0);
        let _guard = cluster.once(ApiKey::METADATA, move |_| Fault::Cut(bytes));
        broker.send(9, &MetadataRequest::default()).await;
        let mut received = Vec::new();
        broker.io.read_to_end(&mut received).await.unwrap();
        assert_eq!(received.len(), bytes);
    }
    let mut broker = Connection::open(&cluster, 0);
    let _guard = cluster.once(ApiKey::PRODUCE, |_| Fault::Cut(0));
    broker.send(9, &produce("t", 0, batch(1, 0, 1))).await;
    assert!(broker.is_cut().await);
    assert_eq!(cluster.offsets("t", 0), Some((0, 1)), "handled before the cut");
}

#[tokio::test(start_paused = true)]
async fn error_codes_come_in_their_order() {
    let cluster = small().await;
    let mut broker = Connection::open(&cluster, 0);
    let codes = [ErrorCode::REQUEST_TIMED_OUT, ErrorCode::NONE, ErrorCode::NOT_LEADER_OR_FOLLOWER];
    let keys = [
        ApiKey::PRODUCE,
        ApiKey::FETCH,
        ApiKey::LIST_OFFSETS,
        ApiKey::METADATA,
        ApiKey::CREATE_TOPICS,
    ];
    for key in keys {
        cluster.fail_next(key, codes);
    }
    for (at, expected) in codes.into_iter().chain([ErrorCode::NONE]).enumerate() {
        let produced = broker.produce(10, batch(1, 0, 1)).await;
        assert_eq!(code(produced.error_code), expected);
        assert_eq!(code(broker.fetch(12, 0).await.error_code), expected);
        assert_eq!(code(broker.list_offset(7, -1).await.error_code), expected);
        let topic = only(broker.metadata(9, &["t"]).await.topics);
        assert_eq!(code(topic.error_code), expected);
        let topic = CreatableTopic {
            name: format!("new-{at}"),
            num_partitions: 1,
            replication_factor: 1,
            ..Default::default()
        };
        let create = CreateTopicsRequest { topics: vec![topic], ..Default::default() };
        assert_eq!(code(only(broker.call(5, &create).await.topics).error_code), expected);
    }
    assert_eq!(cluster.offsets("t", 0), Some((0, 2)), "only what succeeded");
    assert_eq!((cluster.offsets("new-0", 0), cluster.offsets("new-1", 0)), (None, Some((0, 0))));
    let _guard = cluster.once(ApiKey::PRODUCE, |_| Fault::Error(ErrorCode::INVALID_TXN_STATE));
    let produced = broker.produce(9, batch(1, 0, 1)).await;
    assert_eq!(code(produced.error_code), ErrorCode::INVALID_TXN_STATE);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_connection_is_not_read() {
    for (version, api, first, second) in [("4.3", 9, 0, 1), ("1.1", 5, 1, 2)] {
        let cluster = start(FakeCluster::builder().topic("t", 1).kafka_version(version)).await;
        let mut broker = Connection::open(&cluster, 0);
        cluster.throttle(ApiKey::PRODUCE, SECOND);
        let start = Instant::now();
        let request = produce("t", 0, batch(1, 0, 1));
        for expected in [first, second] {
            assert_eq!(broker.call(api, &request).await.throttle_time_ms, 1000);
            assert_eq!(start.elapsed(), SECOND * expected, "{version}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn requests_are_logged() {
    let cluster = start(FakeCluster::builder().brokers(2).topic("t", 1)).await;
    let start = Instant::now();
    let mut zero = Connection::open(&cluster, 0);
    let mut one = Connection::open(&cluster, 1);
    zero.metadata(9, &["t"]).await;
    tokio::time::sleep(SECOND).await;
    one.metadata(8, &["u"]).await;
    zero.produce(9, batch(1, 0, 1)).await;
    let log = cluster.requests();
    let seen: Vec<_> = log.iter().map(|it| (it.broker, it.api_key, it.api_version)).collect();
    assert_eq!(seen, [(0, ApiKey::METADATA, 9), (1, ApiKey::METADATA, 8), (0, ApiKey::PRODUCE, 9)]);
    assert_eq!(log[0].connection, log[2].connection);
    assert_ne!(log[0].connection, log[1].connection);
    assert_eq!((log[0].at - start, log[1].at - start), (Duration::ZERO, SECOND));
    assert_eq!(log[1].request::<MetadataRequest>().topics.unwrap()[0].name.as_deref(), Some("u"));
    cluster.clear_requests();
    assert!(cluster.requests().is_empty());
    let silent = start_silent().await;
    Connection::open(&silent, 0).metadata(9, &[]).await;
    assert!(silent.requests().is_empty());
}

async fn start_silent() -> FakeCluster {
    start(FakeCluster::builder().request_log(false)).await
}

#[tokio::test(start_paused = true)]
async fn dropping_the_cluster_ends_it() {
    let cluster = small().await;
    let mut broker = Connection::open(&cluster, 0);
    let connector = cluster.pipes();
    broker.send(12, &FetchRequest { max_wait_ms: 60_000, min_bytes: 1, ..fetch("t", 0, 0) }).await;
    tokio::time::sleep(SECOND).await;
    drop(cluster);
    let start = Instant::now();
    assert!(broker.is_cut().await);
    assert_eq!(start.elapsed(), Duration::ZERO, "at once, not when the poll ends");
    assert!(connector.open("broker-0", 9092).is_err());
    assert!(connector.0.upgrade().is_none(), "nothing is left");
}
