//! What coordinators of transactions answer to each call (KIP-98, KIP-360, KIP-890).

use kafkio::admin::Target;
use kafkio::admin::offsets::OffsetSpec;
use kafkio::protocol::messages::add_offsets_to_txn::AddOffsetsToTxnRequest;
use kafkio::protocol::messages::add_partitions_to_txn::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnTopic,
};
use kafkio::protocol::messages::end_txn::{EndTxnRequest, EndTxnResponse};
use kafkio::protocol::messages::init_producer_id::InitProducerIdRequest;
use kafkio::protocol::messages::produce::PartitionProduceResponse;
use kafkio::protocol::messages::txn_offset_commit::{
    TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafkio::protocol::{ErrorCode, Request};
use kafkio::{Client, IsolationLevel, TopicPartition};

use crate::support::transaction::{Producer, batch, numbered_batch, produce_request};
use crate::support::{
    Need, Outcome, TestCluster, connect, coordinated, eventually, topic, unique, until,
};

/// The newest versions of transactions that add partitions by a call of its own.
const END_V1: i16 = 4;
const PRODUCE_V1: i16 = 11;

/// Asks for a transactional id once; the code, id and epoch.
async fn init(
    client: &Client,
    id: &str,
    timeout: i32,
    before: (i64, i16),
) -> (ErrorCode, i64, i16) {
    let request = InitProducerIdRequest {
        transactional_id: Some(id.to_owned()),
        transaction_timeout_ms: timeout,
        producer_id: before.0,
        producer_epoch: before.1,
        ..Default::default()
    };
    let response = client.send(Target::Transaction(id.to_owned()), request).await.unwrap();
    (ErrorCode(response.error_code), response.producer_id, response.producer_epoch)
}

/// Adds partitions once; a code for each.
async fn add(producer: &Producer, topic: &str, partitions: &[i32]) -> Vec<ErrorCode> {
    let topic = AddPartitionsToTxnTopic {
        name: topic.to_owned(),
        partitions: partitions.to_vec(),
        ..Default::default()
    };
    let request = AddPartitionsToTxnRequest {
        v3_and_below_transactional_id: producer.id.clone(),
        v3_and_below_producer_id: producer.producer_id,
        v3_and_below_producer_epoch: producer.epoch,
        v3_and_below_topics: vec![topic],
        ..Default::default()
    };
    let to = Target::Transaction(producer.id.clone());
    let response = producer.client.send(to, request).max_version(3).await.unwrap();
    let results = &response.results_by_topic_v3_and_below[0].results_by_partition;
    results.iter().map(|it| ErrorCode(it.partition_error_code)).collect()
}

async fn end(producer: &Producer, committed: bool, last: i16) -> EndTxnResponse {
    let request = EndTxnRequest {
        transactional_id: producer.id.clone(),
        producer_id: producer.producer_id,
        producer_epoch: producer.epoch,
        committed,
        ..Default::default()
    };
    let call = producer.client.send(Target::Transaction(producer.id.clone()), request);
    call.max_version(last).await.unwrap()
}

/// The code of it once the decision before is carried out.
async fn end_settled(producer: &Producer, committed: bool, last: i16) -> EndTxnResponse {
    let busy = |it: &EndTxnResponse| it.error_code == ErrorCode::CONCURRENT_TRANSACTIONS.0;
    until("it is settled", async || end(producer, committed, last).await, |it| !busy(it)).await
}

/// Writes a batch of the producer in up to this version.
async fn write(
    producer: &Producer,
    at: &TopicPartition,
    first: i32,
    last: i16,
) -> PartitionProduceResponse {
    let batch = batch(Some((producer.producer_id, producer.epoch, first)), &["v"]);
    let request = produce_request(&producer.client, Some(&producer.id), at, batch).await.unwrap();
    let call = producer.client.send(Target::Leader(at.clone()), request).max_version(last);
    call.await.unwrap().responses.remove(0).partition_responses.remove(0)
}

/// The offsets where readers of committed records, and of all, see the end.
async fn ends(client: &Client, at: &TopicPartition) -> (i64, i64) {
    let end = async |level| {
        let call = client.list_offsets([(&*at.topic, at.partition, OffsetSpec::Latest)]);
        call.isolation(level).await.unwrap().into_only().unwrap().offset.unwrap()
    };
    (end(IsolationLevel::ReadCommitted).await, end(IsolationLevel::ReadUncommitted).await)
}

/// Who is too late, as clients of that age know it.
fn fenced(cluster: &impl TestCluster) -> ErrorCode {
    if cluster.version() < (2, 7) {
        ErrorCode::INVALID_PRODUCER_EPOCH
    } else {
        ErrorCode::PRODUCER_FENCED
    }
}

pub async fn ids(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Kafka(0, 11))?;
    let client = connect(cluster).await;
    let id = unique("ids");
    let first = Producer::begin(&client, &id).await;
    assert_eq!(first.epoch, 0);
    let other = Producer::begin(&client, &unique("ids")).await;
    assert_ne!(other.producer_id, first.producer_id);
    for timeout in [0, -1, 900_001] {
        let none = (-1, -1);
        let refused = init(&client, &id, timeout, none).await;
        assert_eq!(refused.0, ErrorCode::INVALID_TRANSACTION_TIMEOUT, "{timeout}");
    }
    let second = Producer::begin(&client, &id).await;
    assert_eq!((second.producer_id, second.epoch), (first.producer_id, 1));
    assert_eq!(end(&first, false, END_V1).await.error_code, fenced(cluster).0);

    if cluster.brokers() >= 3 {
        let nodes = client.describe_cluster().await.unwrap().nodes;
        let mut codes = Vec::new();
        for broker in nodes.into_keys() {
            let request = InitProducerIdRequest {
                transactional_id: Some(id.clone()),
                transaction_timeout_ms: 60_000,
                ..Default::default()
            };
            let response = client.send(Target::Broker(broker), request).await.unwrap();
            codes.push(ErrorCode(response.error_code));
        }
        codes.sort_by_key(|code| code.0);
        let expected = [ErrorCode::NONE, ErrorCode::NOT_COORDINATOR, ErrorCode::NOT_COORDINATOR];
        assert_eq!(codes, expected);
    }
    Ok(())
}

