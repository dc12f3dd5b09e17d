//! The broker's error codes: one table of code, name, whether a retry can help, and what it means.

use std::fmt;

use crate::types::Acks;

/// An error code of a response. Open: codes that this crate does not know survive.
///
/// ```
/// use kafkio::protocol::ErrorCode;
///
/// let code = ErrorCode(6);
/// assert_eq!(code, ErrorCode::NOT_LEADER_OR_FOLLOWER);
/// assert!(code.is_retriable() && code.is_metadata_stale());
/// assert_eq!(ErrorCode(999).to_string(), "unknown error code 999");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(pub i16);

macro_rules! error_codes {
    ($($code:literal $constant:ident $retriable:literal $text:literal;)*) => {
        impl ErrorCode {
            $(#[doc = concat!($code, ": ", $text, ".")] pub const $constant: Self = Self($code);)*

            /// Kafka's name of the code, such as `NOT_LEADER_OR_FOLLOWER`.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some(stringify!($constant)),)*
                    _ => None,
                }
            }

            /// Whether the same request may succeed later, as Kafka's own client sees it.
            ///
            /// Some need more than time: see [`is_metadata_stale`](Self::is_metadata_stale) and
            /// [`is_coordinator_moved`](Self::is_coordinator_moved).
            pub const fn is_retriable(self) -> bool {
                match self.0 {
                    $($code => $retriable,)*
                    _ => false,
                }
            }

            /// What the code means, in a few words.
            pub const fn text(self) -> &'static str {
                match self.0 {
                    $($code => $text,)*
                    _ => "a code that this client does not know",
                }
            }
        }
    };
}

