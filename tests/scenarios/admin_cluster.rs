//! The cluster itself: brokers, calls, features, controllers.

use std::collections::BTreeSet;
use std::time::Duration;

use kafkio::admin::acls::AclOperation;
use kafkio::admin::cluster::ClusterDescription;
use kafkio::admin::features::{FeatureUpdate, Features};
use kafkio::admin::quorum::{QuorumDescription, VoterEndpoint};
use kafkio::protocol::messages::api_versions::ApiVersionsRequest;
use kafkio::protocol::{ApiKey, ErrorCode, Request};
use kafkio::wire::Uuid;
use kafkio::{Client, Error, ErrorKind};

use crate::support::{Need, Outcome, TestCluster, connect, until};

/// Checks that the error says that this Kafka is needed.
#[track_caller]
fn needs_kafka(error: &Error, release: &str) {
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
    assert!(format!("{error:?}").contains(release), "{release} in {error:?}");
}

pub async fn brokers(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let metadata = client.metadata::<&str>([]).await.unwrap();
    let found = client.describe_cluster().await.unwrap();
    assert_eq!(found.nodes, metadata.brokers);
    assert_eq!(found.nodes.len(), cluster.brokers());
    assert_eq!(found.cluster_id, metadata.cluster_id);
    assert!(found.controller.is_some_and(|id| found.nodes.contains_key(&id)), "{found:?}");
    assert!(found.fenced.is_empty());
    assert_eq!(found.authorized_operations, None, "not asked for");

    let may = client.describe_cluster().include_authorized_operations(true).await;
    let fenced = client.describe_cluster().fenced_brokers(true).await;
    if cluster.version() >= (2, 3) && cluster.is_real() {
        let may = may.unwrap().authorized_operations.unwrap();
        assert!(may.contains(&AclOperation::Describe) && may.contains(&AclOperation::Alter));
        assert!(!may.iter().any(|it| matches!(it, AclOperation::Other(_))), "{may:?}");
    } else if cluster.version() < (2, 3) {
        needs_kafka(&may.unwrap_err(), "2.3");
    }
    if cluster.version() >= (4, 0) {
        let fenced = fenced.unwrap();
        assert!(fenced.fenced.is_empty() && fenced.nodes == found.nodes, "{fenced:?}");
        let arguments = ["cluster-id", "--bootstrap-server", &cluster.bootstrap().join(",")];
        let command = "org.apache.kafka.tools.ClusterTool";
        if let Some(out) = cluster.tool(command, &arguments).await {
            assert!(out.contains(&found.cluster_id.unwrap()), "{out}");
        }
    } else if cluster.version() >= (2, 8) {
        needs_kafka(&fenced.unwrap_err(), "4.0");
    } else {
        assert_eq!(fenced.unwrap_err().kind(), ErrorKind::Unsupported);
    }
    Ok(())
}

pub async fn api_versions(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    for broker in client.describe_cluster().await.unwrap().nodes.into_keys() {
        let calls = client.api_versions(broker).await.unwrap();
        assert!(calls[&ApiKey::API_VERSIONS].contains(ApiVersionsRequest::VERSIONS.start()));
        assert_eq!(calls.contains_key(&ApiKey::DESCRIBE_CLUSTER), cluster.version() >= (2, 8));
        let fetch = &calls[&ApiKey::FETCH];
        let command = "org.apache.kafka.tools.BrokerApiVersionsCommand";
        if cluster.version() >= (4, 0) && cluster.has_tools() {
            let out = cluster.tool(command, &[]).await.unwrap_or_default();
            let told = format!("Fetch(1): {} to {}", fetch.start(), fetch.end());
            assert!(out.contains(&told), "{told} in {out}");
        }
    }
    let error = client.api_versions(77).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::BROKER_NOT_AVAILABLE), "{error}");
    Ok(())
}

