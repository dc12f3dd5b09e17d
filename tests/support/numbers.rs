//! Records that are numbers: written, read back, compared.

#![allow(dead_code, unreachable_pub, reason = "not all programs of tests need all of it")]
#![allow(clippy::future_not_send, reason = "these are tests")]

use std::fmt::Debug;
use std::ops::Range;
use std::time::Duration;

use futures::{Stream, StreamExt};
use kafkio::testing::FakeCluster;
use kafkio::{Error, Message, Record, Result};
use tokio::time::timeout;

/// How long a test waits for one thing. Long: brokers that die are noticed by a timeout.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What messages are read from.
pub trait Source: Stream<Item = Result<Message>> + Unpin + Debug {}
impl<S: Stream<Item = Result<Message>> + Unpin + Debug> Source for S {}

/// Records whose values are these numbers.
pub fn numbered(numbers: Range<usize>) -> impl Iterator<Item = Record> {
    numbers.map(|n| Record::new(n.to_string()))
}

/// The number in a message of [`numbered`] records.
pub fn number(message: &Message) -> usize {
    let value = message.value().expect("a value");
    std::str::from_utf8(value).expect("text").parse().expect("a number")
}

/// Appends [`numbered`] records to one partition, one batch each.
pub fn fill(cluster: &FakeCluster, topic: &str, partition: i32, numbers: Range<usize>) {
    for record in numbered(numbers) {
        cluster.append(topic, partition, [record]);
    }
}

/// The next message, which must come.
pub async fn next(source: &mut impl Source) -> Message {
    let Ok(item) = timeout(PATIENCE, source.next()).await else {
        panic!("no message for {PATIENCE:?}; {source:?}")
    };
    match item.expect("the stream ended") {
        Ok(message) => message,
        Err(error) => panic!("an error in place of a message: {error:?}"),
    }
}

/// The next item, which must be an error.
pub async fn next_error(source: &mut impl Source) -> Error {
    let item = timeout(PATIENCE, source.next()).await.expect("an item");
    item.expect("the stream ended").expect_err("an error")
}

/// So many messages, which must come.
pub async fn read(source: &mut impl Source, count: usize) -> Vec<Message> {
    let mut messages = Vec::with_capacity(count);
    while messages.len() < count {
        messages.push(next(source).await);
    }
    messages
}

/// So many numbers out of [`numbered`] records.
pub async fn read_numbers(source: &mut impl Source, count: usize) -> Vec<usize> {
    read(source, count).await.iter().map(number).collect()
}

/// Checks that nothing comes for a while: neither message nor error, nor the end.
pub async fn expect_nothing(source: &mut impl Source, wait: Duration) {
    if let Ok(item) = timeout(wait, source.next()).await {
        panic!("expected nothing, not {item:?}");
    }
}
