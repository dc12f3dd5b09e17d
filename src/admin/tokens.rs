//! Delegation tokens: a principal lets others act for it for a while, without its password (KIP-48).
//! Needs Kafka 1.1, with `KRaft` 3.6, brokers with a `delegation.token.secret.key`, and a connection that is
//! authenticated by SASL, not by a token itself, or by TLS: else these operations fail with
//! `DELEGATION_TOKEN_AUTH_DISABLED` or `DELEGATION_TOKEN_REQUEST_NOT_ALLOWED`.
//!
//! ```no_run
//! # // Compiled only: it needs an authenticated connection.
//! # async fn example(client: kafkio::Client) -> kafkio::Result<()> {
//! use std::time::Duration;
//! use kafkio::admin::tokens::Principal;
//!
//! let day = Duration::from_secs(24 * 60 * 60);
//! let cron = Principal::user("cron");
//! let token = client.create_delegation_token().renewer(cron).max_lifetime(day).await?;
//! println!("{} may be used until {:?}", token.id, token.expires_at.to_system_time());
//!
//! client.renew_delegation_token(&token).await?;
//! let mine = client.describe_delegation_tokens([Principal::user("alice")]).await?;
//! client.expire_delegation_token(&token).await?;
//! # Ok(()) }
//! ```

use std::time::Duration;

use super::sealed::{Context, Run};
use super::{Running, millis, setters};
use crate::cluster::{At, Target, check_response};
use crate::error::{Error, Result};
use crate::protocol::messages::create_delegation_token::{
    CreatableRenewers, CreateDelegationTokenRequest, CreateDelegationTokenResponse,
};
use crate::protocol::messages::describe_delegation_token::{
    DescribeDelegationTokenOwner, DescribeDelegationTokenRequest, DescribeDelegationTokenResponse,
    DescribedDelegationToken,
};
use crate::protocol::messages::expire_delegation_token::{
    ExpireDelegationTokenRequest, ExpireDelegationTokenResponse,
};
use crate::protocol::messages::renew_delegation_token::{
    RenewDelegationTokenRequest, RenewDelegationTokenResponse,
};
use crate::types::Timestamp;
use crate::wire::Secret;

pub use super::acls::Principal;

/// A token. Its id is the user name and its `hmac`, in base64, the password with which a client
/// logs in by SCRAM.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DelegationToken {
    /// Names the token.
    pub id: String,
    /// Proves the token; whoever has it may use, renew and expire it. Not printed.
    pub hmac: Secret,
    /// For whom the token acts.
    pub owner: Principal,
    /// Who created it, from Kafka 3.3 on.
    pub requester: Option<Principal>,
    /// Who may renew it besides the owner.
    pub renewers: Vec<Principal>,
    /// When it was created.
    pub issued_at: Timestamp,
    /// When it ends, unless it is renewed.
    pub expires_at: Timestamp,
    /// When it ends for good.
    pub max_expires_at: Timestamp,
}

impl From<&DelegationToken> for Secret {
    fn from(token: &DelegationToken) -> Self {
        token.hmac.clone()
    }
}

/// No kind: a broker that does not say.
fn requester(kind: String, name: String) -> Option<Principal> {
    Some(Principal::new(kind, name)).filter(|principal| !principal.kind.is_empty())
}

/// Zero would be the broker's default, or an end at once, as the broker keeps its metadata.
fn check_time(name: &str, time: Option<Duration>) -> Result<()> {
    match time {
        Some(Duration::ZERO) => Err(Error::config(format!("{name}: must be more than zero"))),
        time => millis(name, time).map(|_| ()),
    }
}

/// Creates a token: see
/// [`Client::create_delegation_token`](crate::Client::create_delegation_token).
#[derive(Clone, Debug, Default)]
#[must_use = "an operation does nothing until it is run"]
pub struct CreateDelegationToken {
    owner: Option<Principal>,
    renewers: Vec<Principal>,
    max_lifetime: Option<Duration>,
}

