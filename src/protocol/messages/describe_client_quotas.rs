//! `DescribeClientQuotas`: the quotas of users, clients and addresses (KIP-546). Any broker answers.

use super::message;
use super::alter_client_quotas::EntityData;

message! {
    request DescribeClientQuotasRequest(48): 0..=1, flexible 1, to Any, returns DescribeClientQuotasResponse;

    /// Entities of all these components; if strict, of no others.
    struct DescribeClientQuotasRequest {
        components: Vec<ComponentData> [..],
        strict: bool [..],
    }

    /// What an entity must have.
    struct ComponentData {
        entity_type: String [..],
        /// 0: that name; 1: the default; 2: any name.
        match_type: i8 [..],
        r#match: Option<String> [..],
    }
}

message! {
    /// The entities with their quotas.
    struct DescribeClientQuotasResponse {
        throttle_time_ms: i32 [..],
        error_code: i16 [..],
        error_message: Option<String> [..],
        entries: Option<Vec<EntryData>> [..],
    }

    /// An entity with its quotas.
    struct EntryData {
        entity: Vec<EntityData> [..],
        values: Vec<ValueData> [..],
    }

    /// A quota.
    struct ValueData {
        key: String [..],
        value: f64 [..],
    }
}
