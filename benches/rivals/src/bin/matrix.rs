//! Consuming, over every shape of batch: 16 kB, 64 KiB and 1 MiB, plain, lz4 and zstd, values of
//! 100 B and 1 KiB, message by message and by batch. Fills one topic for each, runs the programs in
//! turns, and prints a table of medians.
//!
//! ```text
//! matrix BOOTSTRAP REPEATS NAME=PATH...
//! ```
//!
//! `MATRIX=16000/lz4,100` runs only the rows whose name begins so.
//!
//! What it has shown, with `perf` (figures are in `../../../README.md`): plain batches cost what the
//! system takes to copy them from the socket, and the checksum; how much is asked for at once decides
//! whether the second finds them in the caches. Of compressed ones, decompression is the most: lz4
//! here costs more than zstd, since its decoder is written without unsafe code.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use kafkio::admin::topics::NewTopic;
use kafkio::{Client, Compression, Record};
use rivals::{PARTITIONS, Result};

const BATCHES: [usize; 3] = [16_000, 64 << 10, 1 << 20];
const SIZES: [(usize, usize); 2] = [(100, 1_000_000), (1024, 200_000)];

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let usage = "usage: matrix BOOTSTRAP REPEATS NAME=PATH...";
    let bootstrap = args.next().ok_or(usage)?;
    let repeats: usize = args.next().ok_or(usage)?.parse()?;
    let programs: Vec<(String, String)> = args
        .map(|arg| arg.split_once('=').map(|(name, path)| (name.to_owned(), path.to_owned())))
        .collect::<Option<_>>()
        .ok_or(usage)?;
    let only = std::env::var("MATRIX").unwrap_or_default();
    let client = Client::builder([bootstrap.as_str()]).connect().await?;

    let names = programs.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" | ");
    println!("µs of client CPU per message (million messages a second; resident MB)\n");
    println!("| batches, value, by | {names} |\n|---|{}", "---|".repeat(programs.len()));
    for (size, n) in SIZES {
        for batch in BATCHES {
            for (codec, compression) in codecs() {
                let row = format!("{batch}/{codec},{size}");
                if !row.starts_with(&only) {
                    continue;
                }
                let topic = format!("matrix-{batch}-{codec}-{size}");
                fill(&client, &topic, n, size, batch, compression).await?;
                for op in ["consume", "consume-batch"] {
                    let mut runs = BTreeMap::<&str, Vec<Run>>::new();
                    for _ in 0..repeats {
                        for (name, path) in &programs {
                            let run = race(path, op, &bootstrap, &topic, n)?;
                            runs.entry(name).or_default().extend(run);
                        }
                    }
                    let cells = programs.iter().map(|(name, _)| {
                        let runs = runs.get_mut(name.as_str()).filter(|runs| !runs.is_empty());
                        runs.map_or_else(|| "–".to_owned(), |runs| median(runs))
                    });
                    let by = op.strip_prefix("consume-").unwrap_or("message");
                    let cells = cells.collect::<Vec<_>>().join(" | ");
                    println!("| {row}, {by} | {cells} |");
                }
                let gone = client.delete_topics([topic.as_str()]).await?;
                gone.into_iter().try_for_each(|(_, deleted)| deleted.map(drop))?;
            }
        }
    }
    Ok(())
}

fn codecs() -> [(&'static str, Compression); 3] {
    [("none", Compression::none()), ("lz4", Compression::lz4()), ("zstd", Compression::zstd())]
}

/// Records of a size that compress about as well as what services write: half of each is text.
async fn fill(
    client: &Client,
    topic: &str,
    n: usize,
    size: usize,
    batch: usize,
    compression: Compression,
) -> Result<()> {
    let created = client.create_topics([NewTopic::new(topic).partitions(PARTITIONS)]).await?;
    created.into_iter().try_for_each(|(_, created)| created.map(drop))?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let writer = client
        .writer()
        .topic(topic)
        .linger(Duration::from_millis(50))
        .batch_bytes(batch)
        .compression(compression)
        .build()
        .await?;
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let values: Vec<Bytes> = (0..1024)
        .map(|_| {
            let text = b"{\"name\":\"value\",\"time\":1234567}".iter().cycle().take(size / 2);
            let noise = (0..size - size / 2).map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                state.to_be_bytes()[0]
            });
            text.copied().chain(noise).collect()
        })
        .collect();
    let mut last = Vec::new();
    for (number, value) in values.iter().cycle().take(n).enumerate() {
        let partition = i32::try_from(number)? % PARTITIONS;
        last.push(writer.send(Record::new(value.clone()).partition(partition)).await?);
        if last.len() == 50_000 {
            for delivery in last.drain(..) {
                delivery.await?;
            }
        }
    }
    for delivery in last {
        delivery.await?;
    }
    Ok(())
}

/// CPU in µs and messages, per message and second; resident MB.
struct Run {
    cpu: f64,
    rate: f64,
    rss: f64,
}

fn race(path: &str, op: &str, bootstrap: &str, topic: &str, n: usize) -> Result<Option<Run>> {
    let output = Command::new(path).args([op, bootstrap, topic, &n.to_string()]).output()?;
    if output.status.code() == Some(3) {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let field = |name: &str| {
        let (_, rest) = text.split_once(&format!("\"{name}\":"))?;
        rest.split([',', '}']).next()?.trim().parse::<f64>().ok()
    };
    let run = || {
        let (cpu, rate) = (field("us_cpu_per_msg")?, field("msgs_per_s")?);
        Some(Run { cpu, rate, rss: field("max_rss_mb")? })
    };
    if let (true, Some(run)) = (output.status.success(), run()) {
        return Ok(Some(run));
    }
    Err(format!("{path} {op}: {text}{}", String::from_utf8_lossy(&output.stderr)).into())
}

fn median(runs: &mut [Run]) -> String {
    runs.sort_by(|a, b| a.cpu.total_cmp(&b.cpu));
    let Run { cpu, rate, rss } = &runs[runs.len() / 2];
    format!("{cpu:.3} ({:.2}; {rss:.0})", rate / 1e6)
}