pub async fn features(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Real)?;
    let client = connect(cluster).await;
    let features = client.describe_features().await;
    let update = |update| client.update_features([update]);
    if cluster.version() < (2, 7) {
        needs_kafka(&features.unwrap_err(), "2.4");
        let update = update(FeatureUpdate::upgrade("metadata.version", 1)).await;
        needs_kafka(&update.unwrap_err(), "2.7");
        return Ok(());
    }
    cluster.needs(Need::Kafka(4, 0))?;
    let features = features.unwrap();
    let (name, level) = ("transaction.version", *features.finalized["transaction.version"].end());
    let newest = *features.supported[name].end();
    assert!(features.supported.contains_key("metadata.version"), "{features:?}");
    assert!((1..=newest).contains(&level) && features.finalized_epoch.is_some(), "{features:?}");
    let one = client.describe_features().broker(0).await.unwrap();
    assert_eq!(one.supported, features.supported);
    let command = "org.apache.kafka.tools.FeatureCommand";
    let bootstrap = cluster.bootstrap().join(",");
    let told = cluster.tool(command, &["--bootstrap-server", &bootstrap, "describe"]).await;
    if let Some(line) = told.iter().flat_map(|it| it.lines()).find(|line| line.contains(name)) {
        assert!(line.contains(&format!("FinalizedVersionLevel: {level}")), "{line}");
    }

    // What is so already.
    update(FeatureUpdate::upgrade(name, level)).await.unwrap().into_only().unwrap();
    // What would be possible, but is not done.
    let off = FeatureUpdate::downgrade("streams.version", 0);
    update(off.clone()).validate_only(true).await.unwrap().into_only().unwrap();
    let after = client.describe_features().await.unwrap();
    assert_eq!(after.finalized, features.finalized);
    // What is not possible.
    let good = FeatureUpdate::upgrade(name, level);
    let wrong = [
        FeatureUpdate::upgrade("no.such.feature", 1),
        FeatureUpdate::upgrade("streams.version", 99),
        FeatureUpdate::upgrade("metadata.version", 1),
        FeatureUpdate::unsafe_downgrade("metadata.version", 1),
    ];
    for wrong in wrong {
        let results = client.update_features([good.clone(), wrong]).validate_only(true).await;
        for (feature, result) in results.unwrap() {
            let error = result.expect_err("one answer for all of them");
            let refused = [ErrorCode::INVALID_UPDATE_VERSION, ErrorCode::FEATURE_UPDATE_FAILED];
            assert!(error.code().is_some_and(|it| refused.contains(&it)), "{feature}: {error:?}");
        }
    }
    let nothing = update(FeatureUpdate::upgrade(name, 0)).await.unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::Config);

    if cluster.is_controlled() && features.finalized.contains_key("streams.version") {
        let level = *features.finalized["streams.version"].end();
        update(off).await.unwrap().into_only().unwrap();
        let is = async |level: Option<i16>| {
            let ask = async || client.describe_features().await.unwrap();
            let is_so = |now: &Features| {
                now.finalized.get("streams.version").map(|range| *range.end()) == level
            };
            until("the feature is so", ask, is_so).await.finalized_epoch
        };
        let epoch = is(None).await;
        let on = FeatureUpdate::upgrade("streams.version", level);
        update(on).await.unwrap().into_only().unwrap();
        assert!(is(Some(level)).await > epoch);
    }
    Ok(())
}

/// What does not change on a quiet cluster.
fn shape(quorum: &QuorumDescription) -> (Option<i32>, i32, BTreeSet<i32>) {
    let voters = quorum.voters.iter().map(|voter| voter.id).collect();
    (quorum.leader, quorum.leader_epoch, voters)
}

pub async fn quorum(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Real)?;
    let client = connect(cluster).await;
    let quorum = client.describe_quorum().await;
    if cluster.version() < (3, 3) {
        needs_kafka(&quorum.unwrap_err(), "3.3");
        return Ok(());
    }
    let quorum = quorum.unwrap();
    let (leader, epoch, voters) = shape(&quorum);
    assert!(leader.is_some_and(|leader| voters.contains(&leader)), "{quorum:?}");
    assert_eq!(voters.len(), cluster.brokers(), "combined nodes");
    assert!(quorum.high_watermark > Some(0) && epoch > 0);
    for voter in &quorum.voters {
        assert!(voter.log_end_offset.is_some_and(|it| it > 0), "{voter:?}");
        assert!(voter.last_caught_up.is_some() && voter.last_fetch.is_some(), "{voter:?}");
    }
    if cluster.version() >= (3, 9) {
        assert_eq!(quorum.nodes.keys().copied().collect::<BTreeSet<_>>(), voters);
        assert!(quorum.nodes.values().all(|it| !it.is_empty() && it[0].port > 0), "{quorum:?}");
    }
    let command = "org.apache.kafka.tools.MetadataQuorumCommand";
    let bootstrap = cluster.bootstrap().join(",");
    let arguments = ["--bootstrap-server", &bootstrap, "describe", "--status"];
    if let Some(out) = cluster.tool(command, &arguments).await {
        let line = |name: &str| out.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        assert_eq!(line("LeaderId:"), Some(&*leader.unwrap().to_string()), "{out}");
        assert_eq!(line("LeaderEpoch:"), Some(&*epoch.to_string()), "{out}");
    }
    if let Some(controllers) = cluster.controllers() {
        let client = Client::controllers(controllers).connect().await.unwrap();
        assert_eq!(shape(&client.describe_quorum().await.unwrap()), shape(&quorum));
        let found = client.describe_cluster().await.unwrap();
        assert_eq!(found.nodes.keys().copied().collect::<BTreeSet<_>>(), voters);
        assert_eq!(found.controller, leader);
    }
    Ok(())
}

