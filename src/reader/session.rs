//! The fetch session with one broker (KIP-227): the broker remembers what was asked for, and a
//! request names only what has changed. Makes requests out of cursors; no I/O.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::builder::Config;
use super::lane::Lane;
use super::partition::{Partition, Relief, address};
use crate::protocol::ErrorCode;
use crate::protocol::messages::fetch::{
    FetchPartition, FetchRequest, FetchResponse, FetchTopic, ForgottenTopic,
};
use crate::types::IsolationLevel;
use crate::wire::Uuid;

/// The first version with sessions.
const SESSIONS: i16 = 7;

pub(super) struct Session {
    /// What the broker calls it; 0 while there is none.
    id: i32,
    state: State,
    /// Failures in a row: requests of a session that the broker did not know.
    failures: u32,
    /// Whether its requests name topics by their ids.
    by_id: bool,
    pub(super) entries: Vec<Entry>,
    /// How many entries the broker knows.
    known: usize,
    /// By address.
    places: HashMap<usize, usize>,
    topics: HashMap<Arc<str>, HashMap<i32, usize>>,
    names: HashMap<Uuid, Arc<str>>,
    /// Entries whose cursors may have changed.
    dirty: Vec<usize>,
    /// When entries that wait after a failure are to be looked at.
    later: BinaryHeap<Reverse<(Instant, usize)>>,
    /// What the broker knows and the lane does not have any more.
    gone: Vec<(Arc<str>, Uuid, i32)>,
    turn: usize,
    /// Whether partitions have channels of their own.
    pub(super) is_diverted: bool,
    /// How many entries are left out because they are full.
    full: usize,
    without_id: usize,
    leader_only: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The next request opens a session.
    New,
    /// The number of the next request.
    Open(i32),
    /// The broker keeps none: each request is a full one.
    Refused,
}

/// One partition of the lane.
pub(super) struct Entry {
    pub(super) partition: Arc<Partition>,
    /// What the broker was last asked for, if it is to send anything.
    pub(super) asked: Option<Asked>,
    is_dirty: bool,
    /// Left out because enough of it waits to be delivered.
    is_full: bool,
    has_id: bool,
    /// When it is looked at in any case.
    retry: Option<Instant>,
    /// No follower is to be named until then.
    leader_only: Option<Instant>,
}

/// What a broker is asked for in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) topic_id: Uuid,
    /// That of the cursor: an answer to it is stale in a later one.
    pub(super) epoch: u64,
    pub(super) offset: i64,
    leader_epoch: i32,
    max_bytes: i32,
}

/// What the settings and the lane say about a request.
pub(super) struct Terms<'a> {
    pub(super) lane: &'a Arc<Lane>,
    pub(super) config: &'a Config,
    pub(super) now: Instant,
    /// The most that may wait of one partition that has a channel of its own.
    pub(super) cap: usize,
    /// How long to wait for data while a full partition is left out.
    pub(super) short_wait: Duration,
}

/// What the broker's answer means for the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Good,
    /// The session is over, and the next request opens another; after a while if not the first.
    Over {
        failures: u32,
    },
    /// The request as a whole has failed.
    Failed(ErrorCode),
}

impl Session {
    pub(super) fn new() -> Self {
        Self {
            id: 0,
            state: State::New,
            failures: 0,
            by_id: true,
            entries: Vec::new(),
            known: 0,
            places: HashMap::new(),
            topics: HashMap::new(),
            names: HashMap::new(),
            dirty: Vec::new(),
            later: BinaryHeap::new(),
            gone: Vec::new(),
            turn: 0,
            is_diverted: false,
            full: 0,
            without_id: 0,
            leader_only: None,
        }
    }

