//! Bytes that Apache Kafka's own classes made: ours decodes them and encodes the same again.
//!
//! `tests/golden/README.md` says what the file holds and how it was made.

#![cfg(feature = "gzip")]

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::LazyLock;

use bytes::{Buf, Bytes};

use super::{Call, Message, calls};
use crate::protocol::{ApiKey, Request, RequestHeader, ResponseHeader, messages};
use crate::wire::Output;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Request,
    Response,
    RequestHeader,
    ResponseHeader,
    Errors,
    ApiKeys,
}

/// `Filling.UNKNOWN_TAG` of `Golden.java`.
const UNKNOWN_TAG: u8 = 7;

pub(super) struct Entry {
    pub(super) key: ApiKey,
    pub(super) part: Part,
    pub(super) version: i16,
    filling: u8,
    pub(super) bytes: Bytes,
}

pub(super) fn entries() -> &'static [Entry] {
    static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| {
        let file = include_bytes!("../../../tests/golden/messages.bin.gz");
        let mut all = Vec::new();
        flate2::read::GzDecoder::new(file.as_slice()).read_to_end(&mut all).expect("a gzip file");
        let mut src = Bytes::from(all);
        let mut entries = Vec::new();
        while src.has_remaining() {
            let key = ApiKey(src.get_i16());
            let part = match src.get_u8() {
                0 => Part::Request,
                1 => Part::Response,
                2 => Part::RequestHeader,
                3 => Part::ResponseHeader,
                4 => Part::Errors,
                5 => Part::ApiKeys,
                other => panic!("unknown part {other}"),
            };
            let (version, filling) = (src.get_i16(), src.get_u8());
            let _source = src.get_u8();
            let length = usize::try_from(src.get_u32()).expect("32 bits");
            entries.push(Entry { key, part, version, filling, bytes: src.split_to(length) });
        }
        entries
    });
    &ENTRIES
}

/// The entries of the calls that this crate has, and of versions that it speaks.
pub(super) fn bodies(call: &Call) -> impl Iterator<Item = &'static Entry> + use<> {
    let (key, versions) = (call.key, call.versions.clone());
    entries().iter().filter(move |entry| {
        entry.key == key
            && versions.contains(&entry.version)
            && matches!(entry.part, Part::Request | Part::Response)
    })
}

pub(super) fn message(call: &Call, part: Part) -> &Message {
    if part == Part::Request { &call.request } else { &call.response }
}

#[test]
fn every_message_decodes_and_encodes_to_the_same_bytes() {
    let mut differing = Vec::new();
    for call in calls() {
        for entry in bodies(&call) {
            let message = message(&call, entry.part);
            let again = (message.recode)(entry.bytes.clone(), (call.version)(entry.version));
            if again.as_ref().ok().and_then(|again| again.as_ref().ok()) != Some(&entry.bytes) {
                let Entry { key, part, version, filling, bytes } = entry;
                let entry = format!("{key} {part:?} version {version}, filling {filling}");
                differing.push(format!("{entry}:\n  golden {bytes:?}\n  ours {again:?}"));
            }
        }
    }
    assert!(differing.is_empty(), "{} differ:\n{}", differing.len(), differing.join("\n"));
}

#[test]
fn no_message_and_no_version_is_missing() {
    let mut fillings = BTreeMap::new();
    for entry in entries() {
        *fillings.entry((entry.key, entry.part, entry.version)).or_insert(0) += 1;
    }
    for call in calls() {
        for number in call.versions {
            let flexible = (call.version)(number).flexible;
            for (part, expected) in [
                (Part::Request, if flexible { 8 } else { 6 }),
                (Part::Response, if flexible { 8 } else { 6 }),
                (Part::RequestHeader, 5),
                (Part::ResponseHeader, 5),
            ] {
                // Apache's classes cannot encode a default one, whose records are null.
                let unwritable = call.key == ApiKey::SHARE_FETCH && part == Part::Response;
                let expected = expected - i32::from(unwritable);
                let count = fillings.get(&(call.key, part, number)).copied().unwrap_or(0);
                let name = call.key;
                assert!(count >= expected, "{name} {part:?} version {number}: only {count}");
            }
        }
    }
}

#[test]
fn headers_are_those_of_kafka() {
    fn check<R: Request>() {
        let of_call = entries()
            .iter()
            .filter(|entry| entry.key == R::KEY && R::VERSIONS.contains(&entry.version));
        for entry in of_call {
            let mut src = entry.bytes.clone();
            let mut again = Output::default();
            match entry.part {
                Part::RequestHeader => {
                    let header = RequestHeader::decode(&mut src, messages::flexible_from)
                        .expect("a request header");
                    assert_eq!((header.api_key, header.api_version), (R::KEY, entry.version));
                    header.encode::<R>(&mut again).expect("a legal client id");
                }
                Part::ResponseHeader => {
                    let correlation_id = src.get_i32();
                    ResponseHeader::skip_tags::<R>(&mut src, entry.version).expect("a header");
                    let header = ResponseHeader { correlation_id };
                    header.encode::<R>(entry.version, &mut again).expect("no field can fail");
                }
                _ => continue,
            }
            assert!(src.is_empty(), "{} version {}: {src:?} left", R::KEY, entry.version);
            // Headers drop the tagged fields that nobody knows.
            if entry.filling != UNKNOWN_TAG {
                assert_eq!(again.into_bytes(), entry.bytes, "{} version {}", R::KEY, entry.version);
            }
        }
    }
    macro_rules! check_all {
        ($($module:ident::$request:ident),*) => { $(check::<messages::$module::$request>();)* };
    }
    messages::for_each_request!(check_all);
}
