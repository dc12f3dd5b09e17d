//! An in-process cluster in another process: what this one uses is the client's alone.
//!
//! The program starts itself again, to run the one test `server`, which fills a cluster and calls
//! [`serve`]; at any other time that test does nothing.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use bytes::{Bytes, BytesMut};
use kafkio::Client;
use kafkio::testing::FakeCluster;

const VARIABLE: &str = "KAFKIO_TEST_SERVER";

/// Dropping it ends the cluster.
pub struct Child {
    process: std::process::Child,
    bootstrap: Vec<String>,
}

/// Whether this is the other process.
pub fn is_child() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// Serves until the other process ends.
pub fn serve(cluster: &FakeCluster) {
    println!("\n{VARIABLE}={}", cluster.bootstrap().join(","));
    let _ = std::io::stdin().read(&mut [0]);
}

/// A record batch, from this offset on.
pub fn at_offset(batch: &Bytes, offset: i64) -> Bytes {
    let mut batch = BytesMut::from(&**batch);
    batch[..8].copy_from_slice(&offset.to_be_bytes());
    batch.freeze()
}

impl Child {
    pub fn start() -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "server", "--nocapture"])
            .env(VARIABLE, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let bootstrap = lines.find_map(|line| {
            let line = line.unwrap();
            let (_, list) = line.split_once(VARIABLE)?;
            Some(list[1..].split(',').map(str::to_owned).collect())
        });
        Self { process, bootstrap: bootstrap.expect("it serves") }
    }

    pub async fn client(&self) -> Client {
        Client::builder(self.bootstrap.clone()).connect().await.unwrap()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
