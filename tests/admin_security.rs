//! ACLs, quotas and users of an in-process cluster that misbehaves, under paused time.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "this is a test")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kafkio::admin::acls::{AclBinding, AclOperation, ResourcePattern};
use kafkio::admin::quotas::{PRODUCER_BYTE_RATE, QuotaAlteration, QuotaEntity, QuotaFilter};
use kafkio::admin::users::{ScramChange, ScramMechanism};
use kafkio::protocol::messages::alter_user_scram_credentials::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse,
    AlterUserScramCredentialsResult,
};
use kafkio::protocol::messages::create_acls::{
    AclCreationResult, CreateAclsRequest, CreateAclsResponse,
};
use kafkio::protocol::{ApiKey, ErrorCode};
use kafkio::testing::{FakeCluster, Fault};
use kafkio::{Client, ErrorKind};

async fn cluster() -> (FakeCluster, Client) {
    let cluster = FakeCluster::builder().in_memory().authorizer(true).start().await.unwrap();
    let client = cluster.client().api_timeout(Duration::from_secs(5)).connect().await.unwrap();
    (cluster, client)
}

#[tokio::test(start_paused = true)]
async fn an_acl_without_an_answer_fails_alone() {
    let (cluster, client) = cluster().await;
    let _hook = cluster.on(ApiKey::CREATE_ACLS, |_| {
        Fault::answer::<CreateAclsRequest>(CreateAclsResponse {
            results: vec![AclCreationResult::default()],
            ..Default::default()
        })
    });
    let acls = ["a", "b"]
        .map(|name| AclBinding::allow("alice", AclOperation::Read, ResourcePattern::topic(name)));
    let created = client.create_acls(acls.clone()).await.unwrap();
    assert!(created.get(&acls[0]).unwrap().is_ok());
    let error = created.get(&acls[1]).unwrap().as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    let error = client.create_acls([acls[0].clone(), acls[0].clone()]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
}

#[tokio::test(start_paused = true)]
async fn quotas_survive_a_lost_answer() {
    let (cluster, client) = cluster().await;
    let count = AtomicUsize::new(0);
    let _hook = cluster.on(ApiKey::ALTER_CLIENT_QUOTAS, move |_| {
        if count.fetch_add(1, Ordering::Relaxed) == 0 { Fault::Cut(0) } else { Fault::Pass }
    });
    let entity = QuotaEntity::default().user("alice");
    let set = QuotaAlteration::new(entity.clone()).set(PRODUCER_BYTE_RATE, 1000.0);
    client.alter_client_quotas([set]).await.unwrap().into_result().unwrap();
    let quotas = client.describe_client_quotas(QuotaFilter::only(&entity)).await.unwrap();
    assert!((quotas[&entity][PRODUCER_BYTE_RATE] - 1000.0).abs() < f64::EPSILON);
}

#[tokio::test(start_paused = true)]
async fn a_user_is_changed_once_in_a_request_and_again_elsewhere() {
    let (cluster, client) = cluster().await;
    let count = AtomicUsize::new(0);
    let _hook = cluster.on(ApiKey::ALTER_USER_SCRAM_CREDENTIALS, move |call| {
        let request = call.request::<AlterUserScramCredentialsRequest>();
        assert_eq!(request.upsertions.len(), 1);
        let again = count.fetch_add(1, Ordering::Relaxed) == 0;
        let code = if again { ErrorCode::NOT_CONTROLLER } else { ErrorCode::NONE };
        let result = AlterUserScramCredentialsResult {
            user: request.upsertions[0].name.clone(),
            error_code: code.0,
            ..Default::default()
        };
        Fault::answer::<AlterUserScramCredentialsRequest>(AlterUserScramCredentialsResponse {
            results: vec![result],
            ..Default::default()
        })
    });
    let both = [ScramMechanism::Sha256, ScramMechanism::Sha512];
    let changes = both.map(|mechanism| ScramChange::set("alice", mechanism, "secret"));
    let results = client.alter_user_scram_credentials(changes).await.unwrap();
    assert_eq!(results.len(), 1);
    results.into_result().unwrap();

    let weak = ScramChange::set("alice", ScramMechanism::Sha256, "secret").iterations(1000);
    let error = client.alter_user_scram_credentials([weak]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
}
