//! What a message costs in allocations: next to none, however many partitions a reader has.

#![cfg(all(feature = "testing", feature = "gzip"))]
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

use std::alloc::System;

use child::{Child, at_offset};
use futures::StreamExt;
use kafkio::testing::FakeCluster;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use support::transaction::{batch, compressed};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// As many messages of 100 bytes as a batch of 64 KiB has.
const RECORDS: usize = 600;
const BATCHES: i64 = 300;

#[tokio::test]
async fn server() {
    if !child::is_child() {
        return;
    }
    let builder = FakeCluster::builder().brokers(2).request_log(false);
    let builder = ["plain", "gzip"].iter().fold(builder, |builder, name| builder.topic(*name, 1));
    let builder = builder.topic("hundred", 100).topic("thousand", 1_000);
    let cluster = builder.start().await.unwrap();
    let value = "v".repeat(100);
    let plain = batch(None, &[&*value; RECORDS]);
    let packed = compressed(&plain);
    for n in 0..BATCHES {
        for topic in ["plain", "gzip", "hundred", "thousand"] {
            let batch = if topic == "gzip" { &packed } else { &plain };
            cluster.append_raw(topic, 0, at_offset(batch, n * RECORDS as i64));
        }
    }
    tokio::task::spawn_blocking(move || child::serve(&cluster)).await.unwrap();
}

#[tokio::test]
async fn a_message_costs_a_fiftieth_of_an_allocation() {
    if child::is_child() {
        return;
    }
    let child = Child::start();
    let client = child.client().await;
    for topic in ["plain", "gzip", "hundred", "thousand"] {
        let mut reader = client.reader().topic(topic).build().await.unwrap();
        // What comes once is not counted.
        let warm = 60 * RECORDS;
        for _ in 0..warm {
            reader.next().await.unwrap().unwrap();
        }
        let region = Region::new(ALLOCATOR);
        let count = BATCHES as usize * RECORDS - warm;
        for _ in 0..count {
            let message = reader.next().await.unwrap().unwrap();
            assert_eq!(message.value().map(<[u8]>::len), Some(100));
        }
        let change = region.change();
        let each = (change.allocations + change.reallocations) as f64 / count as f64;
        println!("{topic}: {each:.5} allocations a message");
        assert!(each <= 0.02, "{topic}: {each}");
    }
}
