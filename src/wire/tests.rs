//! Every primitive comes back as it was, and no length is believed.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::{
    DecodeError, EncodeError, Length, Output, Secret, Tags, UnknownTags, Uuid, Version, Wire,
};
use super::{decode_all, get_tags, varint};

const CLASSIC: Version = Version { number: 0, flexible: false };
const FLEXIBLE: Version = Version { number: 0, flexible: true };

fn encode<T: Wire>(value: &T, version: Version) -> Result<Bytes, EncodeError> {
    value.to_bytes(version)
}

fn round_trip<T: Wire + PartialEq + std::fmt::Debug>(value: &T) {
    for version in [CLASSIC, FLEXIBLE] {
        let bytes = encode(value, version).expect("a value that fits");
        assert_eq!(decode_all::<T>(bytes.clone(), version).as_ref(), Ok(value));
        for length in (0..bytes.len()).step_by(1 + bytes.len() / 32) {
            assert!(decode_all::<T>(bytes.slice(..length), version).is_err());
        }
    }
}

proptest! {
    #[test]
    fn numbers_come_back(a: i64, b: i32, c: u32, d: i16, e: u16, f: i8, g: bool, id: u128) {
        round_trip(&a);
        round_trip(&b);
        round_trip(&c);
        round_trip(&d);
        round_trip(&e);
        round_trip(&f);
        round_trip(&g);
        round_trip(&Uuid(id));
    }

    #[test]
    fn floats_come_back(value in any::<f64>()) {
        round_trip(&value);
    }

    #[test]
    fn texts_and_bytes_come_back(text in any::<Option<String>>(), bytes: Vec<u8>) {
        round_trip(&text);
        round_trip(&text.unwrap_or_default());
        round_trip(&Bytes::from(bytes.clone()));
        round_trip(&Some(Bytes::from(bytes)));
        round_trip(&None::<Bytes>);
    }

    #[test]
    fn arrays_come_back(items in any::<Option<Vec<Option<String>>>>(), numbers: Vec<i16>) {
        round_trip(&items);
        round_trip(&numbers);
        round_trip(&numbers.first().copied().map(Box::new));
        round_trip(&vec![numbers.clone(), Vec::new(), numbers]);
    }

    #[test]
    fn varints_come_back(value: u32, signed: i64) {
        let mut bytes = BytesMut::new();
        varint::put_u64(&mut bytes, value.into());
        prop_assert_eq!(bytes.len(), varint::len_u64(value.into()));
        prop_assert_eq!(varint::get_u32(&mut bytes.split().freeze()), Ok(value));
        varint::put_i64(&mut bytes, signed);
        prop_assert_eq!(varint::take_i64(&mut &bytes[..]), Some(signed));
    }

    #[test]
    fn noise_is_survived(noise: Vec<u8>) {
        for version in [CLASSIC, FLEXIBLE] {
            let noise = Bytes::from(noise.clone());
            if let Ok(items) = decode_all::<Vec<String>>(noise.clone(), version) {
                prop_assert!(items.len() < noise.len());
            }
            let _ = decode_all::<Vec<Vec<i32>>>(noise.clone(), version);
            let _ = decode_all::<Option<Box<Uuid>>>(noise.clone(), version);
            let _ = decode_all::<Option<Bytes>>(noise.clone(), version);
            let mut tags = 0;
            let _ = get_tags(&mut noise.clone(), |_, _| { tags += 1; Ok(()) });
            prop_assert!(tags <= noise.len() / 2);
        }
    }
}

#[test]
fn no_length_is_believed() {
    let classic = |bytes: &'static [u8]| Bytes::from_static(bytes);
    for lie in [&[0x7f, 0xff, 0xff, 0xff, 1][..], &[0xff, 0xff, 0xff, 0xfe], &[0, 0, 0, 2, 1]] {
        assert_eq!(decode_all::<Vec<bool>>(classic(lie), CLASSIC), Err(DecodeError::Length));
        assert_eq!(decode_all::<Bytes>(classic(lie), CLASSIC), Err(DecodeError::Length));
    }
    for lie in [&[0xff, 0xff, 0xff, 0xff, 0x0f, 1][..], &[3, 1]] {
        assert_eq!(decode_all::<Vec<bool>>(classic(lie), FLEXIBLE), Err(DecodeError::Length));
        assert_eq!(decode_all::<String>(classic(lie), FLEXIBLE), Err(DecodeError::Length));
    }
    let too_long = classic(&[0xff, 0xff, 0xff, 0xff, 0x1f, 1]);
    assert_eq!(decode_all::<Vec<bool>>(too_long, FLEXIBLE), Err(DecodeError::Varint));
}