/// A producer that goes on after an error keeps its id, unless another one took it (KIP-360).
pub async fn kept_ids(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Kafka(2, 5))?;
    let client = connect(cluster).await;
    let id = unique("kept");
    let Producer { producer_id, epoch, .. } = Producer::begin(&client, &id).await;
    let ok = |epoch| (ErrorCode::NONE, producer_id, epoch);
    let refused = (fenced(cluster), -1, -1);
    assert_eq!(init(&client, &id, 60_000, (producer_id, epoch)).await, ok(1));
    assert_eq!(init(&client, &id, 60_000, (producer_id, epoch)).await, ok(1), "a repeat");
    assert_eq!(init(&client, &id, 60_000, (producer_id, 1)).await, ok(2));
    assert_eq!(init(&client, &id, 60_000, (producer_id, 0)).await, refused);
    assert_eq!(init(&client, &id, 60_000, (producer_id + 1_000_000, 2)).await, refused);
    assert_eq!(init(&client, &id, 60_000, (-1, -1)).await, ok(3));
    assert_eq!(init(&client, &id, 60_000, (producer_id, 2)).await, refused, "taken by another");
    let half = init(&client, &id, 60_000, (producer_id, -1)).await;
    assert_eq!(half.0, ErrorCode::INVALID_REQUEST);
    let (code, _, epoch) = init(&client, &unique("kept"), 60_000, (producer_id, 7)).await;
    assert_eq!((code, epoch), (ErrorCode::NONE, 0), "an id that is new");
    Ok(())
}

