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

use std::collections::HashSet;
use std::fmt::{self, Display};
use std::hash::Hash;
use std::sync::Arc;

pub use create::{CreateTopics, CreatedTopic, NewTopic};
pub(crate) use create::{create_topics_request, create_topics_results};
pub use delete::DeleteTopics;
pub(crate) use delete::{delete_topics_request, delete_topics_results};
pub use describe::{
    DescribeTopics, ListTopics, PartitionDescription, TopicDescription, TopicListing,
};
pub use partitions::{CreatePartitions, NewPartitions};
pub use records::{DeleteRecords, DeletedRecords, RecordsBefore};

use super::Results;
use crate::error::{Error, Result};
use crate::protocol::ErrorCode;
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

/// What a broker said of one item: an error code with its message, or the value.
type Answer<K, T> = (K, i16, Option<String>, T);

/// A broker refuses all of them if one is named twice, and results are told by name.
fn check_once<T: Eq + Hash + Display>(
    kind: &str,
    items: impl IntoIterator<Item = T>,
) -> Result<()> {
    let mut seen = HashSet::new();
    for item in items {
        let text = item.to_string();
        if !seen.insert(item) {
            return Err(Error::config(format!("{kind} {text} is named twice")));
        }
    }
    Ok(())
}

/// Each name with its answer; an error for those that have none.
fn results<T>(
    what: &str,
    names: impl Iterator<Item = String>,
    mut answers: Vec<Answer<String, T>>,
) -> Results<String, T> {
    let results = names.map(|name| {
        let at = answers.iter().position(|(of, ..)| *of == name);
        let Some((_, code, message, value)) = at.map(|at| answers.swap_remove(at)) else {
            let text = format!("{what} {name}: no answer");
            return (name, Err(Error::broker(ErrorCode::UNKNOWN_SERVER_ERROR, text)));
        };
        let result = ErrorCode(code).check().map(|()| value).map_err(|code| {
            let detail = message.map(|text| format!(" ({text})")).unwrap_or_default();
            Error::broker(code, format!("{what} {name}{detail}"))
        });
        (name, result)
    });
    Results::new(results.collect())
}
