//! Fetch sessions (KIP-227): what each client has asked for before, and what it was told. Knows no
//! logs.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::protocol::ErrorCode;
use crate::protocol::messages::fetch::{FetchPartition, FetchRequest, PartitionData};
use crate::wire::Uuid;

/// How long a session is safe from others (`min.incremental.fetch.session.eviction.ms`).
const SAFE: Duration = Duration::from_secs(120);
/// Requests with it begin a session.
const INITIAL_EPOCH: i32 = 0;

/// The sessions of one broker, by id.
#[derive(Debug, Default)]
pub(super) struct Sessions(BTreeMap<i32, Session>);

#[derive(Debug)]
struct Session {
    /// The next request must have it.
    epoch: i32,
    has_topic_ids: bool,
    created: Instant,
    used: Instant,
    /// In the order in which they are read: those that had data go to the end.
    partitions: BTreeMap<u64, Cached>,
    turns: HashMap<Key, u64>,
    next_turn: u64,
}

#[derive(Debug)]
struct Cached {
    asked: Asked,
    /// What the client was told last.
    high_watermark: i64,
    log_start_offset: i64,
}

/// One partition of a request, or of the session that it belongs to.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) topic: Arc<str>,
    pub(super) topic_id: Uuid,
    pub(super) partition: FetchPartition,
}

type Key = (Arc<str>, Uuid, i32);

/// What a request means for sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Context {
    /// A request on its own.
    None,
    /// A new session is wanted.
    Full,
    /// Goes on with this session, whose next epoch this is.
    Incremental(i32, i32),
}

impl Sessions {
    /// Finds the session of a request, and changes it as that says. Returns all partitions to read.
    pub(super) fn begin(
        &mut self,
        request: &FetchRequest,
        has_topic_ids: bool,
        now: Instant,
    ) -> Result<(Context, Vec<Asked>), ErrorCode> {
        let named: Vec<Asked> = named(request).collect();
        let id = request.session_id;
        if request.session_epoch <= INITIAL_EPOCH {
            self.0.remove(&id);
            let wants_one = request.session_epoch == INITIAL_EPOCH;
            return Ok((if wants_one { Context::Full } else { Context::None }, named));
        }
        let session = self.0.get_mut(&id).ok_or(ErrorCode::FETCH_SESSION_ID_NOT_FOUND)?;
        if session.epoch != request.session_epoch {
            return Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
        }
        if session.has_topic_ids != has_topic_ids {
            return Err(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR);
        }
        for asked in &named {
            match session.find(&asked.key()) {
                Some(cached) => cached.asked = asked.clone(),
                None => session.add(Cached::new(asked.clone())),
            }
        }
        for topic in &request.forgotten_topics_data {
            let name: Arc<str> = topic.topic.as_str().into();
            for partition in &topic.partitions {
                session.remove(&(name.clone(), topic.topic_id, *partition));
            }
        }
        if session.partitions.is_empty() {
            self.0.remove(&id);
            return Ok((Context::None, named));
        }
        session.used = now;
        session.epoch = session.epoch.checked_add(1).unwrap_or(1);
        let all = session.partitions.values().map(|cached| cached.asked.clone()).collect();
        Ok((Context::Incremental(id, session.epoch), all))
    }

