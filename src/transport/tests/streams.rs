//! Streams that behave otherwise than pipes do.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex,
};

use super::*;

/// One byte at a time, in both directions.
struct Trickle(DuplexStream);

impl AsyncRead for Trickle {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut one = [0];
        let mut byte = ReadBuf::new(&mut one);
        let read = Pin::new(&mut self.0).poll_read(cx, &mut byte);
        buf.put_slice(byte.filled());
        read
    }
}

impl AsyncWrite for Trickle {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf.get(..1).unwrap_or(buf))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn single_bytes_make_frames() {
    let (near, far) = duplex(1 << 16);
    let mut broker = Broker::new(far);
    let connection = connect_over(Trickle(near), &mut broker).await;
    for node_id in 0..3 {
        let answer = start(&connection, "a", SECOND).await.unwrap();
        let (id, _) = broker.request().await;
        broker.answer(id, node_id).await;
        assert_eq!(node(answer.await), node_id);
    }
}

#[tokio::test(start_paused = true)]
async fn buffered_streams_are_flushed() {
    let (near, far) = duplex(1 << 16);
    let mut broker = Broker::new(far);
    let connection = connect_over(tokio::io::BufStream::new(near), &mut broker).await;
    let answer = start(&connection, "a", SECOND).await.unwrap();
    let (id, _) = broker.request().await;
    broker.answer(id, 1).await;
    assert_eq!(node(answer.await), 1);
}

#[tokio::test]
async fn over_tcp() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connector = TcpConnector::default();
    let config = config();
    let (connection, mut socket) =
        tokio::join!(Connection::open(&connector, "localhost", port, &config), async {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut bytes = vec![0; usize::try_from(socket.read_i32().await.unwrap()).unwrap()];
            socket.read_exact(&mut bytes).await.unwrap();
            let frame = response::<ApiVersionsRequest>(0, 4, &versions(ErrorCode::NONE));
            socket.write_i32(i32::try_from(frame.len()).unwrap()).await.unwrap();
            socket.write_all(&frame).await.unwrap();
            socket
        });
    drop(connection.unwrap());
    assert_eq!(socket.read(&mut [0]).await.unwrap(), 0);
}
