//! Topics as `admin::topics` creates, lists, describes, extends and deletes them.

use std::collections::BTreeSet;
use std::time::Duration;

use kafkio::admin::acls::AclOperation;
use kafkio::admin::configs::ConfigSource;
use kafkio::admin::offsets::OffsetSpec;
use kafkio::admin::topics::{NewPartitions, NewTopic, RecordsBefore, TopicDescription, TopicRef};
use kafkio::protocol::ErrorCode;
use kafkio::wire::Uuid;
use kafkio::{Client, ErrorKind, Record, TopicPartition};
use tokio::time::sleep;

use crate::support::{
    Outcome, TestCluster, code, connect, create, eventually, numbered, read_numbers, topic, unique,
    write,
};

/// The description of a topic; waits until the broker that is asked knows it.
async fn described(client: &Client, topic: impl Into<TopicRef>) -> TopicDescription {
    let topic = topic.into();
    let what = format!("topic {topic} is described");
    eventually(&what, async || {
        client.describe_topics([topic.clone()]).await.unwrap().into_only().ok()
    })
    .await
}

pub async fn created(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let names = ["plain", "copies", "none", "config", "assigned"].map(unique);
    let [plain, copies, none, config, assigned] = &names;
    let brokers: Vec<i32> =
        client.all_metadata().await.unwrap().brokers.keys().rev().copied().collect();
    let first: Vec<_> = brokers.iter().rev().copied().collect();
    let too_many = i16::try_from(cluster.brokers() + 1).unwrap();
    let one = |name: &String| NewTopic::new(name).replication_factor(1);
    let created = client
        .create_topics([
            one(plain).partitions(3).config("retention.ms", "86400000"),
            NewTopic::new(copies).partitions(1).replication_factor(too_many),
            one(none).partitions(0),
            one(config).partitions(1).config("retention.ms", "soon"),
            NewTopic::new(assigned).assign(0, brokers.clone()).assign(1, first.clone()),
        ])
        .await
        .unwrap();
    assert_eq!(code(created.get(copies)), Some(ErrorCode::INVALID_REPLICATION_FACTOR));
    assert_eq!(code(created.get(none)), Some(ErrorCode::INVALID_PARTITIONS));
    // Kafka before 1.0 does not know what to say.
    let is_old = cluster.is_real() && cluster.version() < (1, 0);
    let wrong = if is_old { ErrorCode::UNKNOWN_SERVER_ERROR } else { ErrorCode::INVALID_CONFIG };
    assert_eq!(code(created.get(config)), Some(wrong));
    let error = created.get(config).unwrap().as_ref().unwrap_err();
    assert!(error.to_string().contains(config.as_str()), "{error}");

    let made = created.get(plain).unwrap().as_ref().unwrap().clone();
    let seen = described(&client, plain).await;
    assert_eq!(seen.partitions.len(), 3);
    assert_eq!(made.id, seen.id);
    if cluster.version() >= (2, 4) {
        assert_eq!((made.partitions, made.replication_factor), (Some(3), Some(1)));
        let configs = made.configs.unwrap().unwrap();
        let retention = &configs["retention.ms"];
        assert_eq!(retention.value.as_deref(), Some("86400000"));
        assert_eq!(retention.source, ConfigSource::Topic);
        assert!(configs.values().filter(|config| !config.is_default()).count() >= 1);
    }
    created.get(assigned).unwrap().as_ref().unwrap();
    let seen = described(&client, assigned).await;
    let replicas: Vec<_> = seen.partitions.iter().map(|it| it.replicas.clone()).collect();
    assert_eq!(replicas, [brokers.clone(), first.clone()]);
    client.delete_topics([plain, assigned]).await.unwrap().into_result().unwrap();
    Ok(())
}

pub async fn listed(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let (one, two) = (topic(cluster, "one", 1).await, topic(cluster, "two", 2).await);
    let seen = described(&client, &two).await;
    described(&client, &one).await;
    let listed = eventually("both are listed", async || {
        let listed = client.list_topics().await.unwrap();
        let has = |name: &String| listed.iter().any(|topic| topic.name == *name);
        (has(&one) && has(&two)).then_some(listed)
    })
    .await;
    assert!(listed.is_sorted_by_key(|topic| topic.name.clone()));
    assert!(listed.iter().all(|topic| !topic.is_internal));
    let two = listed.iter().find(|topic| topic.name == two).unwrap();
    assert_eq!(two.id, seen.id);
    assert_eq!(two.id.is_some(), cluster.version() >= (2, 8));
    let all = client.list_topics().include_internal(true).await.unwrap();
    for internal in all.iter().filter(|topic| topic.is_internal) {
        assert!(internal.name.starts_with("__"), "{internal:?}");
        assert!(described(&client, &internal.name).await.is_internal);
    }
    Ok(())
}

