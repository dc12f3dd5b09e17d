//! Access control: who may do what from where (KIP-4, KIP-290). The cluster needs an authorizer;
//! without one these operations fail with `SECURITY_DISABLED`.
//!
//! A principal with an entry that denies may not; else it may if an entry allows. What the
//! authorizer says of a resource without entries is its setting
//! `allow.everyone.if.no.acl.found`.
//!
//! ```no_run
//! # // Compiled only: it needs brokers with an authorizer.
//! # async fn example(client: kafkio::Client) -> kafkio::Result<()> {
//! use kafkio::admin::acls::{AclBinding, AclFilter, AclOperation, ResourcePattern};
//!
//! let orders = ResourcePattern::topic("orders.").prefixed();
//! let read = AclBinding::allow("User:alice", AclOperation::Read, orders.clone());
//! let write = AclBinding::deny("User:bob", AclOperation::Write, orders).from_host("10.0.0.1");
//! client.create_acls([read, write.clone()]).await?.into_result()?;
//!
//! // What applies to one topic, by whatever pattern:
//! let orders_eu = ResourcePattern::topic("orders.eu");
//! for acl in client.describe_acls(AclFilter::applying_to(orders_eu)).await? {
//!     println!("{acl}");
//! }
//! client.delete_acls([write]).await?.into_result()?;
//! # Ok(()) }
//! ```

use std::collections::BTreeSet;
use std::fmt;

use super::sealed::{Context, Run};
use super::{Results, Running, check_once, codes, refused};
use crate::cluster::{Answers, At, Split, Target, split};
use crate::error::{Error, Result};
use crate::protocol::Request;
use crate::protocol::messages::create_acls::{AclCreation, CreateAclsRequest, CreateAclsResponse};
use crate::protocol::messages::delete_acls::{
    DeleteAclsFilter, DeleteAclsMatchingAcl, DeleteAclsRequest, DeleteAclsResponse,
};
use crate::protocol::messages::describe_acls::{DescribeAclsRequest, DescribeAclsResponse};

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

/// Codes that filters have besides those of the enums.
const ANY: i8 = 1;
const MATCH: i8 = 2;

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

/// The resources that an access control entry is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[must_use]
pub struct ResourcePattern {
    /// What kind of thing.
    pub resource: ResourceType,
    /// Its name, or how the names begin.
    pub name: String,
    /// Which of both.
    pub pattern: PatternType,
}

impl ResourcePattern {
    /// The thing of that name; `*` is every one of its kind.
    pub fn new(resource: ResourceType, name: impl Into<String>) -> Self {
        Self { resource, name: name.into(), pattern: PatternType::Literal }
    }

    /// A topic.
    pub fn topic(name: impl Into<String>) -> Self {
        Self::new(ResourceType::Topic, name)
    }

    /// A group.
    pub fn group(name: impl Into<String>) -> Self {
        Self::new(ResourceType::Group, name)
    }

    /// A transactional id.
    pub fn transactional_id(name: impl Into<String>) -> Self {
        Self::new(ResourceType::TransactionalId, name)
    }

    /// The cluster.
    pub fn cluster() -> Self {
        Self::new(ResourceType::Cluster, "kafka-cluster")
    }

    /// All whose names begin with the name. Needs Kafka 2.0.
    pub fn prefixed(mut self) -> Self {
        self.pattern = PatternType::Prefixed;
        self
    }
}

/// `Topic orders`, `Topic orders (Prefixed)`
impl fmt::Display for ResourcePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.resource, self.name)?;
        if self.pattern == PatternType::Literal {
            Ok(())
        } else {
            write!(f, " ({:?})", self.pattern)
        }
    }
}

/// An access control entry: who may, or may not, do what from where on which resources.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[must_use]
pub struct AclBinding {
    /// On which resources.
    pub resource: ResourcePattern,
    /// Who.
    pub principal: Principal,
    /// From which address; `*` is all of them.
    pub host: String,
    /// What.
    pub operation: AclOperation,
    /// Whether it is allowed or denied.
    pub permission: AclPermission,
}