    /// Begins or goes on with a session as the answer goes out. Leaves out of that what the client
    /// knows already. Returns the id of the session; 0 if there is none.
    pub(super) fn finish(
        &mut self,
        context: Context,
        answered: &mut Vec<(Asked, PartitionData)>,
        has_topic_ids: bool,
        slots: usize,
        now: Instant,
    ) -> Result<i32, ErrorCode> {
        match context {
            Context::None => Ok(0),
            Context::Full => {
                if !self.has_room(answered.len(), slots, now) {
                    return Ok(0);
                }
                let mut session = Session {
                    epoch: INITIAL_EPOCH + 1,
                    has_topic_ids,
                    created: now,
                    used: now,
                    partitions: BTreeMap::new(),
                    turns: HashMap::new(),
                    next_turn: 0,
                };
                for (asked, data) in answered {
                    let mut cached = Cached::new(asked.clone());
                    cached.is_news(data);
                    session.add(cached);
                }
                let free = |id: &i32| !self.0.contains_key(id);
                let id = std::iter::repeat_with(|| fastrand::i32(1..)).find(free).unwrap_or(1);
                self.0.insert(id, session);
                Ok(id)
            }
            Context::Incremental(id, epoch) => {
                let Some(session) = self.0.get_mut(&id) else {
                    return Ok(id);
                };
                if session.epoch != epoch {
                    return Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
                }
                answered.retain(|(asked, data)| session.is_news(&asked.key(), data));
                Ok(id)
            }
        }
    }

    /// Whether there is room for one more with so many partitions, if need be in the place of one
    /// that was not used for long, or of an old one with fewer partitions.
    fn has_room(&mut self, partitions: usize, slots: usize, now: Instant) -> bool {
        if self.0.len() < slots {
            return true;
        }
        let is_stale = |it: &Session| now - it.used > SAFE;
        let is_lesser = |it: &Session| now - it.created > SAFE && it.partitions.len() < partitions;
        let stale = self.0.iter().find(|(_, it)| is_stale(it));
        let evicted = stale.or_else(|| {
            let lesser = self.0.iter().filter(|(_, it)| is_lesser(it));
            lesser.min_by_key(|(_, it)| it.partitions.len())
        });
        let id = evicted.map(|(id, _)| *id);
        id.is_some_and(|id| self.0.remove(&id).is_some())
    }
}

impl Session {
    fn find(&mut self, key: &Key) -> Option<&mut Cached> {
        self.partitions.get_mut(self.turns.get(key)?)
    }

    fn add(&mut self, cached: Cached) {
        self.turns.insert(cached.asked.key(), self.next_turn);
        self.partitions.insert(self.next_turn, cached);
        self.next_turn += 1;
    }

    fn remove(&mut self, key: &Key) -> Option<Cached> {
        self.partitions.remove(&self.turns.remove(key)?)
    }

    /// Whether the answer is to have this partition, which then counts as told.
    fn is_news(&mut self, key: &Key, data: &PartitionData) -> bool {
        let Some(cached) = self.find(key) else {
            return true;
        };
        let is_news = cached.is_news(data);
        if has_records(data) {
            if let Some(cached) = self.remove(key) {
                self.add(cached);
            }
        }
        is_news
    }
}

impl Cached {
    fn new(asked: Asked) -> Self {
        Self { asked, high_watermark: -1, log_start_offset: -1 }
    }

    /// Not a word of the last stable offset: it can move without the client being told.
    fn is_news(&mut self, data: &PartitionData) -> bool {
        let is_wrong = data.error_code != 0 || data.diverging_epoch.epoch >= 0;
        let is_new = has_records(data)
            || self.high_watermark != data.high_watermark
            || self.log_start_offset != data.log_start_offset
            || data.preferred_read_replica >= 0
            || is_wrong;
        // Once it is right again, that is news too.
        self.high_watermark = if is_wrong { -1 } else { data.high_watermark };
        self.log_start_offset = data.log_start_offset;
        is_new
    }
}

impl Asked {
    fn key(&self) -> Key {
        (self.topic.clone(), self.topic_id, self.partition.partition)
    }
}

fn named(request: &FetchRequest) -> impl Iterator<Item = Asked> + '_ {
    request.topics.iter().flat_map(|topic| {
        let name: Arc<str> = topic.topic.as_str().into();
        topic.partitions.iter().map(move |partition| Asked {
            topic: name.clone(),
            topic_id: topic.topic_id,
            partition: partition.clone(),
        })
    })
}

fn has_records(data: &PartitionData) -> bool {
    data.records.as_ref().is_some_and(|records| !records.is_empty())
}
