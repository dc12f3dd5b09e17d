//! `AlterConfigs`: replaces all that was set for a topic or a broker. Has the rules of
//! `IncrementalAlterConfigs` too.

use super::Context;
use crate::protocol::ErrorCode;
use crate::protocol::messages::alter_configs::{
    AlterConfigsRequest, AlterConfigsResourceResponse, AlterConfigsResponse,
};
use crate::testing::configs::{self, Resource};
use crate::testing::state::{Refusal, State, Values, is_topic_name};

/// `CONFIG_RESOURCE` types.
pub(super) const TOPIC: i8 = 2;
pub(super) const BROKER: i8 = 4;

/// Type and name of a resource.
pub(super) type Id = (i8, String);

/// One wish about one configuration: its name, the operation, and the value if there is one.
pub(super) type Change = (String, i8, Option<String>);

/// Operations.
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

pub(super) fn handle(
    state: &mut State,
    context: &Context,
    request: AlterConfigsRequest,
) -> AlterConfigsResponse {
    let resources = request.resources.into_iter().map(|asked| {
        let set = asked.configs.into_iter().map(|config| (config.name, SET, config.value));
        ((asked.resource_type, asked.resource_name), set.collect())
    });
    let altered = alter_all(state, context, resources.collect(), false, request.validate_only);
    let responses = altered.into_iter().map(|((resource_type, resource_name), (code, text))| {
        AlterConfigsResourceResponse {
            error_code: code.0,
            error_message: text,
            resource_type,
            resource_name,
            ..Default::default()
        }
    });
    AlterConfigsResponse {
        throttle_time_ms: context.throttle_time_ms,
        responses: responses.collect(),
        ..Default::default()
    }
}

/// Alters each resource, and says what became of it. What is not mentioned stays, or goes.
pub(super) fn alter_all(
    state: &mut State,
    context: &Context,
    resources: Vec<(Id, Vec<Change>)>,
    keeps_others: bool,
    validate_only: bool,
) -> Vec<(Id, (ErrorCode, Option<String>))> {
    let ids: Vec<Id> = resources.iter().map(|(id, _)| id.clone()).collect();
    let altered = resources.into_iter().map(|(id, changes)| {
        let altered = match context.fail {
            Some(code) => Err((code, code.text().to_owned())),
            None if ids.iter().filter(|other| **other == id).count() > 1 => {
                invalid("Each resource must appear at most once.")
            }
            None => alter(state, context, &id, &changes, keeps_others, validate_only),
        };
        let outcome = match altered {
            Ok(()) => (ErrorCode::NONE, None),
            Err((code, text)) => (code, Some(text)),
        };
        (id, outcome)
    });
    altered.collect()
}

fn alter(
    state: &mut State,
    context: &Context,
    id: &Id,
    changes: &[Change],
    keeps_others: bool,
    validate_only: bool,
) -> Result<(), Refusal> {
    let is_double = |(name, ..): &&Change| changes.iter().filter(|it| it.0 == *name).count() > 1;
    if changes.iter().any(|change| is_double(&change)) {
        return invalid("Error due to duplicate config keys");
    }
    let null =
        changes.iter().filter(|(_, operation, value)| *operation != DELETE && value.is_none());
    let null: Vec<&str> = null.map(|(name, ..)| name.as_str()).collect();
    if !null.is_empty() {
        return invalid(format!("Null value not supported for : {}", null.join(", ")));
    }
    let resource = resource(id, context)?;
    let mut values = Values::new();
    if keeps_others {
        values = configs::values(state, resource).unwrap_or_default();
    }
    for change in changes {
        apply(resource, &mut values, change)?;
    }
    configs::replace(state, resource, values, validate_only)
}

fn apply(
    resource: Resource<'_>,
    values: &mut Values,
    (name, operation, value): &Change,
) -> Result<(), Refusal> {
    let value = value.clone().unwrap_or_default();
    let list = match *operation {
        SET => {
            values.insert(name.clone(), value);
            return Ok(());
        }
        DELETE => {
            values.remove(name);
            return Ok(());
        }
        APPEND | SUBTRACT => configs::list(resource, name, values),
        _ => return invalid(format!("Unknown operations type {operation}")),
    };
    let Some(list) = list else {
        let verb = if *operation == APPEND { "APPEND" } else { "SUBTRACT" };
        let text = format!("Can't {verb} to key {name} because its type is not LIST.");
        return Err((ErrorCode::INVALID_CONFIG, text));
    };
    let mut parts: Vec<&str> = configs::parts(&list).collect();
    for part in configs::parts(&value) {
        let had = parts.iter().position(|it| *it == part);
        match had {
            None if *operation == APPEND => parts.push(part),
            Some(at) if *operation == SUBTRACT => drop(parts.remove(at)),
            _ => {}
        }
    }
    values.insert(name.clone(), parts.join(","));
    Ok(())
}

fn resource<'a>((kind, name): &'a Id, context: &Context) -> Result<Resource<'a>, Refusal> {
    match *kind {
        TOPIC if name.is_empty() => invalid("Default topic resources are not allowed."),
        TOPIC if !is_topic_name(name) => {
            let text = format!("Topic name is invalid: '{name}'");
            Err((ErrorCode::INVALID_TOPIC_EXCEPTION, text))
        }
        TOPIC => Ok(Resource::Topic(name)),
        BROKER if name.is_empty() || *name == context.broker.to_string() => {
            Ok(Resource::Broker(name))
        }
        BROKER => {
            let own = context.broker;
            invalid(format!("Unexpected broker id, expected {own}, but received {name}"))
        }
        _ => invalid(format!("Unknown resource type {kind}")),
    }
}

fn invalid<T>(text: impl Into<String>) -> Result<T, Refusal> {
    Err((ErrorCode::INVALID_REQUEST, text.into()))
}
