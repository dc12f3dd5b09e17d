//! A connection against a scripted broker at the other end of a pipe, under paused time.

mod opening;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures::{FutureExt, SinkExt, StreamExt};
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex,
};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::codec::Framed;
use tower_service::Service;

use super::*;
use crate::protocol::messages::api_versions::{
    ApiVersion, ApiVersionsRequest, ApiVersionsResponse,
};
use crate::protocol::messages::find_coordinator::{
    FindCoordinatorRequest, FindCoordinatorResponse,
};
use crate::protocol::messages::flexible_from;
use crate::protocol::{ApiKey, ErrorCode, Request, RequestHeader, ResponseHeader};

const SECOND: Duration = Duration::from_secs(1);
/// Flexible, and throttled by the client.
const VERSION: i16 = 3;

/// The far end of a connection.
struct Broker(Framed<DuplexStream, FrameCodec>);

impl Broker {
    fn new(io: DuplexStream) -> Self {
        Self(Framed::new(io, FrameCodec::new(1 << 20)))
    }

    async fn frame(&mut self) -> (RequestHeader, Bytes) {
        let mut frame = self.0.next().await.unwrap().unwrap();
        let header = RequestHeader::decode(&mut frame, flexible_from).unwrap();
        (header, frame)
    }

    /// The next request, which must be [`find`]: its correlation id and key.
    async fn request(&mut self) -> (i32, String) {
        let (header, body) = self.frame().await;
        assert_eq!((header.api_key, header.api_version), (ApiKey::FIND_COORDINATOR, VERSION));
        assert_eq!(header.client_id.as_deref(), Some("tester"));
        let request = crate::wire::decode_all::<FindCoordinatorRequest>(
            body,
            FindCoordinatorRequest::version(VERSION),
        );
        (header.correlation_id, request.unwrap().key)
    }

    async fn send(&mut self, frame: Bytes) {
        self.0.send(frame).await.unwrap();
    }

    async fn answer(&mut self, correlation_id: i32, node_id: i32) {
        self.send(found(correlation_id, node_id, 0)).await;
    }

    async fn raw(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).await.unwrap();
    }

    /// Whether the client has sent anything that is still to be read.
    fn is_silent(&mut self) -> bool {
        self.0.next().now_or_never().is_none()
    }
}

fn find(key: &str) -> FindCoordinatorRequest {
    FindCoordinatorRequest { key: key.to_owned(), ..Default::default() }
}

fn response<R: Request>(correlation_id: i32, version: i16, body: &R::Response) -> Bytes
where
    R::Response: crate::wire::Wire,
{
    use crate::wire::Wire;

    let mut frame = BytesMut::new();
    ResponseHeader { correlation_id }.encode::<R>(version, &mut frame).unwrap();
    body.encode(&mut frame, R::version(version)).unwrap();
    frame.freeze()
}

fn found(correlation_id: i32, node_id: i32, throttle_time_ms: i32) -> Bytes {
    let body = FindCoordinatorResponse { throttle_time_ms, node_id, ..Default::default() };
    response::<FindCoordinatorRequest>(correlation_id, VERSION, &body)
}

fn versions(error: ErrorCode) -> ApiVersionsResponse {
    let range = |api_key, max_version| ApiVersion { api_key, max_version, ..Default::default() };
    let api_keys = vec![range(10, VERSION), range(18, 4)];
    ApiVersionsResponse { error_code: error.0, api_keys, ..Default::default() }
}

fn config() -> ConnectionConfig {
    ConnectionConfig {
        client_id: "tester".to_owned(),
        max_in_flight: 2,
        max_frame_size: 1 << 20,
        request_timeout: 5 * SECOND,
        ..ConnectionConfig::default()
    }
}

/// Hands out pipes; without one, nobody listens.
#[derive(Debug, Default)]
struct Pipes(Mutex<VecDeque<DuplexStream>>);

