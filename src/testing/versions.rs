//! Which versions of which calls each release of Kafka has. A table and its look-up, nothing else.

use crate::protocol::ApiKey;

/// A release of Kafka, such as 0.10.1 or 4.3; patch levels do not change the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Release(u8, u8, u8);

impl Release {
    const OLDEST: Self = Self(0, 10, 1);
    const NEWEST: Self = Self(4, 3, 0);
    const V0_11: Self = Self(0, 11, 0);
    const V2_0: Self = Self(2, 0, 0);
    const V2_4: Self = Self(2, 4, 0);
    const V2_8: Self = Self(2, 8, 0);
    const V4_0: Self = Self(4, 0, 0);

    /// From `"0.10.1"`, `"0.11.0.3"`, `"2.7"` or `"2.7.1"`; `None` if the table does not go there.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let numbers: Vec<u8> = text.split('.').map(|n| n.parse().ok()).collect::<Option<_>>()?;
        let release = match *numbers.as_slice() {
            [0, minor] | [0, minor, 0, ..] if minor >= 11 => Self(0, minor, 0),
            [0, minor, third, ..] => Self(0, minor, third),
            [major, minor, ..] if major > 0 => Self(major, minor, 0),
            _ => return None,
        };
        (Self::OLDEST..=Self::NEWEST).contains(&release).then_some(release)
    }

    /// Whether it stores record batches of version 2 (KIP-98).
    pub(super) fn has_batches(self) -> bool {
        self >= Self::V0_11
    }

    /// Whether it answers first and throttles then (KIP-219), rather than answering late.
    pub(super) fn throttles_after_answer(self) -> bool {
        self >= Self::V2_0
    }

    /// Whether it says in an answer of version 0 which versions of `ApiVersions` it has (KIP-511),
    /// and fills in the defaults of partitions and replication (KIP-464).
    pub(super) fn is_since_2_4(self) -> bool {
        self >= Self::V2_4
    }

    /// Whether a topic that is being created automatically is unknown, rather than leaderless.
    pub(super) fn creates_topics_unseen(self) -> bool {
        self >= Self::V2_8
    }

    /// The first and the last version of the call; `None` if the release does not have it.
    pub(super) fn versions(self, key: ApiKey) -> Option<(i16, i16)> {
        let since = |table: &[(Self, ApiKey, i16)]| {
            let known = table.iter().filter(|(release, of, _)| *release <= self && *of == key);
            known.map(|(_, _, version)| *version).max()
        };
        let last = since(LAST)?;
        let first = if self >= Self::V4_0 { since(FIRST).unwrap_or(0) } else { 0 };
        Some((first, last))
    }

    /// All calls that the release has, with their versions.
    pub(super) fn calls(self) -> impl Iterator<Item = (ApiKey, i16, i16)> {
        let all = CALLS.iter().copied();
        all.filter_map(move |key| self.versions(key).map(|(first, last)| (key, first, last)))
    }
}

impl Default for Release {
    fn default() -> Self {
        Self::NEWEST
    }
}

const CALLS: [ApiKey; 9] = [
    ApiKey::PRODUCE,
    ApiKey::FETCH,
    ApiKey::LIST_OFFSETS,
    ApiKey::METADATA,
    ApiKey::FIND_COORDINATOR,
    ApiKey::API_VERSIONS,
    ApiKey::CREATE_TOPICS,
    ApiKey::DELETE_TOPICS,
    ApiKey::OFFSET_FOR_LEADER_EPOCH,
];

/// What KIP-896 removed: the first version that is left.
const FIRST: &[(Release, ApiKey, i16)] = &[
    (Release::V4_0, ApiKey::PRODUCE, 3),
    (Release::V4_0, ApiKey::FETCH, 4),
    (Release::V4_0, ApiKey::LIST_OFFSETS, 1),
    (Release::V4_0, ApiKey::CREATE_TOPICS, 2),
    (Release::V4_0, ApiKey::DELETE_TOPICS, 1),
    (Release::V4_0, ApiKey::OFFSET_FOR_LEADER_EPOCH, 2),
];

