//! Batches of a writer that is idempotent: which numbers they have, and what leaves together.

use super::*;

/// A writer that fills a batch by each record, and has no id yet.
fn nameless(leaders: &[i32]) -> Bench {
    bench_of(leaders, true, |limits| (limits.batch_bytes, limits.in_flight) = (100, 5))
}

/// One that is producer 7 of epoch 0, and has written a record into each partition.
fn numbered(leaders: &[i32]) -> Bench {
    let mut bench = nameless(leaders);
    assert!(bench.accumulator.wants_identity());
    bench.identify(Some(7));
    for partition in (0..).take(leaders.len()) {
        fill(&mut bench, partition, 1);
    }
    for first in bench.all() {
        bench.written(first, 0);
    }
    bench
}

impl Bench {
    fn identify(&mut self, id: Option<i64>) {
        let identity = id.map(|id| Identity { id, epoch: 0, transactional: false });
        self.accumulator.identify(identity).wake();
    }

    /// Comes back with that code.
    fn back(&mut self, batch: Batch, code: ErrorCode) {
        let error = Error::broker(code, "produce").retriable(true);
        let (late, wakes) = self.accumulator.requeue(batch, 1, error, self.now);
        wakes.wake();
        assert!(late.is_none());
    }

    /// Comes back without an answer.
    fn lost(&mut self, mut batch: Batch) {
        batch.mark_maybe_written();
        self.back(batch, ErrorCode::REQUEST_TIMED_OUT);
    }

    /// Given up, as what cannot be written.
    fn failed(&mut self, batch: Batch) {
        let (at, result) = (batch.at, batch.result().clone());
        batch.failed(Error::broker(ErrorCode::INVALID_RECORD, "produce"));
        self.accumulator.complete(at, &result, false).wake();
    }

    /// Gives up what is too late after that time.
    fn expire(&mut self, time: Duration) {
        self.now += time;
        self.accumulator.expire(self.now).tell();
    }

    /// All that may leave, one request after the other.
    fn all(&mut self) -> Vec<Batch> {
        let mut all = Vec::new();
        self.now += Duration::from_secs(2);
        loop {
            let drained = self.drain(1);
            if drained.is_empty() {
                return all;
            }
            all.extend(drained);
        }
    }
}

/// Id, epoch and number of the first record, as they are sent.
fn numbers(batch: &mut Batch) -> (i64, i16, i32) {
    let bytes = batch.finish(2, Compression::none()).unwrap();
    let raw = crate::record::RawBatches::new(bytes.clone()).next().unwrap().unwrap();
    raw.verify().unwrap();
    let at = |from: usize, len: usize| bytes.slice(from..from + len);
    let id = i64::from_be_bytes(at(43, 8)[..].try_into().unwrap());
    let epoch = i16::from_be_bytes(at(51, 2)[..].try_into().unwrap());
    (id, epoch, i32::from_be_bytes(at(53, 4)[..].try_into().unwrap()))
}

fn all_numbers(batches: &mut [Batch]) -> Vec<(i16, i32)> {
    batches.iter_mut().map(numbers).map(|(_, epoch, sequence)| (epoch, sequence)).collect()
}

fn fill(bench: &mut Bench, partition: i32, count: usize) {
    for _ in 0..count {
        bench.put(Choice::This(partition), "some value of a record");
    }
}

#[test]
fn nothing_leaves_before_there_is_an_id_one_batch_then_and_five_after() {
    let mut bench = nameless(&[1]);
    fill(&mut bench, 0, 8);
    assert!(bench.all().is_empty());
    bench.identify(Some(7));
    let mut first = bench.all();
    assert_eq!(first.iter_mut().map(numbers).collect::<Vec<_>>(), [(7, 0, 0)]);
    bench.written(first.remove(0), 9);
    let mut away = bench.all();
    assert_eq!(all_numbers(&mut away), [1, 2, 3, 4, 5].map(|sequence| (0, sequence)));
    bench.written(away.remove(0), 10);
    assert_eq!(all_numbers(&mut bench.all()), [(0, 6)]);
}

#[test]
fn brokers_that_know_no_numbers_get_one_batch_at_a_time() {
    let mut bench = nameless(&[1]);
    bench.identify(None);
    fill(&mut bench, 0, 3);
    let mut away = bench.all();
    assert_eq!(numbers(&mut away[0]), (-1, -1, -1));
    assert_eq!(away.len(), 1);
}

