//! How far groups are behind.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::timeout_at;

use super::{
    CommittedOffset, ConsumerGroup, DescribeConsumerGroups, ListGroupOffsets, check_groups,
};
use crate::admin::offsets::ListOffsets;
use crate::admin::sealed::{Context, Run};
use crate::admin::{Results, Running, setters};
use crate::error::{Error, ErrorKind, Result};
use crate::types::{IsolationLevel, TopicPartition};

/// Tells how far groups are behind: see [`Client::group_lag`](crate::Client::group_lag).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct ListGroupLag {
    groups: Vec<String>,
    isolation: IsolationLevel,
}

impl ListGroupLag {
    /// Tells how far these groups are behind.
    pub fn new<S: Into<String>>(groups: impl IntoIterator<Item = S>) -> Self {
        Self {
            groups: groups.into_iter().map(Into::into).collect(),
            isolation: IsolationLevel::default(),
        }
    }
}

setters!(ListGroupLag {
    /// Whether the ends of the logs are behind the newest records, or behind those that are
    /// decided. Default: the newest.
    isolation: IsolationLevel => |this, value| this.isolation = value;
});

/// How far a group is behind.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GroupLag {
    /// The group and its members.
    pub group: ConsumerGroup,
    /// Every partition of the topics of which the group has committed an offset or is assigned a
    /// partition.
    pub partitions: BTreeMap<TopicPartition, Result<PartitionLag>>,
}

impl GroupLag {
    /// How many records the group is behind in all partitions of which that is known.
    pub fn total(&self) -> i64 {
        self.partitions.values().flatten().fold(0, |sum, it| sum.saturating_add(it.lag))
    }
}

/// How far a group is behind in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionLag {
    /// The member that the partition is assigned to, by its id.
    pub member_id: Option<String>,
    /// Where the group goes on, if it has committed anything.
    pub committed: Option<CommittedOffset>,
    /// The offset of the oldest record.
    pub start: i64,
    /// The offset behind the newest record.
    pub end: i64,
    /// How many records there are behind the committed offset; all of them if there is none.
    pub lag: i64,
}

impl Run for ListGroupLag {
    type Output = Results<String, GroupLag>;

    fn check(&self) -> Result<()> {
        check_groups(&self.groups)
    }

    #[inline]
    fn run(self, Context { cluster, deadline }: Context) -> Running<Self::Output> {
        Box::pin(async move {
            let describe = DescribeConsumerGroups::new(&self.groups);
            let list = ListGroupOffsets::new(&self.groups);
            let (groups, offsets) = futures::try_join!(
                describe.described(&cluster, deadline),
                list.listed(&cluster, deadline),
            )?;
            let known = groups.into_iter().zip(offsets).map(|((name, group), (_, offsets))| {
                let known = group
                    .and_then(|group| Ok(Known { group, offsets: offsets?.into_iter().collect() }));
                (name, known)
            });
            let groups: Vec<_> = known.collect();

            let mut partitions = BTreeSet::new();
            for known in groups.iter().filter_map(|(_, known)| known.as_ref().ok()) {
                partitions.extend(known.partitions().cloned());
            }
            let topics: BTreeSet<_> = partitions.iter().map(|at| at.topic.clone()).collect();
            let topics: Vec<_> = topics.into_iter().collect();
            let _interest = cluster.track(&topics);
            if !topics.is_empty() {
                // Partitions that nobody has read yet count too. Without an answer the offsets
                // below fail, and say more.
                let _ = timeout_at(deadline, cluster.refreshed()).await;
            }
            let metadata = cluster.metadata();
            for topic in topics.iter().filter_map(|topic| metadata.topics.get(topic)) {
                let of = |id| TopicPartition::new(topic.name.clone(), id);
                partitions.extend(topic.partitions.iter().map(|partition| of(partition.id)));
            }
            let list = ListOffsets::ends(&partitions).isolation(self.isolation);
            let mut found = list.listed(&cluster, deadline).await?.into_iter();
            let mut ends = BTreeMap::new();
            while let (Some((at, start)), Some((_, end))) = (found.next(), found.next()) {
                ends.insert(at, start.and_then(|start| Ok((start.offset, end?.offset))));
            }
            let lag = groups.into_iter().map(|(name, known)| (name, known.map(|it| it.lag(&ends))));
            Ok(Results::new(lag.collect()))
        })
    }
}

/// The first and the last offset of a partition.
type Ends = (Option<i64>, Option<i64>);

/// What the coordinator says of a group.
struct Known {
    group: ConsumerGroup,
    offsets: BTreeMap<TopicPartition, Result<Option<CommittedOffset>>>,
}

impl Known {
    /// The partitions that it has to do with.
    fn partitions(&self) -> impl Iterator<Item = &TopicPartition> {
        let assigned = self.group.members.iter().flat_map(|member| &member.assignment);
        self.offsets.keys().chain(assigned)
    }

    fn lag(mut self, ends: &BTreeMap<TopicPartition, Result<Ends>>) -> GroupLag {
        let topics: BTreeSet<_> = self.partitions().map(|at| at.topic.clone()).collect();
        let mut members = BTreeMap::new();
        for member in &self.group.members {
            members.extend(member.assignment.iter().map(|at| (at.clone(), &member.member_id)));
        }
        let of_group = ends.iter().filter(|(at, _)| topics.contains(&at.topic));
        let partitions = of_group.map(|(at, ends)| {
            let committed = self.offsets.remove(at).unwrap_or(Ok(None));
            let lag = committed.and_then(|committed| {
                let (start, end) = ends.clone()?;
                let missing = || Error::new(ErrorKind::Protocol, format!("no end of {at}"));
                let (start, end) = (start.ok_or_else(missing)?, end.ok_or_else(missing)?);
                // What the broker has deleted cannot be read any more.
                let from =
                    committed.as_ref().map_or(start, |committed| committed.offset.max(start));
                let member_id = members.get(at).map(|id| (*id).clone());
                Ok(PartitionLag { member_id, committed, start, end, lag: (end - from).max(0) })
            });
            (at.clone(), lag)
        });
        let partitions = partitions.collect();
        GroupLag { group: self.group, partitions }
    }
}
