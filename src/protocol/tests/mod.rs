//! Tests that every message is under as soon as it is in the list of `messages`.

mod calls;
mod codes;
mod golden;
mod hostile;
mod schema;

use std::ops::RangeInclusive;

use bytes::Bytes;

use super::reflect::{Kind, Reflect};
use super::{ApiKey, Request, Route, messages};
use crate::wire::{DecodeError, EncodeError, Version, Wire, decode_all};

/// One call: what the tests need to know of its request and its response.
struct Call {
    key: ApiKey,
    versions: RangeInclusive<i16>,
    route: Route,
    version: fn(i16) -> Version,
    request: Message,
    response: Message,
}

/// A request or a response.
struct Message {
    kind: fn() -> Kind,
    recode: fn(Bytes, Version) -> Recoded,
    encode_default: fn(Version) -> Result<Bytes, EncodeError>,
}

/// The outer error says that the bytes are no such message, the inner one that what they mean
/// cannot be encoded, although it was decoded.
type Recoded = Result<Result<Bytes, EncodeError>, DecodeError>;

impl Message {
    fn of<T: Wire + Reflect + Default>() -> Self {
        fn encode(value: &impl Wire, version: Version) -> Result<Bytes, EncodeError> {
            value.to_bytes(version)
        }
        Self {
            kind: T::kind,
            recode: |bytes, version| {
                decode_all::<T>(bytes, version).map(|value| encode(&value, version))
            },
            encode_default: |version| encode(&T::default(), version),
        }
    }
}

impl Call {
    fn of<R: Request<Response: Reflect + Default> + Reflect + Default>() -> Self {
        Self {
            key: R::KEY,
            versions: R::VERSIONS,
            route: R::ROUTE,
            version: R::version,
            request: Message::of::<R>(),
            response: Message::of::<R::Response>(),
        }
    }
}

/// Every call of the crate.
fn calls() -> Vec<Call> {
    macro_rules! calls {
        ($($module:ident::$request:ident),*) => {
            vec![$(Call::of::<messages::$module::$request>()),*]
        };
    }
    messages::for_each_request!(calls)
}

#[test]
fn defaults_can_be_sent_in_every_version() {
    for call in calls() {
        for number in call.versions {
            for message in [&call.request, &call.response] {
                let encoded = (message.encode_default)((call.version)(number));
                assert!(encoded.is_ok(), "{} version {number}: {encoded:?}", call.key);
            }
        }
    }
}
