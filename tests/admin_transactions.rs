//! Transactions of an in-process cluster whose brokers misbehave, or are old, under paused time. The
//! cluster has none: hooks answer for it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "this is a test")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kafkio::admin::transactions::TransactionState;
use kafkio::protocol::messages::describe_producers::{
    DescribeProducersRequest, DescribeProducersResponse, PartitionResponse, TopicResponse,
};
use kafkio::protocol::messages::describe_transactions::{
    self, DescribeTransactionsRequest, DescribeTransactionsResponse,
};
use kafkio::protocol::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use kafkio::protocol::messages::list_transactions::{
    self, ListTransactionsRequest, ListTransactionsResponse,
};
use kafkio::protocol::messages::write_txn_markers::{
    WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
    WriteTxnMarkersRequest, WriteTxnMarkersResponse,
};
use kafkio::protocol::{ApiKey, ErrorCode};
use kafkio::testing::{FakeCluster, FakeClusterBuilder, Fault, FaultGuard};
use kafkio::{Client, ErrorKind, TopicPartition};
use tokio::time::Instant;

const LIMIT: Duration = Duration::from_secs(5);

fn cluster() -> FakeClusterBuilder {
    FakeCluster::builder().in_memory().brokers(3).topic("t", 2)
}

async fn client(cluster: &FakeCluster) -> Client {
    cluster.client().api_timeout(LIMIT).connect().await.unwrap()
}

