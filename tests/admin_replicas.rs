//! Operations on replicas, features and the quorum against a cluster that answers what a test says,
//! under paused time.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "this is a test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kafkio::admin::features::FeatureUpdate;
use kafkio::admin::log_dirs::Replica;
use kafkio::admin::replicas::{Election, ElectionType, Reassignment};
use kafkio::protocol::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use kafkio::protocol::messages::alter_replica_log_dirs::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult, AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse,
};
use kafkio::protocol::messages::describe_log_dirs::{
    DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeLogDirsResult,
};
use kafkio::protocol::messages::describe_quorum::response::{PartitionData, TopicData};
use kafkio::protocol::messages::describe_quorum::{DescribeQuorumRequest, DescribeQuorumResponse};
use kafkio::protocol::messages::elect_leaders::{
    ElectLeadersRequest, ElectLeadersResponse, PartitionResult, ReplicaElectionResult,
};
use kafkio::protocol::messages::update_features::{
    UpdatableFeatureResult, UpdateFeaturesRequest, UpdateFeaturesResponse,
};
use kafkio::protocol::{ApiKey, ErrorCode};
use kafkio::testing::{FakeCluster, Fault};
use kafkio::wire::Uuid;
use kafkio::{Client, ErrorKind, TopicPartition};

async fn start(version: &str) -> FakeCluster {
    let cluster = FakeCluster::builder().in_memory().brokers(2).topic("t", 2);
    cluster.kafka_version(version).start().await.unwrap()
}

async fn client(cluster: &FakeCluster) -> Client {
    cluster.client().api_timeout(Duration::from_secs(5)).connect().await.unwrap()
}

fn elected(codes: &[(i32, ErrorCode)]) -> Fault {
    let result = |(partition_id, code): &(i32, ErrorCode)| PartitionResult {
        partition_id: *partition_id,
        error_code: code.0,
        ..Default::default()
    };
    let topic = ReplicaElectionResult {
        topic: "t".to_owned(),
        partition_result: codes.iter().map(result).collect(),
        ..Default::default()
    };
    Fault::answer::<ElectLeadersRequest>(ElectLeadersResponse {
        replica_election_results: vec![topic],
        ..Default::default()
    })
}

#[tokio::test(start_paused = true)]
async fn an_election_is_tried_again_for_what_has_no_answer_yet() {
    let cluster = start("4.3").await;
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let _hook = cluster.on(ApiKey::ELECT_LEADERS, move |call| {
        let request = call.request::<ElectLeadersRequest>();
        let partitions = request.topic_partitions.unwrap()[0].partitions.clone();
        match counter.fetch_add(1, Ordering::Relaxed) {
            0 => Fault::answer::<ElectLeadersRequest>(ElectLeadersResponse {
                error_code: ErrorCode::NOT_CONTROLLER.0,
                ..Default::default()
            }),
            1 => {
                assert_eq!(partitions, [0, 1]);
                elected(&[(0, ErrorCode::ELECTION_NOT_NEEDED), (1, ErrorCode::NOT_CONTROLLER)])
            }
            _ => {
                assert_eq!(partitions, [1]);
                elected(&[(1, ErrorCode::NONE)])
            }
        }
    });
    let client = client(&cluster).await;
    let elect = client.elect_leaders(ElectionType::Preferred, [("t", 0), ("t", 1)]);
    let results = elect.await.unwrap().into_result().unwrap();
    let elections: Vec<_> =
        results.into_iter().map(|(at, election)| (at.partition, election)).collect();
    assert_eq!(elections, [(0, Election::NotNeeded), (1, Election::Elected)]);
    assert_eq!(asked.load(Ordering::Relaxed), 3);
}

