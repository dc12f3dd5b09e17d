//! Groups, formed by hand with the calls that members send, and looked at and changed from outside.

use std::collections::BTreeSet;

use bytes::Bytes;
use kafkio::admin::Target;
use kafkio::admin::groups::{
    CommittedOffset, GroupListing, GroupState, GroupType, MemberToRemove, RemoveMembers,
};
use kafkio::protocol::ErrorCode;
use kafkio::protocol::consumer_protocol::{Assignment, Subscription, TopicPartitions};
use kafkio::protocol::messages::consumer_group_heartbeat::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
};
use kafkio::protocol::messages::create_acls::{AclCreation, CreateAclsRequest};
use kafkio::protocol::messages::find_coordinator::FindCoordinatorRequest;
use kafkio::protocol::messages::heartbeat::HeartbeatRequest;
use kafkio::protocol::messages::join_group::{
    JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse,
};
use kafkio::protocol::messages::leave_group::{LeaveGroupRequest, MemberIdentity};
use kafkio::protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafkio::protocol::messages::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestGroup};
use kafkio::protocol::messages::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment};
use kafkio::{Client, Error, ErrorKind, Record, TopicPartition};

use crate::support::{
    Need, Outcome, TestCluster, code, connect, connect_as, coordinated, eventually, topic, unique,
    until, write,
};

fn subscription(topic: &str) -> Subscription {
    Subscription { topics: vec![topic.to_owned()], ..Default::default() }
}