    /// Takes over which partitions the lane has.
    pub(super) fn assign(&mut self, partitions: Vec<Arc<Partition>>) {
        let mut old: HashMap<_, _> =
            self.entries.drain(..).map(|entry| (address(&entry.partition), entry)).collect();
        self.places.clear();
        self.topics.clear();
        self.later.clear();
        (self.full, self.without_id) = (0, 0);
        for (at, partition) in partitions.into_iter().enumerate() {
            let key = address(&partition);
            let name = partition.at.topic.clone();
            self.topics.entry(name).or_default().insert(partition.at.partition, at);
            self.places.insert(key, at);
            let (diverted, has_id) = {
                let cursor = partition.cursor();
                (cursor.diverted, !cursor.topic_id.is_nil())
            };
            self.is_diverted |= diverted;
            self.without_id += usize::from(!has_id);
            self.entries.push(Entry {
                asked: old.remove(&key).and_then(|entry| entry.asked),
                partition,
                is_dirty: true,
                is_full: false,
                has_id,
                retry: None,
                leader_only: None,
            });
        }
        self.dirty = (0..self.entries.len()).collect();
        for Entry { partition, asked, .. } in old.into_values() {
            let Some(asked) = asked else { continue };
            let at = &partition.at;
            let again = self.topics.get(&at.topic).and_then(|ids| ids.get(&at.partition));
            if let Some(entry) = again.and_then(|again| self.entries.get_mut(*again)) {
                // Removed and added again: what is named and forgotten at once is forgotten.
                entry.asked = Some(asked);
            } else {
                self.known -= 1;
                self.gone.push((at.topic.clone(), asked.topic_id, at.partition));
            }
        }
    }

    /// The cursor of the partition has changed.
    pub(super) fn touch(&mut self, partition: &Arc<Partition>) {
        if let Some(at) = self.places.get(&address(partition)) {
            self.is_diverted |= partition.cursor().diverted;
            self.touch_at(*at);
        }
    }

    pub(super) fn touch_at(&mut self, at: usize) {
        if let Some(entry) = self.entries.get_mut(at) {
            if !std::mem::replace(&mut entry.is_dirty, true) {
                self.dirty.push(at);
            }
        }
    }

    /// The broker's session, if there is one, is not what we think it is.
    pub(super) fn lost(&mut self) {
        if self.state != State::Refused {
            self.state = State::New;
        }
        self.gone.clear();
        for at in 0..self.entries.len() {
            if let Some(entry) = self.entries.get_mut(at) {
                entry.asked = None;
            }
            self.touch_at(at);
        }
        self.known = 0;
    }

    /// Another connection: what the broker refused on the last one it may have now.
    pub(super) fn connected(&mut self) {
        if self.state == State::Refused {
            self.state = State::New;
        }
    }

    /// When the next entry that waits after a failure is to be looked at; those whose time has come
    /// are looked at with the next request.
    pub(super) fn next_look(&mut self, now: Instant) -> Option<Instant> {
        while let Some(Reverse((at, entry))) = self.later.peek().copied() {
            if at > now {
                return Some(at);
            }
            self.later.pop();
            if let Some(entry) = self.entries.get_mut(entry) {
                entry.retry = entry.retry.filter(|retry| *retry > at);
            }
            self.touch_at(entry);
        }
        None
    }

    /// Whether something is wanted that the broker has not been asked for.
    pub(super) fn wants_more(&mut self, terms: &Terms<'_>) -> bool {
        let dirty = std::mem::take(&mut self.dirty);
        let mut wants = false;
        for at in &dirty {
            if let Some((_, wanted)) = self.look(*at, terms) {
                wants |= wanted.is_some();
                self.dirty.push(*at);
            }
        }
        wants
    }

    /// Whether anything is wanted, as far as can be told without asking for it.
    pub(super) fn is_wanted(&mut self, terms: &Terms<'_>) -> bool {
        self.known > 0 || self.wants_more(terms)
    }

