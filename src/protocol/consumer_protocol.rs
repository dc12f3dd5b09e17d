//! What members of a classic consumer group tell each other in the bytes of `JoinGroup` and
//! `SyncGroup`, which no broker reads: a version, and then a subscription or an assignment.
//!
//! Newer versions only append fields, so that what a member of the future says can be read too.

use bytes::{BufMut, Bytes};

use super::message;
use crate::wire::{DecodeError, EncodeError, Output, Version, Wire};

/// The protocol type of these groups in `JoinGroup`.
pub const PROTOCOL_TYPE: &str = "consumer";

/// The newest version known here.
pub const NEWEST: i16 = 3;

message! {
    /// What a member wants to read, and what it has read so far (KIP-429, KIP-792, KIP-881).
    struct Subscription {
        topics: Vec<String> [..],
        user_data: Option<Bytes> [..],
        owned_partitions: Vec<TopicPartitions> [1..; ignorable],
        generation_id: i32 [2..; ignorable] = -1,
        rack_id: Option<String> [3..; ignorable],
    }

    /// What a member is to read.
    struct Assignment {
        assigned_partitions: Vec<TopicPartitions> [..],
        user_data: Option<Bytes> [..],
    }

    /// Partitions of one topic.
    struct TopicPartitions {
        topic: String [..],
        partitions: Vec<i32> [..],
    }
}

macro_rules! versioned {
    ($($name:ident)*) => {$(
        impl $name {
            /// Reads the version and what follows.
            ///
            /// # Errors
            ///
            /// The bytes are something else.
            pub fn from_bytes(bytes: Bytes) -> Result<Self, DecodeError> {
                read(bytes)
            }

            /// Writes the version, up to [`NEWEST`], and this.
            ///
            /// # Errors
            ///
            /// A text or list is too long.
            pub fn to_bytes(&self, version: i16) -> Result<Bytes, EncodeError> {
                write(self, version)
            }
        }
    )*};
}

versioned!(Subscription Assignment);

fn read<T: Wire>(mut bytes: Bytes) -> Result<T, DecodeError> {
    let plain = |number| Version { number, flexible: false };
    let number = i16::decode(&mut bytes, plain(0))?;
    if number < 0 {
        return Err(DecodeError::Length);
    }
    T::decode(&mut bytes, plain(number.min(NEWEST)))
}

fn write<T: Wire>(value: &T, version: i16) -> Result<Bytes, EncodeError> {
    let number = version.clamp(0, NEWEST);
    let mut output = Output::default();
    output.put_i16(number);
    value.encode(&mut output, Version { number, flexible: false })?;
    Ok(output.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partitions(topic: &str, partitions: &[i32]) -> TopicPartitions {
        let partitions = partitions.to_vec();
        TopicPartitions { topic: topic.to_owned(), partitions, ..Default::default() }
    }

    fn subscription() -> Subscription {
        Subscription {
            topics: vec!["ab".to_owned()],
            user_data: Some(Bytes::from_static(b"u")),
            owned_partitions: vec![partitions("ab", &[0, 7])],
            generation_id: 5,
            rack_id: Some("r".to_owned()),
            ..Default::default()
        }
    }

    // By hand from Kafka's `ConsumerProtocolSubscription.json`.
    const TOPICS_AND_DATA: &[u8] = b"\0\0\0\x01\0\x02ab\0\0\0\x01u";
    const OWNED: &[u8] = b"\0\0\0\x01\0\x02ab\0\0\0\x02\0\0\0\0\0\0\0\x07";
    const GENERATION: &[u8] = b"\0\0\0\x05";
    const RACK: &[u8] = b"\0\x01r";

    #[test]
    fn subscriptions_of_every_version() {
        let parts = [TOPICS_AND_DATA, OWNED, GENERATION, RACK];
        for version in 0..=NEWEST {
            let known = usize::try_from(version).unwrap();
            let bytes = [&version.to_be_bytes()[..], &parts[..=known].concat()].concat();
            assert_eq!(subscription().to_bytes(version).unwrap(), bytes, "version {version}");
            let read = Subscription::from_bytes(bytes.into()).unwrap();
            let all = subscription();
            assert_eq!(read.topics, all.topics);
            assert_eq!(read.owned_partitions.is_empty(), version < 1);
            assert_eq!(read.generation_id, if version < 2 { -1 } else { 5 });
            assert_eq!(read.rack_id.is_some(), version >= 3);
        }
    }

    #[test]
    fn assignments_of_every_version() {
        let assignment = Assignment {
            assigned_partitions: vec![partitions("ab", &[0, 7])],
            ..Default::default()
        };
        for version in 0..=NEWEST {
            let bytes = [&version.to_be_bytes()[..], OWNED, b"\xff\xff\xff\xff"].concat();
            assert_eq!(assignment.to_bytes(version).unwrap(), bytes);
            assert_eq!(Assignment::from_bytes(bytes.into()).unwrap(), assignment);
        }
    }

    #[test]
    fn newer_versions_are_read_as_far_as_known() {
        let bytes = [&[0, 9], TOPICS_AND_DATA, OWNED, GENERATION, RACK, b"something else"].concat();
        assert_eq!(Subscription::from_bytes(bytes.into()).unwrap(), subscription());
    }

    #[test]
    fn hostile_bytes_are_errors() {
        let whole = subscription().to_bytes(NEWEST).unwrap();
        for end in 0..whole.len() {
            assert!(Subscription::from_bytes(whole.slice(..end)).is_err(), "{end} bytes");
        }
        let huge = b"\0\0\x7f\xff\xff\xff";
        assert_eq!(Assignment::from_bytes(huge[..].into()), Err(DecodeError::Length));
        assert_eq!(Assignment::from_bytes(b"\xff\xff\0"[..].into()), Err(DecodeError::Length));
    }
}
