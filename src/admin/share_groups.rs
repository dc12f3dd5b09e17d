//! Share groups: who their members are, and where they begin to read (KIP-932). Need Kafka 4.1.
//!
//! The members of a share group read the same partitions together: each record goes to one of
//! them, which says what became of it. The group keeps a *start offset* in each partition: what
//! is before it is done with. It can be changed only while the group has no members.
//! [`Client::list_groups`](crate::Client::list_groups) lists share groups with the others, and
//! [`Client::delete_groups`](crate::Client::delete_groups) deletes them.
//!
//! ```no_run
//! // Compiled only: the in-process cluster has no share groups.
//! use kafkio::admin::groups::GroupState;
//! use kafkio::{Client, TopicPartition};
//!
//! # async fn run(client: Client) -> kafkio::Result<()> {
//! let group = client.describe_share_groups(["thumbnails"]).await?.into_only()?;
//! if group.state == GroupState::Empty {
//!     let images = TopicPartition::new("images", 0);
//!     client.alter_share_group_offsets("thumbnails", [(images, 0)]).await?.into_result()?;
//! }
//! let offsets = client.list_share_group_offsets(["thumbnails"]).await?.into_only()?;
//! for (partition, offset) in offsets.into_result()? {
//!     println!("{partition}: {offset:?}");
//! }
//! # Ok(()) }
//! ```

use std::collections::{BTreeMap, BTreeSet};

use super::acls::{AclOperation, authorized_operations};
use super::groups::{GroupState, check_named_groups};
use super::{PerItem, Results, by_topic, check_once, each_partition, partitions_of, setters};
use crate::cluster::{Answers, At, Split, Target};
use crate::error::{Error, Result};
use crate::protocol::ErrorCode;
use crate::protocol::messages::alter_share_group_offsets::{
    AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsRequestPartition,
    AlterShareGroupOffsetsRequestTopic, AlterShareGroupOffsetsResponse,
};
use crate::protocol::messages::delete_share_group_offsets::{
    DeleteShareGroupOffsetsRequest, DeleteShareGroupOffsetsRequestTopic,
    DeleteShareGroupOffsetsResponse,
};
use crate::protocol::messages::describe_share_group_offsets::{
    DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsRequestGroup,
    DescribeShareGroupOffsetsRequestTopic, DescribeShareGroupOffsetsResponse,
    DescribeShareGroupOffsetsResponsePartition,
};
use crate::protocol::messages::share_group_describe::{
    DescribedGroup, Member, ShareGroupDescribeRequest, ShareGroupDescribeResponse,
};
use crate::types::TopicPartition;

/// Describes share groups: see
/// [`Client::describe_share_groups`](crate::Client::describe_share_groups).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct DescribeShareGroups {
    groups: Vec<String>,
    authorized_operations: bool,
}

impl DescribeShareGroups {
    /// Describes these groups.
    pub fn new<S: Into<String>>(groups: impl IntoIterator<Item = S>) -> Self {
        let groups = groups.into_iter().map(Into::into).collect();
        Self { groups, authorized_operations: false }
    }
}

setters!(DescribeShareGroups {
    /// Whether to ask what the caller may do with the groups. Default: no.
    include_authorized_operations: bool => |this, value| this.authorized_operations = value;
});

/// A share group.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ShareGroup {
    /// Its id.
    pub group_id: String,
    /// What it is doing: stable, empty or dead.
    pub state: GroupState,
    /// The broker that coordinates it.
    pub coordinator: i32,
    /// Counts changes of the membership and its subscriptions.
    pub group_epoch: i32,
    /// The group epoch of the assignment.
    pub assignment_epoch: i32,
    /// What assigns the partitions.
    pub assignor: String,
    /// Its members.
    pub members: Vec<ShareGroupMember>,
    /// What the caller may do with it, if that was asked for.
    pub authorized_operations: Option<BTreeSet<AclOperation>>,
}

