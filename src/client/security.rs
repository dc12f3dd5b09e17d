//! Security and quotas: see [`admin::acls`](crate::admin::acls),
//! [`admin::quotas`](crate::admin::quotas), [`admin::users`](crate::admin::users),
//! [`admin::tokens`](crate::admin::tokens) and [`admin::telemetry`](crate::admin::telemetry).

use super::Client;
use crate::admin::Call;
use crate::admin::acls::{AclBinding, AclFilter, CreateAcls, DeleteAcls, DescribeAcls};
use crate::admin::quotas::{AlterClientQuotas, DescribeClientQuotas, QuotaAlteration, QuotaFilter};
use crate::admin::telemetry::ClientInstanceId;
use crate::admin::tokens::{
    CreateDelegationToken, DescribeDelegationTokens, ExpireDelegationToken, Principal,
    RenewDelegationToken,
};
use crate::admin::users::{AlterUserScramCredentials, DescribeUserScramCredentials, ScramChange};
use crate::wire::Secret;

impl Client {
    /// Adds access control entries, each with a result of its own. One that exists already is no
    /// error.
    pub fn create_acls(&self, acls: impl IntoIterator<Item = AclBinding>) -> Call<CreateAcls> {
        self.request(CreateAcls::new(acls))
    }

    /// Lists the access control entries that match.
    pub fn describe_acls(&self, filter: impl Into<AclFilter>) -> Call<DescribeAcls> {
        self.request(DescribeAcls::new(filter))
    }

    /// Removes the access control entries that match one of the filters, or are one of the
    /// bindings. The result of each filter lists what it matched: nothing, if that is gone already,
    /// also by an attempt whose answer was lost.
    pub fn delete_acls<F: Into<AclFilter>>(
        &self,
        filters: impl IntoIterator<Item = F>,
    ) -> Call<DeleteAcls> {
        self.request(DeleteAcls::new(filters))
    }

    /// Lists quotas, by entity and name. Needs Kafka 2.6.
    pub fn describe_client_quotas(&self, filter: QuotaFilter) -> Call<DescribeClientQuotas> {
        self.request(DescribeClientQuotas::new(filter))
    }

    /// Sets and removes quotas, with a result for each entity. Needs Kafka 2.6.
    pub fn alter_client_quotas(
        &self,
        alterations: impl IntoIterator<Item = QuotaAlteration>,
    ) -> Call<AlterClientQuotas> {
        self.request(AlterClientQuotas::new(alterations))
    }

    /// Lists the SCRAM credentials of these users. One that has none is
    /// [`ErrorCode::RESOURCE_NOT_FOUND`](crate::protocol::ErrorCode::RESOURCE_NOT_FOUND). Needs
    /// Kafka 2.7.
    pub fn describe_user_scram_credentials<S: Into<String>>(
        &self,
        users: impl IntoIterator<Item = S>,
    ) -> Call<DescribeUserScramCredentials> {
        self.request(DescribeUserScramCredentials::new(users))
    }

    /// Lists the SCRAM credentials of all users that have some. Needs Kafka 2.7.
    pub fn describe_all_scram_credentials(&self) -> Call<DescribeUserScramCredentials> {
        self.request(DescribeUserScramCredentials::all())
    }

    /// Sets and deletes SCRAM credentials, with a result for each user. Passwords are salted here,
    /// on a thread for such work. Needs Kafka 2.7; without `ZooKeeper` 3.5.
    pub fn alter_user_scram_credentials(
        &self,
        changes: impl IntoIterator<Item = ScramChange>,
    ) -> Call<AlterUserScramCredentials> {
        self.request(AlterUserScramCredentials::new(changes))
    }

    /// Creates a delegation token for the principal of the connection. An attempt whose answer is
    /// lost may leave a second token. Needs Kafka 1.1.
    pub fn create_delegation_token(&self) -> Call<CreateDelegationToken> {
        self.request(CreateDelegationToken::new())
    }

    /// Lets a token, or the one with that `hmac`, live longer, and gives its new end. Needs
    /// Kafka 1.1.
    pub fn renew_delegation_token(&self, hmac: impl Into<Secret>) -> Call<RenewDelegationToken> {
        self.request(RenewDelegationToken::new(hmac))
    }

    /// Ends a token, or the one with that `hmac`, at once unless told otherwise. An attempt whose
    /// answer was lost makes the next one fail with
    /// [`ErrorCode::DELEGATION_TOKEN_NOT_FOUND`](crate::protocol::ErrorCode::DELEGATION_TOKEN_NOT_FOUND).
    /// Needs Kafka 1.1.
    pub fn expire_delegation_token(&self, hmac: impl Into<Secret>) -> Call<ExpireDelegationToken> {
        self.request(ExpireDelegationToken::new(hmac))
    }

    /// Lists the tokens of these owners that the principal of the connection may see. Needs
    /// Kafka 1.1.
    pub fn describe_delegation_tokens<P: Into<Principal>>(
        &self,
        owners: impl IntoIterator<Item = P>,
    ) -> Call<DescribeDelegationTokens> {
        self.request(DescribeDelegationTokens::new(owners))
    }

    /// Lists all tokens that the principal of the connection may see. Needs Kafka 1.1.
    pub fn describe_all_delegation_tokens(&self) -> Call<DescribeDelegationTokens> {
        self.request(DescribeDelegationTokens::all())
    }

    /// The id under which brokers would list the metrics of this client and its clones, which they
    /// give at the first call. Needs Kafka 3.7 and brokers that collect metrics: one without a
    /// plugin for that does not announce the call, and the error is as of an older one.
    pub fn client_instance_id(&self) -> Call<ClientInstanceId> {
        self.request(ClientInstanceId::new())
    }
}