fn at(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

/// Counts the calls of one kind, and answers with what is said of each.
fn counted(
    cluster: &FakeCluster,
    key: ApiKey,
    mut answer: impl FnMut(usize, &kafkio::testing::Call) -> Fault + Send + 'static,
) -> FaultGuard {
    let count = AtomicUsize::new(0);
    cluster.on(key, move |call| answer(count.fetch_add(1, Ordering::Relaxed), call))
}

fn asked(cluster: &FakeCluster, key: ApiKey) -> usize {
    cluster.requests().iter().filter(|request| request.api_key == key).count()
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_has_moved_is_looked_up_again() {
    let cluster = cluster().start().await.unwrap();
    let _hook = counted(&cluster, ApiKey::DESCRIBE_TRANSACTIONS, |count, call| {
        let ids = call.request::<DescribeTransactionsRequest>().transactional_ids;
        let state = |transactional_id: String| {
            let moved = count == 0 && transactional_id == "a";
            let unknown = transactional_id == "unknown";
            let code = match (moved, unknown) {
                (true, _) => ErrorCode::NOT_COORDINATOR,
                (_, true) => ErrorCode::TRANSACTIONAL_ID_NOT_FOUND,
                _ => ErrorCode::NONE,
            };
            describe_transactions::TransactionState {
                error_code: code.0,
                transactional_id,
                transaction_state: "Ongoing".to_owned(),
                transaction_timeout_ms: 7_000,
                transaction_start_time_ms: -1,
                ..Default::default()
            }
        };
        Fault::answer::<DescribeTransactionsRequest>(DescribeTransactionsResponse {
            transaction_states: ids.into_iter().map(state).collect(),
            ..Default::default()
        })
    });
    let client = client(&cluster).await;
    // "a" goes alone first, so that its answer is the one that sends it away.
    let alone = client.describe_transactions(["a"]).await.unwrap().into_only().unwrap();
    assert_eq!(alone.timeout, Duration::from_secs(7));
    assert_eq!((alone.state, alone.start_time), (TransactionState::Ongoing, None));
    assert_eq!(asked(&cluster, ApiKey::FIND_COORDINATOR), 2, "again after NOT_COORDINATOR");
    assert_eq!(asked(&cluster, ApiKey::DESCRIBE_TRANSACTIONS), 2);

    let both = client.describe_transactions(["unknown", "a"]).await.unwrap();
    assert!(both.get("a").unwrap().is_ok());
    let error = both.get("unknown").unwrap().as_ref().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::TRANSACTIONAL_ID_NOT_FOUND));
    assert!(error.to_string().contains("transactional id unknown"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn fencing_waits_for_the_transaction_to_end() {
    let cluster = cluster().start().await.unwrap();
    let mut times = HashMap::new();
    let _hook = counted(&cluster, ApiKey::INIT_PRODUCER_ID, move |_, call| {
        let request = call.request::<InitProducerIdRequest>();
        assert!(request.transaction_timeout_ms > 0);
        assert_eq!((request.producer_id, request.producer_epoch), (-1, -1));
        let id = request.transactional_id.unwrap();
        let time = times.entry(id.clone()).or_insert(0);
        *time += 1;
        let code = match &*id {
            "busy" if *time < 4 => ErrorCode::CONCURRENT_TRANSACTIONS,
            "stuck" => ErrorCode::CONCURRENT_TRANSACTIONS,
            "not mine" => ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
            _ => ErrorCode::NONE,
        };
        Fault::answer::<InitProducerIdRequest>(InitProducerIdResponse {
            error_code: code.0,
            producer_id: 9,
            producer_epoch: *time,
            ..Default::default()
        })
    });
    let client = client(&cluster).await;
    let fenced = client.fence_producers(["busy", "idle", "stuck", "not mine"]).await.unwrap();
    let epoch = |id: &str| fenced.get(id).unwrap().as_ref().unwrap().producer_epoch;
    assert_eq!((epoch("busy"), epoch("idle")), (4, 1));
    let code = |id: &str| fenced.get(id).unwrap().as_ref().unwrap_err().code();
    assert_eq!(code("stuck"), Some(ErrorCode::CONCURRENT_TRANSACTIONS));
    assert_eq!(code("not mine"), Some(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED));
    client.force_terminate_transaction("busy").await.unwrap();
    let error = client.force_terminate_transaction("not mine").await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED));
}

fn list(cluster: &FakeCluster) -> FaultGuard {
    counted(cluster, ApiKey::LIST_TRANSACTIONS, |_, call| {
        if call.broker == 1 {
            return Fault::Hang;
        }
        let known = |state: &String| TransactionState::from_name(state).name() == "Ongoing";
        let request = call.request::<ListTransactionsRequest>();
        let unknown = request.state_filters.into_iter().filter(|state| !known(state));
        let state = list_transactions::TransactionState {
            transactional_id: format!("of {}", call.broker),
            producer_id: 7,
            transaction_state: "Thinking".to_owned(),
            ..Default::default()
        };
        Fault::answer::<ListTransactionsRequest>(ListTransactionsResponse {
            unknown_state_filters: unknown.collect(),
            transaction_states: vec![state],
            ..Default::default()
        })
    })
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_hangs_does_not_hide_what_others_list() {
    let cluster = cluster().start().await.unwrap();
    let _hook = list(&cluster);
    let client = client(&cluster).await;
    let began = Instant::now();
    let listing = client.list_transactions().await.unwrap();
    assert!(began.elapsed() < LIMIT + Duration::from_secs(1), "{:?}", began.elapsed());
    let mut ids: Vec<_> = listing.items.iter().map(|it| &*it.transactional_id).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["of 0", "of 2"]);
    for it in &listing.items {
        assert_eq!(it.transactional_id, format!("of {}", it.coordinator));
        assert_eq!(it.state, TransactionState::Other("Thinking".to_owned()));
    }
    let [(1, error)] = &listing.failed[..] else { panic!("{listing:?}") };
    assert!(error.is_timeout(), "{error}");
    assert!(listing.into_result().is_err());
}

#[tokio::test(start_paused = true)]
async fn filters_that_a_broker_does_not_know_are_errors() {
    let three = cluster().brokers(1).kafka_version("3.0").start().await.unwrap();
    let _hook = list(&three);
    let client = client(&three).await;
    let listed = client.list_transactions().states(vec![TransactionState::Ongoing]).await.unwrap();
    assert_eq!(listed.items.len(), 1);
    let nonsense = TransactionState::from_name("Nonsense");
    let error = client.list_transactions().states(vec![nonsense]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(format!("{error:?}").contains("does not know Nonsense"), "{error:?}");
    let error = client.list_transactions().longer_than(LIMIT).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(format!("{error:?}").contains("3.8"), "{error:?}");
    let error = client.list_transactions().id_pattern("a.*".to_owned()).await.unwrap_err();
    assert!(format!("{error:?}").contains("4.1"), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_marker_follows_the_leader() {
    let cluster = cluster().start().await.unwrap();
    let _hook = counted(&cluster, ApiKey::WRITE_TXN_MARKERS, |count, call| {
        let marker = call.request::<WriteTxnMarkersRequest>().markers.remove(0);
        assert!(!marker.transaction_result);
        assert_eq!((marker.producer_epoch, marker.coordinator_epoch), (3, 4));
        let code = if count == 0 { ErrorCode::NOT_LEADER_OR_FOLLOWER } else { ErrorCode::NONE };
        let partition = WritableTxnMarkerPartitionResult {
            partition_index: marker.topics[0].partition_indexes[0],
            error_code: code.0,
            ..Default::default()
        };
        let topic = WritableTxnMarkerTopicResult {
            name: marker.topics[0].name.clone(),
            partitions: vec![partition],
            ..Default::default()
        };
        // An answer about another producer says nothing about this one.
        let producer_id = if marker.producer_id == 66 { 67 } else { marker.producer_id };
        let markers = vec![WritableTxnMarkerResult {
            producer_id,
            topics: vec![topic],
            ..Default::default()
        }];
        Fault::answer::<WriteTxnMarkersRequest>(WriteTxnMarkersResponse {
            markers,
            ..Default::default()
        })
    });
    let client = client(&cluster).await;
    client.abort_transaction(at(1), 9, 3, 4).await.unwrap();
    assert_eq!(asked(&cluster, ApiKey::WRITE_TXN_MARKERS), 2);
    let error = client.abort_transaction(at(1), 66, 3, 4).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    let error = client.abort_transaction(at(1), 9, -1, 4).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert_eq!(asked(&cluster, ApiKey::WRITE_TXN_MARKERS), 3);
}

#[tokio::test(start_paused = true)]
async fn producers_are_asked_of_leaders_or_of_a_named_broker() {
    let cluster = cluster().start().await.unwrap();
    let _hook = counted(&cluster, ApiKey::DESCRIBE_PRODUCERS, |count, call| {
        let topic = call.request::<DescribeProducersRequest>().topics.remove(0);
        let code = if count == 0 { ErrorCode::NOT_LEADER_OR_FOLLOWER } else { ErrorCode::NONE };
        let partition = |partition_index| PartitionResponse {
            partition_index,
            error_code: code.0,
            error_message: Some("not here".to_owned()),
            ..Default::default()
        };
        let partitions = topic.partition_indexes.into_iter().map(partition).collect();
        Fault::answer::<DescribeProducersRequest>(DescribeProducersResponse {
            topics: vec![TopicResponse { name: topic.name, partitions, ..Default::default() }],
            ..Default::default()
        })
    });
    let client = client(&cluster).await;
    // Who names a broker wants its answer, whatever that is.
    let error = client.describe_producers([at(0)]).broker(2).await.unwrap().into_only();
    let error = error.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::NOT_LEADER_OR_FOLLOWER));
    assert!(error.to_string().contains("not here"), "{error}");
    let found = client.describe_producers([at(0), at(1)]).await.unwrap().into_result().unwrap();
    assert!(found.iter().all(|(_, producers)| producers.is_empty()));
    let twice = client.describe_producers([at(0), at(0)]).await.unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::Config);
}