pub async fn states(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Kafka(0, 11))?;
    let client = connect(cluster).await;
    let topic = topic(cluster, "states", 2).await;
    let at = TopicPartition::new(&*topic, 0);
    let mut producer = Producer::begin(&client, &unique("states")).await;
    for committed in [true, false] {
        let ended = end(&producer, committed, END_V1).await;
        assert_eq!(ErrorCode(ended.error_code), ErrorCode::INVALID_TXN_STATE, "nothing is open");
    }
    let mut missing = add(&producer, &topic, &[0, 7]).await;
    // In any order.
    missing.sort_by_key(|code| code.0);
    let expected = [ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, ErrorCode::OPERATION_NOT_ATTEMPTED];
    assert_eq!(missing, expected);
    for committed in [true, false] {
        producer.add(&at).await;
        assert_eq!(add(&producer, &topic, &[0, 1]).await, [ErrorCode::NONE; 2], "again, and more");
        assert_eq!(end(&producer, committed, END_V1).await.error_code, 0);
        let other = end_settled(&producer, !committed, END_V1).await;
        assert_eq!(ErrorCode(other.error_code), ErrorCode::INVALID_TXN_STATE);
        assert_eq!(end_settled(&producer, committed, END_V1).await.error_code, 0, "a repeat");
        let other = end(&producer, !committed, END_V1).await;
        assert_eq!(ErrorCode(other.error_code), ErrorCode::INVALID_TXN_STATE);
    }
    assert_eq!(ends(&client, &at).await, (2, 2), "two markers");
    let (id, epoch) = (producer.producer_id, producer.epoch);
    for (wrong, expected) in [
        ((id + 1_000_000, epoch), ErrorCode::INVALID_PRODUCER_ID_MAPPING),
        ((id, epoch + 1), fenced(cluster)),
    ] {
        (producer.producer_id, producer.epoch) = wrong;
        assert_eq!(add(&producer, &topic, &[0]).await, [expected]);
        // The oldest take any epoch here that is not too low.
        if cluster.version() >= (2, 7) {
            assert_eq!(ErrorCode(end(&producer, true, END_V1).await.error_code), expected);
        }
    }
    let nobody = Producer { id: unique("nobody"), client, producer_id: id, epoch };
    // The coordinator of a name that nobody has used may have to be made first.
    eventually("there is a coordinator", async || {
        let [code] = add(&nobody, &topic, &[0]).await[..] else { panic!("one partition") };
        (!code.is_retriable()).then(|| assert_eq!(code, ErrorCode::INVALID_PRODUCER_ID_MAPPING))
    })
    .await;
    Ok(())
}

/// What is told who has not added what it writes to, in the newest version of before KIP-890.
fn if_not_added(cluster: &impl TestCluster) -> ErrorCode {
    match cluster.version() {
        (0..=2, _) | (3, ..=5) => ErrorCode::NONE,
        (3, ..=7) => ErrorCode::INVALID_TXN_STATE,
        _ => ErrorCode::TRANSACTION_ABORTABLE,
    }
}

/// What is written in a transaction has to be part of it, since Kafka 3.6.
pub async fn not_added(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Kafka(0, 11))?;
    let client = connect(cluster).await;
    let topic = topic(cluster, "not-added", 1).await;
    let at = TopicPartition::new(&*topic, 0);
    let producer = Producer::begin(&client, &unique("not-added")).await;
    let written = write(&producer, &at, 0, PRODUCE_V1).await;
    let expected = if_not_added(cluster);
    assert_eq!(ErrorCode(written.error_code), expected);
    if cluster.version() >= (3, 6) {
        let written = write(&producer, &at, 0, 10).await;
        assert_eq!(ErrorCode(written.error_code), ErrorCode::INVALID_TXN_STATE);
        producer.add(&at).await;
        assert_eq!(write(&producer, &at, 0, PRODUCE_V1).await.base_offset, 0);
    } else {
        producer.add(&at).await;
    }
    let numbers = (producer.producer_id, producer.epoch, 1);
    let code = async |id: Option<&str>, batch| {
        let request = produce_request(&client, id, &at, batch).await.unwrap();
        let sent = client.send(Target::Leader(at.clone()), request).await.unwrap();
        ErrorCode(sent.responses[0].partition_responses[0].error_code)
    };
    let plain = numbered_batch(0, numbers, &["v"]);
    assert_eq!(code(None, plain).await, ErrorCode::INVALID_TXN_STATE, "not in the transaction");
    if cluster.version() >= (2, 2) {
        let nameless = code(None, batch(Some(numbers), &["v"])).await;
        assert_eq!(nameless, ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    }
    assert_eq!(ends(&client, &at).await, (0, 1));
    assert_eq!(end(&producer, true, END_V1).await.error_code, 0);
    until("it is committed", async || ends(&client, &at).await, |ends| *ends == (2, 2)).await;
    Ok(())
}

