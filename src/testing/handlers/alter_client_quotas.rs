//! `AlterClientQuotas`: keeps quotas (KIP-546). Nobody is throttled for them.

use super::Context;
use crate::protocol::ErrorCode;
use crate::protocol::messages::alter_client_quotas::response::EntryData as Altered;
use crate::protocol::messages::alter_client_quotas::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, EntityData, OpData,
};
use crate::testing::state::{QuotaEntity, Refusal, State};

/// Quotas of users and clients, and whether they are whole numbers.
const OF_CLIENTS: [(&str, bool); 4] = [
    ("consumer_byte_rate", true),
    ("controller_mutation_rate", false),
    ("producer_byte_rate", true),
    ("request_percentage", false),
];
/// Quotas of addresses.
const OF_ADDRESSES: [(&str, bool); 1] = [("connection_creation_rate", true)];

pub(super) fn handle(
    state: &mut State,
    context: &Context,
    request: AlterClientQuotasRequest,
) -> AlterClientQuotasResponse {
    let validate_only = request.validate_only;
    let entries = request.entries.into_iter().map(|asked| {
        let altered = match context.fail {
            Some(code) => Err((code, code.text().to_owned())),
            None => alter(state, &asked.entity, &asked.ops, validate_only),
        };
        let (code, error_message) = match altered {
            Ok(()) => (ErrorCode::NONE, None),
            Err((code, text)) => (code, Some(text)),
        };
        let entity = asked.entity;
        Altered { error_code: code.0, error_message, entity, ..Default::default() }
    });
    AlterClientQuotasResponse {
        throttle_time_ms: context.throttle_time_ms,
        entries: entries.collect(),
        ..Default::default()
    }
}

fn alter(
    state: &mut State,
    asked: &[EntityData],
    ops: &[OpData],
    validate_only: bool,
) -> Result<(), Refusal> {
    let entity = entity(asked)?;
    let legal = if entity.contains_key("ip") { &OF_ADDRESSES[..] } else { &OF_CLIENTS[..] };
    for (at, op) in ops.iter().enumerate() {
        let key = &op.key;
        if ops.iter().skip(at + 1).any(|other| other.key == *key) {
            return invalid(format!("Duplicate quota key {key} not updating quota"));
        }
        if op.remove {
            continue;
        }
        let Some((_, is_whole)) = legal.iter().find(|(name, _)| name == key) else {
            return invalid(format!("Invalid configuration key {key}"));
        };
        if op.value <= 0.0 {
            return invalid(format!("Quota {key} must be greater than 0"));
        }
        if *is_whole && op.value.fract() > 1e-6 {
            return invalid(format!("{key} cannot be a fractional value."));
        }
    }
    if validate_only {
        return Ok(());
    }
    let quotas = state.quotas.entry(entity.clone()).or_default();
    for op in ops {
        if op.remove {
            quotas.remove(&op.key);
        } else {
            quotas.insert(op.key.clone(), op.value);
        }
    }
    if quotas.is_empty() {
        state.quotas.remove(&entity);
    }
    Ok(())
}

fn entity(asked: &[EntityData]) -> Result<QuotaEntity, Refusal> {
    let mut entity = QuotaEntity::new();
    for EntityData { entity_type, entity_name, .. } in asked {
        if !["user", "client-id", "ip"].contains(&entity_type.as_str()) {
            return invalid(format!("Unhandled client quota entity type: {entity_type}"));
        }
        if entity_name.as_ref().is_some_and(String::is_empty) {
            return invalid(format!("Empty {entity_type} not supported"));
        }
        if entity.insert(entity_type.clone(), entity_name.clone()).is_some() {
            return invalid(format!("duplicate entity entry {entity_type}"));
        }
    }
    if entity.is_empty() {
        return invalid("Invalid empty client quota entity");
    }
    if entity.contains_key("ip") && entity.len() > 1 {
        return invalid("IP entity should not be combined with User or ClientId");
    }
    Ok(entity)
}

fn invalid<T>(text: impl Into<String>) -> Result<T, Refusal> {
    Err((ErrorCode::INVALID_REQUEST, text.into()))
}
