//! What one asks of a cluster besides reading and writing: typed operations, by family.
//!
//! Each operation is a plain value. [`Client`](crate::Client) has a method for each, which gives a
//! [`Call`] to set options on and to await; and it is a `tower` service of each, so that timeouts,
//! retries and the rest of that world fit around it:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), tower::BoxError> {
//! # let cluster = kafkio::testing::FakeCluster::start().await.unwrap();
//! # let client = cluster.client().connect().await?;
//! use std::time::Duration;
//! use kafkio::admin::topics::{CreateTopics, NewTopic};
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! let topics = client.create_topics([NewTopic::new("orders")]).await?;
//! assert!(topics.get("orders").unwrap().is_ok());
//!
//! let service = ServiceBuilder::new().timeout(Duration::from_secs(5)).service(client);
//! let topics = service.oneshot(CreateTopics::new([NewTopic::new("invoices")])).await?;
//! assert!(topics.get("invoices").unwrap().is_ok());
//! # Ok(()) }
//! ```
//!
//! # For those who know kafka-go
//!
#![doc = include_str!("kafka_go.md")]

pub mod acls;
pub mod cluster;
pub mod configs;
pub mod features;
pub mod groups;
pub mod log_dirs;
pub mod metadata;
pub mod offsets;
pub mod quorum;
pub mod quotas;
mod raw;
pub mod replicas;
mod results;
pub mod share_groups;
pub mod streams_groups;
pub mod telemetry;
pub mod tokens;
pub mod topics;
pub mod transactions;
pub mod users;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

pub use crate::cluster::Target;
pub use raw::Raw;
pub use results::{Listing, Results};

use crate::cluster::{Cluster, Split, check_duration, split};
use crate::error::{Error, Result};
use crate::types::TopicPartition;

/// The future of an operation. Dropping it stops the retries; what has been sent is not recalled.
pub type Running<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

/// An operation on a cluster. Implemented by the types of this module, and only by them.
pub trait Operation: sealed::Run + Send + 'static {
    /// The operation with a time limit of its own, for services; a call of a client has
    /// [`Call::timeout`].
    fn within(self, limit: Duration) -> Within<Self> {
        Within { operation: self, limit }
    }
}

pub(crate) mod sealed {
    use tokio::time::Instant;

    use super::{Cluster, Result, Running, Split};

    /// Wraps what the public does not see.
    #[derive(Debug)]
    #[expect(unnameable_types, reason = "only this crate runs operations")]
    pub struct Context {
        pub(crate) cluster: Cluster,
        pub(crate) deadline: Instant,
    }

    #[expect(unnameable_types, reason = "seals `Operation`")]
    pub trait Run: Sized {
        /// What a success gives.
        type Output: Send + 'static;

        // `#[inline]` in each implementation, as are the long functions of `Split`: an operation
        // that a program never runs is then not compiled.
        fn run(self, context: Context) -> Running<Self::Output>;

        /// Checks what can be checked without a broker.
        fn check(&self) -> Result<()> {
            Ok(())
        }
    }

    /// An operation that does nothing but ask about its items.
    #[expect(unnameable_types, reason = "seals `Operation`")]
    pub trait PerItem: Split {
        fn items(&self) -> Vec<Self::Item>;

        fn check(&self) -> Result<()> {
            Ok(())
        }
    }
}
use sealed::PerItem;

impl<O: sealed::Run + Send + 'static> Operation for O {}

impl<O: PerItem<Key: 'static, Value: 'static> + 'static> sealed::Run for O {
    type Output = Results<O::Key, O::Value>;

    fn run(self, context: sealed::Context) -> Running<Self::Output> {
        Box::pin(async move {
            let items = self.items();
            split(&context.cluster, context.deadline, &self, items).await.map(Results::new)
        })
    }

    fn check(&self) -> Result<()> {
        PerItem::check(self)
    }
}

/// An operation with a time limit of its own: see [`Operation::within`].
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct Within<O> {
    operation: O,
    limit: Duration,
}

impl<O: Operation> sealed::Run for Within<O> {
    type Output = O::Output;

    fn run(self, context: sealed::Context) -> Running<Self::Output> {
        let deadline = Instant::now() + self.limit;
        self.operation.run(sealed::Context { deadline, ..context })
    }

    fn check(&self) -> Result<()> {
        check_duration("timeout", self.limit)?;
        self.operation.check()
    }
}

/// An operation, and the client that will run it when this is awaited.
///
/// # Cancel safety
///
/// Dropping the future stops the retries; a request that was sent may still take effect.
///
/// # Retries
///
/// Until its time is over a call is repeated, for those items that need it: when a broker is the
/// wrong one by now, is not ready yet, or throttles, and when a connection ends before the answer.
/// In the last case the first request may have taken effect, so that the second finds its work
/// done: `TOPIC_ALREADY_EXISTS` of a topic that this call created.
#[must_use = "an operation does nothing until it is awaited"]
pub struct Call<O> {
    cluster: Cluster,
    pub(crate) operation: O,
    timeout: Option<Duration>,
}

impl<O: Operation> Call<O> {
    pub(crate) fn new(cluster: Cluster, operation: O) -> Self {
        Self { cluster, operation, timeout: None }
    }