    /// What is to be said about an entry, if anything.
    fn look(&mut self, at: usize, terms: &Terms<'_>) -> Option<(Option<Asked>, Option<Asked>)> {
        let entry = self.entries.get_mut(at)?;
        self.full -= usize::from(entry.is_full);
        let wanted = entry.wanted(terms);
        self.full += usize::from(entry.is_full);
        self.leader_only = self.leader_only.max(entry.leader_only);
        if let Err(Some(retry)) = wanted {
            if entry.retry.replace(retry) != Some(retry) {
                self.later.push(Reverse((retry, at)));
            }
        }
        let wanted = wanted.ok();
        if wanted == entry.asked {
            entry.is_dirty = false;
            return None;
        }
        Some((entry.asked, wanted))
    }

    /// The next request, and the version for it: asks for all that is wanted now. `None` if there
    /// is nothing.
    pub(super) fn request(
        &mut self,
        version: i16,
        max_bytes: impl FnOnce(usize) -> i32,
        terms: &Terms<'_>,
    ) -> Option<(i16, FetchRequest)> {
        let version =
            if self.has_ids() { version } else { version.min(FetchRequest::LAST_BY_NAME) };
        let by_id = version > FetchRequest::LAST_BY_NAME;
        if version < SESSIONS {
            self.state = State::Refused;
        } else if by_id != self.by_id && self.state != State::Refused {
            // One session cannot have both.
            self.lost();
        }
        self.by_id = by_id;
        let mut topics = Topics { by_id, list: Vec::new(), last: None };
        let mut forgotten = Vec::new();
        if let State::Open(_) = self.state {
            self.changes(&mut topics, &mut forgotten, terms);
        } else {
            self.all(&mut topics, terms);
        }
        if self.known == 0 {
            // The broker is told of what is not wanted any more when something is wanted.
            self.gone.extend(forgotten);
            return None;
        }
        forgotten.append(&mut self.gone);
        let (session_id, session_epoch) = match self.state {
            State::Open(epoch) => (self.id, epoch),
            // Closes the old one, if there was one.
            State::New => (self.id, 0),
            State::Refused => (0, -1),
        };
        if session_epoch <= 0 {
            forgotten.clear();
        }
        // A broker takes up what is named first, and then removes what is forgotten.
        forgotten.retain(|(topic, id, partition)| !self.is_asked(topic, *id, *partition));
        let config = terms.config;
        let max_wait = if self.full > 0 { terms.short_wait } else { config.max_wait };
        // A broker that would name a follower again has to answer itself.
        let is_for_leader = self.leader_only.is_some_and(|until| until > terms.now);
        let rack = if is_for_leader { "" } else { &*config.rack };
        let request = FetchRequest {
            max_wait_ms: i32::try_from(max_wait.as_millis()).unwrap_or(i32::MAX),
            min_bytes: config.min_bytes,
            max_bytes: max_bytes(self.known),
            isolation_level: i8::from(config.isolation == IsolationLevel::ReadCommitted),
            session_id,
            session_epoch,
            topics: topics.list,
            forgotten_topics_data: forget(forgotten, by_id),
            rack_id: rack.to_owned(),
            ..Default::default()
        };
        Some((version, request))
    }

    /// Names what has changed since the last request.
    fn changes(
        &mut self,
        topics: &mut Topics,
        forgotten: &mut Vec<(Arc<str>, Uuid, i32)>,
        terms: &Terms<'_>,
    ) {
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.sort_unstable();
        for at in dirty {
            let Some((asked, wanted)) = self.look(at, terms) else { continue };
            let Some(entry) = self.entries.get_mut(at) else { continue };
            entry.is_dirty = false;
            entry.asked = wanted;
            let is_other = |asked: &Asked| wanted.is_none_or(|it| it.topic_id != asked.topic_id);
            if let Some(asked) = asked.filter(is_other) {
                let at = &entry.partition.at;
                forgotten.push((at.topic.clone(), asked.topic_id, at.partition));
            }
            self.known -= usize::from(asked.is_some());
            self.known += usize::from(wanted.is_some());
            if let Some(wanted) = wanted {
                // The same place in another epoch is for us to know.
                if asked.is_none_or(|asked| Asked { epoch: wanted.epoch, ..asked } != wanted) {
                    topics.push(&entry.partition, wanted);
                }
                self.names.insert(wanted.topic_id, entry.partition.at.topic.clone());
            }
        }
    }