/// A producer that takes the transactional id ends what the one before has begun.
pub async fn taken_over(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Kafka(0, 11))?;
    let client = connect(cluster).await;
    let topic = topic(cluster, "taken-over", 1).await;
    let at = TopicPartition::new(&*topic, 0);
    let id = unique("taken-over");
    let old = Producer::begin(&client, &id).await;
    old.add(&at).await;
    assert_eq!(old.write(&at, 0, &["lost"]).await, 0);
    let (code, ..) = init(&client, &id, 60_000, (-1, -1)).await;
    assert_eq!(code, ErrorCode::CONCURRENT_TRANSACTIONS, "the abort comes first");
    let new = Producer::begin(&client, &id).await;
    assert_eq!((new.producer_id, new.epoch), (old.producer_id, 2), "1 was for the abort");
    assert_eq!(ends(&client, &at).await, (2, 2), "the record and a marker");
    assert_eq!(add(&old, &topic, &[0]).await, [fenced(cluster)]);
    assert_eq!(ErrorCode(end(&old, true, END_V1).await.error_code), fenced(cluster));
    let late = write(&old, &at, 1, i16::MAX).await;
    assert_eq!(ErrorCode(late.error_code), ErrorCode::INVALID_PRODUCER_EPOCH);
    new.add(&at).await;
    assert_eq!(new.write(&at, 0, &["kept"]).await, 2);
    assert_eq!(end(&new, true, END_V1).await.error_code, 0);
    Ok(())
}

/// With KIP-890, writing makes a partition part of the transaction, and each has its epoch.
pub async fn epochs(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Kafka(4, 0))?;
    let client = connect(cluster).await;
    let topic = topic(cluster, "epochs", 1).await;
    let at = TopicPartition::new(&*topic, 0);
    let newest = *EndTxnRequest::VERSIONS.end();
    let mut producer = Producer::begin(&client, &unique("epochs")).await;
    let known = |ended: &EndTxnResponse| (ErrorCode(ended.error_code), ended.producer_epoch);
    let failed = |code| (code, -1);

    let idle = end(&producer, true, newest).await;
    assert_eq!(known(&idle), failed(ErrorCode::INVALID_TXN_STATE));
    if cluster.version() >= (4, 1) {
        let skips = write(&producer, &at, 5, i16::MAX).await;
        assert_eq!(ErrorCode(skips.error_code), ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    }
    for (committed, offset) in [(true, 0), (false, 2)] {
        let epoch = producer.epoch;
        // The decision before may still be under way.
        let first = eventually("it is written", async || {
            let written = write(&producer, &at, 0, i16::MAX).await;
            match ErrorCode(written.error_code) {
                ErrorCode::NONE => Some(written.base_offset),
                ErrorCode::CONCURRENT_TRANSACTIONS => None,
                code => panic!("{code}"),
            }
        });
        assert_eq!(first.await, offset);
        assert_eq!(known(&end(&producer, committed, newest).await), (ErrorCode::NONE, epoch + 1));
        let again = end_settled(&producer, committed, newest).await;
        assert_eq!(known(&again), (ErrorCode::NONE, epoch + 1), "a repeat");
        let other = end(&producer, !committed, newest).await;
        assert_eq!(known(&other), failed(ErrorCode::INVALID_TXN_STATE));
        let late = write(&producer, &at, 1, i16::MAX).await;
        assert_eq!(ErrorCode(late.error_code), ErrorCode::INVALID_PRODUCER_EPOCH);
        producer.epoch += 1;
        let idle = end(&producer, true, newest).await;
        assert_eq!(known(&idle), failed(ErrorCode::INVALID_TXN_STATE));
    }
    assert_eq!(ends(&client, &at).await, (4, 4));
    // An abort of nothing counts.
    let epoch = producer.epoch;
    assert_eq!(known(&end(&producer, false, newest).await), (ErrorCode::NONE, epoch + 1));
    assert_eq!(known(&end_settled(&producer, false, newest).await), (ErrorCode::NONE, epoch + 1));
    assert_eq!(ends(&client, &at).await, (4, 4));
    Ok(())
}

