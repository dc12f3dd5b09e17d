//! The accumulator without brokers and clocks: what leaves when, in which order, and what is told.

mod numbered;

use std::time::Duration;

use futures::FutureExt;

use super::*;
use crate::cluster::{Backoff, PartitionMetadata};
use crate::protocol::ErrorCode;
use crate::record::Compression;

const LINGER: Duration = Duration::from_millis(5);
const TIMEOUT: Duration = Duration::from_secs(120);

struct Bench {
    accumulator: Accumulator,
    budget: Arc<Budget>,
    now: Instant,
}

/// Two brokers; partition `n` of topic `t` is led by `leaders[n]`.
fn bench(leaders: &[i32], change: impl FnOnce(&mut Limits)) -> Bench {
    bench_of(leaders, false, change)
}

fn bench_of(leaders: &[i32], is_idempotent: bool, change: impl FnOnce(&mut Limits)) -> Bench {
    let mut limits = Limits {
        batch_bytes: 1000,
        linger: Duration::ZERO,
        delivery_timeout: TIMEOUT,
        backoff: Backoff { min: Duration::from_millis(100), max: Duration::from_secs(1) },
        in_flight: 1,
        joins: false,
        spare_bytes: 10_000,
        adaptive: Adaptive::default(),
    };
    change(&mut limits);
    let budget = Budget::new(1 << 20);
    let (observers, engine) = (Arc::default(), Arc::default());
    let mut accumulator =
        Accumulator::new(limits, budget.clone(), observers, engine, is_idempotent, false);
    accumulator.follow(&topic(1, leaders)).wake();
    Bench { accumulator, budget, now: Instant::now() }
}

/// A leader below 0 is none.
fn topic(id: u128, leaders: &[i32]) -> TopicMetadata {
    let partitions = leaders.iter().zip(0..).map(|(leader, id)| PartitionMetadata {
        id,
        leader: Some(*leader).filter(|id| *id >= 0),
        leader_epoch: 0,
        replicas: Vec::new(),
        isr: Vec::new(),
        offline: Vec::new(),
        error: ErrorCode::NONE,
        contradicted: 0,
    });
    TopicMetadata {
        name: "t".into(),
        id: Uuid(id),
        error: ErrorCode::NONE,
        is_internal: false,
        partitions: partitions.collect(),
    }
}

impl Bench {
    fn append(&mut self, choice: Choice, value: &'static str) -> (Delivery, usize) {
        self.try_append(choice, value).unwrap()
    }

    /// Appends a record of which nobody wants to be told.
    fn put(&mut self, choice: Choice, value: &'static str) {
        drop(self.append(choice, value));
    }

    fn try_append(&mut self, choice: Choice, value: &'static str) -> Result<(Delivery, usize)> {
        let record = Record::new(value);
        let size = crate::record::BatchEncoder::worst_len(&record);
        self.budget.try_charge(size).unwrap().keep();
        let (time, now) = (Timestamp::from_millis(5), self.now);
        let appended = self.accumulator.append(0, choice, &record, time, size, || now);
        appended.map(|(delivery, wakes)| (delivery, wakes.0.len()))
    }

    fn drain(&mut self, broker: i32) -> Vec<Batch> {
        match self.accumulator.drain(broker, 1 << 20, self.now) {
            Drained::Ready(ready) => ready.into_iter().map(|ready| ready.batch).collect(),
            Drained::Idle(_) => Vec::new(),
        }
    }

    fn until(&mut self, broker: i32) -> Option<Instant> {
        match self.accumulator.drain(broker, 1 << 20, self.now) {
            Drained::Ready(ready) => panic!("{} batches are ready", ready.len()),
            Drained::Idle(until) => until,
        }
    }

    fn written(&mut self, batch: Batch, offset: i64) -> usize {
        let (at, result) = (batch.at, batch.result().clone());
        batch.written(Some(offset), None);
        self.accumulator.complete(at, &result, true).0.len()
    }

    fn retry(&mut self, batch: Batch, broker: i32) -> Option<Batch> {
        let error = Error::broker(ErrorCode::LEADER_NOT_AVAILABLE, "produce");
        let (back, wakes) = self.accumulator.requeue(batch, broker, error, self.now);
        wakes.wake();
        back.map(|(batch, _)| batch)
    }
}

