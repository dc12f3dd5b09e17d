//! Who may do what, and how much: ACLs, quotas, users, delegation tokens.

use std::future::Future;
use std::time::Duration;

use kafkio::admin::acls::{
    AclBinding, AclFilter, AclOperation, AclPermission, ResourcePattern, ResourceType,
};
use kafkio::admin::offsets::OffsetSpec;
use kafkio::admin::quotas::{
    CONSUMER_BYTE_RATE, PRODUCER_BYTE_RATE, QuotaAlteration, QuotaEntity, QuotaFilter, QuotaMatch,
    USER,
};
use kafkio::admin::tokens::{DelegationToken, Principal};
use kafkio::admin::topics::NewPartitions;
use kafkio::admin::users::{ScramChange, ScramMechanism};
use kafkio::protocol::ErrorCode;
use kafkio::{Client, ErrorKind, Timestamp, TopicPartition};
use tokio::time::{Instant, sleep};

use crate::support::{
    Need, Outcome, PATIENCE, TestCluster, connect, connect_as, login_file, topic, unique,
};

/// Waits until it is so: brokers learn of changes one after the other.
async fn until<T: PartialEq + std::fmt::Debug, F: Future<Output = T>>(
    wanted: T,
    mut seen: impl FnMut() -> F,
) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        // Several answers in turn, since each may be another broker's.
        let mut is = seen().await;
        for _ in 0..4 {
            if is == wanted {
                is = seen().await;
            }
        }
        if is == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "expected {wanted:?}, and saw {is:?}");
        sleep(Duration::from_millis(100)).await;
    }
}

async fn acls(client: &Client, filter: impl Into<AclFilter>) -> Vec<AclBinding> {
    let mut acls = client.describe_acls(filter).await.unwrap();
    acls.sort();
    acls
}

/// Created, one bad among them, listed by what they are and by what they apply to, deleted.
pub async fn acls_kept(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Kafka(0, 11))?;
    let has_prefixes = cluster.version() >= (2, 0);
    let client = connect(cluster).await;
    let name = unique("acls");
    let topic = ResourcePattern::topic(&name);
    let read = AclBinding::allow("User:alice", AclOperation::Read, topic.clone());
    let write = AclBinding::deny("bob", AclOperation::Write, topic.clone()).from_host("10.0.0.1");
    let bad = ResourcePattern::new(ResourceType::Cluster, &name);
    let bad = AclBinding::allow("alice", AclOperation::Alter, bad);
    let prefix = AclBinding::allow("alice", AclOperation::All, topic.clone().prefixed());

    let mut asked = vec![read.clone(), bad.clone(), write.clone()];
    if has_prefixes {
        asked.push(prefix.clone());
    } else {
        let error = client.create_acls([prefix.clone()]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains("2.0"), "{error}");
    }
    let created = client.create_acls(asked.clone()).await.unwrap();
    for acl in &asked {
        match created.get(acl).unwrap() {
            Ok(()) => assert_ne!(acl, &bad),
            Err(error) => {
                assert_eq!(error.code(), Some(ErrorCode::INVALID_REQUEST), "{error}");
                assert_eq!(acl, &bad);
                assert!(error.to_string().contains("Allow User:alice Alter on Cluster"), "{error}");
            }
        }
    }
    // Created once more is no error.
    client.create_acls([read.clone()]).await.unwrap().into_result().unwrap();

    let mut on_topic = vec![read.clone(), write.clone()];
    on_topic.sort();
    until(on_topic.clone(), || acls(&client, AclFilter::on(topic.clone()))).await;
    let alices = AclFilter::on(topic.clone()).principal("User:alice");
    until(vec![read.clone()], || acls(&client, alices.clone())).await;
    until(vec![write.clone()], || acls(&client, write.clone())).await;
    let mut denied = AclFilter::on(topic.clone());
    denied.permission = Some(AclPermission::Deny);
    until(vec![write.clone()], || acls(&client, denied.clone())).await;
    let longer = ResourcePattern::topic(format!("{name}-and-more"));
    if has_prefixes {
        let apply = AclFilter::applying_to(longer).principal("alice");
        until(vec![prefix.clone()], || acls(&client, apply.clone())).await;
    }
    let tool = "org.apache.kafka.tools.AclCommand";
    if cluster.version() >= (4, 0) {
        if let Some(out) = cluster.tool(tool, &["--list", "--topic", &name]).await {
            let line = "principal=User:bob, host=10.0.0.1, operation=WRITE, permissionType=DENY";
            assert!(out.contains(line), "{out}");
        }
    }

    let nothing = AclFilter::on(ResourcePattern::group(&name));
    let mut filters = vec![AclFilter::from(write.clone()), nothing.clone()];
    let mut all = AclFilter::default();
    all.name = Some(name.clone());
    filters.push(all.clone());
    let deleted = client.delete_acls(filters.clone()).await.unwrap();
    let of = |filter| deleted.get(filter).unwrap().as_ref().unwrap();
    if cluster.version() >= (2, 0) {
        assert!(of(&filters[0]).get(&write).unwrap().is_ok());
    } else {
        // What several filters match is told with one of them.
        let mut told = filters.iter().filter_map(|filter| of(filter).get(&write));
        assert!(told.next().unwrap().is_ok());
    }
    assert!(of(&nothing).is_empty());
    assert!(of(&all).get(&read).unwrap().is_ok());
    until(Vec::new(), || acls(&client, all.clone())).await;
    Ok(())
}

