//! The task that owns a socket. Knows bytes, order and time; nothing of what the frames say.
//!
//! It writes and reads in one task, and in every turn it tries both: a write that cannot go on
//! never stops the reading. Whoever waits for an answer has given it a whole frame, so a caller
//! that goes away can never leave half a request on the wire.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::codec::FramedRead;

use super::connector::Io;
use super::queue::{Call, Queue};
use super::{FrameCodec, TransportError};

/// What the handles and the driver of a connection share.
#[derive(Debug)]
pub(super) struct Status {
    /// Requests without an answer.
    pub(super) slots: Arc<Semaphore>,
    began: Instant,
    /// Microseconds after `began`; 0 is never.
    muted_until: AtomicU64,
    ended: OnceLock<TransportError>,
}

impl Status {
    pub(super) fn new(slots: usize) -> Arc<Self> {
        Arc::new(Self {
            slots: Arc::new(Semaphore::new(slots.clamp(1, MAX_SLOTS))),
            began: Instant::now(),
            muted_until: AtomicU64::new(0),
            ended: OnceLock::new(),
        })
    }

    /// What ended the connection.
    pub(super) fn cause(&self) -> TransportError {
        // Not set if the runtime dropped the driver.
        self.ended.get().cloned().unwrap_or(TransportError::Closed)
    }

    /// Lets nothing be written for that time. No need to wake the driver: it looks before it
    /// writes.
    pub(super) fn mute(&self, time: Duration) {
        let until = self.began.elapsed() + time.min(MAX_MUTE);
        let until = u64::try_from(until.as_micros()).unwrap_or(u64::MAX);
        self.muted_until.fetch_max(until, Ordering::Relaxed);
    }

    /// Until when nothing may be written, or might not.
    fn muted_until(&self) -> Option<Instant> {
        match self.muted_until.load(Ordering::Relaxed) {
            0 => None,
            until => Some(self.began + Duration::from_micros(until)),
        }
    }

    fn is_muted(&self) -> bool {
        self.muted_until().is_some_and(|until| Instant::now() < until)
    }
}

/// The most that the semaphore is asked to hold; far beyond what any broker queues.
const MAX_SLOTS: usize = 1 << 20;
/// A broker's quotas look back over some 11 seconds; one that asks for more than this is wrong.
const MAX_MUTE: Duration = Duration::from_secs(60);
/// Pieces of frames that go out by one system call.
const MAX_SLICES: usize = 64;

/// See the module.
pub(super) struct Driver<T> {
    frames: FramedRead<T, FrameCodec>,
    /// Bounded by the slots, not by the channel.
    calls: mpsc::UnboundedReceiver<Call>,
    queue: Queue,
    status: Arc<Status>,
    timer: Pin<Box<Sleep>>,
    /// Whether the timer is still to fire. It may fire too early: moving it at every request
    /// would cost more than to look now and then.
    armed: bool,
    flushed: bool,
}

impl<T: Io> Driver<T> {
    pub(super) fn new(
        io: T,
        codec: FrameCodec,
        calls: mpsc::UnboundedReceiver<Call>,
        status: Arc<Status>,
    ) -> Self {
        let now = Instant::now();
        Self {
            frames: FramedRead::new(io, codec),
            calls,
            queue: Queue::new(now),
            status,
            timer: Box::pin(sleep_until(now)),
            armed: false,
            flushed: true,
        }
    }

    /// Runs until the connection ends.
    pub(super) async fn run(mut self) {
        let cause = poll_fn(|cx| match self.turn(cx) {
            Ok(()) => Poll::Pending,
            Err(cause) => Poll::Ready(cause),
        })
        .await;
        tracing::debug!(%cause, "connection ended");
        // In this order, so that nobody can ask in between and wait for ever.
        let _ = self.status.ended.set(cause.clone());
        self.calls.close();
        self.status.slots.close();
        self.queue.fail(&cause);
        while let Ok(call) = self.calls.try_recv() {
            call.fail(&cause);
        }
    }

    fn turn(&mut self, cx: &mut Context<'_>) -> Result<(), TransportError> {
        loop {
            let written = self.write(cx);
            // When both fail, what the broker has said last tells more than a broken pipe.
            self.read(cx)?;
            written?;
            if !self.watch(cx)? {
                return Ok(());
            }
        }
    }

    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), TransportError> {
        while !self.status.is_muted() {
            while self.queue.has_room() {
                match self.calls.poll_recv(cx) {
                    Poll::Ready(Some(call)) => self.queue.push(call, Instant::now()),
                    // The last handle is gone, and this task is about to be aborted.
                    Poll::Ready(None) => return Err(TransportError::Closed),
                    Poll::Pending => break,
                }
            }
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let filled = self.queue.fill(&mut slices);
            let Some(slices @ [_, ..]) = slices.get(..filled) else {
                break;
            };
            match Pin::new(self.frames.get_mut()).poll_write_vectored(cx, slices) {
                Poll::Ready(Ok(0)) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                Poll::Ready(Ok(written)) => {
                    self.queue.wrote(written, Instant::now());
                    self.flushed = false;
                }
                Poll::Ready(Err(error)) => return Err(error.into()),
                Poll::Pending => break,
            }
        }
        if !self.flushed {
            if let Poll::Ready(flushed) = Pin::new(self.frames.get_mut()).poll_flush(cx) {
                flushed?;
                self.flushed = true;
            }
        }
        Ok(())
    }

    /// Reads all that is there. Bounded, because every frame has to be the answer to a request.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<(), TransportError> {
        while let Poll::Ready(frame) = Pin::new(&mut self.frames).poll_next(cx) {
            let frame = frame.ok_or(TransportError::Closed)??;
            self.queue.answer(frame, Instant::now())?;
        }
        Ok(())
    }

    /// Looks after the time; `true` if something may be written that could not be before.
    fn watch(&mut self, cx: &mut Context<'_>) -> Result<bool, TransportError> {
        let muted_until = self.status.muted_until();
        let deadline = self.queue.deadline(muted_until);
        let unmuted = muted_until.filter(|until| Instant::now() < *until);
        let Some(at) = deadline.into_iter().chain(unmuted).min() else {
            return Ok(false);
        };
        if !self.armed || at < self.timer.deadline() {
            self.timer.as_mut().reset(at);
            self.armed = true;
        }
        if self.timer.as_mut().poll(cx).is_pending() {
            return Ok(false);
        }
        self.armed = false;
        match self.queue.expire(Instant::now(), muted_until) {
            Some(error) => Err(error),
            None => Ok(true),
        }
    }
}
