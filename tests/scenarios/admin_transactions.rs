//! Transactions of a producer made by hand, looked at and ended from outside.

use std::time::Duration;

use kafkio::admin::Target;
use kafkio::admin::offsets::OffsetSpec;
use kafkio::admin::transactions::{Transaction, TransactionListing, TransactionState};
use kafkio::protocol::ErrorCode;
use kafkio::protocol::messages::add_offsets_to_txn::AddOffsetsToTxnRequest;
use kafkio::protocol::messages::txn_offset_commit::{
    TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafkio::{Client, ErrorKind, IsolationLevel, Timestamp, TopicPartition};

use crate::support::transaction::Producer;
use crate::support::{
    Need, Outcome, TestCluster, connect, coordinated, eventually, read, topic, unique, until,
};

const TOOL: &str = "org.apache.kafka.tools.TransactionsCommand";

/// Behind the last record that readers of committed ones see.
async fn committed_end(client: &Client, at: &TopicPartition) -> i64 {
    let call = client.list_offsets([(&*at.topic, at.partition, OffsetSpec::Latest)]);
    let found = call.isolation(IsolationLevel::ReadCommitted).await.unwrap();
    found.into_only().unwrap().offset.unwrap()
}

async fn describe(client: &Client, id: &str) -> Transaction {
    client.describe_transactions([id]).await.unwrap().into_only().unwrap()
}

/// Markers are written after the coordinator has answered.
async fn settled(client: &Client, id: &str) -> Transaction {
    use TransactionState::{PrepareAbort, PrepareCommit, PrepareEpochFence};

    let prepared = [PrepareAbort, PrepareCommit, PrepareEpochFence];
    let is_settled = |now: &Transaction| !prepared.contains(&now.state);
    until("the transaction ends", async || describe(client, id).await, is_settled).await
}

fn ids(listed: &[TransactionListing]) -> Vec<&str> {
    listed.iter().map(|it| &*it.transactional_id).collect()
}

pub async fn shown(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Kafka(3, 0))?;
    let client = connect(cluster).await;
    let topic = topic(cluster, "shown", 3).await;
    let id = unique("shown.id");
    let producer = Producer::begin(&client, &id).await;
    let idle = describe(&client, &id).await;
    assert_eq!((idle.state, idle.start_time), (TransactionState::Empty, None));

    let before = Timestamp::now().as_millis();
    let [one, two, untouched] = [1, 2, 0].map(|n| TopicPartition::new(&*topic, n));
    for at in [&one, &two] {
        producer.add(at).await;
        assert_eq!(producer.write(at, 0, &["a", "b", "c"]).await, 0);
    }
    assert_eq!(committed_end(&client, &one).await, 0, "readers of committed records wait");

    let open = describe(&client, &id).await;
    assert_eq!(open.state, TransactionState::Ongoing);
    assert_eq!((open.producer_id, open.producer_epoch), (producer.producer_id, producer.epoch));
    assert_eq!(open.timeout, Duration::from_secs(60));
    let since = open.start_time.unwrap().as_millis() - before;
    assert!((-5_000..60_000).contains(&since), "{since} ms");
    let mut partitions = open.partitions.clone();
    partitions.sort();
    assert_eq!(partitions, [one.clone(), two.clone()]);

    let listed = client.list_transactions().producer_ids(vec![producer.producer_id]);
    let listed = listed.await.unwrap().into_result().unwrap();
    assert_eq!(ids(&listed), [&*id]);
    assert_eq!(listed[0].state, TransactionState::Ongoing);
    assert_eq!(listed[0].coordinator, open.coordinator);
    let all = client.list_transactions().await.unwrap().into_result().unwrap();
    assert!(ids(&all).contains(&&*id));
    let empty = client.list_transactions().states(vec![TransactionState::Empty]);
    let empty = empty.await.unwrap().into_result().unwrap();
    assert!(!ids(&empty).contains(&&*id));
    assert!(empty.iter().all(|it| it.state == TransactionState::Empty));
    let nonsense = TransactionState::from_name("Nonsense");
    let error = client.list_transactions().states(vec![nonsense]).await.unwrap_err();
    assert!(format!("{error:?}").contains("Nonsense"), "{error:?}");

    let old = client.list_transactions().longer_than(Duration::from_secs(3_600)).await;
    let matching = client.list_transactions().id_pattern(format!("{}.*", &id[..10])).await;
    let part = client.list_transactions().id_pattern(id[..10].to_owned()).await;
    if cluster.version() >= (3, 8) {
        assert!(!ids(&old.unwrap().into_result().unwrap()).contains(&&*id));
    } else {
        let error = old.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains("3.8"), "{error}");
    }
    if cluster.version() >= (4, 1) {
        let listed = matching.unwrap().into_result().unwrap();
        assert!(ids(&listed).contains(&&*id));
        assert!(listed.iter().all(|it| it.transactional_id.starts_with(&id[..10])));
        assert!(part.unwrap().into_result().unwrap().is_empty(), "the whole id has to match");
        let error = client.list_transactions().id_pattern("(".to_owned()).await.unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::INVALID_REGULAR_EXPRESSION), "{error}");
    } else {
        let error = matching.unwrap_err();
        assert!(error.to_string().contains("4.1"), "{error}");
    }

    let unknown = TopicPartition::new(&*topic, 7);
    let asked = [one.clone(), unknown.clone(), untouched.clone()];
    let found = client.describe_producers(asked).await.unwrap();
    assert_eq!(found.get(&untouched).unwrap().as_ref().unwrap(), &[]);
    let error = found.get(&unknown).unwrap().as_ref().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION), "{error}");
    let [state] = &found.get(&one).unwrap().as_ref().unwrap()[..] else {
        panic!("one producer: {found:?}");
    };
    assert_eq!(state.producer_id, producer.producer_id);
    assert_eq!(state.producer_epoch, Some(producer.epoch));
    assert_eq!(state.last_sequence, Some(2));
    assert_eq!(state.transaction_start_offset, Some(0));
    assert!(state.last_timestamp.unwrap().as_millis() >= before - 5_000);
    let metadata = client.metadata([&topic]).await.unwrap();
    for replica in &metadata.topic(&topic).unwrap().partitions[1].replicas {
        let copy = client.describe_producers([one.clone()]).broker(*replica);
        assert_eq!(copy.await.unwrap().into_only().unwrap()[0].producer_id, state.producer_id);
    }

    let both = client.describe_transactions([&*id, "nobody's"]).await.unwrap();
    assert!(both.get(&*id).unwrap().is_ok());
    let error = both.get("nobody's").unwrap().as_ref().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::TRANSACTIONAL_ID_NOT_FOUND), "{error}");

    let servers = cluster.bootstrap().join(",");
    let arguments = ["--bootstrap-server", &servers, "describe", "--transactional-id", &id];
    if let Some(output) = cluster.tool(TOOL, &arguments).await {
        assert!(output.contains("Ongoing"), "{output}");
    }
    assert_eq!(producer.end(true).await.error_code, 0);
    let done = settled(&client, &id).await;
    assert_eq!(done.state, TransactionState::CompleteCommit);
    assert!(done.partitions.is_empty());
    assert_eq!(committed_end(&client, &one).await, 4, "three records and a marker");
    let states = client.describe_producers([one]).await.unwrap().into_only().unwrap();
    assert_eq!(states[0].transaction_start_offset, None);
    assert!(states[0].coordinator_epoch.is_some());
    Ok(())
}