/// A topic that is denied fails by itself, until the ACL is gone.
pub async fn acls_checked(cluster: &impl TestCluster) -> Outcome {
    // Older ones say of a topic that one may not see that it does not exist.
    cluster.needs(Need::Kafka(2, 0))?;
    cluster.needs(Need::Authorizer)?;
    let client = connect(cluster).await;
    let denied = topic(cluster, "denied", 1).await;
    let free = topic(cluster, "free", 1).await;
    let resource = ResourcePattern::topic(&denied);
    let deny = AclBinding::deny("User:ANONYMOUS", AclOperation::All, resource);
    client.create_acls([deny.clone()]).await.unwrap().into_result().unwrap();

    let codes = || async {
        let metadata = client.metadata([&denied, &free]).await.unwrap();
        [&denied, &free].map(|name| metadata.topic(name).map_err(|it| it.code()).err().flatten())
    };
    until([Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED), None], codes).await;
    let fresh = connect(cluster).await;
    let asked = [&denied, &free].map(|name| (name.as_str(), 0, OffsetSpec::Latest));
    let offsets = fresh.list_offsets(asked).await.unwrap();
    let of = |name: &String| offsets.get(&TopicPartition::new(name.as_str(), 0)).unwrap();
    assert_eq!(of(&free).as_ref().unwrap().offset, Some(0));
    let error = of(&denied).as_ref().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED), "{error}");
    let more = [&denied, &free].map(|name| (name, NewPartitions::increase_to(2)));
    let grown = fresh.create_partitions(more).await.unwrap();
    assert!(grown.get(&free).unwrap().is_ok());
    let error = grown.get(&denied).unwrap().as_ref().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED), "{error}");

    client.delete_acls([deny]).await.unwrap().into_result().unwrap();
    until([None, None], codes).await;
    until(true, || async { fresh.list_offsets(asked).await.unwrap().into_result().is_ok() }).await;
    Ok(())
}