/// Joins a classic group as its only member: twice, where the first answer gives the id.
async fn join(client: &Client, group: &str, topic: &str, instance: Option<&str>) -> Joined {
    let mut request = JoinGroupRequest {
        group_id: group.to_owned(),
        session_timeout_ms: 30_000,
        rebalance_timeout_ms: 30_000,
        group_instance_id: instance.map(ToOwned::to_owned),
        protocol_type: "consumer".to_owned(),
        protocols: vec![JoinGroupRequestProtocol {
            name: "range".to_owned(),
            metadata: subscription(topic).to_bytes(1).unwrap(),
            ..Default::default()
        }],
        reason: Some("a scenario".to_owned()),
        ..Default::default()
    };
    let response: JoinGroupResponse = eventually("it joins", async || {
        let response = client.send(Target::Group(group.to_owned()), request.clone());
        let response = response.await.unwrap();
        match ErrorCode(response.error_code) {
            ErrorCode::NONE => return Some(response),
            ErrorCode::MEMBER_ID_REQUIRED => request.member_id = response.member_id,
            code => assert!(code.is_retriable(), "join of {group}: {code}"),
        }
        None
    })
    .await;
    assert_eq!(response.leader, response.member_id);
    assert_eq!(response.members.len(), 1);
    let known = Subscription::from_bytes(response.members[0].metadata.clone()).unwrap();
    assert_eq!(known.topics, [topic]);

    let assignment = Assignment {
        assigned_partitions: vec![TopicPartitions {
            topic: topic.to_owned(),
            partitions: vec![0, 1],
            ..Default::default()
        }],
        ..Default::default()
    };
    let assignment = assignment.to_bytes(1).unwrap();
    let request = SyncGroupRequest {
        group_id: group.to_owned(),
        generation_id: response.generation_id,
        member_id: response.member_id.clone(),
        protocol_type: Some("consumer".to_owned()),
        protocol_name: Some("range".to_owned()),
        assignments: vec![SyncGroupRequestAssignment {
            member_id: response.member_id.clone(),
            assignment: assignment.clone(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let synced = client.send(Target::Group(group.to_owned()), request).await.unwrap();
    assert_eq!(synced.error_code, 0);
    assert_eq!(synced.assignment, assignment);
    Joined {
        member_id: response.member_id,
        generation_id: response.generation_id,
        metadata: response.members[0].metadata.clone(),
        assignment,
    }
}

struct Joined {
    member_id: String,
    generation_id: i32,
    metadata: Bytes,
    assignment: Bytes,
}

/// The group in the listing, if it is there.
async fn listed(client: &Client, group: &str) -> Option<GroupListing> {
    let groups = client.list_groups().await.unwrap().into_result().unwrap();
    groups.into_iter().find(|listing| listing.group_id == group)
}

fn partitions(topic: &str) -> [TopicPartition; 2] {
    [0, 1].map(|partition| TopicPartition::new(topic, partition))
}

pub async fn classic(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Real)?;
    let client = connect(cluster).await;
    let topic = topic(cluster, "classic", 2).await;
    let group = unique("classic");
    let to = || Target::Group(group.clone());
    let joined = join(&client, &group, &topic, None).await;

    let heartbeat = HeartbeatRequest {
        group_id: group.clone(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        ..Default::default()
    };
    assert_eq!(client.send(to(), heartbeat.clone()).await.unwrap().error_code, 0);
    let stale = HeartbeatRequest { generation_id: 99, ..heartbeat };
    let code_of_stale = client.send(to(), stale).await.unwrap().error_code;
    assert_eq!(ErrorCode(code_of_stale), ErrorCode::ILLEGAL_GENERATION);

    // A commit of the member, by name or by id, as the version has it.
    let metadata = client.metadata([&topic]).await.unwrap();
    let id = metadata.topic(&topic).unwrap().id;
    let request = OffsetCommitRequest {
        group_id: group.clone(),
        generation_id_or_member_epoch: joined.generation_id,
        member_id: joined.member_id.clone(),
        topics: vec![OffsetCommitRequestTopic {
            name: topic.clone(),
            topic_id: id,
            partitions: vec![OffsetCommitRequestPartition {
                committed_offset: 7,
                committed_metadata: Some("seven".to_owned()),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    let committed = client.send(to(), request).await.unwrap();
    assert_eq!(committed.topics[0].partitions[0].error_code, 0);
    if cluster.version() >= (3, 0) {
        let groups =
            vec![OffsetFetchRequestGroup { group_id: group.clone(), ..Default::default() }];
        let request = OffsetFetchRequest { groups, ..Default::default() };
        let fetched = client.send(to(), request).await.unwrap();
        let found = &fetched.groups[0].topics[0];
        assert!(found.name == topic || found.topic_id == id);
        assert_eq!(found.partitions[0].committed_offset, 7);
    }
    let offsets = client.list_group_offsets([&group]).partitions(partitions(&topic).to_vec());
    let offsets = offsets.await.unwrap().into_only().unwrap().into_result().unwrap();
    assert_eq!(offsets[0].1, Some(CommittedOffset::new(7).metadata("seven")));
    assert_eq!(offsets[1].1, None);

    let described = client.describe_groups([&group]).await.unwrap().into_only().unwrap();
    assert_eq!(described.state, GroupState::Stable);
    assert_eq!(described.protocol_type, "consumer");
    assert_eq!(described.protocol.as_deref(), Some("range"));
    let [member] = &described.members[..] else { panic!("{described:?}") };
    assert_eq!(member.member_id, joined.member_id);
    assert_eq!(member.instance_id, None);
    assert!(!member.client_id.is_empty() && !member.host.is_empty());
    assert_eq!(member.subscription.as_ref().unwrap().topics, [&*topic]);
    assert_eq!(member.metadata_bytes, joined.metadata);
    assert_eq!(member.assignment_bytes, joined.assignment);
    let assigned = &member.assignment.as_ref().unwrap().assigned_partitions;
    assert_eq!((&*assigned[0].topic, &*assigned[0].partitions), (&*topic, &[0, 1][..]));

    let both = client.describe_consumer_groups([&group]).await.unwrap().into_only().unwrap();
    assert_eq!((both.kind, both.state), (GroupType::Classic, GroupState::Stable));
    assert_eq!(both.coordinator, described.coordinator);
    assert_eq!(both.members[0].assignment, partitions(&topic));
    assert_eq!(both.members[0].topics, [&*topic]);

    let listing = listed(&client, &group).await.unwrap();
    assert_eq!(listing.protocol_type, "consumer");
    let state = (cluster.version() >= (2, 6)).then_some(GroupState::Stable);
    let kind = (cluster.version() >= (3, 8)).then_some(GroupType::Classic);
    assert_eq!((listing.state, listing.kind), (state, kind));

    // What a group with members refuses.
    let altered = client.alter_group_offsets(&group, [(partitions(&topic)[0].clone(), 3)]);
    let altered = altered.await.unwrap().into_only();
    assert_eq!(code(&altered), Some(ErrorCode::UNKNOWN_MEMBER_ID));
    if cluster.version() >= (1, 1) {
        let deleted = client.delete_groups([&group]).await.unwrap().into_only();
        assert_eq!(code(&deleted), Some(ErrorCode::NON_EMPTY_GROUP));
    }
    if cluster.version() >= (2, 4) {
        let deleted = client.delete_group_offsets(&group, partitions(&topic)).await.unwrap();
        for (_, result) in deleted {
            assert_eq!(code(&result), Some(ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC));
        }
    }

    let by_list = cluster.version() >= (2, 4);
    let member = MemberIdentity { member_id: joined.member_id.clone(), ..Default::default() };
    let leave = LeaveGroupRequest {
        group_id: group.clone(),
        member_id: if by_list { String::new() } else { joined.member_id.clone() },
        members: if by_list { vec![member] } else { Vec::new() },
        ..Default::default()
    };
    assert_eq!(client.send(to(), leave).await.unwrap().error_code, 0);
    let described = client.describe_groups([&group]).await.unwrap().into_only().unwrap();
    assert_eq!(described.state, GroupState::Empty);
    assert!(described.members.is_empty());
    Ok(())
}

pub async fn remove_members(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Real)?;
    let client = connect(cluster).await;
    let topic = topic(cluster, "members", 2).await;
    let group = unique("members");
    let members = async || {
        let group = client.describe_groups([&group]).await.unwrap().into_only().unwrap();
        group.members.len()
    };

    let joined = join(&client, &group, &topic, None).await;
    let unknown = MemberToRemove::MemberId("nobody".to_owned());
    let member = MemberToRemove::MemberId(joined.member_id);
    let removed = client.remove_members(&group, [unknown.clone(), member.clone()]);
    let removed = removed.reason("a scenario".to_owned()).await.unwrap();
    assert!(removed.get(&member).unwrap().is_ok(), "{removed:?}");
    let error = removed.get(&unknown).unwrap().as_ref().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_MEMBER_ID));
    assert_eq!(members().await, 0);

    let instance = MemberToRemove::InstanceId("me".to_owned());
    if cluster.version() < (2, 4) {
        let error = client.remove_members(&group, [instance]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(format!("{error:?}").contains("Kafka 2.4"), "{error:?}");
        return Ok(());
    }
    join(&client, &group, &topic, Some("me")).await;
    assert_eq!(members().await, 1);
    client.remove_members(&group, [instance.clone()]).await.unwrap().into_only().unwrap();
    assert_eq!(members().await, 0);
    join(&client, &group, &topic, Some("me")).await;
    let removed = client.request(RemoveMembers::all(&group)).await.unwrap();
    assert!(removed.get(&instance).unwrap().is_ok(), "{removed:?}");
    assert_eq!(members().await, 0);
    let removed = client.request(RemoveMembers::all(&group)).await.unwrap();
    assert!(removed.is_empty());
    Ok(())
}

/// A heartbeat of a member of a group of KIP-848, again until the coordinator is ready.
async fn heartbeat(
    client: &Client,
    request: &ConsumerGroupHeartbeatRequest,
) -> ConsumerGroupHeartbeatResponse {
    let to = Target::Group(request.group_id.clone());
    coordinated(client, to, request, |response| response.error_code).await
}

pub async fn consumer(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Real)?;
    cluster.needs(Need::Kafka(4, 0))?;
    let client = connect(cluster).await;
    let topic = topic(cluster, "consumer", 2).await;
    let group = unique("consumer");
    let mut request = ConsumerGroupHeartbeatRequest {
        group_id: group.clone(),
        member_id: unique("member"),
        rebalance_timeout_ms: 30_000,
        rack_id: Some("rack1".to_owned()),
        subscribed_topic_names: Some(vec![topic.clone()]),
        topic_partitions: Some(Vec::new()),
        ..Default::default()
    };
    let assignment = eventually("it has partitions", async || {
        let response = heartbeat(&client, &request).await;
        request.member_epoch = response.member_epoch;
        response.assignment.filter(|assignment| !assignment.topic_partitions.is_empty())
    });
    let assignment = assignment.await;
    request.topic_partitions = Some(assignment.topic_partitions.clone());
    let response = heartbeat(&client, &request).await;
    assert!(response.heartbeat_interval_ms > 0 && response.member_epoch > 0);

    let described = client.describe_consumer_groups([&group]).include_authorized_operations(true);
    let described = described.await.unwrap().into_only().unwrap();
    assert_eq!((&described.kind, &described.state), (&GroupType::Consumer, &GroupState::Stable));
    assert_eq!(described.assignor.as_deref(), Some("uniform"));
    assert_eq!(described.group_epoch, described.assignment_epoch);
    assert!(described.group_epoch.unwrap() > 0);
    assert!(described.authorized_operations.as_ref().unwrap().len() > 1);
    let [member] = &described.members[..] else { panic!("{described:?}") };
    assert_eq!(member.member_id, request.member_id);
    assert_eq!(member.rack_id.as_deref(), Some("rack1"));
    assert_eq!(member.epoch, Some(response.member_epoch));
    assert_eq!(member.kind, Some(GroupType::Consumer));
    assert_eq!((&member.topics[..], &member.topics_regex), (&[topic.clone()][..], &None));
    let sorted = |mut partitions: Vec<TopicPartition>| {
        partitions.sort();
        partitions
    };
    assert_eq!(sorted(member.assignment.clone()), partitions(&topic));
    assert_eq!(member.target_assignment.clone().map(sorted), Some(partitions(&topic).to_vec()));

    let classic = client.describe_groups([&group]).await.unwrap().into_only();
    assert_eq!(code(&classic), Some(ErrorCode::GROUP_ID_NOT_FOUND));
    let kinds = async |kind| {
        let groups = client.list_groups().kinds(vec![kind]).await.unwrap().into_result().unwrap();
        groups.into_iter().any(|listing| listing.group_id == group)
    };
    assert!(kinds(GroupType::Consumer).await && !kinds(GroupType::Classic).await);

    let lag = client.group_lag([&group]).await.unwrap().into_only().unwrap();
    assert_eq!(lag.partitions.len(), 2);
    for lag in lag.partitions.values() {
        assert_eq!(lag.as_ref().unwrap().member_id.as_ref(), Some(&request.member_id));
    }

    let leave = ConsumerGroupHeartbeatRequest {
        group_id: group.clone(),
        member_id: request.member_id.clone(),
        member_epoch: -1,
        ..Default::default()
    };
    heartbeat(&client, &leave).await;
    let described = client.describe_consumer_groups([&group]).await.unwrap().into_only().unwrap();
    assert_eq!(described.state, GroupState::Empty);
    client.delete_groups([&group]).await.unwrap().into_only().unwrap();
    assert_eq!(listed(&client, &group).await, None);
    Ok(())
}

pub async fn offsets(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Real)?;
    let client = connect(cluster).await;
    let topic = topic(cluster, "committed", 2).await;
    let groups: Vec<_> = (0..6).map(|_| unique("committed")).collect();
    let [first, second] = partitions(&topic);
    for (n, group) in (0..).zip(&groups) {
        let offset = CommittedOffset::new(n).leader_epoch(0).metadata("here");
        let altered = client.alter_group_offsets(group, [(first.clone(), offset)]);
        altered.await.unwrap().into_result().unwrap();
    }
    let with_epoch = cluster.version() >= (2, 1);
    let read = client.list_group_offsets(&groups).partitions(vec![first.clone(), second.clone()]);
    for ((n, group), (name, offsets)) in (0..).zip(&groups).zip(read.await.unwrap()) {
        assert_eq!(&name, group);
        let offsets = offsets.unwrap();
        let committed = offsets.get(&first).unwrap().as_ref().unwrap().as_ref().unwrap();
        assert_eq!(committed.offset, n);
        assert_eq!(committed.leader_epoch, with_epoch.then_some(0));
        assert_eq!(committed.metadata.as_deref(), Some("here"));
        assert_eq!(offsets.get(&second).unwrap().as_ref().unwrap(), &None);
    }

    // One that does not exist spoils nothing.
    let group = &groups[0];
    let nowhere = TopicPartition::new(unique("nowhere"), 0);
    let offsets = [(first.clone(), 11), (nowhere.clone(), 1), (second.clone(), 12)];
    let altered = client.alter_group_offsets(group, offsets).await.unwrap();
    assert!(altered.get(&first).unwrap().is_ok() && altered.get(&second).unwrap().is_ok());
    let error = altered.get(&nowhere).unwrap().as_ref().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));

    let all = client.list_group_offsets([group, &unique("nobody")]).await;
    if cluster.version() < (0, 11) {
        // 0.10.2 has it, seen as 0.10 here.
        return Ok(());
    }
    let all: Vec<_> = all.unwrap().into_result().unwrap();
    let found: Vec<_> =
        all[0].1.iter().map(|(at, it)| (at, it.as_ref().unwrap().clone())).collect();
    let expected = [(&first, 11), (&second, 12)];
    assert_eq!(found, expected.map(|(at, offset)| (at, Some(CommittedOffset::new(offset)))));
    assert!(all[1].1.is_empty());
    let stable = client.list_group_offsets([group]).require_stable(true).await;
    if cluster.version() >= (2, 5) {
        assert_eq!(stable.unwrap().into_only().unwrap().len(), 2);
    } else {
        assert!(format!("{:?}", stable.unwrap_err()).contains("Kafka 2.5"));
    }

    let main = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
    if cluster.version() >= (4, 0) && cluster.has_tools() {
        let out = cluster.tool(main, &["--describe", "--offsets", "--group", group]).await.unwrap();
        let line = out.lines().find(|line| line.contains(&topic) && line.contains(" 12 "));
        assert!(line.is_some(), "{out}");
    }

    let dropped = client.delete_group_offsets(group, [first.clone(), nowhere.clone()]).await;
    if cluster.version() < (2, 4) {
        assert!(format!("{:?}", dropped.unwrap_err()).contains("Kafka 2.4"));
        return Ok(());
    }
    let dropped = dropped.unwrap();
    assert!(dropped.get(&first).unwrap().is_ok(), "{dropped:?}");
    let left = client.list_group_offsets([group]).await.unwrap().into_only().unwrap();
    assert_eq!(left.iter().map(|(at, _)| at).collect::<Vec<_>>(), [&second]);
    let unknown = client.delete_group_offsets(unique("nobody"), [first]).await.unwrap();
    assert_eq!(code(&unknown.into_only()), Some(ErrorCode::GROUP_ID_NOT_FOUND));
    Ok(())
}

/// Groups that each broker keeps some of: listed, described and deleted in one call.
pub async fn many(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Real)?;
    let client = connect(cluster).await;
    let topic = topic(cluster, "many", 1).await;
    let at = TopicPartition::new(&*topic, 0);
    let mut groups: Vec<_> = (0..8).map(|_| unique("many")).collect();
    for group in &groups {
        let altered = client.alter_group_offsets(group, [(at.clone(), 1)]).await.unwrap();
        altered.into_only().unwrap();
    }
    let listing = client.list_groups().await.unwrap();
    assert!(listing.failed.is_empty());
    let ids: Vec<_> = listing.items.iter().map(|listing| &listing.group_id).collect();
    assert!(groups.iter().all(|group| ids.contains(&group)));
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());

    let unknown = unique("nobody");
    groups.insert(3, unknown.clone());
    let described = client.describe_groups(&groups).await.unwrap();
    let consumers = client.describe_consumer_groups(&groups).await.unwrap();
    let mut coordinators = BTreeSet::new();
    for ((name, group), (_, consumer)) in described.into_iter().zip(consumers) {
        if name == unknown {
            assert_eq!(code(&group), Some(ErrorCode::GROUP_ID_NOT_FOUND));
            assert_eq!(code(&consumer), Some(ErrorCode::GROUP_ID_NOT_FOUND));
            continue;
        }
        let (group, consumer) = (group.unwrap(), consumer.unwrap());
        assert_eq!((&group.state, &*group.protocol_type), (&GroupState::Empty, ""));
        assert_eq!((consumer.kind, consumer.state), (GroupType::Classic, GroupState::Empty));
        let request = FindCoordinatorRequest { coordinator_keys: vec![name], ..Default::default() };
        if cluster.version() >= (3, 0) {
            let found = client.send(Target::Any, request).await.unwrap();
            assert_eq!(found.coordinators[0].node_id, group.coordinator);
        }
        coordinators.insert(group.coordinator);
    }
    assert!(coordinators.len() > 1 || cluster.brokers() == 1, "{coordinators:?}");

    if cluster.version() >= (1, 1) {
        let deleted = client.delete_groups(&groups).await.unwrap();
        for (name, result) in deleted {
            let expected = (name == unknown).then_some(ErrorCode::GROUP_ID_NOT_FOUND);
            assert_eq!(result.err().and_then(|error| error.code()), expected, "{name}");
        }
        let left = client.list_groups().await.unwrap().into_result().unwrap();
        assert!(!left.iter().any(|listing| groups.contains(&listing.group_id)));
    } else {
        let error = client.delete_groups(&groups).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
    Ok(())
}

pub async fn list_filters(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Real)?;
    let client = connect(cluster).await;
    let topic = topic(cluster, "filters", 2).await;
    let (empty, stable) = (unique("empty"), unique("stable"));
    let altered = client.alter_group_offsets(&empty, [(partitions(&topic)[0].clone(), 1)]).await;
    altered.unwrap().into_only().unwrap();
    join(&client, &stable, &topic, None).await;

    let ours = |groups: Vec<GroupListing>| {
        let groups = groups.into_iter().map(|listing| listing.group_id);
        groups.filter(|group| [&empty, &stable].contains(&group)).collect::<Vec<_>>()
    };
    let typed = client.list_groups().protocol_types(vec!["consumer".to_owned()]).await.unwrap();
    assert_eq!(ours(typed.into_result().unwrap()), [&*stable]);
    let states = client.list_groups().states(vec![GroupState::Empty]).await;
    if cluster.version() >= (2, 6) {
        assert_eq!(ours(states.unwrap().into_result().unwrap()), [&*empty]);
    } else {
        let error = states.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(format!("{error:?}").contains("Kafka 2.6"), "{error:?}");
    }
    // Where all are classic, they need no filter.
    let kinds = client.list_groups().kinds(vec![GroupType::Classic]).await.unwrap();
    assert_eq!(ours(kinds.into_result().unwrap()), [&*empty, &*stable]);
    if cluster.version() < (3, 8) {
        let error = client.list_groups().kinds(vec![GroupType::Share]).await.unwrap_err();
        assert!(format!("{error:?}").contains("Kafka 3.8"), "{error:?}");
    }
    Ok(())
}

pub async fn lag(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Real)?;
    // Listing all offsets of a group needs 0.10.2.
    cluster.needs(Need::Kafka(0, 11))?;
    let client = connect(cluster).await;
    let topic = topic(cluster, "lag", 2).await;
    let group = unique("lag");
    let [first, second] = partitions(&topic);
    for partition in 0..2 {
        write(&client, &topic, (0..10).map(|_| Record::new("").partition(partition))).await;
    }
    let altered = client.alter_group_offsets(&group, [(first.clone(), 4)]).await.unwrap();
    altered.into_only().unwrap();

    let nobody = unique("nobody");
    let lags = client.group_lag([&group, &nobody]).await.unwrap();
    let error = lags.get(&nobody).unwrap().as_ref().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::GROUP_ID_NOT_FOUND));
    let lag = lags.get(&group).unwrap().as_ref().unwrap();
    assert_eq!(lag.group.state, GroupState::Empty);
    let of = |at| lag.partitions[at].as_ref().unwrap();
    assert_eq!((of(&first).start, of(&first).end, of(&first).lag), (0, 10, 6));
    assert_eq!(of(&first).committed, Some(CommittedOffset::new(4)));
    assert_eq!((of(&second).committed.as_ref(), of(&second).lag), (None, 10));
    assert_eq!(lag.total(), 16);

    join(&client, &group, &topic, None).await;
    let lag = client.group_lag([&group]).await.unwrap().into_only().unwrap();
    let member = Some(&lag.group.members[0].member_id);
    assert!(lag.partitions.values().all(|lag| lag.as_ref().unwrap().member_id.as_ref() == member));
    Ok(())
}

