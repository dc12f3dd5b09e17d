//! A connection against a scripted broker at the other end of a pipe, under paused time.

mod ending;
mod opening;
mod requests;
mod streams;

use std::collections::VecDeque;
use std::io;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt, SinkExt, StreamExt};
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio_util::codec::Framed;

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

    let mut frame = crate::wire::Output::default();
    ResponseHeader { correlation_id }.encode::<R>(version, &mut frame).unwrap();
    body.encode(&mut frame, R::version(version)).unwrap();
    frame.into_bytes()
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
