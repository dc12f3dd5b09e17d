//! What requests say, and what answers mean for the session.

use super::*;
use crate::cluster::Backoff;
use crate::reader::cursor::State as Cursor;
use crate::types::{Start, TopicPartition};
use tokio::sync::mpsc::unbounded_channel;

const BY_ID: i16 = 16;
const BY_NAME: i16 = 12;

struct Fixture {
    lane: Arc<Lane>,
    config: Config,
    partitions: Vec<Arc<Partition>>,
    session: Session,
    now: Instant,
}

fn terms<'a>(lane: &'a Arc<Lane>, config: &'a Config, now: Instant) -> Terms<'a> {
    Terms { lane, config, now, cap: 1000, short_wait: Duration::from_millis(10) }
}

impl Fixture {
    /// One topic of that many partitions, all wanted from offset 5.
    fn new(count: i32) -> Self {
        let lane = Lane::new(1);
        let partition = |id| {
            let at = TopicPartition::new("t", id);
            let outlet = unbounded_channel().0;
            Arc::new(Partition::new(at, Start::Offset(5), Uuid(7), outlet, i64::MAX))
        };
        let partitions: Vec<_> = (0..count).map(partition).collect();
        let mut session = Session::new();
        session.assign(partitions.clone());
        Self { lane, config: Config::default(), partitions, session, now: Instant::now() }
    }

    fn request(&mut self, version: i16) -> Option<FetchRequest> {
        let terms = terms(&self.lane, &self.config, self.now);
        let request = self.session.request(version, |_| 1 << 20, &terms);
        request.map(|(_, request)| request)
    }

    fn wants_more(&mut self) -> bool {
        self.session.wants_more(&terms(&self.lane, &self.config, self.now))
    }

    /// Sends a request, and the broker answers with that session. What was named, and forgotten.
    fn exchange(&mut self, version: i16, id: i32) -> (i32, Vec<i32>, Vec<i32>) {
        let request = self.request(version).unwrap();
        let mut named: Vec<_> = request
            .topics
            .iter()
            .flat_map(|topic| &topic.partitions)
            .map(|partition| partition.partition)
            .collect();
        named.sort_unstable();
        let gone = request.forgotten_topics_data.iter().flat_map(|topic| &topic.partitions);
        let gone = gone.copied().collect();
        assert_eq!(self.answer(0, id), Verdict::Good);
        (request.session_epoch, named, gone)
    }

    fn answer(&mut self, error_code: i16, session_id: i32) -> Verdict {
        let response = FetchResponse { error_code, session_id, ..Default::default() };
        self.session.answered(&response)
    }

    fn advance(&mut self, id: usize, offset: i64) {
        self.partitions[id].cursor().state = Cursor::At(offset);
        self.session.touch(&self.partitions[id].clone());
    }
}

#[test]
fn names_only_what_has_changed() {
    let mut fixture = Fixture::new(4);
    assert_eq!(fixture.exchange(BY_ID, 9), (0, vec![0, 1, 2, 3], vec![]));
    assert_eq!(fixture.exchange(BY_ID, 9), (1, vec![], vec![]));
    fixture.advance(2, 6);
    assert_eq!(fixture.exchange(BY_ID, 9), (2, vec![2], vec![]));
    fixture.advance(1, 5);
    assert_eq!(fixture.exchange(BY_ID, 9), (3, vec![], vec![]), "it has not moved");
    fixture.partitions[3].pause();
    fixture.session.touch(&fixture.partitions[3].clone());
    assert_eq!(fixture.exchange(BY_ID, 9), (4, vec![], vec![3]));
    fixture.partitions[3].resume();
    fixture.session.touch(&fixture.partitions[3].clone());
    assert_eq!(fixture.exchange(BY_ID, 9), (5, vec![3], vec![]));
    let left = fixture.partitions[1..].to_vec();
    fixture.session.assign(left);
    assert_eq!(fixture.exchange(BY_ID, 9), (6, vec![], vec![0]));
    assert!(fixture.session.find("", Uuid(7), 0).is_none(), "data nobody asked for");
    assert!(fixture.session.find("", Uuid(8), 1).is_none(), "another topic");
    assert!(fixture.session.find("", Uuid(7), 1).is_some());
}

