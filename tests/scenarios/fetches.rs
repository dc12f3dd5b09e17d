//! What brokers answer to fetches: sessions, transactions, racks. Readers rely on it, and so the
//! in-process cluster must not be kinder than Kafka is.

use kafkio::admin::Target;
use kafkio::protocol::ErrorCode;
use kafkio::protocol::messages::fetch::{
    FetchPartition, FetchRequest, FetchResponse, FetchTopic, ForgottenTopic, PartitionData,
};
use kafkio::protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use kafkio::wire::Uuid;
use kafkio::{Client, Record, TopicPartition};

use crate::support::transaction::Transactional;
use crate::support::{Need, Outcome, TestCluster, connect, eventually, topic, write};

/// A topic on one broker, and a client that fetches from there.
struct Topic {
    client: Client,
    name: String,
    id: Uuid,
    leader: i32,
}

impl Topic {
    /// With this many partitions, all led by the same broker.
    async fn new(cluster: &impl TestCluster, partitions: i32) -> Self {
        let client = connect(cluster).await;
        let leaders = cluster.brokers() as i32;
        // Each broker leads one of so many in a row; those of the first are used.
        let name = topic(cluster, "fetches", partitions * leaders).await;
        let found = client.metadata([&name]).await.unwrap().topic(&name).unwrap().clone();
        let leader = found.partitions[0].leader.unwrap();
        Self { client, id: found.id, name, leader }
    }

    /// The partitions that the broker leads.
    async fn partitions(&self) -> Vec<i32> {
        let found = self.client.metadata([&self.name]).await.unwrap();
        let all = found.topic(&self.name).unwrap().partitions.iter();
        let led = all.filter(|it| it.leader == Some(self.leader));
        led.map(|it| it.id).collect()
    }

    fn request(&self, session: (i32, i32), partitions: &[(i32, i64)]) -> FetchRequest {
        let partitions = partitions.iter().map(|(partition, fetch_offset)| FetchPartition {
            partition: *partition,
            fetch_offset: *fetch_offset,
            partition_max_bytes: 1 << 20,
            ..Default::default()
        });
        let mut topics = vec![FetchTopic {
            topic: self.name.clone(),
            topic_id: self.id,
            partitions: partitions.collect(),
            ..Default::default()
        }];
        topics.retain(|topic| !topic.partitions.is_empty());
        let (session_id, session_epoch) = session;
        FetchRequest {
            max_wait_ms: 200,
            min_bytes: 1,
            max_bytes: 10 << 20,
            session_id,
            session_epoch,
            topics,
            ..Default::default()
        }
    }

    async fn send(&self, version: i16, request: FetchRequest) -> FetchResponse {
        let call = self.client.send(Target::Broker(self.leader), request).max_version(version);
        call.await.unwrap()
    }

    async fn write(&self, partition: i32, value: &str) {
        write(&self.client, &self.name, [Record::new(value.to_owned()).partition(partition)]).await;
    }
}

/// Partition and whether it has records, in the order of the answer.
fn told(response: &FetchResponse) -> Vec<(i32, bool)> {
    assert_eq!(ErrorCode(response.error_code), ErrorCode::NONE);
    let all = response.responses.iter().flat_map(|topic| &topic.partitions);
    all.map(|it| (it.partition_index, it.records.as_ref().is_some_and(|it| !it.is_empty())))
        .collect()
}

/// Versions 12 and 13, which name topics by name and by id, as far as the cluster has them.
fn versions(cluster: &impl TestCluster) -> &'static [i16] {
    if cluster.version() >= (3, 1) { &[12, 18] } else { &[12] }
}

