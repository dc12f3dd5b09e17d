//! What brokers say to one who may not: each item its own error, and no attempts in vain.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::time::Duration;

use futures::FutureExt;
use kafkio::admin::acls::{AclBinding, AclFilter, AclOperation, ResourcePattern};
use kafkio::admin::configs::{ConfigChanges, ConfigResource};
use kafkio::admin::features::FeatureUpdate;
use kafkio::admin::log_dirs::Replica;
use kafkio::admin::offsets::OffsetSpec;
use kafkio::admin::quotas::{PRODUCER_BYTE_RATE, QuotaAlteration, QuotaEntity, QuotaFilter};
use kafkio::admin::replicas::{ElectionType, Reassignment};
use kafkio::admin::topics::{NewPartitions, NewTopic, RecordsBefore};
use kafkio::admin::users::{ScramChange, ScramMechanism};
use kafkio::admin::{Call, Operation, Results};
use kafkio::protocol::ErrorCode;
use kafkio::wire::Uuid;
use kafkio::{Client, ErrorKind, Result, TopicPartition};
use tokio::time::Instant;

use crate::support::{Need, Outcome, TestCluster, connect_as, eventually, topic, unique};

/// The error of the call, or of its only item.
async fn refused<O, T>(
    what: &'static str,
    call: Call<O>,
    only: impl FnOnce(O::Output) -> Result<T>,
) -> (&'static str, ErrorCode)
where
    O: Operation,
{
    let start = Instant::now();
    let error = match call.await.and_then(only) {
        Err(error) => error,
        Ok(_) => panic!("{what} was allowed"),
    };
    assert_eq!(error.kind(), ErrorKind::Broker, "{what}: {error:?}");
    let took = start.elapsed();
    assert!(took < Duration::from_secs(5), "{what} took {took:?}: {error:?}");
    (what, error.code().unwrap_or(ErrorCode::NONE))
}

/// Nobody but the admin and everybody who is not bob may change the cluster.
pub async fn cluster_topic_group(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Control)?;
    cluster.needs(Need::Authorizer)?;
    cluster.needs(Need::Sasl)?;
    cluster.needs(Need::Kafka(2, 7))?;
    let admin = connect_as(cluster, "admin").await;
    let bob = connect_as(cluster, "bob").await;
    let topic = topic(cluster, "denied", 1).await;
    let (group, transaction) = (unique("denied"), unique("denied"));
    let at = TopicPartition::new(&*topic, 0);
    admin.alter_group_offsets(&group, [(at, 1)]).await.unwrap().into_only().unwrap();
    let deny = |resource| AclBinding::deny("User:bob", AclOperation::All, resource);
    let on_cluster = ResourcePattern::cluster();
    let acls = [
        AclBinding::allow("User:*", AclOperation::All, on_cluster.clone()),
        deny(on_cluster.clone()),
        deny(ResourcePattern::topic(&topic)),
        deny(ResourcePattern::group(&group)),
        deny(ResourcePattern::transactional_id(&transaction)),
    ];
    let checks = async {
        admin.create_acls(acls.clone()).await.unwrap().into_result().unwrap();
        // Brokers learn of it one by one.
        let mut calm = 0;
        eventually("bob is denied", async || {
            let seen = bob.describe_acls(AclFilter::default()).await.is_err();
            calm = if seen { calm + 1 } else { 0 };
            (calm == 20).then_some(())
        })
        .await;
        of_the_cluster(cluster, &bob, &topic).await;
        of_topics(&bob, &topic).await;
        of_groups_and_transactions(cluster, &bob, &group, &transaction).await;
    };
    let outcome = AssertUnwindSafe(checks).catch_unwind().await;
    admin.delete_acls(acls).await.unwrap().into_result().unwrap();
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
    eventually("bob may again", async || bob.describe_acls(AclFilter::default()).await.ok()).await;
    let left = admin.describe_acls(AclFilter::on(on_cluster)).await.unwrap();
    assert!(left.is_empty(), "{left:?}");
    admin.delete_groups([&group]).await.unwrap().into_only().unwrap();
    Ok(())
}

