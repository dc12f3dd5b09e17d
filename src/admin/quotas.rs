//! Client quotas: how much the requests of a user, a client or an address may cost before brokers
//! slow them down (KIP-546). Needs Kafka 2.6.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> kafkio::Result<()> {
//! # let cluster = kafkio::testing::FakeCluster::start().await.unwrap();
//! # let client = cluster.client().connect().await?;
//! use kafkio::admin::quotas::{PRODUCER_BYTE_RATE, QuotaAlteration, QuotaEntity, QuotaFilter};
//!
//! let entity = QuotaEntity::default().user("alice").client_id("billing");
//! let slow = QuotaAlteration::new(entity.clone()).set(PRODUCER_BYTE_RATE, 1_000_000.0);
//! client.alter_client_quotas([slow]).await?.into_result()?;
//!
//! let quotas = client.describe_client_quotas(QuotaFilter::only(&entity)).await?;
//! assert_eq!(quotas[&entity][PRODUCER_BYTE_RATE], 1_000_000.0);
//! # Ok(()) }
//! ```

use std::collections::BTreeMap;
use std::fmt;

use super::sealed::{Context, Run};
use super::{Results, Running, check_once, setters};
use crate::cluster::{Answers, At, Split, Target, check_response, split};
use crate::error::{Error, Result};
use crate::protocol::messages::alter_client_quotas::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, EntityData, EntryData, OpData,
};
use crate::protocol::messages::describe_client_quotas::{
    ComponentData, DescribeClientQuotasRequest, DescribeClientQuotasResponse,
};

/// The kind of component that is the principal's name.
pub const USER: &str = "user";
/// The kind of component that is the `client.id`.
pub const CLIENT_ID: &str = "client-id";
/// The kind of component that is an IP address. Needs Kafka 2.7 (KIP-612).
pub const IP: &str = "ip";

/// The quota of bytes per second and broker that producers may send.
pub const PRODUCER_BYTE_RATE: &str = "producer_byte_rate";
/// The quota of bytes per second and broker that consumers may fetch.
pub const CONSUMER_BYTE_RATE: &str = "consumer_byte_rate";
/// The quota of time of a broker's threads, in percent of one thread.
pub const REQUEST_PERCENTAGE: &str = "request_percentage";
/// The quota of partitions per second that may be created or deleted. Needs Kafka 2.7 (KIP-599).
pub const CONTROLLER_MUTATION_RATE: &str = "controller_mutation_rate";
/// The quota of connections per second from an [`IP`]. Needs Kafka 2.7 (KIP-612).
pub const CONNECTION_CREATION_RATE: &str = "connection_creation_rate";

/// Whom a quota is for: a user, a client id, a user with a client id, or an IP address; each a name
/// or the default of those that have no quota by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[must_use]
pub struct QuotaEntity(BTreeMap<String, Option<String>>);

impl QuotaEntity {
    /// That user.
    pub fn user(self, name: impl Into<String>) -> Self {
        self.component(USER, Some(name.into()))
    }

    /// The users without a quota of their own.
    pub fn default_user(self) -> Self {
        self.component(USER, None)
    }

    /// Clients with that id.
    pub fn client_id(self, id: impl Into<String>) -> Self {
        self.component(CLIENT_ID, Some(id.into()))
    }

    /// Clients whose id has no quota of its own.
    pub fn default_client_id(self) -> Self {
        self.component(CLIENT_ID, None)
    }

    /// That address.
    pub fn ip(self, address: impl Into<String>) -> Self {
        self.component(IP, Some(address.into()))
    }

    /// The addresses without a quota of their own.
    pub fn default_ip(self) -> Self {
        self.component(IP, None)
    }

    /// A component of any kind; no name is the default.
    pub fn component(mut self, kind: impl Into<String>, name: Option<String>) -> Self {
        self.0.insert(kind.into(), name);
        self
    }

    /// The components by kind; no name is the default.
    pub fn components(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(kind, name)| (kind.as_str(), name.as_deref()))
    }

    fn to_wire(&self) -> Vec<EntityData> {
        let component = |(kind, name): (&str, Option<&str>)| EntityData {
            entity_type: kind.to_owned(),
            entity_name: name.map(str::to_owned),
            ..Default::default()
        };
        self.components().map(component).collect()
    }

    fn from_wire(components: Vec<EntityData>) -> Self {
        Self(components.into_iter().map(|it| (it.entity_type, it.entity_name)).collect())
    }
}

/// `client-id billing, user <default>`
impl fmt::Display for QuotaEntity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (kind, name)) in self.components().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{kind} {}", name.unwrap_or("<default>"))?;
        }
        Ok(())
    }
}

/// What a component of an entity is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QuotaMatch {
    /// That name.
    Name(String),
    /// The default.
    Default,
    /// Any name, or the default.
    Any,
}

/// Which quotas are asked for: those of entities that have all these components. The default is all
/// quotas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct QuotaFilter {
    components: BTreeMap<String, QuotaMatch>,
    strict: bool,
}

impl QuotaFilter {
    /// That entity alone.
    pub fn only(entity: &QuotaEntity) -> Self {
        let component = |(kind, name): (&str, Option<&str>)| {
            let name = name.map(|name| QuotaMatch::Name(name.to_owned()));
            (kind.to_owned(), name.unwrap_or(QuotaMatch::Default))
        };
        Self { components: entity.components().map(component).collect(), strict: true }
    }

    /// Those with that component: [`USER`], [`CLIENT_ID`] or [`IP`].
    pub fn component(mut self, kind: impl Into<String>, value: QuotaMatch) -> Self {
        self.components.insert(kind.into(), value);
        self
    }