error_codes! {
    -1 UNKNOWN_SERVER_ERROR false "the broker failed in a way that has no code of its own; its log says more";
    0 NONE false "no error";
    1 OFFSET_OUT_OF_RANGE false "the offset is outside what the partition holds: start again at its earliest or latest offset";
    2 CORRUPT_MESSAGE true "a batch is damaged or malformed: its checksum or its contents do not match";
    3 UNKNOWN_TOPIC_OR_PARTITION true "the broker does not know the topic or partition: it does not exist, or not yet on this broker";
    4 INVALID_FETCH_SIZE false "the fetch asks for a negative number of bytes";
    5 LEADER_NOT_AVAILABLE true "an election is under way and the partition has no leader yet";
    6 NOT_LEADER_OR_FOLLOWER true "this broker no longer leads the partition, or holds no replica of it: refresh the metadata";
    7 REQUEST_TIMED_OUT true "the broker could not finish within the time that the request allowed";
    8 BROKER_NOT_AVAILABLE false "the broker is not available";
    9 REPLICA_NOT_AVAILABLE true "the replica is not available on this broker: refresh the metadata";
    10 MESSAGE_TOO_LARGE false "a batch is larger than `max.message.bytes` of the topic";
    11 STALE_CONTROLLER_EPOCH false "another controller has taken over from the one that sent this";
    12 OFFSET_METADATA_TOO_LARGE false "the metadata beside a committed offset is longer than `offset.metadata.max.bytes`";
    13 NETWORK_EXCEPTION true "the broker lost the connection to another broker";
    14 COORDINATOR_LOAD_IN_PROGRESS true "the coordinator is still loading its state";
    15 COORDINATOR_NOT_AVAILABLE true "there is no coordinator yet; its internal topic may just be in creation";
    16 NOT_COORDINATOR true "this broker no longer coordinates the group or transactional id: look the coordinator up again";
    17 INVALID_TOPIC_EXCEPTION false "the name is not legal for a topic, or the topic must not be used this way";
    18 RECORD_LIST_TOO_LARGE false "the batch is larger than a segment of the topic's log";
    19 NOT_ENOUGH_REPLICAS true "fewer replicas are in sync than `min.insync.replicas`; nothing was written";
    20 NOT_ENOUGH_REPLICAS_AFTER_APPEND true "written, but fewer replicas than `min.insync.replicas` have it";
    21 INVALID_REQUIRED_ACKS false "acks must be -1, 0 or 1";
    22 ILLEGAL_GENERATION false "the group has moved on to another generation: join again";
    23 INCONSISTENT_GROUP_PROTOCOL false "the member's protocols have nothing in common with those of the group";
    24 INVALID_GROUP_ID false "the group id is empty or not legal";
    25 UNKNOWN_MEMBER_ID false "the coordinator does not know the member, or has expelled it: join again without a member id";
    26 INVALID_SESSION_TIMEOUT false "the session timeout is outside the limits that `group.{min,max}.session.timeout.ms` set";
    27 REBALANCE_IN_PROGRESS false "the group is rebalancing: join again";
    28 INVALID_COMMIT_OFFSET_SIZE false "the offsets to commit are too large for a batch of the offsets topic";
    29 TOPIC_AUTHORIZATION_FAILED false "the principal lacks the rights on the topic";
    30 GROUP_AUTHORIZATION_FAILED false "the principal lacks the rights on the group";
    31 CLUSTER_AUTHORIZATION_FAILED false "the principal lacks the rights on the cluster";
    32 INVALID_TIMESTAMP false "a record's timestamp is too far from the broker's clock, or not legal for the topic";
    33 UNSUPPORTED_SASL_MECHANISM false "the broker does not offer this SASL mechanism";
    34 ILLEGAL_SASL_STATE false "the request does not belong to this step of the SASL exchange";
    35 UNSUPPORTED_VERSION false "the broker does not know this version of the request";
    36 TOPIC_ALREADY_EXISTS false "a topic with this name exists";
    37 INVALID_PARTITIONS false "the number of partitions is not legal, or not larger than before";
    38 INVALID_REPLICATION_FACTOR false "the replication factor is below 1 or larger than the number of brokers";
    39 INVALID_REPLICA_ASSIGNMENT false "the replicas assigned to a partition are not legal";
    40 INVALID_CONFIG false "the configuration has an unknown key or a value that is not legal";
    41 NOT_CONTROLLER true "this broker is not the controller: refresh the metadata";
    42 INVALID_REQUEST false "the request contradicts itself or the protocol; the broker's log says more";
    43 UNSUPPORTED_FOR_MESSAGE_FORMAT false "the partition's record format is too old for this request";
    44 POLICY_VIOLATION false "the broker's own policy refuses the request";
    45 OUT_OF_ORDER_SEQUENCE_NUMBER false "sequence numbers are missing: an earlier batch of this producer was not written";
    46 DUPLICATE_SEQUENCE_NUMBER false "the batch with this sequence number is in the log already";
    47 INVALID_PRODUCER_EPOCH false "the producer's epoch is old: a newer instance may have taken over";
    48 INVALID_TXN_STATE false "the transaction is not in a state that allows this";
    49 INVALID_PRODUCER_ID_MAPPING false "the transactional id belongs to another producer id";
    50 INVALID_TRANSACTION_TIMEOUT false "the transaction timeout is larger than `transaction.max.timeout.ms` of the broker";
    51 CONCURRENT_TRANSACTIONS true "the transactional id is still busy ending its last transaction";
    52 TRANSACTION_COORDINATOR_FENCED false "another coordinator has taken over the transaction";
    53 TRANSACTIONAL_ID_AUTHORIZATION_FAILED false "the principal lacks the rights on the transactional id";
    54 SECURITY_DISABLED false "the broker runs without the security feature that the request needs";
    55 OPERATION_NOT_ATTEMPTED false "not attempted, because another part of the request failed";
    56 KAFKA_STORAGE_ERROR true "the broker cannot access the partition's log directory";
    57 LOG_DIR_NOT_FOUND false "the broker has no such log directory";
    58 SASL_AUTHENTICATION_FAILED false "the broker refused the credentials";
    59 UNKNOWN_PRODUCER_ID false "the broker has no state of this producer, whose records may have been deleted by retention";
    60 REASSIGNMENT_IN_PROGRESS false "the partition is being reassigned already";
    61 DELEGATION_TOKEN_AUTH_DISABLED false "delegation tokens are not turned on";
    62 DELEGATION_TOKEN_NOT_FOUND false "the broker does not know the delegation token";
    63 DELEGATION_TOKEN_OWNER_MISMATCH false "the principal is neither owner nor renewer of the delegation token";
    64 DELEGATION_TOKEN_REQUEST_NOT_ALLOWED false "delegation tokens cannot be asked for on this kind of connection";
    65 DELEGATION_TOKEN_AUTHORIZATION_FAILED false "the principal lacks the rights on the delegation token";
    66 DELEGATION_TOKEN_EXPIRED false "the delegation token has expired";
    67 INVALID_PRINCIPAL_TYPE false "the broker does not know this type of principal";
    68 NON_EMPTY_GROUP false "the group still has members";
    69 GROUP_ID_NOT_FOUND false "there is no such group";
    70 FETCH_SESSION_ID_NOT_FOUND true "the broker has dropped the fetch session: start a new one";
    71 INVALID_FETCH_SESSION_EPOCH true "the epoch of the fetch session is not the one expected: start a new one";
    72 LISTENER_NOT_FOUND true "the leader has no listener of the name that this connection uses";
    73 TOPIC_DELETION_DISABLED false "topics cannot be deleted: `delete.topic.enable` is false";
    74 FENCED_LEADER_EPOCH true "the leader is newer than the client's leader epoch: refresh the metadata";
    75 UNKNOWN_LEADER_EPOCH true "the client's leader epoch is newer than the broker's, which has yet to catch up";
    76 UNSUPPORTED_COMPRESSION_TYPE false "the request's version cannot carry the batch's compression codec";
    77 STALE_BROKER_EPOCH false "the broker that sent this has been restarted since";
    78 OFFSET_NOT_AVAILABLE true "a new leader does not know yet how far its log is readable";
    79 MEMBER_ID_REQUIRED false "join again with the member id of this response";
    80 PREFERRED_LEADER_NOT_AVAILABLE true "the preferred leader is not available";
    81 GROUP_MAX_SIZE_REACHED false "the group has as many members as `group.max.size` allows";
    82 FENCED_INSTANCE_ID false "another member with the same `group.instance.id` has taken over: this one is fenced";
    83 ELIGIBLE_LEADERS_NOT_AVAILABLE true "no replica may become leader";
    84 ELECTION_NOT_NEEDED true "the partition has the wanted leader already";
    85 NO_REASSIGNMENT_IN_PROGRESS false "the partition is not being reassigned";
    86 GROUP_SUBSCRIBED_TO_TOPIC false "the group reads the topic";
    87 INVALID_RECORD false "a record broke a rule of the broker and its batch was refused";
    88 UNSTABLE_OFFSET_COMMIT true "a transaction that commits these offsets is still open";
    89 THROTTLING_QUOTA_EXCEEDED true "the quota is used up: wait for as long as the response says";
    90 PRODUCER_FENCED false "a newer producer with the same transactional id has taken over: this one is fenced";
    91 RESOURCE_NOT_FOUND false "what the request refers to does not exist";
    92 DUPLICATE_RESOURCE false "what the request would create exists, or it names the same thing twice";
    93 UNACCEPTABLE_CREDENTIAL false "the new credential is not acceptable";
    94 INCONSISTENT_VOTER_SET false "the set of voters is not that of the quorum";
    95 INVALID_UPDATE_VERSION false "the version of a feature would move in a direction that is not allowed";
    96 FEATURE_UPDATE_FAILED false "the controller could not update the features";
    97 PRINCIPAL_DESERIALIZATION_FAILURE false "the broker could not read the principal of a forwarded request";
    98 SNAPSHOT_NOT_FOUND false "there is no such snapshot";
    99 POSITION_OUT_OF_RANGE false "the position is outside the snapshot";
    100 UNKNOWN_TOPIC_ID true "the broker does not know the topic id: the topic is new to it, or was deleted";
    101 DUPLICATE_BROKER_REGISTRATION false "the broker id is in use";
    102 BROKER_ID_NOT_REGISTERED false "the broker id is not registered";
    103 INCONSISTENT_TOPIC_ID true "the topic id is not the one of the log: the topic was deleted and created again";
    104 INCONSISTENT_CLUSTER_ID false "the cluster id is not the one of this cluster";
    105 TRANSACTIONAL_ID_NOT_FOUND false "there is no such transactional id";
    106 FETCH_SESSION_TOPIC_ID_ERROR true "the fetch session mixes topics with and without ids: start a new one";
    107 INELIGIBLE_REPLICA false "a replica that was to join the in-sync set may not";
    108 NEW_LEADER_ELECTED false "the change went through, but made another replica the leader";
    109 OFFSET_MOVED_TO_TIERED_STORAGE false "the offset lies in tiered storage";
    110 FENCED_MEMBER_EPOCH false "the coordinator has a newer epoch of this member: give up the partitions and join again";
    111 UNRELEASED_INSTANCE_ID false "the `group.instance.id` is held by a member that has not left";
    112 UNSUPPORTED_ASSIGNOR false "the coordinator does not have this assignor";
    113 STALE_MEMBER_EPOCH false "the member epoch is old: heartbeat for the current one, then try again";
    114 MISMATCHED_ENDPOINT_TYPE false "the endpoint is of another kind, broker or controller, than was asked for";
    115 UNSUPPORTED_ENDPOINT_TYPE false "the broker does not know this kind of endpoint";
    116 UNKNOWN_CONTROLLER_ID false "there is no such controller";
    117 UNKNOWN_SUBSCRIPTION_ID false "the telemetry subscription is unknown or has changed: ask for it again";
    118 TELEMETRY_TOO_LARGE false "the telemetry is larger than the broker takes";
    119 INVALID_REGISTRATION false "the controller refuses the registration of the broker";
    120 TRANSACTION_ABORTABLE false "the transaction cannot go on: abort it; the producer can go on with another";
    121 INVALID_RECORD_STATE false "the records are not in a state that allows this acknowledgement";
    122 SHARE_SESSION_NOT_FOUND true "the broker has dropped the share session: start a new one";
    123 INVALID_SHARE_SESSION_EPOCH true "the epoch of the share session is not the one expected: start a new one";
    124 FENCED_STATE_EPOCH false "the state of the share group has a newer epoch";
    125 INVALID_VOTER_KEY false "the voter's id does not go with its directory id";
    126 DUPLICATE_VOTER false "the voter is one already";
    127 VOTER_NOT_FOUND false "there is no such voter";
    128 INVALID_REGULAR_EXPRESSION false "the subscription's regular expression is not legal";
    129 REBOOTSTRAP_REQUIRED false "the client's view of the cluster is beyond repair: start again at the bootstrap servers";
    130 STREAMS_INVALID_TOPOLOGY false "the streams topology is not legal";
    131 STREAMS_INVALID_TOPOLOGY_EPOCH false "the epoch of the streams topology is not legal";
    132 STREAMS_TOPOLOGY_FENCED false "the streams topology is older than that of the group";
    133 SHARE_SESSION_LIMIT_REACHED true "the broker has no room for another share session";
}