/// Validated, set with a bad one among them, listed, removed one by one.
pub async fn quotas(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let name = unique("quotas");
    let user = QuotaEntity::default().user(&name);
    let both = QuotaEntity::default().user(&name).client_id("billing");
    if cluster.version() < (2, 6) {
        let error = client.describe_client_quotas(QuotaFilter::only(&user)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains("2.6"), "{error}");
        return Ok(());
    }
    let set = [
        QuotaAlteration::new(user.clone())
            .set(PRODUCER_BYTE_RATE, 1000.0)
            .set(CONSUMER_BYTE_RATE, 2000.0),
        QuotaAlteration::new(QuotaEntity::default().user(format!("{name}-bad")))
            .set("no_rate", 1.0),
        QuotaAlteration::new(both.clone()).set(PRODUCER_BYTE_RATE, 500.0),
    ];
    let of_user = QuotaFilter::default().component(USER, QuotaMatch::Name(name.clone()));
    let quotas = |filter: QuotaFilter| {
        let client = client.clone();
        async move {
            let found = client.describe_client_quotas(filter).await.unwrap();
            let quotas = found.into_iter().flat_map(|(entity, quotas)| {
                quotas.into_iter().map(move |(quota, value)| (entity.to_string(), quota, value))
            });
            quotas.collect::<Vec<_>>()
        }
    };
    let row =
        |entity: &QuotaEntity, quota: &str, value| (entity.to_string(), quota.to_owned(), value);
    for validate_only in [true, false] {
        let results = client.alter_client_quotas(set.clone()).validate_only(validate_only);
        let results = results.await.unwrap();
        let codes: Vec<_> = results.iter().map(|(_, it)| it.as_ref().err()?.code()).collect();
        assert_eq!(codes, [None, Some(ErrorCode::INVALID_REQUEST), None], "{results:?}");
        if validate_only {
            assert_eq!(quotas(of_user.clone()).await, []);
        }
    }
    let of_both = row(&both, PRODUCER_BYTE_RATE, 500.0);
    let consumer = row(&user, CONSUMER_BYTE_RATE, 2000.0);
    let producer = row(&user, PRODUCER_BYTE_RATE, 1000.0);
    let all = vec![of_both.clone(), consumer, producer.clone()];
    until(all.clone(), || quotas(of_user.clone())).await;
    until(all[1..].to_vec(), || quotas(of_user.clone().strict())).await;
    until(all[1..].to_vec(), || quotas(QuotaFilter::only(&user))).await;
    until(vec![of_both.clone()], || quotas(QuotaFilter::only(&both))).await;
    if cluster.version() >= (4, 0) {
        let arguments = ["--describe", "--entity-type", "users", "--entity-name", name.as_str()];
        if let Some(out) = cluster.tool("kafka.admin.ConfigCommand", &arguments).await {
            assert!(out.contains("producer_byte_rate=1000.0"), "{out}");
        }
    }
    let unknown = QuotaFilter::default().component("planet", QuotaMatch::Any);
    let error = client.describe_client_quotas(unknown).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Broker, "{error}");

    let remove = QuotaAlteration::new(user.clone()).remove(CONSUMER_BYTE_RATE);
    client.alter_client_quotas([remove]).await.unwrap().into_result().unwrap();
    until(vec![of_both, producer], || quotas(of_user.clone())).await;
    let remove = [user, both].map(|it| QuotaAlteration::new(it).remove(PRODUCER_BYTE_RATE));
    client.alter_client_quotas(remove).await.unwrap().into_result().unwrap();
    until(Vec::new(), || quotas(of_user.clone())).await;
    Ok(())
}

/// Passwords that Kafka's own client logs in with; users that have none.
pub async fn scram_users(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    if cluster.version() < (2, 7) {
        let error = client.describe_all_scram_credentials().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains("2.7"), "{error}");
        return Ok(());
    }
    cluster.needs(Need::Real)?;
    let (name, nobody) = (unique("scram"), unique("nobody"));
    let set = |mechanism| ScramChange::set(&name, mechanism, "correct horse");
    let changes = [
        set(ScramMechanism::Sha256),
        ScramChange::delete(&nobody, ScramMechanism::Sha256),
        set(ScramMechanism::Sha512).iterations(8192),
    ];
    let results = client.alter_user_scram_credentials(changes).await.unwrap();
    assert_eq!(results.len(), 2);
    results.get(&name).unwrap().as_ref().unwrap();
    let error = results.get(&nobody).unwrap().as_ref().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::RESOURCE_NOT_FOUND), "{error}");

    let credentials = || async {
        let users = client.describe_user_scram_credentials([&nobody, &name]).await.unwrap();
        let error = users.get(&nobody).unwrap().as_ref().unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::RESOURCE_NOT_FOUND), "{error}");
        let found = users.get(&name).unwrap().as_ref().map_err(|error| error.code());
        found.map(|all| all.iter().map(|it| (it.mechanism, it.iterations)).collect::<Vec<_>>())
    };
    let both = vec![(ScramMechanism::Sha256, 4096), (ScramMechanism::Sha512, 8192)];
    until(Ok(both), credentials).await;
    let all = client.describe_all_scram_credentials().await.unwrap();
    assert_eq!(all.get(&name).unwrap().as_ref().unwrap().len(), 2);
    if let Some(sasl) = cluster.sasl_bootstrap() {
        for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
            logs_in(cluster, &sasl, mechanism, &name, "correct horse", "").await;
        }
    }

    let delete = ScramChange::delete(&name, ScramMechanism::Sha256);
    client.alter_user_scram_credentials([delete]).await.unwrap().into_result().unwrap();
    until(Ok(vec![(ScramMechanism::Sha512, 8192)]), credentials).await;
    let delete = ScramChange::delete(&name, ScramMechanism::Sha512);
    client.alter_user_scram_credentials([delete]).await.unwrap().into_result().unwrap();
    until(Err(Some(ErrorCode::RESOURCE_NOT_FOUND)), credentials).await;
    Ok(())
}