/// A member of a share group.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ShareGroupMember {
    /// Its id.
    pub member_id: String,
    /// Where it is (property `client.rack`).
    pub rack_id: Option<String>,
    /// The assignment epoch that it has reached.
    pub epoch: i32,
    /// Its client id.
    pub client_id: String,
    /// Where it connects from, such as `/10.0.0.7`.
    pub host: String,
    /// The topics that it wants to read.
    pub topics: Vec<String>,
    /// What it reads, perhaps together with others.
    pub assignment: Vec<TopicPartition>,
}

impl PerItem for DescribeShareGroups {
    fn items(&self) -> Vec<Self::Item> {
        self.groups.clone()
    }

    fn check(&self) -> Result<()> {
        check_named_groups(&self.groups)
    }
}

impl Split for DescribeShareGroups {
    type Item = String;
    type Key = String;
    type Request = ShareGroupDescribeRequest;
    type Value = ShareGroup;
    const WHAT: &'static str = "describe share group";

    fn key(&self, group: &String) -> String {
        group.clone()
    }

    fn target(&self, group: &String) -> Target {
        Target::Group(group.clone())
    }

    #[inline]
    fn request(&self, groups: &[String], _: &At) -> Result<ShareGroupDescribeRequest> {
        Ok(ShareGroupDescribeRequest {
            group_ids: groups.to_vec(),
            include_authorized_operations: self.authorized_operations,
            ..Default::default()
        })
    }

    #[inline]
    fn answers(
        &self,
        _: &[String],
        response: ShareGroupDescribeResponse,
        answers: &mut Answers<String, ShareGroup>,
    ) {
        for group in response.groups {
            let (code, message) = (group.error_code, group.error_message.clone());
            answers.insert(group.group_id.clone(), code, message, described(group, answers.broker));
        }
    }
}

fn described(group: DescribedGroup, coordinator: i32) -> ShareGroup {
    let member = |member: Member| ShareGroupMember {
        member_id: member.member_id,
        rack_id: member.rack_id,
        epoch: member.member_epoch,
        client_id: member.client_id,
        host: member.client_host,
        topics: member.subscribed_topic_names,
        assignment: (member.assignment.topic_partitions.into_iter())
            .flat_map(|it| partitions_of(it.topic_name, it.partitions))
            .collect(),
    };
    ShareGroup {
        group_id: group.group_id,
        state: GroupState::from_name(&group.group_state),
        coordinator,
        group_epoch: group.group_epoch,
        assignment_epoch: group.assignment_epoch,
        assignor: group.assignor_name,
        members: group.members.into_iter().map(member).collect(),
        authorized_operations: authorized_operations(group.authorized_operations),
    }
}

/// Lists the offsets of share groups: see
/// [`Client::list_share_group_offsets`](crate::Client::list_share_group_offsets).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct ListShareGroupOffsets {
    groups: Vec<String>,
    partitions: Option<Vec<TopicPartition>>,
}

impl ListShareGroupOffsets {
    /// Lists all offsets of these groups.
    pub fn new<S: Into<String>>(groups: impl IntoIterator<Item = S>) -> Self {
        let groups = groups.into_iter().map(Into::into).collect();
        Self { groups, partitions: None }
    }
}

setters!(ListShareGroupOffsets {
    /// Only those of these partitions, also where there is none. Default: all that there are.
    partitions: Vec<TopicPartition> => |this, value| this.partitions = Some(value);
});

/// Where a share group begins in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShareGroupOffset {
    /// The first offset that the group may still hand out.
    pub start_offset: i64,
    /// The leader epoch that the group last saw there.
    pub leader_epoch: Option<i32>,
    /// How many records are not done with yet, as far as the group knows (KIP-1226): Kafka 4.2.
    pub lag: Option<i64>,
}

/// Of one group: the offset of each partition, `None` where it has not begun.
type GroupOffsets = Results<TopicPartition, Option<ShareGroupOffset>>;

impl PerItem for ListShareGroupOffsets {
    fn items(&self) -> Vec<Self::Item> {
        self.groups.clone()
    }

