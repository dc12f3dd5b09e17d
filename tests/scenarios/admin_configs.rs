//! Settings as `admin::configs` describes, changes and lists them.

use std::collections::BTreeMap;

use kafkio::admin::configs::{
    ConfigChanges, ConfigEntry, ConfigResource, ConfigResourceKind, ConfigSource, ConfigSynonym,
    ConfigType,
};
use kafkio::admin::topics::NewTopic;
use kafkio::protocol::ErrorCode;
use kafkio::{Client, ErrorKind};

use crate::support::{
    Need, Outcome, TestCluster, code, connect, create, eventually, topic, unique,
};

type Configs = BTreeMap<String, ConfigEntry>;

async fn configs(client: &Client, resource: &ConfigResource) -> Configs {
    let what = format!("{resource} is described");
    eventually(&what, async || {
        client.describe_configs([resource.clone()]).await.unwrap().into_only().ok()
    })
    .await
}

/// Waits until a setting has the value at the broker that is asked: brokers learn of it one by one.
async fn has(client: &Client, resource: &ConfigResource, name: &str, value: Option<&str>) {
    let what = format!("{name} of {resource} is {value:?}");
    eventually(&what, async || {
        let configs = configs(client, resource).await;
        let found = configs.get(name).filter(|it| !it.is_default());
        (found.and_then(|it| it.value.as_deref()) == value).then_some(())
    })
    .await;
}

