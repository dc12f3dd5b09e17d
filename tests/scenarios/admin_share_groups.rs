//! Share groups and streams groups, formed by hand with the calls that members send, and looked at
//! and changed from outside.

use kafkio::admin::Target;
use kafkio::admin::acls::AclOperation;
use kafkio::admin::groups::{GroupState, GroupType};
use kafkio::admin::share_groups::{ShareGroup, ShareGroupOffset};
use kafkio::admin::streams_groups::StreamsGroup;
use kafkio::protocol::ErrorCode;
use kafkio::protocol::messages::share_acknowledge::{
    AcknowledgePartition, AcknowledgeTopic, AcknowledgementBatch, ShareAcknowledgeRequest,
};
use kafkio::protocol::messages::share_fetch::{FetchPartition, FetchTopic, ShareFetchRequest};
use kafkio::protocol::messages::share_group_heartbeat::{
    ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse,
};
use kafkio::protocol::messages::streams_group_heartbeat::{
    KeyValue, StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse, Subtopology, TopicInfo,
    Topology,
};
use kafkio::{Client, ErrorKind, TopicPartition};

use crate::support::{
    Need, Outcome, TestCluster, connect, coordinated, eventually, numbered, topic, unique, until,
    write,
};

const TOOL: &str = "org.apache.kafka.tools.consumer.group.ShareGroupCommand";
const MEMBER: &str = "kR9iXoZ0Q7qfXcZ0cJ1S5w";

async fn beat(
    client: &Client,
    request: &ShareGroupHeartbeatRequest,
) -> ShareGroupHeartbeatResponse {
    let to = Target::Group(request.group_id.clone());
    coordinated(client, to, request, |response| response.error_code).await
}

/// Joins the group and waits for partitions; the epoch that the member has then.
async fn join(client: &Client, group: &str, topic: &str) -> i32 {
    let mut request = ShareGroupHeartbeatRequest {
        group_id: group.to_owned(),
        member_id: MEMBER.to_owned(),
        subscribed_topic_names: Some(vec![topic.to_owned()]),
        rack_id: Some("rack0".to_owned()),
        ..Default::default()
    };
    eventually("it has partitions", async || {
        let response = beat(client, &request).await;
        assert!(response.heartbeat_interval_ms > 0);
        request.member_epoch = response.member_epoch;
        request.subscribed_topic_names = None;
        request.rack_id = None;
        let is_done = response.assignment.is_some_and(|it| !it.topic_partitions.is_empty());
        is_done.then_some(response.member_epoch)
    })
    .await
}

async fn leave(client: &Client, group: &str) {
    let (group_id, member_id) = (group.to_owned(), MEMBER.to_owned());
    let request =
        ShareGroupHeartbeatRequest { group_id, member_id, member_epoch: -1, ..Default::default() };
    beat(client, &request).await;
}

async fn describe(client: &Client, group: &str) -> ShareGroup {
    client.describe_share_groups([group]).await.unwrap().into_only().unwrap()
}

async fn offset(client: &Client, group: &str, at: &TopicPartition) -> Option<ShareGroupOffset> {
    let call = client.list_share_group_offsets([group]).partitions(vec![at.clone()]);
    let offsets = call.await.unwrap().into_only().unwrap();
    *offsets.get(at).unwrap().as_ref().unwrap()
}

/// Checks that the group is listed, and as what.
async fn listed_as(client: &Client, group: &str, kind: GroupType) {
    let all = client.list_groups().await.unwrap().into_result().unwrap();
    let found = all.iter().find(|listing| listing.group_id == group).expect("it is listed");
    assert_eq!(found.kind.as_ref(), Some(&kind));
    for other in [GroupType::Classic, GroupType::Consumer, GroupType::Share, GroupType::Streams] {
        let some = client.list_groups().kinds(vec![other.clone()]).await.unwrap();
        let some = some.into_result().unwrap();
        assert!(some.iter().all(|listing| listing.kind.as_ref() == Some(&other)), "{some:?}");
        let is_there = some.iter().any(|listing| listing.group_id == group);
        assert_eq!(is_there, other == kind, "{group} among those of type {other}");
    }
}