#[test]
fn nothing_wanted_is_no_request() {
    let mut fixture = Fixture::new(2);
    fixture.exchange(BY_ID, 9);
    fixture.session.assign(Vec::new());
    assert!(fixture.request(BY_ID).is_none());
    let again = fixture.partitions[..1].to_vec();
    fixture.session.assign(again);
    assert_eq!(fixture.exchange(BY_ID, 9), (1, vec![0], vec![1]), "told later");
}

#[test]
fn what_is_named_is_not_forgotten() {
    let mut fixture = Fixture::new(2);
    fixture.exchange(BY_ID, 9);
    // It leaves the lane and comes back before anything was said.
    let all = fixture.partitions.clone();
    fixture.session.assign(all[1..].to_vec());
    fixture.session.assign(all.clone());
    assert_eq!(fixture.exchange(BY_ID, 9), (1, vec![0], vec![]));
    // All are paused: the broker hears of it when something is wanted, and of what is not, still.
    for partition in &all {
        partition.pause();
        fixture.session.touch(partition);
    }
    assert!(fixture.request(BY_ID).is_none());
    all[0].resume();
    fixture.session.touch(&all[0]);
    assert_eq!(fixture.exchange(BY_ID, 9), (2, vec![0], vec![1]));
    // By name a topic that was made anew is the same one.
    let mut fixture = Fixture::new(1);
    fixture.exchange(BY_NAME, 9);
    fixture.partitions[0].cursor().topic_id = Uuid(8);
    fixture.advance(0, 0);
    assert_eq!(fixture.exchange(BY_NAME, 9), (1, vec![0], vec![]));
}

#[test]
fn a_throttled_answer_opens_no_session_and_refuses_none() {
    let mut fixture = Fixture::new(1);
    assert!(fixture.request(BY_ID).is_some());
    let response = FetchResponse { throttle_time_ms: 100, ..Default::default() };
    assert_eq!(fixture.session.answered(&response), Verdict::Good);
    assert_eq!(fixture.exchange(BY_ID, 9), (0, vec![0], vec![]), "asked again");
    assert_eq!(fixture.exchange(BY_ID, 9), (1, vec![], vec![]));
}

#[test]
fn a_topic_without_an_id_is_not_overlooked() {
    let mut fixture = Fixture::new(1);
    fixture.partitions[0].cursor().topic_id = Uuid::default();
    fixture.session.touch(&fixture.partitions[0].clone());
    fixture.exchange(BY_ID, 9);
    let partitions = fixture.partitions.clone();
    fixture.session.assign(partitions);
    assert!(!fixture.wants_more());
    let request = fixture.request(BY_ID).unwrap();
    assert_eq!(request.session_epoch, 1, "still by name");
}

#[test]
fn who_waits_is_remembered_once() {
    let mut fixture = Fixture::new(1);
    fixture.exchange(BY_ID, 9);
    let backoff = Backoff { min: Duration::from_secs(1), max: Duration::from_secs(1) };
    fixture.partitions[0].cursor().failed(fixture.now, backoff);
    fixture.session.touch(&fixture.partitions[0].clone());
    for _ in 0..9 {
        assert!(!fixture.wants_more());
    }
    assert_eq!(fixture.session.later.len(), 1);
    fixture.now += Duration::from_secs(2);
    assert_eq!(fixture.session.next_look(fixture.now), None);
    assert!(fixture.session.later.is_empty());
}

#[test]
fn a_session_that_is_over_begins_anew() {
    let mut fixture = Fixture::new(2);
    for failures in 1..4 {
        fixture.exchange(BY_ID, 9);
        assert!(fixture.request(BY_ID).is_some());
        let code = ErrorCode::INVALID_FETCH_SESSION_EPOCH.0;
        assert_eq!(fixture.answer(code, 0), Verdict::Over { failures });
        let request = fixture.request(BY_ID).unwrap();
        assert_eq!((request.session_id, request.session_epoch), (9, 0), "closes the old one");
        assert_eq!(request.topics[0].partitions.len(), 2);
    }
    fixture.exchange(BY_ID, 10);
    fixture.exchange(BY_ID, 10);
    let gone = fixture.answer(ErrorCode::FETCH_SESSION_ID_NOT_FOUND.0, 0);
    assert_eq!(gone, Verdict::Over { failures: 1 }, "it had gone well in between");
    assert_eq!(fixture.request(BY_ID).unwrap().session_id, 0);
    assert!(matches!(fixture.answer(ErrorCode::REQUEST_TIMED_OUT.0, 0), Verdict::Failed(_)));
}