/// A member that subscribes by a pattern; taken out of its group by another.
pub async fn consumer_by_pattern(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Real)?;
    cluster.needs(Need::Kafka(4, 0))?;
    let client = connect(cluster).await;
    let topic = topic(cluster, "pattern", 2).await;
    let group = unique("pattern");
    let pattern = format!("{topic}.*");
    let request = ConsumerGroupHeartbeatRequest {
        group_id: group.clone(),
        member_id: unique("member"),
        instance_id: Some("me".to_owned()),
        rebalance_timeout_ms: 30_000,
        subscribed_topic_regex: Some(pattern.clone()),
        topic_partitions: Some(Vec::new()),
        ..Default::default()
    };
    heartbeat(&client, &request).await;
    let described = client.describe_consumer_groups([&group]).await.unwrap().into_only().unwrap();
    let [member] = &described.members[..] else { panic!("{described:?}") };
    assert_eq!(member.instance_id.as_deref(), Some("me"));
    assert_eq!(member.topics_regex.as_ref(), Some(&pattern));
    assert!(member.topics.is_empty() && member.kind == Some(GroupType::Consumer));

    if cluster.version() >= (4, 3) {
        let removed = client.request(RemoveMembers::all(&group)).await.unwrap();
        let member = MemberToRemove::InstanceId("me".to_owned());
        assert!(removed.get(&member).unwrap().is_ok(), "{removed:?}");
        let left = client.describe_consumer_groups([&group]).await.unwrap().into_only().unwrap();
        assert!(left.members.is_empty(), "{left:?}");
    }
    Ok(())
}

