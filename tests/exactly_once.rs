//! Read, process, write, against an in-process cluster under paused time: each message counts once,
//! whatever fails (11: an aborted step goes back, and comes again whole).

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

use futures::{FutureExt, StreamExt};
use kafkio::protocol::{ApiKey, ErrorCode};
use kafkio::testing::{FakeCluster, FakeClusterBuilder, Fault};
use kafkio::{ErrorKind, ExactlyOnce, IsolationLevel, Message, Record, Result};
use modes::{MODES, committed_messages, soon};
use numbers::{fill, next, number};
use tokio::time::timeout;

fn builder(mode: (&str, i16)) -> FakeClusterBuilder {
    modes::builder(mode).topic("in", 2).topic("out", 2)
}

/// Numbers from 0 on, the even ones in one partition, the odd ones in the other.
fn append(cluster: &FakeCluster, numbers: std::ops::Range<usize>) {
    for n in numbers {
        fill(cluster, "in", (n % 2) as i32, n..n + 1);
    }
}

async fn session(cluster: &FakeCluster) -> Result<ExactlyOnce> {
    let client = cluster.client().connect().await?;
    let reader = client.reader().topic("in").build().await?;
    let builder = client.writer().topic("out").transaction_timeout(Duration::from_secs(900));
    ExactlyOnce::new(reader, builder.transactional("id").await?, "group").await
}

/// What comes out of a message.
fn processed(message: &Message) -> Record {
    Record::new(number(message).to_string()).partition(message.partition())
}

/// Processes so many messages in a step of their own.
async fn step(session: &mut ExactlyOnce, count: usize) -> Result<Vec<usize>> {
    let mut step = soon(session.begin()).await?;
    let mut numbers = Vec::new();
    for _ in 0..count {
        let message = next(&mut step).await;
        drop(soon(step.send(processed(&message))).await?);
        numbers.push(number(&message));
    }
    soon(step.commit()).await.map(|()| numbers)
}