impl Connect for Pipes {
    fn connect(&self, _host: &str, _port: u16) -> Connecting {
        let pipe = self.0.lock().unwrap().pop_front();
        Box::pin(async move {
            let pipe = pipe.ok_or(io::ErrorKind::ConnectionRefused)?;
            Ok(Box::new(pipe) as Box<dyn Io>)
        })
    }
}

fn pipes<const N: usize>() -> (Pipes, [Broker; N]) {
    let pipes = Pipes::default();
    let brokers = std::array::from_fn(|_| {
        let (near, far) = duplex(1 << 16);
        pipes.0.lock().unwrap().push_back(near);
        Broker::new(far)
    });
    (pipes, brokers)
}

async fn open(pipes: &Pipes) -> Result<Connection, TransportError> {
    Connection::open(pipes, "broker", 9092, &config()).await
}

async fn connect_over(near: impl Io, broker: &mut Broker) -> Connection {
    let link = link::Link::start(near, &config());
    let shake = handshake::shake(&link, handshake::FIRST_ATTEMPT, SECOND);
    let (versions, ()) = tokio::join!(shake, async {
        let (header, _) = broker.frame().await;
        let answer = versions(ErrorCode::NONE);
        broker.send(response::<ApiVersionsRequest>(header.correlation_id, 4, &answer)).await;
    });
    Connection::new(link, versions.unwrap(), &config())
}

/// A connection after the handshake, over a pipe that holds so many bytes.
async fn connect(buffer: usize) -> (Connection, Broker) {
    let (near, far) = duplex(buffer);
    let mut broker = Broker::new(far);
    (connect_over(near, &mut broker).await, broker)
}

async fn start(
    connection: &Connection,
    key: &str,
    timeout: Duration,
) -> Result<Answer<FindCoordinatorRequest>, TransportError> {
    connection.start_at(VERSION, &find(key), timeout).await
}

fn node(answer: Result<FindCoordinatorResponse, TransportError>) -> i32 {
    answer.unwrap().node_id
}

/// Lets the driver do all that it can.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

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

/// One byte at a time, in both directions.
struct Trickle(DuplexStream);

impl AsyncRead for Trickle {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut one = [0];
        let mut byte = ReadBuf::new(&mut one);
        let read = Pin::new(&mut self.0).poll_read(cx, &mut byte);
        buf.put_slice(byte.filled());
        read
    }
}

impl AsyncWrite for Trickle {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf.get(..1).unwrap_or(buf))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn single_bytes_make_frames() {
    let (near, far) = duplex(1 << 16);
    let mut broker = Broker::new(far);
    let connection = connect_over(Trickle(near), &mut broker).await;
    for node_id in 0..3 {
        let answer = start(&connection, "a", SECOND).await.unwrap();
        let (id, _) = broker.request().await;
        broker.answer(id, node_id).await;
        assert_eq!(node(answer.await), node_id);
    }
}

#[tokio::test(start_paused = true)]
async fn buffered_streams_are_flushed() {
    let (near, far) = duplex(1 << 16);
    let mut broker = Broker::new(far);
    let connection = connect_over(tokio::io::BufStream::new(near), &mut broker).await;
    let answer = start(&connection, "a", SECOND).await.unwrap();
    let (id, _) = broker.request().await;
    broker.answer(id, 1).await;
    assert_eq!(node(answer.await), 1);
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

#[tokio::test]
async fn over_tcp() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connector = TcpConnector::default();
    let config = config();
    let (connection, mut socket) =
        tokio::join!(Connection::open(&connector, "localhost", port, &config), async {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut bytes = vec![0; usize::try_from(socket.read_i32().await.unwrap()).unwrap()];
            socket.read_exact(&mut bytes).await.unwrap();
            let frame = response::<ApiVersionsRequest>(0, 4, &versions(ErrorCode::NONE));
            socket.write_i32(i32::try_from(frame.len()).unwrap()).await.unwrap();
            socket.write_all(&frame).await.unwrap();
            socket
        });
    drop(connection.unwrap());
    assert_eq!(socket.read(&mut [0]).await.unwrap(), 0);
}
