//! Offsets of partitions, by every name that they have.

use kafkio::admin::Results;
use kafkio::admin::offsets::OffsetSpec;
use kafkio::protocol::ErrorCode;
use kafkio::{ErrorKind, Record, Timestamp, TopicPartition};

use crate::support::{Outcome, TestCluster, connect, topic, unique, write};

pub async fn every_spec(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let topic = topic(cluster, "specs", 1).await;
    let base = Timestamp::now().as_millis() - 60_000;
    let records = [0, 2, 1].map(|n| Record::new("").timestamp(Timestamp::from_millis(base + n)));
    write(&client, &topic, records).await;
    let find = async |spec| {
        let found = client.list_offsets([(&*topic, 0, spec)]).await?;
        found.into_only().map(|found| found.offset)
    };
    assert_eq!(find(OffsetSpec::Earliest).await.unwrap(), Some(0));
    assert_eq!(find(OffsetSpec::Latest).await.unwrap(), Some(3));
    let time = OffsetSpec::Timestamp(Timestamp::from_millis(base + 1));
    assert_eq!(find(time).await.unwrap(), Some(1));
    // Nothing is tiered: all is local, nothing is copied, and nothing is waiting to be.
    for (spec, since, expected) in [
        (OffsetSpec::MaxTimestamp, (3, 0), Some(1)),
        (OffsetSpec::EarliestLocal, (3, 5), Some(0)),
        (OffsetSpec::LatestTiered, (3, 9), None),
        (OffsetSpec::EarliestPendingUpload, (4, 2), None),
    ] {
        let found = find(spec).await;
        if cluster.version() >= since {
            assert_eq!(found.unwrap(), expected, "{spec:?}");
        } else {
            let error = found.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
            let needed = format!("Kafka {}.{}", since.0, since.1);
            assert!(format!("{error:?}").contains(&needed), "{error:?}");
        }
    }
    // One that an old broker does not know spoils nothing.
    let mixed = [OffsetSpec::EarliestLocal, OffsetSpec::Latest].map(|spec| (&*topic, 0, spec));
    let found = client.list_offsets(mixed).await.unwrap();
    let found: Vec<_> = found.into_iter().map(|(_, found)| found.ok()).collect();
    assert_eq!(found[0].is_some(), cluster.version() >= (3, 5));
    assert_eq!(found[1].unwrap().offset, Some(3));
    // Several of one partition, and one that is missing between them.
    let nowhere = unique("nowhere");
    let found = client.list_offsets([
        (&*topic, 0, OffsetSpec::Latest),
        (&*nowhere, 0, OffsetSpec::Latest),
        (&*topic, 9, OffsetSpec::Latest),
        (&*topic, 0, OffsetSpec::Earliest),
    ]);
    let found: Vec<_> = found.await.unwrap().into_iter().map(|(_, found)| found).collect();
    assert_eq!(found[0].as_ref().unwrap().offset, Some(3));
    assert_eq!(found[3].as_ref().unwrap().offset, Some(0));
    for missing in &found[1..3] {
        let code = missing.as_ref().unwrap_err().code();
        assert_eq!(code, Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    }
    Ok(())
}

pub async fn leader_epochs(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let topic = topic(cluster, "epochs", 1).await;
    write(&client, &topic, [Record::new("a"), Record::new("b")]).await;
    let at = TopicPartition::new(&*topic, 0);
    if cluster.version() < (0, 11) {
        let ends = client.offsets_for_leader_epochs([(at, 0)]).await;
        let error = ends.and_then(Results::into_only).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
        return Ok(());
    }
    let nowhere = TopicPartition::new(unique("nowhere"), 0);
    let ask = [(at.clone(), 0), (nowhere.clone(), 0)];
    let ends = client.offsets_for_leader_epochs(ask).await.unwrap();
    let end = ends.get(&at).unwrap().as_ref().unwrap();
    assert_eq!(end.end_offset, Some(2));
    let epoch = (cluster.version() >= (2, 0)).then_some(0);
    assert_eq!(end.leader_epoch, epoch);
    let error = ends.get(&nowhere).unwrap().as_ref().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    // One that no leader has had yet.
    let future = client.offsets_for_leader_epochs([(at, 99)]).await.unwrap().into_only().unwrap();
    assert_eq!(future.end_offset, None);
    Ok(())
}