pub async fn described_by_name(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let (small, large) = (topic(cluster, "small", 1).await, topic(cluster, "large", 7).await);
    let nowhere = unique("nowhere");
    described(&client, &small).await;
    described(&client, &large).await;
    let mut pages = Vec::new();
    // One partition to a page, then all on one: with topics that are not there in between.
    for page in [1, 3, 2_000] {
        let all = eventually("all brokers know the topics", async || {
            let call = client.describe_topics([&large, &nowhere, &small]);
            let all = call.partitions_per_response(page).await.unwrap();
            (all.get(&TopicRef::from(&large)).unwrap().is_ok()
                && all.get(&TopicRef::from(&small)).unwrap().is_ok())
            .then_some(all)
        });
        let all = all.await;
        assert_eq!(all.len(), 3);
        let unknown = Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        assert_eq!(code(all.get(&TopicRef::from(&nowhere))), unknown);
        let large = all.get(&TopicRef::from(&large)).unwrap().as_ref().unwrap();
        assert!(large.partitions.iter().map(|it| it.id).eq(0..7), "{page}: {large:?}");
        pages.push(large.clone());
    }
    assert_eq!(pages[0], pages[2]);
    assert_eq!(pages[1], pages[2]);

    let metadata = client.metadata([&large]).await.unwrap();
    let second = metadata.topic(&large).unwrap();
    for (partition, second) in pages[0].partitions.iter().zip(&second.partitions) {
        assert_eq!(partition.leader, second.leader);
        assert_eq!(partition.replicas, second.replicas);
        assert_eq!(partition.isr.iter().collect::<BTreeSet<_>>(), second.isr.iter().collect());
    }
    let tells = cluster.is_real() && cluster.version() >= (4, 0);
    assert!(!tells || pages[0].partitions[0].eligible_leader_replicas.is_some());

    // The in-process cluster does not know who may do what.
    if cluster.is_real() && cluster.version() >= (2, 3) {
        let call = client.describe_topics([&large]).include_authorized_operations(true);
        let may = call.await.unwrap().into_only().unwrap().authorized_operations.unwrap();
        assert!(may.contains(&AclOperation::Write), "{may:?}");
    }
    let main = "org.apache.kafka.tools.TopicCommand";
    if let Some(said) = cluster.tool(main, &["--describe", "--topic", &large]).await {
        assert!(said.contains("PartitionCount: 7"), "{said}");
        let id = pages[0].partitions[6].leader.unwrap();
        assert!(said.contains(&format!("Partition: 6\tLeader: {id}")), "{said}");
    }
    Ok(())
}

