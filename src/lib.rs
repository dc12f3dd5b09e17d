#![doc = include_str!("../README.md")]

pub mod protocol;
mod types;
pub mod wire;

pub use types::{Acks, IsolationLevel, Start, Timestamp, TopicPartition};
