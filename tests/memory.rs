//! What a reader keeps in memory: no more than its budget, however slow its user is, and however
//! well the batches are compressed.

#![cfg(all(target_os = "linux", feature = "testing", feature = "gzip"))]
#![allow(unreachable_pub, dead_code, reason = "the modules are shared between test programs")]
#![allow(
    clippy::pedantic,
    clippy::cast_possible_truncation,
    clippy::future_not_send,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "these are tests"
)]

#[path = "support/child.rs"]
mod child;
mod support;

use std::time::Duration;

use child::{Child, at_offset};
use futures::StreamExt;
use kafkio::Reader;
use kafkio::testing::FakeCluster;
use support::transaction::{batch, compressed};
use tokio::time::{Instant, sleep};

const MIB: usize = 1 << 20;
const BUDGET: usize = 32 * MIB;
/// What a reader may have besides: sockets, tasks, partitions, what the allocator keeps.
const MORE: usize = 16 * MIB;

const PARTITIONS: i32 = 1_000;
const RECORDS: usize = 100;

#[tokio::test]
async fn server() {
    if !child::is_child() {
        return;
    }
    let builder = FakeCluster::builder().brokers(10).topic("t", PARTITIONS);
    let cluster = builder.replication_factor(1).request_log(false).start().await.unwrap();
    // A mebibyte each, and a thousandth of that when compressed.
    let value = "0".repeat(MIB / RECORDS);
    let batch = compressed(&batch(None, &[&*value; RECORDS]));
    for partition in 0..PARTITIONS {
        for n in 0..10 {
            let batch = at_offset(&batch, n * RECORDS as i64);
            cluster.append_raw("t", partition, batch);
        }
    }
    tokio::task::spawn_blocking(move || child::serve(&cluster)).await.unwrap();
}

/// A line of `/proc/self/status`, in bytes.
fn status(name: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}

/// What the process has now; and the most that it has had since, each time it is asked.
fn peak_above_now() -> impl Fn(&str) -> usize {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = status("VmRSS");
    move |what| {
        let more = status("VmHWM").saturating_sub(before);
        println!("{what}: {} KiB", more >> 10);
        more
    }
}

async fn reader(child: &Child) -> Reader {
    let client = child.client().await;
    client.metadata(["t"]).await.unwrap();
    client.reader().topic("t").buffer_bytes(BUDGET).build().await.unwrap()
}

#[tokio::test]
async fn a_slow_reader_keeps_to_its_budget() {
    if child::is_child() {
        return;
    }
    let child = Child::start();
    let client = child.client().await;
    client.metadata(["t"]).await.unwrap();
    let peak = peak_above_now();
    let mut reader = reader(&child).await;
    let limit = BUDGET + MORE;

    reader.next().await.unwrap().unwrap();
    sleep(Duration::from_secs(2)).await;
    assert!(peak("standing still") <= limit);

    for _ in 0..300 {
        reader.next().await.unwrap().unwrap();
        sleep(Duration::from_millis(5)).await;
    }
    assert!(peak("slow") <= limit);

    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        reader.next().await.unwrap().unwrap();
    }
    assert!(peak("fast") <= limit);

    // One message kept pins its batch and no more than that.
    let mut kept = Vec::new();
    while kept.len() < 8 {
        let message = reader.next().await.unwrap().unwrap();
        if message.offset() % RECORDS as i64 == 7 {
            kept.push(message);
        }
    }
    assert!(peak("kept") <= limit + 8 * MIB);
}
