//! Every request and response, in every version.
#![no_main]

use bytes::Bytes;
use kafkio::internals;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (kind, version, body) = input;
    let kind = usize::from(kind) % internals::REQUESTS;
    internals::reencode(kind, i16::from(version % 20), &Bytes::copy_from_slice(body));
});
