//! Which versions of which calls each release of Kafka has. A table and its look-up, nothing else.

use std::fmt;

use super::ApiKey;

/// A release of Kafka, such as 0.10.1 or 4.3; patch levels do not change the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Release(u8, u8, u8);

impl Release {
    const OLDEST: Self = Self(0, 10, 1);
    pub(crate) const NEWEST: Self = Self(4, 3, 0);

    /// From `"0.10.1"`, `"0.11.0.3"`, `"2.7"` or `"2.7.1"`; `None` if the table does not go there.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut numbers = [None; 4];
        let mut rest = text.split('.');
        for (number, part) in numbers.iter_mut().zip(&mut rest) {
            *number = Some(part.parse().ok()?);
        }
        let release = match numbers {
            _ if rest.next().is_some() => return None,
            [Some(0), Some(minor @ 11..), None | Some(0), _] => Self(0, minor, 0),
            [Some(0), Some(minor), Some(third), _] => Self(0, minor, third),
            [Some(major @ 1..), Some(minor), ..] => Self(major, minor, 0),
            _ => return None,
        };
        (Self::OLDEST..=Self::NEWEST).contains(&release).then_some(release)
    }
}

/// What brokers need to know of themselves; clients ask them.
#[cfg(any(test, feature = "testing"))]
impl Release {
    pub(crate) const V0_11: Self = Self(0, 11, 0);
    pub(crate) const V1_0: Self = Self(1, 0, 0);
    pub(crate) const V1_1: Self = Self(1, 1, 0);
    pub(crate) const V2_0: Self = Self(2, 0, 0);
    pub(crate) const V2_2: Self = Self(2, 2, 0);
    pub(crate) const V2_4: Self = Self(2, 4, 0);
    pub(crate) const V2_5: Self = Self(2, 5, 0);
    pub(crate) const V2_8: Self = Self(2, 8, 0);
    pub(crate) const V3_6: Self = Self(3, 6, 0);
    pub(crate) const V4_0: Self = Self(4, 0, 0);
    pub(crate) const V4_1: Self = Self(4, 1, 0);

    /// The first and the last version of the call; `None` if the release does not have it.
    pub(crate) fn versions(self, key: ApiKey) -> Option<(i16, i16)> {
        let (_, first, steps) = CALLS.iter().find(|(of, ..)| *of == key)?;
        let last = read(steps).take_while(|(release, _)| *release <= self).last()?.1;
        Some((if self >= Self::V4_0 { *first } else { 0 }, last))
    }

    /// All calls that the release has, with their versions.
    pub(crate) fn calls(self) -> impl Iterator<Item = (ApiKey, i16, i16)> {
        let all = CALLS.iter().map(|(key, ..)| *key);
        all.filter_map(move |key| self.versions(key).map(|(first, last)| (key, first, last)))
    }
}

/// As Kafka is called: `0.10.1`, `0.11`, `2.8`.
impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(major, minor, third) = self;
        write!(f, "{major}.{minor}")?;
        if *third > 0 { write!(f, ".{third}") } else { Ok(()) }
    }
}

/// The first release with that version of the call, among those from 0.10.1 on; `None` if no
/// release has it in stable form.
pub(crate) fn first_release(key: ApiKey, version: i16) -> Option<Release> {
    let (_, _, steps) = CALLS.iter().find(|(of, ..)| *of == key)?;
    read(steps).find(|(_, last)| *last >= version).map(|(release, _)| release)
}

fn read(steps: &str) -> impl Iterator<Item = (Release, i16)> + '_ {
    steps.split(' ').filter_map(|step| {
        let (release, last) = step.split_once(':')?;
        Some((Release::parse(release)?, last.parse().ok()?))
    })
}