pub async fn described(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let name = unique("settings");
    let new = NewTopic::new(&name).partitions(1).replication_factor(1);
    create(cluster, new.config("retention.ms", "86400000")).await;
    let resource = ConfigResource::topic(&name);
    if cluster.version() < (0, 11) {
        let error = client.describe_configs([resource]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        return Ok(());
    }
    let all = configs(&client, &resource).await;
    assert!(all.len() > 5, "{all:?}");
    let retention = &all["retention.ms"];
    assert_eq!(retention.value.as_deref(), Some("86400000"));
    assert_eq!(retention.source, ConfigSource::Topic);
    assert!(!retention.is_read_only && !retention.is_sensitive);
    let policy = &all["cleanup.policy"];
    assert_eq!((policy.value.as_deref(), policy.is_default()), (Some("delete"), true));

    let nowhere = ConfigResource::topic(unique("nowhere"));
    let call = client.describe_configs([nowhere.clone(), resource.clone()]);
    let some = call.keys(["retention.ms", "cleanup.policy"]).await.unwrap();
    let names = some.get(&resource).unwrap().as_ref().unwrap().keys();
    assert!(names.eq(["cleanup.policy", "retention.ms"]));
    // Brokers with a controller of ZooKeeper know topics by their settings.
    if cluster.version() >= (2, 8) {
        assert_eq!(code(some.get(&nowhere)), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    }

    if cluster.version() >= (2, 6) {
        assert_eq!(retention.kind, Some(ConfigType::Long));
        assert_eq!(policy.kind, Some(ConfigType::List));
        assert!(retention.synonyms.is_empty() && retention.documentation.is_none());
        let call = client.describe_configs([resource]);
        let call = call.include_synonyms(true).include_documentation(true);
        let more = call.await.unwrap().into_only().unwrap();
        let retention = &more["retention.ms"];
        let synonym = retention.synonyms.first().unwrap();
        assert_eq!(synonym.name, "retention.ms");
        assert_eq!(synonym.value.as_deref(), Some("86400000"));
        assert_eq!(synonym.source, ConfigSource::Topic);
        let policy = &more["cleanup.policy"];
        let of_broker = |it: &ConfigSynonym| it.name == "log.cleanup.policy";
        assert!(!cluster.is_real() || policy.synonyms.iter().any(of_broker), "{policy:?}");
        assert!(!cluster.is_real() || retention.documentation.is_some());
    } else {
        let error = client.describe_configs([resource]).include_documentation(true).await;
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(format!("{error:?}").contains("2.6"), "{error:?}");
    }
    Ok(())
}

pub async fn altered(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let [good, bad] = ["good", "bad"];
    let (good, bad) = (topic(cluster, good, 1).await, topic(cluster, bad, 1).await);
    let [good, bad] = [&good, &bad].map(ConfigResource::topic);
    let nowhere = ConfigResource::topic(unique("nowhere"));
    let alter = |resource: &ConfigResource| ConfigChanges::new(resource.clone());
    if cluster.version() < (2, 3) {
        let change = alter(&good).set("retention.ms", "1000");
        let error = client.incremental_alter_configs([change]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(format!("{error:?}").contains("2.3"), "{error:?}");
        return Ok(());
    }
    configs(&client, &good).await;
    for validate_only in [true, false] {
        let call = client.incremental_alter_configs([
            alter(&nowhere).set("retention.ms", "86400000"),
            alter(&good).set("retention.ms", "86400000").append("cleanup.policy", "compact"),
            alter(&bad).set("segment.ms", "3600000").set("retention.ms", "soon"),
        ]);
        let altered = call.validate_only(validate_only).await.unwrap();
        altered.get(&good).unwrap().as_ref().unwrap();
        assert_eq!(code(altered.get(&bad)), wrong_value(cluster), "{validate_only}");
        let unknown = Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        assert_eq!(code(altered.get(&nowhere)), unknown, "{validate_only}");
        if validate_only {
            has(&client, &good, "retention.ms", None).await;
        }
    }
    has(&client, &good, "retention.ms", Some("86400000")).await;
    has(&client, &good, "cleanup.policy", Some("delete,compact")).await;
    has(&client, &bad, "segment.ms", None).await;

    let main = "kafka.admin.ConfigCommand";
    let arguments = ["--describe", "--entity-type", "topics", "--entity-name", &good.name];
    if let Some(said) = cluster.tool(main, &arguments).await {
        assert!(said.contains("retention.ms=86400000"), "{said}");
        assert!(said.contains("cleanup.policy=delete,compact"), "{said}");
    }
    let change = alter(&good).subtract("cleanup.policy", "delete").delete("retention.ms");
    client.incremental_alter_configs([change]).await.unwrap().into_result().unwrap();
    has(&client, &good, "cleanup.policy", Some("compact")).await;
    has(&client, &good, "retention.ms", None).await;
    let change = alter(&good).append("segment.ms", "1");
    let error = client.incremental_alter_configs([change]).await.unwrap().into_only().unwrap_err();
    assert!(
        matches!(error.code(), Some(ErrorCode::INVALID_CONFIG | ErrorCode::INVALID_REQUEST)),
        "only lists are appended to: {error}"
    );
    Ok(())
}

pub async fn replaced(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Kafka(0, 11))?;
    let client = connect(cluster).await;
    let [name, other] = ["replaced", "other"];
    let (name, other) = (topic(cluster, name, 1).await, topic(cluster, other, 1).await);
    let [resource, other] = [&name, &other].map(ConfigResource::topic);
    configs(&client, &resource).await;
    let set = |settings: &[(&str, &str)]| -> BTreeMap<String, String> {
        settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let both = set(&[("retention.ms", "86400000"), ("segment.ms", "3600000")]);
    client.alter_configs([(resource.clone(), both)]).await.unwrap().into_result().unwrap();
    has(&client, &resource, "retention.ms", Some("86400000")).await;
    has(&client, &resource, "segment.ms", Some("3600000")).await;

    let one = set(&[("retention.ms", "43200000")]);
    let asked = [(resource.clone(), one.clone())];
    let call = client.alter_configs(asked).validate_only(true);
    call.await.unwrap().into_result().unwrap();
    has(&client, &resource, "retention.ms", Some("86400000")).await;
    let wrong = set(&[("retention.ms", "soon")]);
    let asked = [(other.clone(), wrong), (resource.clone(), one)];
    let altered = client.alter_configs(asked).await.unwrap();
    assert!(matches!(
        code(altered.get(&other)),
        Some(ErrorCode::INVALID_CONFIG | ErrorCode::INVALID_REQUEST)
    ));
    altered.get(&resource).unwrap().as_ref().unwrap();
    has(&client, &resource, "retention.ms", Some("43200000")).await;
    has(&client, &resource, "segment.ms", None).await;
    Ok(())
}

pub async fn of_brokers(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Kafka(0, 11))?;
    let client = connect(cluster).await;
    let ids: Vec<_> = client.all_metadata().await.unwrap().brokers.keys().copied().collect();
    let all = ids.iter().map(|id| ConfigResource::broker(*id));
    let all = client.describe_configs(all).await.unwrap();
    for (resource, configs) in all {
        // Each broker knows its own settings alone.
        let configs = configs.unwrap();
        let id = configs.get("node.id").or_else(|| configs.get("broker.id")).unwrap();
        assert_eq!(id.value.as_deref(), Some(&*resource.name));
        assert!(id.is_read_only || !cluster.is_real());
    }
    let nobody = ConfigResource::broker(4_711);
    let some = [nobody.clone(), ConfigResource::broker(ids[0])];
    let some = client.describe_configs(some).await.unwrap();
    assert!(some.get(&ConfigResource::broker(ids[0])).unwrap().is_ok());
    let error = some.get(&nobody).unwrap().as_ref().unwrap_err();
    assert!(error.to_string().contains("4711"), "{error}");

    cluster.needs(Need::Kafka(2, 3))?;
    let (one, name) = (ConfigResource::broker(ids[0]), "log.index.interval.bytes");
    let set = ConfigChanges::new(one.clone()).set(name, "8192");
    client.incremental_alter_configs([set]).await.unwrap().into_result().unwrap();
    has(&client, &one, name, Some("8192")).await;
    assert_eq!(configs(&client, &one).await[name].source, ConfigSource::DynamicBroker);
    for other in ids.iter().skip(1) {
        let other = ConfigResource::broker(*other);
        assert_ne!(configs(&client, &other).await[name].value.as_deref(), Some("8192"));
    }
    let set = ConfigChanges::new(one.clone()).set("auto.create.topics.enable", "false");
    let error = client.incremental_alter_configs([set]).await.unwrap().into_only().unwrap_err();
    assert!(
        matches!(error.code(), Some(ErrorCode::INVALID_REQUEST | ErrorCode::INVALID_CONFIG)),
        "read only: {error}"
    );
    let back = ConfigChanges::new(one.clone()).delete(name);
    client.incremental_alter_configs([back]).await.unwrap().into_result().unwrap();
    has(&client, &one, name, None).await;
    Ok(())
}

/// Settings of all brokers together: on a cluster that others share they would be seen there.
pub async fn of_all_brokers(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Control)?;
    cluster.needs(Need::Kafka(2, 3))?;
    let client = connect(cluster).await;
    let (all, name) = (ConfigResource::all_brokers(), "log.index.interval.bytes");
    let set = ConfigChanges::new(all.clone()).set(name, "8193");
    client.incremental_alter_configs([set]).await.unwrap().into_result().unwrap();
    has(&client, &all, name, Some("8193")).await;
    let ids: Vec<_> = client.all_metadata().await.unwrap().brokers.keys().copied().collect();
    for id in ids {
        let broker = ConfigResource::broker(id);
        has(&client, &broker, name, Some("8193")).await;
        let source = configs(&client, &broker).await[name].source;
        assert_eq!(source, ConfigSource::DynamicBrokerDefault);
    }
    let back = ConfigChanges::new(all.clone()).delete(name);
    client.incremental_alter_configs([back]).await.unwrap().into_result().unwrap();
    has(&client, &all, name, None).await;
    Ok(())
}

pub async fn of_loggers(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Real)?;
    cluster.needs(Need::Kafka(2, 4))?;
    let client = connect(cluster).await;
    let ids: Vec<_> = client.all_metadata().await.unwrap().brokers.keys().copied().collect();
    let one = ConfigResource::broker_logger(ids[0]);
    let before = configs(&client, &one).await;
    let name = before.keys().find(|name| *name != "root").expect("a logger");
    let level = if before[name].value.as_deref() == Some("ERROR") { "WARN" } else { "ERROR" };
    let set = ConfigChanges::new(one.clone()).set(name, level);
    client.incremental_alter_configs([set]).await.unwrap().into_result().unwrap();
    let after = configs(&client, &one).await;
    assert_eq!(after[name].value.as_deref(), Some(level));
    assert_eq!(after[name].source, ConfigSource::DynamicBrokerLogger);
    if let Some(other) = ids.get(1) {
        let other = configs(&client, &ConfigResource::broker_logger(*other)).await;
        assert_ne!(other.get(name).and_then(|it| it.value.as_deref()), Some(level));
    }
    let back = ConfigChanges::new(one.clone()).delete(name);
    client.incremental_alter_configs([back]).await.unwrap().into_result().unwrap();
    let wrong = ConfigChanges::new(one).set(name, "SHOUTING");
    let error = client.incremental_alter_configs([wrong]).await.unwrap().into_only().unwrap_err();
    assert_eq!(error.code(), wrong_value(cluster), "{error}");
    Ok(())
}

