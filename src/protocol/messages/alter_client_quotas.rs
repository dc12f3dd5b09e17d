//! `AlterClientQuotas`: sets and removes the quotas of users, clients and addresses (KIP-546). Any
//! broker answers, and passes it on.

use super::message;

message! {
    request AlterClientQuotasRequest(49): 0..=1, flexible 1, to Any, returns AlterClientQuotasResponse;

    /// The entities to change.
    struct AlterClientQuotasRequest {
        entries: Vec<EntryData> [..],
        validate_only: bool [..],
    }

    /// An entity, and what is to change.
    struct EntryData {
        entity: Vec<EntityData> [..],
        ops: Vec<OpData> [..],
    }

    /// One component of an entity, such as `user`; no name is the default of that type.
    struct EntityData {
        entity_type: String [..],
        entity_name: Option<String> [..],
    }

    /// A quota to set or to remove.
    struct OpData {
        key: String [..],
        value: f64 [..],
        remove: bool [..],
    }
}

pub use response::AlterClientQuotasResponse;

/// Apart, because Kafka's schema has an `EntryData` in the request too.
pub mod response {
    use super::{EntityData, message};

    message! {
        /// What became of each entity.
        struct AlterClientQuotasResponse {
            throttle_time_ms: i32 [..],
            entries: Vec<EntryData> [..],
        }

        /// What became of one entity.
        struct EntryData {
            error_code: i16 [..],
            error_message: Option<String> [..],
            entity: Vec<EntityData> [..],
        }
    }
}
