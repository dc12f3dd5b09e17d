//! Connections to brokers: reads requests, lets hooks meddle, has them handled in order, and
//! writes the answers. Knows nothing of what a request means.

use std::collections::BTreeMap;
use std::fmt;
use std::future::pending;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{sleep, sleep_until};

use super::faults::{Call, Fault, Hooks, LoggedRequest, lock};
use super::handlers::{self, Reply};
use super::state::State;
use crate::protocol::messages::flexible_from;
use crate::protocol::{ApiKey, RequestHeader};
use crate::task::{self, Task};

/// `socket.request.max.bytes`
const MAX_REQUEST: usize = 100 << 20;
/// Reserved before the bytes of a request arrive; more grows with them.
const MAX_PREALLOCATION: usize = 64 << 10;

/// What the cluster's handle, its brokers and its connections share.
pub(super) struct Shared {
    state: Mutex<State>,
    /// Wakes long polls.
    changed: watch::Sender<()>,
    pub(super) hooks: Hooks,
    log: Option<Mutex<Vec<LoggedRequest>>>,
    bytes_sent: AtomicU64,
    next_connection: AtomicU64,
    /// With the clock.
    listeners: Mutex<Vec<Task<()>>>,
    connections: Mutex<BTreeMap<i32, Vec<Task<()>>>>,
}

impl Shared {
    pub(super) fn new(state: State, keeps_log: bool) -> Self {
        Self {
            state: Mutex::new(state),
            changed: watch::Sender::new(()),
            hooks: Hooks::default(),
            log: keeps_log.then(Mutex::default),
            bytes_sent: AtomicU64::new(0),
            next_connection: AtomicU64::new(0),
            listeners: Mutex::default(),
            connections: Mutex::default(),
        }
    }

    /// Looks at the cluster.
    pub(super) fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut lock(&self.state))
    }

    /// Changes the cluster, and lets all long polls look again.
    pub(super) fn update<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = self.with(change);
        self.changed.send_replace(());
        result
    }

    /// Tells of changes from now on.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    pub(super) fn requests(&self) -> Vec<LoggedRequest> {
        self.log.as_ref().map(|log| lock(log).clone()).unwrap_or_default()
    }

    pub(super) fn clear_requests(&self) {
        if let Some(log) = &self.log {
            lock(log).clear();
        }
    }

    pub(super) fn bytes_sent(&self) -> u64 {
        self.bytes_sent.load(Ordering::Relaxed)
    }

    /// Accepts the connections of a broker for as long as the cluster lives. A broker that is down
    /// keeps its port, so that nobody else gets it, and closes what comes.
    pub(super) fn listen(self: &Arc<Self>, broker: i32, listener: TcpListener) {
        let shared = Arc::clone(self);
        let accept = task::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => {
                        // Without it, an answer may wait for the client's delayed acknowledgement.
                        let _ = stream.set_nodelay(true);
                        shared.attach(broker, stream);
                    }
                    Err(error) => {
                        tracing::debug!(broker, %error, "accept failed");
                        // Out of descriptors, most likely: gives others the time to free some.
                        sleep(Duration::from_millis(10)).await;
                    }
                }
            }
        });
        lock(&self.listeners).push(accept);
    }

    /// Does what is due, at its time, for as long as the cluster lives.
    pub(super) fn keep_time(self: &Arc<Self>) {
        let shared = Arc::clone(self);
        let alarm = self.with(|state| Arc::clone(&state.alarm));
        let clock = task::spawn(async move {
            loop {
                let due = shared.with(|state| state.next_due());
                let wait = async {
                    match due {
                        Some(due) => sleep_until(due).await,
                        None => pending().await,
                    }
                };
                tokio::select! {
                    () = alarm.notified() => {}
                    () = wait => shared.update(State::do_what_is_due),
                }
            }
        });
        lock(&self.listeners).push(clock);
    }

    /// Serves a connection to the broker, if that is up.
    pub(super) fn attach<S>(self: &Arc<Self>, broker: i32, stream: S) -> bool
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let mut connections = lock(&self.connections);
        // Looked at under the lock of the connections: `cut` waits for it, and misses none.
        if !self.with(|state| state.brokers.get(&broker).is_some_and(|it| it.is_up)) {
            return false;
        }
        let id = self.next_connection.fetch_add(1, Ordering::Relaxed);
        let shared = Arc::clone(self);
        let open = connections.entry(broker).or_default();
        open.retain(|connection| !connection.is_finished());
        open.push(task::spawn(async move {
            if let Err(error) = serve(&shared, broker, id, stream).await {
                tracing::debug!(broker, connection = id, %error, "connection ended");
            }
        }));
        true
    }

    /// Ends all connections of the broker.
    pub(super) fn cut(&self, broker: i32) {
        let ended = lock(&self.connections).remove(&broker);
        drop(ended);
    }

    /// Connections that are open now.
    pub(super) fn connections(&self, broker: i32) -> usize {
        let connections = lock(&self.connections);
        let open = connections.get(&broker).into_iter().flatten();
        open.filter(|connection| !connection.is_finished()).count()
    }

    /// Ends everything.
    pub(super) fn shut_down(&self) {
        let listeners = std::mem::take(&mut *lock(&self.listeners));
        self.with(|state| {
            for broker in state.brokers.values_mut() {
                broker.is_up = false;
            }
        });
        let connections = std::mem::take(&mut *lock(&self.connections));
        drop((listeners, connections));
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// Answers the requests of one connection, one after the other, until it ends.
async fn serve<S>(shared: &Arc<Shared>, broker: i32, id: u64, stream: S) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    let mut stream = BufReader::new(stream);
    while let Some((correlation_id, call)) = next_call(&mut stream, broker, id).await? {
        if let Some(log) = &shared.log {
            lock(log).push(LoggedRequest::new(&call));
        }
        let fault = shared.hooks.run(&call);
        let Some((body, limit)) = answer(shared, &call, fault, &mut stream).await? else {
            continue;
        };
        let frame = frame(&call, correlation_id, &body)?;
        let (throttle, answers_first) = shared.with(|state| {
            let throttle = state.throttles.get(&call.api_key).copied();
            (throttle.unwrap_or_default(), state.settings.release.throttles_after_answer())
        });
        if !answers_first {
            sleep_some(throttle).await;
        }
        let sent = frame.get(..limit).unwrap_or(&frame);
        stream.write_all(sent).await?;
        stream.flush().await?;
        shared.bytes_sent.fetch_add(sent.len() as u64, Ordering::Relaxed);
        if limit < usize::MAX {
            stream.shutdown().await?;
            return Err(refused("cut by a fault"));
        }
        if answers_first {
            sleep_some(throttle).await;
        }
    }
    Ok(())
}

