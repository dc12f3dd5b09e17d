//! Words that several layers share. Imports nothing of this crate.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A point in time as Kafka stores it: milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the Unix epoch. Brokers use -1 for "none".
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// The current time of this machine.
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// So long before the current time of this machine, but not before 1970.
    pub(crate) fn ago(time: Duration) -> Self {
        let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        Self(Self::now().0.saturating_sub(millis).max(0))
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// As the standard library has it; times before 1970 become 1970.
    pub fn to_system_time(self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(self.0).unwrap_or(0))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// One partition of one topic.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct TopicPartition {
    /// The name of the topic.
    pub topic: Arc<str>,
    /// The index of the partition, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// Names a partition.
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

/// `orders[3]`
impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.topic, self.partition)
    }
}

impl fmt::Debug for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How many brokers must have a record before a write counts as done (property `acks`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Acks {
    /// The leader and all in-sync followers: survives the loss of any broker but the last.
    #[default]
    All,
    /// The leader alone: lost if it dies before a follower has copied the record.
    Leader,
    /// Nobody: the broker does not even answer, so neither errors nor offsets are known.
    None,
}

/// Which records of transactions a reader sees (property `isolation.level`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IsolationLevel {
    /// All of them, also those of transactions that are open or aborted.
    #[default]
    ReadUncommitted,
    /// Only those of committed transactions.
    ReadCommitted,
}

/// Where in a partition to begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Start {
    /// At the oldest record that the broker still has.
    #[default]
    Earliest,
    /// Behind the newest record: only what is written from now on.
    Latest,
    /// At this offset.
    Offset(i64),
    /// So many offsets behind the oldest record, and no further than behind the newest.
    AfterEarliest(i64),
    /// So many offsets before the end, and no further than at the oldest record: `BeforeLatest(1)`
    /// is the newest record, if nothing but records is there.
    BeforeLatest(i64),
    /// At the first record that is not older than this; behind the newest if there is none.
    Timestamp(Timestamp),
    /// At the first record that is not older than so long before now; behind the newest if there
    /// is none (KIP-1106).
    Ago(Duration),
}

impl Start {
    /// What is wrong with it, if anything.
    pub(crate) fn fault(self) -> Option<&'static str> {
        match self {
            Self::Offset(..0) => Some("an offset is not negative"),
            Self::AfterEarliest(..0) | Self::BeforeLatest(..0) => {
                Some("a distance is not negative")
            }
            _ => None,
        }
    }

    /// What is so long ago counts from now, however often it has to be looked up.
    pub(crate) fn fixed(self) -> Self {
        match self {
            Self::Ago(time) => Self::Timestamp(Timestamp::ago(time)),
            start => start,
        }
    }
}