impl AclBinding {
    /// Allows something, from every host.
    pub fn allow(
        principal: impl Into<Principal>,
        operation: AclOperation,
        resource: ResourcePattern,
    ) -> Self {
        let (principal, host) = (principal.into(), "*".to_owned());
        Self { resource, principal, host, operation, permission: AclPermission::Allow }
    }

    /// Denies something, from every host.
    pub fn deny(
        principal: impl Into<Principal>,
        operation: AclOperation,
        resource: ResourcePattern,
    ) -> Self {
        Self { permission: AclPermission::Deny, ..Self::allow(principal, operation, resource) }
    }

    /// Only from this IP address; ranges only where the authorizer knows them.
    pub fn from_host(mut self, host: impl Into<String>) -> Self {
        self.host = host.into();
        self
    }
}

/// `Allow User:alice Read on Topic orders from *`
impl fmt::Display for AclBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resource, principal, host, operation, permission } = self;
        write!(f, "{permission:?} {principal} {operation:?} on {resource} from {host}")
    }
}

/// Which patterns of a name match a filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum PatternFilter {
    /// Those of exactly that name, literal or prefixed.
    #[default]
    Any,
    /// All that apply to the resource of that name: the literal ones, `*`, and the prefixes of the
    /// name. Needs Kafka 2.0.
    Match,
    /// Those of that name and this type.
    Only(PatternType),
}

/// Which access control entries are meant: those that have all that is set. A [`AclBinding`] as a
/// filter matches itself alone; the default matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[must_use]
pub struct AclFilter {
    /// On this kind of thing.
    pub resource: Option<ResourceType>,
    /// On this name.
    pub name: Option<String>,
    /// How the name is meant.
    pub pattern: PatternFilter,
    /// For this principal, literally: `User:*` matches only entries of `User:*`.
    pub principal: Option<Principal>,
    /// From this host, literally.
    pub host: Option<String>,
    /// About this operation.
    pub operation: Option<AclOperation>,
    /// That allow, or that deny.
    pub permission: Option<AclPermission>,
}

impl AclFilter {
    /// Entries on this resource pattern itself.
    pub fn on(resource: ResourcePattern) -> Self {
        Self { pattern: PatternFilter::Only(resource.pattern), ..Self::applying_to(resource) }
    }

    /// Entries that apply to the resource of this name, whatever their pattern. Needs Kafka 2.0.
    pub fn applying_to(resource: ResourcePattern) -> Self {
        Self {
            resource: Some(resource.resource),
            name: Some(resource.name),
            pattern: PatternFilter::Match,
            ..Self::default()
        }
    }

    /// Only those for this principal.
    pub fn principal(mut self, principal: impl Into<Principal>) -> Self {
        self.principal = Some(principal.into());
        self
    }

    /// Only those about this operation.
    pub fn operation(mut self, operation: AclOperation) -> Self {
        self.operation = Some(operation);
        self
    }

    /// How the protocol says the type of the pattern. Brokers before 2.0 have literal ones only.
    fn pattern_code<R: Request>(&self, at: &At) -> Result<i8> {
        match self.pattern {
            PatternFilter::Any if at.version < 1 => Ok(PatternType::Literal.code()),
            PatternFilter::Any => Ok(ANY),
            PatternFilter::Match => {
                at.needs::<R>(1, "PatternFilter::Match")?;
                Ok(MATCH)
            }
            PatternFilter::Only(pattern) => Ok(pattern.code()),
        }
    }
}

impl From<AclBinding> for AclFilter {
    fn from(acl: AclBinding) -> Self {
        Self {
            principal: Some(acl.principal),
            host: Some(acl.host),
            operation: Some(acl.operation),
            permission: Some(acl.permission),
            ..Self::on(acl.resource)
        }
    }
}

