//! Transactions of the writer against an in-process cluster that keeps them as Kafka does, with and
//! without KIP-890, under paused time.
//!
//! | what other clients had to learn | test |
//! |---|---|
//! | a broken sequence aborts (2) | `lost_records_abort_the_transaction` |
//! | the end of a transaction is told once (8, KAFKA-17754) | `a_late_commit_does_not_end_the_next_transaction`, `an_unknown_commit_is_never_aborted` |
//! | KIP-890 where it is on (9) | `every_mode`, `each_transaction_has_an_epoch_of_its_own` |
//! | failed records must not be committed (10) | `a_failed_record_aborts`, `empty_transactions_ask_nothing` |

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "this is a test")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "small numbers"
)]

#[path = "support/modes.rs"]
mod modes;
#[path = "support/numbers.rs"]
mod numbers;

use std::time::Duration;

use futures::{FutureExt, SinkExt, StreamExt, stream};
use kafkio::admin::groups::CommittedOffset;
use kafkio::protocol::messages::add_partitions_to_txn::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse,
    AddPartitionsToTxnTopic, AddPartitionsToTxnTopicResult,
};
use kafkio::protocol::messages::end_txn::EndTxnRequest;
use kafkio::protocol::messages::init_producer_id::InitProducerIdRequest;
use kafkio::protocol::messages::produce::ProduceRequest;
use kafkio::protocol::messages::txn_offset_commit::{
    TxnOffsetCommitRequest, TxnOffsetCommitResponse,
};
use kafkio::protocol::{ApiKey, ErrorCode};
use kafkio::testing::{Call, FakeCluster, Fault, LoggedRequest};
use kafkio::{Client, Error, ErrorKind, Record, Result, TopicPartition, TransactionalWriter};
use modes::{MODES, builder, committed_messages, soon};
use numbers::{number, numbered};
use tokio::time::timeout;

async fn cluster(mode: (&str, i16)) -> FakeCluster {
    builder(mode).topic("t", 3).start().await.unwrap()
}

async fn client(cluster: &FakeCluster) -> Client {
    cluster.client().connect().await.unwrap()
}

async fn writer(cluster: &FakeCluster) -> TransactionalWriter {
    let builder = client(cluster).await.writer().topic("t");
    builder.transaction_timeout(Duration::from_secs(900)).transactional("id").await.unwrap()
}

/// Numbers, spread over the partitions.
fn records(range: std::ops::Range<usize>) -> impl Iterator<Item = Record> {
    numbered(range.clone()).zip(range).map(|(record, n)| record.partition((n % 3) as i32))
}

/// What readers of committed records see of the topic, in order.
async fn committed(cluster: &FakeCluster) -> Vec<usize> {
    let mut seen: Vec<_> = committed_messages(cluster, "t").await.iter().map(number).collect();
    seen.sort_unstable();
    seen
}

/// The calls of a sort that the cluster has got.
fn calls(cluster: &FakeCluster, key: ApiKey) -> usize {
    cluster.requests().iter().filter(|it| it.api_key == key).count()
}

/// The ends that were asked for.
fn ends(cluster: &FakeCluster) -> Vec<bool> {
    let all = cluster.requests();
    let ends = all.iter().filter(|it| it.api_key == ApiKey::END_TXN);
    ends.map(|it| it.request::<EndTxnRequest>().committed).collect()
}

async fn run(writer: &mut TransactionalWriter, range: std::ops::Range<usize>) -> Result<()> {
    let transaction = soon(writer.begin()).await?;
    for record in records(range) {
        drop(soon(transaction.send(record)).await?);
    }
    soon(transaction.commit()).await
}

