//! The handle to a connection, and the answers to come. Knows requests, versions and throttling;
//! the driver knows the socket.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::PollSemaphore;

use super::handshake::{self, FIRST_ATTEMPT, LAST_RESORT, Versions};
use super::link::{Link, Received};
use super::{Connect, TransportError};
use crate::protocol::{Request, ResponseHeader};

/// Settings of one connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectionConfig {
    /// Names the client in the broker's logs, metrics and quotas (property `client.id`); empty
    /// for none. Default: `kafkio`.
    pub client_id: String,
    /// For the connect and the handshake together. Default: 10 s.
    pub connect_timeout: Duration,
    /// For requests that come without a time of their own: those of the tower service, and those
    /// without an answer (property `request.timeout.ms`). Default: 30 s.
    pub request_timeout: Duration,
    /// The largest response that is accepted, in bytes. Default: 128 MiB; a broker sends more
    /// than asked for only if a single batch is larger.
    pub max_frame_size: usize,
    /// Requests without an answer yet; more wait. Default: 64, which no caller should meet: a
    /// guard against a broker that is slower than its clients. What has to be in order limits
    /// itself (property `max.in.flight.requests.per.connection`, for writers).
    pub max_in_flight: usize,
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        Self {
            client_id: "kafkio".to_owned(),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            max_frame_size: 128 << 20,
            max_in_flight: 64,
        }
    }
}

/// A handle to a connection. Clones share it; it is closed when the last of them and the last
/// [`Answer`] are dropped.
///
/// It is a [`Service`](tower_service::Service) of every [`Request`]: `poll_ready` reserves a place
/// among the requests in flight, `call` spends it. A clone has no place reserved.
pub struct Connection {
    shared: Arc<Shared>,
    reserving: PollSemaphore,
    reserved: Option<OwnedSemaphorePermit>,
}

struct Shared {
    link: Link,
    versions: Versions,
    request_timeout: Duration,
}

impl Connection {
    /// Connects, learns what the broker speaks, and starts the task that drives the connection.
    ///
    /// # Errors
    ///
    /// Nobody listens there, or not a Kafka broker that speaks plain text: the error says what it
    /// looks like.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what has been opened.
    pub async fn open(
        connector: &dyn Connect,
        host: &str,
        port: u16,
        config: &ConnectionConfig,
    ) -> Result<Self, TransportError> {
        let attempt = Attempt {
            connector,
            host,
            port,
            config,
            deadline: Instant::now() + config.connect_timeout,
        };
        match attempt.run(FIRST_ATTEMPT).await {
            // Some brokers hang up instead of saying that they do not know the version.
            Err(TransportError::ClosedInHandshake { .. }) => attempt.run(LAST_RESORT).await,
            result => result,
        }
    }

    pub(super) fn new(link: Link, versions: Versions, config: &ConnectionConfig) -> Self {
        let reserving = PollSemaphore::new(link.slots().clone());
        let shared = Shared { link, versions, request_timeout: config.request_timeout };
        Self { shared: Arc::new(shared), reserving, reserved: None }
    }

    /// The highest version of the request that both sides speak.
    ///
    /// # Errors
    ///
    /// There is none: the broker is too old or too new.
    pub fn version<R: Request>(&self) -> Result<i16, TransportError> {
        self.shared.versions.best::<R>()
    }

    /// Sends a request in the highest version that both sides speak, and waits for the answer.
    ///
    /// The time begins when the request is the oldest on the connection, because brokers work on
    /// one after the other. When it is over, the connection ends.
    ///
    /// # Errors
    ///
    /// The request cannot be sent, or the connection ended before the answer came.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the answer; the request may have been sent or not.
    pub async fn call<R: Request>(
        &self,
        request: &R,
        timeout: Duration,
    ) -> Result<R::Response, TransportError> {
        self.start_at(self.version::<R>()?, request, timeout).await?.await
    }

    /// Waits for a place among the requests in flight, hands the request to the driver, and
    /// returns the answer to come. Requests are written in the order in which this returns.
    ///
    /// # Errors
    ///
    /// The broker does not speak that version, the request cannot be encoded in it, or the
    /// connection has ended: in any case the request was not sent.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future means that the request is not sent.
    pub async fn start_at<R: Request>(
        &self,
        version: i16,
        request: &R,
        timeout: Duration,
    ) -> Result<Answer<R>, TransportError> {
        self.shared.versions.check::<R>(version)?;
        let slot = self.shared.link.slot().await?;
        self.start(version, request, timeout, slot)
    }

    fn start<R: Request>(
        &self,
        version: i16,
        request: &R,
        timeout: Duration,
        slot: OwnedSemaphorePermit,
    ) -> Result<Answer<R>, TransportError> {
        let received = self.shared.link.submit(version, request, timeout, slot, true)?;
        let waiting = Waiting { received, version, shared: self.shared.clone() };
        Ok(Answer { outcome: Outcome::Waiting(waiting), request: PhantomData })
    }