/// What counts is all of it, once, in the order of each partition.
async fn check(cluster: &FakeCluster, count: usize) {
    let mut partitions = [Vec::new(), Vec::new()];
    for message in committed_messages(cluster, "out").await {
        partitions[message.partition() as usize].push(number(&message));
    }
    assert!(partitions.iter().all(|it| it.is_sorted()), "{partitions:?}");
    let mut all = partitions.concat();
    all.sort_unstable();
    assert!(all.iter().copied().eq(0..count), "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn a_restart_goes_on() {
    for mode in MODES {
        let cluster = builder(mode).start().await.unwrap();
        append(&cluster, 0..30);
        for _ in 0..3 {
            let mut session = session(&cluster).await.unwrap();
            assert_eq!(step(&mut session, 7).await.unwrap().len(), 7);
            assert_eq!(step(&mut session, 3).await.unwrap().len(), 3);
            soon(session.close()).await.unwrap();
        }
        check(&cluster, 30).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_aborted_comes_again() {
    for mode in MODES {
        let cluster = builder(mode).start().await.unwrap();
        append(&cluster, 0..20);
        let mut session = session(&cluster).await.unwrap();
        let first = step(&mut session, 4).await.unwrap();
        for round in 0..3 {
            let mut step = soon(session.begin()).await.unwrap();
            let message = next(&mut step).await;
            assert!(!first.contains(&number(&message)));
            soon(step.send(processed(&message))).await.unwrap().await.unwrap();
            for _ in 0..9 {
                next(&mut step).await;
            }
            match round {
                0 => drop(step),
                1 => soon(step.abort()).await.unwrap(),
                _ => {
                    cluster.fail_next(ApiKey::PRODUCE, [ErrorCode::INVALID_RECORD]);
                    drop(soon(step.send(Record::new("refused"))).await.unwrap());
                    let error = soon(step.commit()).await.unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Aborted, "{error}");
                }
            }
        }
        step(&mut session, 16).await.unwrap();
        check(&cluster, 20).await;
    }
}

/// KAFKA-17582, and an abort beside a leader that moves.
#[tokio::test(start_paused = true)]
async fn an_abort_goes_back_while_leaders_move() {
    let cluster = builder(MODES[0]).brokers(3).start().await.unwrap();
    append(&cluster, 0..40);
    let mut session = session(&cluster).await.unwrap();
    for round in 0..12 {
        let mut step = soon(session.begin()).await.unwrap();
        for _ in 0..10 {
            let message = next(&mut step).await;
            drop(soon(step.send(processed(&message))).await.unwrap());
        }
        for partition in 0..2 {
            let leader = cluster.leader("in", partition).unwrap();
            let others = cluster.brokers().into_iter().filter(|it| *it != leader);
            let others: Vec<_> = others.collect();
            cluster.move_leader("in", partition, others[round % others.len()]);
        }
        if round % 3 == 2 {
            soon(step.commit()).await.unwrap();
        } else {
            soon(step.abort()).await.unwrap();
        }
    }
    check(&cluster, 40).await;
}

#[tokio::test(start_paused = true)]
async fn an_unknown_commit_is_found_out() {
    for mode in MODES {
        for is_handled in [true, false] {
            let cluster = builder(mode).start().await.unwrap();
            append(&cluster, 0..20);
            let mut session = session(&cluster).await.unwrap();
            let silent = cluster.on(ApiKey::END_TXN, move |_| {
                if is_handled { Fault::Cut(0) } else { Fault::Disconnect }
            });
            let error = step(&mut session, 10).await.unwrap_err();
            assert!(error.is_ambiguous(), "{error:?}");
            drop(silent);
            step(&mut session, 10).await.unwrap();
            check(&cluster, 20).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_commit_is_found_out() {
    let delays = [ApiKey::TXN_OFFSET_COMMIT, ApiKey::END_TXN, ApiKey::PRODUCE];
    for (mode, delays) in MODES.into_iter().flat_map(|mode| delays.map(|delays| (mode, delays))) {
        for is_answered_late in [true, false] {
            let cluster = builder(mode).start().await.unwrap();
            append(&cluster, 0..20);
            let mut session = session(&cluster).await.unwrap();
            let late = Duration::from_secs(2);
            let delay = move |_: &_| {
                if is_answered_late { Fault::DelayAnswer(late) } else { Fault::Delay(late) }
            };
            cluster.once(delays, delay).keep();
            let mut step = soon(session.begin()).await.unwrap();
            for _ in 0..5 {
                let message = next(&mut step).await;
                drop(soon(step.send(processed(&message))).await.unwrap());
            }
            assert!(timeout(Duration::from_secs(1), step.commit()).await.is_err());
            let mut done = 0;
            while done < 20 {
                let mut step = soon(session.begin()).await.unwrap();
                let mut count = 0;
                while let Ok(Some(message)) = timeout(Duration::from_secs(3), step.next()).await {
                    let message = message.unwrap();
                    done = done.max(number(&message) + 1);
                    drop(soon(step.send(processed(&message))).await.unwrap());
                    count += 1;
                }
                assert!(count > 0, "{done}");
                soon(step.commit()).await.unwrap();
            }
            check(&cluster, 20).await;
        }
    }
}

/// What a step has read that nobody dropped comes again.
#[tokio::test(start_paused = true)]
async fn a_leaked_step_is_aborted() {
    let cluster = builder(MODES[0]).start().await.unwrap();
    append(&cluster, 0..10);
    let mut session = session(&cluster).await.unwrap();
    let mut leaked = soon(session.begin()).await.unwrap();
    let message = next(&mut leaked).await;
    drop(soon(leaked.send(processed(&message))).await.unwrap());
    std::mem::forget(leaked);
    step(&mut session, 10).await.unwrap();
    check(&cluster, 10).await;
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_later_goes_on_alone() {
    for mode in MODES {
        let cluster = builder(mode).start().await.unwrap();
        append(&cluster, 0..20);
        let mut first = session(&cluster).await.unwrap();
        step(&mut first, 4).await.unwrap();
        let mut open = soon(first.begin()).await.unwrap();
        let message = next(&mut open).await;
        soon(open.send(processed(&message))).await.unwrap().await.unwrap();
        let mut second = session(&cluster).await.unwrap();
        assert!(soon(open.commit()).await.unwrap_err().is_fatal());
        assert!(soon(first.begin()).await.unwrap_err().is_fatal());
        step(&mut second, 16).await.unwrap();
        check(&cluster, 20).await;
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_readers_and_groups() {
    let cluster = builder(MODES[0]).start().await.unwrap();
    let client = cluster.client().connect().await.unwrap();
    let reader = client.reader().topic("in").isolation(IsolationLevel::ReadUncommitted);
    let writer = client.writer().transactional("id").await.unwrap();
    let made = ExactlyOnce::new(reader.build().await.unwrap(), writer, "group").await;
    assert!(made.unwrap_err().to_string().starts_with("isolation"));
    let reader = client.reader().topic("in").build().await.unwrap();
    let writer = client.writer().transactional("id").await.unwrap();
    let made = ExactlyOnce::new(reader, writer, "").await;
    assert!(made.unwrap_err().to_string().starts_with("group"));
}

/// Nothing is lost and nothing repeated, by sessions that are dropped at any moment while calls fail.
#[tokio::test(start_paused = true)]
async fn chaos_counts_each_message_once() {
    const COUNT: usize = 60;
    for seed in 0..24 {
        let mode = MODES[seed as usize % MODES.len()];
        let cluster = builder(mode).seed(seed).brokers(3).start().await.unwrap();
        append(&cluster, 0..COUNT);
        let mut random = fastrand::Rng::with_seed(seed);
        let mut faults = Vec::new();
        for key in [
            ApiKey::PRODUCE,
            ApiKey::FETCH,
            ApiKey::TXN_OFFSET_COMMIT,
            ApiKey::ADD_OFFSETS_TO_TXN,
            ApiKey::END_TXN,
            ApiKey::INIT_PRODUCER_ID,
            ApiKey::OFFSET_FETCH,
        ] {
            let mut random = random.fork();
            // Before Kafka 3.6, what arrives after its transaction may count with the next (KIP-890).
            let is_written = key == ApiKey::PRODUCE || key == ApiKey::TXN_OFFSET_COMMIT;
            let may_be_late = !is_written || mode.0 == "4.3.0";
            let hook = move |_: &_| match random.u32(..30) {
                0 => Fault::Cut(random.usize(..40)),
                1 => Fault::Disconnect,
                2 if may_be_late => Fault::Delay(Duration::from_millis(random.u64(..40_000))),
                3 => Fault::DelayAnswer(Duration::from_millis(random.u64(..40_000))),
                _ => Fault::Pass,
            };
            faults.push(cluster.on(key, hook));
        }
        let mut rounds = 0;
        'restart: loop {
            let Ok(mut session) = soon(session(&cluster)).await else { continue };
            for _ in 0..random.usize(1..6) {
                rounds += 1;
                assert!(rounds < 400, "seed {seed}, {mode:?}: no progress");
                let Ok(mut step) = soon(session.begin()).await else { continue 'restart };
                let mut count = 0;
                while count < 7 {
                    let item = timeout(Duration::from_secs(100), step.next()).await;
                    let Ok(Some(Ok(message))) = item else { break };
                    if soon(step.send(processed(&message))).await.is_err() {
                        break;
                    }
                    count += 1;
                }
                if count == 0 {
                    drop(step);
                    drop(session);
                    break 'restart;
                }
                match random.u32(..6) {
                    0 => drop(soon(step.abort()).await),
                    1 => drop(step.commit().now_or_never()),
                    _ => drop(soon(step.commit()).await),
                }
            }
        }
        // Ends what is open.
        while soon(session(&cluster)).await.is_err() {}
        drop(faults);
        println!("seed {seed}, {mode:?}");
        check(&cluster, COUNT).await;
    }
}