pub async fn share(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Real)?;
    cluster.needs(Need::Kafka(4, 2))?;
    let client = connect(cluster).await;
    let topic = topic(cluster, "share", 2).await;
    let group = unique("share.group");
    let [zero, one] = [0, 1].map(|n| TopicPartition::new(&*topic, n));

    let missing = client.describe_share_groups([&group]).await.unwrap().into_only().unwrap_err();
    assert_eq!(missing.code(), Some(ErrorCode::GROUP_ID_NOT_FOUND), "{missing}");

    let epoch = join(&client, &group, &topic).await;
    let call =
        client.describe_share_groups([&group, "nobody's"]).include_authorized_operations(true);
    let both = call.await.unwrap();
    let error = both.get("nobody's").unwrap().as_ref().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::GROUP_ID_NOT_FOUND), "{error}");
    let described = both.get(&group).unwrap().as_ref().unwrap();
    assert_eq!(described.group_id, group);
    assert_eq!(described.state, GroupState::Stable);
    assert!(!described.assignor.is_empty());
    assert_eq!(described.assignment_epoch, described.group_epoch);
    let may = described.authorized_operations.as_ref().unwrap();
    assert!(may.contains(&AclOperation::Describe), "{may:?}");
    let [member] = &described.members[..] else { panic!("{described:?}") };
    assert_eq!((&*member.member_id, member.epoch), (MEMBER, epoch));
    assert_eq!(member.rack_id.as_deref(), Some("rack0"));
    assert_eq!(member.client_id, "kafkio");
    assert!(member.host.contains("127.0.0.1"), "{}", member.host);
    assert_eq!(member.topics, [&*topic]);
    let mut assignment = member.assignment.clone();
    assignment.sort();
    assert_eq!(assignment, [zero.clone(), one.clone()]);
    assert_eq!(describe(&client, &group).await.authorized_operations, None);
    listed_as(&client, &group, GroupType::Share).await;

    let busy = client.alter_share_group_offsets(&group, [(zero.clone(), 0)]).await;
    let busy = busy.unwrap().into_only().unwrap_err();
    assert_eq!(busy.code(), Some(ErrorCode::NON_EMPTY_GROUP), "{busy}");
    let busy = client.delete_share_group_offsets(&group, [&topic]).await.unwrap();
    assert_eq!(busy.into_only().unwrap_err().code(), Some(ErrorCode::NON_EMPTY_GROUP));
    leave(&client, &group).await;
    let empty = describe(&client, &group).await;
    assert_eq!((empty.state, empty.members.len()), (GroupState::Empty, 0));

    write(&client, &topic, numbered(0..10).map(|record| record.partition(0))).await;
    let nowhere = TopicPartition::new(&*topic, 7);
    let new = [(zero.clone(), 4), (nowhere.clone(), 1), (one.clone(), 0)];
    let altered = client.alter_share_group_offsets(&group, new).await.unwrap();
    assert!(altered.get(&zero).unwrap().is_ok() && altered.get(&one).unwrap().is_ok());
    let error = altered.get(&nowhere).unwrap().as_ref().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION), "{error}");
    let found = offset(&client, &group, &zero).await.unwrap();
    assert_eq!(found.start_offset, 4);
    assert_eq!(found.lag, Some(6));
    let all = client.list_share_group_offsets([&group]).await.unwrap().into_only().unwrap();
    assert_eq!(all.len(), 2, "{all:?}");
    assert_eq!(all.get(&one).unwrap().as_ref().unwrap().unwrap().start_offset, 0);
    let arguments = ["--describe", "--offsets", "--group", &group];
    if let Some(output) = cluster.tool(TOOL, &arguments).await {
        assert!(output.contains(&topic), "{output}");
    }

    let deleted = client.delete_share_group_offsets(&group, [&*topic, "nowhere"]).await.unwrap();
    assert!(deleted.get(&topic).unwrap().is_ok(), "{deleted:?}");
    let error = deleted.get("nowhere").unwrap().as_ref().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION), "{error}");
    assert_eq!(offset(&client, &group, &zero).await, None);
    let all = client.list_share_group_offsets([&group]).await.unwrap().into_only().unwrap();
    assert!(all.is_empty(), "{all:?}");
    client.delete_groups([&group]).await.unwrap().into_only().unwrap();
    assert!(client.describe_share_groups([&group]).await.unwrap().into_only().is_err());

    let error = client.alter_share_group_offsets(&group, [(zero, -1)]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    Ok(())
}

