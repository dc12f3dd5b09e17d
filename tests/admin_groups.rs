//! Groups of an in-process cluster whose brokers misbehave, or are old, under paused time. The
//! cluster keeps no groups: hooks answer for it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "this is a test")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use kafkio::admin::groups::{GroupState, GroupType, MemberToRemove};
use kafkio::protocol::messages::alter_share_group_offsets::{
    AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse,
    AlterShareGroupOffsetsResponsePartition, AlterShareGroupOffsetsResponseTopic,
};
use kafkio::protocol::messages::consumer_group_describe::ConsumerGroupDescribeRequest;
use kafkio::protocol::messages::describe_groups::{
    DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup, DescribedGroupMember,
};
use kafkio::protocol::messages::describe_share_group_offsets::{
    DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsResponse,
    DescribeShareGroupOffsetsResponseGroup, DescribeShareGroupOffsetsResponsePartition,
    DescribeShareGroupOffsetsResponseTopic,
};
use kafkio::protocol::messages::find_coordinator::FindCoordinatorRequest;
use kafkio::protocol::messages::leave_group::{LeaveGroupRequest, LeaveGroupResponse};
use kafkio::protocol::messages::list_groups::{ListGroupsRequest, ListGroupsResponse, ListedGroup};
use kafkio::protocol::messages::offset_commit::{OffsetCommitRequest, OffsetCommitResponse};
use kafkio::protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchResponse, OffsetFetchResponseGroup,
    OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};
use kafkio::protocol::{ApiKey, ErrorCode};
use kafkio::testing::{Call, FakeCluster, FakeClusterBuilder, Fault, FaultGuard};
use kafkio::{Client, ErrorKind, TopicPartition};
use tokio::time::Instant;

const LIMIT: Duration = Duration::from_secs(5);

fn cluster() -> FakeClusterBuilder {
    FakeCluster::builder().in_memory().brokers(3).topic("t", 2)
}

async fn client(cluster: &FakeCluster) -> Client {
    cluster.client().api_timeout(LIMIT).connect().await.unwrap()
}

/// Two groups whose coordinators differ. Hooks must be there: connections are made.
async fn apart(client: &Client) -> [String; 2] {
    let names = ["a", "b", "c", "d", "e"].map(ToOwned::to_owned);
    let request = FindCoordinatorRequest { coordinator_keys: names.to_vec(), ..Default::default() };
    let found = client.send(kafkio::admin::Target::Any, request).await.unwrap().coordinators;
    let other = found.iter().find(|it| it.node_id != found[0].node_id).unwrap();
    [found[0].key.clone(), other.key.clone()]
}

fn described(id: &str) -> DescribedGroup {
    DescribedGroup {
        group_id: id.to_owned(),
        group_state: "Stable".to_owned(),
        protocol_type: "consumer".to_owned(),
        ..Default::default()
    }
}

/// Answers for each group what the closure says.
fn describe_by(
    cluster: &FakeCluster,
    answer: impl Fn(&str, i32) -> DescribedGroup + Send + 'static,
) -> FaultGuard {
    cluster.on(ApiKey::DESCRIBE_GROUPS, move |call| {
        let groups = call.request::<DescribeGroupsRequest>().groups;
        let groups = groups.iter().map(|group| answer(group, call.broker)).collect();
        Fault::answer::<DescribeGroupsRequest>(DescribeGroupsResponse {
            groups,
            ..Default::default()
        })
    })
}

fn count(cluster: &FakeCluster, key: ApiKey) -> usize {
    cluster.requests().iter().filter(|request| request.api_key == key).count()
}

