//! `Metadata`: which brokers and topics there are, and who leads what.

use std::collections::{BTreeMap, BTreeSet};

use super::Context;
use crate::protocol::ErrorCode;
use crate::protocol::messages::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseBroker,
    MetadataResponsePartition, MetadataResponseTopic,
};
use crate::testing::state::{Partition, State, Topic, TopicRef, is_topic_name};

/// Topics can be asked for by id from this version on; the field is older.
const BY_ID: i16 = 12;
/// The last version in which a replica that is down is an error of its partition.
const REPLICA_ERRORS: i16 = 0;

pub(super) fn handle(
    state: &mut State,
    context: &Context,
    request: MetadataRequest,
) -> MetadataResponse {
    let live = state.live();
    let asks_all = match &request.topics {
        None => true,
        Some(topics) => topics.is_empty() && context.version == 0,
    };
    let mut topics: Vec<_> = if asks_all {
        state.topics.0.values().map(|topic| describe(topic, context, &live)).collect()
    } else {
        let asked = request.topics.into_iter().flatten();
        let creates = request.allow_auto_topic_creation && state.settings.auto_create_topics;
        asked.map(|topic| find(state, context, topic, creates, &live)).collect()
    };
    if let Some(code) = context.fail {
        for topic in &mut topics {
            topic.error_code = code.0;
            topic.partitions.clear();
        }
    }
    let brokers = state.brokers.iter().filter(|(_, broker)| broker.is_up);
    let brokers = brokers.map(|(id, broker)| MetadataResponseBroker {
        node_id: *id,
        host: broker.host.clone(),
        port: broker.port.into(),
        rack: broker.rack.clone(),
        ..Default::default()
    });
    MetadataResponse {
        throttle_time_ms: context.throttle_time_ms,
        brokers: brokers.collect(),
        cluster_id: Some(state.cluster_id.clone()),
        controller_id: state.controller,
        topics,
        ..Default::default()
    }
}

fn find(
    state: &mut State,
    context: &Context,
    asked: MetadataRequestTopic,
    creates: bool,
    live: &BTreeSet<i32>,
) -> MetadataResponseTopic {
    let unknown = |code: ErrorCode, name, topic_id| MetadataResponseTopic {
        error_code: code.0,
        name,
        topic_id,
        ..Default::default()
    };
    let Some(name) = asked.name else {
        if context.version < BY_ID {
            // Names cannot be null in those answers.
            return unknown(ErrorCode::INVALID_REQUEST, Some(String::new()), asked.topic_id);
        }
        return match state.topics.find(TopicRef::Id(asked.topic_id)) {
            Ok(topic) => describe(topic, context, live),
            Err(code) => unknown(code, None, asked.topic_id),
        };
    };
    if let Some(topic) = state.topics.0.get(&name) {
        return describe(topic, context, live);
    }
    let nil = asked.topic_id;
    if !is_topic_name(&name) {
        return unknown(ErrorCode::INVALID_TOPIC_EXCEPTION, Some(name), nil);
    }
    if !creates {
        return unknown(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, Some(name), nil);
    }
    // It is there from the next request on, as with Kafka, which creates it meanwhile.
    let partitions = state.settings.default_partitions;
    let replicas = state.place(partitions, 0, state.default_factor());
    state.create_topic(&name, replicas, BTreeMap::new());
    let code = if state.settings.release.creates_topics_unseen() {
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
    } else {
        ErrorCode::LEADER_NOT_AVAILABLE
    };
    unknown(code, Some(name), nil)
}

fn describe(topic: &Topic, context: &Context, live: &BTreeSet<i32>) -> MetadataResponseTopic {
    let partitions = topic.partitions.iter().zip(0..);
    let partitions = partitions.map(|(partition, index)| {
        let mut described = describe_partition(partition, live);
        described.partition_index = index;
        let lacks_replica = context.version <= REPLICA_ERRORS
            && !described.offline_replicas.is_empty()
            && described.error_code == 0;
        if lacks_replica {
            described.error_code = ErrorCode::REPLICA_NOT_AVAILABLE.0;
        }
        described
    });
    MetadataResponseTopic {
        name: Some(topic.name.clone()),
        topic_id: topic.id,
        partitions: partitions.collect(),
        ..Default::default()
    }
}

pub(super) fn describe_partition(
    partition: &Partition,
    live: &BTreeSet<i32>,
) -> MetadataResponsePartition {
    let down = partition.replicas.iter().copied().filter(|id| !live.contains(id));
    MetadataResponsePartition {
        error_code: match partition.leader {
            Some(_) => ErrorCode::NONE.0,
            None => ErrorCode::LEADER_NOT_AVAILABLE.0,
        },
        leader_id: partition.leader.unwrap_or(-1),
        leader_epoch: partition.leader_epoch,
        replica_nodes: partition.replicas.clone(),
        isr_nodes: partition.in_sync(live).collect(),
        offline_replicas: down.collect(),
        ..Default::default()
    }
}