impl CreateDelegationToken {
    /// Creates a token for the principal of the connection.
    pub fn new() -> Self {
        Self::default()
    }
}

setters!(CreateDelegationToken {
    /// Creates it for another principal, which needs the right to `CreateTokens` of that user.
    /// Needs Kafka 3.3 (KIP-373).
    owner: Principal => |this, value| this.owner = Some(value);
    /// One more principal that may renew it.
    renewer: Principal => |this, value| this.renewers.push(value);
    /// How long it lives at most, more than zero. Default, and limit: the brokers' `delegation.token.max.lifetime.ms`.
    max_lifetime: Duration => |this, value| this.max_lifetime = Some(value);
});

impl Run for CreateDelegationToken {
    type Output = DelegationToken;

    fn check(&self) -> Result<()> {
        check_time("max_lifetime", self.max_lifetime)?;
        check_principals("renewer", &self.renewers)?;
        check_principals("owner", &self.owner)
    }

    #[inline]
    fn run(self, Context { cluster, deadline }: Context) -> Running<Self::Output> {
        Box::pin(async move {
            let renewer = |it: &Principal| CreatableRenewers {
                principal_type: it.kind.clone(),
                principal_name: it.name.clone(),
                ..Default::default()
            };
            let request = |_: &At| {
                Ok(CreateDelegationTokenRequest {
                    owner_principal_type: self.owner.as_ref().map(|owner| owner.kind.clone()),
                    owner_principal_name: self.owner.as_ref().map(|owner| owner.name.clone()),
                    renewers: self.renewers.iter().map(renewer).collect(),
                    max_lifetime_ms: millis("max_lifetime", self.max_lifetime)?,
                    ..Default::default()
                })
            };
            let read = |it: CreateDelegationTokenResponse| {
                check_response(it.error_code, None)?;
                Ok(DelegationToken {
                    id: it.token_id,
                    hmac: it.hmac,
                    owner: Principal::new(it.principal_type, it.principal_name),
                    requester: requester(
                        it.token_requester_principal_type,
                        it.token_requester_principal_name,
                    ),
                    renewers: self.renewers.clone(),
                    issued_at: Timestamp::from_millis(it.issue_timestamp_ms),
                    expires_at: Timestamp::from_millis(it.expiry_timestamp_ms),
                    max_expires_at: Timestamp::from_millis(it.max_timestamp_ms),
                })
            };
            cluster.ask(&Target::Any, deadline, "create delegation token", request, read).await
        })
    }
}

fn check_principals<'a>(
    what: &str,
    principals: impl IntoIterator<Item = &'a Principal>,
) -> Result<()> {
    if principals.into_iter().any(|it| it.kind.is_empty() || it.name.is_empty()) {
        return Err(Error::config(format!("{what}: a principal has an empty kind or name")));
    }
    Ok(())
}

/// Lets a token live longer: see
/// [`Client::renew_delegation_token`](crate::Client::renew_delegation_token).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct RenewDelegationToken {
    hmac: Secret,
    period: Option<Duration>,
}

impl RenewDelegationToken {
    /// Renews the token with this `hmac`.
    pub fn new(hmac: impl Into<Secret>) -> Self {
        Self { hmac: hmac.into(), period: None }
    }
}

setters!(RenewDelegationToken {
    /// For how long from now, more than zero. Default: the brokers' `delegation.token.expiry.time.ms`.
    period: Duration => |this, value| this.period = Some(value);
});

impl Run for RenewDelegationToken {
    /// When it ends now.
    type Output = Timestamp;

    fn check(&self) -> Result<()> {
        check_time("period", self.period)
    }

    #[inline]
    fn run(self, Context { cluster, deadline }: Context) -> Running<Self::Output> {
        Box::pin(async move {
            let request = |_: &At| {
                Ok(RenewDelegationTokenRequest {
                    hmac: self.hmac.clone(),
                    renew_period_ms: millis("period", self.period)?,
                    ..Default::default()
                })
            };
            let read = |it: RenewDelegationTokenResponse| {
                check_response(it.error_code, None)
                    .map(|()| Timestamp::from_millis(it.expiry_timestamp_ms))
            };
            cluster.ask(&Target::Any, deadline, "renew delegation token", request, read).await
        })
    }
}