/// The last version of each call, whenever a release moved it.
const LAST: &[(Release, ApiKey, i16)] = &[
    (Release(0, 10, 1), ApiKey::PRODUCE, 2),
    (Release(0, 10, 1), ApiKey::FETCH, 3),
    (Release(0, 10, 1), ApiKey::LIST_OFFSETS, 1),
    (Release(0, 10, 1), ApiKey::METADATA, 2),
    (Release(0, 10, 1), ApiKey::FIND_COORDINATOR, 0),
    (Release(0, 10, 1), ApiKey::API_VERSIONS, 0),
    (Release(0, 10, 1), ApiKey::CREATE_TOPICS, 0),
    (Release(0, 10, 1), ApiKey::DELETE_TOPICS, 0),
    (Release(0, 10, 2), ApiKey::CREATE_TOPICS, 1),
    (Release(0, 11, 0), ApiKey::PRODUCE, 3),
    (Release(0, 11, 0), ApiKey::FETCH, 5),
    (Release(0, 11, 0), ApiKey::LIST_OFFSETS, 2),
    (Release(0, 11, 0), ApiKey::METADATA, 4),
    (Release(0, 11, 0), ApiKey::FIND_COORDINATOR, 1),
    (Release(0, 11, 0), ApiKey::API_VERSIONS, 1),
    (Release(0, 11, 0), ApiKey::CREATE_TOPICS, 2),
    (Release(0, 11, 0), ApiKey::DELETE_TOPICS, 1),
    (Release(0, 11, 0), ApiKey::OFFSET_FOR_LEADER_EPOCH, 0),
    (Release(1, 0, 0), ApiKey::PRODUCE, 5),
    (Release(1, 0, 0), ApiKey::FETCH, 6),
    (Release(1, 0, 0), ApiKey::METADATA, 5),
    (Release(1, 1, 0), ApiKey::FETCH, 7),
    (Release(2, 0, 0), ApiKey::PRODUCE, 6),
    (Release(2, 0, 0), ApiKey::FETCH, 8),
    (Release(2, 0, 0), ApiKey::LIST_OFFSETS, 3),
    (Release(2, 0, 0), ApiKey::METADATA, 6),
    (Release(2, 0, 0), ApiKey::FIND_COORDINATOR, 2),
    (Release(2, 0, 0), ApiKey::API_VERSIONS, 2),
    (Release(2, 0, 0), ApiKey::CREATE_TOPICS, 3),
    (Release(2, 0, 0), ApiKey::DELETE_TOPICS, 2),
    (Release(2, 0, 0), ApiKey::OFFSET_FOR_LEADER_EPOCH, 1),
    (Release(2, 1, 0), ApiKey::PRODUCE, 7),
    (Release(2, 1, 0), ApiKey::FETCH, 10),
    (Release(2, 1, 0), ApiKey::LIST_OFFSETS, 4),
    (Release(2, 1, 0), ApiKey::METADATA, 7),
    (Release(2, 1, 0), ApiKey::DELETE_TOPICS, 3),
    (Release(2, 1, 0), ApiKey::OFFSET_FOR_LEADER_EPOCH, 2),
    (Release(2, 2, 0), ApiKey::LIST_OFFSETS, 5),
    (Release(2, 3, 0), ApiKey::FETCH, 11),
    (Release(2, 3, 0), ApiKey::METADATA, 8),
    (Release(2, 3, 0), ApiKey::OFFSET_FOR_LEADER_EPOCH, 3),
    (Release(2, 4, 0), ApiKey::PRODUCE, 8),
    (Release(2, 4, 0), ApiKey::METADATA, 9),
    (Release(2, 4, 0), ApiKey::FIND_COORDINATOR, 3),
    (Release(2, 4, 0), ApiKey::API_VERSIONS, 3),
    (Release(2, 4, 0), ApiKey::CREATE_TOPICS, 5),
    (Release(2, 4, 0), ApiKey::DELETE_TOPICS, 4),
    (Release(2, 7, 0), ApiKey::FETCH, 12),
    (Release(2, 7, 0), ApiKey::CREATE_TOPICS, 6),
    (Release(2, 7, 0), ApiKey::DELETE_TOPICS, 5),
    (Release(2, 8, 0), ApiKey::PRODUCE, 9),
    (Release(2, 8, 0), ApiKey::LIST_OFFSETS, 6),
    (Release(2, 8, 0), ApiKey::METADATA, 11),
    (Release(2, 8, 0), ApiKey::CREATE_TOPICS, 7),
    (Release(2, 8, 0), ApiKey::DELETE_TOPICS, 6),
    (Release(2, 8, 0), ApiKey::OFFSET_FOR_LEADER_EPOCH, 4),
    (Release(3, 0, 0), ApiKey::LIST_OFFSETS, 7),
    (Release(3, 0, 0), ApiKey::FIND_COORDINATOR, 4),
    (Release(3, 1, 0), ApiKey::FETCH, 13),
    (Release(3, 1, 0), ApiKey::METADATA, 12),
    (Release(3, 5, 0), ApiKey::FETCH, 15),
    (Release(3, 5, 0), ApiKey::LIST_OFFSETS, 8),
    (Release(3, 7, 0), ApiKey::PRODUCE, 10),
    (Release(3, 7, 0), ApiKey::FETCH, 16),
    (Release(3, 8, 0), ApiKey::PRODUCE, 11),
    (Release(3, 8, 0), ApiKey::FIND_COORDINATOR, 5),
    (Release(3, 9, 0), ApiKey::FETCH, 17),
    (Release(3, 9, 0), ApiKey::LIST_OFFSETS, 9),
    (Release(3, 9, 0), ApiKey::FIND_COORDINATOR, 6),
    (Release(3, 9, 0), ApiKey::API_VERSIONS, 4),
    (Release(4, 0, 0), ApiKey::PRODUCE, 12),
    (Release(4, 0, 0), ApiKey::LIST_OFFSETS, 10),
    (Release(4, 0, 0), ApiKey::METADATA, 13),
    (Release(4, 1, 0), ApiKey::PRODUCE, 13),
    (Release(4, 1, 0), ApiKey::FETCH, 18),
    (Release(4, 2, 0), ApiKey::LIST_OFFSETS, 11),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The ranges of the released clients of these versions, in the order of `CALLS`.
    #[test]
    fn as_the_releases_have_them() {
        let ranges = |text: &str| {
            let release = Release::parse(text).unwrap();
            CALLS.map(|key| release.versions(key).unwrap_or((-1, -1)))
        };
        let upto = |last: [i16; 9]| last.map(|last| (last.min(0), last));
        assert_eq!(ranges("0.10.1.0"), upto([2, 3, 1, 2, 0, 0, 0, 0, -1]));
        assert_eq!(ranges("0.11.0.3"), upto([3, 5, 2, 4, 1, 1, 2, 1, 0]));
        assert_eq!(ranges("1.1"), upto([5, 7, 2, 5, 1, 1, 2, 1, 0]));
        assert_eq!(ranges("2.7.1"), upto([8, 12, 5, 9, 3, 3, 6, 5, 3]));
        assert_eq!(ranges("3.9"), upto([11, 17, 9, 12, 6, 4, 7, 6, 4]));
        let newest = [(3, 13), (4, 18), (1, 11), (0, 13), (0, 6), (0, 4), (2, 7), (1, 6), (2, 4)];
        assert_eq!(ranges("4.3.0"), newest);
    }

    #[test]
    fn refuses_what_it_has_no_table_for() {
        for text in ["", "4", "0.10", "0.10.0", "0.9.0.1", "4.4", "5.0", "two.seven", "-1.0"] {
            assert_eq!(Release::parse(text), None, "{text}");
        }
        assert_eq!(Release::parse("0.11"), Some(Release::V0_11));
        assert!(Release::parse("0.10.2").unwrap() < Release::V0_11);
    }
}
