//! Faults: hooks that see each request before the broker does, and error codes that answers are
//! made to carry. Knows nothing of what brokers normally answer.

use std::any::Any;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::broker::Shared;
use crate::protocol::{ApiKey, ErrorCode, Request};
use crate::wire::{EncodeError, Wire, decode_all};

/// One request, as a hook sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Call {
    /// The broker that received it.
    pub broker: i32,
    /// The number of the connection it came on, unique in the cluster.
    pub connection: u64,
    /// Which of the broker's calls it is.
    pub api_key: ApiKey,
    /// The version that it is encoded in.
    pub api_version: i16,
    /// The name that the client gave itself.
    pub client_id: Option<String>,
    /// The body, encoded.
    pub body: Bytes,
}

/// One request of the cluster's log: see [`FakeCluster::requests`](super::FakeCluster::requests).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LoggedRequest {
    /// The broker that received it.
    pub broker: i32,
    /// The number of the connection it came on, unique in the cluster.
    pub connection: u64,
    /// Which of the broker's calls it is.
    pub api_key: ApiKey,
    /// The version that it is encoded in.
    pub api_version: i16,
    /// The name that the client gave itself.
    pub client_id: Option<String>,
    /// When it was complete.
    pub at: Instant,
    /// The body, encoded.
    pub body: Bytes,
}

/// What happens to a request instead of, or besides, its normal handling.
#[non_exhaustive]
pub enum Fault {
    /// Nothing: the next hook is asked, and then the broker answers.
    Pass,
    /// This is the answer, and the broker does not see the request. [`Fault::answer`] makes one.
    Answer(Answer),
    /// The broker answers with this error code, wherever its answer has a place for one, and does
    /// nothing else: nothing is appended, fetched or created.
    Error(ErrorCode),
    /// The broker handles the request, and the closure changes the encoded body of the answer.
    /// [`Call::edit`] changes it decoded.
    Mutate(Box<dyn FnOnce(Bytes) -> Bytes + Send>),
    /// The broker handles the request after that time.
    Delay(Duration),
    /// The broker handles the request at once, and its answer goes out after that time.
    DelayAnswer(Duration),
    /// No answer ever comes, on that connection not even to later requests. The broker does not
    /// handle the request.
    Hang,
    /// The broker handles the request, and the connection ends after that many bytes of the
    /// answer, counted from its length prefix; 0 is none at all.
    Cut(usize),
    /// The connection ends, and the broker does not handle the request.
    Disconnect,
}

/// The answer of a [`Fault::Answer`], to be encoded in the version of the request.
pub struct Answer {
    encode: Box<dyn FnOnce(i16) -> Result<Bytes, EncodeError> + Send>,
}

/// Removes its hook when dropped.
#[derive(Debug)]
#[must_use = "dropping the guard removes the hook"]
pub struct FaultGuard {
    shared: Weak<Shared>,
    id: u64,
}

/// The hooks of a cluster.
#[derive(Default)]
pub(super) struct Hooks {
    entries: Mutex<Vec<Entry>>,
    failures: Mutex<HashMap<ApiKey, VecDeque<ErrorCode>>>,
    /// All calls that ever had a hook or a failure.
    seen: Mutex<BTreeSet<ApiKey>>,
    next_id: AtomicU64,
    /// The first panic of a hook: see [`Hooks::catch`].
    panic: Mutex<Option<Panic>>,
}

type Panic = Box<dyn Any + Send>;

type Hook = Arc<Mutex<dyn FnMut(&Call) -> Fault + Send>>;

#[derive(Clone)]
struct Entry {
    id: u64,
    key: ApiKey,
    is_once: bool,
    hook: Hook,
}

impl Call {
    /// The request, decoded.
    ///
    /// # Panics
    ///
    /// If it is another kind of request than `R`, or broken.
    pub fn request<R: Request>(&self) -> R {
        decode(self.api_key, self.api_version, &self.body)
    }

    /// A fault that lets the broker handle this request, and changes its answer.
    ///
    /// ```
    /// use kafkio::protocol::ApiKey;
    /// use kafkio::protocol::messages::metadata::MetadataRequest;
    /// use kafkio::testing::FakeCluster;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
    /// let cluster = FakeCluster::start().await?;
    /// let _nobody_controls = cluster.on(ApiKey::METADATA, |call| {
    ///     call.edit::<MetadataRequest>(|response| response.controller_id = -1)
    /// });
    /// # Ok(()) }
    /// ```
    pub fn edit<R: Request>(
        &self,
        change: impl FnOnce(&mut R::Response) + Send + 'static,
    ) -> Fault {
        let version = self.api_version;
        Fault::Mutate(Box::new(move |body| {
            let edited = R::decode_response(version, body.clone()).ok().and_then(|mut response| {
                change(&mut response);
                encode::<R>(version, &response).ok()
            });
            edited.unwrap_or_else(|| {
                tracing::error!(key = %R::KEY, version, "an edited answer cannot be encoded");
                body
            })
        }))
    }
}