/// Ends a token: see [`Client::expire_delegation_token`](crate::Client::expire_delegation_token).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct ExpireDelegationToken {
    hmac: Secret,
    period: Option<Duration>,
}

impl ExpireDelegationToken {
    /// Ends the token with this `hmac`.
    pub fn new(hmac: impl Into<Secret>) -> Self {
        Self { hmac: hmac.into(), period: None }
    }
}

setters!(ExpireDelegationToken {
    /// In how long from now. Default: at once.
    period: Duration => |this, value| this.period = Some(value);
});

impl Run for ExpireDelegationToken {
    /// When it ends now.
    type Output = Timestamp;

    fn check(&self) -> Result<()> {
        millis("period", self.period).map(|_| ())
    }

    #[inline]
    fn run(self, Context { cluster, deadline }: Context) -> Running<Self::Output> {
        Box::pin(async move {
            let period = self.period.filter(|time| !time.is_zero());
            let request = |_: &At| {
                Ok(ExpireDelegationTokenRequest {
                    hmac: self.hmac.clone(),
                    expiry_time_period_ms: millis("period", period)?,
                    ..Default::default()
                })
            };
            let read = |it: ExpireDelegationTokenResponse| {
                check_response(it.error_code, None)
                    .map(|()| Timestamp::from_millis(it.expiry_timestamp_ms))
            };
            cluster.ask(&Target::Any, deadline, "expire delegation token", request, read).await
        })
    }
}

/// Lists tokens: see
/// [`Client::describe_delegation_tokens`](crate::Client::describe_delegation_tokens).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct DescribeDelegationTokens {
    owners: Option<Vec<Principal>>,
}

impl DescribeDelegationTokens {
    /// Lists those of these owners.
    pub fn new<P: Into<Principal>>(owners: impl IntoIterator<Item = P>) -> Self {
        Self { owners: Some(owners.into_iter().map(Into::into).collect()) }
    }

    /// Lists all that the principal of the connection owns, may renew or may describe.
    pub fn all() -> Self {
        Self { owners: None }
    }
}

impl Run for DescribeDelegationTokens {
    type Output = Vec<DelegationToken>;

    fn check(&self) -> Result<()> {
        check_principals("owner", self.owners.iter().flatten())
    }

    #[inline]
    fn run(self, Context { cluster, deadline }: Context) -> Running<Self::Output> {
        Box::pin(async move {
            let owner = |it: &Principal| DescribeDelegationTokenOwner {
                principal_type: it.kind.clone(),
                principal_name: it.name.clone(),
                ..Default::default()
            };
            let request = |_: &At| {
                let owners = self.owners.as_ref().map(|them| them.iter().map(owner).collect());
                Ok(DescribeDelegationTokenRequest { owners, ..Default::default() })
            };
            let read = |response: DescribeDelegationTokenResponse| {
                check_response(response.error_code, None)?;
                Ok(response.tokens.into_iter().map(described).collect())
            };
            cluster.ask(&Target::Any, deadline, "describe delegation tokens", request, read).await
        })
    }
}

fn described(it: DescribedDelegationToken) -> DelegationToken {
    let renewers = it.renewers.into_iter();
    DelegationToken {
        id: it.token_id,
        hmac: it.hmac,
        owner: Principal::new(it.principal_type, it.principal_name),
        requester: requester(it.token_requester_principal_type, it.token_requester_principal_name),
        renewers: renewers.map(|it| Principal::new(it.principal_type, it.principal_name)).collect(),
        issued_at: Timestamp::from_millis(it.issue_timestamp),
        expires_at: Timestamp::from_millis(it.expiry_timestamp),
        max_expires_at: Timestamp::from_millis(it.max_timestamp),
    }
}
