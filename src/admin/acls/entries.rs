//! Access control entries, and what filters them. Knows nothing of operations.

use std::fmt;

use super::{AclOperation, AclPermission, PatternType, Principal, ResourceType};
use crate::cluster::At;
use crate::error::Result;
use crate::protocol::Request;

/// Codes that filters have besides those of the enums.
pub(super) const ANY: i8 = 1;
const MATCH: i8 = 2;

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
    pub(super) fn pattern_code<R: Request>(&self, at: &At) -> Result<i8> {
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
