//! Reads one topic and writes to another, as one expression: a reader is a `Stream`, a writer a
//! `Sink`.

mod common;

use futures::{StreamExt, TryStreamExt};
use kafkio::{Client, Message, Record, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let kafka = common::kafka(&["orders", "invoices"]).await?;
    let client = Client::builder(&kafka.bootstrap).connect().await?;

    let orders = client.writer().topic("orders").build().await?;
    orders.write((1..=10).map(|n| Record::new(format!("order {n}")))).await?;
    orders.close().await?;

    let reader = client.reader().topic("orders").build().await?;
    let writer = client.writer().topic("invoices").build().await?;
    // `forward` waits when the writer is full, and flushes it at the end.
    reader.take(10).map_ok(|order| invoice(&order)).forward(writer).await?;

    let invoices = client.reader().topic("invoices").build().await?;
    let invoices: Vec<Message> = invoices.take(10).try_collect().await?;
    println!("{} invoices", invoices.len());
    Ok(())
}

fn invoice(order: &Message) -> Record {
    let text = String::from_utf8_lossy(order.value().unwrap_or_default());
    Record::new(format!("invoice for {text}"))
}
