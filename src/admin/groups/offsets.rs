//! Lists the committed offsets of groups.
//!
//! Topics are named. The newest versions of the calls want their ids instead, which are for
//! members, who must not commit to another topic of the same name.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::{check_groups, check_once, text};
use crate::admin::sealed::{Context, Run};
use crate::admin::{Results, Running, by_topic, each_partition, setters};
use crate::cluster::{Answers, At, Cluster, Split, Target, split};
use crate::error::{Error, Result};
use crate::protocol::ErrorCode;
use crate::protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
    OffsetFetchResponse,
};
use crate::types::TopicPartition;

/// The last version of `OffsetFetch` and of `OffsetCommit` that names topics; later ones have ids.
pub(super) const LAST_BY_NAME: i16 = 9;

/// Where a group goes on in a partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct CommittedOffset {
    /// The offset of the next record to read.
    pub offset: i64,
    /// The leader epoch of the record before it, from Kafka 2.1 on, if the member has said it.
    pub leader_epoch: Option<i32>,
    /// Any text that was committed with it.
    pub metadata: Option<String>,
}

impl CommittedOffset {
    /// The next record to read is that at `offset`.
    pub fn new(offset: i64) -> Self {
        Self { offset, leader_epoch: None, metadata: None }
    }

    /// The leader epoch of the record before it, to detect a log that was cut off meanwhile
    /// (KIP-320). Brokers before 2.1 are not told.
    #[must_use]
    pub fn leader_epoch(mut self, epoch: i32) -> Self {
        self.leader_epoch = Some(epoch);
        self
    }

    /// Any text; brokers limit its length (property `offset.metadata.max.bytes`).
    #[must_use]
    pub fn metadata(mut self, text: impl Into<String>) -> Self {
        self.metadata = Some(text.into());
        self
    }

    /// What a response says; a negative offset means that there is none.
    fn read(offset: i64, leader_epoch: i32, metadata: Option<String>) -> Option<Self> {
        let leader_epoch = Some(leader_epoch).filter(|epoch| *epoch >= 0);
        (offset >= 0).then(|| Self { offset, leader_epoch, metadata: metadata.and_then(text) })
    }
}

impl From<i64> for CommittedOffset {
    fn from(offset: i64) -> Self {
        Self::new(offset)
    }
}

/// Lists the offsets of groups: see
/// [`Client::list_group_offsets`](crate::Client::list_group_offsets).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct ListGroupOffsets {
    groups: Vec<String>,
    partitions: Option<Vec<TopicPartition>>,
    require_stable: bool,
}

impl ListGroupOffsets {
    /// Lists all offsets of these groups.
    pub fn new<S: Into<String>>(groups: impl IntoIterator<Item = S>) -> Self {
        Self {
            groups: groups.into_iter().map(Into::into).collect(),
            partitions: None,
            require_stable: false,
        }
    }
}

setters!(ListGroupOffsets {
    /// Only those of these partitions, also where there is none. Default: all that there are.
    partitions: Vec<TopicPartition> => |this, value| this.partitions = Some(value);
    /// Whether to wait for transactions that are about to change them (KIP-447). Default: no.
    /// Needs Kafka 2.5.
    require_stable: bool => |this, value| this.require_stable = value;
});

/// Of one group: what it has committed for each partition, `None` where nothing.
type GroupOffsets = Results<TopicPartition, Option<CommittedOffset>>;

impl Run for ListGroupOffsets {
    type Output = Results<String, GroupOffsets>;

    fn check(&self) -> Result<()> {
        check_groups(&self.groups)?;
        check_once("partition", self.partitions.iter().flatten())
    }

    #[inline]
    fn run(self, Context { cluster, deadline }: Context) -> Running<Self::Output> {
        Box::pin(async move { Ok(Results::new(self.listed(&cluster, deadline).await?)) })
    }
}

impl ListGroupOffsets {
    pub(super) async fn listed(
        &self,
        cluster: &Cluster,
        deadline: Instant,
    ) -> Result<Vec<(String, Result<GroupOffsets>)>> {
        split(cluster, deadline, self, self.groups.clone()).await
    }