#[test]
fn what_comes_back_goes_out_again_in_order_under_its_numbers() {
    let mut bench = numbered(&[1]);
    fill(&mut bench, 0, 4);
    let mut away = bench.all();
    let bytes: Vec<_> =
        away.iter_mut().map(|batch| batch.finish(2, Compression::none()).unwrap()).collect();
    for (batch, code) in away.into_iter().zip([
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
        ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
    ]) {
        assert!(bench.all().is_empty(), "nothing leaves while one is away");
        bench.back(batch, code);
    }
    for bytes in bytes {
        let mut again = bench.all();
        assert_eq!(again.len(), 1, "alone, or the broker might forget it");
        assert_eq!(again[0].finish(2, Compression::none()).unwrap(), bytes);
        bench.written(again.remove(0), 0);
    }
}

#[test]
fn nothing_new_leaves_while_an_old_one_is_sent_again() {
    let mut bench = numbered(&[1]);
    fill(&mut bench, 0, 9);
    let mut away = bench.all();
    let first = away.remove(0);
    // It is in the log, and so are those behind it; only its own answer is no good.
    bench.back(first, ErrorCode::REQUEST_TIMED_OUT);
    for batch in away {
        bench.written(batch, 0);
    }
    let mut again = bench.all();
    assert_eq!(all_numbers(&mut again), [(0, 1)]);
    bench.back(again.remove(0), ErrorCode::REQUEST_TIMED_OUT);
    let mut again = bench.all();
    assert_eq!(all_numbers(&mut again), [(0, 1)]);
    bench.written(again.remove(0), 0);
    assert_eq!(bench.all().len(), 4);
}