/// As a binding, with `any` for what is not set.
impl fmt::Display for AclFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn or_any<T>(value: Option<&T>, text: impl FnOnce(&T) -> String) -> String {
            value.map_or_else(|| "any".to_owned(), text)
        }
        write!(
            f,
            "{} {} {} on {} {} ({:?}) from {}",
            or_any(self.permission.as_ref(), |it| format!("{it:?}")),
            or_any(self.principal.as_ref(), ToString::to_string),
            or_any(self.operation.as_ref(), |it| format!("{it:?}")),
            or_any(self.resource.as_ref(), |it| format!("{it:?}")),
            or_any(self.name.as_ref(), Clone::clone),
            self.pattern,
            or_any(self.host.as_ref(), Clone::clone),
        )
    }
}

/// Adds access control entries: see [`Client::create_acls`](crate::Client::create_acls).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct CreateAcls {
    acls: Vec<AclBinding>,
}

impl CreateAcls {
    /// Adds these entries.
    pub fn new(acls: impl IntoIterator<Item = AclBinding>) -> Self {
        Self { acls: acls.into_iter().collect() }
    }
}

impl Run for CreateAcls {
    type Output = Results<AclBinding, ()>;

    fn check(&self) -> Result<()> {
        for acl in &self.acls {
            if acl.resource.name.is_empty() || acl.principal.name.is_empty() || acl.host.is_empty()
            {
                let text = format!("{acl}: resource, principal and host of an ACL have names");
                return Err(Error::config(text));
            }
        }
        check_once("ACL", &self.acls)
    }

    fn run(self, Context { cluster, deadline }: Context) -> Running<Self::Output> {
        Box::pin(
            async move { split(&cluster, deadline, &Create, self.acls).await.map(Results::new) },
        )
    }
}

struct Create;

impl Split for Create {
    type Item = AclBinding;
    type Key = AclBinding;
    type Request = CreateAclsRequest;
    type Value = ();
    const WHAT: &'static str = "create ACL";

    fn key(&self, item: &AclBinding) -> AclBinding {
        item.clone()
    }

    fn target(&self, _: &AclBinding) -> Target {
        Target::Any
    }

    fn request(&self, items: &[AclBinding], _: &At) -> Result<CreateAclsRequest> {
        let creation = |acl: &AclBinding| AclCreation {
            resource_type: acl.resource.resource.code(),
            resource_name: acl.resource.name.clone(),
            resource_pattern_type: acl.resource.pattern.code(),
            principal: acl.principal.to_string(),
            host: acl.host.clone(),
            operation: acl.operation.code(),
            permission_type: acl.permission.code(),
            ..Default::default()
        };
        let creations = items.iter().map(creation).collect();
        Ok(CreateAclsRequest { creations, ..Default::default() })
    }

    fn answers(
        &self,
        items: &[AclBinding],
        response: CreateAclsResponse,
        answers: &mut Answers<AclBinding, ()>,
    ) {
        for (acl, result) in items.iter().zip(response.results) {
            answers.insert(acl.clone(), result.error_code, result.error_message, ());
        }
    }
}

/// Lists access control entries: see [`Client::describe_acls`](crate::Client::describe_acls).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct DescribeAcls {
    filter: AclFilter,
}

impl DescribeAcls {
    /// Lists those that match.
    pub fn new(filter: impl Into<AclFilter>) -> Self {
        Self { filter: filter.into() }
    }
}

impl Run for DescribeAcls {
    type Output = Vec<AclBinding>;

    fn run(self, Context { cluster, deadline }: Context) -> Running<Self::Output> {
        Box::pin(async move {
            let filter = &self.filter;
            let request = |at: &At| {
                Ok(DescribeAclsRequest {
                    resource_type_filter: filter.resource.map_or(ANY, ResourceType::code),
                    resource_name_filter: filter.name.clone(),
                    pattern_type_filter: filter.pattern_code::<DescribeAclsRequest>(at)?,
                    principal_filter: filter.principal.as_ref().map(ToString::to_string),
                    host_filter: filter.host.clone(),
                    operation: filter.operation.map_or(ANY, AclOperation::code),
                    permission_type: filter.permission.map_or(ANY, AclPermission::code),
                    ..Default::default()
                })
            };
            cluster.ask(&Target::Any, deadline, "describe ACLs", request, described).await
        })
    }
}

