//! The sending end of a driver: encodes requests and hands them over. Knows headers and slots,
//! not what the broker speaks.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use bytes::{BufMut, Bytes};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::connector::Io;
use super::driver::{Driver, Status};
use super::queue::{Call, Ticket};
use super::{ConnectionConfig, FrameCodec, TransportError};
use crate::protocol::{Request, RequestHeader};
use crate::task::{self, Task};
use crate::wire::{EncodeError, Output};

/// A running driver, and the way to it. Dropping it closes the socket.
#[derive(Debug)]
pub(super) struct Link {
    calls: mpsc::UnboundedSender<Call>,
    status: Arc<Status>,
    next_correlation_id: AtomicI32,
    client_id: Option<String>,
    _driver: Task<()>,
}

/// What comes back for a request: the frame behind its correlation id.
pub(super) type Received = oneshot::Receiver<Result<Bytes, TransportError>>;

impl Link {
    /// Starts the driver.
    pub(super) fn start(io: impl Io, config: &ConnectionConfig) -> Self {
        let (calls, queue) = mpsc::unbounded_channel();
        let status = Status::new(config.max_in_flight);
        let codec = FrameCodec::new(config.max_frame_size);
        let driver = Driver::new(io, codec, queue, status.clone());
        Self {
            calls,
            status,
            next_correlation_id: AtomicI32::new(0),
            client_id: Some(config.client_id.clone()).filter(|id| !id.is_empty()),
            _driver: task::spawn(driver.run()),
        }
    }

    /// The places for requests without an answer; closed when the connection has ended.
    pub(super) fn slots(&self) -> &Arc<Semaphore> {
        &self.status.slots
    }

    /// Waits for a place.
    ///
    /// # Errors
    ///
    /// The connection has ended.
    pub(super) async fn slot(&self) -> Result<OwnedSemaphorePermit, TransportError> {
        self.slots().clone().acquire_owned().await.map_err(|_| self.ended().for_unsent())
    }

    /// Encodes a request in the caller's task, and hands it to the driver. If it is not
    /// `answered`, what comes back is empty and says that it has been written.
    ///
    /// # Errors
    ///
    /// It cannot be encoded, or the connection has ended: in any case it was not sent.
    pub(super) fn submit<R: Request>(
        &self,
        version: i16,
        request: &R,
        timeout: Duration,
        slot: OwnedSemaphorePermit,
        answered: bool,
    ) -> Result<Received, TransportError> {
        // Wraps around; ids need only differ from those of the requests that are in flight.
        let correlation_id = self.next_correlation_id.fetch_add(1, Ordering::Relaxed);
        let header = RequestHeader {
            api_key: R::KEY,
            api_version: version,
            correlation_id,
            client_id: self.client_id.clone(),
        };
        let frame = encode(&header, request).map_err(|source| TransportError::Encode {
            api: R::KEY,
            version,
            source,
        })?;
        let (reply, received) = oneshot::channel();
        let ticket = Ticket { api: R::KEY, correlation_id, timeout, reply, slot };
        self.calls.send(Call { frame, answered, ticket }).map_err(|_| self.ended().for_unsent())?;
        Ok(received)
    }

    /// Lets nothing be written for that time.
    pub(super) fn mute(&self, time: Duration) {
        self.status.mute(time);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.calls.is_closed()
    }

    /// What ended the connection.
    pub(super) fn ended(&self) -> TransportError {
        self.status.cause()
    }
}

/// The length, the header and the body.
fn encode<R: Request>(header: &RequestHeader, request: &R) -> Result<Output, EncodeError> {
    let mut frame = Output::with_capacity(256);
    frame.put_i32(0);
    header.encode::<R>(&mut frame)?;
    request.encode_body(header.api_version, &mut frame)?;
    let length = frame.len() - size_of::<i32>();
    let length = i32::try_from(length).map_err(|_| EncodeError::Length)?;
    if let Some(prefix) = frame.first_chunk_mut() {
        *prefix = length.to_be_bytes();
    }
    Ok(frame)
}
