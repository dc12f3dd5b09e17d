//! Logs in before a client speaks, for scenarios that need to be somebody.

use std::io;

use kafkio::transport::{Connect, Connecting, Io, TcpConnector};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Connects, and logs in by PLAIN with `name` and `name-secret`.
#[derive(Clone, Debug)]
pub struct LogsIn(pub String);

impl Connect for LogsIn {
    fn connect(&self, host: &str, port: u16) -> Connecting {
        let connecting = TcpConnector::default().connect(host, port);
        let token = format!("\0{0}\0{0}-secret", self.0);
        Box::pin(async move {
            let mut stream = connecting.await?;
            call(&mut stream, 17, 1, &[&5_i16.to_be_bytes(), b"PLAIN"]).await?;
            let length = token.len() as i32;
            call(&mut stream, 36, 0, &[&length.to_be_bytes(), token.as_bytes()]).await?;
            Ok(stream)
        })
    }
}

/// One request of a connection that is not a client's yet; its response begins with an error code.
async fn call(stream: &mut Box<dyn Io>, key: i16, version: i16, body: &[&[u8]]) -> io::Result<()> {
    let body = body.concat();
    let mut request = (body.len() as i32 + 10).to_be_bytes().to_vec();
    request.extend(key.to_be_bytes());
    request.extend(version.to_be_bytes());
    // Correlation id, and no client id.
    request.extend([0, 0, 0, 0, 0xff, 0xff]);
    request.extend(body);
    stream.write_all(&request).await?;
    let length = stream.read_i32().await?;
    let mut response = vec![0; length as usize];
    stream.read_exact(&mut response).await?;
    match response.get(4..6) {
        Some([0, 0]) => Ok(()),
        _ => Err(io::Error::other(format!("login refused: {}", response.escape_ascii()))),
    }
}
