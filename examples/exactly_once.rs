//! Reads orders, writes invoices, and counts each order once, however often it is interrupted.

mod common;

use futures::{StreamExt, TryStreamExt};
use kafkio::{Client, ExactlyOnce, Message, Record, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let kafka = common::kafka(&["orders", "invoices"]).await?;
    let client = Client::builder(&kafka.bootstrap).connect().await?;
    // Names of its own for each run, so that it finds its ten orders whatever was there before.
    let run = std::process::id();

    // Several records that count together, or not at all.
    let mut orders = client.writer().topic("orders").transactional(format!("shop-{run}")).await?;
    let transaction = orders.begin().await?;
    for n in 1..=10 {
        // Committing tells what has failed.
        drop(transaction.send(Record::new(format!("order {n} of {run}"))).await?);
    }
    transaction.commit().await?;
    orders.close().await?;

    let mut done = 0;
    for attempt in 1.. {
        // The position is kept in the group "billing-…", and committed with the invoices.
        let reader = client.reader().topic("orders").build().await?;
        let writer =
            client.writer().topic("invoices").transactional(format!("billing-{run}")).await?;
        let mut billing = ExactlyOnce::new(reader, writer, format!("billing-{run}")).await?;
        let mut step = billing.begin().await?;
        let mut count = 0;
        while count < 5 {
            let Some(order) = step.next().await else { break };
            let order = order?;
            if text(&order).ends_with(&format!(" of {run}")) {
                drop(step.send(Record::new(format!("invoice for {}", text(&order)))).await?);
                count += 1;
            }
        }
        if attempt == 1 {
            // As if it had crashed: nothing of this counts.
            drop(step);
        } else {
            step.commit().await?;
            done += count;
        }
        billing.close().await?;
        if done == 10 {
            break;
        }
    }

    let invoices = client.reader().topic("invoices").build().await?;
    let own =
        invoices.try_filter(|it| futures::future::ready(text(it).ends_with(&run.to_string())));
    let invoices: Vec<Message> = own.take(10).try_collect().await?;
    println!("{} invoices", invoices.len());
    Ok(())
}

fn text(message: &Message) -> String {
    String::from_utf8_lossy(message.value().unwrap_or_default()).into_owned()
}