async fn of_the_cluster(cluster: &impl TestCluster, bob: &Client, topic: &str) {
    let setting = ConfigChanges::new(ConfigResource::broker(0)).set("log.cleaner.threads", "2");
    let acl = AclBinding::allow("User:bob", AclOperation::All, ResourcePattern::cluster());
    let user = QuotaEntity::default().user("bob");
    let quota = QuotaAlteration::new(user.clone()).set(PRODUCER_BYTE_RATE, 1e9);
    let scram = ScramChange::set("bob", ScramMechanism::Sha256, "secret");
    let move_it = Reassignment::new(topic, 0, [0]);
    let directory = [(Replica::new(topic, 0, 0), "/no/such/dir")];
    let config = bob.describe_configs([ConfigResource::broker(0)]);
    let mut seen = vec![
        refused("describe settings", config, Results::into_only).await,
        refused("settings", bob.incremental_alter_configs([setting]), Results::into_only).await,
        refused("list ACLs", bob.describe_acls(AclFilter::default()), Ok).await,
        refused("ACLs", bob.create_acls([acl.clone()]), Results::into_only).await,
        refused("delete ACLs", bob.delete_acls([acl]), Results::into_only).await,
        refused("list quotas", bob.describe_client_quotas(QuotaFilter::only(&user)), Ok).await,
        refused("quotas", bob.alter_client_quotas([quota]), Results::into_only).await,
        refused("list users", bob.describe_user_scram_credentials(["bob"]), Results::into_only)
            .await,
        refused("users", bob.alter_user_scram_credentials([scram]), Results::into_only).await,
        refused("moves", bob.alter_partition_reassignments([move_it]), Results::into_only).await,
        refused("list moves", bob.list_partition_reassignments(), Ok).await,
        refused("elect", bob.elect_leaders(ElectionType::Preferred, [(topic, 0)]), |results| {
            results.into_only()
        })
        .await,
        refused("log directories", bob.describe_log_dirs(), Results::into_result).await,
        refused("move directories", bob.alter_replica_log_dirs(directory), Results::into_only)
            .await,
    ];
    if cluster.version() >= (3, 9) {
        let feature = FeatureUpdate::upgrade("metadata.version", 99);
        let update = bob.update_features([feature]);
        seen.push(refused("features", update, Results::into_only).await);
        seen.push(refused("quorum", bob.describe_quorum(), Ok).await);
        seen.push(refused("unregister", bob.unregister_broker(77), Ok).await);
        seen.push(refused("remove voter", bob.remove_raft_voter(77, Uuid(7)), Ok).await);
    }
    for (what, code) in seen {
        assert_eq!(code, ErrorCode::CLUSTER_AUTHORIZATION_FAILED, "{what}");
    }
}

async fn of_topics(bob: &Client, topic: &str) {
    // Whoever may not create anything may still create a topic that nobody keeps from him.
    let new = [topic, &unique("free")].map(|name| NewTopic::new(name).partitions(1));
    let created = bob.create_topics(new).validate_only(true).await.unwrap();
    let codes: Vec<_> = created.iter().map(|(_, it)| it.as_ref().err()?.code()).collect();
    assert_eq!(codes, [Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED), None], "{created:?}");

    let more = bob.create_partitions([(topic, NewPartitions::increase_to(2))]);
    let setting = ConfigChanges::new(ConfigResource::topic(topic)).set("retention.ms", "1000000");
    let offsets = bob.list_offsets([(topic, 0, OffsetSpec::Latest)]);
    let records = bob.delete_records([(topic, 0, RecordsBefore::Offset(0))]);
    let config = bob.describe_configs([ConfigResource::topic(topic)]);
    let seen = [
        refused("partitions", more, Results::into_only).await,
        refused("settings", bob.incremental_alter_configs([setting]), Results::into_only).await,
        refused("describe settings", config, Results::into_only).await,
        refused("offsets", offsets, Results::into_only).await,
        refused("records", records, Results::into_only).await,
        refused("describe", bob.describe_topics([topic]), Results::into_only).await,
        refused("delete", bob.delete_topics([topic]), Results::into_only).await,
    ];
    for (what, code) in seen {
        assert_eq!(code, ErrorCode::TOPIC_AUTHORIZATION_FAILED, "{what} of a topic");
    }
}

async fn of_groups_and_transactions(
    cluster: &impl TestCluster,
    bob: &Client,
    group: &str,
    transaction: &str,
) {
    let offsets = bob.list_group_offsets([group]);
    let seen = [
        refused("describe", bob.describe_groups([group]), Results::into_only).await,
        refused("offsets", offsets, Results::into_only).await,
        refused("delete", bob.delete_groups([group]), Results::into_only).await,
    ];
    for (what, code) in seen {
        assert_eq!(code, ErrorCode::GROUP_AUTHORIZATION_FAILED, "{what} of a group");
    }
    let mut seen =
        vec![refused("fence", bob.fence_producers([transaction]), Results::into_only).await];
    if cluster.version() >= (3, 0) {
        let described = bob.describe_transactions([transaction]);
        seen.push(refused("describe", described, Results::into_only).await);
    }
    for (what, code) in seen {
        assert_eq!(code, ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "{what}");
    }
}
