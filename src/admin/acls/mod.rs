//! Access control: who may do what from where (KIP-4, KIP-290). The cluster needs an authorizer;
//! without one these operations fail with `SECURITY_DISABLED`.
//!
//! A principal with an entry that denies may not; else it may if an entry allows. What the
//! authorizer says of a resource without entries is its setting
//! `allow.everyone.if.no.acl.found`.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> kafkio::Result<()> {
//! # let cluster = kafkio::testing::FakeCluster::builder().authorizer(true).start().await.unwrap();
//! # let client = cluster.client().connect().await?;
//! use kafkio::admin::acls::{AclBinding, AclFilter, AclOperation, ResourcePattern};
//!
//! let orders = ResourcePattern::topic("orders.").prefixed();
//! let read = AclBinding::allow("User:alice", AclOperation::Read, orders.clone());
//! let write = AclBinding::deny("User:bob", AclOperation::Write, orders).from_host("10.0.0.1");
//! client.create_acls([read, write.clone()]).await?.into_result()?;
//!
//! // What applies to one topic, by whatever pattern:
//! let orders_eu = ResourcePattern::topic("orders.eu");
//! let acls = client.describe_acls(AclFilter::applying_to(orders_eu)).await?;
//! assert_eq!(acls.len(), 2);
//! client.delete_acls([write]).await?.into_result()?;
//! # Ok(()) }
//! ```

mod entries;
mod operations;

use std::collections::BTreeSet;
use std::fmt;

pub use entries::{AclBinding, AclFilter, PatternFilter, ResourcePattern};
pub use operations::{CreateAcls, DeleteAcls, DescribeAcls};

use super::codes;

codes! {
    /// What an access control entry allows or denies.
    enum AclOperation {
        /// Everything.
        All = 2,
        /// Fetch from a topic, or use a group.
        Read = 3,
        /// Produce to a topic, or use a transactional id.
        Write = 4,
        /// Create topics.
        Create = 5,
        /// Delete topics, records or groups.
        Delete = 6,
        /// Change topics, ACLs or credentials.
        Alter = 7,
        /// See that it is there. Allowing to read, write, delete or alter allows this too.
        Describe = 8,
        /// What brokers do among themselves.
        ClusterAction = 9,
        /// See settings. Allowing to alter them allows this too.
        DescribeConfigs = 10,
        /// Change settings.
        AlterConfigs = 11,
        /// Write idempotently, without a right to write to a topic.
        IdempotentWrite = 12,
        /// Create delegation tokens for another user.
        CreateTokens = 13,
        /// Describe the delegation tokens of another user.
        DescribeTokens = 14,
        /// Take part in two-phase commits (KIP-939).
        TwoPhaseCommit = 15,
    }
}

codes! {
    /// What kind of thing an access control entry is about.
    enum ResourceType {
        /// A topic.
        Topic = 2,
        /// A group of any kind.
        Group = 3,
        /// The cluster, whose name is `kafka-cluster`.
        Cluster = 4,
        /// A transactional id. Needs Kafka 0.11.
        TransactionalId = 5,
        /// A delegation token, by its id. Needs Kafka 1.1.
        DelegationToken = 6,
        /// A user, by its principal, such as `User:alice`. Needs Kafka 3.3.
        User = 7,
    }
}

codes! {
    /// Which resources a name stands for.
    enum PatternType {
        /// The one of that name; `*` is all of them.
        Literal = 3,
        /// Those whose names begin so. Needs Kafka 2.0.
        Prefixed = 4,
    }
}

codes! {
    /// What an access control entry does. Denying goes before allowing.
    enum AclPermission {
        /// Forbids.
        Deny = 2,
        /// Permits.
        Allow = 3,
    }
}

/// The operations that a response says the principal may do, one bit each; the lowest number means
/// that the response does not say.
pub(crate) fn authorized_operations(bits: i32) -> Option<BTreeSet<AclOperation>> {
    let has = |code: &i8| bits & (1 << code) != 0;
    (bits != i32::MIN).then(|| (0..31).filter(has).map(AclOperation::from_code).collect())
}

/// Who: a kind, nearly always `User`, and a name. Made of a text such as `User:alice`, or of a bare
/// user name that has no colon; `User:*` is everybody in an access control entry.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Principal {
    /// The kind, such as `User`.
    pub kind: String,
    /// The name, such as `alice`.
    pub name: String,
}

impl Principal {
    /// Of any kind.
    pub fn new(kind: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind: kind.into(), name: name.into() }
    }

    /// A user.
    pub fn user(name: impl Into<String>) -> Self {
        Self::new("User", name)
    }
}

impl From<&str> for Principal {
    fn from(text: &str) -> Self {
        text.split_once(':').map_or_else(|| Self::user(text), |(kind, name)| Self::new(kind, name))
    }
}

impl From<String> for Principal {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.name)
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_operations() {
        assert_eq!(authorized_operations(i32::MIN), None);
        assert_eq!(authorized_operations(0), Some(BTreeSet::new()));
        let some = [AclOperation::Read, AclOperation::TwoPhaseCommit, AclOperation::Other(20)];
        let bits = (1 << 3) | (1 << 15) | (1 << 20);
        assert_eq!(authorized_operations(bits), Some(BTreeSet::from(some)));
    }

    #[test]
    fn principals_are_texts() {
        assert_eq!(Principal::from("alice"), Principal::user("alice"));
        assert_eq!(Principal::from("User:a:b"), Principal::user("a:b"));
        assert_eq!(Principal::new("Group", "x").to_string(), "Group:x");
    }

    #[test]
    fn a_filter_says_what_it_takes() {
        let acl = AclBinding::allow("alice", AclOperation::Read, ResourcePattern::topic("t"));
        assert_eq!(acl.to_string(), "Allow User:alice Read on Topic t from *");
        let exact = AclFilter::from(acl).to_string();
        assert_eq!(exact, "Allow User:alice Read on Topic t (Only(Literal)) from *");
        let all = AclFilter::default().to_string();
        assert_eq!(all, "any any any on any any (Any) from any");
    }
}
