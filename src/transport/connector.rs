//! How byte streams to brokers are made. Knows names, addresses and socket options; nothing of
//! Kafka.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;

/// A byte stream to a broker.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// A connection that is being made.
pub type Connecting = Pin<Box<dyn Future<Output = io::Result<Box<dyn Io>>> + Send>>;

/// How byte streams to brokers are made: TCP by [`TcpConnector`]; TLS, pipes in memory and
/// proxies plug in here.
///
/// ```
/// use std::sync::Mutex;
/// use kafkio::transport::{Connect, Connecting, Io};
/// use tokio::io::DuplexStream;
///
/// /// Hands out pipes that were made before.
/// #[derive(Debug)]
/// struct Pipes(Mutex<Vec<DuplexStream>>);
///
/// impl Connect for Pipes {
///     fn connect(&self, _host: &str, _port: u16) -> Connecting {
///         let pipe = self.0.lock().unwrap().pop();
///         Box::pin(async move {
///             let pipe = pipe.ok_or(std::io::ErrorKind::ConnectionRefused)?;
///             Ok(Box::new(pipe) as Box<dyn Io>)
///         })
///     }
/// }
/// ```
pub trait Connect: fmt::Debug + Send + Sync + 'static {
    /// Connects. The caller bounds the time, by dropping the future.
    ///
    /// An error of kind [`NotFound`](io::ErrorKind::NotFound) means that the name does not
    /// resolve, [`ConnectionRefused`](io::ErrorKind::ConnectionRefused) that nothing listens.
    fn connect(&self, host: &str, port: u16) -> Connecting;
}

/// Plain TCP. Tries all addresses of a name in turn.
///
/// ```
/// use std::time::Duration;
/// use kafkio::transport::TcpConnector;
///
/// let connector = TcpConnector::default()
///     .keep_alive(Duration::from_secs(30), Duration::from_secs(5))
///     .receive_buffer_size(1 << 20);
/// ```
#[derive(Clone, Debug)]
pub struct TcpConnector {
    nodelay: bool,
    keep_alive: Option<(Duration, Duration)>,
    send_buffer_size: Option<u32>,
    receive_buffer_size: Option<u32>,
    address_timeout: Duration,
}

impl Default for TcpConnector {
    fn default() -> Self {
        Self {
            nodelay: true,
            keep_alive: Some((Duration::from_secs(60), Duration::from_secs(10))),
            send_buffer_size: None,
            receive_buffer_size: None,
            address_timeout: Duration::from_secs(3),
        }
    }
}

impl TcpConnector {
    /// Whether small requests leave at once (`TCP_NODELAY`). Default: yes; without it, they may
    /// wait 40 ms for the acknowledgement of what was sent before.
    #[must_use]
    pub fn nodelay(mut self, nodelay: bool) -> Self {
        self.nodelay = nodelay;
        self
    }

    /// After how much silence the system asks whether the other side is still there, and how
    /// often then. Default: 60 s and 10 s. Keeps firewalls from forgetting a connection, and
    /// notices a host that has vanished.
    #[must_use]
    pub fn keep_alive(mut self, idle: Duration, interval: Duration) -> Self {
        self.keep_alive = Some((idle, interval));
        self
    }

    /// Never asks a silent connection whether the other side is still there.
    #[must_use]
    pub fn no_keep_alive(mut self) -> Self {
        self.keep_alive = None;
        self
    }

    /// Size of the socket's send buffer in bytes (property `send.buffer.bytes`). Default: what
    /// the system chooses, which grows by itself on most.
    #[must_use]
    pub fn send_buffer_size(mut self, bytes: u32) -> Self {
        self.send_buffer_size = Some(bytes);
        self
    }

    /// Size of the socket's receive buffer in bytes (property `receive.buffer.bytes`). Default:
    /// what the system chooses, which grows by itself on most.
    #[must_use]
    pub fn receive_buffer_size(mut self, bytes: u32) -> Self {
        self.receive_buffer_size = Some(bytes);
        self
    }

