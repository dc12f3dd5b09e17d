//! The offsets that groups have committed, and those that wait for the end of a transaction. Knows
//! nothing of the members of a group.

use std::collections::BTreeMap;

use crate::protocol::ErrorCode;

/// The topic that brokers keep offsets in: transactions name its partitions.
pub(super) const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// Offsets by group.
#[derive(Debug, Default)]
pub(super) struct Offsets {
    groups: BTreeMap<String, Group>,
    /// Counts commits.
    next: u64,
}

#[derive(Debug, Default)]
struct Group {
    committed: BTreeMap<At, Committed>,
    /// By producer id.
    pending: BTreeMap<i64, BTreeMap<At, Committed>>,
}

/// A topic by name, and a partition.
pub(super) type At = (String, i32);

/// A position of a group.
#[derive(Clone, Debug)]
pub(super) struct Committed {
    pub(super) offset: i64,
    pub(super) leader_epoch: i32,
    pub(super) metadata: String,
    /// The later one of two is the larger.
    order: u64,
}

impl Offsets {
    /// Keeps an offset; with a producer id, until the end of its transaction.
    pub(super) fn commit(
        &mut self,
        group: &str,
        producer_id: Option<i64>,
        at: At,
        (offset, leader_epoch, metadata): (i64, i32, Option<String>),
    ) {
        self.next += 1;
        let metadata = metadata.unwrap_or_default();
        let committed = Committed { offset, leader_epoch, metadata, order: self.next };
        let group = self.groups.entry(group.to_owned()).or_default();
        let offsets = match producer_id {
            Some(id) => group.pending.entry(id).or_default(),
            None => &mut group.committed,
        };
        offsets.insert(at, committed);
    }

    /// The transaction of the producer ends in these groups.
    pub(super) fn complete(
        &mut self,
        producer_id: i64,
        is_there: impl Fn(&str) -> bool,
        committed: bool,
    ) {
        for (_, group) in self.groups.iter_mut().filter(|(name, _)| is_there(name)) {
            let pending = group.pending.remove(&producer_id).filter(|_| committed);
            for (at, offset) in pending.into_iter().flatten() {
                // What was committed since then, without a transaction, is newer.
                if group.committed.get(&at).is_none_or(|it| it.order < offset.order) {
                    group.committed.insert(at, offset);
                }
            }
        }
    }

    /// The offset of a partition, if there is one. With `stable`, none may be pending.
    pub(super) fn fetch(
        &self,
        group: &str,
        at: &At,
        stable: bool,
    ) -> Result<Option<&Committed>, ErrorCode> {
        let Some(group) = self.groups.get(group) else { return Ok(None) };
        if stable && group.pending.values().any(|it| it.contains_key(at)) {
            return Err(ErrorCode::UNSTABLE_OFFSET_COMMIT);
        }
        Ok(group.committed.get(at))
    }

    /// All partitions that the group has an offset of.
    pub(super) fn partitions(&self, group: &str) -> impl Iterator<Item = &At> {
        self.groups.get(group).into_iter().flat_map(|group| group.committed.keys())
    }

    /// The topic is deleted.
    pub(super) fn forget(&mut self, topic: &str) {
        for group in self.groups.values_mut() {
            for offsets in group.pending.values_mut().chain([&mut group.committed]) {
                offsets.retain(|(name, _), _| name != topic);
            }
        }
    }
}