fn values(batch: &mut Batch) -> Vec<String> {
    let bytes = batch.finish(2, Compression::none()).unwrap();
    let raw = crate::record::RawBatches::new(bytes).next().unwrap().unwrap();
    let batch = raw.decode(&"t".into(), 0, usize::MAX).unwrap();
    let text = |value: Option<&[u8]>| String::from_utf8(value.unwrap().to_vec()).unwrap();
    batch.messages().map(|message| text(message.unwrap().value())).collect()
}

fn told(delivery: Delivery) -> Option<Result<Option<i64>>> {
    delivery.now_or_never().map(|result| result.map(|metadata| metadata.offset()))
}

#[test]
fn what_arrives_while_a_batch_is_away_makes_the_next_one() {
    let mut bench = bench(&[1], |_| {});
    let (first, _) = bench.append(Choice::This(0), "a");
    let mut away = bench.drain(1);
    let (second, _) = bench.append(Choice::This(0), "b");
    let (third, _) = bench.append(Choice::This(0), "c");
    assert!(bench.drain(1).is_empty(), "one batch of a partition at a time");
    assert_eq!(values(&mut away[0]), ["a"]);
    bench.written(away.remove(0), 10);
    assert_eq!(told(first).unwrap().unwrap(), Some(10));
    let mut next = bench.drain(1);
    assert_eq!(values(&mut next[0]), ["b", "c"]);
    bench.written(next.remove(0), 11);
    assert_eq!(told(second).unwrap().unwrap(), Some(11));
    assert_eq!(told(third).unwrap().unwrap(), Some(12));
}

#[test]
fn order_is_kept_when_batches_come_back() {
    let mut bench = bench(&[1], |limits| limits.batch_bytes = 100);
    let all = ["a", "b", "c", "d", "e", "f"];
    let deliveries: Vec<_> = all.map(|value| bench.append(Choice::This(0), value).0).into();
    let (mut seen, mut failures) = (Vec::new(), 0);
    for round in 0.. {
        let Some(mut batch) = bench.drain(1).pop() else { break };
        if round % 3 == 2 {
            seen.extend(values(&mut batch));
            let offset = i64::try_from(seen.len()).unwrap() - i64::from(batch.count());
            bench.written(batch, offset);
            continue;
        }
        failures += 1;
        assert!(bench.retry(batch, 1).is_none());
        assert!(bench.drain(1).is_empty(), "it waits, and nothing overtakes it");
        bench.now += Duration::from_secs(2);
    }
    assert!(failures >= 4);
    assert_eq!(seen, all);
    for (offset, delivery) in (0..).zip(deliveries) {
        assert_eq!(told(delivery).unwrap().unwrap(), Some(offset));
    }
}

#[test]
fn a_batch_lingers_unless_it_is_full_or_asked_for() {
    let mut bench = bench(&[1], |limits| {
        limits.linger = LINGER;
        limits.batch_bytes = 200;
    });
    assert_eq!(bench.until(1), None);
    let (_, wakes) = bench.append(Choice::This(0), "a");
    assert_eq!(wakes, 1, "the loop has to know when to look");
    assert_eq!(bench.until(1), Some(bench.now + LINGER));
    assert_eq!(bench.append(Choice::This(0), "b").1, 0, "not for every record");
    bench.now += LINGER;
    assert_eq!(bench.drain(1).len(), 1);

    let mut bench = tests::bench(&[1], |limits| {
        limits.linger = LINGER;
        limits.batch_bytes = 200;
    });
    assert_eq!(bench.until(1), None);
    bench.put(Choice::This(0), "a");
    assert_eq!(bench.until(1), Some(bench.now + LINGER));
    let mut woken = 0;
    for _ in 0..20 {
        woken += bench.append(Choice::This(0), "0123456789").1;
        if woken > 0 {
            break;
        }
    }
    assert_eq!(woken, 1, "a full batch does not wait");
    assert_eq!(bench.drain(1).len(), 1);

    let mut bench = tests::bench(&[1], |limits| limits.linger = LINGER);
    bench.put(Choice::This(0), "a");
    assert!(bench.until(1).is_some());
    let (results, wakes) = bench.accumulator.flush();
    assert_eq!((results.len(), wakes.0.len()), (1, 1));
    assert_eq!(bench.drain(1).len(), 1);
}