#[tokio::test(start_paused = true)]
async fn each_coordinator_is_asked_for_its_own_groups() {
    let cluster = cluster().request_log(true).start().await.unwrap();
    let _hook = describe_by(&cluster, |group, _| described(group));
    let client = client(&cluster).await;
    let groups = apart(&client).await;
    cluster.clear_requests();
    let found = client.describe_groups(&groups).await.unwrap().into_result().unwrap();
    assert!(found.iter().map(|(name, _)| name).eq(&groups));
    assert_ne!(found[0].1.coordinator, found[1].1.coordinator);
    assert_eq!(count(&cluster, ApiKey::FIND_COORDINATOR), 1, "looked up together");
    assert_eq!(count(&cluster, ApiKey::DESCRIBE_GROUPS), 2);
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_moves_or_loads_is_asked_again_for_that_group_alone() {
    let cluster = cluster().request_log(true).start().await.unwrap();
    let _announced = cluster.on(ApiKey::DESCRIBE_GROUPS, |_| Fault::Pass);
    let client = client(&cluster).await;
    let [moved, other] = apart(&client).await;
    for code in [ErrorCode::NOT_COORDINATOR, ErrorCode::COORDINATOR_LOAD_IN_PROGRESS] {
        let times = AtomicUsize::new(0);
        let bad = moved.clone();
        let _hook = describe_by(&cluster, move |group, _| {
            let fails = group == bad && times.fetch_add(1, Ordering::SeqCst) < 2;
            let error_code = if fails { code.0 } else { 0 };
            DescribedGroup { error_code, ..described(group) }
        });
        cluster.clear_requests();
        let found = client.describe_groups([&moved, &other]).await.unwrap();
        found.into_result().unwrap();
        assert_eq!(count(&cluster, ApiKey::DESCRIBE_GROUPS), 4, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_hangs_does_not_hide_the_groups_of_others() {
    let cluster = cluster().start().await.unwrap();
    let _announced = cluster.on(ApiKey::DESCRIBE_GROUPS, |_| Fault::Pass);
    let client = client(&cluster).await;
    let groups = apart(&client).await;
    let bad = groups[0].clone();
    let _hang = cluster.on(ApiKey::DESCRIBE_GROUPS, move |call| {
        let asked = call.request::<DescribeGroupsRequest>().groups;
        if asked.contains(&bad) { Fault::Hang } else { Fault::Pass }
    });
    let _hook = describe_by(&cluster, |group, _| described(group));
    let began = Instant::now();
    let found = client.describe_groups(&groups).await.unwrap();
    assert!(began.elapsed() <= LIMIT);
    assert!(found.get(&groups[0]).unwrap().as_ref().unwrap_err().is_timeout());
    assert!(found.get(&groups[1]).unwrap().is_ok());
    // Nobody answers at all: an error of the call.
    let error = client.describe_groups([&groups[0]]).await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_no_assignment_are_kept_as_they_are() {
    let cluster = cluster().start().await.unwrap();
    let client = client(&cluster).await;
    let hostile = Bytes::from_static(b"\0\x03\x7f\xff\xff\xff\0\x01t");
    let bytes = hostile.clone();
    let _hook = describe_by(&cluster, move |group, _| {
        let member = DescribedGroupMember {
            member_id: "m".to_owned(),
            member_metadata: bytes.clone(),
            member_assignment: bytes.clone(),
            ..Default::default()
        };
        DescribedGroup { members: vec![member], ..described(group) }
    });
    let group = client.describe_groups(["g"]).await.unwrap().into_only().unwrap();
    assert_eq!(group.members[0].subscription, None);
    assert_eq!(group.members[0].assignment, None);
    assert_eq!(group.members[0].assignment_bytes, hostile);
}

#[tokio::test(start_paused = true)]
async fn a_dead_group_is_not_found() {
    let cluster = cluster().kafka_version("2.7").start().await.unwrap();
    let client = client(&cluster).await;
    let _hook = describe_by(&cluster, |group, _| DescribedGroup {
        group_state: "Dead".to_owned(),
        ..described(group)
    });
    for error in [
        client.describe_groups(["g"]).await.unwrap().into_only().unwrap_err(),
        client.describe_consumer_groups(["g"]).await.unwrap().into_only().unwrap_err(),
    ] {
        assert_eq!(error.code(), Some(ErrorCode::GROUP_ID_NOT_FOUND), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_group_of_kip_848_is_described_as_a_classic_one() {
    use kafkio::protocol::messages::consumer_group_describe::{
        ConsumerGroupDescribeResponse, DescribedGroup as Described,
    };

    let cluster = cluster().start().await.unwrap();
    let client = client(&cluster).await;
    let _new = cluster.on(ApiKey::CONSUMER_GROUP_DESCRIBE, |call| {
        let groups = call.request::<ConsumerGroupDescribeRequest>().group_ids;
        let groups = groups.into_iter().map(|group_id| Described {
            error_code: match &*group_id {
                "new" => 0,
                "off" => ErrorCode::UNSUPPORTED_VERSION.0,
                _ => ErrorCode::GROUP_ID_NOT_FOUND.0,
            },
            group_id,
            group_epoch: 3,
            ..Default::default()
        });
        Fault::answer::<ConsumerGroupDescribeRequest>(ConsumerGroupDescribeResponse {
            groups: groups.collect(),
            ..Default::default()
        })
    });
    let _old = describe_by(&cluster, |group, _| {
        let not_found = ErrorCode::GROUP_ID_NOT_FOUND.0;
        let protocol_type = if group == "connect" { "connect" } else { "consumer" };
        DescribedGroup {
            error_code: if group == "none" { not_found } else { 0 },
            protocol_type: protocol_type.to_owned(),
            ..described(group)
        }
    });
    let groups = ["new", "old", "off", "none", "connect"];
    let found = client.describe_consumer_groups(groups).await.unwrap();
    let of = |group| found.get(group).unwrap().as_ref();
    assert_eq!(of("new").unwrap().kind, GroupType::Consumer);
    assert_eq!(of("new").unwrap().group_epoch, Some(3));
    assert_eq!(of("old").unwrap().kind, GroupType::Classic);
    assert_eq!(of("off").unwrap().kind, GroupType::Classic);
    assert_eq!(of("none").unwrap_err().code(), Some(ErrorCode::GROUP_ID_NOT_FOUND));
    assert!(of("connect").unwrap_err().to_string().contains("of type connect"));
}

fn listed(call: &Call) -> Fault {
    let group = |id: &str| ListedGroup {
        group_id: id.to_owned(),
        group_state: "Stable".to_owned(),
        ..Default::default()
    };
    Fault::answer::<ListGroupsRequest>(ListGroupsResponse {
        groups: vec![group(&format!("of-{}", call.broker)), group("moving")],
        ..Default::default()
    })
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_hangs_does_not_hide_the_lists_of_others() {
    let cluster = cluster().start().await.unwrap();
    let client = client(&cluster).await;
    let _hang = cluster.on(ApiKey::LIST_GROUPS, |call| match call.broker {
        1 => Fault::Hang,
        _ => listed(call),
    });
    let began = Instant::now();
    let listing = client.list_groups().await.unwrap();
    assert!(began.elapsed() <= LIMIT);
    let ids: Vec<_> = listing.items.iter().map(|group| &*group.group_id).collect();
    assert_eq!(ids, ["moving", "of-0", "of-2"], "each once");
    assert_eq!(listing.items[0].state, Some(GroupState::Stable));
    let [(broker, error)] = &listing.failed[..] else { panic!("{listing:?}") };
    assert!(*broker == 1 && error.is_timeout(), "{error:?}");
    assert!(listing.into_result().is_err());
}

#[tokio::test(start_paused = true)]
async fn filters_that_a_broker_does_not_have_are_refused() {
    let cluster = cluster().kafka_version("2.5").start().await.unwrap();
    let client = client(&cluster).await;
    let _hook = cluster.on(ApiKey::LIST_GROUPS, listed);
    let by_state = client.list_groups().states(vec![GroupState::Empty]).await.unwrap_err();
    let by_type = client.list_groups().kinds(vec![GroupType::Share]).await.unwrap_err();
    for (error, kafka) in [(by_state, "Kafka 2.6"), (by_type, "Kafka 3.8")] {
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(format!("{error:?}").contains(kafka), "{error:?}");
    }
    let all = client.list_groups().await.unwrap().into_result().unwrap();
    assert_eq!(all.len(), 4);
    assert_eq!((&all[0].state, &all[0].kind), (&None, &None));
}

#[tokio::test(start_paused = true)]
async fn before_kafka_3_0_each_group_is_asked_for_its_offsets_alone() {
    let cluster = cluster().kafka_version("2.7").request_log(true).start().await.unwrap();
    let client = client(&cluster).await;
    let _hook = cluster.on(ApiKey::OFFSET_FETCH, |call| {
        let request = call.request::<OffsetFetchRequest>();
        let offset = if request.group_id == "a" { 1 } else { -1 };
        let partition =
            OffsetFetchResponsePartition { committed_offset: offset, ..Default::default() };
        Fault::answer::<OffsetFetchRequest>(OffsetFetchResponse {
            topics: vec![OffsetFetchResponseTopic {
                name: "t".to_owned(),
                partitions: vec![partition],
                ..Default::default()
            }],
            ..Default::default()
        })
    });
    let found = client.list_group_offsets(["a", "b"]).await.unwrap().into_result().unwrap();
    assert_eq!(count(&cluster, ApiKey::OFFSET_FETCH), 2);
    let at = TopicPartition::new("t", 0);
    let of = |n: usize| found[n].1.get(&at).unwrap().as_ref().unwrap().as_ref();
    assert_eq!(of(0).unwrap().offset, 1);
    assert_eq!(of(1), None);
}

fn fetched(group: &str, partitions: Vec<OffsetFetchResponsePartitions>) -> OffsetFetchResponse {
    let topic =
        OffsetFetchResponseTopics { name: "t".to_owned(), partitions, ..Default::default() };
    OffsetFetchResponse {
        groups: vec![OffsetFetchResponseGroup {
            group_id: group.to_owned(),
            topics: vec![topic],
            ..Default::default()
        }],
        ..Default::default()
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_the_group_or_partition_does_not_mean_that_nothing_is_committed() {
    let cluster = cluster().start().await.unwrap();
    let client = client(&cluster).await;
    let other = cluster.on(ApiKey::OFFSET_FETCH, |_| {
        Fault::answer::<OffsetFetchRequest>(fetched("other", Vec::new()))
    });
    let error = client.list_group_offsets(["g"]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error:?}");
    drop(other);
    let _hook = cluster.on(ApiKey::OFFSET_FETCH, |_| {
        Fault::answer::<OffsetFetchRequest>(fetched("g", Vec::new()))
    });
    let partition = vec![TopicPartition::new("t", 0)];
    let found = client.list_group_offsets(["g"]).partitions(partition).await.unwrap();
    assert!(found.into_only().unwrap().into_only().is_err());
}

#[tokio::test(start_paused = true)]
async fn offsets_of_transactions_in_progress_are_waited_for() {
    let cluster = cluster().start().await.unwrap();
    let client = client(&cluster).await;
    let times = AtomicUsize::new(0);
    let _hook = cluster.on(ApiKey::OFFSET_FETCH, move |call| {
        let request = call.request::<OffsetFetchRequest>();
        assert!(request.require_stable && call.api_version == 9);
        let unstable = times.fetch_add(1, Ordering::SeqCst) < 3;
        let partition = OffsetFetchResponsePartitions {
            committed_offset: 8,
            error_code: if unstable { ErrorCode::UNSTABLE_OFFSET_COMMIT.0 } else { 0 },
            ..Default::default()
        };
        Fault::answer::<OffsetFetchRequest>(fetched("g", vec![partition]))
    });
    let found = client.list_group_offsets(["g"]).require_stable(true).await.unwrap();
    let found = found.into_only().unwrap().into_only().unwrap();
    assert_eq!(found.unwrap().offset, 8);
}

#[tokio::test(start_paused = true)]
async fn a_commit_waits_for_a_rebalance_and_not_for_longer_than_its_time() {
    let cluster = cluster().start().await.unwrap();
    let client = client(&cluster).await;
    let _hook = cluster.on(ApiKey::OFFSET_COMMIT, move |call| {
        use kafkio::protocol::messages::offset_commit::{
            OffsetCommitResponsePartition, OffsetCommitResponseTopic,
        };
        let request = call.request::<OffsetCommitRequest>();
        assert_eq!((request.generation_id_or_member_epoch, &*request.member_id), (-1, ""));
        let partition = OffsetCommitResponsePartition {
            error_code: ErrorCode::REBALANCE_IN_PROGRESS.0,
            ..Default::default()
        };
        let topic = OffsetCommitResponseTopic {
            name: "t".to_owned(),
            partitions: vec![partition],
            ..Default::default()
        };
        Fault::answer::<OffsetCommitRequest>(OffsetCommitResponse {
            topics: vec![topic],
            ..Default::default()
        })
    });
    let began = Instant::now();
    let altered = client.alter_group_offsets("g", [(TopicPartition::new("t", 0), 1)]);
    let altered = altered.timeout(Duration::from_secs(2)).await.unwrap();
    let error = altered.into_only().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::REBALANCE_IN_PROGRESS));
    let took = began.elapsed();
    assert!(took > Duration::from_millis(300) && took <= Duration::from_secs(2), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn before_kafka_2_4_members_leave_one_by_one() {
    let cluster = cluster().kafka_version("2.3").request_log(true).start().await.unwrap();
    let client = client(&cluster).await;
    let _hook = cluster.on(ApiKey::LEAVE_GROUP, |call| {
        let request = call.request::<LeaveGroupRequest>();
        let code = if request.member_id == "b" { ErrorCode::UNKNOWN_MEMBER_ID.0 } else { 0 };
        Fault::answer::<LeaveGroupRequest>(LeaveGroupResponse {
            error_code: code,
            ..Default::default()
        })
    });
    let members = ["a", "b", "c"].map(|id| MemberToRemove::MemberId(id.to_owned()));
    let removed = client.remove_members("g", members.clone()).await.unwrap();
    assert_eq!(count(&cluster, ApiKey::LEAVE_GROUP), 3);
    let results = members.map(|member| removed.get(&member).unwrap().is_ok());
    assert_eq!(results, [true, false, true]);
    let instance = MemberToRemove::InstanceId("i".to_owned());
    let error = client.remove_members("g", [instance]).await.unwrap_err();
    assert!(format!("{error:?}").contains("Kafka 2.4"), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn lag_counts_what_can_still_be_read() {
    let cluster = cluster().start().await.unwrap();
    let writer = client(&cluster).await.writer().topic("t").build().await.unwrap();
    let records = (0..20).map(|n| kafkio::Record::new("").partition(n % 2));
    writer.write(records).await.unwrap();
    cluster.delete_records("t", 0, 5);
    let _old = describe_by(&cluster, |group, _| described(group));
    let _new = cluster.on(ApiKey::CONSUMER_GROUP_DESCRIBE, move |call| {
        use kafkio::protocol::messages::consumer_group_describe::{
            ConsumerGroupDescribeResponse, DescribedGroup,
        };
        let groups = call.request::<ConsumerGroupDescribeRequest>().group_ids;
        let groups = groups.into_iter().map(|group_id| DescribedGroup {
            error_code: ErrorCode::GROUP_ID_NOT_FOUND.0,
            group_id,
            ..Default::default()
        });
        Fault::answer::<ConsumerGroupDescribeRequest>(ConsumerGroupDescribeResponse {
            groups: groups.collect(),
            ..Default::default()
        })
    });
    let _offsets = cluster.on(ApiKey::OFFSET_FETCH, |_| {
        let committed = |partition_index, committed_offset| OffsetFetchResponsePartitions {
            partition_index,
            committed_offset,
            ..Default::default()
        };
        // One below the start of the log, and one of a partition that does not exist.
        let committed = vec![committed(0, 3), committed(9, 1)];
        Fault::answer::<OffsetFetchRequest>(fetched("g", committed))
    });
    let lag = client(&cluster).await.group_lag(["g"]).await.unwrap().into_only().unwrap();
    let of = |partition| &lag.partitions[&TopicPartition::new("t", partition)];
    let first = of(0).as_ref().unwrap();
    assert_eq!((first.start, first.end, first.lag), (5, 10, 5));
    assert_eq!(first.committed.as_ref().unwrap().offset, 3);
    let second = of(1).as_ref().unwrap();
    assert_eq!((second.committed.as_ref(), second.lag), (None, 10));
    let code = of(9).as_ref().unwrap_err().code();
    assert_eq!(code, Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    assert_eq!(lag.total(), 15);
}

#[tokio::test(start_paused = true)]
async fn what_contradicts_itself_is_refused() {
    let cluster = cluster().start().await.unwrap();
    let client = client(&cluster).await;
    let at = TopicPartition::new("t", 0);
    let twice = [at.clone(), at.clone()];
    let member = MemberToRemove::MemberId(String::new());
    for error in [
        client.describe_groups(["a", "a"]).await.unwrap_err(),
        client.describe_share_groups([""]).await.unwrap_err(),
        client.list_group_offsets(["a"]).partitions(twice.to_vec()).await.unwrap_err(),
        client.alter_group_offsets("a", [(at, -1)]).await.unwrap_err(),
        client.delete_group_offsets("a", twice).await.unwrap_err(),
        client.remove_members("a", [member]).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
    }
}

fn at(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

#[tokio::test(start_paused = true)]
async fn share_group_offsets_that_are_refused_as_a_whole() {
    let cluster = cluster().start().await.unwrap();
    let asked = AtomicUsize::new(0);
    let _hook = cluster.on(ApiKey::ALTER_SHARE_GROUP_OFFSETS, move |call| {
        let count = asked.fetch_add(1, Ordering::Relaxed);
        let request = call.request::<AlterShareGroupOffsetsRequest>();
        let code = match count {
            0 => ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
            1 => ErrorCode::NONE,
            _ => ErrorCode::NON_EMPTY_GROUP,
        };
        let partition = |partition_index| AlterShareGroupOffsetsResponsePartition {
            partition_index,
            error_code: if partition_index == 1 { ErrorCode::KAFKA_STORAGE_ERROR.0 } else { 0 },
            ..Default::default()
        };
        let topic = AlterShareGroupOffsetsResponseTopic {
            topic_name: "t".to_owned(),
            partitions: request.topics[0]
                .partitions
                .iter()
                .map(|it| it.partition_index)
                .map(partition)
                .collect(),
            ..Default::default()
        };
        Fault::answer::<AlterShareGroupOffsetsRequest>(AlterShareGroupOffsetsResponse {
            error_code: code.0,
            error_message: Some("because".to_owned()),
            responses: if count == 1 { vec![topic] } else { Vec::new() },
            ..Default::default()
        })
    });
    let client = client(&cluster).await;
    let altered = client.alter_share_group_offsets("g", [(at(0), 1), (at(1), 1)]).await.unwrap();
    assert!(altered.get(&at(0)).unwrap().is_ok());
    let error = altered.get(&at(1)).unwrap().as_ref().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::KAFKA_STORAGE_ERROR));
    let altered = client.alter_share_group_offsets("g", [(at(0), 1), (at(1), 1)]).await.unwrap();
    for (_, result) in altered {
        let error = result.unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::NON_EMPTY_GROUP));
        assert!(error.to_string().contains("because"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn share_group_offsets_of_some_partitions() {
    let cluster = cluster().start().await.unwrap();
    let _hook = cluster.on(ApiKey::DESCRIBE_SHARE_GROUP_OFFSETS, |call| {
        let groups = call.request::<DescribeShareGroupOffsetsRequest>().groups;
        let group = |group_id: String| {
            let partition = |partition_index, start_offset, code: ErrorCode| {
                DescribeShareGroupOffsetsResponsePartition {
                    partition_index,
                    start_offset,
                    leader_epoch: -1,
                    error_code: code.0,
                    ..Default::default()
                }
            };
            let topic = DescribeShareGroupOffsetsResponseTopic {
                topic_name: "t".to_owned(),
                partitions: vec![
                    partition(0, 5, ErrorCode::NONE),
                    partition(1, -1, ErrorCode::NONE),
                    partition(2, 5, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
                ],
                ..Default::default()
            };
            let code =
                if group_id == "b" { ErrorCode::GROUP_ID_NOT_FOUND } else { ErrorCode::NONE };
            DescribeShareGroupOffsetsResponseGroup {
                group_id,
                topics: vec![topic],
                error_code: code.0,
                ..Default::default()
            }
        };
        Fault::answer::<DescribeShareGroupOffsetsRequest>(DescribeShareGroupOffsetsResponse {
            groups: groups.into_iter().map(|it| group(it.group_id)).collect(),
            ..Default::default()
        })
    });
    let client = client(&cluster).await;
    let partitions = vec![at(3), at(2), at(1), at(0)];
    let offsets = client.list_share_group_offsets(["a", "b"]).partitions(partitions).await.unwrap();
    let error = offsets.get("b").unwrap().as_ref().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::GROUP_ID_NOT_FOUND));
    let of_a = offsets.get("a").unwrap().as_ref().unwrap();
    let order: Vec<_> = of_a.iter().map(|(at, _)| at.partition).collect();
    assert_eq!(order, [3, 2, 1, 0], "as they were asked for");
    let of = |partition| of_a.get(&at(partition)).unwrap().as_ref();
    let zero = of(0).unwrap().unwrap();
    assert_eq!((zero.start_offset, zero.leader_epoch, zero.lag), (5, None, None));
    assert_eq!((of(1).unwrap(), of(3).unwrap()), (&None, &None));
    assert_eq!(of(2).unwrap_err().code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
}
