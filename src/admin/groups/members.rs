//! Takes members out of groups.

use std::fmt;

use super::{DescribeConsumerGroups, check_once};
use crate::admin::sealed::{Context, Run};
use crate::admin::{Results, Running, setters};
use crate::cluster::{Answers, At, Split, Target, split};
use crate::error::{Error, Result};
use crate::protocol::messages::leave_group::{
    LeaveGroupRequest, LeaveGroupResponse, MemberIdentity,
};

/// What brokers accept as a reason.
const REASON_CHARACTERS: usize = 255;

/// A member, named in one of two ways.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum MemberToRemove {
    /// By the id that the coordinator gave it.
    MemberId(String),
    /// By its own name (property `group.instance.id`), of a static member. Needs Kafka 2.4.
    InstanceId(String),
}

impl fmt::Display for MemberToRemove {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MemberId(id) => f.write_str(id),
            Self::InstanceId(id) => write!(f, "instance {id}"),
        }
    }
}

/// Takes members out of a group: see [`Client::remove_members`](crate::Client::remove_members).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct RemoveMembers {
    group: String,
    /// `None`: all that there are.
    members: Option<Vec<MemberToRemove>>,
    reason: Option<String>,
}

impl RemoveMembers {
    /// Removes these members of the group. To remove those that came by KIP-848 needs Kafka 4.3.
    pub fn new(
        group: impl Into<String>,
        members: impl IntoIterator<Item = MemberToRemove>,
    ) -> Self {
        let members = Some(members.into_iter().collect());
        Self { group: group.into(), members, reason: None }
    }

    /// Removes all members that the group has now.
    pub fn all(group: impl Into<String>) -> Self {
        Self { group: group.into(), members: None, reason: None }
    }
}

setters!(RemoveMembers {
    /// Why, for the log of the broker (KIP-800), from Kafka 3.2 on; older brokers are not told.
    /// At most 255 characters are sent. Default: none.
    reason: String => |this, value| {
        this.reason = Some(value.chars().take(REASON_CHARACTERS).collect());
    };
});

impl Run for RemoveMembers {
    type Output = Results<MemberToRemove, ()>;

    fn check(&self) -> Result<()> {
        let members = self.members.as_deref().unwrap_or_default();
        if members.iter().any(|member| match member {
            MemberToRemove::MemberId(id) | MemberToRemove::InstanceId(id) => id.is_empty(),
        }) {
            return Err(Error::config("a member to remove has an empty name"));
        }
        check_once("member", members)
    }

    #[inline]
    fn run(self, Context { cluster, deadline }: Context) -> Running<Self::Output> {
        Box::pin(async move {
            let members = if let Some(members) = &self.members {
                members.clone()
            } else {
                let group = DescribeConsumerGroups::new([&self.group]);
                let group = Results::new(group.described(&cluster, deadline).await?).into_only()?;
                let members = group.members.into_iter().map(|member| match member.instance_id {
                    Some(instance) => MemberToRemove::InstanceId(instance),
                    None => MemberToRemove::MemberId(member.member_id),
                });
                members.collect()
            };
            Ok(Results::new(split(&cluster, deadline, &self, members).await?))
        })
    }
}

impl Split for RemoveMembers {
    type Item = MemberToRemove;
    type Key = MemberToRemove;
    type Request = LeaveGroupRequest;
    type Value = ();
    const WHAT: &'static str = "remove member";
    const MANY_FROM: i16 = 3;

    fn key(&self, member: &MemberToRemove) -> MemberToRemove {
        member.clone()
    }

    fn target(&self, _: &MemberToRemove) -> Target {
        Target::Group(self.group.clone())
    }

    #[inline]
    fn request(&self, members: &[MemberToRemove], at: &At) -> Result<LeaveGroupRequest> {
        let mut request = LeaveGroupRequest { group_id: self.group.clone(), ..Default::default() };
        for member in members {
            match member {
                MemberToRemove::MemberId(id) if at.version < Self::MANY_FROM => {
                    request.member_id.clone_from(id);
                    return Ok(request);
                }
                MemberToRemove::InstanceId(_) => {
                    let what = "removing members by instance id";
                    at.needs::<LeaveGroupRequest>(Self::MANY_FROM, what)?;
                }
                MemberToRemove::MemberId(_) => {}
            }
            let (member_id, group_instance_id) = match member {
                MemberToRemove::MemberId(id) => (id.clone(), None),
                MemberToRemove::InstanceId(id) => (String::new(), Some(id.clone())),
            };
            let reason = self.reason.clone();
            let member =
                MemberIdentity { member_id, group_instance_id, reason, ..Default::default() };
            request.members.push(member);
        }
        Ok(request)
    }

    #[inline]
    fn answers(
        &self,
        members: &[MemberToRemove],
        response: LeaveGroupResponse,
        answers: &mut Answers<MemberToRemove, ()>,
    ) {
        answers.all(response.error_code, None);
        if answers.version < Self::MANY_FROM {
            for member in members {
                answers.insert(member.clone(), response.error_code, None, ());
            }
        }
        for said in response.members {
            // Brokers add the member id that they found for an instance id.
            let member = match said.group_instance_id {
                Some(instance) if members.iter().any(
                    |member| matches!(member, MemberToRemove::InstanceId(id) if *id == instance),
                ) => MemberToRemove::InstanceId(instance),
                _ => MemberToRemove::MemberId(said.member_id),
            };
            answers.insert(member, said.error_code, None, ());
        }
    }
}
