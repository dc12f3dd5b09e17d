//! Requests and their answers on a connection that stays: order, slots, times, throttling.

use std::future::poll_fn;
use std::task::Context;

use bytes::{BufMut, BytesMut};
use futures::FutureExt;
use tokio::time::{Instant, sleep, timeout};
use tower_service::Service;

use super::*;

#[tokio::test(start_paused = true)]
async fn pipelines() {
    let (connection, mut broker) = connect(1 << 16).await;
    let a = start(&connection, "a", SECOND).await.unwrap();
    let b = start(&connection, "b", SECOND).await.unwrap();
    let (first, second) = (broker.request().await, broker.request().await);
    assert_eq!((first.1.as_str(), second.1.as_str()), ("a", "b"));
    broker.answer(first.0, 1).await;
    broker.answer(second.0, 2).await;
    assert_eq!((node(a.await), node(b.await)), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn abandoned_half_written_request_disturbs_nobody() {
    let (connection, mut broker) = connect(3).await;
    let a = start(&connection, "first", SECOND).await.unwrap();
    settle().await;
    drop(a);
    let b = start(&connection, "second", SECOND).await.unwrap();
    let ((), b) = tokio::join!(
        async {
            for expected in ["first", "second"] {
                let (id, key) = broker.request().await;
                assert_eq!(key, expected);
                broker.answer(id, 7).await;
            }
        },
        b
    );
    assert_eq!(node(b), 7);
}

#[tokio::test(start_paused = true)]
async fn abandoned_unwritten_request_is_skipped() {
    let (connection, mut broker) = connect(1 << 16).await;
    drop(start(&connection, "a", SECOND).await.unwrap());
    drop(start(&connection, "b", SECOND).await.unwrap());
    let c = start(&connection, "c", SECOND).await.unwrap();
    let (id, key) = broker.request().await;
    assert_eq!(key, "c");
    broker.answer(id, 1).await;
    assert_eq!(node(c.await), 1);
}

#[tokio::test(start_paused = true)]
async fn abandoned_written_requests_keep_their_slots() {
    let (connection, mut broker) = connect(1 << 16).await;
    for key in ["a", "b"] {
        let answer = start(&connection, key, 5 * SECOND).await.unwrap();
        settle().await;
        drop(answer);
    }
    let waiting = timeout(SECOND, start(&connection, "c", SECOND)).await;
    assert!(waiting.is_err(), "a third request was let through");
    let (id, _) = broker.request().await;
    broker.answer(id, 1).await;
    let c = start(&connection, "c", SECOND).await.unwrap();
    // The one that timed out while it waited for a slot was never sent.
    let (second, third) = (broker.request().await, broker.request().await);
    assert_eq!((second.1.as_str(), third.1.as_str()), ("b", "c"));
    broker.answer(second.0, 2).await;
    broker.answer(third.0, 3).await;
    assert_eq!(node(c.await), 3);
}

#[tokio::test(start_paused = true)]
async fn a_stalled_write_does_not_stop_reading() {
    let (connection, mut broker) = connect(64).await;
    let a = start(&connection, "a", SECOND).await.unwrap();
    let (id, _) = broker.request().await;
    let large = start(&connection, &"x".repeat(10_000), SECOND).await.unwrap();
    settle().await;
    broker.answer(id, 1).await;
    assert_eq!(node(a.await), 1);
    let (id, key) = broker.request().await;
    assert_eq!(key.len(), 10_000);
    broker.answer(id, 2).await;
    assert_eq!(node(large.await), 2);
}

#[tokio::test(start_paused = true)]
async fn time_runs_from_being_the_oldest() {
    let (connection, mut broker) = connect(1 << 16).await;
    let slow = start(&connection, "long poll", 10 * SECOND).await.unwrap();
    let quick = start(&connection, "quick", SECOND).await.unwrap();
    let (first, second) = (broker.request().await, broker.request().await);
    sleep(9 * SECOND).await;
    broker.answer(first.0, 1).await;
    assert_eq!(node(slow.await), 1);
    sleep(SECOND / 2).await;
    broker.answer(second.0, 2).await;
    assert_eq!(node(quick.await), 2);
    // The timer has been too early twice by now; it still guards the next request.
    let began = Instant::now();
    let last = start(&connection, "last", SECOND).await.unwrap();
    assert!(last.await.unwrap_err().is_timeout());
    assert_eq!(began.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn damaged_body_fails_only_its_request() {
    let (connection, mut broker) = connect(1 << 16).await;
    let a = start(&connection, "a", SECOND).await.unwrap();
    let (id, _) = broker.request().await;
    let mut bytes = BytesMut::from(&found(id, 1, 0)[..]);
    bytes.put_u8(0);
    broker.send(bytes.freeze()).await;
    let error = a.await.unwrap_err();
    assert!(matches!(error, TransportError::Decode { version: VERSION, .. }), "{error:?}");
    let b = start(&connection, "b", SECOND).await.unwrap();
    let (id, _) = broker.request().await;
    broker.answer(id, 2).await;
    assert_eq!(node(b.await), 2);
}

#[tokio::test(start_paused = true)]
async fn versions_are_checked_before_sending() {
    let (connection, mut broker) = connect(1 << 16).await;
    assert_eq!(connection.version::<FindCoordinatorRequest>().unwrap(), VERSION);
    let late = connection.start_at(VERSION + 1, &find("a"), SECOND).await.unwrap_err();
    assert!(matches!(late, TransportError::Unsupported { .. }) && late.is_unsent());
    // Version 0 has no key type.
    let typed = FindCoordinatorRequest { key_type: 1, ..find("a") };
    let encode = connection.start_at(0, &typed, SECOND).await.unwrap_err();
    assert!(matches!(encode, TransportError::Encode { .. }) && encode.is_unsent());
    settle().await;
    assert!(broker.is_silent());
}

#[tokio::test(start_paused = true)]
async fn throttle_mutes() {
    let (connection, mut broker) = connect(1 << 16).await;
    let a = start(&connection, "a", SECOND).await.unwrap();
    let (id, _) = broker.request().await;
    broker.send(found(id, 1, 3000)).await;
    assert_eq!(node(a.await), 1);
    let began = Instant::now();
    // Its second would be over before the broker listens again.
    let b = start(&connection, "b", SECOND).await.unwrap();
    sleep(SECOND * 29 / 10).await;
    assert!(broker.is_silent());
    let (id, _) = broker.request().await;
    assert_eq!(began.elapsed().as_millis(), 3000);
    sleep(SECOND / 2).await;
    broker.answer(id, 2).await;
    assert_eq!(node(b.await), 2);
}

#[tokio::test(start_paused = true)]
async fn throttle_extends_the_time_of_what_was_sent_before() {
    let (connection, mut broker) = connect(1 << 16).await;
    let a = start(&connection, "a", SECOND).await.unwrap();
    let b = start(&connection, "b", SECOND).await.unwrap();
    let (first, second) = (broker.request().await, broker.request().await);
    broker.send(found(first.0, 1, i32::MAX)).await;
    assert_eq!(node(a.await), 1);
    // A nonsensical time is capped.
    sleep(60 * SECOND + SECOND / 2).await;
    broker.answer(second.0, 2).await;
    assert_eq!(node(b.await), 2);
}

#[tokio::test(start_paused = true)]
async fn requests_without_an_answer() {
    let (connection, mut broker) = connect(64).await;
    // More than slots, and than the pipe holds: each waits until it is written.
    let ((), keys) = tokio::join!(
        async {
            for at in 0..5 {
                connection.send_only(VERSION, &find(&format!("{at:030}"))).await.unwrap();
            }
        },
        async {
            let mut keys: Vec<u32> = Vec::new();
            for _ in 0..5 {
                keys.push(broker.request().await.1.parse().unwrap());
            }
            keys
        }
    );
    assert_eq!(keys, [0, 1, 2, 3, 4]);
    let a = start(&connection, "a", SECOND).await.unwrap();
    let (id, _) = broker.request().await;
    broker.answer(id, 1).await;
    assert_eq!(node(a.await), 1);
    // Nobody reads any more: the connection's own time bounds the wait.
    let error = connection.send_only(VERSION, &find(&"x".repeat(100))).await.unwrap_err();
    assert!(error.is_timeout() && !error.is_unsent(), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn is_a_tower_service() {
    let (mut connection, mut broker) = connect(1 << 16).await;
    let ready = |connection: &mut Connection, cx: &mut Context<'_>| {
        Service::<FindCoordinatorRequest>::poll_ready(connection, cx)
    };
    poll_fn(|cx| ready(&mut connection, cx)).await.unwrap();
    let mut clone = connection.clone();
    let a = Service::call(&mut connection, find("a"));
    poll_fn(|cx| ready(&mut clone, cx)).await.unwrap();
    let b = Service::call(&mut clone, find("b"));
    settle().await;
    // Both slots are taken.
    assert!(poll_fn(|cx| ready(&mut clone, cx)).now_or_never().is_none());
    for (answer, name) in [(a, "a"), (b, "b")] {
        let (id, key) = broker.request().await;
        assert_eq!(key, name);
        broker.answer(id, 1).await;
        assert_eq!(node(answer.await), 1);
    }
    poll_fn(|cx| ready(&mut clone, cx)).await.unwrap();
    drop(broker);
    settle().await;
    // A place that was reserved before does not help any more.
    let error = Service::call(&mut clone, find("c")).await.unwrap_err();
    assert!(error.is_unsent(), "{error:?}");
    let error = poll_fn(|cx| ready(&mut clone, cx)).await.unwrap_err();
    assert!(error.is_unsent(), "{error:?}");
}
