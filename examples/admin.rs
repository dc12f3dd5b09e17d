//! Changes a topic and looks at it: partitions, settings, records, the cluster that it lives on.

mod common;

use kafkio::admin::configs::{ConfigChanges, ConfigResource};
use kafkio::admin::topics::{NewPartitions, RecordsBefore};
use kafkio::{Client, ErrorKind, Record, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let kafka = common::kafka(&["orders"]).await?;
    let client = Client::builder(&kafka.bootstrap).connect().await?;

    let cluster = client.describe_cluster().await?;
    println!("cluster {:?} has {} brokers", cluster.cluster_id, cluster.nodes.len());

    // One item may fail while the others succeed: each has a result of its own.
    let grown = client.create_partitions([("orders", NewPartitions::increase_to(6))]).await?;
    for (topic, result) in grown {
        match result {
            Ok(()) => println!("{topic} has 6 partitions"),
            Err(error) => println!("{topic}: {error}"),
        }
    }

    let topic = ConfigResource::topic("orders");
    let day = ConfigChanges::new(topic.clone()).set("retention.ms", "86400000");
    // `into_result` is for those who want all or nothing.
    client.incremental_alter_configs([day]).await?.into_result()?;
    for (resource, entries) in client.describe_configs([topic]).await?.into_result()? {
        for (name, entry) in entries.iter().filter(|(_, entry)| !entry.is_default()) {
            println!("{resource}: {name} = {:?} ({:?})", entry.value, entry.source);
        }
    }

    let writer = client.writer().topic("orders").build().await?;
    writer.write((0..10).map(|n| Record::new(n.to_string()).partition(0))).await?;
    let cut = [("orders", 0, RecordsBefore::Offset(5))];
    let deleted = client.delete_records(cut).await?.into_only()?;
    println!("orders[0] begins at {}", deleted.low_watermark);

    // What a broker is too old for is said before anything is sent, with the version that it takes.
    match client.list_transactions().await {
        Ok(listing) => println!("{} transactions", listing.items.len()),
        Err(error) if error.kind() == ErrorKind::Unsupported => println!("{error:?}"),
        Err(error) => return Err(error),
    }
    Ok(())
}
