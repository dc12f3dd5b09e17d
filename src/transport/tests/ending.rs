//! How connections end, and what that says of each request.

use bytes::{BufMut, BytesMut};
use futures::StreamExt;
use tokio::time::Instant;

use super::*;

#[tokio::test(start_paused = true)]
async fn silence_ends_the_connection() {
    let (connection, mut broker) = connect(1 << 16).await;
    let began = Instant::now();
    let a = start(&connection, "a", 2 * SECOND).await.unwrap();
    let b = start(&connection, "b", SECOND).await.unwrap();
    broker.request().await;
    let (api, after) = (ApiKey::FIND_COORDINATOR, 2 * SECOND);
    match a.await {
        Err(TransportError::TimedOut { api: a, after: t }) => assert_eq!((a, t), (api, after)),
        other => panic!("{other:?}"),
    }
    assert_eq!(began.elapsed().as_secs(), 2);
    let error = b.await.unwrap_err();
    assert!(matches!(error, TransportError::Lost { .. }) && !error.is_unsent(), "{error:?}");
    assert!(connection.is_closed());
    let error = start(&connection, "c", SECOND).await.unwrap_err();
    assert!(error.is_unsent() && error.is_retriable(), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_written_within_the_time_is_unsent() {
    let (connection, broker) = connect(64).await;
    let large = start(&connection, &"x".repeat(100), SECOND).await.unwrap();
    let behind = start(&connection, "behind", 9 * SECOND).await.unwrap();
    // 64 bytes of the first are in the pipe, and nobody reads them.
    let error = large.await.unwrap_err();
    assert!(error.is_timeout() && !error.is_unsent(), "{error:?}");
    let error = behind.await.unwrap_err();
    assert!(error.is_unsent() && !error.is_timeout(), "{error:?}");
    drop(broker);
}

#[tokio::test(start_paused = true)]
async fn frames_out_of_bounds_end_the_connection() {
    for length in [0, 3, -1, i32::MIN, i32::MAX, (1 << 20) + 1] {
        let (connection, mut broker) = connect(1 << 16).await;
        let a = start(&connection, "a", SECOND).await.unwrap();
        broker.request().await;
        broker.raw(&length.to_be_bytes()).await;
        match a.await {
            Err(TransportError::FrameSize { length: l, .. }) => assert_eq!(l, i64::from(length)),
            other => panic!("{length}: {other:?}"),
        }
        assert!(connection.is_closed());
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_correlation_id_ends_the_connection() {
    let (connection, mut broker) = connect(1 << 16).await;
    let a = start(&connection, "a", SECOND).await.unwrap();
    let (id, _) = broker.request().await;
    broker.answer(id + 1, 1).await;
    match a.await {
        Err(TransportError::Correlation { expected, received }) => {
            assert_eq!((expected, received), (id, id + 1));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn unsolicited_frame_ends_the_connection() {
    let (connection, mut broker) = connect(1 << 16).await;
    broker.answer(99, 1).await;
    settle().await;
    let error = start(&connection, "a", SECOND).await.unwrap_err();
    let TransportError::Unsent { cause } = error else { panic!("{error:?}") };
    assert!(matches!(*cause, TransportError::Unsolicited { received: 99 }));
}

#[tokio::test(start_paused = true)]
async fn eof_is_noticed_while_idle() {
    let (connection, broker) = connect(1 << 16).await;
    assert!(!connection.is_closed());
    drop(broker);
    settle().await;
    assert!(connection.is_closed());
    let error = start(&connection, "a", SECOND).await.unwrap_err();
    assert!(error.is_unsent(), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn cut_at_every_byte() {
    let length = 4 + found(0, 1, 0).len();
    for at in 0..=length {
        let (connection, mut broker) = connect(1 << 16).await;
        let answer = start(&connection, "a", SECOND).await.unwrap();
        let (id, _) = broker.request().await;
        let mut bytes = BytesMut::new();
        bytes.put_u32(u32::try_from(length - 4).unwrap());
        bytes.put(found(id, 1, 0));
        broker.raw(&bytes[..at]).await;
        drop(broker);
        match answer.await {
            Ok(found) if at == length => assert_eq!(found.node_id, 1),
            Err(TransportError::Closed) if at == 0 => {}
            Err(TransportError::Truncated { received }) if at < length => assert_eq!(received, at),
            other => panic!("cut at {at}: {other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_come_keeps_the_connection() {
    let (connection, mut broker) = connect(1 << 16).await;
    let a = start(&connection, "a", SECOND).await.unwrap();
    let clone = connection.clone();
    drop(connection);
    drop(clone);
    let (id, _) = broker.request().await;
    broker.answer(id, 1).await;
    assert_eq!(node(a.await), 1);
    // That was the last handle: the driver is gone, and the socket with it.
    assert!(broker.0.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn last_words_are_heard_when_writing_fails() {
    let (connection, mut broker) = connect(1 << 16).await;
    let a = start(&connection, "a", SECOND).await.unwrap();
    let (id, _) = broker.request().await;
    broker.answer(id, 1).await;
    drop(broker);
    // Writing this fails, and the answer to the other is still there to be read.
    let b = start(&connection, "b", SECOND).await.unwrap();
    assert_eq!(node(a.await), 1);
    let error = b.await.unwrap_err();
    assert!(error.is_unsent(), "{error:?}");
}