    /// Sends a request that the broker does not answer (a produce request with `acks=0`), and
    /// waits until it has been written to the socket.
    ///
    /// # Errors
    ///
    /// As for [`start_at`](Self::start_at), or the connection ended while the request was being
    /// written.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves open whether the request is sent.
    pub async fn send_only<R: Request>(
        &self,
        version: i16,
        request: &R,
    ) -> Result<(), TransportError> {
        let Shared { link, versions, request_timeout } = &*self.shared;
        versions.check::<R>(version)?;
        let slot = link.slot().await?;
        let written = link.submit(version, request, *request_timeout, slot, false)?;
        written.await.unwrap_or_else(|_| Err(link.ended())).map(drop)
    }

    /// Whether the connection has ended, so that every request fails from now on.
    pub fn is_closed(&self) -> bool {
        self.shared.link.is_closed()
    }
}

impl Clone for Connection {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), reserving: self.reserving.clone(), reserved: None }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("closed", &self.is_closed())
            .field("free_slots", &self.shared.link.slots().available_permits())
            .finish_non_exhaustive()
    }
}

impl<R: Request> tower_service::Service<R> for Connection {
    type Response = R::Response;
    type Error = TransportError;
    type Future = Answer<R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        if self.reserved.is_none() {
            self.reserved = ready!(self.reserving.poll_acquire(cx));
        }
        Poll::Ready(match self.reserved {
            Some(_) => Ok(()),
            None => Err(self.shared.link.ended().for_unsent()),
        })
    }

    /// # Panics
    ///
    /// Without `poll_ready` before it.
    fn call(&mut self, request: R) -> Answer<R> {
        let slot = self.reserved.take().expect("poll_ready comes before call");
        let answer = self
            .version::<R>()
            .and_then(|version| self.start(version, &request, self.shared.request_timeout, slot));
        answer.unwrap_or_else(|error| Answer {
            outcome: Outcome::Failed(error),
            request: PhantomData,
        })
    }
}

/// The answer to come. It is decoded where it is awaited, as slices of the frame.
///
/// # Cancel safety
///
/// Dropping it abandons the answer, not the request: unless the request was still waiting to be
/// written, the broker acts on it, and its place stays taken until then.
#[must_use = "futures do nothing unless polled"]
pub struct Answer<R> {
    outcome: Outcome,
    request: PhantomData<fn() -> R>,
}

enum Outcome {
    Waiting(Waiting),
    Failed(TransportError),
}

struct Waiting {
    received: Received,
    version: i16,
    /// Keeps the connection open, and is told to be silent.
    shared: Arc<Shared>,
}

impl Waiting {
    fn decode<R: Request>(&self, mut frame: Bytes) -> Result<R::Response, TransportError> {
        let version = self.version;
        let response = ResponseHeader::skip_tags::<R>(&mut frame, version)
            .and_then(|()| R::decode_response(version, frame))
            .map_err(|source| TransportError::Decode { api: R::KEY, version, source })?;
        let throttle = R::throttle(&response, version);
        if !throttle.is_zero() {
            tracing::debug!(api = %R::KEY, ?throttle, "the broker asks for silence");
            self.shared.link.mute(throttle);
        }
        Ok(response)
    }
}

impl<R: Request> Future for Answer<R> {
    type Output = Result<R::Response, TransportError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let waiting = match &mut self.outcome {
            Outcome::Waiting(waiting) => waiting,
            Outcome::Failed(error) => return Poll::Ready(Err(error.clone())),
        };
        let received = ready!(Pin::new(&mut waiting.received).poll(cx));
        let frame = received.unwrap_or_else(|_| Err(waiting.shared.link.ended()));
        Poll::Ready(frame.and_then(|frame| waiting.decode::<R>(frame)))
    }
}

impl<R: Request> fmt::Debug for Answer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({})", R::KEY)
    }
}

/// One attempt to open a connection.
struct Attempt<'a> {
    connector: &'a dyn Connect,
    host: &'a str,
    port: u16,
    config: &'a ConnectionConfig,
    deadline: Instant,
}

impl Attempt<'_> {
    async fn run(&self, version: i16) -> Result<Connection, TransportError> {
        let address = || format!("{}:{}", self.host, self.port);
        let after = self.config.connect_timeout;
        let connecting = self.connector.connect(self.host, self.port);
        let io = match timeout_at(self.deadline, connecting).await {
            Ok(Ok(io)) => io,
            Ok(Err(error)) => {
                let source = Arc::new(error);
                return Err(TransportError::Connect { address: address(), source });
            }
            Err(_) => {
                return Err(TransportError::ConnectTimeout { address: address(), after });
            }
        };
        let link = Link::start(io, self.config);
        match timeout_at(self.deadline, handshake::shake(&link, version, after)).await {
            Ok(Ok(versions)) => {
                tracing::debug!(host = self.host, port = self.port, "connected");
                Ok(Connection::new(link, versions, self.config))
            }
            // The request of the handshake has the same time, and may be the first to notice.
            Ok(Err(TransportError::TimedOut { .. })) | Err(_) => {
                Err(TransportError::HandshakeTimeout { address: address(), after })
            }
            Ok(Err(error)) => Err(in_handshake(error, &address())),
        }
    }
}

/// Says what ended a connection in the words of a handshake.
fn in_handshake(error: TransportError, address: &str) -> TransportError {
    let cause = match error {
        TransportError::Unsent { cause } => Arc::unwrap_or_clone(cause),
        error => error,
    };
    if cause.is_disconnect() {
        return TransportError::ClosedInHandshake { address: address.to_owned() };
    }
    cause
}
