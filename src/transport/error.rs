//! What goes wrong on a connection, said so that the reader knows what to do about it. Knows
//! nothing of retries, only whether one may help.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::protocol::{ApiKey, ErrorCode, first_release};
use crate::wire::{DecodeError, EncodeError};

/// What ended a connection, or failed a request on it.
///
/// Cheap to clone, because the end of a connection fails every request on it. Ask it rather than
/// match it: [`is_retriable`](Self::is_retriable), [`is_unsent`](Self::is_unsent).
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The connector could not connect.
    #[error("{}", connect_text(address, source))]
    Connect {
        /// `host:port`.
        address: String,
        /// Why not.
        source: Arc<io::Error>,
    },
    /// The connector took too long.
    #[error(
        "no connection to {address} within {after:?} (connect_timeout): \
         is the host up, and does a firewall drop packets on the way?"
    )]
    ConnectTimeout {
        /// `host:port`.
        address: String,
        /// The time allowed.
        after: Duration,
    },
    /// Connected, but the first request was not answered.
    #[error(
        "{address} accepted the connection, but did not answer within {after:?} \
         (connect_timeout): is it a Kafka listener, and does it expect TLS?"
    )]
    HandshakeTimeout {
        /// `host:port`.
        address: String,
        /// The time allowed for connection and handshake.
        after: Duration,
    },
    /// Connected, but closed by the other side before the first answer.
    #[error(
        "{address} closed the connection during the handshake: \
         does the listener expect TLS or SASL, or is the broker starting?"
    )]
    ClosedInHandshake {
        /// `host:port`.
        address: String,
    },
    /// The other side speaks TLS, and this connection does not.
    #[error("the listener answered in TLS: connect to it with TLS, or to a PLAINTEXT listener")]
    Tls,
    /// The other side speaks HTTP.
    #[error("the listener answered in HTTP: this is not the port of a Kafka broker")]
    Http,
    /// The broker refused the handshake.
    #[error("the broker refused the handshake")]
    Refused {
        /// What it said.
        #[source]
        code: ErrorCode,
    },
    /// The socket failed.
    #[error("the connection broke")]
    Io(#[source] Arc<io::Error>),
    /// The broker closed the connection between two responses.
    #[error("the broker closed the connection")]
    Closed,
    /// The broker closed the connection inside a response.
    #[error("the broker closed the connection after {received} bytes of a response")]
    Truncated {
        /// Bytes of the frame that had arrived, its length prefix included.
        received: usize,
    },
    /// No answer within the time of the request; the connection ends with it, because whatever
    /// comes later could not be told from the answers to other requests.
    #[error("no answer to {api} within {after:?}")]
    TimedOut {
        /// The request.
        api: ApiKey,
        /// Its time.
        after: Duration,
    },
    /// The connection ended before this answer came, because of another request on it.
    #[error("the connection ended before the answer came")]
    Lost {
        /// What ended it.
        #[source]
        cause: Arc<Self>,
    },
    /// The connection ended before any byte of this request was written.
    #[error("the request was not sent: the connection has ended")]
    Unsent {
        /// What ended it.
        #[source]
        cause: Arc<Self>,
    },
    /// A length prefix that cannot be one.
    #[error(
        "a frame of {length} bytes is out of bounds: either this is not the Kafka protocol, or \
         max_frame_size ({limit} bytes) is too small for what was asked"
    )]
    FrameSize {
        /// The declared length.
        length: i64,
        /// The limit.
        limit: usize,
    },
    /// Responses come in the order of the requests; this one did not.
    #[error("response {received} does not belong to the oldest request, which is {expected}")]
    Correlation {
        /// Correlation id of the oldest request.
        expected: i32,
        /// Correlation id that the broker sent.
        received: i32,
    },
    /// A response that no request waits for.
    #[error("the broker sent response {received}, which no request waits for")]
    Unsolicited {
        /// Its correlation id.
        received: i32,
    },
    /// No version that both sides speak.
    #[error("{}", unsupported_text(*api, *broker, *ours))]
    Unsupported {
        /// The request.
        api: ApiKey,
        /// First and last version of the broker; `None` if it does not know the request at all.
        broker: Option<(i16, i16)>,
        /// First and last version that were asked for.
        ours: (i16, i16),
    },
    /// A request that cannot be encoded in the version of the connection.
    #[error("{api} cannot be sent in version {version}{}", needed_text(*api, *source))]
    Encode {
        /// The request.
        api: ApiKey,
        /// The version.
        version: i16,
        /// The field that does not fit.
        source: EncodeError,
    },
    /// A response whose bytes are not what its schema says; the connection goes on.
    #[error("response to {api} version {version} cannot be decoded")]
    Decode {
        /// The request.
        api: ApiKey,
        /// The version.
        version: i16,
        /// What is wrong with the bytes.
        source: DecodeError,
    },
}