/// What a member does: fetches records, and says that it is done with them.
pub async fn share_member(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Real)?;
    cluster.needs(Need::Kafka(4, 2))?;
    let client = connect(cluster).await;
    let topic = topic(cluster, "share-member", 1).await;
    let group = unique("share-member.group");
    let at = TopicPartition::new(&*topic, 0);
    write(&client, &topic, numbered(0..5)).await;
    client.alter_share_group_offsets(&group, [(at.clone(), 0)]).await.unwrap().into_only().unwrap();
    assert_eq!(offset(&client, &group, &at).await.unwrap().start_offset, 0);
    join(&client, &group, &topic).await;

    let topic_id = client.metadata([&topic]).await.unwrap().topic(&topic).unwrap().id;
    let partitions = vec![FetchPartition::default()];
    let mut request = ShareFetchRequest {
        group_id: Some(group.clone()),
        member_id: Some(MEMBER.to_owned()),
        max_wait_ms: 500,
        min_bytes: 1,
        max_records: 100,
        batch_size: 100,
        topics: vec![FetchTopic { topic_id, partitions, ..Default::default() }],
        ..Default::default()
    };
    let acquired = eventually("records are acquired", async || {
        let response = client.send(Target::Leader(at.clone()), request.clone()).await.unwrap();
        assert_eq!(ErrorCode(response.error_code), ErrorCode::NONE, "{response:?}");
        request.share_session_epoch += 1;
        request.topics.clear();
        let partition = response.responses.first().and_then(|topic| topic.partitions.first());
        match partition.map(|it| (ErrorCode(it.error_code), it)) {
            Some((ErrorCode::NONE, it)) if !it.acquired_records.is_empty() => {
                assert!(!it.records.is_empty());
                Some(it.acquired_records[0].clone())
            }
            _ => None,
        }
    });
    let acquired = acquired.await;
    assert_eq!((acquired.first_offset, acquired.last_offset, acquired.delivery_count), (0, 4, 1));

    // What is accepted is done with; what is released another member may have.
    for (epoch, first_offset, last_offset, kind) in [(0, 0, 2, 1), (1, 3, 4, 2)] {
        let batch = AcknowledgementBatch {
            first_offset,
            last_offset,
            acknowledge_types: vec![kind],
            ..Default::default()
        };
        let batches = vec![batch];
        let partition =
            AcknowledgePartition { acknowledgement_batches: batches, ..Default::default() };
        let partitions = vec![partition];
        let acknowledge = ShareAcknowledgeRequest {
            group_id: Some(group.clone()),
            member_id: Some(MEMBER.to_owned()),
            share_session_epoch: request.share_session_epoch + epoch,
            topics: vec![AcknowledgeTopic { topic_id, partitions, ..Default::default() }],
            ..Default::default()
        };
        let response = client.send(Target::Leader(at.clone()), acknowledge).await.unwrap();
        assert_eq!(ErrorCode(response.error_code), ErrorCode::NONE, "{response:?}");
        let partition = &response.responses[0].partitions[0];
        assert_eq!(ErrorCode(partition.error_code), ErrorCode::NONE, "{response:?}");
    }

    let ask = async || offset(&client, &group, &at).await;
    until("the group moves on", ask, |now| now.is_some_and(|now| now.start_offset == 3)).await;
    leave(&client, &group).await;
    Ok(())
}

async fn streams_beat(
    client: &Client,
    request: &StreamsGroupHeartbeatRequest,
) -> StreamsGroupHeartbeatResponse {
    let to = Target::Group(request.group_id.clone());
    coordinated(client, to, request, |response| response.error_code).await
}

