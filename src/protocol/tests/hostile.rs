//! Damaged and malicious bytes: decoding ends, without a panic, and without memory to match the
//! lengths that the bytes claim.

use bytes::Bytes;

use super::{Call, Message, calls};
use crate::protocol::reflect::{Field, Kind};
use crate::wire::Version;

/// The memory that one byte of input may be worth, at most.
const AMPLIFICATION: usize = 48;

/// Decodes what a peer might send. Whatever decodes must encode, to no more bytes than it came
/// in, and to bytes that stay the same from then on.
///
/// Since every element of an array encodes to at least one byte, and to one for each
/// [`AMPLIFICATION`] bytes of memory, this bounds the memory too.
fn attack(message: &Message, version: Version, bytes: &[u8], what: &str) {
    let Ok(encoded) = (message.recode)(Bytes::copy_from_slice(bytes), version) else {
        return;
    };
    let name = (message.kind)().text;
    let encoded = encoded.unwrap_or_else(|error| {
        panic!("{name} {version:?}, {what}: decoded, but {error}: {bytes:?}")
    });
    assert!(encoded.len() <= bytes.len(), "{name} {version:?}, {what}: grew: {bytes:?}");
    let again = (message.recode)(encoded.clone(), version);
    assert_eq!(again, Ok(Ok(encoded)), "{name} {version:?}, {what}: unstable: {bytes:?}");
}

#[cfg(feature = "gzip")]
mod mutations {
    use super::super::golden::{Part, bodies, message};
    use super::{Bytes, Call, attack, calls};

    /// What replaces a length: the classic ones of 32 and 16 bits, and varints.
    const LENGTHS: &[&[u8]] = &[
        &[0x7f, 0xff, 0xff, 0xff],
        &[0xff, 0xff, 0xff, 0xff],
        &[0xff, 0xff, 0xff, 0xfe],
        &[0x80, 0, 0, 0],
        &[0x7f, 0xff],
        &[0xff, 0xff],
        &[0xff, 0xfe],
        &[0xff, 0xff, 0xff, 0xff, 0x0f],
        &[0xff, 0xff, 0xff, 0xff, 0xff],
        &[0xff, 0x7f],
        &[0],
        &[1],
    ];

    /// So many places of each message are damaged; its other versions and fillings have others.
    const PLACES: usize = 24;

    fn for_each_body(mut test: impl FnMut(&Call, Part, i16, &Bytes)) {
        for call in calls() {
            for entry in bodies(&call) {
                test(&call, entry.part, entry.version, &entry.bytes);
            }
        }
    }

    #[test]
    fn a_message_cut_short_is_an_error() {
        for_each_body(|call, part, number, bytes| {
            let message = message(call, part);
            // All lengths of a short message, which has every field too.
            for length in (0..bytes.len()).step_by(1 + bytes.len() / 256) {
                let decoded = (message.recode)(bytes.slice(..length), (call.version)(number));
                let name = call.key;
                assert!(
                    decoded.is_err(),
                    "{name} {part:?} version {number}: {length} of {bytes:?}"
                );
            }
        });
    }

    #[test]
    fn a_message_with_more_bytes_is_an_error() {
        for_each_body(|call, part, number, bytes| {
            let message = message(call, part);
            let longer = Bytes::from([bytes, [0].as_slice()].concat());
            let decoded = (message.recode)(longer, (call.version)(number));
            assert!(decoded.is_err(), "{} {part:?} version {number}: {bytes:?} 0", call.key);
        });
    }

    #[test]
    fn damage_and_false_lengths_are_survived() {
        let mut random = fastrand::Rng::with_seed(1);
        for_each_body(|call, part, number, bytes| {
            let message = message(call, part);
            let version = (call.version)(number);
            let mut mutated = bytes.to_vec();
            for _ in 0..PLACES.min(bytes.len()) {
                let at = random.usize(0..bytes.len());
                let (what, damage) = if random.bool() {
                    ("a bit is flipped", vec![mutated[at] ^ 1 << random.u32(0..8)])
                } else {
                    ("a length is false", LENGTHS[random.usize(..LENGTHS.len())].to_vec())
                };
                let end = bytes.len().min(at + damage.len());
                mutated[at..end].copy_from_slice(&damage[..end - at]);
                attack(message, version, &mutated, what);
                mutated[at..end].copy_from_slice(&bytes[at..end]);
            }
        });
    }
}

#[test]
fn noise_is_survived() {
    let mut random = fastrand::Rng::with_seed(2);
    for call in calls() {
        for number in call.versions.clone() {
            for _ in 0..20 {
                let length = random.usize(0..100);
                // Small numbers are likely lengths, tags and counts.
                let small = random.bool();
                let byte = |_| {
                    if small { random.u8(0..4) } else { random.u8(..) }
                };
                let noise: Vec<u8> = (0..length).map(byte).collect();
                for message in [&call.request, &call.response] {
                    attack(message, (call.version)(number), &noise, "noise");
                }
            }
        }
    }
}

/// What makes the check of an array's length against the bytes that remain a bound on memory.
#[test]
fn every_element_of_an_array_takes_bytes_to_match_its_memory() {
    for Call { versions, version, request, response, .. } in calls() {
        for number in versions {
            for message in [&request, &response] {
                let kind = (message.kind)();
                check_elements(&kind.text, &kind, version(number));
            }
        }
    }
}

fn check_elements(path: &str, kind: &Kind, version: Version) {
    for field in kind.fields.iter().flatten().filter(|field| (field.is_in)(version)) {
        let path = format!("{path}.{}", field.name);
        if let Some(element) = field.kind.text.strip_prefix("[]") {
            let bytes = match &field.kind.fields {
                Some(fields) => fields_bytes(fields, version),
                None => least_bytes(element, version),
            };
            assert!(bytes > 0, "{path} has elements of no bytes in {version:?}");
            let worth = field.kind.size / bytes;
            assert!(worth <= AMPLIFICATION, "{path}: {worth} bytes of memory each in {version:?}");
        }
        check_elements(&path, &field.kind, version);
    }
}

/// The fewest bytes that a struct of these fields takes.
fn fields_bytes(fields: &[Field], version: Version) -> usize {
    let fields = fields.iter().filter(|field| field.tag.is_none() && (field.is_in)(version));
    let bytes = fields.map(|field| match &field.kind.fields {
        Some(fields) if !field.kind.text.starts_with("[]") => {
            if field.kind.nullable {
                1
            } else {
                fields_bytes(fields, version)
            }
        }
        _ => least_bytes(&field.kind.text, version),
    });
    bytes.sum::<usize>() + usize::from(version.flexible)
}

fn least_bytes(kind: &str, version: Version) -> usize {
    match kind {
        "bool" | "int8" => 1,
        "int16" | "uint16" => 2,
        "int32" | "uint32" => 4,
        "int64" | "float64" => 8,
        "uuid" => 16,
        _ if version.flexible => 1,
        "string" => 2,
        _ => 4,
    }
}