/// What brokers say of a value that a setting cannot have.
fn wrong_value(cluster: &impl TestCluster) -> Option<ErrorCode> {
    let is_old = cluster.is_real() && cluster.version() < (3, 0);
    Some(if is_old { ErrorCode::INVALID_REQUEST } else { ErrorCode::INVALID_CONFIG })
}

pub async fn of_groups_and_metrics(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let metrics = ConfigResource::client_metrics(unique("metrics"));
    let only_metrics = [ConfigResourceKind::ClientMetrics];
    if cluster.version() < (4, 1) {
        let error = client.list_config_resources([]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        if cluster.version() >= (3, 7) {
            client.list_config_resources(only_metrics).await.unwrap();
        }
        return Ok(());
    }
    cluster.needs(Need::Real)?;
    let group = ConfigResource::group(unique("group"));
    let topic = ConfigResource::topic(topic(cluster, "listed", 1).await);
    let set = [
        ConfigChanges::new(metrics.clone()).set("interval.ms", "30000").set("metrics", "a.b"),
        ConfigChanges::new(group.clone()).set("consumer.session.timeout.ms", "50000"),
    ];
    client.incremental_alter_configs(set).await.unwrap().into_result().unwrap();
    has(&client, &metrics, "interval.ms", Some("30000")).await;
    has(&client, &group, "consumer.session.timeout.ms", Some("50000")).await;
    let sources = [
        (&metrics, "interval.ms", ConfigSource::ClientMetrics),
        (&group, "consumer.session.timeout.ms", ConfigSource::Group),
    ];
    for (resource, name, source) in sources {
        assert_eq!(configs(&client, resource).await[name].source, source);
    }
    eventually("all are listed", async || {
        let all = client.list_config_resources([]).await.unwrap();
        [&metrics, &group, &topic].iter().all(|it| all.contains(it)).then_some(())
    })
    .await;
    let some = client.list_config_resources(only_metrics).await.unwrap();
    assert!(some.contains(&metrics));
    assert!(some.iter().all(|it| it.kind == ConfigResourceKind::ClientMetrics), "{some:?}");
    let back = [
        ConfigChanges::new(metrics.clone()).delete("interval.ms").delete("metrics"),
        ConfigChanges::new(group.clone()).delete("consumer.session.timeout.ms"),
    ];
    client.incremental_alter_configs(back).await.unwrap().into_result().unwrap();
    has(&client, &group, "consumer.session.timeout.ms", None).await;
    eventually("it is listed no more", async || {
        let some = client.list_config_resources(only_metrics).await.unwrap();
        (!some.contains(&metrics)).then_some(())
    })
    .await;
    Ok(())
}