pub async fn sessions(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Kafka(1, 1))?;
    let topic = Topic::new(cluster, 3).await;
    let partitions = topic.partitions().await;
    let [a, b, c] = [partitions[0], partitions[1], partitions[2]];
    for (at, version) in versions(cluster).iter().enumerate() {
        let at = 3 * at as i64;
        let send = async |request| topic.send(*version, request).await;
        // As long as followers of a new topic come, its watermarks are news.
        let id = eventually("a session with nothing new", async || {
            let begun = send(topic.request((0, 0), &[(a, at), (b, at), (c, at)])).await;
            let id = begun.session_id;
            assert!(id > 0);
            assert_eq!(told(&begun), [(a, false), (b, false), (c, false)], "all of them at first");
            told(&send(topic.request((id, 1), &[])).await).is_empty().then_some(id)
        })
        .await;
        topic.write(b, "one").await;
        assert_eq!(told(&send(topic.request((id, 2), &[])).await), [(b, true)]);
        assert_eq!(told(&send(topic.request((id, 3), &[])).await), [(b, true)], "and again");
        assert_eq!(told(&send(topic.request((id, 4), &[(b, at + 1)])).await), []);
        // A watermark is news, even where the client is at the end.
        topic.write(a, "two").await;
        let response = send(topic.request((id, 5), &[(a, at + 1)])).await;
        assert_eq!(told(&response), [(a, false)]);
        // Those that had data are the last in turn.
        for partition in [c, b, a] {
            topic.write(partition, "three").await;
        }
        assert_eq!(told(&send(topic.request((id, 6), &[])).await).len(), 3);
        let mut request = topic.request((id, 7), &[]);
        request.max_bytes = 1;
        let first = told(&send(request).await);
        let mut request = topic.request((id, 8), &[]);
        request.max_bytes = 1;
        let second = told(&send(request).await);
        assert!(first.len() == 1 && second.len() == 1 && first != second, "{first:?} {second:?}");
        // What is forgotten is not told of.
        let forgotten = ForgottenTopic {
            topic: topic.name.clone(),
            topic_id: topic.id,
            partitions: vec![a, c],
            ..Default::default()
        };
        let mut request = topic.request((id, 9), &[]);
        request.forgotten_topics_data = vec![forgotten.clone()];
        assert_eq!(told(&send(request).await), [(b, true)]);
        // Errors are told as long as they last, and once more.
        for (epoch, asked, is_told) in [
            (10, &[(b, 99)][..], true),
            (11, &[], true),
            (12, &[(b, at + 2)], true),
            (13, &[], false),
        ] {
            let response = send(topic.request((id, epoch), asked)).await;
            assert_eq!(told(&response).len(), usize::from(is_told), "{epoch}");
        }
        let mut request = topic.request((id, 14), &[]);
        request.forgotten_topics_data = vec![ForgottenTopic { partitions: vec![b], ..forgotten }];
        assert_eq!(send(request).await.session_id, 0, "nothing is left");
        for partition in [a, b, c] {
            // As many in each, for the next round.
            let written = if partition == c { 1 } else { 2 };
            for _ in written..3 {
                topic.write(partition, "more").await;
            }
        }
    }
    Ok(())
}

