//! Every request and its response, one file a pair, named as in Kafka's schema.

use super::message;

macro_rules! messages {
    ($($module:ident::$request:ident,)*) => {
        $(pub mod $module;)*

        /// The first flexible version of the call, if this crate knows the call.
        #[cfg(feature = "testing")]
        pub(crate) fn flexible_from(key: super::ApiKey) -> Option<i16> {
            $(if key == <$module::$request as super::Request>::KEY {
                return Some(<$module::$request as super::Request>::FLEXIBLE);
            })*
            None
        }

        /// Calls a macro with the list of all requests, for tests that must miss none.
        #[cfg(any(test, fuzzing, kafkio_internals))]
        macro_rules! for_each_request {
            ($callback:ident) => { $callback! { $($module::$request),* } };
        }
        #[cfg(any(test, fuzzing, kafkio_internals))]
        pub(crate) use for_each_request;
    };
}

messages! {
    produce::ProduceRequest,
    fetch::FetchRequest,
    list_offsets::ListOffsetsRequest,
    metadata::MetadataRequest,
    find_coordinator::FindCoordinatorRequest,
    api_versions::ApiVersionsRequest,
    create_topics::CreateTopicsRequest,
    delete_topics::DeleteTopicsRequest,
    offset_for_leader_epoch::OffsetForLeaderEpochRequest,
}
