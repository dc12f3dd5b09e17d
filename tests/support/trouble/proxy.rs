//! A TCP proxy in front of each broker, that cuts connections at any byte.

#![allow(dead_code, reason = "not all programs of tests need it")]

use std::collections::HashMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use kafkio::transport::{Connect, Connecting, TcpConnector};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// How much of an answer, or of some requests, a cut may let through.
const MOST: usize = 2_000;

/// Dropping it ends its connections.
#[derive(Debug)]
pub struct Proxy(Arc<Shared>);

/// Leads a client through the proxy, to whichever broker.
#[derive(Clone, Debug)]
pub struct Through(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    is_late: bool,
    /// Where it listens for each broker.
    ports: Mutex<HashMap<(String, u16), u16>>,
    links: Mutex<Vec<Weak<Link>>>,
    opened: AtomicU32,
    cuts: AtomicU32,
    tasks: Mutex<JoinSet<()>>,
}

/// One connection: how many bytes may still pass to the broker, and to the client.
#[derive(Debug)]
struct Link {
    left: [AtomicUsize; 2],
}

impl Proxy {
    /// Whether the last bytes before a cut arrive late: when the client has long connected anew, and
    /// sent its request again. Brokers cannot tell them from what comes then, if a producer has begun
    /// another epoch meanwhile.
    pub fn new(is_late: bool) -> Self {
        Self(Arc::new(Shared { is_late, ..Shared::default() }))
    }

    pub fn connector(&self) -> Through {
        Through(self.0.clone())
    }

    /// Makes one of the connections end soon: after some bytes in one direction.
    pub fn cut(&self, random: &mut fastrand::Rng) {
        let mut links = lock(&self.0.links);
        links.retain(|link| link.strong_count() > 0);
        let chosen = random.choice(&*links).and_then(Weak::upgrade);
        drop(links);
        if let Some(link) = chosen {
            link.left[random.usize(..2)].store(random.usize(..MOST), Ordering::Relaxed);
        }
    }

    /// How many connections there have been.
    pub fn opened(&self) -> u32 {
        self.0.opened.load(Ordering::Relaxed)
    }

    /// How many of them were cut.
    pub fn cuts(&self) -> u32 {
        self.0.cuts.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        lock(&self.0.tasks).abort_all();
    }
}

impl Connect for Through {
    fn connect(&self, host: &str, port: u16) -> Connecting {
        let near = Shared::port(&self.0, host, port);
        Box::pin(async { TcpConnector::default().connect("127.0.0.1", near?).await })
    }
}

impl Shared {
    fn port(this: &Arc<Self>, host: &str, port: u16) -> io::Result<u16> {
        let mut ports = lock(&this.ports);
        let broker = (host.to_owned(), port);
        if let Some(near) = ports.get(&broker) {
            return Ok(*near);
        }
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let near = listener.local_addr()?.port();
        let serving = serve(TcpListener::from_std(listener)?, broker.clone(), this.clone());
        lock(&this.tasks).spawn(serving);
        ports.insert(broker, near);
        Ok(near)
    }
}

async fn serve(listener: TcpListener, broker: (String, u16), shared: Arc<Shared>) {
    let mut links = FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((near, _)) = accepted {
                    links.push(link(near, &broker, &shared));
                }
            }
            Some(()) = links.next() => {}
        }
    }
}

/// One connection, to its end.
async fn link(mut near: TcpStream, broker: &(String, u16), shared: &Shared) {
    // Nobody listens: the client sees the end of its connection.
    let Ok(mut far) = TcpStream::connect((&*broker.0, broker.1)).await else {
        return;
    };
    if near.set_nodelay(true).and(far.set_nodelay(true)).is_err() {
        return;
    }
    shared.opened.fetch_add(1, Ordering::Relaxed);
    let link = Arc::new(Link { left: [usize::MAX, usize::MAX].map(AtomicUsize::new) });
    lock(&shared.links).push(Arc::downgrade(&link));
    let (near_read, near_write) = near.split();
    let (far_read, far_write) = far.split();
    let [up, down] = &link.left;
    let late = tokio::select! {
        cut = pump(near_read, far_write, up) => cut,
        cut = pump(far_read, near_write, down) => cut.map(|_| Vec::new()),
    };
    let Some(late) = late else {
        return;
    };
    shared.cuts.fetch_add(1, Ordering::Relaxed);
    drop(near);
    if shared.is_late {
        sleep(Duration::from_millis(late.len() as u64 % 300)).await;
    }
    let _ = far.write_all(&late).await;
}

/// Passes bytes on. `Some` if it is to cut the connection: the last bytes that may pass.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    left: &AtomicUsize,
) -> Option<Vec<u8>> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let count = from.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
        let before = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            Some(left.saturating_sub(count))
        });
        let left = before.unwrap_or_default();
        if count >= left {
            buffer.truncate(left);
            return Some(buffer);
        }
        to.write_all(&buffer[..count]).await.ok()?;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
