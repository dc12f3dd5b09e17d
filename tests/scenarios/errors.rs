//! What goes wrong, and how the error says so.

use std::error::Error as _;
use std::time::Duration;

use kafkio::admin::topics::NewTopic;
use kafkio::protocol::ErrorCode;
use kafkio::{Client, Error, ErrorKind, Record};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

use crate::support::{Outcome, PATIENCE, TestCluster, connect, create, read, topic, unique, write};

/// The error with all its causes, as a log would show it.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

pub async fn too_large_for_the_writer(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let topic = topic(cluster, "large", 1).await;
    let writer = client.writer().topic(&*topic).batch_bytes(10_000).build().await.unwrap();
    let error = match writer.send(Record::new(vec![0; 20_000])).await {
        Ok(delivery) => delivery.await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error:?}");
    assert!(!error.is_ambiguous() && !error.is_retriable(), "{error:?}");
    let written = writer.send(Record::new("small")).await.unwrap().await.unwrap();
    assert_eq!(written.offset(), Some(0), "the writer goes on");
    Ok(())
}

pub async fn too_large_for_the_broker(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let topic = unique("limited");
    let new = NewTopic::new(&topic).partitions(1).replication_factor(1);
    create(cluster, new.config("max.message.bytes", "10000")).await;
    let writer = client.writer().topic(&*topic).build().await.unwrap();
    let delivery = writer.send(Record::new(vec![0; 20_000])).await.unwrap();
    let error = timeout(PATIENCE, delivery).await.unwrap().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::MESSAGE_TOO_LARGE), "{error:?}");
    assert!(!error.is_ambiguous() && !error.is_retriable(), "{error:?}");
    assert!(error.to_string().contains(&*topic), "{error}");
    // Small records that only together are too large still get there.
    let records = (0..100).map(|n| Record::new(vec![b'x'; 500]).key(n.to_string()));
    timeout(PATIENCE, writer.write(records)).await.unwrap().unwrap();
    let mut reader = client.reader().topic(&*topic).build().await.unwrap();
    read(&mut reader, 100).await;
    Ok(())
}

pub async fn unknown_topic(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let topic = unique("unknown");
    let start = Instant::now();
    let reader = client.reader().topic(&*topic).topic_timeout(Duration::from_secs(1));
    let error = timeout(PATIENCE, reader.build()).await.unwrap().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION), "{error:?}");
    assert!(error.to_string().contains(&*topic), "{error}");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let metadata = client.metadata([&topic]).await.unwrap();
    let error = metadata.topic(&topic).unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION), "was not created either");
    Ok(())
}

pub async fn unknown_partition(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let topic = topic(cluster, "small", 2).await;
    let error = client.reader().partitions(&*topic, [2]).build().await.unwrap_err();
    assert!(error.to_string().contains(&format!("{topic}[2]")), "{error}");
    let writer = client.writer().topic(&*topic).delivery_timeout(Duration::from_secs(2));
    let writer = writer.build().await.unwrap();
    let sent = async { writer.send(Record::new("").partition(2)).await?.await };
    let error = timeout(PATIENCE, sent).await.unwrap().unwrap_err();
    assert!(!error.is_ambiguous(), "{error:?}");
    assert!(error.to_string().contains(&*topic), "{error}");
    write(&client, &topic, [Record::new("").partition(1)]).await;
    Ok(())
}

/// Connects to the address, and returns why that did not work, told in full.
async fn refusal(address: &str) -> String {
    let client = Client::builder([address])
        .connect_timeout(Duration::from_secs(1))
        .request_timeout(Duration::from_secs(2))
        .api_timeout(Duration::from_secs(2));
    let connected = timeout(Duration::from_secs(20), client.connect()).await;
    let error = connected.expect("an error in time").expect_err("no Kafka there");
    let text = chain(&error);
    assert!(text.contains(address), "the address is named: {text}");
    text
}

pub async fn nobody_listens(_: &impl TestCluster) -> Outcome {
    // A port that was free a moment ago may be somebody else's by now; this one is reserved.
    let text = refusal("127.0.0.1:1").await;
    assert!(text.to_lowercase().contains("refused"), "{text}");
    Ok(())
}

/// A peer that is no broker: does this to each connection.
async fn peer<W: Future<Output = ()>>(work: impl Fn(TcpStream) -> W) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serve = async {
        let mut connections = futures::stream::FuturesUnordered::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => connections.push(work(accepted.unwrap().0)),
                Some(()) = futures::StreamExt::next(&mut connections) => {}
            }
        }
    };
    tokio::select! {
        text = refusal(&address) => text,
        () = serve => unreachable!("serves for ever"),
    }
}

/// Reads something, answers with these bytes, and closes.
async fn answer(mut socket: TcpStream, bytes: &[u8]) {
    let mut buffer = [0; 1024];
    let _ = socket.read(&mut buffer).await;
    let _ = socket.write_all(bytes).await;
    let _ = socket.shutdown().await;
}

pub async fn http_answers(_: &impl TestCluster) -> Outcome {
    let page = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    let text = peer(|socket| answer(socket, page)).await;
    assert!(text.contains("HTTP"), "{text}");
    Ok(())
}

pub async fn tls_answers(_: &impl TestCluster) -> Outcome {
    // An alert of TLS 1.2: fatal, unexpected message.
    let text = peer(|socket| answer(socket, &[21, 3, 3, 0, 2, 2, 10])).await;
    assert!(text.contains("TLS"), "{text}");
    Ok(())
}

pub async fn peer_closes(_: &impl TestCluster) -> Outcome {
    let text = peer(|socket| answer(socket, &[])).await;
    assert!(text.contains("closed"), "{text}");
    Ok(())
}

pub async fn peer_is_silent(_: &impl TestCluster) -> Outcome {
    let text = peer(|socket| async move {
        let _open = socket;
        std::future::pending::<()>().await;
    })
    .await;
    assert!(text.contains("did not answer"), "{text}");
    Ok(())
}
