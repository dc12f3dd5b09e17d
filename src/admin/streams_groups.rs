//! Streams groups: what the applications of Kafka Streams compute, and which instance has which
//! task (KIP-1071). Need Kafka 4.2.
//!
//! The offsets of a streams group are like those of any group:
//! [`Client::list_group_offsets`](crate::Client::list_group_offsets),
//! [`alter_group_offsets`](crate::Client::alter_group_offsets) and
//! [`delete_group_offsets`](crate::Client::delete_group_offsets) are for them too; and
//! [`list_groups`](crate::Client::list_groups) and [`delete_groups`](crate::Client::delete_groups)
//! for the groups.
//!
//! ```no_run
//! // Compiled only: the in-process cluster has no streams groups.
//! # async fn run(client: kafkio::Client) -> kafkio::Result<()> {
//! let group = client.describe_streams_groups(["word-count"]).await?.into_only()?;
//! for member in &group.members {
//!     for task in &member.tasks.active {
//!         println!("{} runs {task}", member.member_id);
//!     }
//! }
//! # Ok(()) }
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::acls::{AclOperation, authorized_operations};
use super::groups::{GroupState, check_named_groups};
use super::{PerItem, setters};
use crate::cluster::{Answers, At, Split, Target};
use crate::error::Result;
use crate::protocol::messages::streams_group_describe::{
    Assignment, DescribedGroup, KeyValue, Member, StreamsGroupDescribeRequest,
    StreamsGroupDescribeResponse, Subtopology as WireSubtopology, TaskIds, TaskOffset, TopicInfo,
    Topology,
};

/// Describes streams groups: see
/// [`Client::describe_streams_groups`](crate::Client::describe_streams_groups).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct DescribeStreamsGroups {
    groups: Vec<String>,
    authorized_operations: bool,
}

impl DescribeStreamsGroups {
    /// Describes these groups.
    pub fn new<S: Into<String>>(groups: impl IntoIterator<Item = S>) -> Self {
        let groups = groups.into_iter().map(Into::into).collect();
        Self { groups, authorized_operations: false }
    }
}

setters!(DescribeStreamsGroups {
    /// Whether to ask what the caller may do with the groups. Default: no.
    include_authorized_operations: bool => |this, value| this.authorized_operations = value;
});

/// A streams group.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StreamsGroup {
    /// Its id, which is the `application.id` of its members.
    pub group_id: String,
    /// What it is doing.
    pub state: GroupState,
    /// The broker that coordinates it.
    pub coordinator: i32,
    /// Counts changes of the membership and the topology.
    pub group_epoch: i32,
    /// The group epoch of the target assignment.
    pub assignment_epoch: i32,
    /// Counts changes of the topology; `None` while the group has none.
    pub topology_epoch: Option<i32>,
    /// The parts of the topology.
    pub subtopologies: Vec<Subtopology>,
    /// Its members.
    pub members: Vec<StreamsGroupMember>,
    /// What the caller may do with it, if that was asked for.
    pub authorized_operations: Option<BTreeSet<AclOperation>>,
}

/// A part of a topology that runs by itself: one task for each partition of its source topics.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Subtopology {
    /// Its id, such as `0`.
    pub id: String,
    /// The topics that it reads.
    pub source_topics: Vec<String>,
    /// The internal topics that it writes to for others to read.
    pub repartition_sink_topics: Vec<String>,
    /// The internal topics that it reads, which others write to.
    pub repartition_source_topics: Vec<InternalTopic>,
    /// The internal topics that keep its state.
    pub changelog_topics: Vec<InternalTopic>,
}

/// A topic that the group makes for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InternalTopic {
    /// Its name.
    pub name: String,
    /// How many partitions it has, if the application says so.
    pub partitions: Option<i32>,
    /// How many brokers keep a copy, if the application says so.
    pub replication_factor: Option<i16>,
    /// Its settings.
    pub configs: BTreeMap<String, String>,
}

/// A member of a streams group: one instance of the application, or one of its threads.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StreamsGroupMember {
    /// Its id.
    pub member_id: String,
    /// The assignment epoch that it has reached.
    pub epoch: i32,
    /// Its own name (property `group.instance.id`), of static members.
    pub instance_id: Option<String>,
    /// Where it is (property `client.rack`).
    pub rack_id: Option<String>,
    /// Its client id.
    pub client_id: String,
    /// Where it connects from, such as `/10.0.0.7`.
    pub host: String,
    /// The epoch of its topology.
    pub topology_epoch: i32,
    /// Names the process: its threads share local state.
    pub process_id: String,
    /// Host and port where it answers interactive queries (property `application.server`).
    pub user_endpoint: Option<(String, u16)>,
    /// What tasks are spread over (properties `client.tag.…`).
    pub client_tags: BTreeMap<String, String>,
    /// How far the state of its tasks is, summed over their changelogs.
    pub task_offsets: BTreeMap<TaskId, i64>,
    /// Where the changelogs of its tasks end, likewise.
    pub task_end_offsets: BTreeMap<TaskId, i64>,
    /// What it runs.
    pub tasks: Tasks,
    /// What it is to run when all have followed.
    pub target_tasks: Tasks,
    /// Whether it takes part by the classic protocol.
    pub is_classic: bool,
}