fn described(response: DescribeAclsResponse) -> Result<Vec<AclBinding>> {
    refused(response.error_code, response.error_message)?;
    let mut acls = Vec::new();
    for it in response.resources {
        let resource = pattern(it.resource_type, it.resource_name, it.pattern_type);
        acls.extend(it.acls.into_iter().map(|acl| AclBinding {
            resource: resource.clone(),
            principal: acl.principal.into(),
            host: acl.host,
            operation: AclOperation::from_code(acl.operation),
            permission: AclPermission::from_code(acl.permission_type),
        }));
    }
    Ok(acls)
}

/// Removes access control entries: see [`Client::delete_acls`](crate::Client::delete_acls).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct DeleteAcls {
    filters: Vec<AclFilter>,
}

impl DeleteAcls {
    /// Removes those that match one of these.
    pub fn new<F: Into<AclFilter>>(filters: impl IntoIterator<Item = F>) -> Self {
        Self { filters: filters.into_iter().map(Into::into).collect() }
    }
}

impl Run for DeleteAcls {
    /// For each filter the entries that matched it, each with whether it is gone.
    type Output = Results<AclFilter, Results<AclBinding, ()>>;

    fn check(&self) -> Result<()> {
        check_once("ACL filter", &self.filters)
    }

    fn run(self, Context { cluster, deadline }: Context) -> Running<Self::Output> {
        Box::pin(
            async move { split(&cluster, deadline, &Delete, self.filters).await.map(Results::new) },
        )
    }
}

struct Delete;

impl Split for Delete {
    type Item = AclFilter;
    type Key = AclFilter;
    type Request = DeleteAclsRequest;
    type Value = Results<AclBinding, ()>;
    const WHAT: &'static str = "delete ACLs";

    fn key(&self, item: &AclFilter) -> AclFilter {
        item.clone()
    }

    fn target(&self, _: &AclFilter) -> Target {
        Target::Any
    }

    fn request(&self, items: &[AclFilter], at: &At) -> Result<DeleteAclsRequest> {
        let filter = |filter: &AclFilter| {
            Ok(DeleteAclsFilter {
                resource_type_filter: filter.resource.map_or(ANY, ResourceType::code),
                resource_name_filter: filter.name.clone(),
                pattern_type_filter: filter.pattern_code::<DeleteAclsRequest>(at)?,
                principal_filter: filter.principal.as_ref().map(ToString::to_string),
                host_filter: filter.host.clone(),
                operation: filter.operation.map_or(ANY, AclOperation::code),
                permission_type: filter.permission.map_or(ANY, AclPermission::code),
                ..Default::default()
            })
        };
        let filters = items.iter().map(filter).collect::<Result<_>>()?;
        Ok(DeleteAclsRequest { filters, ..Default::default() })
    }

    fn answers(
        &self,
        items: &[AclFilter],
        response: DeleteAclsResponse,
        answers: &mut Answers<AclFilter, Results<AclBinding, ()>>,
    ) {
        for (filter, result) in items.iter().zip(response.filter_results) {
            let deleted = Results::new(result.matching_acls.into_iter().map(deleted).collect());
            answers.insert(filter.clone(), result.error_code, result.error_message, deleted);
        }
    }
}

fn deleted(acl: DeleteAclsMatchingAcl) -> (AclBinding, Result<()>) {
    let binding = AclBinding {
        resource: pattern(acl.resource_type, acl.resource_name, acl.pattern_type),
        principal: acl.principal.into(),
        host: acl.host,
        operation: AclOperation::from_code(acl.operation),
        permission: AclPermission::from_code(acl.permission_type),
    };
    let result = refused(acl.error_code, acl.error_message);
    let result = result.map_err(|error| error.context(format!("delete ACL {binding}")));
    (binding, result)
}

fn pattern(resource: i8, name: String, pattern: i8) -> ResourcePattern {
    ResourcePattern {
        resource: ResourceType::from_code(resource),
        name,
        pattern: PatternType::from_code(pattern),
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
