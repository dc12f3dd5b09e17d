//! One connection to one broker: requests go out pipelined, and answers come back in order.
//!
//! Knows frames, correlation ids, time and the handshake; nothing of which broker to ask, or
//! whether to ask again.
//!
//! [`Connection`] is a cloneable handle, and a `tower` service of every request. Behind it a
//! driver task owns the socket, so that a caller that stops waiting disturbs nobody:
//!
//! ```
//! use std::time::Duration;
//! use kafkio::protocol::messages::api_versions::ApiVersionsRequest;
//! use kafkio::transport::{Connection, ConnectionConfig, TcpConnector};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let cluster = kafkio::testing::FakeCluster::start().await?;
//! # let address = cluster.bootstrap().remove(0);
//! # let (host, port) = address.rsplit_once(':').ok_or("no port")?;
//! # let port = port.parse()?;
//! let config = ConnectionConfig::default();
//! let connection = Connection::open(&TcpConnector::default(), host, port, &config).await?;
//! let request = ApiVersionsRequest::default();
//! let versions = connection.call(&request, Duration::from_secs(5)).await?;
//! println!("the broker knows {} calls", versions.api_keys.len());
//! # Ok(())
//! # }
//! ```
//!
//! # Files
//!
//! | file | what it owns |
//! |---|---|
//! | `connection.rs` | [`Connection`], [`Answer`]: requests, versions, throttling |
//! | `handshake.rs` | the first request, and the broker's versions |
//! | `link.rs` | encoding, correlation ids, the way to the driver |
//! | `driver.rs` | the socket and the clock |
//! | `queue.rs` | order, deadlines and errors of the requests under way; no I/O |
//! | `codec.rs` | [`FrameCodec`]: frames in a byte stream |
//! | `connector.rs` | [`Connect`], [`TcpConnector`]: where byte streams come from |
//! | `error.rs` | [`TransportError`] |
//!
//! # What must hold
//!
//! - Only the driver touches the socket, and it is given whole frames.
//! - A place in flight is freed by the answer alone, so abandoned requests still count.
//! - The oldest request has its whole time from when it became the oldest, and no other is
//!   watched: a broker works on one request of a connection after the other.
//! - A request that fails before its first byte is written says so
//!   ([`TransportError::is_unsent`]).
//! - When a response asks for silence (KIP-219), nothing is written until that is over.

mod codec;
mod connection;
mod connector;
mod driver;
mod error;
mod handshake;
mod link;
mod queue;
#[cfg(test)]
mod tests;

pub use codec::FrameCodec;
pub use connection::{Answer, Connection, ConnectionConfig};
pub use connector::{Connect, Connecting, Io, TcpConnector};
pub use error::TransportError;
pub(crate) use handshake::api_versions_request;