impl ErrorCode {
    /// `Ok` for [`ErrorCode::NONE`].
    ///
    /// # Errors
    ///
    /// Every other code.
    pub const fn check(self) -> Result<(), Self> {
        match self {
            Self::NONE => Ok(()),
            error => Err(error),
        }
    }

    /// Whether the client's view of leaders and topics is out of date: it should refresh its
    /// metadata before it tries again.
    pub const fn is_metadata_stale(self) -> bool {
        matches!(
            self,
            Self::UNKNOWN_TOPIC_OR_PARTITION
                | Self::UNKNOWN_TOPIC_ID
                | Self::INCONSISTENT_TOPIC_ID
                | Self::LEADER_NOT_AVAILABLE
                | Self::NOT_LEADER_OR_FOLLOWER
                | Self::FENCED_LEADER_EPOCH
                | Self::UNKNOWN_LEADER_EPOCH
                | Self::OFFSET_NOT_AVAILABLE
                | Self::REPLICA_NOT_AVAILABLE
                | Self::BROKER_NOT_AVAILABLE
                | Self::LISTENER_NOT_FOUND
                | Self::KAFKA_STORAGE_ERROR
                | Self::NOT_CONTROLLER
        )
    }

    /// Whether the leader may have appended a batch before it answered with this.
    pub(crate) fn may_have_written(self, acks: Acks) -> bool {
        match self {
            Self::REQUEST_TIMED_OUT
            | Self::NOT_ENOUGH_REPLICAS_AFTER_APPEND
            | Self::NETWORK_EXCEPTION
            | Self::KAFKA_STORAGE_ERROR
            | Self::UNKNOWN_SERVER_ERROR => true,
            // It may have lost its leadership while it waited for the followers.
            Self::NOT_LEADER_OR_FOLLOWER => acks == Acks::All,
            code => code.name().is_none(),
        }
    }