    /// How long an address may take while there are others to try. Default: 3 s. The last one
    /// may take all that is left of the connection's time.
    #[must_use]
    pub fn address_timeout(mut self, timeout: Duration) -> Self {
        self.address_timeout = timeout;
        self
    }

    async fn dial(&self, host: String, port: u16) -> io::Result<TcpStream> {
        let addresses = lookup_host((host, port)).await;
        let addresses =
            addresses.map_err(|error| io::Error::new(io::ErrorKind::NotFound, error))?;
        self.dial_any(addresses).await
    }

    async fn dial_any(
        &self,
        addresses: impl Iterator<Item = SocketAddr> + Send,
    ) -> io::Result<TcpStream> {
        let mut addresses = addresses.peekable();
        let mut failures: Vec<(SocketAddr, io::Error)> = Vec::new();
        while let Some(address) = addresses.next() {
            let stream = match addresses.peek() {
                None => self.dial_one(address).await,
                Some(_) => timeout(self.address_timeout, self.dial_one(address))
                    .await
                    .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
            };
            match stream {
                Ok(stream) => return Ok(stream),
                Err(error) => failures.push((address, error)),
            }
        }
        Err(all(failures))
    }

    async fn dial_one(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_nodelay(self.nodelay)?;
        // Before connecting, because the window's scale is agreed on then.
        if let Some(bytes) = self.send_buffer_size {
            socket.set_send_buffer_size(bytes)?;
        }
        if let Some(bytes) = self.receive_buffer_size {
            socket.set_recv_buffer_size(bytes)?;
        }
        let stream = socket.connect(address).await?;
        if let Some((idle, interval)) = self.keep_alive {
            let times = TcpKeepalive::new().with_time(idle).with_interval(interval);
            SockRef::from(&stream).set_tcp_keepalive(&times)?;
        }
        Ok(stream)
    }
}

impl Connect for TcpConnector {
    fn connect(&self, host: &str, port: u16) -> Connecting {
        let (this, host) = (self.clone(), host.to_owned());
        Box::pin(async move { Ok(Box::new(this.dial(host, port).await?) as Box<dyn Io>) })
    }
}

/// One error out of all that were tried, of the kind of the last.
fn all(mut failures: Vec<(SocketAddr, io::Error)>) -> io::Error {
    let Some((_, last)) = failures.last() else {
        return io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    };
    let kind = last.kind();
    if failures.len() == 1 {
        return failures.swap_remove(0).1;
    }
    let texts: Vec<_> =
        failures.iter().map(|(address, error)| format!("{address}: {error}")).collect();
    io::Error::new(kind, texts.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    async fn closed_address() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
    }

    #[tokio::test]
    async fn tries_the_next_address() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addresses = [closed_address().await, listener.local_addr().unwrap()];
        let stream = TcpConnector::default().dial_any(addresses.into_iter()).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), addresses[1]);
    }

    #[tokio::test]
    async fn tells_of_every_address() {
        let addresses = [closed_address().await, closed_address().await];
        let error = TcpConnector::default().dial_any(addresses.into_iter()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        for address in addresses {
            assert!(error.to_string().contains(&address.to_string()), "{error}");
        }
        let none = TcpConnector::default().dial_any(std::iter::empty()).await.unwrap_err();
        assert_eq!(none.kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn sets_the_options() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let keeping = TcpConnector::default();
        let stream = keeping.dial("localhost".to_owned(), address.port()).await.unwrap();
        assert!(stream.nodelay().unwrap());
        assert!(SockRef::from(&stream).keepalive().unwrap());
        let plain = TcpConnector::default().nodelay(false).no_keep_alive();
        let stream = plain.dial_one(address).await.unwrap();
        assert!(!stream.nodelay().unwrap());
        assert!(!SockRef::from(&stream).keepalive().unwrap());
    }
}