/// The tasks of a member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tasks {
    /// Those that process.
    pub active: Vec<TaskId>,
    /// Those that keep a copy of the state up to date (property `num.standby.replicas`).
    pub standby: Vec<TaskId>,
    /// Those that build their state up, to be moved here.
    pub warmup: Vec<TaskId>,
}

/// One partition of a subtopology.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct TaskId {
    /// The id of the subtopology.
    pub subtopology: String,
    /// The index of the partition.
    pub partition: i32,
}

/// `0_3`
impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.subtopology, self.partition)
    }
}

impl PerItem for DescribeStreamsGroups {
    fn items(&self) -> Vec<Self::Item> {
        self.groups.clone()
    }

    fn check(&self) -> Result<()> {
        check_named_groups(&self.groups)
    }
}

impl Split for DescribeStreamsGroups {
    type Item = String;
    type Key = String;
    type Request = StreamsGroupDescribeRequest;
    type Value = StreamsGroup;
    const WHAT: &'static str = "describe streams group";

    fn key(&self, group: &String) -> String {
        group.clone()
    }

    fn target(&self, group: &String) -> Target {
        Target::Group(group.clone())
    }

    #[inline]
    fn request(&self, groups: &[String], _: &At) -> Result<StreamsGroupDescribeRequest> {
        Ok(StreamsGroupDescribeRequest {
            group_ids: groups.to_vec(),
            include_authorized_operations: self.authorized_operations,
            ..Default::default()
        })
    }

    #[inline]
    fn answers(
        &self,
        _: &[String],
        response: StreamsGroupDescribeResponse,
        answers: &mut Answers<String, StreamsGroup>,
    ) {
        for group in response.groups {
            let (code, message) = (group.error_code, group.error_message.clone());
            answers.insert(group.group_id.clone(), code, message, described(group, answers.broker));
        }
    }
}

fn described(group: DescribedGroup, coordinator: i32) -> StreamsGroup {
    let Topology { epoch, subtopologies, .. } =
        group.topology.clone().map(|it| *it).unwrap_or_default();
    StreamsGroup {
        group_id: group.group_id,
        state: GroupState::from_name(&group.group_state),
        coordinator,
        group_epoch: group.group_epoch,
        assignment_epoch: group.assignment_epoch,
        topology_epoch: group.topology.map(|_| epoch),
        subtopologies: subtopologies.into_iter().flatten().map(Subtopology::from).collect(),
        members: group.members.into_iter().map(StreamsGroupMember::from).collect(),
        authorized_operations: authorized_operations(group.authorized_operations),
    }
}

impl From<WireSubtopology> for Subtopology {
    fn from(it: WireSubtopology) -> Self {
        let topics = |topics: Vec<_>| topics.into_iter().map(InternalTopic::from).collect();
        Self {
            id: it.subtopology_id,
            source_topics: it.source_topics,
            repartition_sink_topics: it.repartition_sink_topics,
            repartition_source_topics: topics(it.repartition_source_topics),
            changelog_topics: topics(it.state_changelog_topics),
        }
    }
}

impl From<TopicInfo> for InternalTopic {
    fn from(it: TopicInfo) -> Self {
        Self {
            name: it.name,
            partitions: Some(it.partitions).filter(|count| *count > 0),
            replication_factor: Some(it.replication_factor).filter(|copies| *copies > 0),
            configs: map(it.topic_configs),
        }
    }
}

impl From<Member> for StreamsGroupMember {
    fn from(it: Member) -> Self {
        Self {
            member_id: it.member_id,
            epoch: it.member_epoch,
            instance_id: it.instance_id,
            rack_id: it.rack_id,
            client_id: it.client_id,
            host: it.client_host,
            topology_epoch: it.topology_epoch,
            process_id: it.process_id,
            user_endpoint: it.user_endpoint.map(|endpoint| (endpoint.host, endpoint.port)),
            client_tags: map(it.client_tags),
            task_offsets: offsets(it.task_offsets),
            task_end_offsets: offsets(it.task_end_offsets),
            tasks: it.assignment.into(),
            target_tasks: it.target_assignment.into(),
            is_classic: it.is_classic,
        }
    }
}

impl From<Assignment> for Tasks {
    fn from(it: Assignment) -> Self {
        Self {
            active: tasks(it.active_tasks),
            standby: tasks(it.standby_tasks),
            warmup: tasks(it.warmup_tasks),
        }
    }
}

fn tasks(ids: Vec<TaskIds>) -> Vec<TaskId> {
    let mut tasks = Vec::new();
    for TaskIds { subtopology_id, partitions, .. } in ids {
        let task = |partition| TaskId { subtopology: subtopology_id.clone(), partition };
        tasks.extend(partitions.into_iter().map(task));
    }
    tasks
}

fn offsets(offsets: Vec<TaskOffset>) -> BTreeMap<TaskId, i64> {
    let of = |it: TaskOffset| {
        (TaskId { subtopology: it.subtopology_id, partition: it.partition }, it.offset)
    };
    offsets.into_iter().map(of).collect()
}

fn map(entries: Vec<KeyValue>) -> BTreeMap<String, String> {
    entries.into_iter().map(|entry| (entry.key, entry.value)).collect()
}
