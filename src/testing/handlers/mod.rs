//! What brokers answer: one file per call. Finds the one for a request, and refuses versions that
//! the emulated Kafka does not have.

mod api_versions;
mod create_topics;
mod delete_topics;
mod fetch;
mod find_coordinator;
mod list_offsets;
mod metadata;
mod offset_for_leader_epoch;
mod produce;

use std::sync::Arc;

use bytes::Bytes;

pub(super) use self::create_topics::check_config;
use super::broker::Shared;
use super::faults::{Call, encode};
use super::state::{State, TopicRef};
use crate::protocol::{ApiKey, ErrorCode, Request};
use crate::wire::{Uuid, decode_all};

/// What comes of a request.
pub(super) enum Reply {
    Body(Bytes),
    /// The client expects no answer.
    Silence,
    /// The connection ends, for this reason.
    Close(&'static str),
}

/// What a handler needs to know besides the request.
#[derive(Clone, Copy, Debug)]
struct Context {
    broker: i32,
    version: i16,
    /// The code that the answer is made to carry; nothing else is done then.
    fail: Option<ErrorCode>,
    throttle_time_ms: i32,
}

/// Handles a request as the broker it came to.
pub(super) async fn handle(shared: &Arc<Shared>, call: &Call, fail: Option<ErrorCode>) -> Reply {
    let (release, throttle) = shared.with(|state| {
        (state.settings.release, state.throttles.get(&call.api_key).copied().unwrap_or_default())
    });
    let context = Context {
        broker: call.broker,
        version: call.api_version,
        fail,
        throttle_time_ms: i32::try_from(throttle.as_millis()).unwrap_or(i32::MAX),
    };
    let Some((first, last)) = release.versions(call.api_key) else {
        return Reply::Close("a call that this Kafka does not have");
    };
    if !(first..=last).contains(&call.api_version) {
        return match call.api_key {
            ApiKey::API_VERSIONS => api_versions::refuse(release),
            _ => Reply::Close("a version that this Kafka does not have"),
        };
    }
    match call.api_key {
        ApiKey::PRODUCE => produce::serve(shared, &context, call),
        ApiKey::FETCH => fetch::serve(shared, &context, call).await,
        ApiKey::LIST_OFFSETS => look(shared, &context, call, list_offsets::handle),
        ApiKey::METADATA => change(shared, &context, call, metadata::handle),
        ApiKey::FIND_COORDINATOR => look(shared, &context, call, find_coordinator::handle),
        ApiKey::API_VERSIONS => look(shared, &context, call, api_versions::handle),
        ApiKey::CREATE_TOPICS => change(shared, &context, call, create_topics::handle),
        ApiKey::DELETE_TOPICS => change(shared, &context, call, delete_topics::handle),
        ApiKey::OFFSET_FOR_LEADER_EPOCH => {
            look(shared, &context, call, offset_for_leader_epoch::handle)
        }
        _ => Reply::Close("a call without a handler"),
    }
}

/// Answers without changing anything.
fn look<R: Request>(
    shared: &Shared,
    context: &Context,
    call: &Call,
    handle: fn(&mut State, &Context, R) -> R::Response,
) -> Reply {
    match request::<R>(call) {
        Ok(request) => body::<R>(context, &shared.with(|state| handle(state, context, request))),
        Err(close) => close,
    }
}

/// Answers, and wakes those who wait for a change.
fn change<R: Request>(
    shared: &Shared,
    context: &Context,
    call: &Call,
    handle: fn(&mut State, &Context, R) -> R::Response,
) -> Reply {
    match request::<R>(call) {
        Ok(request) => body::<R>(context, &shared.update(|state| handle(state, context, request))),
        Err(close) => close,
    }
}

fn request<R: Request>(call: &Call) -> Result<R, Reply> {
    decode_all(call.body.clone(), R::version(call.api_version))
        .map_err(|_| Reply::Close("a request that cannot be decoded"))
}

fn body<R: Request>(context: &Context, response: &R::Response) -> Reply {
    match encode::<R>(context.version, response) {
        Ok(body) => Reply::Body(body),
        Err(error) => {
            tracing::error!(key = %R::KEY, version = context.version, %error, "no answer");
            Reply::Close("an answer that cannot be encoded")
        }
    }
}

/// The topic, by id from this version of the call on.
fn topic_ref(name: &str, id: Uuid, version: i16, by_id_from: i16) -> TopicRef<'_> {
    if version >= by_id_from { TopicRef::Id(id) } else { TopicRef::Name(name) }
}
