//! Clients that speak with the controllers alone (KIP-919).

use std::collections::BTreeSet;
use std::time::Duration;

use kafkio::admin::Results;
use kafkio::admin::configs::{ConfigChanges, ConfigResource};
use kafkio::admin::offsets::OffsetSpec;
use kafkio::admin::topics::NewTopic;
use kafkio::protocol::ErrorCode;
use kafkio::{Client, ErrorKind};

use crate::support::{Need, Outcome, TestCluster, connect, topic, unique, until};

pub async fn changes(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Controllers)?;
    let client = Client::controllers(cluster.controllers().unwrap()).connect().await.unwrap();
    let topic = unique("controllers");
    let copies = cluster.brokers().min(3) as i16;
    let new = NewTopic::new(&topic).partitions(2).replication_factor(copies);
    client.create_topics([new.clone()]).await.unwrap().into_only().unwrap();
    let again = client.create_topics([new]).await.unwrap().into_only().unwrap_err();
    assert_eq!(again.code(), Some(ErrorCode::TOPIC_ALREADY_EXISTS));

    let others = connect(cluster).await;
    let seen = others.metadata([&topic]).await.unwrap();
    assert_eq!(seen.topic(&topic).unwrap().partitions.len(), 2);

    client.delete_topics([&topic]).await.unwrap().into_only().unwrap();
    let again = client.delete_topics([&topic]).await.unwrap().into_only().unwrap_err();
    assert_eq!(again.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    Ok(())
}

/// What both controllers and brokers tell is the same.
pub async fn descriptions(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Controllers)?;
    let addresses = cluster.controllers().unwrap();
    let client = Client::controllers(addresses.clone()).connect().await.unwrap();
    let others = connect(cluster).await;
    let controllers = client.describe_cluster().await.unwrap();
    let brokers = others.describe_cluster().await.unwrap();
    assert_eq!(controllers.cluster_id, brokers.cluster_id);
    let nodes = controllers.nodes.values().map(|node| format!("{}:{}", node.host, node.port));
    assert_eq!(nodes.collect::<BTreeSet<_>>(), addresses.into_iter().collect());

    let quorum = client.describe_quorum().await.unwrap();
    assert_eq!(quorum.leader, controllers.controller, "the controller that leads");
    let seen = others.describe_quorum().await.unwrap();
    assert_eq!((quorum.leader, &quorum.nodes), (seen.leader, &seen.nodes));
    assert_eq!(quorum.voters.len(), controllers.nodes.len());
    let features = client.describe_features().await.unwrap();
    assert_eq!(features.finalized, others.describe_features().await.unwrap().finalized);
    Ok(())
}

/// Settings of a broker are changed without it.
pub async fn configs(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Controllers)?;
    let client = Client::controllers(cluster.controllers().unwrap()).connect().await.unwrap();
    let others = connect(cluster).await;
    let topic = topic(cluster, "controllers", 1).await;
    let resource = ConfigResource::topic(&topic);
    let changes = ConfigChanges::new(resource.clone()).set("retention.ms", "86400000");
    client.incremental_alter_configs([changes]).await.unwrap().into_only().unwrap();
    let retention = async || {
        let configs = others.describe_configs([resource.clone()]).await.unwrap();
        configs.into_only().unwrap()["retention.ms"].value.clone()
    };
    until("it is set", retention, |now| now.as_deref() == Some("86400000")).await;
    let unknown = ConfigChanges::new(resource).set("no.such.setting", "1");
    let error = client.incremental_alter_configs([unknown]).await.unwrap();
    let error = error.into_only().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::INVALID_CONFIG), "{error:?}");
    Ok(())
}

/// Reading and writing are for brokers.
pub async fn data(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Controllers)?;
    let builder = Client::controllers(cluster.controllers().unwrap());
    let client = builder.api_timeout(Duration::from_secs(5)).connect().await.unwrap();
    let topic = topic(cluster, "controllers", 1).await;
    let error = client.list_offsets([(&*topic, 0, OffsetSpec::Latest)]).await;
    let error = error.and_then(Results::into_only).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
    let error = client.reader().topic(&*topic).build().await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
    let error = client.writer().topic(&*topic).build().await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
    Ok(())
}

/// The controller that leads is killed; another takes over.
pub async fn killed(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Controllers)?;
    cluster.needs(Need::ThreeBrokers)?;
    cluster.needs(Need::Control)?;
    let client = Client::controllers(cluster.controllers().unwrap()).connect().await.unwrap();
    let leader = client.describe_cluster().await.unwrap().controller.unwrap();
    cluster.kill(leader).await;
    let topic = unique("controllers");
    let new = NewTopic::new(&topic).partitions(1).replication_factor(2);
    client.create_topics([new]).await.unwrap().into_only().unwrap();
    let now = client.describe_cluster().await.unwrap().controller;
    assert!(now.is_some_and(|now| now != leader), "{now:?} after {leader}");
    cluster.restart(leader).await;
    client.delete_topics([&topic]).await.unwrap().into_only().unwrap();
    Ok(())
}

/// Brokers are no controllers, and controllers no brokers; both say so.
pub async fn others(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Controllers)?;
    let error = Client::controllers(cluster.bootstrap()).connect().await.unwrap_err();
    assert!(format!("{error}").contains("MISMATCHED_ENDPOINT_TYPE"), "{error:?}");
    let error = Client::builder(cluster.controllers().unwrap()).connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
    Ok(())
}