impl LoggedRequest {
    pub(super) fn new(call: &Call) -> Self {
        Self {
            broker: call.broker,
            connection: call.connection,
            api_key: call.api_key,
            api_version: call.api_version,
            client_id: call.client_id.clone(),
            at: Instant::now(),
            body: call.body.clone(),
        }
    }

    /// The request, decoded.
    ///
    /// # Panics
    ///
    /// If it is another kind of request than `R`, or broken.
    pub fn request<R: Request>(&self) -> R {
        decode(self.api_key, self.api_version, &self.body)
    }
}

impl Fault {
    /// This response answers the request, which must be an `R`.
    pub fn answer<R: Request>(response: R::Response) -> Self {
        Self::Answer(Answer { encode: Box::new(move |version| encode::<R>(version, &response)) })
    }

    /// These bytes are the body of the answer, whatever they mean.
    pub fn answer_bytes(body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self::Answer(Answer { encode: Box::new(move |_| Ok(body)) })
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pass => f.write_str("Pass"),
            Self::Answer(_) => f.write_str("Answer"),
            Self::Error(code) => f.debug_tuple("Error").field(code).finish(),
            Self::Mutate(_) => f.write_str("Mutate"),
            Self::Delay(time) => f.debug_tuple("Delay").field(time).finish(),
            Self::DelayAnswer(time) => f.debug_tuple("DelayAnswer").field(time).finish(),
            Self::Hang => f.write_str("Hang"),
            Self::Cut(bytes) => f.debug_tuple("Cut").field(bytes).finish(),
            Self::Disconnect => f.write_str("Disconnect"),
        }
    }
}

impl Answer {
    pub(super) fn encode(self, version: i16) -> Result<Bytes, EncodeError> {
        (self.encode)(version)
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answer")
    }
}

impl FaultGuard {
    pub(super) fn new(shared: Weak<Shared>, id: u64) -> Self {
        Self { shared, id }
    }

    /// Leaves the hook for as long as the cluster lives.
    pub fn keep(mut self) {
        self.shared = Weak::new();
    }
}

impl Drop for FaultGuard {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.hooks.remove(self.id);
        }
    }
}

impl Hooks {
    pub(super) fn add(
        &self,
        key: ApiKey,
        is_once: bool,
        hook: impl FnMut(&Call) -> Fault + Send + 'static,
    ) -> u64 {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        lock(&self.seen).insert(key);
        lock(&self.entries).push(Entry { id, key, is_once, hook: Arc::new(Mutex::new(hook)) });
        id
    }

    /// Whether it was still there.
    fn remove(&self, id: u64) -> bool {
        let mut entries = lock(&self.entries);
        let before = entries.len();
        entries.retain(|entry| entry.id != id);
        entries.len() < before
    }

    /// Asks the hooks in the order of their making, until one does not pass. No lock is held that
    /// a hook may want: it may use the cluster, and add and remove hooks.
    pub(super) fn run(&self, call: &Call) -> Fault {
        let asked = |entry: &&Entry| entry.key == call.api_key;
        let entries: Vec<Entry> = lock(&self.entries).iter().filter(asked).cloned().collect();
        for entry in entries {
            if entry.is_once && !self.remove(entry.id) {
                continue;
            }
            let fault = self.catch(|| lock(&entry.hook)(call)).unwrap_or(Fault::Disconnect);
            if !matches!(fault, Fault::Pass) {
                return fault;
            }
        }
        Fault::Pass
    }

    /// Runs code of the test, which may panic: a failed assertion. The task of a connection would
    /// swallow that, so the cluster passes it on to the test when it is dropped.
    pub(super) fn catch<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(value) => Some(value),
            Err(panic) => {
                lock(&self.panic).get_or_insert(panic);
                None
            }
        }
    }

    pub(super) fn take_panic(&self) -> Option<Panic> {
        lock(&self.panic).take()
    }

    pub(super) fn push_failures(&self, key: ApiKey, codes: impl IntoIterator<Item = ErrorCode>) {
        lock(&self.seen).insert(key);
        lock(&self.failures).entry(key).or_default().extend(codes);
    }

    /// Whether a test meddles with such calls, or did.
    pub(super) fn has_seen(&self, key: ApiKey) -> bool {
        lock(&self.seen).contains(&key)
    }

    /// The code that the next answer to such a request carries, if any.
    pub(super) fn next_failure(&self, key: ApiKey) -> Option<ErrorCode> {
        let code = lock(&self.failures).get_mut(&key)?.pop_front()?;
        (code != ErrorCode::NONE).then_some(code)
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").field("count", &lock(&self.entries).len()).finish_non_exhaustive()
    }
}

/// A test that panics under a lock has failed already; the others go on.
pub(super) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn encode<R: Request>(
    version: i16,
    response: &R::Response,
) -> Result<Bytes, EncodeError> {
    response.to_bytes(R::version(version))
}

fn decode<R: Request>(key: ApiKey, version: i16, body: &Bytes) -> R {
    assert!(key == R::KEY, "the request is {key}, not {}", R::KEY);
    match decode_all(body.clone(), R::version(version)) {
        Ok(request) => request,
        Err(error) => panic!("{key} version {version}: {error}"),
    }
}
