//! `ElectLeaders`: gives partitions back to the first of their replicas, or leaders to those
//! without.

use super::Context;
use crate::protocol::ErrorCode;
use crate::protocol::messages::elect_leaders::{
    ElectLeadersRequest, ElectLeadersResponse, PartitionResult, ReplicaElectionResult,
    TopicPartitions,
};
use crate::testing::state::{State, TopicRef};

/// Elects the first replica; 1 elects any, if there is no leader.
const PREFERRED: i8 = 0;

pub(super) fn handle(
    state: &mut State,
    context: &Context,
    request: ElectLeadersRequest,
) -> ElectLeadersResponse {
    let top = match context.fail {
        None if state.controller != context.broker => Some(ErrorCode::NOT_CONTROLLER),
        fail => fail,
    };
    let asks_all = request.topic_partitions.is_none();
    let all = state.topics.0.values().map(|topic| TopicPartitions {
        topic: topic.name.clone(),
        partitions: (0..).take(topic.partitions.len()).collect(),
        ..Default::default()
    });
    let asked = request.topic_partitions.unwrap_or_else(|| all.collect());
    let results = asked.into_iter().map(|asked| {
        let partitions = asked.partitions.iter().map(|index| {
            let elected = match top {
                Some(code) => Err(code),
                None => elect(state, &asked.topic, *index, request.election_type),
            };
            let code = elected.err().unwrap_or(ErrorCode::NONE);
            PartitionResult {
                partition_id: *index,
                error_code: code.0,
                error_message: elected.err().map(|code| code.text().to_owned()),
                ..Default::default()
            }
        });
        // Of all partitions, those are told that something was to be done for.
        let told =
            partitions.filter(|it| !asks_all || it.error_code != ErrorCode::ELECTION_NOT_NEEDED.0);
        let partition_result = told.collect();
        ReplicaElectionResult { topic: asked.topic, partition_result, ..Default::default() }
    });
    let mut results: Vec<_> = results.collect();
    results.retain(|topic| !topic.partition_result.is_empty());
    ElectLeadersResponse {
        throttle_time_ms: context.throttle_time_ms,
        error_code: top.filter(|_| context.version > 0).unwrap_or(ErrorCode::NONE).0,
        replica_election_results: results,
        ..Default::default()
    }
}

fn elect(state: &mut State, topic: &str, index: i32, election: i8) -> Result<(), ErrorCode> {
    let live = state.live();
    let topic = state.topics.find(TopicRef::Name(topic))?;
    let partition = topic.partition(index).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    let preferred = partition.replicas.first().copied();
    let is_needed = match election {
        PREFERRED => partition.leader != preferred,
        _ => partition.leader.is_none(),
    };
    if !is_needed {
        return Err(ErrorCode::ELECTION_NOT_NEEDED);
    }
    let next = match election {
        PREFERRED => partition.in_sync(&live).find(|id| Some(*id) == preferred),
        _ => partition.replicas.iter().copied().find(|id| live.contains(id)),
    };
    match (next, election) {
        (Some(next), _) => partition.lead(Some(next)),
        (None, PREFERRED) => return Err(ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE),
        (None, _) => return Err(ErrorCode::ELIGIBLE_LEADERS_NOT_AVAILABLE),
    }
    Ok(())
}
