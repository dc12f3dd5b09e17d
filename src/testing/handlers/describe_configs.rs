//! `DescribeConfigs`: what is set for topics and brokers, and what holds where nothing is.

use super::Context;
use super::alter_configs::{BROKER, TOPIC};
use crate::protocol::ErrorCode;
use crate::protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
    DescribeConfigsResponse, DescribeConfigsResult, DescribeConfigsSynonym,
};
use crate::testing::configs::{
    DEFAULT, Described, describe_all_brokers, describe_broker, describe_topic,
};
use crate::testing::state::{Refusal, State, is_topic_name};

pub(super) fn handle(
    state: &mut State,
    context: &Context,
    request: DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let results = request.resources.into_iter().map(|asked| {
        let (code, text, found) = match find(state, context, &asked) {
            Ok(found) => (ErrorCode::NONE, None, found),
            Err((code, text)) => (code, Some(text), Vec::new()),
        };
        let keys = asked.configuration_keys.unwrap_or_default();
        let found = found.into_iter().filter(|it| keys.is_empty() || keys.contains(&it.name));
        DescribeConfigsResult {
            error_code: code.0,
            error_message: text,
            resource_type: asked.resource_type,
            resource_name: asked.resource_name,
            configs: found.map(|it| row(it, context, request.include_synonyms)).collect(),
            ..Default::default()
        }
    });
    DescribeConfigsResponse {
        throttle_time_ms: context.throttle_time_ms,
        results: results.collect(),
        ..Default::default()
    }
}

fn find(
    state: &State,
    context: &Context,
    asked: &DescribeConfigsResource,
) -> Result<Vec<Described>, Refusal> {
    if let Some(code) = context.fail {
        return Err((code, code.text().to_owned()));
    }
    let name = &asked.resource_name;
    match asked.resource_type {
        TOPIC if !is_topic_name(name) => {
            let text = format!("Topic name is invalid: '{name}'");
            Err((ErrorCode::INVALID_TOPIC_EXCEPTION, text))
        }
        TOPIC => match state.topics.0.get(name) {
            Some(topic) => Ok(describe_topic(state, context.broker, &topic.configs)),
            None => Err((ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, String::new())),
        },
        BROKER if name.is_empty() => Ok(describe_all_brokers(state)),
        BROKER if *name == context.broker.to_string() => Ok(describe_broker(state, context.broker)),
        BROKER => {
            let own = context.broker;
            let text = format!(
                "Unexpected broker id, expected {own} or empty string, but received {name}"
            );
            Err((ErrorCode::INVALID_REQUEST, text))
        }
        kind => Err((ErrorCode::INVALID_REQUEST, format!("Unsupported resource type: {kind}"))),
    }
}

fn row(
    found: Described,
    context: &Context,
    include_synonyms: bool,
) -> DescribeConfigsResourceResult {
    let config_source = found.source();
    let is_sensitive = found.is_sensitive();
    let mut synonyms = found.synonyms;
    if !include_synonyms {
        synonyms.clear();
    }
    let synonyms = synonyms.into_iter().map(|(name, value, source)| DescribeConfigsSynonym {
        name,
        value: Some(value).filter(|_| !is_sensitive),
        source,
        ..Default::default()
    });
    DescribeConfigsResourceResult {
        name: found.name,
        value: found.value,
        read_only: found.read_only,
        // Told by the source since version 1.
        is_default: context.version == 0 && config_source == DEFAULT,
        config_source,
        is_sensitive,
        synonyms: synonyms.collect(),
        config_type: found.kind,
        ..Default::default()
    }
}