impl TransportError {
    /// Whether the same request may succeed on a new connection.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Connect { .. }
            | Self::ConnectTimeout { .. }
            | Self::HandshakeTimeout { .. }
            | Self::ClosedInHandshake { .. }
            | Self::Io(_)
            | Self::Closed
            | Self::Truncated { .. }
            | Self::TimedOut { .. }
            | Self::Lost { .. }
            | Self::Unsent { .. }
            | Self::Correlation { .. }
            | Self::Unsolicited { .. } => true,
            Self::Refused { code } => code.is_retriable(),
            Self::Tls
            | Self::Http
            | Self::FrameSize { .. }
            | Self::Unsupported { .. }
            | Self::Encode { .. }
            | Self::Decode { .. } => false,
        }
    }

    /// Whether the request was certainly not written to the socket, not even in part. When this
    /// is `false`, the broker may have acted on it.
    pub fn is_unsent(&self) -> bool {
        match self {
            Self::Connect { .. }
            | Self::ConnectTimeout { .. }
            | Self::HandshakeTimeout { .. }
            | Self::ClosedInHandshake { .. }
            | Self::Tls
            | Self::Http
            | Self::Refused { .. }
            | Self::Unsent { .. }
            | Self::Unsupported { .. }
            | Self::Encode { .. } => true,
            Self::Io(_)
            | Self::Closed
            | Self::Truncated { .. }
            | Self::TimedOut { .. }
            | Self::Lost { .. }
            | Self::FrameSize { .. }
            | Self::Correlation { .. }
            | Self::Unsolicited { .. }
            | Self::Decode { .. } => false,
        }
    }

    /// Whether time ran out for this very request or connection.
    pub fn is_timeout(&self) -> bool {
        matches!(
            self,
            Self::ConnectTimeout { .. } | Self::HandshakeTimeout { .. } | Self::TimedOut { .. }
        )
    }

    /// What a request that was written gets when the connection ends: nobody shall read of a
    /// timeout that was another request's.
    pub(super) fn for_sent(&self) -> Self {
        match self {
            Self::TimedOut { .. } => Self::Lost { cause: Arc::new(self.clone()) },
            cause => cause.clone(),
        }
    }

    /// What a request that was not written gets when the connection ends.
    pub(super) fn for_unsent(&self) -> Self {
        Self::Unsent { cause: Arc::new(self.clone()) }
    }

    /// Whether this may be how a broker reacts to a handshake that it does not understand.
    pub(super) fn is_disconnect(&self) -> bool {
        matches!(self, Self::Io(_) | Self::Closed | Self::Truncated { .. })
    }
}

impl From<io::Error> for TransportError {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}

fn connect_text(address: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => format!("nothing listens at {address}"),
        io::ErrorKind::NotFound => format!("the host name in {address} does not resolve"),
        _ => format!("cannot connect to {address}"),
    }
}

fn unsupported_text(api: ApiKey, broker: Option<(i16, i16)>, ours: (i16, i16)) -> String {
    let range = |(first, last): (i16, i16)| {
        if first == last {
            format!("version {first}")
        } else {
            format!("versions {first} to {last}")
        }
    };
    let needed = needed(api, ours.0);
    match broker {
        None if api == ApiKey::METADATA => {
            "this does not answer as brokers do: controllers are for `Client::controllers`"
                .to_owned()
        }
        None => format!("the broker does not know {api}{needed}"),
        Some(broker) if broker.1 < ours.0 => {
            let (broker, ours) = (range(broker), range(ours));
            format!("the broker is too old for {api}: it speaks {broker}, not {ours}{needed}")
        }
        Some(broker) => {
            let (broker, ours) = (range(broker), range(ours));
            format!("the broker is too new for {api}: it speaks {broker}, this client {ours}")
        }
    }
}

fn needed_text(api: ApiKey, source: EncodeError) -> String {
    match source {
        EncodeError::Unsupported { since: Some(since), .. }
        | EncodeError::Null { since: Some(since), .. } => needed(api, since),
        _ => String::new(),
    }
}

/// Which Kafka would do.
fn needed(api: ApiKey, version: i16) -> String {
    let release = first_release(api, version);
    release.map(|release| format!(", which needs Kafka {release}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_to_do() {
        let connect = |kind| {
            let source = Arc::new(io::Error::from(kind));
            TransportError::Connect { address: "a:9092".to_owned(), source }.to_string()
        };
        assert_eq!(connect(io::ErrorKind::ConnectionRefused), "nothing listens at a:9092");
        assert!(connect(io::ErrorKind::NotFound).contains("does not resolve"));
        let unsupported = |broker| {
            let api = ApiKey::PRODUCE;
            TransportError::Unsupported { api, broker, ours: (3, 13) }.to_string()
        };
        assert_eq!(
            unsupported(Some((0, 2))),
            "the broker is too old for Produce: it speaks versions 0 to 2, not versions 3 to 13, \
             which needs Kafka 0.11"
        );
        assert!(unsupported(Some((14, 14))).contains("too new for Produce: it speaks version 14,"));
        assert!(unsupported(None).contains("does not know Produce, which needs Kafka 0.11"));
    }

    #[test]
    fn a_timeout_belongs_to_one_request() {
        let after = Duration::from_secs(1);
        let timeout = TransportError::TimedOut { api: ApiKey::FETCH, after };
        assert!(timeout.is_timeout() && !timeout.is_unsent());
        assert!(!timeout.for_sent().is_timeout() && !timeout.for_sent().is_unsent());
        assert!(timeout.for_unsent().is_unsent() && timeout.for_unsent().is_retriable());
    }
}