pub async fn aborted_in_a_partition(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Kafka(3, 0))?;
    let client = connect(cluster).await;
    let topic = topic(cluster, "aborted", 1).await;
    let at = TopicPartition::new(&*topic, 0);
    let id = unique("aborted.id");
    Producer::begin(&client, &id).await;
    let producer = Producer::begin(&client, &id).await;
    assert_eq!(producer.epoch, 1, "the second of its id");
    producer.add(&at).await;
    producer.write(&at, 0, &["lost"]).await;
    assert_eq!(committed_end(&client, &at).await, 0);

    let states = client.describe_producers([at.clone()]).await.unwrap().into_only().unwrap();
    let (id, epoch) = (states[0].producer_id, states[0].producer_epoch.unwrap());
    let coordinator = states[0].coordinator_epoch.unwrap_or(0);
    let stale = client.abort_transaction(at.clone(), id, epoch - 1, coordinator).await;
    let error = stale.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::INVALID_PRODUCER_EPOCH), "{error}");
    let nowhere = TopicPartition::new(unique("nowhere"), 0);
    let error = client.abort_transaction(nowhere, id, epoch, coordinator).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION), "{error}");
    assert_eq!(committed_end(&client, &at).await, 0);

    client.abort_transaction(at.clone(), id, epoch, coordinator).await.unwrap();
    assert_eq!(committed_end(&client, &at).await, 2, "the record and the marker");
    let states = client.describe_producers([at.clone()]).await.unwrap().into_only().unwrap();
    assert_eq!(states[0].transaction_start_offset, None);
    // Its coordinator has not noticed.
    assert_eq!(describe(&client, &producer.id).await.state, TransactionState::Ongoing);
    client.fence_producers([&producer.id]).await.unwrap().into_only().unwrap();

    crate::support::write(&client, &topic, [kafkio::Record::new("kept")]).await;
    let reader = client.reader().topic(&*topic).isolation(IsolationLevel::ReadCommitted);
    let mut reader = reader.build().await.unwrap();
    assert_eq!(read(&mut reader, 1).await[0].value(), Some(&b"kept"[..]));
    Ok(())
}