pub async fn session_errors(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Kafka(1, 1))?;
    let topic = Topic::new(cluster, 1).await;
    let partition = topic.partitions().await[0];
    let one = [(partition, 0)];
    let id = topic.send(12, topic.request((0, 0), &one)).await.session_id;
    let next = topic.send(12, topic.request((0, 0), &one)).await.session_id;
    assert_ne!(id, next);
    let refused = async |version, session| {
        let response = topic.send(version, topic.request(session, &[])).await;
        if response.error_code != 0 {
            assert!(response.responses.is_empty() && response.session_id == 0);
        }
        ErrorCode(response.error_code)
    };
    assert_eq!(refused(12, (id, 2)).await, ErrorCode::INVALID_FETCH_SESSION_EPOCH);
    assert_eq!(refused(12, (id, 1)).await, ErrorCode::NONE);
    assert_eq!(refused(12, (id, 1)).await, ErrorCode::INVALID_FETCH_SESSION_EPOCH);
    assert_eq!(refused(12, (id, 2)).await, ErrorCode::NONE, "which ends nothing");
    if cluster.version() >= (3, 1) {
        assert_eq!(refused(13, (id, 3)).await, ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR);
    }
    let ended = topic.send(12, topic.request((id, -1), &one)).await;
    assert_eq!((told(&ended).len(), ended.session_id), (1, 0));
    assert_eq!(refused(12, (id, 3)).await, ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
    let anew = topic.send(12, topic.request((next, 0), &one)).await.session_id;
    assert!(anew > 0 && anew != next);
    assert_eq!(refused(12, (next, 1)).await, ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
    // A topic that nobody knows is an error of its partition, each time.
    if cluster.version() >= (3, 1) {
        let nobody = Topic { id: Uuid(7), name: "nobody".to_owned(), ..topic };
        let begun = nobody.send(13, nobody.request((0, 0), &one)).await;
        let code = |it: &FetchResponse| ErrorCode(it.responses[0].partitions[0].error_code);
        assert_eq!(code(&begun), ErrorCode::UNKNOWN_TOPIC_ID);
        let again = nobody.send(13, nobody.request((begun.session_id, 1), &[])).await;
        assert_eq!(code(&again), ErrorCode::UNKNOWN_TOPIC_ID);
    }
    Ok(())
}

/// What a broker says of transactions: where they end, and which were aborted.
pub async fn transactions(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Kafka(0, 11))?;
    let topic = Topic::new(cluster, 1).await;
    let at = TopicPartition::new(&*topic.name, topic.partitions().await[0]);
    let fetch = async |offset| -> PartitionData {
        let mut request = topic.request((0, -1), &[(at.partition, offset)]);
        request.isolation_level = 1;
        topic.send(12, request).await.responses.remove(0).partitions.remove(0)
    };
    let state = |data: &PartitionData| (data.high_watermark, data.last_stable_offset);
    let aborted = |data: &PartitionData| -> Vec<i64> {
        let all = data.aborted_transactions.iter().flatten();
        all.map(|it| it.first_offset).collect()
    };
    let mut one = Transactional::begin(&topic.client).await;
    let mut two = Transactional::begin(&topic.client).await;
    topic.write(at.partition, "plain").await;
    assert_eq!(one.write(&at, &["a", "b"]).await, 1);
    assert_eq!(two.write(&at, &["c"]).await, 3);
    topic.write(at.partition, "plain").await;
    let data = fetch(0).await;
    assert_eq!((state(&data), aborted(&data)), ((5, 1), vec![]));
    let behind = fetch(3).await;
    assert_eq!(behind.error_code, 0, "not out of range");
    assert!(behind.records.is_none_or(|records| records.is_empty()));
    one.end(false).await;
    // The leader may know of the marker before its watermark does.
    let data = eventually("the abort counts", async || {
        let data = fetch(0).await;
        (data.last_stable_offset == 3).then_some(data)
    })
    .await;
    assert_eq!(aborted(&data), [1]);
    two.end(true).await;
    eventually("the commit counts", async || {
        (fetch(0).await.last_stable_offset == 7).then_some(())
    })
    .await;
    // An abort without data is none any more.
    two.add(&at).await;
    two.end(false).await;
    // Behind its marker, an aborted transaction is not told of any more.
    let empty = if cluster.version() < (2, 8) { &[7][..] } else { &[] };
    assert_eq!(aborted(&fetch(5).await), [&[1], empty].concat());
    assert_eq!(aborted(&fetch(6).await), empty);

    // The same for who looks offsets up.
    let latest = async |isolation_level| {
        let partition = ListOffsetsPartition {
            partition_index: at.partition,
            timestamp: -1,
            ..Default::default()
        };
        let request = ListOffsetsRequest {
            replica_id: -1,
            isolation_level,
            topics: vec![ListOffsetsTopic {
                name: topic.name.clone(),
                partitions: vec![partition],
                ..Default::default()
            }],
            ..Default::default()
        };
        let response = topic.client.send(Target::Leader(at.clone()), request).await.unwrap();
        response.topics[0].partitions[0].offset
    };
    assert_eq!(one.write(&at, &["open"]).await, 8);
    eventually("the record is replicated", async || (latest(0).await == 9).then_some(())).await;
    assert_eq!(latest(1).await, 8);
    one.end(true).await;
    eventually("the marker counts", async || (latest(1).await == 10).then_some(())).await;
    Ok(())
}

pub async fn racks(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Racks)?;
    let topic = Topic::new(cluster, 1).await;
    let partition = topic.partitions().await[0];
    topic.write(partition, "one").await;
    let other = (topic.leader + 1) % 3;
    let fetch = async |broker, version, rack: String, offset| {
        let mut request = topic.request((0, -1), &[(partition, offset)]);
        request.rack_id = rack;
        let call = topic.client.send(Target::Broker(broker), request).max_version(version);
        let data = call.await.unwrap().responses.remove(0).partitions.remove(0);
        let has_data = data.records.is_some_and(|records| !records.is_empty());
        (ErrorCode(data.error_code), data.preferred_read_replica, has_data)
    };
    eventually("the leader knows that the follower has it", async || {
        let found = fetch(topic.leader, 12, format!("rack{other}"), 0).await;
        (found == (ErrorCode::NONE, other, false)).then_some(())
    })
    .await;
    let with_data = (ErrorCode::NONE, -1, true);
    for rack in [format!("rack{}", topic.leader), "elsewhere".to_owned(), String::new()] {
        assert_eq!(fetch(topic.leader, 12, rack, 0).await, with_data);
    }
    let rack = || format!("rack{other}");
    eventually("the follower has it", async || {
        (fetch(other, 12, rack(), 0).await == with_data).then_some(())
    })
    .await;
    assert_eq!(fetch(other, 12, String::new(), 0).await, with_data, "whoever asks");
    let refused = (ErrorCode::NOT_LEADER_OR_FOLLOWER, -1, false);
    assert_eq!(fetch(other, 10, String::new(), 0).await, refused, "but not in old versions");
    let out_of_range = (ErrorCode::OFFSET_OUT_OF_RANGE, -1, false);
    assert_eq!(fetch(other, 12, rack(), 99).await, out_of_range);
    assert_eq!(fetch(topic.leader, 12, rack(), 99).await, out_of_range);
    Ok(())
}