/// Offsets of a group count when the transaction is committed.
pub async fn offsets(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Kafka(0, 11))?;
    let client = connect(cluster).await;
    let topic = topic(cluster, "offsets", 3).await;
    let group = unique("offsets");
    let mut producer = Producer::begin(&client, &unique("offsets")).await;
    let commit = async |producer: &Producer, offset, last: i16| {
        let partition = TxnOffsetCommitRequestPartition {
            partition_index: 1,
            committed_offset: offset,
            committed_metadata: Some("m".to_owned()),
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
        let ask =
            async || client.send(to.clone(), request.clone()).max_version(last).await.unwrap();
        let code = |it: &_| ErrorCode(commit_code(it));
        code(&until("there is a coordinator", ask, |it| !code(it).is_retriable()).await)
    };
    let committed = async || {
        let stable = client.list_group_offsets([&group]).await.unwrap();
        let all = stable.into_only().unwrap().into_result().unwrap();
        all.into_iter().find_map(|(at, it)| (at.partition == 1).then(|| it.unwrap().offset))
    };
    // Not part of the transaction yet.
    let expected = if_not_added(cluster);
    if expected != ErrorCode::NONE {
        assert_eq!(commit(&producer, 1, 4).await, expected);
    }
    for (offset, is_committed, seen) in [(5, false, None), (7, true, Some(7)), (9, false, Some(7))]
    {
        let request = AddOffsetsToTxnRequest {
            transactional_id: producer.id.clone(),
            producer_id: producer.producer_id,
            producer_epoch: producer.epoch,
            group_id: group.clone(),
            ..Default::default()
        };
        let to = Target::Transaction(producer.id.clone());
        coordinated(&client, to, &request, |it| it.error_code).await;
        let before = committed().await;
        assert_eq!(commit(&producer, offset, 4).await, ErrorCode::NONE);
        assert_eq!(committed().await, before, "pending");
        if cluster.version() >= (2, 5) {
            let call = client.list_group_offsets([&group]).require_stable(true);
            let error = call.timeout(std::time::Duration::from_secs(1)).await;
            let found = error.map(|it| it.into_only().map(|it| it.into_result()));
            let error = match found {
                Err(error) | Ok(Err(error) | Ok(Err(error))) => Some(error),
                // Of what was never committed nothing is told.
                Ok(Ok(Ok(_))) => None,
            };
            assert_eq!(error.is_some(), before.is_some(), "{error:?}");
        }
        assert_eq!(end(&producer, is_committed, END_V1).await.error_code, 0);
        assert_eq!(end_settled(&producer, is_committed, END_V1).await.error_code, 0);
        let what = format!("{offset} is settled");
        until(&what, committed, |it| *it == seen).await;
    }
    if cluster.version() >= (4, 0) {
        assert_eq!(commit(&producer, 11, 5).await, ErrorCode::NONE, "added by this");
        // A later commit outside of it wins.
        let at = TopicPartition::new(&*topic, 1);
        let plain = client.alter_group_offsets(&group, [(at, 12)]).await.unwrap();
        plain.into_only().unwrap();
        assert_eq!(committed().await, Some(12));
        let ended = end(&producer, true, i16::MAX).await;
        assert_eq!(ended.error_code, 0);
        assert_eq!(end_settled(&producer, true, i16::MAX).await.error_code, 0);
        assert_eq!(committed().await, Some(12));
        producer.epoch = ended.producer_epoch;
        assert_eq!(commit(&producer, 13, 5).await, ErrorCode::NONE);
        assert_eq!(end(&producer, true, i16::MAX).await.error_code, 0);
        until("13 is settled", committed, |it| *it == Some(13)).await;
    }
    Ok(())
}

fn commit_code(
    response: &kafkio::protocol::messages::txn_offset_commit::TxnOffsetCommitResponse,
) -> i16 {
    response.topics[0].partitions[0].error_code
}