    /// Whether the numbers of a producer's batches do not follow on what the log has.
    pub(crate) const fn is_sequence_broken(self) -> bool {
        matches!(
            self,
            Self::OUT_OF_ORDER_SEQUENCE_NUMBER
                | Self::UNKNOWN_PRODUCER_ID
                | Self::INVALID_PRODUCER_EPOCH
        )
    }

    /// Whether another broker coordinates the group or transactional id, or will: the client
    /// should look the coordinator up again before it tries again.
    pub const fn is_coordinator_moved(self) -> bool {
        matches!(self, Self::NOT_COORDINATOR | Self::COORDINATOR_NOT_AVAILABLE)
    }

    /// Whether the fetch session is gone: the client should start a new one with a full fetch.
    pub const fn is_fetch_session_lost(self) -> bool {
        matches!(
            self,
            Self::FETCH_SESSION_ID_NOT_FOUND
                | Self::INVALID_FETCH_SESSION_EPOCH
                | Self::FETCH_SESSION_TOPIC_ID_ERROR
        )
    }

    /// Whether the principal is known but lacks the rights; asking again is of no use.
    pub const fn is_authorization(self) -> bool {
        matches!(
            self,
            Self::TOPIC_AUTHORIZATION_FAILED
                | Self::GROUP_AUTHORIZATION_FAILED
                | Self::CLUSTER_AUTHORIZATION_FAILED
                | Self::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
                | Self::DELEGATION_TOKEN_AUTHORIZATION_FAILED
        )
    }
}

impl From<i16> for ErrorCode {
    fn from(code: i16) -> Self {
        Self(code)
    }
}

/// `NOT_LEADER_OR_FOLLOWER (6): …`
impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({}): {}", self.0, self.text()),
            None => write!(f, "unknown error code {}", self.0),
        }
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name}({})", self.0),
            None => write!(f, "ErrorCode({})", self.0),
        }
    }
}

impl std::error::Error for ErrorCode {}
