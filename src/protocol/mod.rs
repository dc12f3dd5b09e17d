//! The schema of the Kafka protocol: requests, responses, error codes.
//!
//! One file per request and response under [`messages`], each struct with the names of Kafka's
//! schema in snake case. Knows no sockets and no retries. The tests hold all of it against bytes
//! that Apache's own classes made (`tests/golden/`).
//!
//! # Calls
//!
#![doc = include_str!("calls.md")]

mod api_key;
pub mod consumer_protocol;
mod error_code;
mod header;
mod message;
pub mod messages;
#[cfg(test)]
pub(crate) mod reflect;
pub(crate) mod releases;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::Bytes;

pub use api_key::ApiKey;
pub use error_code::ErrorCode;
pub use header::{RequestHeader, ResponseHeader};
use message::message;
pub(crate) use releases::first_release;

use crate::wire::{DecodeError, EncodeError, Output, Version, Wire, decode_all};

/// Where a kind of request is to go, because only there it can be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Route {
    /// Any broker.
    Any,
    /// The broker that the request is about; any, where it is about none.
    Broker,
    /// Each broker: one knows only its own part of the answer.
    EveryBroker,
    /// The controller.
    Controller,
    /// The leader of the partitions.
    Leader,
    /// The coordinator of the group.
    Group,
    /// The coordinator of the transactional id.
    Transaction,
}

/// A request: its key, the versions that we speak, and the response that it expects.
pub trait Request: Wire + Clone + Send + Sync + 'static {
    /// Which of the broker's calls this is.
    const KEY: ApiKey;
    /// The versions of the schema; a connection uses the highest that its broker knows too.
    const VERSIONS: RangeInclusive<i16>;
    /// The first version with compact lengths and tagged fields; `i16::MAX` if there is none.
    const FLEXIBLE: i16;
    /// Where the request is to go.
    const ROUTE: Route;
    /// What the broker answers with.
    type Response: Wire + Send + 'static;

    /// How `number` is encoded.
    fn version(number: i16) -> Version {
        Version { number, flexible: number >= Self::FLEXIBLE }
    }

    /// Appends the body of the request, without its header.
    ///
    /// # Errors
    ///
    /// A field that version `number` cannot carry.
    fn encode_body(&self, number: i16, dst: &mut Output) -> Result<(), EncodeError> {
        self.encode(dst, Self::version(number))
    }

    /// Decodes the whole body of a response, without its header.
    ///
    /// # Errors
    ///
    /// Bytes that are not a response of version `number`.
    fn decode_response(number: i16, body: Bytes) -> Result<Self::Response, DecodeError> {
        decode_all(body, Self::version(number))
    }

    /// How long the broker wants to be left alone after this response of version `number`
    /// (KIP-219).
    fn throttle(response: &Self::Response, number: i16) -> Duration {
        let _ = (response, number);
        Duration::ZERO
    }
}
