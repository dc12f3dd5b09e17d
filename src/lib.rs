#![doc = include_str!("../README.md")]

mod error;
pub mod protocol;
mod task;
mod types;
pub mod wire;

pub use error::{Error, ErrorKind, Result};
pub use types::{Acks, IsolationLevel, Start, Timestamp, TopicPartition};