#[test]
fn a_gap_in_the_log_begins_another_epoch() {
    let mut bench = numbered(&[1, 1]);
    fill(&mut bench, 0, 3);
    fill(&mut bench, 1, 2);
    let mut away = bench.all();
    away.sort_by_key(|batch| batch.at);
    let mut other = away.split_off(3);
    bench.written(away.remove(0), 0);
    // The log has lost what it had: the oldest is refused, and what comes behind it.
    bench.back(away.remove(0), ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert!(bench.all().is_empty(), "the third is still away");
    bench.back(away.remove(0), ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    let mut first = bench.all();
    assert_eq!(all_numbers(&mut first), [(1, 0)]);
    bench.written(first.remove(0), 0);
    assert_eq!(all_numbers(&mut bench.all()), [(1, 1)]);
    // The other partition goes on under its old numbers until all of them are answered.
    bench.back(other.remove(0), ErrorCode::REQUEST_TIMED_OUT);
    bench.written(other.remove(0), 1);
    let mut again = bench.all();
    assert_eq!(all_numbers(&mut again), [(0, 1)]);
    bench.written(again.remove(0), 0);
    fill(&mut bench, 1, 1);
    assert_eq!(all_numbers(&mut bench.all()), [(1, 0)]);
}

#[test]
fn what_is_given_up_leaves_no_gap() {
    let mut bench = numbered(&[1]);
    fill(&mut bench, 0, 3);
    let mut away = bench.all();
    bench.failed(away.remove(0));
    for batch in away {
        bench.back(batch, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    }
    let mut again = bench.all();
    assert_eq!(all_numbers(&mut again), [(1, 0)]);
    bench.written(again.remove(0), 0);
    let mut again = bench.all();
    assert_eq!(all_numbers(&mut again), [(1, 1)]);
    bench.lost(again.remove(0));
    // Too late: whether it is written nobody knows, and so what follows needs another epoch.
    bench.expire(TIMEOUT);
    fill(&mut bench, 0, 1);
    assert_eq!(all_numbers(&mut bench.all()), [(2, 0)]);
}

/// What came behind it may be in the log, and keeps its numbers until it is known not to be.
#[test]
fn what_is_given_up_takes_nothing_with_it() {
    for is_written in [true, false] {
        let mut bench = numbered(&[1]);
        fill(&mut bench, 0, 1);
        bench.now += TIMEOUT / 2;
        fill(&mut bench, 0, 2);
        bench.all().into_iter().for_each(|batch| bench.lost(batch));
        bench.expire(TIMEOUT / 2);
        let mut again = bench.all();
        assert_eq!(all_numbers(&mut again), [(0, 2)], "alone");
        let again = again.remove(0);
        let next = if is_written {
            bench.written(again, 3);
            let mut again = bench.all();
            assert_eq!(all_numbers(&mut again), [(0, 3)]);
            bench.written(again.remove(0), 4);
            fill(&mut bench, 0, 1);
            bench.all()
        } else {
            bench.back(again, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
            bench.all()
        };
        assert_eq!(all_numbers(&mut { next }), [(1, 0)]);
    }
}

#[test]
fn a_topic_made_anew_has_no_numbers_yet() {
    let mut bench = numbered(&[1]);
    fill(&mut bench, 0, 2);
    let mut away = bench.all();
    bench.written(away.remove(0), 0);
    bench.accumulator.follow(&topic(2, &[1])).wake();
    bench.back(away.remove(0), ErrorCode::UNKNOWN_TOPIC_ID);
    assert_eq!(all_numbers(&mut bench.all()), [(1, 0)]);
}

#[test]
fn a_partition_that_is_not_in_the_metadata_for_a_while_keeps_its_numbers() {
    let mut bench = numbered(&[1, 1]);
    fill(&mut bench, 1, 1);
    let mut away = bench.all();
    bench.written(away.remove(0), 0);
    bench.accumulator.follow(&topic(1, &[1])).wake();
    bench.accumulator.follow(&topic(1, &[1, 1])).wake();
    fill(&mut bench, 1, 1);
    assert_eq!(all_numbers(&mut bench.all()), [(0, 2)]);
}

#[test]
fn behind_the_last_epoch_another_id_is_asked_for() {
    let mut bench = numbered(&[1]);
    let last = Identity { id: 7, epoch: i16::MAX, transactional: false };
    bench.accumulator.identify(Some(last)).wake();
    fill(&mut bench, 0, 2);
    let first = bench.all().remove(0);
    bench.failed(first);
    assert!(bench.all().is_empty());
    assert!(bench.accumulator.wants_identity());
    bench.identify(Some(8));
    assert_eq!(numbers(&mut bench.all()[0]), (8, 0, 0));
}

#[test]
fn the_parts_of_a_batch_share_its_numbers() {
    let mut bench = bench_of(&[1], true, |limits| limits.in_flight = 5);
    bench.identify(Some(7));
    for value in ["a", "b", "c"] {
        bench.put(Choice::This(0), value);
    }
    let mut whole = bench.all().pop().unwrap();
    assert_eq!((numbers(&mut whole), whole.count()), ((7, 0, 0), 3));
    let result = whole.result().clone();
    let too_large = Error::broker(ErrorCode::MESSAGE_TOO_LARGE, "produce");
    let (first, rest) = whole.split(too_large).unwrap();
    let second = i32::try_from(first.count()).unwrap();
    bench.accumulator.requeue_parts(&result, first, rest).unwrap().wake();
    let mut parts = bench.all();
    assert_eq!(all_numbers(&mut parts), [(0, 0)]);
    // The first comes before the second also when it has come back.
    bench.back(parts.remove(0), ErrorCode::NOT_LEADER_OR_FOLLOWER);
    let mut parts = bench.all();
    assert_eq!(all_numbers(&mut parts), [(0, 0)]);
    // It is the oldest, and begins another epoch.
    bench.back(parts.remove(0), ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    let mut parts = bench.all();
    assert_eq!(all_numbers(&mut parts), [(1, 0)]);
    bench.written(parts.remove(0), 0);
    assert_eq!(all_numbers(&mut bench.all()), [(1, second)]);
}

#[test]
fn what_others_have_passed_is_in_the_log() {
    let mut bench = numbered(&[1]);
    fill(&mut bench, 0, 2);
    let mut away = bench.all();
    let (late, passes) = (away.remove(0), away.remove(0));
    let gap = Error::broker(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, "produce");
    assert!(!bench.accumulator.is_written(&late, &gap));
    bench.written(passes, 7);
    assert!(bench.accumulator.is_written(&late, &gap));
    let other = Error::broker(ErrorCode::NOT_LEADER_OR_FOLLOWER, "produce");
    assert!(!bench.accumulator.is_written(&late, &other));
}
