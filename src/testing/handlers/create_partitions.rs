//! `CreatePartitions`: gives topics more partitions, if that is what is asked for.

use super::Context;
use crate::protocol::ErrorCode;
use crate::protocol::messages::create_partitions::{
    CreatePartitionsAssignment, CreatePartitionsRequest, CreatePartitionsResponse,
    CreatePartitionsTopic, CreatePartitionsTopicResult,
};
use crate::testing::state::{Refusal, State};

/// The most partitions that one request may add.
const MAX_PARTITIONS: i32 = 10_000;

pub(super) fn handle(
    state: &mut State,
    context: &Context,
    request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let names: Vec<String> = request.topics.iter().map(|topic| topic.name.clone()).collect();
    let results = request.topics.into_iter().map(|topic| {
        let created = match context.fail {
            Some(code) => Err((code, code.text().to_owned())),
            None if state.controller != context.broker => {
                let text = "another broker is the controller".to_owned();
                Err((ErrorCode::NOT_CONTROLLER, text))
            }
            None if names.iter().filter(|name| **name == topic.name).count() > 1 => {
                Err((ErrorCode::INVALID_REQUEST, "Duplicate topic name.".to_owned()))
            }
            None => create(state, &topic, request.validate_only),
        };
        let (code, error_message) = match created {
            Ok(()) => (ErrorCode::NONE, None),
            Err((code, text)) => (code, Some(text)),
        };
        CreatePartitionsTopicResult {
            name: topic.name,
            error_code: code.0,
            error_message,
            ..Default::default()
        }
    });
    CreatePartitionsResponse {
        throttle_time_ms: context.throttle_time_ms,
        results: results.collect(),
        ..Default::default()
    }
}

fn create(
    state: &mut State,
    asked: &CreatePartitionsTopic,
    validate_only: bool,
) -> Result<(), Refusal> {
    let Some(topic) = state.topics.0.get(&asked.name) else {
        let text = "This server does not host this topic-partition.".to_owned();
        return Err((ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, text));
    };
    let (factor, now) = (topic.factor(), i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX));
    let invalid = |text| Err((ErrorCode::INVALID_PARTITIONS, text));
    if asked.count == now {
        return invalid(format!("Topic already has {now} partition(s)."));
    }
    if asked.count < now {
        return invalid(format!(
            "The topic {} currently has {now} partition(s); {} would not be an increase.",
            asked.name, asked.count
        ));
    }
    let added = asked.count - now;
    let replicas = match &asked.assignments {
        Some(assignments) => assigned(state, assignments, added, factor)?,
        None if added > MAX_PARTITIONS => {
            let text = "Excessively large number of partitions per request.".to_owned();
            return Err((ErrorCode::POLICY_VIOLATION, text));
        }
        None if state.live().len() < usize::try_from(factor).unwrap_or(0) => {
            let text = format!("There are fewer brokers than replicas wanted: {factor}.");
            return Err((ErrorCode::INVALID_REPLICATION_FACTOR, text));
        }
        None => state.place(added, now, factor),
    };
    if !validate_only {
        state.add_replicas(&asked.name, replicas);
    }
    Ok(())
}

fn assigned(
    state: &State,
    assignments: &[CreatePartitionsAssignment],
    added: i32,
    factor: i16,
) -> Result<Vec<Vec<i32>>, Refusal> {
    let invalid = |text| Err((ErrorCode::INVALID_REPLICA_ASSIGNMENT, text));
    let count = assignments.len();
    if i32::try_from(count) != Ok(added) {
        return invalid(format!(
            "Attempted to add {added} additional partition(s), but only {count} assignment(s) were \
             specified."
        ));
    }
    for CreatePartitionsAssignment { broker_ids, .. } in assignments {
        if broker_ids.is_empty() {
            let text = "The manual partition assignment includes an empty replica list.";
            return invalid(text.to_owned());
        }
        for (at, id) in broker_ids.iter().enumerate() {
            if !state.brokers.contains_key(id) {
                return invalid(format!(
                    "The manual partition assignment includes broker {id}, but no such broker is \
                     registered."
                ));
            }
            if broker_ids.iter().skip(at + 1).any(|other| other == id) {
                return invalid(format!(
                    "The manual partition assignment includes the broker {id} more than once."
                ));
            }
        }
        if i16::try_from(broker_ids.len()) != Ok(factor) {
            return invalid(format!(
                "The manual partition assignment includes a partition with {} replica(s), but this \
                 is not consistent with previous partitions, which have {factor} replica(s).",
                broker_ids.len()
            ));
        }
    }
    Ok(assignments.iter().map(|it| it.broker_ids.clone()).collect())
}