#[test]
fn a_loop_is_woken_once() {
    let mut bench = bench(&[1, 1], |_| {});
    assert_eq!(bench.until(1), None);
    assert_eq!(bench.append(Choice::This(0), "a").1, 1);
    assert_eq!(bench.append(Choice::This(0), "a").1, 0);
    assert_eq!(bench.append(Choice::This(1), "a").1, 0, "it is awake already");
    let away = bench.drain(1);
    assert_eq!(away.len(), 2);
    assert_eq!(bench.append(Choice::This(0), "b").1, 0);
    assert_eq!(bench.until(1), None, "both are away");
    for batch in away {
        // The loop that takes the answer looks again anyway, but may have left the partition.
        bench.written(batch, 0);
    }
    assert_eq!(bench.drain(1).len(), 1);
}

#[test]
fn partitions_take_turns() {
    let mut bench = bench(&[1; 4], |_| {});
    let (mut order, mut empty) = (Vec::new(), vec![0, 1, 2, 3]);
    for _ in 0..4 {
        for partition in empty.drain(..) {
            bench.put(Choice::This(partition), "0123456789012345678901234567890123456789");
        }
        // Room for two batches.
        let Drained::Ready(ready) = bench.accumulator.drain(1, 250, bench.now) else {
            panic!("nothing is ready")
        };
        assert_eq!(ready.len(), 2);
        for ready in ready {
            order.push(ready.batch.at.partition);
            empty.push(ready.batch.result().partition);
            bench.written(ready.batch, 0);
        }
    }
    assert_eq!(order, [0, 1, 2, 3, 0, 1, 2, 3]);
}

#[test]
fn a_single_batch_always_fits_a_request() {
    let mut bench = bench(&[1], |_| {});
    bench.put(Choice::This(0), "0123456789");
    assert!(
        matches!(bench.accumulator.drain(1, 1, bench.now), Drained::Ready(ready) if ready.len() == 1)
    );
}

#[test]
fn a_partition_without_a_leader_holds_back_only_itself() {
    let mut bench = bench(&[1, -1], |_| {});
    bench.put(Choice::This(1), "later");
    bench.put(Choice::This(0), "now");
    let mut away = bench.drain(1);
    assert_eq!((away.len(), values(&mut away[0])), (1, vec!["now".to_owned()]));
    assert_eq!(bench.until(1), None);
    assert_eq!(bench.accumulator.follow(&topic(1, &[1, 1])).0.len(), 1, "woken by its leader");
    assert_eq!(values(&mut bench.drain(1)[0]), ["later"]);
}

#[test]
fn a_new_leader_gets_what_waits_at_once() {
    let mut bench = bench(&[1], |_| {});
    bench.put(Choice::This(0), "a");
    let batch = bench.drain(1).remove(0);
    bench.retry(batch, 1);
    assert!(bench.until(1).is_some(), "it waits after the failure");
    bench.accumulator.follow(&topic(1, &[2])).wake();
    assert_eq!(bench.until(1), None);
    let batch = bench.drain(2).remove(0);
    // Broker 2 has led it no more when the failure arrives: broker 1 is asked at once.
    bench.accumulator.follow(&topic(1, &[1])).wake();
    bench.retry(batch, 2);
    assert_eq!(bench.drain(1).len(), 1);
}

#[test]
fn a_batch_on_its_way_to_the_old_leader_keeps_the_order() {
    let mut bench = bench(&[1], |_| {});
    bench.put(Choice::This(0), "a");
    let first = bench.drain(1).remove(0);
    bench.put(Choice::This(0), "b");
    bench.accumulator.follow(&topic(1, &[2])).wake();
    assert_eq!(bench.until(2), None, "b must not overtake a");
    assert_eq!(bench.written(first, 0), 1, "the other broker's loop is woken");
    assert_eq!(values(&mut bench.drain(2)[0]), ["b"]);
}

