//! Describes classic groups.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::{GroupState, check_groups, text};
use crate::admin::PerItem;
use crate::admin::acls::{AclOperation, authorized_operations};
use crate::admin::setters;
use crate::cluster::{Answers, At, Split, Target};
use crate::error::Result;
use crate::protocol::ErrorCode;
use crate::protocol::consumer_protocol::{Assignment, PROTOCOL_TYPE, Subscription};
use crate::protocol::messages::describe_groups::{
    DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup, DescribedGroupMember,
};

/// Describes classic groups: see [`Client::describe_groups`](crate::Client::describe_groups).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct DescribeGroups {
    groups: Vec<String>,
    authorized_operations: bool,
}

impl DescribeGroups {
    /// Describes these groups.
    pub fn new<S: Into<String>>(groups: impl IntoIterator<Item = S>) -> Self {
        Self { groups: groups.into_iter().map(Into::into).collect(), authorized_operations: false }
    }
}

setters!(DescribeGroups {
    /// Whether to ask what the caller may do with the groups (KIP-430). Default: no. Needs Kafka
    /// 2.3.
    include_authorized_operations: bool => |this, value| this.authorized_operations = value;
});

/// A classic group.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ClassicGroup {
    /// Its id.
    pub group_id: String,
    /// What it is doing.
    pub state: GroupState,
    /// What the members do with each other: `consumer` of consumers. Empty if it never had any.
    pub protocol_type: String,
    /// What they have agreed on, of consumers the assignor; `None` without a stable membership.
    pub protocol: Option<String>,
    /// The broker that coordinates it.
    pub coordinator: i32,
    /// Its members.
    pub members: Vec<ClassicMember>,
    /// What the caller may do with it, if that was asked for.
    pub authorized_operations: Option<BTreeSet<AclOperation>>,
}

/// A member of a classic group.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ClassicMember {
    /// The id that the coordinator gave it.
    pub member_id: String,
    /// Its own name (property `group.instance.id`), of static members, from Kafka 2.4 on.
    pub instance_id: Option<String>,
    /// Its client id.
    pub client_id: String,
    /// Where it connects from, such as `/10.0.0.7`.
    pub host: String,
    /// What it wants to read; `None` if the group is not of consumers, or the bytes are no
    /// subscription.
    pub subscription: Option<Subscription>,
    /// What it is to read; `None` if the group is not of consumers, the bytes are no assignment,
    /// or there is none yet.
    pub assignment: Option<Assignment>,
    /// The bytes of the subscription, or what another type of group has in its place.
    pub metadata_bytes: Bytes,
    /// The bytes of the assignment, or what another type of group has in its place.
    pub assignment_bytes: Bytes,
}

impl PerItem for DescribeGroups {
    fn items(&self) -> Vec<Self::Item> {
        self.groups.clone()
    }

    fn check(&self) -> Result<()> {
        check_groups(&self.groups)
    }
}

impl Split for DescribeGroups {
    type Item = String;
    type Key = String;
    type Request = DescribeGroupsRequest;
    type Value = ClassicGroup;
    const WHAT: &'static str = "describe group";

    fn key(&self, group: &String) -> String {
        group.clone()
    }

    fn target(&self, group: &String) -> Target {
        Target::Group(group.clone())
    }

    #[inline]
    fn request(&self, groups: &[String], at: &At) -> Result<DescribeGroupsRequest> {
        if self.authorized_operations {
            at.needs::<DescribeGroupsRequest>(3, "authorized operations of groups")?;
        }
        Ok(DescribeGroupsRequest {
            groups: groups.to_vec(),
            include_authorized_operations: self.authorized_operations,
            ..Default::default()
        })
    }

    #[inline]
    fn answers(
        &self,
        _: &[String],
        response: DescribeGroupsResponse,
        answers: &mut Answers<String, ClassicGroup>,
    ) {
        for group in response.groups {
            let (id, mut code) = (group.group_id.clone(), group.error_code);
            let message = group.error_message.clone();
            let group = ClassicGroup::new(group, answers.broker);
            // Before version 6 a group that does not exist is a dead one.
            if code == 0 && group.state == GroupState::Dead && group.members.is_empty() {
                code = ErrorCode::GROUP_ID_NOT_FOUND.0;
            }
            answers.insert(id, code, message, group);
        }
    }
}

impl ClassicGroup {
    fn new(group: DescribedGroup, coordinator: i32) -> Self {
        let of_consumers = group.protocol_type == PROTOCOL_TYPE;
        let member = |member| ClassicMember::new(member, of_consumers);
        Self {
            group_id: group.group_id,
            state: GroupState::from_name(&group.group_state),
            protocol_type: group.protocol_type,
            protocol: text(group.protocol_data),
            coordinator,
            members: group.members.into_iter().map(member).collect(),
            authorized_operations: authorized_operations(group.authorized_operations),
        }
    }
}

impl ClassicMember {
    fn new(member: DescribedGroupMember, of_consumers: bool) -> Self {
        let (metadata, assignment) = (&member.member_metadata, &member.member_assignment);
        // What is no subscription says nothing about the rest of the group: members write these
        // bytes, and no broker reads them.
        let subscription = of_consumers.then(|| Subscription::from_bytes(metadata.clone()).ok());
        let assigned = of_consumers.then(|| Assignment::from_bytes(assignment.clone()).ok());
        Self {
            member_id: member.member_id,
            instance_id: member.group_instance_id,
            client_id: member.client_id,
            host: member.client_host,
            subscription: subscription.flatten(),
            assignment: assigned.flatten(),
            metadata_bytes: member.member_metadata,
            assignment_bytes: member.member_assignment,
        }
    }
}