#[test]
fn null_is_null_and_nothing_else() {
    let null = Bytes::from_static(&[0xff; 4]);
    assert_eq!(decode_all::<Option<Vec<i8>>>(null.clone(), CLASSIC), Ok(None));
    assert_eq!(decode_all::<Vec<i8>>(null.clone(), CLASSIC), Err(DecodeError::Null));
    assert_eq!(decode_all::<Bytes>(null, CLASSIC), Err(DecodeError::Null));
    assert_eq!(decode_all::<String>(Bytes::from_static(&[0]), FLEXIBLE), Err(DecodeError::Null));
    assert!(None::<String>.is_null() && !Some(String::new()).is_null());
}

#[test]
fn strings_end_at_the_length_that_kafka_takes() {
    let longest = "x".repeat(0x7fff);
    round_trip(&longest);
    for version in [CLASSIC, FLEXIBLE] {
        assert_eq!(encode(&format!("{longest}x"), version), Err(EncodeError::Length));
    }
    let mut output = Output::default();
    Length::Long.put(&mut output, FLEXIBLE, Some(0x8000)).expect("fits");
    output.resize(0x9000, b'x');
    assert_eq!(String::decode(&mut output.into_bytes(), FLEXIBLE), Err(DecodeError::Length));
}

#[test]
fn strings_are_utf8() {
    let bytes = Bytes::from_static(&[0, 2, 0xc3, 0x28]);
    assert_eq!(decode_all::<String>(bytes, CLASSIC), Err(DecodeError::Utf8));
}

#[test]
fn tags_are_sorted_and_the_unknown_kept() {
    let mut unknown = UnknownTags::default();
    unknown.push(1, Bytes::from_static(b"one"));
    unknown.push(9, Bytes::new());
    let mut tags = Tags::default();
    tags.push(5, &5i16, FLEXIBLE).expect("fits");
    let mut output = Output::default();
    tags.finish(&unknown, &mut output).expect("fits");
    let mut src = output.into_bytes();
    assert_eq!(src, [3, 1, 3, b'o', b'n', b'e', 5, 2, 0, 5, 9, 0].as_slice());

    let mut seen = Vec::new();
    get_tags(&mut src, |tag, value| {
        seen.push((tag, value));
        Ok(())
    })
    .expect("what was written");
    assert!(src.is_empty());
    assert_eq!(seen.iter().map(|(tag, _)| *tag).collect::<Vec<_>>(), [1, 5, 9]);
    assert_eq!(unknown.iter().count(), 2);
}

#[test]
fn tags_that_lie_are_errors() {
    let decode = |bytes: &'static [u8]| get_tags(&mut Bytes::from_static(bytes), |_, _| Ok(()));
    assert_eq!(decode(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0]), Err(DecodeError::Truncated));
    assert_eq!(decode(&[1, 0, 5, 1]), Err(DecodeError::Length));
    assert_eq!(decode(&[1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f]), Err(DecodeError::Length));
    assert_eq!(decode(&[0]), Ok(()));
}

#[test]
fn uuids_are_written_in_hex_groups() {
    let id = Uuid(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff);
    assert_eq!(id.to_string(), "00112233-4455-6677-8899-aabbccddeeff");
    assert!(Uuid::default().is_nil() && !id.is_nil());
}

#[test]
fn a_secret_is_not_printed() {
    let secret = Secret(Bytes::from_static(b"hunter2"));
    round_trip(&secret);
    assert_eq!(format!("{secret:?}"), "<7 bytes>");
}