pub async fn wrong_voters(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Real)?;
    let client = connect(cluster).await;
    let someone = Uuid(7);
    let endpoint = || [VoterEndpoint::new("CONTROLLER", "127.0.0.1", 9)];
    let add = client.add_raft_voter(77, someone, endpoint()).timeout(Duration::from_secs(5)).await;
    let remove = client.remove_raft_voter(77, someone).await;
    if cluster.version() < (3, 9) {
        needs_kafka(&add.unwrap_err(), "3.9");
        needs_kafka(&remove.unwrap_err(), "3.9");
        return Ok(());
    }
    let quorum = client.describe_quorum().await.unwrap();
    if quorum.voters[0].directory_id.is_none() {
        assert_eq!(remove.unwrap_err().code(), Some(ErrorCode::UNSUPPORTED_VERSION));
        return Ok(());
    }
    let error = add.unwrap_err();
    assert!(error.is_timeout() || error.code().is_some(), "nobody listens there: {error:?}");
    let error = remove.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::VOTER_NOT_FOUND), "{error:?}");
    let voter = &quorum.voters[0];
    let (id, directory) = (voter.id, voter.directory_id.unwrap());
    let error = client.add_raft_voter(id, directory, quorum.nodes[&id].clone()).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::DUPLICATE_VOTER), "{error:?}");
    let other = client.remove_raft_voter(id, directory).cluster_id("another".to_owned());
    let error = other.await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::INCONSISTENT_CLUSTER_ID), "{error:?}");
    assert_eq!(shape(&client.describe_quorum().await.unwrap()).2, shape(&quorum).2);
    let nil = client.remove_raft_voter(0, Uuid::default()).await.unwrap_err();
    assert_eq!(nil.kind(), ErrorKind::Config);
    Ok(())
}

/// A voter that goes and comes back.
pub async fn voters(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Real)?;
    cluster.needs(Need::Control)?;
    cluster.needs(Need::ThreeBrokers)?;
    cluster.needs(Need::Kafka(3, 9))?;
    let client = connect(cluster).await;
    let before = client.describe_quorum().await.unwrap();
    let follower = before.voters.iter().find(|voter| Some(voter.id) != before.leader).unwrap();
    let Some(directory) = follower.directory_id else {
        return cluster.needs(Need::Kafka(u16::MAX, 0));
    };
    let id = follower.id;
    let voters = async |count: usize| {
        let ask = async || client.describe_quorum().await.unwrap();
        until("so many voters", ask, |now| now.voters.len() == count).await
    };
    let cluster_id = before_id(&client).await;
    client.remove_raft_voter(id, directory).cluster_id(cluster_id.clone()).await.unwrap();
    let without = voters(2).await;
    assert!(without.voters.iter().all(|voter| voter.id != id), "{without:?}");
    let again = client.remove_raft_voter(id, directory).await.unwrap_err();
    assert_eq!(again.code(), Some(ErrorCode::VOTER_NOT_FOUND), "{again:?}");
    // It follows on, and has to have caught up.
    let ask = async || client.describe_quorum().await.unwrap();
    until("it follows", ask, |now| now.observers.iter().any(|it| it.id == id)).await;
    let endpoints = before.nodes[&id].clone();
    client.add_raft_voter(id, directory, endpoints).cluster_id(cluster_id).await.unwrap();
    let with = voters(3).await;
    assert_eq!(with.nodes[&id], before.nodes[&id]);
    Ok(())
}

async fn before_id(client: &Client) -> String {
    client.describe_cluster().await.unwrap().cluster_id.unwrap()
}

/// A broker that is gone for good, and then is not.
pub async fn unregistered(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Real)?;
    let client = connect(cluster).await;
    let unknown = client.unregister_broker(77).await.unwrap_err();
    if cluster.version() < (3, 3) {
        needs_kafka(&unknown, "3.3");
        return Ok(());
    }
    assert_eq!(unknown.code(), Some(ErrorCode::BROKER_ID_NOT_REGISTERED), "{unknown:?}");
    cluster.needs(Need::Control)?;
    cluster.needs(Need::ThreeBrokers)?;
    cluster.needs(Need::Kafka(4, 0))?;
    cluster.kill(2).await;
    let registered = async |fenced: &[i32], count: usize| {
        let ask = async || client.describe_cluster().fenced_brokers(true).await.unwrap();
        let is_so =
            |now: &ClusterDescription| now.fenced.iter().eq(fenced) && now.nodes.len() == count;
        until("so many are registered", ask, is_so).await;
    };
    registered(&[2], 3).await;
    assert_eq!(client.describe_cluster().await.unwrap().nodes.len(), 2);
    client.unregister_broker(2).await.unwrap();
    registered(&[], 2).await;
    let again = client.unregister_broker(2).await.unwrap_err();
    assert_eq!(again.code(), Some(ErrorCode::BROKER_ID_NOT_REGISTERED), "{again:?}");
    cluster.restart(2).await;
    registered(&[], 3).await;
    Ok(())
}
