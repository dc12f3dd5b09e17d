//! rdkafka: `FutureProducer`, and the stream of a `StreamConsumer`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use rivals::{OPEN, Op, Outcome, PARTITIONS, Race, Result, Trip};

#[tokio::main]
async fn main() -> Result<()> {
    let race = Race::from_args();
    let outcome = match race.op {
        Op::Produce => produce(&race).await?,
        Op::Consume => consume(&race).await?,
        Op::Latency => latency(&race).await?,
        Op::Roundtrip => roundtrip(&race).await?,
        Op::ConsumeBatch => race.unsupported(),
    };
    let version = format!("0.39.0 (librdkafka {})", rdkafka::util::get_rdkafka_version().1);
    race.report("rdkafka", &version, outcome)
}

fn producer(race: &Race, linger_ms: &str) -> Result<FutureProducer> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &race.bootstrap).set("acks", "all");
    config.set("enable.idempotence", "true").set("linger.ms", linger_ms);
    Ok(config.set("batch.size", "1048576").create()?)
}

/// A group id, without which the crate's consumers do not read; no group is joined.
fn consumer(race: &Race) -> Result<StreamConsumer> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &race.bootstrap).set("check.crcs", "true");
    config.set("group.id", "rivals").set("enable.auto.commit", "false");
    Ok(config.create()?)
}

fn assign(race: &Race, consumer: &StreamConsumer, from: Offset) -> Result<()> {
    let mut partitions = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        partitions.add_partition_offset(&race.topic, partition, from)?;
    }
    Ok(consumer.assign(&partitions)?)
}

async fn produce(race: &Race) -> Result<Outcome> {
    let producer = producer(race, "5")?;
    let values = race.values();
    race.produce(|count| send(race, &producer, &values, count)).await
}

async fn send(race: &Race, producer: &FutureProducer, values: &[Bytes], n: usize) -> Result<()> {
    let mut open = VecDeque::new();
    for value in values.iter().cycle().take(n) {
        if open.len() == OPEN {
            if let Some(oldest) = open.pop_front() {
                delivered(oldest).await?;
            }
        }
        open.push_back(start(race, producer, value)?);
    }
    for delivery in open {
        delivered(delivery).await?;
    }
    Ok(())
}

fn start(race: &Race, producer: &FutureProducer, value: &Bytes) -> Result<DeliveryFuture> {
    let record = FutureRecord::<[u8], [u8]>::to(&race.topic).payload(value);
    Ok(producer.send_result(record).map_err(|(error, _)| error)?)
}

async fn delivered(delivery: DeliveryFuture) -> Result<()> {
    delivery.await.map_err(|_| KafkaError::Canceled)?.map_err(|(error, _)| error)?;
    Ok(())
}

async fn consume(race: &Race) -> Result<Outcome> {
    let consumer = consumer(race)?;
    consumer.fetch_metadata(Some(&race.topic), Duration::from_secs(10))?;
    let read = async {
        assign(race, &consumer, Offset::Beginning)?;
        let mut messages = consumer.stream();
        let (mut records, mut bytes) = (0, 0);
        while records < race.n {
            let message = messages.next().await.ok_or("the stream ended")??;
            records += 1;
            bytes += message.payload().map_or(0, <[u8]>::len);
        }
        Ok((records, bytes))
    };
    race.consume(read).await
}

async fn latency(race: &Race) -> Result<Outcome> {
    let producer = producer(race, "0")?;
    race.latency(async |value| delivered(start(race, &producer, &value)?).await).await
}

async fn roundtrip(race: &Race) -> Result<Outcome> {
    let trip = Arc::new(Trip::default());
    let consumer = consumer(race)?;
    assign(race, &consumer, Offset::End)?;
    let receiver = trip.clone();
    let receiving = tokio::spawn(async move {
        let mut messages = consumer.stream();
        while let Some(Ok(message)) = messages.next().await {
            receiver.seen(message.payload().unwrap_or_default());
        }
    });
    let producer = producer(race, "0")?;
    let mut open = Vec::new();
    let send = async |value| {
        open.push(start(race, &producer, &value)?);
        Ok(())
    };
    let outcome = race.roundtrip(&trip, send).await?;
    for delivery in open {
        delivered(delivery).await?;
    }
    receiving.abort();
    Ok(outcome)
}