#[test]
fn who_keeps_no_sessions_is_asked_in_full() {
    let mut fixture = Fixture::new(2);
    assert_eq!(fixture.exchange(BY_ID, 0).0, 0);
    for _ in 0..3 {
        assert_eq!(fixture.exchange(BY_ID, 0), (-1, vec![0, 1], vec![]));
    }
    fixture.session.connected();
    assert_eq!(fixture.exchange(BY_ID, 3).0, 0, "another connection, another try");
    assert_eq!(fixture.exchange(BY_ID, 3), (1, vec![], vec![]));
    let mut old = Fixture::new(2);
    assert_eq!(old.exchange(6, 0), (-1, vec![0, 1], vec![]));
}

#[test]
fn a_session_has_ids_or_names() {
    let mut fixture = Fixture::new(2);
    fixture.exchange(BY_ID, 9);
    let request = fixture.request(BY_NAME).unwrap();
    assert_eq!((request.session_epoch, &*request.topics[0].topic), (0, "t"));
    assert!(request.topics[0].topic_id.is_nil());
    assert_eq!(fixture.answer(0, 4), Verdict::Good);
    assert!(fixture.session.find("t", Uuid::default(), 1).is_some());
    fixture.partitions[1].cursor().topic_id = Uuid::default();
    fixture.session.touch(&fixture.partitions[1].clone());
    let terms = terms(&fixture.lane, &fixture.config, fixture.now);
    let (version, _) = fixture.session.request(BY_ID, |_| 1, &terms).unwrap();
    assert_eq!(version, BY_NAME, "a topic without an id");
}

#[test]
fn a_topic_made_anew_takes_the_place_of_the_old() {
    let mut fixture = Fixture::new(1);
    fixture.exchange(BY_ID, 9);
    fixture.partitions[0].cursor().topic_id = Uuid(8);
    fixture.session.touch(&fixture.partitions[0].clone());
    let request = fixture.request(BY_ID).unwrap();
    assert_eq!(request.topics[0].topic_id, Uuid(8));
    assert_eq!(request.forgotten_topics_data[0].topic_id, Uuid(7));
}

#[test]
fn an_abandoned_request_counts() {
    let mut fixture = Fixture::new(2);
    fixture.exchange(BY_ID, 9);
    assert_eq!(fixture.request(BY_ID).unwrap().session_epoch, 1);
    fixture.session.abandoned();
    fixture.advance(0, 8);
    assert_eq!(fixture.exchange(BY_ID, 9), (2, vec![0], vec![]));
    fixture.session.lost();
    assert_eq!(fixture.exchange(BY_ID, 9), (0, vec![0, 1], vec![]));
    let mut new = Fixture::new(2);
    assert!(new.request(BY_ID).is_some());
    new.session.abandoned();
    assert_eq!(new.exchange(BY_ID, 9), (0, vec![0, 1], vec![]), "its id is not known");
}

#[test]
fn a_full_partition_is_left_out_until_it_is_read() {
    let mut fixture = Fixture::new(2);
    let (sender, _receiver) = unbounded_channel();
    for partition in fixture.partitions.clone() {
        partition.divert(sender.clone());
        fixture.session.touch(&partition);
    }
    fixture.exchange(BY_ID, 9);
    let slow = fixture.partitions[0].clone();
    slow.hold(1000);
    fixture.advance(0, 100);
    let request = fixture.request(BY_ID).unwrap();
    assert_eq!(request.forgotten_topics_data[0].partitions, [0]);
    assert_eq!(request.max_wait_ms, 10, "it may want more soon");
    assert_eq!(fixture.answer(0, 9), Verdict::Good);
    slow.release(400);
    fixture.session.touch(&slow);
    assert_eq!(fixture.exchange(BY_ID, 9), (2, vec![0], vec![]));
}

#[test]
fn the_order_rotates_where_there_are_no_sessions() {
    let mut fixture = Fixture::new(3);
    let mut first = Vec::new();
    for _ in 0..3 {
        first.push(fixture.request(6).unwrap().topics[0].partitions[0].partition);
        fixture.answer(0, 0);
    }
    first.sort_unstable();
    assert_eq!(first, [0, 1, 2]);
}