/// Has Kafka's own client log in and list topics.
async fn logs_in(
    cluster: &impl TestCluster,
    sasl: &[String],
    mechanism: &str,
    user: &str,
    password: &str,
    more: &str,
) {
    let (file, sasl) = (login_file(mechanism, user, password, more), sasl.join(","));
    let arguments = ["--bootstrap-server", &sasl, "--command-config", &file, "--list"];
    // Fails the scenario if the tool fails.
    cluster.tool("org.apache.kafka.tools.TopicCommand", &arguments).await;
}

async fn tokens(client: &Client, owner: &str) -> Vec<DelegationToken> {
    client.describe_delegation_tokens([Principal::user(owner)]).await.unwrap()
}

/// Created, listed, renewed by whom it is for, used by Kafka's own client, expired.
pub async fn delegation_tokens(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Kafka(3, 6))?;
    cluster.needs(Need::Sasl)?;
    let error = connect(cluster).await.create_delegation_token().await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::DELEGATION_TOKEN_REQUEST_NOT_ALLOWED), "{error}");

    let (alice, bob) = (connect_as(cluster, "alice").await, connect_as(cluster, "bob").await);
    let hour = Duration::from_secs(60 * 60);
    let create = alice.create_delegation_token().renewer(Principal::user("bob"));
    let mut token = create.max_lifetime(hour).await.unwrap();
    assert_eq!(token.owner, Principal::user("alice"));
    assert_eq!(token.requester, Some(Principal::user("alice")));
    let lifetime = token.max_expires_at.as_millis() - token.issued_at.as_millis();
    assert_eq!(lifetime, 3_600_000);
    assert!(!format!("{token:?}").contains(&format!("{:?}", token.hmac.0)));

    let listed = |client: Client| {
        let id = token.id.clone();
        async move { tokens(&client, "alice").await.into_iter().find(|it| it.id == id) }
    };
    until(Some(token.clone()), || listed(alice.clone())).await;
    until(Some(token.clone()), || listed(bob.clone())).await;
    let all = alice.describe_all_delegation_tokens().await.unwrap();
    assert!(all.iter().any(|it| it.id == token.id));

    let ten = Duration::from_secs(600);
    for client in [&alice, &bob] {
        let before = Timestamp::now().as_millis();
        token.expires_at = client.renew_delegation_token(&token).period(ten).await.unwrap();
        let left = token.expires_at.as_millis() - before;
        assert!((590_000..660_000).contains(&left), "{left} ms left");
    }
    until(Some(token.expires_at), || async {
        listed(alice.clone()).await.map(|token| token.expires_at)
    })
    .await;
    let sasl = cluster.sasl_bootstrap().unwrap();
    let password = base64(&token.hmac.0);
    logs_in(cluster, &sasl, "SCRAM-SHA-256", &token.id, &password, "tokenauth=\"true\"").await;

    // By one who may do all, for another.
    let admin = connect_as(cluster, "admin").await;
    let owned = admin.create_delegation_token().owner(Principal::user("alice")).await.unwrap();
    assert_eq!(owned.owner, Principal::user("alice"));
    assert_eq!(owned.requester, Some(Principal::user("admin")));

    until(true, || async { tokens(&alice, "alice").await.iter().any(|it| it.id == owned.id) })
        .await;
    let later = alice.expire_delegation_token(&owned).period(Duration::from_secs(300)).await;
    assert!(later.unwrap() > Timestamp::now());
    for token in [&token, &owned] {
        alice.expire_delegation_token(token).await.unwrap();
    }
    until(None, || listed(alice.clone())).await;
    let error = alice.renew_delegation_token(&token).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::DELEGATION_TOKEN_NOT_FOUND), "{error}");
    let error = bob.expire_delegation_token(b"no such token".to_vec()).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::DELEGATION_TOKEN_NOT_FOUND), "{error}");
    Ok(())
}

/// Brokers that collect no metrics do not have the call.
pub async fn no_telemetry(cluster: &impl TestCluster) -> Outcome {
    let error = connect(cluster).await.client_instance_id().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    Ok(())
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = bytes.chunks(3).flat_map(|chunk| {
        let at = |index| u32::from(chunk.get(index).copied().unwrap_or_default());
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        let digit = move |index: usize| match index > chunk.len() {
            true => '=',
            false => DIGITS[(bits >> (18 - 6 * index) & 63) as usize] as char,
        };
        (0..4).map(digit)
    });
    digits.collect()
}
