//! What brokers answer: one file per call. Finds the one for a request, and refuses versions that
//! the emulated Kafka does not have.

mod add_offsets_to_txn;
mod add_partitions_to_txn;
mod alter_client_quotas;
mod alter_configs;
mod api_versions;
mod create_acls;
mod create_partitions;
mod create_topics;
mod delete_acls;
mod delete_records;
mod delete_topics;
mod describe_acls;
mod describe_client_quotas;
mod describe_cluster;
mod describe_configs;
mod describe_producers;
mod describe_topic_partitions;
mod describe_transactions;
mod elect_leaders;
mod end_txn;
mod fetch;
mod find_coordinator;
mod incremental_alter_configs;
mod init_producer_id;
mod list_config_resources;
mod list_offsets;
mod list_transactions;
mod metadata;
mod offset_commit;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
mod txn_offset_commit;
mod write_txn_markers;

use std::sync::Arc;

use bytes::Bytes;

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
    match handler(call.api_key) {
        Some(Handler::Now(serve)) => serve(shared, &context, call),
        Some(Handler::Fetch) => fetch::serve(shared, &context, call).await,
        None => Reply::Close("a call without a handler"),
    }
}

/// How a call is answered.
enum Handler {
    Now(fn(&Shared, &Context, &Call) -> Reply),
    /// The one that waits.
    Fetch,
}

fn handler(key: ApiKey) -> Option<Handler> {
    macro_rules! look {
        ($call:ident) => {
            |shared, context, call| look(shared, context, call, $call::handle)
        };
    }
    macro_rules! change {
        ($call:ident) => {
            |shared, context, call| change(shared, context, call, $call::handle)
        };
    }
    Some(Handler::Now(match key {
        ApiKey::PRODUCE => produce::serve,
        ApiKey::FETCH => return Some(Handler::Fetch),
        ApiKey::LIST_OFFSETS => look!(list_offsets),
        ApiKey::METADATA => change!(metadata),
        ApiKey::OFFSET_COMMIT => change!(offset_commit),
        ApiKey::OFFSET_FETCH => look!(offset_fetch),
        ApiKey::FIND_COORDINATOR => look!(find_coordinator),
        ApiKey::API_VERSIONS => api_versions::serve,
        ApiKey::CREATE_TOPICS => change!(create_topics),
        ApiKey::DELETE_TOPICS => change!(delete_topics),
        ApiKey::INIT_PRODUCER_ID => change!(init_producer_id),
        ApiKey::OFFSET_FOR_LEADER_EPOCH => look!(offset_for_leader_epoch),
        ApiKey::ADD_PARTITIONS_TO_TXN => change!(add_partitions_to_txn),
        ApiKey::ADD_OFFSETS_TO_TXN => change!(add_offsets_to_txn),
        ApiKey::END_TXN => change!(end_txn),
        ApiKey::WRITE_TXN_MARKERS => change!(write_txn_markers),
        ApiKey::TXN_OFFSET_COMMIT => change!(txn_offset_commit),
        ApiKey::DELETE_RECORDS => change!(delete_records),
        ApiKey::DESCRIBE_ACLS => look!(describe_acls),
        ApiKey::CREATE_ACLS => change!(create_acls),
        ApiKey::DELETE_ACLS => change!(delete_acls),
        ApiKey::DESCRIBE_CONFIGS => look!(describe_configs),
        ApiKey::ALTER_CONFIGS => change!(alter_configs),
        ApiKey::CREATE_PARTITIONS => change!(create_partitions),
        ApiKey::ELECT_LEADERS => change!(elect_leaders),
        ApiKey::INCREMENTAL_ALTER_CONFIGS => change!(incremental_alter_configs),
        ApiKey::DESCRIBE_CLIENT_QUOTAS => look!(describe_client_quotas),
        ApiKey::ALTER_CLIENT_QUOTAS => change!(alter_client_quotas),
        ApiKey::DESCRIBE_CLUSTER => look!(describe_cluster),
        ApiKey::DESCRIBE_PRODUCERS => look!(describe_producers),
        ApiKey::DESCRIBE_TRANSACTIONS => look!(describe_transactions),
        ApiKey::LIST_TRANSACTIONS => look!(list_transactions),
        ApiKey::LIST_CONFIG_RESOURCES => look!(list_config_resources),
        ApiKey::DESCRIBE_TOPIC_PARTITIONS => describe_topic_partitions::serve,
        _ => return None,
    }))
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

/// Whether this broker keeps that group or transaction.
fn coordinator(state: &State, context: &Context, key: &str) -> Result<(), ErrorCode> {
    match context.fail {
        Some(code) => Err(code),
        None if state.coordinator(key) == Some(context.broker) => Ok(()),
        None => Err(ErrorCode::NOT_COORDINATOR),
    }
}

/// The error as clients know it: a fenced producer has a code of its own from that version on.
fn for_clients(code: ErrorCode, version: i16, fenced_from: i16) -> ErrorCode {
    match code {
        ErrorCode::PRODUCER_FENCED if version < fenced_from => ErrorCode::INVALID_PRODUCER_EPOCH,
        code => code,
    }
}