/// Refuses to add each of the partitions.
fn refuses(call: &Call, code: ErrorCode) -> Fault {
    let request: AddPartitionsToTxnRequest = call.request();
    let topic = |topic: AddPartitionsToTxnTopic| AddPartitionsToTxnTopicResult {
        name: topic.name,
        results_by_partition: topic
            .partitions
            .into_iter()
            .map(|partition_index| AddPartitionsToTxnPartitionResult {
                partition_index,
                partition_error_code: code.0,
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    };
    let topics = request.v3_and_below_topics.into_iter().map(topic).collect();
    Fault::answer::<AddPartitionsToTxnRequest>(AddPartitionsToTxnResponse {
        results_by_topic_v3_and_below: topics,
        ..Default::default()
    })
}

async fn offset(cluster: &FakeCluster, group: &str) -> Option<i64> {
    let offsets = client(cluster).await.list_group_offsets([group]).await.unwrap();
    let (_, offsets) = offsets.into_result().unwrap().remove(0);
    let found = offsets.into_result().unwrap().into_iter();
    found.filter_map(|(_, offset)| offset).map(|it| it.offset).next()
}

fn next(offset: i64) -> [(TopicPartition, CommittedOffset); 1] {
    [(TopicPartition::new("t", 0), CommittedOffset::new(offset))]
}

#[tokio::test(start_paused = true)]
async fn every_mode() {
    for mode in MODES {
        let cluster = cluster(mode).await;
        let mut writer = writer(&cluster).await;
        assert_eq!(writer.id(), "id");
        run(&mut writer, 0..10).await.unwrap();
        let transaction = soon(writer.begin()).await.unwrap();
        soon(transaction.write(records(10..20))).await.unwrap();
        soon(transaction.abort()).await.unwrap();
        run(&mut writer, 20..30).await.unwrap();
        soon(writer.close()).await.unwrap();
        let expected: Vec<_> = (0..10).chain(20..30).collect();
        assert_eq!(committed(&cluster).await, expected, "{mode:?}");
        let added = calls(&cluster, ApiKey::ADD_PARTITIONS_TO_TXN);
        assert_eq!(added == 0, mode.1 == 2, "{mode:?}: {added} calls to add partitions");
    }
}

#[tokio::test(start_paused = true)]
async fn each_transaction_has_an_epoch_of_its_own() {
    for level in [2, 0] {
        let cluster = cluster(("4.3.0", level)).await;
        let mut writer = writer(&cluster).await;
        for n in 0..3 {
            run(&mut writer, n..n + 1).await.unwrap();
        }
        let all = cluster.requests();
        let ends = all.iter().filter(|it| it.api_key == ApiKey::END_TXN);
        let seen: Vec<_> = ends.map(|it| it.request::<EndTxnRequest>().producer_epoch).collect();
        let expected = if level == 2 { [0, 1, 2] } else { [0; 3] };
        assert_eq!(seen, expected, "{level}");
        assert_eq!(calls(&cluster, ApiKey::INIT_PRODUCER_ID), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_transaction_is_aborted() {
    for mode in MODES {
        let cluster = cluster(mode).await;
        let mut writer = writer(&cluster).await;
        {
            let transaction = writer.begin().await.unwrap();
            soon(transaction.write(records(0..5))).await.unwrap();
        }
        run(&mut writer, 5..7).await.unwrap();
        // A leaked one, too.
        let transaction = writer.begin().await.unwrap();
        soon(transaction.write(records(7..9))).await.unwrap();
        std::mem::forget(transaction);
        run(&mut writer, 9..10).await.unwrap();
        assert_eq!(committed(&cluster).await, [5, 6, 9], "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn empty_transactions_ask_nothing() {
    for mode in MODES {
        let cluster = cluster(mode).await;
        let mut writer = writer(&cluster).await;
        writer.begin().await.unwrap().commit().await.unwrap();
        writer.begin().await.unwrap().abort().await.unwrap();
        drop(writer.begin().await.unwrap());
        run(&mut writer, 0..1).await.unwrap();
        assert_eq!(ends(&cluster), [true], "{mode:?}");
        assert_eq!(committed(&cluster).await, [0]);
    }
}

/// An abort at once, before or after the coordinator was asked for the first time.
#[tokio::test(start_paused = true)]
async fn an_abort_may_come_before_all_else() {
    for mode in MODES {
        let cluster = cluster(mode).await;
        let mut writer = writer(&cluster).await;
        for round in 0..8 {
            run(&mut writer, round * 3..round * 3 + 1).await.unwrap();
            let code = ErrorCode::CONCURRENT_TRANSACTIONS;
            let busy = cluster.on(ApiKey::ADD_PARTITIONS_TO_TXN, move |call| refuses(call, code));
            let transaction = writer.begin().await.unwrap();
            let delivery = transaction.send(Record::new("x")).await.unwrap();
            for _ in 0..round * 3 {
                tokio::task::yield_now().await;
            }
            tokio::time::sleep(Duration::from_millis(if round < 7 { 0 } else { 30 })).await;
            soon(transaction.abort()).await.unwrap();
            drop(soon(delivery).await);
            drop(busy);
        }
        let expected: Vec<_> = (0..8).map(|round| round * 3).collect();
        assert_eq!(committed(&cluster).await, expected, "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_record_aborts() {
    for mode in MODES {
        let cluster = cluster(mode).await;
        let mut writer = writer(&cluster).await;
        let transaction = writer.begin().await.unwrap();
        soon(transaction.write(records(0..3))).await.unwrap();
        cluster.fail_next(ApiKey::PRODUCE, [ErrorCode::TOPIC_AUTHORIZATION_FAILED]);
        let failed = soon(soon(transaction.send(Record::new("3"))).await.unwrap()).await;
        let code = Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
        assert_eq!(failed.unwrap_err().code(), code);
        let refused = transaction.send(Record::new("4")).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Aborted, "{refused}");
        assert!(refused.to_string().contains("TOPIC_AUTHORIZATION_FAILED"), "{refused}");
        let error = soon(transaction.commit()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Aborted, "{error}");
        assert!(!error.is_fatal() && !error.is_ambiguous());
        assert!(error.to_string().contains("TOPIC_AUTHORIZATION_FAILED"), "{error}");
        run(&mut writer, 5..9).await.unwrap();
        assert_eq!(committed(&cluster).await, [5, 6, 7, 8], "{mode:?}");
        assert_eq!(ends(&cluster), [false, true]);
    }
}

/// A batch under way beside the one that fails may be written, but does not count; what has not
/// left is not sent any more.
#[tokio::test(start_paused = true)]
async fn what_follows_a_failure_is_given_up() {
    let cluster = cluster(MODES[0]).await;
    let writer = client(&cluster).await.writer().topic("t").batch_bytes(200);
    let mut writer = writer.transactional("id").await.unwrap();
    let transaction = writer.begin().await.unwrap();
    cluster.fail_next(ApiKey::PRODUCE, [ErrorCode::INVALID_RECORD]);
    let mut deliveries = Vec::new();
    for n in 0..200 {
        deliveries.push(transaction.send(Record::new(n.to_string()).partition(0)).await.unwrap());
    }
    let failed: Vec<Error> = stream::iter(deliveries)
        .filter_map(async |delivery| soon(delivery).await.err())
        .collect()
        .await;
    assert_eq!(failed[0].code(), Some(ErrorCode::INVALID_RECORD));
    let given_up = failed.iter().filter(|it| it.kind() == ErrorKind::Aborted).count();
    assert!(given_up > 100, "{given_up} of 200");
    assert!(failed.iter().all(|it| !it.is_ambiguous()));
    drop(transaction);
    run(&mut writer, 0..3).await.unwrap();
    assert_eq!(committed(&cluster).await, [0, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn lost_records_abort_the_transaction() {
    for mode in &MODES[..3] {
        let cluster = cluster(*mode).await;
        let mut writer = writer(&cluster).await;
        run(&mut writer, 0..3).await.unwrap();
        let before = calls(&cluster, ApiKey::INIT_PRODUCER_ID);
        let transaction = writer.begin().await.unwrap();
        soon(transaction.write(records(3..6))).await.unwrap();
        cluster.fail_next(ApiKey::PRODUCE, [ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER]);
        let failed = soon(transaction.write(records(6..7))).await.unwrap_err();
        assert_eq!(failed.code(), Some(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER), "{failed}");
        assert_eq!(calls(&cluster, ApiKey::INIT_PRODUCER_ID), before, "not silently");
        assert_eq!(soon(transaction.commit()).await.unwrap_err().kind(), ErrorKind::Aborted);
        run(&mut writer, 7..9).await.unwrap();
        assert_eq!(committed(&cluster).await, [0, 1, 2, 7, 8], "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_later_fences() {
    for mode in MODES {
        let cluster = cluster(mode).await;
        let mut first = writer(&cluster).await;
        run(&mut first, 0..1).await.unwrap();
        let transaction = first.begin().await.unwrap();
        soon(transaction.write(records(1..3))).await.unwrap();
        let mut second = writer(&cluster).await;
        run(&mut second, 3..4).await.unwrap();
        let error = soon(transaction.commit()).await.unwrap_err();
        assert!(error.is_fatal(), "{mode:?}: {error}");
        assert!(!error.is_ambiguous());
        assert!(error.to_string().contains("another writer has taken it"), "{error}");
        assert!(first.begin().await.unwrap_err().is_fatal());
        run(&mut second, 4..5).await.unwrap();
        assert_eq!(committed(&cluster).await, [0, 3, 4], "{mode:?}");
    }
}

/// KAFKA-17754: what asks for the commit arrives when the next transaction is open.
#[tokio::test(start_paused = true)]
async fn a_late_commit_does_not_end_the_next_transaction() {
    for mode in MODES {
        let cluster = cluster(mode).await;
        let mut writer = writer(&cluster).await;
        cluster.once(ApiKey::END_TXN, |_| Fault::Delay(Duration::from_secs(100))).keep();
        // It is asked again when the first attempt has timed out.
        run(&mut writer, 0..3).await.unwrap();
        let transaction = soon(writer.begin()).await.unwrap();
        soon(transaction.write(records(3..6))).await.unwrap();
        tokio::time::sleep(Duration::from_secs(40)).await;
        assert_eq!(ends(&cluster), [true, true], "{mode:?}");
        assert_eq!(committed(&cluster).await, [0, 1, 2], "{mode:?}: the second is open");
        soon(transaction.abort()).await.unwrap();
        run(&mut writer, 6..7).await.unwrap();
        assert_eq!(committed(&cluster).await, [0, 1, 2, 6], "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_commit_is_never_aborted() {
    for mode in MODES {
        for is_handled in [true, false] {
            let cluster = cluster(mode).await;
            let mut writer = writer(&cluster).await;
            let silent = cluster.on(ApiKey::END_TXN, move |_| {
                if is_handled { Fault::Cut(0) } else { Fault::Disconnect }
            });
            let transaction = writer.begin().await.unwrap();
            soon(transaction.write(records(0..3))).await.unwrap();
            let error = soon(transaction.commit()).await.unwrap_err();
            assert!(error.is_ambiguous() && !error.is_fatal(), "{error:?}");
            // Asked again, in vain.
            assert!(soon(writer.begin()).await.is_err());
            drop(silent);
            run(&mut writer, 3..4).await.unwrap();
            assert!(ends(&cluster).iter().all(|committed| *committed), "{mode:?}");
            assert_eq!(committed(&cluster).await, [0, 1, 2, 3], "{mode:?}");
        }
    }
}

/// What happens to a topic while the coordinator commits makes no abort of it.
#[tokio::test(start_paused = true)]
async fn a_commit_that_is_asked_for_is_not_taken_back() {
    for mode in &MODES[..2] {
        let cluster = builder(*mode).topic("t", 3).topic("gone", 1).start().await.unwrap();
        let mut writer = writer(&cluster).await;
        let transaction = writer.begin().await.unwrap();
        soon(transaction.write(records(0..3))).await.unwrap();
        soon(transaction.write([Record::new("x").topic("gone")])).await.unwrap();
        cluster.once(ApiKey::END_TXN, |_| Fault::DelayAnswer(Duration::from_secs(20))).keep();
        let meanwhile = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            cluster.delete_topic("gone");
            cluster.create_topic("gone", 1);
            // Somebody's news reach the writer.
            cluster.create_topic("other", 1);
            client(&cluster).await.metadata(["gone"]).await.unwrap();
        };
        let (committed, ()) = tokio::join!(soon(transaction.commit()), meanwhile);
        committed.unwrap();
        run(&mut writer, 3..6).await.unwrap();
        assert!(self::committed(&cluster).await.into_iter().eq(0..6), "{mode:?}");
    }
}

/// That a commit may be done is not forgotten, whoever has the transactional id meanwhile.
#[tokio::test(start_paused = true)]
async fn an_unknown_commit_stays_unknown() {
    for mode in MODES {
        let cluster = cluster(mode).await;
        let mut first = writer(&cluster).await;
        let silent = cluster.on(ApiKey::END_TXN, |_| Fault::Cut(0));
        assert!(run(&mut first, 0..3).await.unwrap_err().is_ambiguous());
        drop(silent);
        let mut second = writer(&cluster).await;
        run(&mut second, 3..6).await.unwrap();
        let error = soon(first.begin()).await.unwrap_err();
        assert!(error.is_fatal() && error.is_ambiguous(), "{mode:?}: {error:?}");
        assert!(committed(&cluster).await.into_iter().eq(0..6));
    }
}

#[tokio::test(start_paused = true)]
async fn lost_answers_cost_time_only() {
    for mode in MODES {
        for key in [
            ApiKey::END_TXN,
            ApiKey::PRODUCE,
            ApiKey::ADD_PARTITIONS_TO_TXN,
            ApiKey::INIT_PRODUCER_ID,
        ] {
            let cluster = cluster(mode).await;
            cluster.once(key, |_| Fault::Cut(0)).keep();
            let mut writer = writer(&cluster).await;
            run(&mut writer, 0..6).await.unwrap();
            cluster.once(key, |_| Fault::Cut(3)).keep();
            run(&mut writer, 6..9).await.unwrap();
            assert!(committed(&cluster).await.into_iter().eq(0..9), "{mode:?}, {key}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn busy_coordinators_are_asked_again() {
    for mode in MODES {
        let cluster = cluster(mode).await;
        let busy = [
            ErrorCode::CONCURRENT_TRANSACTIONS,
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
            ErrorCode::NOT_COORDINATOR,
        ];
        for key in [ApiKey::INIT_PRODUCER_ID, ApiKey::END_TXN] {
            cluster.fail_next(key, busy);
        }
        for code in busy.into_iter().chain([ErrorCode::UNKNOWN_TOPIC_OR_PARTITION]) {
            cluster.once(ApiKey::ADD_PARTITIONS_TO_TXN, move |call| refuses(call, code)).keep();
        }
        // An answer that says nothing.
        let says_nothing = |_: &Call| {
            Fault::answer::<AddPartitionsToTxnRequest>(AddPartitionsToTxnResponse::default())
        };
        cluster.once(ApiKey::ADD_PARTITIONS_TO_TXN, says_nothing).keep();
        cluster.fail_next(ApiKey::PRODUCE, [ErrorCode::CONCURRENT_TRANSACTIONS]);
        let mut writer = writer(&cluster).await;
        run(&mut writer, 0..6).await.unwrap();
        assert!(committed(&cluster).await.into_iter().eq(0..6), "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_coordinator_may_say_abort() {
    for mode in &MODES[..2] {
        for key in [ApiKey::PRODUCE, ApiKey::END_TXN] {
            let cluster = cluster(*mode).await;
            let mut writer = writer(&cluster).await;
            cluster.fail_next(key, [ErrorCode::TRANSACTION_ABORTABLE]);
            let error = run(&mut writer, 0..3).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Aborted, "{error}");
            run(&mut writer, 3..6).await.unwrap();
            assert_eq!(committed(&cluster).await, [3, 4, 5], "{mode:?}, {key}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_takes_too_long_is_told_as_such() {
    for mode in MODES {
        let cluster = cluster(mode).await;
        let builder = client(&cluster).await.writer().topic("t");
        let builder = builder.transaction_timeout(Duration::from_secs(5));
        let mut writer = builder.transactional("id").await.unwrap();
        let transaction = writer.begin().await.unwrap();
        soon(transaction.write(records(0..3))).await.unwrap();
        tokio::time::sleep(Duration::from_secs(20)).await;
        let error = soon(transaction.commit()).await.unwrap_err();
        assert!(error.is_fatal(), "{mode:?}: {error}");
        assert!(error.to_string().contains("transaction_timeout"), "{error}");
        assert_eq!(committed(&cluster).await, Vec::<usize>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn offsets_count_with_the_transaction() {
    for mode in MODES {
        let cluster = cluster(mode).await;
        let mut writer = writer(&cluster).await;
        for (committed, expected) in [(true, Some(7)), (false, Some(7))] {
            let transaction = writer.begin().await.unwrap();
            soon(transaction.write(records(0..1))).await.unwrap();
            let position = if committed { 7 } else { 9 };
            soon(transaction.send_offsets("group", next(position))).await.unwrap();
            if committed {
                soon(transaction.commit()).await.unwrap();
            } else {
                soon(transaction.abort()).await.unwrap();
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(offset(&cluster, "group").await, expected, "{mode:?}");
        }
        // Without any record.
        let transaction = writer.begin().await.unwrap();
        soon(transaction.send_offsets("group", next(11))).await.unwrap();
        soon(transaction.commit()).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(offset(&cluster, "group").await, Some(11), "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn offsets_that_were_not_sent_abort() {
    for mode in MODES {
        let cluster = cluster(mode).await;
        let mut writer = writer(&cluster).await;
        // The future is dropped while the call is under way.
        let hang = cluster.on(ApiKey::TXN_OFFSET_COMMIT, |_| Fault::Hang);
        let transaction = writer.begin().await.unwrap();
        soon(transaction.write(records(0..1))).await.unwrap();
        let sent = transaction.send_offsets("group", next(3));
        assert!(timeout(Duration::from_secs(1), sent).await.is_err());
        let error = soon(transaction.commit()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Aborted, "{mode:?} {error}");
        drop(hang);
        // An answer that says nothing.
        let says_nothing =
            |_: &Call| Fault::answer::<TxnOffsetCommitRequest>(TxnOffsetCommitResponse::default());
        cluster.once(ApiKey::TXN_OFFSET_COMMIT, says_nothing).keep();
        let transaction = soon(writer.begin()).await.unwrap();
        soon(transaction.send_offsets("other", next(3))).await.unwrap();
        soon(transaction.commit()).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(offset(&cluster, "other").await, Some(3), "{mode:?}");
        // The group refuses.
        cluster.fail_next(ApiKey::TXN_OFFSET_COMMIT, [ErrorCode::ILLEGAL_GENERATION]);
        let transaction = soon(writer.begin()).await.unwrap();
        let error = soon(transaction.send_offsets("group", next(3))).await.unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::ILLEGAL_GENERATION));
        let error = soon(transaction.commit()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Aborted, "{error}");
        assert!(error.to_string().contains("ILLEGAL_GENERATION"), "{error}");
        run(&mut writer, 1..2).await.unwrap();
        assert_eq!(offset(&cluster, "group").await, None);
        assert_eq!(committed(&cluster).await, [1], "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_nobody_waits_for_goes_on() {
    for mode in MODES {
        let cluster = cluster(mode).await;
        let mut writer = writer(&cluster).await;
        let slow = cluster.on(ApiKey::PRODUCE, |_| Fault::Delay(Duration::from_secs(2)));
        let transaction = writer.begin().await.unwrap();
        for record in records(0..3) {
            drop(transaction.send(record).await.unwrap());
        }
        assert!(transaction.commit().now_or_never().is_none());
        let transaction = soon(writer.begin()).await.unwrap();
        assert_eq!(ends(&cluster), [true]);
        drop(slow);
        soon(transaction.write(records(3..4))).await.unwrap();
        soon(transaction.commit()).await.unwrap();
        assert_eq!(committed(&cluster).await, [0, 1, 2, 3], "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn dropping_begin_begins_nothing() {
    let cluster = cluster(MODES[0]).await;
    let mut writer = writer(&cluster).await;
    cluster.once(ApiKey::END_TXN, |_| Fault::Delay(Duration::from_secs(3))).keep();
    drop({
        let transaction = writer.begin().await.unwrap();
        soon(transaction.write(records(0..1))).await.unwrap();
        transaction
    });
    assert!(timeout(Duration::from_secs(1), writer.begin()).await.is_err());
    run(&mut writer, 1..2).await.unwrap();
    assert_eq!(committed(&cluster).await, [1]);
    assert_eq!(ends(&cluster), [false, true]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_broker_holds_up_an_abort_no_longer_than_a_request() {
    let cluster = cluster(MODES[1]).await;
    let mut writer = writer(&cluster).await;
    let transaction = writer.begin().await.unwrap();
    let hang = cluster.on(ApiKey::PRODUCE, |_| Fault::Hang);
    let delivery = transaction.send(Record::new("0")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let began = tokio::time::Instant::now();
    soon(transaction.abort()).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(35), "{:?}", began.elapsed());
    let error = soon(delivery).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Aborted);
    drop(hang);
    // Nobody knows where that request is: the next transaction is safe from it.
    run(&mut writer, 1..2).await.unwrap();
    assert!(calls(&cluster, ApiKey::INIT_PRODUCER_ID) >= 2);
    assert_eq!(committed(&cluster).await, [1]);
}

#[tokio::test(start_paused = true)]
async fn coordinators_and_leaders_move() {
    for mode in &MODES[..2] {
        let cluster = builder(*mode).brokers(3).topic("t", 3).start().await.unwrap();
        let mut writer = writer(&cluster).await;
        for (round, broker) in cluster.brokers().into_iter().enumerate() {
            let transaction = soon(writer.begin()).await.unwrap();
            soon(transaction.write(records(round * 10..round * 10 + 5))).await.unwrap();
            cluster.stop_broker(broker);
            soon(transaction.write(records(round * 10 + 5..round * 10 + 10))).await.unwrap();
            soon(transaction.commit()).await.unwrap();
            cluster.start_broker(broker);
        }
        assert!(committed(&cluster).await.into_iter().eq(0..30), "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn epochs_that_are_used_up_give_another_id() {
    for mode in &MODES[..2] {
        let cluster = cluster(*mode).await;
        let mut writer = writer(&cluster).await;
        run(&mut writer, 0..3).await.unwrap();
        soon(writer.begin()).await.unwrap().abort().await.unwrap();
        soon(writer.close()).await.unwrap();
        cluster.use_up_epochs("id");
        let mut writer = self::writer(&cluster).await;
        for n in 1..5 {
            run(&mut writer, n * 3..n * 3 + 3).await.unwrap();
        }
        assert!(committed(&cluster).await.into_iter().eq(0..15), "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_transaction_is_a_sink() {
    let cluster = cluster(MODES[0]).await;
    let mut writer = client(&cluster).await.writer().transactional("id").await.unwrap();
    let mut transaction = writer.begin().await.unwrap();
    let mut records = stream::iter(records(0..100).map(|it| Ok(it.topic("t"))));
    transaction.send_all(&mut records).await.unwrap();
    transaction.close().await.unwrap();
    transaction.feed(Record::new("100").topic("t")).await.unwrap();
    // A record whose topic is not known yet is waited for.
    cluster.create_topic("other", 1);
    transaction.feed(Record::new("0").topic("other")).await.unwrap();
    soon(transaction.commit()).await.unwrap();
    assert!(committed(&cluster).await.into_iter().eq(0..101));
    assert_eq!(cluster.messages("other", 0).len(), 1);
    // One that cannot be sent at all aborts.
    let mut transaction = writer.begin().await.unwrap();
    transaction.feed(Record::new("101").topic("t")).await.unwrap();
    transaction.feed(Record::new("0").topic("missing")).await.unwrap();
    assert!(soon(transaction.commit()).await.is_err());
    assert!(committed(&cluster).await.into_iter().eq(0..101));
}

#[tokio::test(start_paused = true)]
async fn a_topic_made_anew_aborts() {
    for mode in &MODES[..2] {
        let cluster = cluster(*mode).await;
        let mut writer = writer(&cluster).await;
        run(&mut writer, 0..3).await.unwrap();
        let transaction = writer.begin().await.unwrap();
        soon(transaction.write(records(3..6))).await.unwrap();
        cluster.delete_topic("t");
        cluster.create_topic("t", 3);
        let failed = soon(transaction.write(records(6..9))).await;
        let committed = soon(transaction.commit()).await;
        // Without KIP-890 topics are written to by name: nobody notices.
        let is_noticed = mode.1 == 2;
        assert_eq!(failed.is_err() || committed.is_err(), is_noticed, "{mode:?}");
        run(&mut writer, 9..12).await.unwrap();
        let expected = if is_noticed { 9..12 } else { 6..12 };
        assert!(self::committed(&cluster).await.into_iter().eq(expected), "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_coordinator_has_forgotten() {
    for mode in &MODES[..2] {
        let cluster = cluster(*mode).await;
        let mut writer = writer(&cluster).await;
        run(&mut writer, 9..10).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        cluster.expire_transactional_id("id");
        let error = run(&mut writer, 0..3).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Aborted, "{error}");
        assert!(error.to_string().contains("INVALID_PRODUCER_ID_MAPPING"), "{error}");
        run(&mut writer, 3..4).await.unwrap();
        let all = cluster.requests();
        let inits = all.iter().filter(|it| it.api_key == ApiKey::INIT_PRODUCER_ID);
        let named = inits.map(|it| it.request::<InitProducerIdRequest>().producer_id >= 0);
        assert_eq!(named.collect::<Vec<_>>(), [false, true]);
        assert_eq!(committed(&cluster).await, [3, 9], "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_settings_and_brokers() {
    let cluster = cluster(MODES[0]).await;
    let client = client(&cluster).await;
    let error = client.writer().transactional("").await.unwrap_err();
    assert!(error.to_string().starts_with("transactional"), "{error}");
    let error = client.writer().idempotent(false).transactional("id").await.unwrap_err();
    assert!(error.to_string().starts_with("transactional"), "{error}");
    let hour = Duration::from_secs(3600);
    let error = client.writer().transaction_timeout(hour).transactional("id").await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::INVALID_TRANSACTION_TIMEOUT));
    assert!(error.is_fatal());
    let old = builder(("0.10.2", 0)).topic("t", 1).start().await.unwrap();
    let error = self::client(&old).await.writer().transactional("id").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains("0.11"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn partitions_are_added_together() {
    let cluster = cluster(MODES[1]).await;
    let mut writer = writer(&cluster).await;
    run(&mut writer, 0..300).await.unwrap();
    let all = cluster.requests();
    let added = all.iter().filter(|it| it.api_key == ApiKey::ADD_PARTITIONS_TO_TXN);
    let added: Vec<_> = added.map(LoggedRequest::request::<AddPartitionsToTxnRequest>).collect();
    assert!(added.len() <= 2, "{added:?}");
    let produced = all.iter().filter(|it| it.api_key == ApiKey::PRODUCE);
    for request in produced {
        assert!(request.api_version < 12);
        let id = request.request::<ProduceRequest>().transactional_id;
        assert_eq!(id.as_deref(), Some("id"));
    }
}

/// Whatever breaks: all of a committed transaction is seen once, nothing of an aborted one, and of
/// one whose end is unknown all or nothing. Before Kafka 3.6, what arrives after its transaction may
/// count with the next one (KIP-890): no record is late there.
#[tokio::test(start_paused = true)]
async fn chaos_is_all_or_nothing() {
    const SIZE: usize = 6;
    for seed in 0..48 {
        let mode = MODES[seed as usize % MODES.len()];
        let cluster = builder(mode).seed(seed).brokers(3).topic("t", 3).start().await.unwrap();
        let mut random = fastrand::Rng::with_seed(seed);
        let client = client(&cluster).await;
        let make = || client.writer().topic("t").batch_bytes(150).transactional("id");
        let mut writer = soon(make()).await.unwrap();
        for key in [
            ApiKey::PRODUCE,
            ApiKey::ADD_PARTITIONS_TO_TXN,
            ApiKey::END_TXN,
            ApiKey::INIT_PRODUCER_ID,
            ApiKey::FIND_COORDINATOR,
        ] {
            let mut random = random.fork();
            let may_be_late = key != ApiKey::PRODUCE || mode.0 == "4.3.0";
            let hook = move |_: &_| match random.u32(..24) {
                0 => Fault::Cut(random.usize(..40)),
                1 => Fault::Disconnect,
                2 if may_be_late => Fault::Delay(Duration::from_millis(random.u64(..60_000))),
                3 => Fault::Error(ErrorCode::NOT_COORDINATOR),
                4 => Fault::DelayAnswer(Duration::from_millis(random.u64(..60_000))),
                _ => Fault::Pass,
            };
            cluster.on(key, hook).keep();
        }
        let (mut certain, mut unknown, mut aborted) = (Vec::new(), Vec::new(), 0);
        for round in 0..12 {
            let range = round * SIZE..(round + 1) * SIZE;
            let is_lost = match soon(writer.begin()).await {
                Ok(transaction) => {
                    for record in records(range.clone()) {
                        if let Ok(delivery) = soon(transaction.send(record)).await {
                            if random.bool() {
                                drop(soon(delivery).await);
                            }
                        }
                    }
                    if random.u32(..4) == 0 {
                        drop(soon(transaction.abort()).await);
                        aborted += 1;
                    } else {
                        match soon(transaction.commit()).await {
                            Ok(()) => certain.push(range),
                            Err(error) if error.is_ambiguous() => unknown.push(range),
                            Err(_) => aborted += 1,
                        }
                    }
                    false
                }
                Err(error) => error.is_fatal(),
            };
            if is_lost {
                writer = soon(make()).await.unwrap();
            }
        }
        drop(writer);
        // Ends what is open.
        let last = soon(make()).await;
        drop(last);
        let seen = committed(&cluster).await;
        let count = |n: usize| seen.iter().filter(|it| **it == n).count();
        for range in certain.iter().chain(&unknown) {
            let counts: Vec<_> = range.clone().map(count).collect();
            let is_all = counts.iter().all(|it| *it == 1);
            let is_none = counts.iter().all(|it| *it == 0);
            let known = certain.contains(range);
            assert!(is_all || (is_none && !known), "seed {seed}, {mode:?}: {range:?} {counts:?}");
        }
        let told: Vec<_> = certain.iter().chain(&unknown).cloned().flatten().collect();
        assert!(seen.iter().all(|n| told.contains(n)), "seed {seed}, {mode:?}: {seen:?}");
        assert!(!certain.is_empty(), "seed {seed}: {aborted} aborted, {unknown:?} unknown");
    }
}
