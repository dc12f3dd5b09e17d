//! kafkio: a `Reader` as a stream of messages, or of batches; a `Writer`, every delivery awaited.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use kafkio::{Client, Delivery, Reader, Record, Start, Writer};
use rivals::{OPEN, Op, Outcome, PARTITIONS, Race, Result, Trip};

#[tokio::main]
async fn main() -> Result<()> {
    let race = Race::from_args();
    let client = Client::builder([race.bootstrap.as_str()]).connect().await?;
    let outcome = match race.op {
        Op::Produce => produce(&race, &client).await?,
        Op::Consume => race.consume(consume(&race, &client)).await?,
        Op::ConsumeBatch => race.consume(consume_batch(&race, &client)).await?,
        Op::Latency => latency(&race, &client).await?,
        Op::Roundtrip => roundtrip(&race, &client).await?,
    };
    race.report("kafkio", env!("CARGO_PKG_VERSION"), outcome)
}

async fn writer(race: &Race, client: &Client, linger: Duration) -> Result<Writer> {
    let writer = client.writer().topic(race.topic.as_str()).linger(linger);
    Ok(writer.batch_bytes(1 << 20).buffer_bytes(32 << 20).build().await?)
}

async fn reader(race: &Race, client: &Client, start: Start) -> Result<Reader> {
    let reader = client.reader().partitions(race.topic.as_str(), 0..PARTITIONS);
    Ok(reader.start(start).build().await?)
}

async fn produce(race: &Race, client: &Client) -> Result<Outcome> {
    let writer = writer(race, client, Duration::from_millis(5)).await?;
    let values = race.values();
    race.produce(|count| send(&writer, &values, count)).await
}

async fn send(writer: &Writer, values: &[Bytes], count: usize) -> Result<()> {
    let mut open = VecDeque::<Delivery>::with_capacity(OPEN.min(count));
    for value in values.iter().cycle().take(count) {
        if open.len() == OPEN {
            if let Some(oldest) = open.pop_front() {
                oldest.await?;
            }
        }
        open.push_back(writer.send(Record::new(value.clone())).await?);
    }
    for delivery in open {
        delivery.await?;
    }
    Ok(())
}

async fn consume(race: &Race, client: &Client) -> Result<(usize, usize)> {
    let mut reader = reader(race, client, Start::Earliest).await?;
    let (mut records, mut bytes) = (0, 0);
    while records < race.n {
        let message = reader.next().await.ok_or("the stream ended")??;
        records += 1;
        bytes += message.value().map_or(0, <[u8]>::len);
    }
    Ok((records, bytes))
}

async fn consume_batch(race: &Race, client: &Client) -> Result<(usize, usize)> {
    let mut batches = reader(race, client, Start::Earliest).await?.batches();
    let (mut records, mut bytes) = (0, 0);
    while records < race.n {
        for record in batches.next().await.ok_or("the stream ended")??.records() {
            records += 1;
            bytes += record?.value().map_or(0, <[u8]>::len);
        }
    }
    Ok((records, bytes))
}

async fn latency(race: &Race, client: &Client) -> Result<Outcome> {
    let writer = writer(race, client, Duration::ZERO).await?;
    let send = async |value| {
        writer.send(Record::new(value)).await?.await?;
        Ok(())
    };
    race.latency(send).await
}

async fn roundtrip(race: &Race, client: &Client) -> Result<Outcome> {
    let trip = Arc::new(Trip::default());
    let mut reader = reader(race, client, Start::Latest).await?;
    let receiver = trip.clone();
    let receiving = tokio::spawn(async move {
        while let Some(message) = reader.next().await {
            receiver.seen(message?.value().unwrap_or_default());
        }
        Ok::<_, kafkio::Error>(())
    });
    let writer = writer(race, client, Duration::ZERO).await?;
    let mut open = Vec::new();
    let send = async |value| {
        open.push(writer.send(Record::new(value)).await?);
        Ok(())
    };
    let outcome = race.roundtrip(&trip, send).await?;
    for delivery in open {
        delivery.await?;
    }
    receiving.abort();
    Ok(outcome)
}