pub async fn by_id(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let name = topic(cluster, "with-id", 2).await;
    let stranger = Uuid(0x1234_5678_9abc_4def_8123_4567_89ab_cdef);
    let Some(id) = described(&client, &name).await.id else {
        let error = client.delete_topics([stranger]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(format!("{error:?}").contains("Kafka 2.8"), "{error:?}");
        return Ok(());
    };
    if cluster.version() >= (3, 1) {
        assert_eq!(described(&client, id).await.name, name);
        let both = [TopicRef::from(stranger), TopicRef::from(&name), TopicRef::from(id)];
        let all = eventually("all brokers know the topic", async || {
            let all = client.describe_topics(both.clone()).await.unwrap();
            let known = all.iter().all(|(of, it)| *of == stranger.into() || it.is_ok());
            known.then_some(all)
        });
        let all = all.await;
        assert_eq!(code(all.get(&stranger.into())), Some(ErrorCode::UNKNOWN_TOPIC_ID));
        let by_name = all.get(&TopicRef::from(&name)).unwrap().as_ref().unwrap();
        assert_eq!(all.get(&id.into()).unwrap().as_ref().unwrap().id, by_name.id);
    }
    let nowhere = TopicRef::from(unique("nowhere"));
    let all = [TopicRef::from(stranger), TopicRef::from(id), nowhere.clone()];
    let deleted = client.delete_topics(all).await.unwrap();
    assert_eq!(code(deleted.get(&stranger.into())), Some(ErrorCode::UNKNOWN_TOPIC_ID));
    assert_eq!(code(deleted.get(&nowhere)), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    deleted.get(&id.into()).unwrap().as_ref().unwrap();
    eventually("the topic is gone", async || {
        let listed = client.list_topics().await.unwrap();
        listed.iter().all(|topic| topic.name != name).then_some(())
    })
    .await;

    // The id is that of the topic which is gone, not of a new one with the same name.
    let new = NewTopic::new(&name).partitions(1).replication_factor(1);
    create(cluster, new).await;
    let again = client.delete_topics([id]).await.unwrap().into_only().unwrap_err();
    assert_eq!(again.code(), Some(ErrorCode::UNKNOWN_TOPIC_ID));
    assert_ne!(described(&client, &name).await.id, Some(id));
    Ok(())
}

pub async fn partitions_added(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let [grows, assigned, stays] = ["grows", "assigned", "stays"];
    let (grows, stays) = (topic(cluster, grows, 1).await, topic(cluster, stays, 2).await);
    let assigned = topic(cluster, assigned, 1).await;
    if cluster.version() < (1, 0) {
        let call = client.create_partitions([(&grows, NewPartitions::increase_to(2))]);
        let error = call.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        return Ok(());
    }
    let copies = described(&client, &assigned).await.partitions[0].replicas.clone();
    let nowhere = unique("nowhere");
    let ask = |validate_only| {
        let place = NewPartitions::increase_to(2).assign(copies.iter().rev().copied());
        client
            .create_partitions([
                (&*nowhere, NewPartitions::increase_to(2)),
                (&*grows, NewPartitions::increase_to(4)),
                (&*stays, NewPartitions::increase_to(1)),
                (&*assigned, place),
            ])
            .validate_only(validate_only)
    };
    for validate_only in [true, false] {
        let asked = ask(validate_only).await.unwrap();
        let unknown = Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        assert_eq!(code(asked.get(&*nowhere)), unknown, "{validate_only}");
        assert_eq!(code(asked.get(&*stays)), Some(ErrorCode::INVALID_PARTITIONS));
        asked.get(&*grows).unwrap().as_ref().unwrap();
        asked.get(&*assigned).unwrap().as_ref().unwrap();
        if validate_only {
            sleep(Duration::from_millis(300)).await;
            assert_eq!(described(&client, &grows).await.partitions.len(), 1, "only validated");
        }
    }
    eventually("the partitions are there", async || {
        (described(&client, &grows).await.partitions.len() == 4).then_some(())
    })
    .await;
    let placed = eventually("the partition is where it was wanted", async || {
        described(&client, &assigned).await.partitions.get(1).cloned()
    });
    assert!(placed.await.replicas.iter().eq(copies.iter().rev()));
    assert_eq!(described(&client, &stays).await.partitions.len(), 2);
    write(&client, &grows, [Record::new("in the new one").partition(3)]).await;
    let wrong = NewPartitions::increase_to(6).assign([copies[0]]);
    let wrong = client.create_partitions([(&grows, wrong)]).await.unwrap().into_only();
    assert_eq!(wrong.unwrap_err().code(), Some(ErrorCode::INVALID_REPLICA_ASSIGNMENT));
    Ok(())
}

pub async fn records_deleted(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let name = topic(cluster, "records", 3).await;
    let nowhere = unique("nowhere");
    if cluster.version() < (0, 11) {
        let call = client.delete_records([(&*name, 0, RecordsBefore::HighWatermark)]);
        let error = call.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        return Ok(());
    }
    for partition in 0..3 {
        write(&client, &name, numbered(0..10).map(|record| record.partition(partition))).await;
    }
    let deleted = client
        .delete_records([
            (&*name, 0, RecordsBefore::Offset(4)),
            (&*nowhere, 0, RecordsBefore::Offset(4)),
            (&*name, 1, RecordsBefore::Offset(11)),
            (&*name, 2, RecordsBefore::HighWatermark),
            (&*name, 9, RecordsBefore::HighWatermark),
        ])
        .await
        .unwrap();
    let at = |partition| TopicPartition::new(&*name, partition);
    assert_eq!(deleted.get(&at(0)).unwrap().as_ref().unwrap().low_watermark, 4);
    assert_eq!(deleted.get(&at(2)).unwrap().as_ref().unwrap().low_watermark, 10);
    assert_eq!(code(deleted.get(&at(1))), Some(ErrorCode::OFFSET_OUT_OF_RANGE));
    let unknown = Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(code(deleted.get(&TopicPartition::new(&*nowhere, 0))), unknown);
    assert_eq!(code(deleted.get(&at(9))), unknown);

    let asked = (0..3).map(|partition| (&*name, partition, OffsetSpec::Earliest));
    let earliest = client.list_offsets(asked).await.unwrap().into_result().unwrap();
    let earliest: Vec<_> = earliest.into_iter().map(|(_, found)| found.offset).collect();
    assert_eq!(earliest, [Some(4), Some(0), Some(10)]);
    let mut reader = client.reader().partitions(&*name, [0]).build().await.unwrap();
    assert!(read_numbers(&mut reader, 6).await.into_iter().eq(4..10));
    // Less than is gone already is no error, and changes nothing.
    let call = client.delete_records([(&*name, 0, RecordsBefore::Offset(2))]);
    assert_eq!(call.await.unwrap().into_only().unwrap().low_watermark, 4);
    Ok(())
}