pub async fn denied(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Authorizer)?;
    cluster.needs(Need::Sasl)?;
    let admin = connect_as(cluster, "admin").await;
    let topic = topic(cluster, "denied", 1).await;
    let at = TopicPartition::new(&*topic, 0);
    let (open, closed) = (unique("open"), unique("closed"));
    for group in [&open, &closed] {
        let altered = admin.alter_group_offsets(group, [(at.clone(), 1)]).await.unwrap();
        altered.into_only().unwrap();
    }
    let acl = AclCreation {
        resource_type: 3,
        resource_name: closed.clone(),
        resource_pattern_type: 3,
        principal: "User:alice".to_owned(),
        host: "*".to_owned(),
        operation: 2,
        permission_type: 2,
        ..Default::default()
    };
    let request = CreateAclsRequest { creations: vec![acl], ..Default::default() };
    assert_eq!(admin.send(Target::Any, request).await.unwrap().results[0].error_code, 0);

    let alice = connect_as(cluster, "alice").await;
    let groups = [&open, &closed];
    let ask = async || alice.describe_groups(groups).await.unwrap();
    let described = until("alice is denied", ask, |it| it.get(&closed).unwrap().is_err()).await;
    let denied = Some(ErrorCode::GROUP_AUTHORIZATION_FAILED);
    assert!(described.get(&open).unwrap().is_ok());
    let at = || at.clone();
    let consumers = alice.describe_consumer_groups(groups).await.unwrap();
    let offsets = alice.list_group_offsets(groups).await.unwrap();
    let lag = alice.group_lag(groups).await.unwrap();
    assert!(consumers.get(&open).unwrap().is_ok());
    assert!(offsets.get(&open).unwrap().is_ok() && lag.get(&open).unwrap().is_ok());
    let error_codes = [
        described.get(&closed).unwrap().as_ref().err().and_then(Error::code),
        consumers.get(&closed).unwrap().as_ref().err().and_then(Error::code),
        offsets.get(&closed).unwrap().as_ref().err().and_then(Error::code),
        lag.get(&closed).unwrap().as_ref().err().and_then(Error::code),
        code(&alice.alter_group_offsets(&closed, [(at(), 2)]).await.unwrap().into_only()),
        code(&alice.delete_group_offsets(&closed, [at()]).await.unwrap().into_only()),
        code(&alice.delete_groups([&closed]).await.unwrap().into_only()),
    ];
    assert_eq!(error_codes, [denied; 7]);
    Ok(())
}
