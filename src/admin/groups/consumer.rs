//! Describes consumer groups of both protocols alike.

use std::collections::BTreeSet;

use futures::StreamExt;
use futures::channel::mpsc;
use futures::future::join;
use tokio::time::Instant;

use super::{
    ClassicGroup, ClassicMember, DescribeGroups, GroupState, GroupType, check_groups, text,
};
use crate::admin::acls::{AclOperation, authorized_operations};
use crate::admin::sealed::{Context, Run};
use crate::admin::{Results, Running, partitions_of, setters};
use crate::cluster::{Answers, At, Cluster, Split, Target, split_each};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::ErrorCode;
use crate::protocol::consumer_protocol::PROTOCOL_TYPE;
use crate::protocol::messages::consumer_group_describe::{
    Assignment, ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, DescribedGroup, Member,
};
use crate::types::TopicPartition;

/// Describes consumer groups: see
/// [`Client::describe_consumer_groups`](crate::Client::describe_consumer_groups).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct DescribeConsumerGroups {
    groups: Vec<String>,
    authorized_operations: bool,
}

impl DescribeConsumerGroups {
    /// Describes these groups.
    pub fn new<S: Into<String>>(groups: impl IntoIterator<Item = S>) -> Self {
        Self { groups: groups.into_iter().map(Into::into).collect(), authorized_operations: false }
    }
}

setters!(DescribeConsumerGroups {
    /// Whether to ask what the caller may do with the groups (KIP-430). Default: no. Needs Kafka
    /// 2.3.
    include_authorized_operations: bool => |this, value| this.authorized_operations = value;
});

/// A group of consumers, coordinated by either protocol.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ConsumerGroup {
    /// Its id.
    pub group_id: String,
    /// [`GroupType::Consumer`] (KIP-848) or [`GroupType::Classic`].
    pub kind: GroupType,
    /// What it is doing.
    pub state: GroupState,
    /// The broker that coordinates it.
    pub coordinator: i32,
    /// Who decides what is assigned: an assignor of the broker, or of the members of a classic
    /// group; `None` while a classic group has agreed on none.
    pub assignor: Option<String>,
    /// Counts changes of the membership and its subscriptions (KIP-848).
    pub group_epoch: Option<i32>,
    /// The group epoch of the target assignment (KIP-848).
    pub assignment_epoch: Option<i32>,
    /// Its members.
    pub members: Vec<ConsumerGroupMember>,
    /// What the caller may do with it, if that was asked for.
    pub authorized_operations: Option<BTreeSet<AclOperation>>,
}

/// A member of a consumer group.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ConsumerGroupMember {
    /// Its id.
    pub member_id: String,
    /// Its own name (property `group.instance.id`), of static members.
    pub instance_id: Option<String>,
    /// Where it is (property `client.rack`).
    pub rack_id: Option<String>,
    /// The assignment epoch that it has reached (KIP-848).
    pub epoch: Option<i32>,
    /// By which protocol it takes part, from Kafka 4.0 on: a group may have both while its members
    /// are migrated.
    pub kind: Option<GroupType>,
    /// Its client id.
    pub client_id: String,
    /// Where it connects from, such as `/10.0.0.7`.
    pub host: String,
    /// The topics that it wants to read.
    pub topics: Vec<String>,
    /// The pattern of topics that it wants to read (KIP-848).
    pub topics_regex: Option<String>,
    /// What it reads now.
    pub assignment: Vec<TopicPartition>,
    /// What it is to read when all have followed (KIP-848).
    pub target_assignment: Option<Vec<TopicPartition>>,
}

impl Run for DescribeConsumerGroups {
    type Output = Results<String, ConsumerGroup>;

    fn check(&self) -> Result<()> {
        check_groups(&self.groups)
    }

    #[inline]
    fn run(self, Context { cluster, deadline }: Context) -> Running<Self::Output> {
        Box::pin(async move { Ok(Results::new(self.described(&cluster, deadline).await?)) })
    }
}

impl DescribeConsumerGroups {
    /// Asks for all groups as groups of KIP-848, and then for what is none as classic groups: for
    /// each as soon as that is known, so that no group waits for the coordinator of another.
    ///
    /// # Errors
    ///
    /// No broker has answered for any group.
    pub(super) async fn described(
        &self,
        cluster: &Cluster,
        deadline: Instant,
    ) -> Result<Vec<(String, Result<ConsumerGroup>)>> {
        let (settled, described) = mpsc::unbounded();
        let asked = async move {
            let settled = |index, result| drop(settled.unbounded_send((index, result)));
            split_each(cluster, deadline, self, self.groups.clone(), settled).await;
        };
        let many = self.groups.len().max(1);
        let followed = described
            .ready_chunks(many)
            .map(|described| self.or_classic(cluster, deadline, described))
            .buffer_unordered(many)
            .concat();
        let ((), mut described) = join(asked, followed).await;
        let is_silent = |(_, result): &(usize, Result<_>)| {
            let kind = result.as_ref().err().map(Error::kind);
            matches!(kind, Some(ErrorKind::Connection | ErrorKind::Timeout))
        };
        if described.iter().all(is_silent) {
            if let Some((_, Err(error))) = described.pop() {
                return Err(error);
            }
        }
        described.sort_unstable_by_key(|(index, _)| *index);
        let results = described.into_iter().map(|(_, result)| result);
        Ok(self.groups.iter().cloned().zip(results).collect())
    }