    /// Names all that is wanted, beginning with another one each time, because a broker fills an
    /// answer in the order of the request.
    fn all(&mut self, topics: &mut Topics, terms: &Terms<'_>) {
        self.turn = self.turn.wrapping_add(1);
        self.dirty.clear();
        self.names.clear();
        self.known = 0;
        let count = self.entries.len();
        for step in 0..count {
            let at = (self.turn + step) % count;
            let Some(entry) = self.entries.get_mut(at) else { continue };
            entry.asked = None;
            entry.is_dirty = true;
            if let Some((_, wanted)) = self.look(at, terms) {
                let Some(entry) = self.entries.get_mut(at) else { continue };
                entry.asked = wanted;
                if let Some(wanted) = wanted {
                    topics.push(&entry.partition, wanted);
                    self.names.insert(wanted.topic_id, entry.partition.at.topic.clone());
                    self.known += 1;
                }
            }
            if let Some(entry) = self.entries.get_mut(at) {
                entry.is_dirty = false;
            }
        }
    }

    /// Takes over what an answer says about the session.
    pub(super) fn answered(&mut self, response: &FetchResponse) -> Verdict {
        let code = ErrorCode(response.error_code);
        match code {
            ErrorCode::NONE => {}
            ErrorCode::FETCH_SESSION_ID_NOT_FOUND
            | ErrorCode::INVALID_FETCH_SESSION_EPOCH
            | ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR
            | ErrorCode::UNKNOWN_TOPIC_ID
            | ErrorCode::INCONSISTENT_TOPIC_ID => {
                if code == ErrorCode::FETCH_SESSION_ID_NOT_FOUND {
                    self.id = 0;
                }
                self.failures += 1;
                self.lost();
                return Verdict::Over { failures: self.failures };
            }
            code => {
                self.lost();
                return Verdict::Failed(code);
            }
        }
        match self.state {
            // It held back the whole answer, and with it the session: to be asked again.
            State::New
                if response.session_id == 0
                    && response.throttle_time_ms > 0
                    && response.responses.is_empty() => {}
            State::New if response.session_id == 0 => {
                self.id = 0;
                self.state = State::Refused;
            }
            State::New => {
                self.id = response.session_id;
                self.state = State::Open(1);
            }
            State::Open(_) if response.session_id != self.id => {
                self.failures += 1;
                self.lost();
                return Verdict::Over { failures: self.failures };
            }
            State::Open(epoch) => {
                self.failures = 0;
                // 0 opens a session.
                self.state = State::Open(epoch.checked_add(1).unwrap_or(1));
            }
            State::Refused => self.failures = 0,
        }
        Verdict::Good
    }

    /// An answer is not waited for: the broker counts its request all the same.
    pub(super) fn abandoned(&mut self) {
        match self.state {
            State::Open(epoch) => self.state = State::Open(epoch.checked_add(1).unwrap_or(1)),
            // Its id will not be known.
            State::New => self.lost(),
            State::Refused => {}
        }
    }

    /// The entry that data is for, if it was asked for.
    pub(super) fn find(&self, topic: &str, id: Uuid, partition: i32) -> Option<usize> {
        let name = if self.by_id { &**self.names.get(&id)? } else { topic };
        let at = *self.topics.get(name)?.get(&partition)?;
        let asked = self.entries.get(at)?.asked?;
        (!self.by_id || asked.topic_id == id).then_some(at)
    }