    /// The answer for one group: its error code, and what it says of each partition.
    fn read(
        &self,
        group: &str,
        code: i16,
        offsets: Vec<(TopicPartition, i16, Option<CommittedOffset>)>,
        answers: &mut Answers<String, GroupOffsets>,
    ) {
        let unstable = ErrorCode::UNSTABLE_OFFSET_COMMIT.0;
        let is_unstable = offsets.iter().any(|(_, code, _)| *code == unstable);
        let code = if is_unstable && code == 0 { unstable } else { code };
        let mut offsets: BTreeMap<_, _> = offsets
            .into_iter()
            .map(|(at, code, committed)| {
                let failed = |code| Error::broker(code, format!("offset of group {group} in {at}"));
                let result = ErrorCode(code).check().map(|()| committed).map_err(failed);
                (at, result)
            })
            .collect();
        let results = match &self.partitions {
            None => offsets.into_iter().collect(),
            Some(partitions) => {
                let missing = |at: &TopicPartition| {
                    let code = ErrorCode::UNKNOWN_SERVER_ERROR;
                    Err(Error::broker(code, format!("offset of group {group} in {at}: no answer")))
                };
                let of = |at: &TopicPartition| offsets.remove(at).unwrap_or_else(|| missing(at));
                partitions.iter().cloned().zip(partitions.iter().map(of)).collect()
            }
        };
        answers.insert(group.to_owned(), code, None, Results::new(results));
    }
}

/// What the topics of a response say, which are of one type up to version 7 and of another later.
macro_rules! offsets {
    ($topics:expr) => {{
        let topics = $topics.into_iter().map(|it| (it.name, it.partitions));
        let offsets = each_partition(topics, |it| it.partition_index).map(|(at, it)| {
            let (offset, epoch) = (it.committed_offset, it.committed_leader_epoch);
            (at, it.error_code, CommittedOffset::read(offset, epoch, it.metadata))
        });
        offsets.collect::<Vec<_>>()
    }};
}

impl Split for ListGroupOffsets {
    type Item = String;
    type Key = String;
    type Request = OffsetFetchRequest;
    type Value = GroupOffsets;
    const WHAT: &'static str = "list offsets of group";
    const MANY_FROM: i16 = 8;
    const LAST: i16 = LAST_BY_NAME;

    fn key(&self, group: &String) -> String {
        group.clone()
    }

    fn target(&self, group: &String) -> Target {
        Target::Group(group.clone())
    }

    fn is_again(&self, code: ErrorCode) -> Option<bool> {
        (code == ErrorCode::UNSTABLE_OFFSET_COMMIT).then_some(true)
    }

    #[inline]
    fn request(&self, groups: &[String], at: &At) -> Result<OffsetFetchRequest> {
        if self.require_stable {
            at.needs::<OffsetFetchRequest>(7, "listing stable offsets")?;
        }
        if self.partitions.is_none() {
            at.needs::<OffsetFetchRequest>(2, "listing all offsets of a group")?;
        }
        let partitions = self.partitions.as_ref();
        let topics = partitions.map(|them| by_topic(them.iter().map(|at| (at, at.partition))));
        let mut request =
            OffsetFetchRequest { require_stable: self.require_stable, ..Default::default() };
        if at.version < Self::MANY_FROM {
            request.group_id = groups.first().cloned().unwrap_or_default();
            request.topics = topics.map(|topics| {
                let topic = |(name, partition_indexes): (&str, _)| OffsetFetchRequestTopic {
                    name: name.to_owned(),
                    partition_indexes,
                    ..Default::default()
                };
                topics.into_iter().map(topic).collect()
            });
            return Ok(request);
        }
        let group = |group: &String| OffsetFetchRequestGroup {
            group_id: group.clone(),
            topics: topics.clone().map(|topics| {
                let topic = |(name, partition_indexes): (&str, _)| OffsetFetchRequestTopics {
                    name: name.to_owned(),
                    partition_indexes,
                    ..Default::default()
                };
                topics.into_iter().map(topic).collect()
            }),
            ..Default::default()
        };
        request.groups = groups.iter().map(group).collect();
        Ok(request)
    }

    #[inline]
    fn answers(
        &self,
        groups: &[String],
        response: OffsetFetchResponse,
        answers: &mut Answers<String, GroupOffsets>,
    ) {
        if answers.version < Self::MANY_FROM {
            let offsets = offsets!(response.topics);
            // Before version 2 an error of the group stands with each of its partitions.
            let code = match offsets.first() {
                Some((_, code, _)) if is_of_group(ErrorCode(*code)) => *code,
                _ => response.error_code,
            };
            for group in groups {
                self.read(group, code, offsets.clone(), answers);
            }
            return;
        }
        for group in response.groups {
            let offsets = offsets!(group.topics);
            self.read(&group.group_id, group.error_code, offsets, answers);
        }
    }
}

/// Whether the code is about the group, and not about the partition that it stands with.
fn is_of_group(code: ErrorCode) -> bool {
    code.is_coordinator_moved()
        || matches!(
            code,
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS | ErrorCode::GROUP_AUTHORIZATION_FAILED
        )
}
