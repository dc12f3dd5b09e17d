//! Topics: creates, lists, describes and deletes them, gives them more partitions, and deletes
//! their oldest records.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> kafkio::Result<()> {
//! # let cluster = kafkio::testing::FakeCluster::start().await.unwrap();
//! # let client = cluster.client().connect().await?;
//! use kafkio::admin::topics::NewTopic;
//!
//! let orders = NewTopic::new("orders").partitions(3).config("retention.ms", "86400000");
//! let created = client.create_topics([orders, NewTopic::new("no/slashes")]).await?;
//! assert!(created.get("orders").unwrap().is_ok());
//! assert!(created.get("no/slashes").unwrap().is_err(), "each topic has a result of its own");
//!
//! assert_eq!(client.list_topics().await?.len(), 1);
//! client.delete_topics(["orders"]).await?.into_result()?;
//! # Ok(()) }
//! ```

mod create;
mod delete;
mod describe;
mod partitions;
mod records;

use std::fmt::{self, Display};
use std::sync::Arc;

pub(crate) use create::create_topics_request;
pub use create::{CreateTopics, CreatedTopic, NewTopic};
pub use delete::DeleteTopics;
pub(crate) use delete::delete_topics_request;
pub use describe::{
    DescribeTopics, ListTopics, PartitionDescription, TopicDescription, TopicListing,
};
pub use partitions::{CreatePartitions, NewPartitions};
pub use records::{DeleteRecords, DeletedRecords, RecordsBefore};

use super::Results;
use crate::cluster::{Answers, Split};
use crate::protocol::{ErrorCode, Request};
use crate::wire::Uuid;

/// Which topic: by its name, or by its id (KIP-516), which no later topic of that name has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TopicRef {
    /// The topic that has this name now.
    Name(String),
    /// The topic of this id, if it is still there.
    Id(Uuid),
}

impl Display for TopicRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Id(id) => write!(f, "{id}"),
        }
    }
}

impl From<Uuid> for TopicRef {
    fn from(id: Uuid) -> Self {
        Self::Id(id)
    }
}

impl From<String> for TopicRef {
    fn from(name: String) -> Self {
        Self::Name(name)
    }
}

impl From<&String> for TopicRef {
    fn from(name: &String) -> Self {
        Self::Name(name.clone())
    }
}

impl From<&str> for TopicRef {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<Arc<str>> for TopicRef {
    fn from(name: Arc<str>) -> Self {
        Self::Name(name.as_ref().to_owned())
    }
}

/// What an operation that changes topics or partitions says of the code of a quota.
fn again_on_quota(retry: bool, code: ErrorCode) -> Option<bool> {
    (code == ErrorCode::THROTTLING_QUOTA_EXCEEDED && !retry).then_some(false)
}

/// The results of an attempt that is the only one.
pub(crate) fn results<S: Split>(
    operation: &S,
    what: &str,
    items: &[S::Item],
    response: <S::Request as Request>::Response,
) -> Results<S::Key, S::Value> {
    // Who answered, and in which version, means nothing for topics.
    let mut answers = Answers::new(-1, -1);
    operation.answers(items, response, &mut answers);
    let keys = items.iter().map(|item| operation.key(item));
    let results = keys.map(|key| {
        let result = answers.take(&key, &format!("{what} {key}"));
        (key, result)
    });
    Results::new(results.collect())
}