    fn check(&self) -> Result<()> {
        check_named_groups(&self.groups)?;
        check_once("partition", self.partitions.iter().flatten())
    }
}

impl Split for ListShareGroupOffsets {
    type Item = String;
    type Key = String;
    type Request = DescribeShareGroupOffsetsRequest;
    type Value = GroupOffsets;
    const WHAT: &'static str = "list offsets of share group";

    fn key(&self, group: &String) -> String {
        group.clone()
    }

    fn target(&self, group: &String) -> Target {
        Target::Group(group.clone())
    }

    #[inline]
    fn request(&self, groups: &[String], _: &At) -> Result<DescribeShareGroupOffsetsRequest> {
        let topics = self.partitions.as_ref().map(|partitions| {
            let topics = by_topic(partitions.iter().map(|at| (at, at.partition)));
            let topic = |(name, partitions): (&str, _)| DescribeShareGroupOffsetsRequestTopic {
                topic_name: name.to_owned(),
                partitions,
                ..Default::default()
            };
            topics.into_iter().map(topic).collect::<Vec<_>>()
        });
        let group = |group: &String| DescribeShareGroupOffsetsRequestGroup {
            group_id: group.clone(),
            topics: topics.clone(),
            ..Default::default()
        };
        let groups = groups.iter().map(group).collect();
        Ok(DescribeShareGroupOffsetsRequest { groups, ..Default::default() })
    }

    #[inline]
    fn answers(
        &self,
        _: &[String],
        response: DescribeShareGroupOffsetsResponse,
        answers: &mut Answers<String, GroupOffsets>,
    ) {
        for group in response.groups {
            let mut offsets = BTreeMap::new();
            let topics = group.topics.into_iter().map(|it| (it.topic_name, it.partitions));
            for (at, it) in each_partition(topics, |it| it.partition_index) {
                let offset = offset(&group.group_id, &at, it);
                offsets.insert(at, offset);
            }
            // A partition that the answer leaves out has no offset either.
            let mut of = |at: &TopicPartition| (at.clone(), offsets.remove(at).unwrap_or(Ok(None)));
            let results = match &self.partitions {
                Some(partitions) => partitions.iter().map(&mut of).collect(),
                None => offsets.into_iter().collect(),
            };
            let results = Results::new(results);
            answers.insert(group.group_id, group.error_code, group.error_message, results);
        }
    }
}

fn offset(
    group: &str,
    at: &TopicPartition,
    partition: DescribeShareGroupOffsetsResponsePartition,
) -> Result<Option<ShareGroupOffset>> {
    ErrorCode(partition.error_code).check().map_err(|code| {
        let said = partition.error_message.map(|text| format!(" ({text})")).unwrap_or_default();
        Error::broker(code, format!("offset of share group {group} in {at}{said}"))
    })?;
    Ok((partition.start_offset >= 0).then_some(ShareGroupOffset {
        start_offset: partition.start_offset,
        leader_epoch: Some(partition.leader_epoch).filter(|epoch| *epoch >= 0),
        lag: Some(partition.lag).filter(|lag| *lag >= 0),
    }))
}

/// Sets the offsets of a share group: see
/// [`Client::alter_share_group_offsets`](crate::Client::alter_share_group_offsets).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct AlterShareGroupOffsets {
    group: String,
    offsets: Vec<(TopicPartition, i64)>,
}

impl AlterShareGroupOffsets {
    /// Sets these start offsets of this group.
    pub fn new(
        group: impl Into<String>,
        offsets: impl IntoIterator<Item = (TopicPartition, i64)>,
    ) -> Self {
        Self { group: group.into(), offsets: offsets.into_iter().collect() }
    }
}

impl PerItem for AlterShareGroupOffsets {
    fn items(&self) -> Vec<Self::Item> {
        self.offsets.clone()
    }

    fn check(&self) -> Result<()> {
        check_named_groups(std::slice::from_ref(&self.group))?;
        check_once("partition", self.offsets.iter().map(|(at, _)| at))?;
        match self.offsets.iter().find(|(_, offset)| *offset < 0) {
            Some((at, offset)) => Err(Error::config(format!("offset {offset} of {at}"))),
            None => Ok(()),
        }
    }
}

