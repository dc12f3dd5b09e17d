//! confluent-kafka, the vendor's own Rust client: `send` with a callback, `poll`.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use confluent_kafka::common::serialization::{ByteArraySerializer, BytesDeserializer};
use confluent_kafka::common::{Error, TopicPartition};
use confluent_kafka::consumer::{Consumer, ConsumerConfig, KafkaConsumer};
use confluent_kafka::producer::{
    Callback, KafkaProducer, Producer, ProducerConfig, ProducerRecord, RecordMetadata,
};
use rivals::{Op, Outcome, PARTITIONS, Race, Result, Trip};

type Sender = KafkaProducer<Vec<u8>, Vec<u8>>;
type Receiver = KafkaConsumer<Bytes, Bytes>;

const POLL: Duration = Duration::from_secs(1);

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
    race.report("confluent-kafka", "1.0.0", outcome)
}

fn properties<const N: usize>(race: &Race, more: [(&str, &str); N]) -> HashMap<String, String> {
    let servers = [("bootstrap.servers", race.bootstrap.as_str())];
    servers.into_iter().chain(more).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

fn producer(race: &Race, linger: &str) -> Result<Sender> {
    let more = [("acks", "all"), ("enable.idempotence", "true"), ("batch.size", "1048576")];
    let mut properties = properties(race, more);
    properties.insert("linger.ms".to_owned(), linger.to_owned());
    let bytes = ByteArraySerializer::default;
    Ok(KafkaProducer::new(ProducerConfig::new(&properties)?, bytes(), bytes())?)
}

async fn consumer(race: &Race, reset: &str) -> Result<Receiver> {
    let more = [("enable.auto.commit", "false"), ("group.protocol", "consumer")];
    let mut properties = properties(race, more);
    properties.insert("auto.offset.reset".to_owned(), reset.to_owned());
    let bytes = BytesDeserializer::new;
    let mut consumer = KafkaConsumer::new(ConsumerConfig::new(&properties)?, bytes(), bytes())?;
    consumer.partitions_for(&race.topic).await?;
    Ok(consumer)
}

fn partitions(race: &Race) -> Vec<TopicPartition> {
    (0..PARTITIONS).map(|partition| TopicPartition::new(race.topic.clone(), partition)).collect()
}

struct Delivered(Arc<AtomicUsize>);

impl Callback for Delivered {
    fn on_completion(self: Box<Self>, _: Option<&RecordMetadata>, error: Option<&Error>) {
        if error.is_none() {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn produce(race: &Race) -> Result<Outcome> {
    let producer = producer(race, "5")?;
    let values = race.values();
    race.produce(|count| send(race, &producer, &values, count)).await
}

/// Waits for room in the producer's buffer; the callback is the delivery.
async fn send(race: &Race, producer: &Sender, values: &[Bytes], count: usize) -> Result<()> {
    let delivered = Arc::new(AtomicUsize::new(0));
    for value in values.iter().cycle().take(count) {
        let record = ProducerRecord::new(race.topic.clone(), Some(&value[..]));
        producer.send(record, Some(Box::new(Delivered(delivered.clone())))).await?;
    }
    producer.flush().await?;
    match delivered.load(Ordering::Relaxed) {
        all if all == count => Ok(()),
        some => Err(format!("delivered {some} of {count}").into()),
    }
}

async fn consume(race: &Race) -> Result<Outcome> {
    let mut consumer = consumer(race, "earliest").await?;
    let read = async {
        consumer.assign(partitions(race)).await?;
        let (mut records, mut bytes) = (0, 0);
        while records < race.n {
            for message in &consumer.poll(POLL).await? {
                records += 1;
                bytes += message.value().map_or(0, Bytes::len);
            }
        }
        Ok((records, bytes))
    };
    race.consume(read).await
}

async fn latency(race: &Race) -> Result<Outcome> {
    let producer = producer(race, "0")?;
    let send = async |value: Bytes| {
        let record = ProducerRecord::new(race.topic.clone(), Some(&value[..]));
        producer.send(record, None).await?.get().await?;
        Ok(())
    };
    race.latency(send).await
}

async fn roundtrip(race: &Race) -> Result<Outcome> {
    let trip = Arc::new(Trip::default());
    let mut consumer = consumer(race, "latest").await?;
    consumer.assign(partitions(race)).await?;
    let receiver = trip.clone();
    let receiving = tokio::spawn(async move {
        while let Ok(messages) = consumer.poll(POLL).await {
            for message in &messages {
                receiver.seen(message.value().map_or(&[][..], |value| value));
            }
        }
    });
    let producer = producer(race, "0")?;
    let mut open = Vec::new();
    let send = async |value: Bytes| {
        let record = ProducerRecord::new(race.topic.clone(), Some(&value[..]));
        open.push(producer.send(record, None).await?);
        Ok(())
    };
    let outcome = race.roundtrip(&trip, send).await?;
    for delivery in open {
        delivery.get().await?;
    }
    receiving.abort();
    Ok(outcome)
}