pub async fn streams(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Real)?;
    cluster.needs(Need::Kafka(4, 2))?;
    let client = connect(cluster).await;
    let source = topic(cluster, "streams", 2).await;
    let group = unique("streams.group");
    let changelog = format!("{group}-counts-changelog");
    let key_value = |key: &str, value: &str| KeyValue {
        key: key.to_owned(),
        value: value.to_owned(),
        ..Default::default()
    };
    let store = TopicInfo {
        name: changelog.clone(),
        topic_configs: vec![key_value("cleanup.policy", "compact")],
        ..Default::default()
    };
    let part = Subtopology {
        subtopology_id: "0".to_owned(),
        source_topics: vec![source.clone()],
        state_changelog_topics: vec![store],
        ..Default::default()
    };
    let topology = Topology { epoch: 0, subtopologies: vec![part], ..Default::default() };
    let mut request = StreamsGroupHeartbeatRequest {
        group_id: group.clone(),
        member_id: MEMBER.to_owned(),
        rebalance_timeout_ms: 30_000,
        topology: Some(Box::new(topology)),
        active_tasks: Some(Vec::new()),
        standby_tasks: Some(Vec::new()),
        warmup_tasks: Some(Vec::new()),
        process_id: Some("process".to_owned()),
        client_tags: Some(vec![key_value("zone", "a")]),
        ..Default::default()
    };
    let epoch = eventually("it has tasks", async || {
        let response = streams_beat(&client, &request).await;
        request.member_epoch = response.member_epoch;
        request.topology = None;
        request.client_tags = None;
        request.process_id = None;
        request.rebalance_timeout_ms = -1;
        request.active_tasks = Some(response.active_tasks.filter(|tasks| !tasks.is_empty())?);
        Some(streams_beat(&client, &request).await.member_epoch)
    });
    let epoch = epoch.await;

    let call =
        client.describe_streams_groups([&group, "nobody's"]).include_authorized_operations(true);
    let both = call.await.unwrap();
    let error = both.get("nobody's").unwrap().as_ref().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::GROUP_ID_NOT_FOUND), "{error}");
    let described: &StreamsGroup = both.get(&group).unwrap().as_ref().unwrap();
    assert_eq!(described.state, GroupState::Stable);
    assert_eq!(described.assignment_epoch, described.group_epoch);
    assert_eq!(described.topology_epoch, Some(0));
    assert!(described.authorized_operations.is_some());
    let [part] = &described.subtopologies[..] else { panic!("{described:?}") };
    assert_eq!((&*part.id, &part.source_topics[..]), ("0", &[source.clone()][..]));
    let [store] = &part.changelog_topics[..] else { panic!("{part:?}") };
    assert_eq!(store.name, changelog);
    assert_eq!(store.configs["cleanup.policy"], "compact");
    let [member] = &described.members[..] else { panic!("{described:?}") };
    assert_eq!((&*member.member_id, member.epoch), (MEMBER, epoch));
    assert_eq!((&*member.process_id, &*member.client_id), ("process", "kafkio"));
    assert_eq!(member.client_tags["zone"], "a");
    assert_eq!(member.user_endpoint, None);
    assert!(!member.is_classic);
    let mut tasks: Vec<_> = member.tasks.active.iter().map(ToString::to_string).collect();
    tasks.sort();
    assert_eq!(tasks, ["0_0", "0_1"]);
    assert_eq!(member.target_tasks.active.len(), 2);
    let topics = client.metadata([&changelog]).await.unwrap();
    assert_eq!(topics.topic(&changelog).unwrap().partitions.len(), 2, "the group has made it");

    listed_as(&client, &group, GroupType::Streams).await;

    request.member_epoch = -1;
    streams_beat(&client, &request).await;
    let left = client.describe_streams_groups([&group]).await.unwrap().into_only().unwrap();
    assert_eq!((left.state, left.members.len()), (GroupState::Empty, 0));

    // Its offsets are those of any group.
    let at = TopicPartition::new(&*source, 1);
    client.alter_group_offsets(&group, [(at.clone(), 3)]).await.unwrap().into_only().unwrap();
    let offsets = client.list_group_offsets([&group]).await.unwrap().into_only().unwrap();
    assert_eq!(offsets.get(&at).unwrap().as_ref().unwrap().as_ref().unwrap().offset, 3);
    client.delete_group_offsets(&group, [at]).await.unwrap().into_only().unwrap();
    let offsets = client.list_group_offsets([&group]).await.unwrap().into_only().unwrap();
    assert!(offsets.is_empty(), "{offsets:?}");
    client.delete_groups([&group]).await.unwrap().into_only().unwrap();
    client.delete_topics([changelog]).await.unwrap().into_only().unwrap();
    Ok(())
}

/// What brokers do not know yet.
pub async fn too_old(cluster: &impl TestCluster) -> Outcome {
    if cluster.version() >= (4, 0) || cluster.version() < (0, 11) {
        return Err(crate::support::Skipped("needs Kafka before 4.0".to_owned()));
    }
    let client = connect(cluster).await;
    let error = client.describe_share_groups(["any"]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let error = client.describe_streams_groups(["any"]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    Ok(())
}