    /// How long the call may take with its retries, and the brokers to do what is asked. Default:
    /// the client's `api_timeout`.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

impl<O: Operation> IntoFuture for Call<O> {
    type Output = Result<O::Output>;
    type IntoFuture = Running<O::Output>;

    fn into_future(self) -> Self::IntoFuture {
        match self.timeout {
            Some(timeout) => start(self.cluster, self.operation.within(timeout)),
            None => start(self.cluster, self.operation),
        }
    }
}

impl<O: fmt::Debug> fmt::Debug for Call<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Call").field(&self.operation).finish()
    }
}

/// Checks an operation, and gives its future.
pub(crate) fn start<O: Operation>(cluster: Cluster, operation: O) -> Running<O::Output> {
    match operation.check() {
        Ok(()) => {
            let deadline = cluster.deadline();
            operation.run(sealed::Context { cluster, deadline })
        }
        Err(error) => Box::pin(std::future::ready(Err(error))),
    }
}

/// A request may name each thing once, and results are told by name.
///
/// # Errors
///
/// Something is named twice.
fn check_once<'a, K: Ord + fmt::Display + 'a>(
    what: &str,
    items: impl IntoIterator<Item = &'a K>,
) -> Result<()> {
    let mut seen = BTreeSet::new();
    match items.into_iter().find(|item| !seen.insert(*item)) {
        Some(item) => Err(Error::config(format!("{what} {item} is named twice"))),
        None => Ok(()),
    }
}

/// A duration as requests have it that count milliseconds in 64 bits; none is -1.
///
/// # Errors
///
/// It is longer than that.
fn millis(name: &str, time: Option<Duration>) -> Result<i64> {
    let Some(time) = time else { return Ok(-1) };
    let too_long = |_| Error::config(format!("{name}: {time:?} is too long"));
    i64::try_from(time.as_millis()).map_err(too_long)
}

/// What there is of each topic, as most requests put it.
fn by_topic<'a, P>(
    partitions: impl IntoIterator<Item = (&'a TopicPartition, P)>,
) -> BTreeMap<&'a str, Vec<P>> {
    let mut topics = BTreeMap::<_, Vec<P>>::new();
    for (at, partition) in partitions {
        topics.entry(&*at.topic).or_default().push(partition);
    }
    topics
}

/// The partitions of a response, which lists them by topic.
fn each_partition<P>(
    topics: impl IntoIterator<Item = (String, Vec<P>)>,
    index: impl Fn(&P) -> i32 + Copy,
) -> impl Iterator<Item = (TopicPartition, P)> {
    topics.into_iter().flat_map(move |(topic, partitions)| {
        let topic = Arc::<str>::from(topic);
        partitions.into_iter().map(move |it| (TopicPartition::new(topic.clone(), index(&it)), it))
    })
}

/// Partitions of a topic, by their indexes.
fn partitions_of(topic: String, indexes: Vec<i32>) -> impl Iterator<Item = TopicPartition> {
    each_partition([(topic, indexes)], |index| *index).map(|(at, _)| at)
}

/// Setters of an operation, on the plain value and on the call of a client alike.
macro_rules! setters {
    ($operation:ident { $($(#[$meta:meta])* $name:ident: $type:ty => $apply:expr;)* }) => {
        impl $operation {
            $($(#[$meta])* pub fn $name(mut self, value: $type) -> Self {
                let apply: fn(&mut Self, $type) = $apply;
                apply(&mut self, value);
                self
            })*
        }

        impl $crate::admin::Call<$operation> {
            $($(#[$meta])* pub fn $name(mut self, value: $type) -> Self {
                self.operation = self.operation.$name(value);
                self
            })*
        }
    };
}
use setters;

/// An open enum of what the protocol numbers: numbers that this crate does not know survive.
macro_rules! codes {
    ($(#[$meta:meta])* enum $name:ident { $($(#[$vmeta:meta])* $variant:ident = $code:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$vmeta])* $variant,)*
            /// One that this crate does not know, by its number.
            Other(i8),
        }

        impl $name {
            /// By the number that the protocol gives it.
            pub const fn from_code(code: i8) -> Self {
                match code {
                    $($code => Self::$variant,)*
                    _ => Self::Other(code),
                }
            }

            /// The number that the protocol gives it.
            pub const fn code(self) -> i8 {
                match self {
                    $(Self::$variant => $code,)*
                    Self::Other(code) => code,
                }
            }
        }
    };
}
use codes;

/// An open enum of what the protocol says as a text: texts that this crate does not know survive.
macro_rules! names {
    ($(#[$meta:meta])* enum $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$vmeta])* $variant,)*
            /// One that this crate does not know, by its name.
            Other(String),
        }

        impl $name {
            /// By the name that the protocol gives it, in whatever case.
            pub fn from_name(name: &str) -> Self {
                match name {
                    $(_ if name.eq_ignore_ascii_case($text) => Self::$variant,)*
                    _ => Self::Other(name.to_owned()),
                }
            }

            /// The name that the protocol gives it.
            pub fn name(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(name) => name,
                }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}
use names;