/// Each call with the first version that is left in Kafka 4 (KIP-896), and `release:version` for
/// each release that moved its last version. As the released clients have them, stable versions
/// only; a call counts as soon as brokers with `ZooKeeper` offer it, or with `KRaft` from 3.3 on.
const CALLS: &[(ApiKey, i16, &str)] = &[
    (
        ApiKey::PRODUCE,
        3,
        "0.10.1:2 0.11:3 1.0:5 2.0:6 2.1:7 2.4:8 2.8:9 3.7:10 3.8:11 4.0:12 4.1:13",
    ),
    (
        ApiKey::FETCH,
        4,
        "0.10.1:3 0.11:5 1.0:6 1.1:7 2.0:8 2.1:10 2.3:11 2.7:12 3.1:13 3.5:15 3.7:16 3.9:17 4.1:18",
    ),
    (
        ApiKey::LIST_OFFSETS,
        1,
        "0.10.1:1 0.11:2 2.0:3 2.1:4 2.2:5 2.8:6 3.0:7 3.5:8 3.9:9 4.0:10 4.2:11",
    ),
    (ApiKey::METADATA, 0, "0.10.1:2 0.11:4 1.0:5 2.0:6 2.1:7 2.3:8 2.4:9 2.8:11 3.1:12 4.0:13"),
    (ApiKey::OFFSET_COMMIT, 2, "0.10.1:2 0.11:3 2.0:4 2.1:6 2.3:7 2.4:8 3.7:9 4.2:10"),
    (
        ApiKey::OFFSET_FETCH,
        1,
        "0.10.1:1 0.10.2:2 0.11:3 2.0:4 2.1:5 2.4:6 2.5:7 3.0:8 3.7:9 4.2:10",
    ),
    (ApiKey::FIND_COORDINATOR, 0, "0.10.1:0 0.11:1 2.0:2 2.4:3 3.0:4 3.8:5 3.9:6"),
    (ApiKey::JOIN_GROUP, 0, "0.10.1:1 0.11:2 2.0:3 2.2:4 2.3:5 2.4:6 2.5:7 3.2:9"),
    (ApiKey::HEARTBEAT, 0, "0.10.1:0 0.11:1 2.0:2 2.3:3 2.4:4"),
    (ApiKey::LEAVE_GROUP, 0, "0.10.1:0 0.11:1 2.0:2 2.4:4 3.2:5"),
    (ApiKey::SYNC_GROUP, 0, "0.10.1:0 0.11:1 2.0:2 2.3:3 2.4:4 2.5:5"),
    (ApiKey::DESCRIBE_GROUPS, 0, "0.10.1:0 0.11:1 2.0:2 2.3:3 2.4:5 4.0:6"),
    (ApiKey::LIST_GROUPS, 0, "0.10.1:0 0.11:1 2.0:2 2.4:3 2.6:4 3.8:5"),
    (ApiKey::SASL_HANDSHAKE, 0, "0.10.1:0 1.0:1"),
    (ApiKey::API_VERSIONS, 0, "0.10.1:0 0.11:1 2.0:2 2.4:3 3.9:4"),
    (ApiKey::CREATE_TOPICS, 2, "0.10.1:0 0.10.2:1 0.11:2 2.0:3 2.4:5 2.7:6 2.8:7"),
    (ApiKey::DELETE_TOPICS, 1, "0.10.1:0 0.11:1 2.0:2 2.1:3 2.4:4 2.7:5 2.8:6"),
    (ApiKey::DELETE_RECORDS, 0, "0.11:0 2.0:1 2.6:2"),
    (ApiKey::INIT_PRODUCER_ID, 0, "0.11:0 2.0:1 2.4:2 2.5:3 2.7:4 3.8:5"),
    (ApiKey::OFFSET_FOR_LEADER_EPOCH, 2, "0.11:0 2.0:1 2.1:2 2.3:3 2.8:4"),
    (ApiKey::ADD_PARTITIONS_TO_TXN, 0, "0.11:0 2.0:1 2.7:2 2.8:3 3.6:4 3.8:5"),
    (ApiKey::ADD_OFFSETS_TO_TXN, 0, "0.11:0 2.0:1 2.7:2 2.8:3 3.8:4"),
    (ApiKey::END_TXN, 0, "0.11:0 2.0:1 2.7:2 2.8:3 3.8:4 4.0:5"),
    (ApiKey::WRITE_TXN_MARKERS, 1, "0.11:0 2.8:1 4.2:2"),
    (ApiKey::TXN_OFFSET_COMMIT, 0, "0.11:0 2.0:1 2.1:2 2.5:3 3.8:4 4.0:5"),
    (ApiKey::DESCRIBE_ACLS, 1, "0.11:0 2.0:1 2.5:2 3.3:3"),
    (ApiKey::CREATE_ACLS, 1, "0.11:0 2.0:1 2.5:2 3.3:3"),
    (ApiKey::DELETE_ACLS, 1, "0.11:0 2.0:1 2.5:2 3.3:3"),
    (ApiKey::DESCRIBE_CONFIGS, 1, "0.11:0 1.1:1 2.0:2 2.6:3 2.8:4"),
    (ApiKey::ALTER_CONFIGS, 0, "0.11:0 2.0:1 2.8:2"),
    (ApiKey::ALTER_REPLICA_LOG_DIRS, 1, "1.0:0 2.0:1 2.8:2"),
    (ApiKey::DESCRIBE_LOG_DIRS, 1, "1.0:0 2.0:1 2.6:2 3.2:3 3.3:4 4.3:5"),
    (ApiKey::SASL_AUTHENTICATE, 0, "1.0:0 2.2:1 2.5:2"),
    (ApiKey::CREATE_PARTITIONS, 0, "1.0:0 2.0:1 2.5:2 2.7:3"),
    (ApiKey::CREATE_DELEGATION_TOKEN, 1, "1.1:0 2.0:1 2.4:2 3.3:3"),
    (ApiKey::RENEW_DELEGATION_TOKEN, 1, "1.1:0 2.0:1 2.5:2"),
    (ApiKey::EXPIRE_DELEGATION_TOKEN, 1, "1.1:0 2.0:1 2.5:2"),
    (ApiKey::DESCRIBE_DELEGATION_TOKEN, 1, "1.1:0 2.0:1 2.5:2 3.3:3"),
    (ApiKey::DELETE_GROUPS, 0, "1.1:0 2.0:1 2.4:2"),
    (ApiKey::ELECT_LEADERS, 0, "2.2:0 2.4:2"),
    (ApiKey::INCREMENTAL_ALTER_CONFIGS, 0, "2.3:0 2.4:1"),
    (ApiKey::ALTER_PARTITION_REASSIGNMENTS, 0, "2.4:0 4.1:1"),
    (ApiKey::LIST_PARTITION_REASSIGNMENTS, 0, "2.4:0"),
    (ApiKey::OFFSET_DELETE, 0, "2.4:0"),
    (ApiKey::DESCRIBE_CLIENT_QUOTAS, 0, "2.6:0 2.8:1"),
    (ApiKey::ALTER_CLIENT_QUOTAS, 0, "2.6:0 2.8:1"),
    (ApiKey::DESCRIBE_USER_SCRAM_CREDENTIALS, 0, "2.7:0"),
    (ApiKey::ALTER_USER_SCRAM_CREDENTIALS, 0, "2.7:0"),
    (ApiKey::DESCRIBE_QUORUM, 0, "3.3:1 3.9:2"),
    (ApiKey::UPDATE_FEATURES, 0, "2.7:0 3.3:1 4.0:2"),
    (ApiKey::DESCRIBE_CLUSTER, 0, "2.8:0 3.7:1 4.0:2"),
    (ApiKey::DESCRIBE_PRODUCERS, 0, "2.8:0"),
    (ApiKey::UNREGISTER_BROKER, 0, "3.3:0"),
    (ApiKey::DESCRIBE_TRANSACTIONS, 0, "3.0:0"),
    (ApiKey::LIST_TRANSACTIONS, 0, "3.0:0 3.8:1 4.1:2"),
    (ApiKey::CONSUMER_GROUP_HEARTBEAT, 0, "3.7:0 4.0:1"),
    (ApiKey::CONSUMER_GROUP_DESCRIBE, 0, "3.8:0 4.0:1"),
    (ApiKey::GET_TELEMETRY_SUBSCRIPTIONS, 0, "3.7:0"),
    (ApiKey::PUSH_TELEMETRY, 0, "3.7:0"),
    (ApiKey::LIST_CONFIG_RESOURCES, 0, "3.7:0 4.1:1"),
    (ApiKey::DESCRIBE_TOPIC_PARTITIONS, 0, "3.8:0"),
    (ApiKey::SHARE_GROUP_HEARTBEAT, 1, "4.1:1"),
    (ApiKey::SHARE_GROUP_DESCRIBE, 1, "4.1:1"),
    (ApiKey::SHARE_FETCH, 1, "4.1:1 4.2:2"),
    (ApiKey::SHARE_ACKNOWLEDGE, 1, "4.1:1 4.2:2"),
    (ApiKey::ADD_RAFT_VOTER, 0, "3.9:0 4.2:1"),
    (ApiKey::REMOVE_RAFT_VOTER, 0, "3.9:0"),
    (ApiKey::STREAMS_GROUP_HEARTBEAT, 0, "4.2:0"),
    (ApiKey::STREAMS_GROUP_DESCRIBE, 0, "4.2:0"),
    (ApiKey::DESCRIBE_SHARE_GROUP_OFFSETS, 0, "4.1:0 4.2:1"),
    (ApiKey::ALTER_SHARE_GROUP_OFFSETS, 0, "4.1:0"),
    (ApiKey::DELETE_SHARE_GROUP_OFFSETS, 0, "4.1:0"),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// What the released clients of these versions say: `key:last` or `key:first-last`.
    #[test]
    fn as_the_releases_have_them() {
        for (text, expected) in RELEASES {
            let release = Release::parse(text).unwrap();
            let found = release.calls().map(|(key, first, last)| match first {
                0 => format!("{}:{last}", key.0),
                _ => format!("{}:{first}-{last}", key.0),
            });
            let expected: Vec<&str> = expected.split_whitespace().collect();
            assert_eq!(found.collect::<Vec<_>>(), expected, "{text}");
        }
    }

    #[test]
    fn the_table_goes_up() {
        for (key, _, steps) in CALLS {
            let read: Vec<_> = read(steps).collect();
            assert_eq!(read.len(), steps.split(' ').count(), "{key}: {steps}");
            assert!(read.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 < w[1].1), "{key}: {steps}");
        }
        assert!(CALLS.windows(2).all(|w| w[0].0 < w[1].0));
        assert_eq!(CALLS.len(), (0..100).filter(|key| ApiKey(*key).name().is_some()).count());
    }

    #[test]
    fn tells_which_kafka_a_version_needs() {
        let needs = |key, version| first_release(key, version).map(|it| it.to_string());
        for (key, version, release) in [
            (ApiKey::PRODUCE, 0, "0.10.1"),
            (ApiKey::PRODUCE, 3, "0.11"),
            (ApiKey::METADATA, 10, "2.8"),
            (ApiKey::DESCRIBE_CLUSTER, 2, "4.0"),
            (ApiKey::SHARE_FETCH, 0, "4.1"),
        ] {
            assert_eq!(needs(key, version).as_deref(), Some(release), "{key} {version}");
        }
        // Not in stable form yet; not for clients.
        assert_eq!(needs(ApiKey::INIT_PRODUCER_ID, 6), None);
        assert_eq!(needs(ApiKey(4), 0), None);
    }

    #[test]
    fn refuses_what_it_has_no_table_for() {
        for text in
            ["", "4", "0.10", "0.10.0", "0.9.0.1", "4.4", "5.0", "two.seven", "-1.0", "1.0.0.0.0"]
        {
            assert_eq!(Release::parse(text), None, "{text}");
        }
        assert_eq!(Release::parse("0.11"), Some(Release::V0_11));
        assert_eq!(Release::parse("0.11.0.3"), Some(Release::V0_11));
        assert!(Release::parse("0.10.2").unwrap() < Release::V0_11);
    }

    const RELEASES: [(&str, &str); 6] = [
        (
            "0.10.1.0",
            "0:2 1:3 2:1 3:2 8:2 9:1 10:0 11:1 12:0 13:0 14:0 15:0 16:0 17:0 18:0 19:0 20:0",
        ),
        (
            "0.11.0.3",
            "0:3 1:5 2:2 3:4 8:3 9:3 10:1 11:2 12:1 13:1 14:1 15:1 16:1 17:0 18:1 19:2 20:1 21:0 \
             22:0 23:0 24:0 25:0 26:0 27:0 28:0 29:0 30:0 31:0 32:0 33:0",
        ),
        (
            "1.1",
            "0:5 1:7 2:2 3:5 8:3 9:3 10:1 11:2 12:1 13:1 14:1 15:1 16:1 17:1 18:1 19:2 20:1 21:0 \
             22:0 23:0 24:0 25:0 26:0 27:0 28:0 29:0 30:0 31:0 32:1 33:0 34:0 35:0 36:0 37:0 38:0 \
             39:0 40:0 41:0 42:0",
        ),
        (
            "2.7.1",
            "0:8 1:12 2:5 3:9 8:8 9:7 10:3 11:7 12:4 13:4 14:5 15:5 16:4 17:1 18:3 19:6 20:5 21:2 \
             22:4 23:3 24:2 25:2 26:2 27:0 28:3 29:2 30:2 31:2 32:3 33:1 34:1 35:2 36:2 37:3 38:2 \
             39:2 40:2 41:2 42:2 43:2 44:1 45:0 46:0 47:0 48:0 49:0 50:0 51:0 57:0",
        ),
        (
            "3.9",
            "0:11 1:17 2:9 3:12 8:9 9:9 10:6 11:9 12:4 13:5 14:5 15:5 16:5 17:1 18:4 19:7 20:6 \
             21:2 22:5 23:4 24:5 25:4 26:4 27:1 28:4 29:3 30:3 31:3 32:4 33:2 34:2 35:4 36:2 37:3 \
             38:3 39:2 40:2 41:3 42:2 43:2 44:1 45:0 46:0 47:0 48:1 49:1 50:0 51:0 55:2 57:1 60:1 \
             61:0 64:0 65:0 66:1 68:0 69:0 71:0 72:0 74:0 75:0 80:0 81:0",
        ),
        (
            "4.3.0",
            "0:3-13 1:4-18 2:1-11 3:13 8:2-10 9:1-10 10:6 11:9 12:4 13:5 14:5 15:6 16:5 17:1 18:4 \
             19:2-7 20:1-6 21:2 22:5 23:2-4 24:5 25:4 26:5 27:1-2 28:5 29:1-3 30:1-3 31:1-3 \
             32:1-4 33:2 34:1-2 35:1-5 36:2 37:3 38:1-3 39:1-2 40:1-2 41:1-3 42:2 43:2 44:1 45:1 \
             46:0 47:0 48:1 49:1 50:0 51:0 55:2 57:2 60:2 61:0 64:0 65:0 66:2 68:1 69:1 71:0 72:0 \
             74:1 75:0 76:1-1 77:1-1 78:1-2 79:1-2 80:1 81:0 88:0 89:0 90:1 91:0 92:0",
        ),
    ];
}