#[test]
fn a_topic_that_was_created_anew_goes_on_with_its_new_id() {
    let mut bench = bench(&[1, 1], |_| {});
    bench.put(Choice::This(0), "a");
    bench.put(Choice::This(1), "lost");
    bench.accumulator.follow(&topic(2, &[1])).wake();
    let Drained::Ready(ready) = bench.accumulator.drain(1, 1000, bench.now) else {
        panic!("nothing is ready")
    };
    assert_eq!((ready.len(), ready[0].topic_id), (1, Uuid(2)));
    let error = bench.try_append(Choice::This(1), "b").unwrap_err();
    assert!(error.to_string().contains("t has partitions 0 to 0"), "{error}");
}

#[test]
fn what_is_too_late_fails_and_is_ambiguous_only_if_it_was_sent() {
    let mut bench = bench(&[1, -1], |_| {});
    let (away, _) = bench.append(Choice::This(0), "away");
    let batch = bench.drain(1).remove(0);
    let (behind, _) = bench.append(Choice::This(0), "behind it");
    let (leaderless, _) = bench.append(Choice::This(1), "waiting");
    let expired = bench.accumulator.expire(bench.now);
    assert_eq!(expired.next, Some(bench.now + TIMEOUT));
    expired.tell();
    bench.now += TIMEOUT;
    let expired = bench.accumulator.expire(bench.now);
    assert_eq!(expired.next, None);
    expired.tell();
    let error = told(away).unwrap().unwrap_err();
    assert!(error.is_timeout() && error.is_ambiguous(), "{error}");
    let error = told(behind).unwrap().unwrap_err();
    assert!(error.is_timeout() && !error.is_ambiguous(), "{error}");
    let error = told(leaderless).unwrap().unwrap_err();
    assert!(error.is_timeout() && !error.is_ambiguous(), "{error}");
    assert!(
        error.to_string().contains("t[1]") && error.to_string().contains("no leader"),
        "{error}"
    );
    // The answer comes after all: too late for a retry.
    assert!(bench.retry(batch, 1).is_some());
    assert!(bench.drain(1).is_empty());
    assert_eq!(bench.budget.unused(), 1 << 20);
}

#[test]
fn what_may_have_been_written_stays_ambiguous() {
    let mut bench = bench(&[1], |_| {});
    let (delivery, _) = bench.append(Choice::This(0), "a");
    let mut batch = bench.drain(1).remove(0);
    batch.mark_maybe_written();
    bench.retry(batch, 1);
    bench.now += TIMEOUT;
    bench.accumulator.expire(bench.now).tell();
    let error = told(delivery).unwrap().unwrap_err();
    assert!(error.is_ambiguous());
    assert!(error.to_string().contains("LEADER_NOT_AVAILABLE"), "{error}");
}

#[test]
fn records_without_a_key_stay_together_for_the_bytes_of_a_batch() {
    fastrand::seed(1);
    let mut bench = bench(&[1; 8], |_| {});
    // Half of a batch at a time.
    let (mut runs, mut last) = (Vec::new(), None);
    for _ in 0..200 {
        for _ in 0..25 {
            bench.put(Choice::Any, "0123456789");
        }
        for batch in bench.drain(1) {
            let at = batch.at.partition;
            if last.replace(at) != Some(at) {
                runs.push((at, 0));
            }
            runs.last_mut().unwrap().1 += batch.len();
            bench.written(batch, 0);
        }
    }
    let seen: std::collections::BTreeSet<_> = runs.iter().map(|(at, _)| at).collect();
    assert_eq!(seen.len(), 8, "they go on elsewhere");
    assert!(runs.iter().all(|(_, bytes)| *bytes >= 900), "not before: {runs:?}");
}

#[test]
fn a_batch_that_lingers_is_not_left_half_full() {
    fastrand::seed(2);
    let mut bench = bench(&[1; 8], |limits| limits.linger = LINGER);
    let mut sizes = Vec::new();
    for _ in 0..100 {
        for _ in 0..30 {
            bench.put(Choice::Any, "0123456789");
        }
        bench.now += LINGER;
        for batch in bench.drain(1) {
            sizes.push(batch.count());
            bench.written(batch, 0);
        }
    }
    assert!(sizes.iter().all(|count| *count >= 30), "{sizes:?}");
}