pub async fn fenced(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Kafka(3, 0))?;
    let client = connect(cluster).await;
    let topic = topic(cluster, "fenced", 1).await;
    let at = TopicPartition::new(&*topic, 0);
    let busy = Producer::begin(&client, &unique("fenced.busy")).await;
    let idle = Producer::begin(&client, &unique("fenced.idle")).await;
    let unused = unique("fenced.unused");
    busy.add(&at).await;
    busy.write(&at, 0, &["lost"]).await;

    let fenced = client.fence_producers([&busy.id, &idle.id, &unused]).await.unwrap();
    let fenced = fenced.into_result().unwrap();
    let told: Vec<_> = fenced.iter().map(|(id, _)| id).collect();
    assert_eq!(told, [&busy.id, &idle.id, &unused]);
    assert_eq!(fenced[0].1.producer_id, busy.producer_id);
    assert!(fenced[0].1.producer_epoch > busy.epoch);
    assert_eq!(fenced[1].1.producer_id, idle.producer_id);
    assert!(fenced[1].1.producer_epoch > idle.epoch);
    for (id, producer) in &fenced {
        let now = settled(&client, id).await;
        assert_eq!(now.producer_id, producer.producer_id);
        assert_eq!(now.producer_epoch, producer.producer_epoch);
        assert!(now.partitions.is_empty());
    }
    assert_eq!(committed_end(&client, &at).await, 2, "the record and a marker");
    let code = ErrorCode(busy.end(true).await.error_code);
    let expected = [ErrorCode::PRODUCER_FENCED, ErrorCode::INVALID_PRODUCER_EPOCH];
    assert!(expected.contains(&code), "{code}");

    let again = Producer::begin(&client, &busy.id).await;
    again.add(&at).await;
    again.write(&at, 0, &["lost too"]).await;
    client.force_terminate_transaction(&again.id).await.unwrap();
    assert!(settled(&client, &again.id).await.partitions.is_empty());
    assert_eq!(committed_end(&client, &at).await, 4);
    assert!(expected.contains(&ErrorCode(again.end(false).await.error_code)));

    let twice = client.fence_producers(["a", "a"]).await.unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::Config);
    Ok(())
}

/// All that a transaction needs, each by its own call.
pub async fn by_hand(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Kafka(0, 11))?;
    let client = connect(cluster).await;
    let topic = topic(cluster, "by-hand", 2).await;
    let group = unique("by-hand.group");
    let producer = Producer::begin(&client, &unique("by-hand.id")).await;
    let partitions = [0, 1].map(|n| TopicPartition::new(&*topic, n));
    for at in &partitions {
        producer.add(at).await;
        producer.write(at, 0, &["kept"]).await;
        producer.write(at, 1, &["kept"]).await;
    }
    let request = AddOffsetsToTxnRequest {
        transactional_id: producer.id.clone(),
        producer_id: producer.producer_id,
        producer_epoch: producer.epoch,
        group_id: group.clone(),
        ..Default::default()
    };
    let added = client.send(Target::Transaction(producer.id.clone()), request).await.unwrap();
    assert_eq!(ErrorCode(added.error_code), ErrorCode::NONE);
    let partition = TxnOffsetCommitRequestPartition {
        partition_index: 1,
        committed_offset: 42,
        committed_metadata: Some("by hand".to_owned()),
        ..Default::default()
    };
    let request = TxnOffsetCommitRequest {
        transactional_id: producer.id.clone(),
        group_id: group.clone(),
        producer_id: producer.producer_id,
        producer_epoch: producer.epoch,
        topics: vec![TxnOffsetCommitRequestTopic {
            name: topic.clone(),
            partitions: vec![partition],
            ..Default::default()
        }],
        ..Default::default()
    };
    let to = Target::Group(group.clone());
    coordinated(&client, to, &request, |it| it.topics[0].partitions[0].error_code).await;
    assert_eq!(producer.end(true).await.error_code, 0);

    let reader = client.reader().topic(&*topic).isolation(IsolationLevel::ReadCommitted);
    let mut reader = reader.build().await.unwrap();
    let messages = read(&mut reader, 4).await;
    assert!(messages.iter().all(|message| message.value() == Some(&b"kept"[..])));
    // Of the end of a transaction, the coordinator of the group may hear last.
    let offsets = eventually("the offset is committed", async || {
        let stable = cluster.version() >= (2, 5);
        let offsets = client.list_group_offsets([&group]).require_stable(stable).await.unwrap();
        let offsets = offsets.into_only().unwrap().into_result().unwrap();
        Some(offsets).filter(|offsets| !offsets.is_empty())
    });
    let offsets = offsets.await;
    let [(at, Some(committed))] = &offsets[..] else { panic!("{offsets:?}") };
    assert_eq!((at, committed.offset), (&partitions[1], 42));
    assert_eq!(committed.metadata.as_deref(), Some("by hand"));
    Ok(())
}

/// What brokers do not know yet.
pub async fn too_old(cluster: &impl TestCluster) -> Outcome {
    if cluster.version() >= (3, 0) {
        return Err(crate::support::Skipped("needs Kafka before 3.0".to_owned()));
    }
    let client = connect(cluster).await;
    for error in [
        client.list_transactions().await.unwrap_err(),
        client.describe_transactions(["any"]).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    }
    Ok(())
}
