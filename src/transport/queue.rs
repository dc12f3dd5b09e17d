//! The requests of one connection, from being handed over to being answered. Knows order, time
//! and who gets which error; does no I/O and has no clock.
//!
//! Kafka answers the requests of a connection in their order, so what waits for answers is a
//! queue, and the first frame that comes belongs to its front.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

use super::TransportError;
use crate::protocol::ApiKey;
use crate::wire::Output;

/// A request, as a caller's task hands it over.
pub(super) struct Call {
    /// The whole frame, length prefix included.
    pub(super) frame: Output,
    /// Whether the broker answers; if not, the reply comes when the frame has been written.
    pub(super) answered: bool,
    pub(super) ticket: Ticket,
}

/// Who waits for the answer to a request.
pub(super) struct Ticket {
    pub(super) api: ApiKey,
    pub(super) correlation_id: i32,
    pub(super) timeout: Duration,
    pub(super) reply: oneshot::Sender<Result<Bytes, TransportError>>,
    /// Held until the answer is there, even when nobody wants it any more: the broker works on
    /// the request all the same.
    pub(super) slot: OwnedSemaphorePermit,
}

impl Ticket {
    fn reply(self, answer: Result<Bytes, TransportError>) {
        // Whoever asked may have gone away.
        let _ = self.reply.send(answer);
        drop(self.slot);
    }
}

/// See the module.
pub(super) struct Queue {
    /// Not wholly written yet; the first may be so in part.
    outgoing: VecDeque<Outgoing>,
    outgoing_bytes: usize,
    /// Begun to be written, and not answered yet.
    pending: VecDeque<(Instant, Ticket)>,
    /// When the request that is the oldest now became it.
    oldest_since: Instant,
}

struct Outgoing {
    /// In pieces, none of which is empty.
    rest: VecDeque<Bytes>,
    begun: bool,
    answered: bool,
    since: Instant,
    /// `None` once it is pending.
    ticket: Option<Ticket>,
}

/// Frames that are taken from the callers ahead of being written. Enough to fill a system call;
/// what waits beyond it can still be taken back by its caller.
const MAX_OUTGOING_BYTES: usize = 64 << 10;

impl Queue {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            outgoing: VecDeque::new(),
            outgoing_bytes: 0,
            pending: VecDeque::new(),
            oldest_since: now,
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.outgoing_bytes < MAX_OUTGOING_BYTES
    }

    /// Takes a request to be written, unless its caller has gone away.
    pub(super) fn push(&mut self, call: Call, now: Instant) {
        let Call { frame, answered, ticket } = call;
        if ticket.reply.is_closed() {
            return;
        }
        self.outgoing_bytes += frame.len();
        let ticket = Some(ticket);
        self.outgoing.push_back(Outgoing {
            rest: frame.into_pieces(),
            begun: false,
            answered,
            since: now,
            ticket,
        });
    }

    /// Fills `slices` with what is to be written next, and returns how many it filled.
    pub(super) fn fill<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let pieces = self.outgoing.iter().flat_map(|outgoing| &outgoing.rest);
        let filled = slices.iter_mut().zip(pieces);
        filled.map(|(slice, piece)| *slice = IoSlice::new(piece)).count()
    }

    /// The next `written` bytes are out.
    pub(super) fn wrote(&mut self, mut written: usize, now: Instant) {
        self.outgoing_bytes = self.outgoing_bytes.saturating_sub(written);
        while written > 0 {
            let Some(front) = self.outgoing.front_mut() else {
                return;
            };
            front.begun = true;
            while let Some(piece) = front.rest.front_mut().filter(|_| written > 0) {
                let step = written.min(piece.len());
                written -= step;
                piece.advance(step);
                if piece.is_empty() {
                    front.rest.pop_front();
                }
            }
            if front.answered {
                self.pending.extend(front.ticket.take().map(|ticket| (front.since, ticket)));
            }
            if !front.rest.is_empty() {
                return;
            }
            let done = self.outgoing.pop_front().and_then(|done| done.ticket);
            if let Some(ticket) = done {
                if self.pending.is_empty() {
                    self.oldest_since = now;
                }
                ticket.reply(Ok(Bytes::new()));
            }
        }
    }

    /// Gives a frame to the oldest request.
    ///
    /// # Errors
    ///
    /// The frame is not the answer to it.
    pub(super) fn answer(&mut self, mut frame: Bytes, now: Instant) -> Result<(), TransportError> {
        let Ok(received) = frame.try_get_i32() else {
            return Err(TransportError::Truncated { received: frame.len() });
        };
        match self.pending.front().map(|(_, ticket)| ticket.correlation_id) {
            None => return Err(TransportError::Unsolicited { received }),
            Some(expected) if expected != received => {
                return Err(TransportError::Correlation { expected, received });
            }
            Some(_) => {}
        }
        self.oldest_since = now;
        if let Some((_, ticket)) = self.pending.pop_front() {
            ticket.reply(Ok(frame));
        }
        Ok(())
    }

    /// When the connection has to end if nothing happens: the oldest request has its whole time
    /// from when it became the oldest, because brokers work on one request of a connection after
    /// the other, and on none before `muted_until`.
    pub(super) fn deadline(&self, muted_until: Option<Instant>) -> Option<Instant> {
        let (since, ticket) = if let Some((since, ticket)) = self.pending.front() {
            (*since, ticket)
        } else {
            let front = self.outgoing.front()?;
            (front.since, front.ticket.as_ref()?)
        };
        let since = since.max(self.oldest_since);
        Some(muted_until.map_or(since, |until| since.max(until)) + ticket.timeout)
    }

    /// Ends the oldest request if its time is over, and returns what ends the connection then.
    pub(super) fn expire(
        &mut self,
        now: Instant,
        muted_until: Option<Instant>,
    ) -> Option<TransportError> {
        if self.deadline(muted_until)? > now {
            return None;
        }
        let (sent, ticket) = if let Some((_, ticket)) = self.pending.pop_front() {
            (true, ticket)
        } else {
            let front = self.outgoing.pop_front()?;
            (front.begun, front.ticket?)
        };
        let error = TransportError::TimedOut { api: ticket.api, after: ticket.timeout };
        ticket.reply(Err(if sent { error.clone() } else { error.for_unsent() }));
        Some(error)
    }

    /// Tells everybody that the connection has ended.
    pub(super) fn fail(&mut self, cause: &TransportError) {
        for (_, ticket) in self.pending.drain(..) {
            ticket.reply(Err(cause.for_sent()));
        }
        for Outgoing { begun, ticket, .. } in self.outgoing.drain(..) {
            if let Some(ticket) = ticket {
                ticket.reply(Err(if begun { cause.for_sent() } else { cause.for_unsent() }));
            }
        }
        self.outgoing_bytes = 0;
    }
}

impl Call {
    /// The connection ended while the request waited to be taken.
    pub(super) fn fail(self, cause: &TransportError) {
        self.ticket.reply(Err(cause.for_unsent()));
    }
}
