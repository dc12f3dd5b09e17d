//! `CreateTopics`: checks the wishes as Kafka does, and creates what it can.

use std::collections::BTreeMap;

use super::Context;
use crate::protocol::ErrorCode;
use crate::protocol::messages::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfigs, CreatableTopicResult,
    CreateTopicsRequest, CreateTopicsResponse,
};
use crate::testing::configs::{check_config, describe_topic};
use crate::testing::state::{Refusal, State, is_topic_name};
use crate::wire::Uuid;

/// The most partitions that one request may ask for.
const MAX_PARTITIONS: i32 = 10_000;

pub(super) fn handle(
    state: &mut State,
    context: &Context,
    request: CreateTopicsRequest,
) -> CreateTopicsResponse {
    let names: Vec<String> = request.topics.iter().map(|topic| topic.name.clone()).collect();
    let topics = request.topics.into_iter().map(|topic| {
        let is_double = names.iter().filter(|name| **name == topic.name).count() > 1;
        let name = topic.name.clone();
        let created = if is_double {
            refuse(ErrorCode::INVALID_REQUEST, "the request has this topic twice")
        } else {
            create(state, context, &topic, request.validate_only)
        };
        match created {
            Ok(result) => CreatableTopicResult { name, ..result },
            Err((code, text)) => CreatableTopicResult {
                name,
                error_code: code.0,
                error_message: Some(text),
                ..Default::default()
            },
        }
    });
    CreateTopicsResponse {
        topics: topics.collect(),
        throttle_time_ms: context.throttle_time_ms,
        ..Default::default()
    }
}

fn create(
    state: &mut State,
    context: &Context,
    topic: &CreatableTopic,
    validate_only: bool,
) -> Result<CreatableTopicResult, Refusal> {
    if let Some(code) = context.fail {
        return refuse(code, code.text());
    }
    if state.controller != context.broker {
        return refuse(ErrorCode::NOT_CONTROLLER, "another broker is the controller");
    }
    if !is_topic_name(&topic.name) {
        let text = "the name is empty, too long, or has characters that are not allowed";
        return refuse(ErrorCode::INVALID_TOPIC_EXCEPTION, text);
    }
    if state.topics.0.contains_key(&topic.name) {
        let text = format!("Topic '{}' already exists.", topic.name);
        return refuse(ErrorCode::TOPIC_ALREADY_EXISTS, text);
    }
    let replicas = replicas(state, topic)?;
    let configs = configs(topic)?;
    let num_partitions = i32::try_from(replicas.len()).unwrap_or(i32::MAX);
    let factor = replicas.first().map_or(0, Vec::len);
    let described = describe_topic(state, context.broker, &configs);
    let described = described.into_iter().map(|config| CreatableTopicConfigs {
        config_source: config.source(),
        name: config.name,
        value: config.value,
        ..Default::default()
    });
    let described = described.collect();
    let topic_id = if validate_only {
        Uuid::default()
    } else {
        state.create_topic(&topic.name, replicas, configs)
    };
    Ok(CreatableTopicResult {
        topic_id,
        num_partitions,
        replication_factor: i16::try_from(factor).unwrap_or(i16::MAX),
        configs: Some(described),
        ..Default::default()
    })
}

fn replicas(state: &State, topic: &CreatableTopic) -> Result<Vec<Vec<i32>>, Refusal> {
    if !topic.assignments.is_empty() {
        if topic.num_partitions != -1 || topic.replication_factor != -1 {
            let text = "assignments leave no choice of partitions or replication factor";
            return refuse(ErrorCode::INVALID_REQUEST, text);
        }
        return assigned(state, &topic.assignments);
    }
    // Kafka fills in its defaults since 2.4 (KIP-464).
    let has_defaults = state.settings.release.is_since_2_4();
    let partitions = match topic.num_partitions {
        -1 if has_defaults => state.settings.default_partitions,
        ..=MAX_PARTITIONS if topic.num_partitions > 0 => topic.num_partitions,
        1.. => {
            let text = "Excessively large number of partitions per request.";
            return refuse(ErrorCode::POLICY_VIOLATION, text);
        }
        _ => {
            let text = "Number of partitions must be larger than 0.";
            return refuse(ErrorCode::INVALID_PARTITIONS, text);
        }
    };
    let live = state.live().len();
    let factor = match topic.replication_factor {
        -1 if has_defaults => state.default_factor(),
        factor @ 1.. if usize::try_from(factor).is_ok_and(|factor| factor <= live) => factor,
        1.. => {
            let text = format!("Replication factor larger than available brokers: {live}.");
            return refuse(ErrorCode::INVALID_REPLICATION_FACTOR, text);
        }
        _ => {
            let text = "Replication factor must be larger than 0.";
            return refuse(ErrorCode::INVALID_REPLICATION_FACTOR, text);
        }
    };
    Ok(state.place(partitions, 0, factor))
}

fn assigned(
    state: &State,
    assignments: &[CreatableReplicaAssignment],
) -> Result<Vec<Vec<i32>>, Refusal> {
    let invalid = |text| refuse(ErrorCode::INVALID_REPLICA_ASSIGNMENT, text);
    let by_index: BTreeMap<i32, &Vec<i32>> =
        assignments.iter().map(|it| (it.partition_index, &it.broker_ids)).collect();
    if by_index.len() != assignments.len()
        || !by_index.keys().copied().eq((0..).take(by_index.len()))
    {
        return invalid("partitions must be numbered from 0, without gaps");
    }
    let factor = by_index.values().next().map_or(0, |brokers| brokers.len());
    for brokers in by_index.values() {
        let mut distinct = (*brokers).clone();
        distinct.sort_unstable();
        distinct.dedup();
        if brokers.is_empty() || brokers.len() != factor || distinct.len() != factor {
            return invalid("each partition needs the same number of different brokers");
        }
        if !brokers.iter().all(|id| state.brokers.contains_key(id)) {
            return invalid("there is no such broker");
        }
    }
    Ok(by_index.into_values().cloned().collect())
}

fn configs(topic: &CreatableTopic) -> Result<BTreeMap<String, String>, Refusal> {
    let mut configs = BTreeMap::new();
    for config in &topic.configs {
        let name = &config.name;
        let Some(value) = &config.value else {
            let text = format!("Null value not supported for topic configs: {name}");
            return refuse(ErrorCode::INVALID_CONFIG, text);
        };
        if let Err(text) = check_config(name, value) {
            return refuse(ErrorCode::INVALID_CONFIG, text);
        }
        configs.insert(name.clone(), value.clone());
    }
    Ok(configs)
}

fn refuse<T>(code: ErrorCode, text: impl Into<String>) -> Result<T, Refusal> {
    Err((code, text.into()))
}