/// How many of 1000 batches of records without a key go to each partition, while two of them
/// have this many batches waiting.
fn shares(limits: impl FnOnce(&mut Limits), waiting: [usize; 2], later: Duration) -> [usize; 3] {
    fastrand::seed(3);
    let mut bench = bench(&[1, 2, 3], limits);
    for (number, count) in (1..).zip(waiting) {
        for _ in 0..count {
            bench.put(Choice::This(number), "0123456789");
            bench.accumulator.flush().1.wake();
        }
    }
    bench.now += later;
    let mut shares = [0; 3];
    for _ in 0..1000 {
        let topic = bench.accumulator.topics.get_mut(0).unwrap();
        topic.sticky.go(None);
        let now = bench.now;
        let at = bench.accumulator.place(0, Choice::Any, 10, &|| now).unwrap();
        shares[at.partition] += 1;
    }
    shares
}

#[test]
fn partitions_with_longer_queues_get_less() {
    let near = |shares: [usize; 3], expected: [usize; 3]| {
        let close = |(share, expected): (usize, usize)| share.abs_diff(expected) < 50;
        assert!(shares.into_iter().zip(expected).all(close), "{shares:?}, not {expected:?}");
    };
    near(shares(|_| {}, [0, 0], TIMEOUT), [333, 333, 333]);
    // Weights 4, 1 and 3.
    near(shares(|_| {}, [3, 1], TIMEOUT), [500, 125, 375]);
    let even = |limits: &mut Limits| limits.adaptive.is_enabled = false;
    near(shares(even, [3, 1], TIMEOUT), [333, 333, 333]);
    let short = |limits: &mut Limits| limits.adaptive.availability_timeout = LINGER;
    near(shares(short, [3, 1], LINGER / 2), [500, 125, 375]);
    near(shares(short, [3, 0], LINGER), [500, 0, 500]);
}

#[test]
fn a_broker_that_takes_nothing_is_passed_over_until_it_does() {
    fastrand::seed(4);
    let short = |limits: &mut Limits| limits.adaptive.availability_timeout = LINGER;
    let mut bench = bench(&[1, 2], short);
    let unavailable = |bench: &Bench| bench.accumulator.unavailable(&|| bench.now);
    bench.put(Choice::This(0), "a");
    bench.now += LINGER;
    assert_eq!(unavailable(&bench), [1]);
    let away = bench.drain(1).remove(0);
    assert!(unavailable(&bench).is_empty(), "nothing waits for it");
    bench.put(Choice::This(0), "b");
    bench.now += LINGER / 2;
    assert!(unavailable(&bench).is_empty(), "not for long");
    bench.now += LINGER / 2;
    assert_eq!(unavailable(&bench), [1], "a is not answered, b waits");
    bench.written(away, 0);
    assert_eq!(bench.drain(1).len(), 1);
    assert!(unavailable(&bench).is_empty());
    // If all are like that, any has to do.
    bench.put(Choice::This(0), "c");
    bench.put(Choice::This(1), "c");
    bench.now += LINGER;
    assert_eq!(unavailable(&bench), [1, 2]);
    bench.put(Choice::Any, "d");
}

#[test]
fn records_without_a_key_go_where_a_leader_is() {
    let mut bench = bench(&[-1, 1, -1, -1], |_| {});
    for _ in 0..20 {
        bench.put(Choice::Any, "a");
        let batch = bench.drain(1).remove(0);
        assert_eq!(batch.at.partition, 1);
        bench.written(batch, 0);
    }
    bench.put(Choice::Any, "a");
    bench.accumulator.follow(&topic(1, &[1, -1, -1, -1])).wake();
    bench.put(Choice::Any, "b");
    assert_eq!(bench.drain(1)[0].at.partition, 0, "not where the leader has gone");
}

