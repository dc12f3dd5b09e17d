//! Fetch sessions, transactions and followers.

use bytes::BytesMut;
use tokio::time::Instant;

use super::*;
use crate::protocol::messages::fetch::ForgottenTopic;

/// A fetch of these partitions of `t`, from these offsets.
fn session(id: i32, epoch: i32, partitions: &[(i32, i64)]) -> FetchRequest {
    let mut request = fetch("t", 0, 0);
    let one = request.topics[0].partitions.remove(0);
    let partitions = partitions.iter().map(|(partition, fetch_offset)| FetchPartition {
        partition: *partition,
        fetch_offset: *fetch_offset,
        ..one.clone()
    });
    request.topics[0].partitions = partitions.collect();
    if request.topics[0].partitions.is_empty() {
        request.topics.clear();
    }
    FetchRequest { session_id: id, session_epoch: epoch, ..request }
}

/// Partition and size of the records of each that an answer has.
fn told(response: &FetchResponse) -> Vec<(i32, usize)> {
    assert_eq!(response.error_code, 0);
    let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
    partitions.map(|it| (it.partition_index, it.records.as_ref().unwrap().len())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_session_tells_what_is_new() {
    let cluster = start(FakeCluster::builder().topic("t", 3)).await;
    let mut broker = Connection::open(&cluster, 0);
    let size = batch(1, 0, 10).len();
    let response = broker.call(12, &session(0, 0, &[(0, 0), (1, 0), (2, 0)])).await;
    let id = response.session_id;
    assert!(id > 0);
    assert_eq!(told(&response), [(0, 0), (1, 0), (2, 0)], "all of them at first");
    assert_eq!(told(&broker.call(12, &session(id, 1, &[])).await), []);
    broker.call(9, &produce("t", 1, batch(1, 0, 10))).await;
    assert_eq!(told(&broker.call(12, &session(id, 2, &[])).await), [(1, size)]);
    assert_eq!(told(&broker.call(12, &session(id, 3, &[])).await), [(1, size)], "and again");
    // On another connection: the session is the broker's.
    let mut broker = Connection::open(&cluster, 0);
    assert_eq!(told(&broker.call(12, &session(id, 4, &[(1, 1)])).await), []);
    // Watermarks are news without data.
    broker.call(9, &produce("t", 0, batch(1, 0, 10))).await;
    assert_eq!(told(&broker.call(12, &session(id, 5, &[(0, 1)])).await), [(0, 0)]);
    cluster.delete_records("t", 0, 1);
    assert_eq!(told(&broker.call(12, &session(id, 6, &[])).await), [(0, 0)]);
    // Forgotten partitions are not read, whatever comes.
    let topic =
        ForgottenTopic { topic: "t".to_owned(), partitions: vec![0, 2], ..Default::default() };
    let mut request = session(id, 7, &[]);
    request.forgotten_topics_data = vec![topic];
    broker.call(9, &produce("t", 0, batch(1, 0, 10))).await;
    assert_eq!(told(&broker.call(12, &request).await), []);
    // Errors are told until they are over, and once more.
    assert_eq!(told(&broker.call(12, &session(id, 8, &[(1, 99)])).await), [(1, 0)]);
    assert_eq!(told(&broker.call(12, &session(id, 9, &[])).await), [(1, 0)]);
    assert_eq!(told(&broker.call(12, &session(id, 10, &[(1, 1)])).await), [(1, 0)]);
    assert_eq!(told(&broker.call(12, &session(id, 11, &[])).await), []);
    // One without partitions left ends.
    let mut request = session(id, 12, &[]);
    let topic = ForgottenTopic { topic: "t".to_owned(), partitions: vec![1], ..Default::default() };
    request.forgotten_topics_data = vec![topic];
    assert_eq!(broker.call(12, &request).await.session_id, 0);
    let response = broker.call(12, &session(id, 13, &[])).await;
    assert_eq!(code(response.error_code), ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn sessions_have_errors() {
    let cluster = small().await;
    let mut broker = Connection::open(&cluster, 0);
    let id = broker.call(12, &session(0, 0, &[(0, 0)])).await.session_id;
    let topic_id = broker.metadata(12, &["t"]).await.topics[0].topic_id;
    for (version, session_id, epoch, expected) in [
        (12, id + 1, 1, ErrorCode::FETCH_SESSION_ID_NOT_FOUND),
        (12, id, 2, ErrorCode::INVALID_FETCH_SESSION_EPOCH),
        (13, id, 1, ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR),
        (12, id, 1, ErrorCode::NONE),
        (12, id, 1, ErrorCode::INVALID_FETCH_SESSION_EPOCH),
    ] {
        let mut request = session(session_id, epoch, &[(0, 0)]);
        request.topics[0].topic_id = if version == 13 { topic_id } else { Uuid::default() };
        let response = broker.call(version, &request).await;
        assert_eq!(code(response.error_code), expected, "{epoch}");
        assert!(response.responses.is_empty());
    }
    // A full request ends the old session, with epoch -1 for good.
    let next = broker.call(12, &session(id, 0, &[(0, 0)])).await.session_id;
    assert!(next != id && next > 0);
    for old in [id, next] {
        let response = broker.call(12, &session(next, -1, &[(0, 0)])).await;
        assert_eq!(response.session_id, 0);
        let response = broker.call(12, &session(old, 1, &[])).await;
        assert_eq!(code(response.error_code), ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
    }
    // Old versions know none; a broker that restarts has none.
    assert_eq!(broker.call(6, &session(0, -1, &[(0, 0)])).await.session_id, 0);
    let id = broker.call(12, &session(0, 0, &[(0, 0)])).await.session_id;
    cluster.stop_broker(0);
    cluster.start_broker(0);
    let mut broker = Connection::open(&cluster, 0);
    let response = broker.call(12, &session(id, 1, &[])).await;
    assert_eq!(code(response.error_code), ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn sessions_need_room() {
    let cluster = start(FakeCluster::builder().topic("t", 2).fetch_session_slots(1)).await;
    let mut broker = Connection::open(&cluster, 0);
    let open = session(0, 0, &[(0, 0)]);
    let first = broker.call(12, &open).await.session_id;
    assert!(first > 0);
    assert_eq!(broker.call(12, &open).await.session_id, 0);
    tokio::time::advance(SECOND * 100).await;
    broker.call(12, &session(first, 1, &[])).await;
    tokio::time::advance(SECOND * 100).await;
    assert_eq!(broker.call(12, &open).await.session_id, 0, "in use, and no smaller");
    let larger = broker.call(12, &session(0, 0, &[(0, 0), (1, 0)])).await.session_id;
    assert!(larger > 0);
    tokio::time::advance(SECOND * 121).await;
    assert!(broker.call(12, &open).await.session_id > 0, "nobody has used it for two minutes");
}

#[tokio::test(start_paused = true)]
async fn partitions_with_data_go_to_the_end() {
    let cluster = start(FakeCluster::builder().topic("t", 3)).await;
    let mut broker = Connection::open(&cluster, 0);
    for partition in 0..3 {
        broker.call(9, &produce("t", partition, batch(1, 0, 1000))).await;
    }
    let size = batch(1, 0, 1000).len();
    let mut request = session(0, 0, &[(0, 0), (1, 0), (2, 0)]);
    request.max_bytes = 1;
    let response = broker.call(12, &request).await;
    assert_eq!(told(&response), [(0, size), (1, 0), (2, 0)]);
    let mut turns = Vec::new();
    for epoch in 1..=4 {
        let mut request = session(response.session_id, epoch, &[]);
        request.max_bytes = 1;
        turns.extend(told(&broker.call(12, &request).await));
    }
    assert_eq!(turns, [0, 1, 2, 0].map(|partition| (partition, size)));
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_of_a_session_ends_with_data_of_any_partition() {
    let cluster = start(FakeCluster::builder().topic("t", 2)).await;
    let mut waiting = Connection::open(&cluster, 0);
    let mut broker = Connection::open(&cluster, 0);
    let begun = waiting.call(12, &session(0, 0, &[(0, 0), (1, 0)])).await;
    let mut request = session(begun.session_id, 1, &[]);
    (request.max_wait_ms, request.min_bytes) = (500, 1);
    let start = Instant::now();
    assert_eq!(told(&waiting.call(12, &request).await), []);
    assert_eq!(start.elapsed().as_millis(), 500);
    request.session_epoch = 2;
    waiting.send(12, &request).await;
    tokio::time::sleep(SECOND / 5).await;
    broker.call(9, &produce("t", 1, batch(1, 0, 10))).await;
    let response = waiting.receive::<FetchRequest>(12).await.unwrap();
    assert_eq!(told(&response).len(), 1);
    assert_eq!(start.elapsed().as_millis(), 700);
}

/// Appends a batch of a transaction.
fn transactional(cluster: &FakeCluster, producer_id: i64, count: i32, time: i64) {
    let mut batch = BytesMut::from(&*batch(count, time, 10));
    batch[21..23].copy_from_slice(&0x10i16.to_be_bytes());
    batch[43..51].copy_from_slice(&producer_id.to_be_bytes());
    crate::testing::batch::set_checksum(&mut batch, 2);
    crate::testing::batch::set_offset(&mut batch, cluster.offsets("t", 0).unwrap().1);
    cluster.append_raw("t", 0, batch);
}

async fn committed(broker: &mut Connection, from: i64) -> PartitionData {
    let request = FetchRequest { isolation_level: 1, ..fetch("t", 0, from) };
    first(broker.call(12, &request).await)
}

#[tokio::test(start_paused = true)]
async fn transactions_hold_up_who_reads_committed() {
    let cluster = small().await;
    let mut broker = Connection::open(&cluster, 0);
    let offsets = |data: &PartitionData| -> Vec<i64> {
        layout(data).into_iter().map(|(offset, _)| offset).collect()
    };
    let aborted = |data: &PartitionData| -> Vec<(i64, i64)> {
        let all = data.aborted_transactions.as_ref().unwrap().iter();
        all.map(|it| (it.producer_id, it.first_offset)).collect()
    };
    broker.produce(9, batch(1, 0, 10)).await;
    transactional(&cluster, 7, 2, 10); // 1, 2
    transactional(&cluster, 8, 1, 20); // 3
    broker.produce(9, batch(1, 30, 10)).await; // 4
    transactional(&cluster, 7, 1, 40); // 5
    let data = committed(&mut broker, 0).await;
    assert_eq!((data.high_watermark, data.last_stable_offset), (6, 1));
    assert_eq!((offsets(&data), aborted(&data)), (vec![0], vec![]));
    let behind = committed(&mut broker, 2).await;
    assert_eq!((behind.error_code, layout(&behind)), (0, vec![]), "not out of range");
    let all = broker.fetch(12, 0).await;
    assert_eq!(offsets(&all), [0, 1, 3, 4, 5]);
    assert!(all.aborted_transactions.is_none());

    assert_eq!(cluster.end_transaction("t", 0, 7, 0, false), 6);
    let data = committed(&mut broker, 0).await;
    assert_eq!((data.last_stable_offset, offsets(&data)), (3, vec![0, 1]));
    assert_eq!(aborted(&data), [(7, 1)]);
    assert_eq!(cluster.end_transaction("t", 0, 8, 0, true), 7);
    let data = committed(&mut broker, 0).await;
    assert_eq!((data.last_stable_offset, aborted(&data)), (8, vec![(7, 1)]));
    assert_eq!(offsets(&data), [0, 1, 3, 4, 5, 6, 7]);
    assert_eq!(aborted(&committed(&mut broker, 6).await), [(7, 1)], "its marker is there");
    assert_eq!(aborted(&committed(&mut broker, 7).await), []);
    // A marker without data aborts nothing.
    cluster.end_transaction("t", 0, 9, 0, false);
    assert_eq!(aborted(&committed(&mut broker, 0).await), [(7, 1)]);
    assert!(crate::testing::batch::is_intact(&committed(&mut broker, 8).await.records.unwrap()));

    // What is lost was never aborted.
    cluster.truncate("t", 0, 6);
    let data = committed(&mut broker, 0).await;
    assert_eq!((data.last_stable_offset, aborted(&data)), (1, vec![]));
}

#[tokio::test(start_paused = true)]
async fn the_latest_stable_offset_is_listed() {
    let cluster = small().await;
    let mut broker = Connection::open(&cluster, 0);
    broker.produce(9, batch(1, 100, 10)).await;
    transactional(&cluster, 7, 2, 200);
    let mut list = async |isolation_level, timestamp| {
        let partition = ListOffsetsPartition { timestamp, ..Default::default() };
        let topic = ListOffsetsTopic {
            name: "t".to_owned(),
            partitions: vec![partition],
            ..Default::default()
        };
        let request = ListOffsetsRequest {
            replica_id: -1,
            isolation_level,
            topics: vec![topic],
            ..Default::default()
        };
        only(only(broker.call(7, &request).await.topics).partitions).offset
    };
    for (timestamp, uncommitted, committed) in
        [(-1, 3, 1), (-2, 0, 0), (100, 0, 0), (150, 1, -1), (-3, 2, -1)]
    {
        assert_eq!(list(0, timestamp).await, uncommitted, "{timestamp}");
        assert_eq!(list(1, timestamp).await, committed, "{timestamp}");
    }
}

#[tokio::test(start_paused = true)]
async fn followers_serve_who_is_in_their_rack() {
    let builder = FakeCluster::builder().brokers(3).topic("t", 1).racks(["a", "b", "c"]);
    let cluster = start(builder.rack_aware(true)).await;
    let (mut leader, mut follower) = (Connection::open(&cluster, 0), Connection::open(&cluster, 2));
    leader.produce(9, batch(2, 0, 10)).await;
    leader.produce(9, batch(2, 0, 10)).await;
    let mut ask = async |version, rack: &str, from| {
        let request = FetchRequest { rack_id: rack.to_owned(), ..fetch("t", 0, from) };
        let data = first(leader.call(version, &request).await);
        (data.preferred_read_replica, layout(&data).len())
    };
    for (version, rack, expected) in [
        (12, "c", (2, 0)),
        (12, "a", (-1, 2)),
        (12, "d", (-1, 2)),
        (12, "", (-1, 2)),
        (10, "", (-1, 2)),
    ] {
        assert_eq!(ask(version, rack, 0).await, expected, "{rack}");
    }
    assert_eq!(layout(&follower.fetch(12, 0).await).len(), 2, "it does not choose itself");
    assert_eq!(code(follower.fetch(10, 0).await.error_code), ErrorCode::NOT_LEADER_OR_FOLLOWER);

    cluster.set_follower_end("t", 0, 2, 2);
    assert_eq!(ask(12, "c", 0).await, (-1, 2), "it is out of sync");
    let data = follower.fetch(12, 0).await;
    assert_eq!((data.high_watermark, layout(&data).len()), (2, 1));
    assert_eq!(code(follower.fetch(12, 3).await.error_code), ErrorCode::OFFSET_OUT_OF_RANGE);
    let metadata = leader.metadata(9, &["t"]).await;
    assert_eq!(metadata.topics[0].partitions[0].isr_nodes, [0, 1]);

    cluster.set_follower_end("t", 0, 2, None);
    cluster.stop_broker(2);
    let request = FetchRequest { rack_id: "c".to_owned(), ..fetch("t", 0, 0) };
    assert_eq!(first(leader.call(12, &request).await).preferred_read_replica, -1);

    cluster.set_follower_end("t", 0, 1, 2);
    cluster.move_leader("t", 0, 1);
    assert_eq!(cluster.offsets("t", 0), Some((0, 2)), "an unclean election");
}