/// The body of the answer, and how many bytes of the frame to send; `None` if there is no answer.
async fn answer<S: AsyncRead + Send + Unpin>(
    shared: &Arc<Shared>,
    call: &Call,
    fault: Fault,
    stream: &mut S,
) -> io::Result<Option<(Bytes, usize)>> {
    let mut fail = None;
    let mut limit = usize::MAX;
    let mut late = Duration::ZERO;
    let mut mutate = None;
    match fault {
        Fault::Pass => {}
        Fault::Answer(answer) => {
            let body = answer.encode(call.api_version).map_err(refused)?;
            return Ok(Some((body, limit)));
        }
        Fault::Error(code) => fail = Some(code),
        Fault::Mutate(change) => mutate = Some(change),
        Fault::Delay(time) => sleep_some(time).await,
        Fault::DelayAnswer(time) => late = time,
        Fault::Hang => {
            // Until the client gives up.
            tokio::io::copy(stream, &mut tokio::io::sink()).await?;
            return Err(refused("hung by a fault"));
        }
        Fault::Cut(bytes) => limit = bytes,
        Fault::Disconnect => return Err(refused("disconnected by a fault")),
    }
    let fail = fail.or_else(|| shared.hooks.next_failure(call.api_key));
    let reply = handlers::handle(shared, call, fail).await;
    sleep_some(late).await;
    match reply {
        Reply::Body(body) => {
            let body = match mutate {
                Some(change) => {
                    let changed = shared.hooks.catch(|| change(body));
                    changed.ok_or_else(|| refused("a hook panicked"))?
                }
                None => body,
            };
            Ok(Some((body, limit)))
        }
        Reply::Silence if limit < usize::MAX => Err(refused("cut by a fault")),
        Reply::Silence => Ok(None),
        Reply::Close(why) => Err(refused(why)),
    }
}

/// Reads the next request; `None` when the client has closed the connection.
async fn next_call<S: AsyncRead + Unpin>(
    stream: &mut S,
    broker: i32,
    connection: u64,
) -> io::Result<Option<(i32, Call)>> {
    let mut length = [0; 4];
    if let Err(error) = stream.read_exact(&mut length).await {
        return if error.kind() == io::ErrorKind::UnexpectedEof { Ok(None) } else { Err(error) };
    }
    let length = usize::try_from(i32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > MAX_REQUEST {
        return Err(refused("the request exceeds socket.request.max.bytes"));
    }
    let mut frame = Vec::with_capacity(length.min(MAX_PREALLOCATION));
    stream.take(length as u64).read_to_end(&mut frame).await?;
    if frame.len() < length {
        return Ok(None);
    }
    let mut body = Bytes::from(frame);
    let header = RequestHeader::decode(&mut body, flexible_from).map_err(refused)?;
    let call = Call {
        broker,
        connection,
        api_key: header.api_key,
        api_version: header.api_version,
        client_id: header.client_id,
        body,
    };
    Ok(Some((header.correlation_id, call)))
}

/// Puts length and header before the body.
fn frame(call: &Call, correlation_id: i32, body: &[u8]) -> io::Result<Bytes> {
    // A client that asks for the versions cannot know yet which header to expect (KIP-511).
    let has_tags = call.api_key != ApiKey::API_VERSIONS
        && flexible_from(call.api_key).is_some_and(|first| call.api_version >= first);
    let length = 4 + usize::from(has_tags) + body.len();
    let mut frame = BytesMut::with_capacity(4 + length);
    frame.put_i32(i32::try_from(length).map_err(refused)?);
    frame.put_i32(correlation_id);
    if has_tags {
        frame.put_u8(0);
    }
    frame.put_slice(body);
    Ok(frame.freeze())
}

async fn sleep_some(time: Duration) {
    if !time.is_zero() {
        sleep(time).await;
    }
}

fn refused(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