#[test]
fn a_full_batch_closes_and_a_record_without_a_key_goes_elsewhere() {
    fastrand::seed(5);
    let mut bench = bench(&[1; 2], |limits| limits.batch_bytes = 200);
    for _ in 0..40 {
        bench.put(Choice::Any, "0123456789");
    }
    let (results, _) = bench.accumulator.flush();
    let partitions: std::collections::BTreeSet<_> =
        results.iter().map(|result| result.partition).collect();
    assert!(results.len() > 5);
    assert_eq!(partitions.len(), 2);
    let mut batches = bench.drain(1);
    assert!(
        batches.iter_mut().all(|batch| batch.finish(2, Compression::none()).unwrap().len() <= 200)
    );
}

#[test]
fn choices_outside_of_the_topic_are_refused() {
    let mut bench = bench(&[1; 3], |_| {});
    for partition in [-1, 3] {
        let error = bench.try_append(Choice::This(partition), "a").unwrap_err();
        let text = format!("partition: t[{partition}] does not exist, t has partitions 0 to 2");
        assert_eq!(error.to_string(), text);
    }
    assert!(bench.try_append(Choice::Hash(0x7fff_ffff), "a").is_ok());
}

#[test]
fn a_split_batch_goes_on_in_its_place() {
    let mut bench = bench(&[1], |_| {});
    let letters = ["a", "b", "c", "d"];
    let deliveries: Vec<_> = letters.map(|value| bench.append(Choice::This(0), value).0).into();
    let mut whole = bench.drain(1).remove(0);
    bench.put(Choice::This(0), "e");
    assert_eq!(values(&mut whole), letters);
    let result = whole.result().clone();
    let (first, rest) = whole.split(Error::config("too large")).unwrap();
    bench.accumulator.requeue_parts(&result, first, rest).unwrap().wake();
    let mut seen = Vec::new();
    for offset in [100, 200, 300] {
        let mut batch = bench.drain(1).remove(0);
        seen.push(values(&mut batch));
        bench.written(batch, offset);
    }
    assert_eq!(seen, [vec!["a", "b"], vec!["c", "d"], vec!["e"]]);
    let offsets: Vec<_> = deliveries.into_iter().map(|d| told(d).unwrap().unwrap()).collect();
    assert_eq!(offsets, [100, 101, 200, 201].map(Some));
    assert_eq!(bench.budget.unused(), 1 << 20);
    for value in letters {
        bench.put(Choice::This(0), value);
    }
    assert!(bench.drain(1)[0].count() < 4, "later batches do not get as large");
}

#[test]
fn closing_drains_and_failing_gives_up() {
    let mut bench = bench(&[1], |_| {});
    let (first, _) = bench.append(Choice::This(0), "a");
    bench.accumulator.close();
    assert_eq!(bench.try_append(Choice::This(0), "b").unwrap_err().to_string(), "writer is closed");
    let batch = bench.drain(1).remove(0);
    bench.written(batch, 0);
    assert!(told(first).unwrap().is_ok());

    let mut bench = tests::bench(&[1], |_| {});
    let (away, _) = bench.append(Choice::This(0), "away");
    let batch = bench.drain(1).remove(0);
    let (waiting, _) = bench.append(Choice::This(0), "waiting");
    bench.accumulator.fail(&Error::closed("writer")).tell();
    assert!(told(away).unwrap().unwrap_err().is_ambiguous());
    assert!(!told(waiting).unwrap().unwrap_err().is_ambiguous());
    assert!(bench.retry(batch, 1).is_some());
    assert!(bench.try_append(Choice::This(0), "b").is_err());
}

#[test]
fn a_batch_that_is_dropped_tells_its_records() {
    let mut bench = bench(&[1], |_| {});
    let (delivery, _) = bench.append(Choice::This(0), "a");
    drop(bench.drain(1));
    let error = told(delivery).unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert_eq!(bench.budget.unused(), 1 << 20);
}

#[test]
fn a_batch_changes_its_format_with_its_broker() {
    let mut bench = bench(&[1], |_| {});
    bench.put(Choice::This(0), "a");
    bench.put(Choice::This(0), "b");
    let mut batch = bench.drain(1).remove(0);
    let new = batch.finish(2, Compression::none()).unwrap();
    assert_eq!(batch.finish(2, Compression::none()).unwrap(), new);
    let old = batch.finish(1, Compression::none()).unwrap();
    assert_ne!(old, new);
    assert_eq!(batch.finish(2, Compression::none()).unwrap(), new, "with its timestamps");
}