    /// Those without further components. Default: also those with others.
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }
}

/// Lists quotas: see [`Client::describe_client_quotas`](crate::Client::describe_client_quotas).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct DescribeClientQuotas {
    filter: QuotaFilter,
}

impl DescribeClientQuotas {
    /// Lists those that match.
    pub fn new(filter: QuotaFilter) -> Self {
        Self { filter }
    }
}

impl Run for DescribeClientQuotas {
    /// The quotas of each entity, by name.
    type Output = BTreeMap<QuotaEntity, BTreeMap<String, f64>>;

    #[inline]
    fn run(self, Context { cluster, deadline }: Context) -> Running<Self::Output> {
        Box::pin(async move {
            let component = |(kind, value): (&String, &QuotaMatch)| {
                let (match_type, name) = match value {
                    QuotaMatch::Name(name) => (0, Some(name.clone())),
                    QuotaMatch::Default => (1, None),
                    QuotaMatch::Any => (2, None),
                };
                let entity_type = kind.clone();
                ComponentData { entity_type, match_type, r#match: name, ..Default::default() }
            };
            let request = |_: &At| {
                Ok(DescribeClientQuotasRequest {
                    components: self.filter.components.iter().map(component).collect(),
                    strict: self.filter.strict,
                    ..Default::default()
                })
            };
            let read = |response: DescribeClientQuotasResponse| {
                check_response(response.error_code, response.error_message)?;
                let entries = response.entries.unwrap_or_default().into_iter().map(|entry| {
                    let values = entry.values.into_iter().map(|it| (it.key, it.value)).collect();
                    (QuotaEntity::from_wire(entry.entity), values)
                });
                Ok(entries.collect())
            };
            cluster.ask(&Target::Any, deadline, "describe client quotas", request, read).await
        })
    }
}

/// What to change of the quotas of an entity; other quotas of it stay.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "quotas are changed by `Client::alter_client_quotas`"]
pub struct QuotaAlteration {
    entity: QuotaEntity,
    quotas: BTreeMap<String, Option<f64>>,
}

impl QuotaAlteration {
    /// Changes nothing yet.
    pub fn new(entity: QuotaEntity) -> Self {
        Self { entity, quotas: BTreeMap::new() }
    }

    /// Sets a quota, such as [`PRODUCER_BYTE_RATE`].
    pub fn set(mut self, quota: impl Into<String>, value: f64) -> Self {
        self.quotas.insert(quota.into(), Some(value));
        self
    }

    /// Removes a quota.
    pub fn remove(mut self, quota: impl Into<String>) -> Self {
        self.quotas.insert(quota.into(), None);
        self
    }
}

/// Sets and removes quotas: see
/// [`Client::alter_client_quotas`](crate::Client::alter_client_quotas).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct AlterClientQuotas {
    alterations: Vec<QuotaAlteration>,
    validate_only: bool,
}

impl AlterClientQuotas {
    /// Changes the quotas of these entities.
    pub fn new(alterations: impl IntoIterator<Item = QuotaAlteration>) -> Self {
        let alterations = alterations.into_iter().collect();
        Self { alterations, validate_only: false }
    }
}

setters!(AlterClientQuotas {
    /// Only asks whether the quotas could be changed. Default: no.
    validate_only: bool => |this, value| this.validate_only = value;
});

impl Run for AlterClientQuotas {
    type Output = Results<QuotaEntity, ()>;

    fn check(&self) -> Result<()> {
        if self.alterations.iter().any(|it| it.entity.0.is_empty()) {
            return Err(Error::config("a quota entity has no component"));
        }
        check_once("quota entity", self.alterations.iter().map(|it| &it.entity))
    }

    #[inline]
    fn run(self, Context { cluster, deadline }: Context) -> Running<Self::Output> {
        Box::pin(async move {
            let alter = Alter { validate_only: self.validate_only };
            split(&cluster, deadline, &alter, self.alterations).await.map(Results::new)
        })
    }
}

struct Alter {
    validate_only: bool,
}

impl Split for Alter {
    type Item = QuotaAlteration;
    type Key = QuotaEntity;
    type Request = AlterClientQuotasRequest;
    type Value = ();
    const WHAT: &'static str = "alter quotas of";

    fn key(&self, item: &QuotaAlteration) -> QuotaEntity {
        item.entity.clone()
    }

    fn target(&self, _: &QuotaAlteration) -> Target {
        Target::Any
    }

    #[inline]
    fn request(&self, items: &[QuotaAlteration], _: &At) -> Result<AlterClientQuotasRequest> {
        let op = |(key, value): (&String, &Option<f64>)| OpData {
            key: key.clone(),
            value: value.unwrap_or_default(),
            remove: value.is_none(),
            ..Default::default()
        };
        let entry = |item: &QuotaAlteration| EntryData {
            entity: item.entity.to_wire(),
            ops: item.quotas.iter().map(op).collect(),
            ..Default::default()
        };
        Ok(AlterClientQuotasRequest {
            entries: items.iter().map(entry).collect(),
            validate_only: self.validate_only,
            ..Default::default()
        })
    }

    #[inline]
    fn answers(
        &self,
        _: &[QuotaAlteration],
        response: AlterClientQuotasResponse,
        answers: &mut Answers<QuotaEntity, ()>,
    ) {
        for entry in response.entries {
            let entity = QuotaEntity::from_wire(entry.entity);
            answers.insert(entity, entry.error_code, entry.error_message, ());
        }
    }
}