    /// Whether the broker is asked for what the same words would make it forget.
    fn is_asked(&self, topic: &str, id: Uuid, partition: i32) -> bool {
        let at = self.topics.get(topic).and_then(|partitions| partitions.get(&partition));
        let asked = at.and_then(|at| self.entries.get(*at)?.asked);
        asked.is_some_and(|asked| !self.by_id || asked.topic_id == id)
    }

    /// Whether every topic has an id.
    fn has_ids(&mut self) -> bool {
        for at in &self.dirty {
            let Some(entry) = self.entries.get_mut(*at) else { continue };
            self.without_id -= usize::from(!entry.has_id);
            entry.has_id = !entry.partition.cursor().topic_id.is_nil();
            self.without_id += usize::from(!entry.has_id);
        }
        self.without_id == 0
    }
}

impl Entry {
    /// What is to be asked for, or when to look again.
    fn wanted(&mut self, terms: &Terms<'_>) -> Result<Asked, Option<Instant>> {
        let partition = &self.partition;
        let mut cursor = partition.cursor();
        cursor.looked_at(terms.lane);
        self.is_full = false;
        self.leader_only = cursor.leader_only;
        let Some(offset) = partition.wanted(&cursor, terms.lane.broker, terms.now) else {
            return Err(cursor.retry_at().filter(|at| *at > terms.now));
        };
        let mut max_bytes = terms.config.partition_max_bytes;
        if cursor.diverted {
            let (pending, half) = (partition.pending(), (terms.cap / 2).max(1));
            let is_full = partition.held() + pending >= terms.cap.max(1);
            // Its lane looks again when it has decoded what is pending.
            if is_full && (pending > 0 || partition.awaits_relief(Relief::Fetch, half)) {
                self.is_full = true;
                return Err(None);
            }
            max_bytes = max_bytes.min(i32::try_from(half).unwrap_or(i32::MAX));
        }
        Ok(Asked {
            topic_id: cursor.topic_id,
            epoch: cursor.epoch,
            offset,
            leader_epoch: cursor.leader_epoch,
            max_bytes,
        })
    }
}

/// The partitions of a request, by topic.
struct Topics {
    by_id: bool,
    list: Vec<FetchTopic>,
    last: Option<(Arc<str>, Uuid)>,
}

impl Topics {
    fn push(&mut self, partition: &Partition, asked: Asked) {
        let topic = &partition.at.topic;
        let is_same = |(last, id): &(Arc<str>, Uuid)| last == topic && *id == asked.topic_id;
        if !self.last.as_ref().is_some_and(is_same) {
            self.last = Some((topic.clone(), asked.topic_id));
            let (name, id) = name(topic, asked.topic_id, self.by_id);
            self.list.push(FetchTopic { topic: name, topic_id: id, ..Default::default() });
        }
        if let Some(topic) = self.list.last_mut() {
            topic.partitions.push(FetchPartition {
                partition: partition.at.partition,
                current_leader_epoch: asked.leader_epoch,
                fetch_offset: asked.offset,
                partition_max_bytes: asked.max_bytes,
                ..Default::default()
            });
        }
    }
}

/// What the version can say of a topic.
fn name(topic: &Arc<str>, id: Uuid, by_id: bool) -> (String, Uuid) {
    if by_id { (String::new(), id) } else { (topic.to_string(), Uuid::default()) }
}

fn forget(mut gone: Vec<(Arc<str>, Uuid, i32)>, by_id: bool) -> Vec<ForgottenTopic> {
    gone.sort_unstable();
    let mut topics: Vec<ForgottenTopic> = Vec::new();
    for chunk in gone.chunk_by(|a, b| a.0 == b.0 && a.1 == b.1) {
        let Some((topic, id, _)) = chunk.first() else { continue };
        let (topic, topic_id) = name(topic, *id, by_id);
        let partitions = chunk.iter().map(|(_, _, partition)| *partition).collect();
        topics.push(ForgottenTopic { topic, topic_id, partitions, ..Default::default() });
    }
    topics
}

#[cfg(test)]
mod tests;