#[tokio::test(start_paused = true)]
async fn an_unclean_election_names_the_kafka_it_needs() {
    let cluster = start("2.3").await;
    let _hook = cluster.on(ApiKey::ELECT_LEADERS, |_| elected(&[(0, ErrorCode::NONE)]));
    let client = client(&cluster).await;
    let elect = |kind| client.elect_leaders(kind, [("t", 0)]);
    elect(ElectionType::Preferred).await.unwrap().into_only().unwrap();
    let error = elect(ElectionType::Unclean).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(format!("{error:?}").contains("2.4"), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_the_answer_forgets_is_an_error() {
    let cluster = start("4.3").await;
    let _hook = cluster.on(ApiKey::ALTER_PARTITION_REASSIGNMENTS, |_| {
        let result = |partition_index| ReassignablePartitionResponse {
            partition_index,
            ..Default::default()
        };
        let topic = ReassignableTopicResponse {
            name: "t".to_owned(),
            partitions: vec![result(0), result(7)],
            ..Default::default()
        };
        Fault::answer::<AlterPartitionReassignmentsRequest>(AlterPartitionReassignmentsResponse {
            responses: vec![topic],
            ..Default::default()
        })
    });
    let client = client(&cluster).await;
    let moves = [Reassignment::new("t", 0, [2]), Reassignment::cancel("t", 1)];
    let results = client.alter_partition_reassignments(moves).await.unwrap();
    assert_eq!(results.len(), 2);
    assert!(results.get(&TopicPartition::new("t", 0)).unwrap().is_ok());
    let error = results.get(&TopicPartition::new("t", 1)).unwrap().as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_hangs_does_not_hide_the_directories_of_others() {
    let cluster = start("4.3").await;
    let _hook = cluster.on(ApiKey::DESCRIBE_LOG_DIRS, |call| {
        if call.broker == 1 {
            return Fault::Hang;
        }
        let dir = DescribeLogDirsResult { log_dir: "/a".to_owned(), ..Default::default() };
        Fault::answer::<DescribeLogDirsRequest>(DescribeLogDirsResponse {
            results: vec![dir],
            ..Default::default()
        })
    });
    let client = client(&cluster).await;
    for all in [true, false] {
        let dirs = client.describe_log_dirs();
        let dirs = if all { dirs } else { dirs.brokers(vec![0, 1]) };
        let dirs = dirs.await.unwrap();
        assert_eq!(dirs.get(&0).unwrap().as_ref().unwrap()[0].path, "/a");
        assert!(dirs.get(&1).unwrap().as_ref().unwrap_err().is_timeout());
    }
}

#[tokio::test(start_paused = true)]
async fn no_directories_mean_no_right_to_see_them() {
    let cluster = start("2.8").await;
    let _hook = cluster.on(ApiKey::DESCRIBE_LOG_DIRS, |_| {
        Fault::answer::<DescribeLogDirsRequest>(DescribeLogDirsResponse::default())
    });
    let client = client(&cluster).await;
    let error = client.describe_log_dirs().brokers(vec![1]).await.unwrap().into_only().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::CLUSTER_AUTHORIZATION_FAILED));
}

#[tokio::test(start_paused = true)]
async fn each_broker_moves_its_own_replicas() {
    let cluster = start("4.3").await;
    let _hook = cluster.on(ApiKey::ALTER_REPLICA_LOG_DIRS, |call| {
        let request = call.request::<AlterReplicaLogDirsRequest>();
        let topic = |topic: &str, partitions: &[i32]| AlterReplicaLogDirTopicResult {
            topic_name: topic.to_owned(),
            partitions: partitions
                .iter()
                .map(|partition| AlterReplicaLogDirPartitionResult {
                    partition_index: *partition,
                    // Says who has answered.
                    error_code: if call.broker == 1 { ErrorCode::LOG_DIR_NOT_FOUND.0 } else { 0 },
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        };
        let dirs = request.dirs.iter().flat_map(|dir| &dir.topics);
        Fault::answer::<AlterReplicaLogDirsRequest>(AlterReplicaLogDirsResponse {
            results: dirs.map(|it| topic(&it.name, &it.partitions)).collect(),
            ..Default::default()
        })
    });
    let client = client(&cluster).await;
    let replica = |partition, broker| Replica::new("t", partition, broker);
    let moves = [(replica(0, 0), "/a"), (replica(0, 1), "/a"), (replica(1, 0), "/b")];
    let results = client.alter_replica_log_dirs(moves).await.unwrap();
    let ok: Vec<_> = results.iter().map(|(at, result)| (at.broker, result.is_ok())).collect();
    assert_eq!(ok, [(0, true), (1, false), (0, true)]);
    let error = results.get(&replica(0, 1)).unwrap().as_ref().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::LOG_DIR_NOT_FOUND));
    let twice = client.alter_replica_log_dirs([(replica(0, 1), "/a"), (replica(0, 1), "/b")]);
    assert_eq!(twice.await.unwrap_err().kind(), ErrorKind::Config);
}

#[tokio::test(start_paused = true)]
async fn features_are_updated_in_every_version() {
    for (kafka, version) in [("2.7", 0), ("3.3", 1), ("4.3", 2)] {
        let cluster = start(kafka).await;
        let _hook = cluster.on(ApiKey::UPDATE_FEATURES, move |call| {
            let request = call.request::<UpdateFeaturesRequest>();
            let updates = request.feature_updates.into_iter();
            let results = updates.map(|it| {
                let is_down = it.feature == "down";
                let way = if is_down { [1, 2, 2][version] } else { 1 };
                assert_eq!(it.allow_downgrade, is_down && version == 0, "{kafka}");
                assert_eq!(it.upgrade_type, way, "{kafka}");
                let code = if is_down { ErrorCode::FEATURE_UPDATE_FAILED.0 } else { 0 };
                UpdatableFeatureResult {
                    feature: it.feature,
                    error_code: code,
                    ..Default::default()
                }
            });
            Fault::answer::<UpdateFeaturesRequest>(UpdateFeaturesResponse {
                results: results.filter(|_| version < 2).collect(),
                ..Default::default()
            })
        });
        let client = client(&cluster).await;
        let update = |down| client.update_features([FeatureUpdate::upgrade("up", 3), down]);
        let results = update(FeatureUpdate::downgrade("down", 1)).await.unwrap();
        assert!(results.get("up").unwrap().is_ok(), "{kafka}");
        assert_eq!(results.get("down").unwrap().is_ok(), version == 2, "{kafka}");
        if version == 0 {
            let results = update(FeatureUpdate::unsafe_downgrade("down", 1)).await.unwrap();
            assert!(results.get("up").unwrap().is_ok(), "{results:?}");
            let error = results.get("down").unwrap().as_ref().unwrap_err();
            assert!(error.to_string().contains("3.3"), "{error:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_quorum_whose_leader_has_changed_is_asked_again() {
    let cluster = start("4.3").await;
    let asked = AtomicUsize::new(0);
    let _hook = cluster.on(ApiKey::DESCRIBE_QUORUM, move |_| {
        let first = asked.fetch_add(1, Ordering::Relaxed) == 0;
        let partition = PartitionData {
            error_code: if first { ErrorCode::NOT_LEADER_OR_FOLLOWER.0 } else { 0 },
            leader_id: 1,
            ..Default::default()
        };
        let topic = TopicData {
            topic_name: "__cluster_metadata".to_owned(),
            partitions: vec![partition],
            ..Default::default()
        };
        Fault::answer::<DescribeQuorumRequest>(DescribeQuorumResponse {
            topics: vec![topic],
            ..Default::default()
        })
    });
    let client = client(&cluster).await;
    assert_eq!(client.describe_quorum().await.unwrap().leader, Some(1));
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_quorum_is_an_error() {
    let cluster = start("4.3").await;
    let _hook = cluster.on(ApiKey::DESCRIBE_QUORUM, |_| {
        Fault::answer::<DescribeQuorumRequest>(DescribeQuorumResponse::default())
    });
    let client = client(&cluster).await;
    assert_eq!(client.describe_quorum().await.unwrap_err().kind(), ErrorKind::Protocol);
    let nobody = client.add_raft_voter(1, Uuid(1), []).await.unwrap_err();
    assert_eq!(nobody.kind(), ErrorKind::Config, "no endpoints");
}

#[tokio::test(start_paused = true)]
async fn the_cluster_is_described_by_every_kafka() {
    for kafka in ["0.10.1", "2.7", "2.8", "4.3"] {
        let cluster = start(kafka).await;
        let client = client(&cluster).await;
        let found = client.describe_cluster().await.unwrap();
        assert!(found.nodes.keys().eq(&[0, 1]), "{kafka}: {found:?}");
        let fenced = client.describe_cluster().fenced_brokers(true).await;
        assert!(kafka == "4.3" || fenced.unwrap_err().kind() == ErrorKind::Unsupported);
    }
}