impl Split for AlterShareGroupOffsets {
    type Item = (TopicPartition, i64);
    type Key = TopicPartition;
    type Request = AlterShareGroupOffsetsRequest;
    type Value = ();
    const WHAT: &'static str = "set the share group's offset in";

    fn key(&self, (at, _): &Self::Item) -> TopicPartition {
        at.clone()
    }

    fn target(&self, _: &Self::Item) -> Target {
        Target::Group(self.group.clone())
    }

    #[inline]
    fn request(&self, items: &[Self::Item], _: &At) -> Result<AlterShareGroupOffsetsRequest> {
        let partition = |(at, start_offset): &Self::Item| AlterShareGroupOffsetsRequestPartition {
            partition_index: at.partition,
            start_offset: *start_offset,
            ..Default::default()
        };
        let topics = by_topic(items.iter().map(|item| (&item.0, partition(item))));
        let topics = topics.into_iter().map(|(name, partitions)| {
            let topic_name = name.to_owned();
            AlterShareGroupOffsetsRequestTopic { topic_name, partitions, ..Default::default() }
        });
        let (group_id, topics) = (self.group.clone(), topics.collect());
        Ok(AlterShareGroupOffsetsRequest { group_id, topics, ..Default::default() })
    }

    #[inline]
    fn answers(
        &self,
        _: &[Self::Item],
        response: AlterShareGroupOffsetsResponse,
        answers: &mut Answers<TopicPartition, ()>,
    ) {
        answers.all(response.error_code, response.error_message);
        let topics = response.responses.into_iter().map(|it| (it.topic_name, it.partitions));
        for (at, it) in each_partition(topics, |it| it.partition_index) {
            answers.insert(at, it.error_code, it.error_message, ());
        }
    }
}

/// Drops offsets of a share group: see
/// [`Client::delete_share_group_offsets`](crate::Client::delete_share_group_offsets).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct DeleteShareGroupOffsets {
    group: String,
    topics: Vec<String>,
}

impl DeleteShareGroupOffsets {
    /// Drops the offsets that this group has in these topics.
    pub fn new<S: Into<String>>(
        group: impl Into<String>,
        topics: impl IntoIterator<Item = S>,
    ) -> Self {
        let topics = topics.into_iter().map(Into::into).collect();
        Self { group: group.into(), topics }
    }
}

impl PerItem for DeleteShareGroupOffsets {
    fn items(&self) -> Vec<Self::Item> {
        self.topics.clone()
    }

    fn check(&self) -> Result<()> {
        check_named_groups(std::slice::from_ref(&self.group))?;
        check_once("topic", &self.topics)
    }
}

impl Split for DeleteShareGroupOffsets {
    type Item = String;
    type Key = String;
    type Request = DeleteShareGroupOffsetsRequest;
    type Value = ();
    const WHAT: &'static str = "delete the share group's offsets in topic";

    fn key(&self, topic: &String) -> String {
        topic.clone()
    }

    fn target(&self, _: &String) -> Target {
        Target::Group(self.group.clone())
    }

    #[inline]
    fn request(&self, topics: &[String], _: &At) -> Result<DeleteShareGroupOffsetsRequest> {
        let topics = topics.iter().map(|name| DeleteShareGroupOffsetsRequestTopic {
            topic_name: name.clone(),
            ..Default::default()
        });
        let (group_id, topics) = (self.group.clone(), topics.collect());
        Ok(DeleteShareGroupOffsetsRequest { group_id, topics, ..Default::default() })
    }

    #[inline]
    fn answers(
        &self,
        _: &[String],
        response: DeleteShareGroupOffsetsResponse,
        answers: &mut Answers<String, ()>,
    ) {
        answers.all(response.error_code, response.error_message);
        for topic in response.responses {
            answers.insert(topic.topic_name, topic.error_code, topic.error_message, ());
        }
    }
}
