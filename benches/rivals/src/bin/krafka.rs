//! krafka: `enqueue` and its delivery handles; `recv`, or `poll` for whole batches.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use krafka::consumer::{AutoOffsetReset, Consumer};
use krafka::producer::{DeliveryHandle, Producer};
use krafka::{Kafka, Record};
use rivals::{OPEN, Op, Outcome, PARTITIONS, Race, Result, Trip};

#[tokio::main]
async fn main() -> Result<()> {
    let race = Race::from_args();
    let kafka = connect(&race).await?;
    let outcome = match race.op {
        Op::Produce => produce(&race, &kafka).await?,
        Op::Consume | Op::ConsumeBatch => consume(&race, &kafka).await?,
        Op::Latency => latency(&race, &kafka).await?,
        Op::Roundtrip => roundtrip(&race, &kafka).await?,
    };
    race.report("krafka", "0.28.1", outcome)
}

async fn connect(race: &Race) -> Result<Kafka> {
    Ok(Kafka::builder(race.bootstrap.clone()).connect().await?)
}

async fn producer(kafka: &Kafka, linger: Duration) -> Result<Producer> {
    Ok(kafka.producer().linger(linger).batch_size(1 << 20).build().await?)
}

async fn consumer(race: &Race, kafka: &Kafka, reset: AutoOffsetReset) -> Result<Consumer> {
    let consumer = kafka.consumer_without_group().auto_offset_reset(reset).build().await?;
    consumer.fetch_metadata(Some(&race.topic)).await?;
    Ok(consumer)
}

async fn produce(race: &Race, kafka: &Kafka) -> Result<Outcome> {
    let producer = producer(kafka, Duration::from_millis(5)).await?;
    let values = race.values();
    race.produce(|count| send(race, &producer, &values, count)).await
}

async fn send(race: &Race, producer: &Producer, values: &[Bytes], count: usize) -> Result<()> {
    let mut open = VecDeque::new();
    for value in values.iter().cycle().take(count) {
        if open.len() == OPEN {
            if let Some(oldest) = open.pop_front() {
                delivered(oldest).await?;
            }
        }
        open.push_back(producer.enqueue(Record::new(&race.topic, value.clone())).await?);
    }
    for handle in open {
        delivered(handle).await?;
    }
    Ok(())
}

async fn delivered(handle: DeliveryHandle) -> Result<()> {
    if handle.await?.is_persisted() { Ok(()) } else { Err("not persisted".into()) }
}

async fn consume(race: &Race, kafka: &Kafka) -> Result<Outcome> {
    let consumer = consumer(race, kafka, AutoOffsetReset::Earliest).await?;
    let read = async {
        consumer.assign(&race.topic, (0..PARTITIONS).collect()).await?;
        let (mut records, mut bytes) = (0, 0);
        while records < race.n {
            if race.op == Op::ConsumeBatch {
                for message in consumer.poll(Duration::from_secs(1)).await? {
                    records += 1;
                    bytes += message.value.map_or(0, |value| value.len());
                }
            } else {
                let message = consumer.recv().await?.ok_or("the consumer ended")?;
                records += 1;
                bytes += message.value.map_or(0, |value| value.len());
            }
        }
        Ok((records, bytes))
    };
    race.consume(read).await
}

async fn latency(race: &Race, kafka: &Kafka) -> Result<Outcome> {
    let producer = producer(kafka, Duration::ZERO).await?;
    let send = async |value| {
        let persisted = producer.send(Record::new(&race.topic, value)).await?.is_persisted();
        if persisted { Ok(()) } else { Err("not persisted".into()) }
    };
    race.latency(send).await
}

/// The consumer has a handle of its own: on a shared one, a write waits behind its long poll.
async fn roundtrip(race: &Race, kafka: &Kafka) -> Result<Outcome> {
    let trip = Arc::new(Trip::default());
    let other = connect(race).await?;
    let consumer = consumer(race, &other, AutoOffsetReset::Latest).await?;
    consumer.assign(&race.topic, (0..PARTITIONS).collect()).await?;
    let receiver = trip.clone();
    let receiving = tokio::spawn(async move {
        while let Ok(Some(message)) = consumer.recv().await {
            receiver.seen(message.value.as_deref().unwrap_or_default());
        }
    });
    let producer = producer(kafka, Duration::ZERO).await?;
    let mut open = Vec::new();
    let send = async |value| {
        open.push(producer.enqueue(Record::new(&race.topic, value)).await?);
        Ok(())
    };
    let outcome = race.roundtrip(&trip, send).await?;
    for handle in open {
        delivered(handle).await?;
    }
    receiving.abort();
    Ok(outcome)
}