    /// Asks again for those of the groups that may be classic ones.
    async fn or_classic(
        &self,
        cluster: &Cluster,
        deadline: Instant,
        described: Vec<(usize, Result<ConsumerGroup>)>,
    ) -> Vec<(usize, Result<ConsumerGroup>)> {
        let is_classic = |(_, result): &(_, Result<_>)| result.as_ref().is_err_and(is_other);
        let (classic, mut described): (Vec<_>, Vec<_>) =
            described.into_iter().partition(is_classic);
        let named = |(index, _): (usize, _)| Some((index, self.groups.get(index)?.clone()));
        let (indexes, groups): (Vec<_>, Vec<_>) = classic.into_iter().filter_map(named).unzip();
        let operation = DescribeGroups::new(groups.clone())
            .include_authorized_operations(self.authorized_operations);
        let settled = |at: usize, result: Result<ClassicGroup>| {
            let index = indexes.get(at).copied();
            described.extend(index.map(|it| (it, result.and_then(ConsumerGroup::from_classic))));
        };
        split_each(cluster, deadline, &operation, groups, settled).await;
        described
    }
}

/// Whether the group may be one of the classic protocol.
fn is_other(error: &Error) -> bool {
    error.kind() == ErrorKind::Unsupported
        || matches!(
            error.code(),
            Some(ErrorCode::GROUP_ID_NOT_FOUND | ErrorCode::UNSUPPORTED_VERSION)
        )
}

impl Split for DescribeConsumerGroups {
    type Item = String;
    type Key = String;
    type Request = ConsumerGroupDescribeRequest;
    type Value = ConsumerGroup;
    const WHAT: &'static str = "describe consumer group";

    fn key(&self, group: &String) -> String {
        group.clone()
    }

    fn target(&self, group: &String) -> Target {
        Target::Group(group.clone())
    }

    #[inline]
    fn request(&self, groups: &[String], _: &At) -> Result<ConsumerGroupDescribeRequest> {
        Ok(ConsumerGroupDescribeRequest {
            group_ids: groups.to_vec(),
            include_authorized_operations: self.authorized_operations,
            ..Default::default()
        })
    }

    #[inline]
    fn answers(
        &self,
        _: &[String],
        response: ConsumerGroupDescribeResponse,
        answers: &mut Answers<String, ConsumerGroup>,
    ) {
        for group in response.groups {
            let (id, code) = (group.group_id.clone(), group.error_code);
            let message = group.error_message.clone();
            let group = ConsumerGroup::new(group, answers.broker);
            answers.insert(id, code, message, group);
        }
    }
}

impl ConsumerGroup {
    fn new(group: DescribedGroup, coordinator: i32) -> Self {
        Self {
            group_id: group.group_id,
            kind: GroupType::Consumer,
            state: GroupState::from_name(&group.group_state),
            coordinator,
            assignor: text(group.assignor_name),
            group_epoch: Some(group.group_epoch),
            assignment_epoch: Some(group.assignment_epoch),
            members: group.members.into_iter().map(ConsumerGroupMember::new).collect(),
            authorized_operations: authorized_operations(group.authorized_operations),
        }
    }

    fn from_classic(group: ClassicGroup) -> Result<Self> {
        let ClassicGroup { group_id, protocol_type, .. } = &group;
        if !protocol_type.is_empty() && protocol_type != PROTOCOL_TYPE {
            let text = format!(
                "describe consumer group {group_id}: its members are no consumers, but of type \
                 {protocol_type}"
            );
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        Ok(Self {
            group_id: group.group_id,
            kind: GroupType::Classic,
            state: group.state,
            coordinator: group.coordinator,
            assignor: group.protocol,
            group_epoch: None,
            assignment_epoch: None,
            members: group.members.into_iter().map(ConsumerGroupMember::from_classic).collect(),
            authorized_operations: group.authorized_operations,
        })
    }
}

impl ConsumerGroupMember {
    fn new(member: Member) -> Self {
        let kind = match member.member_type {
            0 => Some(GroupType::Classic),
            1 => Some(GroupType::Consumer),
            _ => None,
        };
        Self {
            member_id: member.member_id,
            instance_id: member.instance_id,
            rack_id: member.rack_id.and_then(text),
            epoch: Some(member.member_epoch),
            kind,
            client_id: member.client_id,
            host: member.client_host,
            topics: member.subscribed_topic_names,
            topics_regex: member.subscribed_topic_regex.and_then(text),
            assignment: partitions(member.assignment),
            target_assignment: Some(partitions(member.target_assignment)),
        }
    }

    fn from_classic(member: ClassicMember) -> Self {
        let subscription = member.subscription.unwrap_or_default();
        let assigned = member.assignment.unwrap_or_default().assigned_partitions.into_iter();
        let assignment = assigned.flat_map(|it| partitions_of(it.topic, it.partitions)).collect();
        Self {
            member_id: member.member_id,
            instance_id: member.instance_id,
            rack_id: subscription.rack_id,
            epoch: None,
            kind: Some(GroupType::Classic),
            client_id: member.client_id,
            host: member.host,
            topics: subscription.topics,
            topics_regex: None,
            assignment,
            target_assignment: None,
        }
    }
}

fn partitions(assignment: Assignment) -> Vec<TopicPartition> {
    let topics = assignment.topic_partitions.into_iter();
    topics.flat_map(|topic| partitions_of(topic.topic_name, topic.partitions)).collect()
}
