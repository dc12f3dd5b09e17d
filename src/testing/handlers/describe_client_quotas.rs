//! `DescribeClientQuotas`: the quotas of the entities that match (KIP-546).

use super::Context;
use crate::protocol::ErrorCode;
use crate::protocol::messages::alter_client_quotas::EntityData;
use crate::protocol::messages::describe_client_quotas::{
    ComponentData, DescribeClientQuotasRequest, DescribeClientQuotasResponse, EntryData, ValueData,
};
use crate::testing::state::{QuotaEntity, Refusal, State};

/// How the name of an entity is to match.
const EXACT: i8 = 0;
const DEFAULT: i8 = 1;
const ANY: i8 = 2;

pub(super) fn handle(
    state: &mut State,
    context: &Context,
    DescribeClientQuotasRequest { components, strict, .. }: DescribeClientQuotasRequest,
) -> DescribeClientQuotasResponse {
    let checked = match context.fail {
        Some(code) => Err((code, code.text().to_owned())),
        None => check(&components),
    };
    let mut response = DescribeClientQuotasResponse {
        throttle_time_ms: context.throttle_time_ms,
        ..Default::default()
    };
    if let Err((code, text)) = checked {
        response.error_code = code.0;
        response.error_message = Some(text);
        return response;
    }
    let is_asked_for = |entity: &QuotaEntity| {
        (!strict || entity.len() == components.len())
            && components.iter().all(|component| matches(component, entity))
    };
    let found = state.quotas.iter().filter(|(entity, _)| is_asked_for(entity));
    let entries = found.map(|(entity, quotas)| {
        let entity = entity.iter().map(|(entity_type, entity_name)| EntityData {
            entity_type: entity_type.clone(),
            entity_name: entity_name.clone(),
            ..Default::default()
        });
        let values = quotas.iter().map(|(key, value)| ValueData {
            key: key.clone(),
            value: *value,
            ..Default::default()
        });
        let (entity, values) = (entity.collect(), values.collect());
        EntryData { entity, values, ..Default::default() }
    });
    response.entries = Some(entries.collect());
    response
}

fn check(components: &[ComponentData]) -> Result<(), Refusal> {
    let invalid = |text| Err((ErrorCode::INVALID_REQUEST, text));
    for (at, component) in components.iter().enumerate() {
        let kind = &component.entity_type;
        if !["user", "client-id", "ip"].contains(&kind.as_str()) {
            let text = format!("Unsupported entity type {kind}");
            return Err((ErrorCode::UNSUPPORTED_VERSION, text));
        }
        let mut others = components.iter().skip(at + 1);
        if others.any(|other| other.entity_type == *kind) {
            return invalid(format!(
                "Entity type {kind} cannot appear more than once in the filter."
            ));
        }
        if !(EXACT..=ANY).contains(&component.match_type)
            || (component.match_type == EXACT) != component.r#match.is_some()
        {
            return invalid(format!("Unknown match type {}", component.match_type));
        }
    }
    if components.len() > 1 && components.iter().any(|component| component.entity_type == "ip") {
        return invalid("IP filter component should not be used with others.".to_owned());
    }
    Ok(())
}

fn matches(component: &ComponentData, entity: &QuotaEntity) -> bool {
    entity.get(&component.entity_type).is_some_and(|name| match component.match_type {
        EXACT => *name == component.r#match,
        DEFAULT => name.is_none(),
        _ => true,
    })
}
