//! Lists groups: each broker knows those that it coordinates.

use std::collections::BTreeMap;

use super::{GroupState, GroupType, text};
use crate::admin::sealed::{Context, Run};
use crate::admin::{Listing, Running, setters};
use crate::cluster::At;
use crate::error::{Error, Result};
use crate::protocol::ErrorCode;
use crate::protocol::messages::list_groups::{ListGroupsRequest, ListGroupsResponse, ListedGroup};

/// Lists groups: see [`Client::list_groups`](crate::Client::list_groups).
#[derive(Clone, Debug, Default)]
#[must_use = "an operation does nothing until it is run"]
pub struct ListGroups {
    states: Vec<GroupState>,
    kinds: Vec<GroupType>,
    protocol_types: Vec<String>,
}

impl ListGroups {
    /// Lists all groups of the cluster, whatever their type.
    pub fn new() -> Self {
        Self::default()
    }
}

setters!(ListGroups {
    /// Only groups in one of these states. Needs Kafka 2.6 (KIP-518).
    states: Vec<GroupState> => |this, value| this.states = value;
    /// Only groups of one of these types. Needs Kafka 3.8 (KIP-848), unless it is classic groups,
    /// or classic and consumer groups, that are wanted: brokers before that have no others.
    kinds: Vec<GroupType> => |this, value| this.kinds = value;
    /// Only groups of one of these protocol types, such as `consumer` or `connect`.
    protocol_types: Vec<String> => |this, value| this.protocol_types = value;
});

/// A group of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupListing {
    /// Its id.
    pub group_id: String,
    /// What its members do with each other, such as `consumer` or `connect`; empty if it has
    /// offsets and never had members.
    pub protocol_type: String,
    /// What it is doing, from Kafka 2.6 on.
    pub state: Option<GroupState>,
    /// How it is coordinated, from Kafka 3.8 on.
    pub kind: Option<GroupType>,
}

impl Run for ListGroups {
    type Output = Listing<GroupListing>;

    #[inline]
    fn run(self, Context { cluster, deadline }: Context) -> Running<Self::Output> {
        Box::pin(async move {
            let request = |at: &At| self.request(at);
            let read = |response| self.read(response);
            let brokers = cluster.ask_every(deadline, "list groups", request, read).await?;
            let mut listing = Listing::new(brokers);
            // While its coordinator moves, two brokers may have a group.
            let mut groups = BTreeMap::new();
            for group in listing.items.drain(..) {
                groups.entry(group.group_id.clone()).or_insert(group);
            }
            listing.items = groups.into_values().collect();
            Ok(listing)
        })
    }
}

impl ListGroups {
    #[inline]
    fn request(&self, at: &At) -> Result<ListGroupsRequest> {
        // Older brokers do not tell states and types either.
        if !self.states.is_empty() {
            at.needs::<ListGroupsRequest>(4, "listing groups by state")?;
        }
        // Where there are only classic groups, they need no filter.
        let only = |kind: &GroupType| matches!(kind, GroupType::Classic | GroupType::Consumer);
        let is_old = at.version < 5;
        let no_filter =
            is_old && self.kinds.contains(&GroupType::Classic) && self.kinds.iter().all(only);
        let kinds = if no_filter { &[][..] } else { &self.kinds };
        if !kinds.is_empty() {
            at.needs::<ListGroupsRequest>(5, "listing groups by type")?;
        }
        Ok(ListGroupsRequest {
            states_filter: self.states.iter().map(ToString::to_string).collect(),
            types_filter: kinds.iter().map(ToString::to_string).collect(),
            ..Default::default()
        })
    }

    fn read(&self, response: ListGroupsResponse) -> Result<Vec<GroupListing>> {
        ErrorCode(response.error_code).check().map_err(|code| Error::broker(code, "groups"))?;
        let wanted = |group: &ListedGroup| {
            self.protocol_types.is_empty() || self.protocol_types.contains(&group.protocol_type)
        };
        let groups = response.groups.into_iter().filter(wanted).map(|group| GroupListing {
            group_id: group.group_id,
            protocol_type: group.protocol_type,
            state: text(group.group_state).map(|state| GroupState::from_name(&state)),
            kind: text(group.group_type).map(|kind| GroupType::from_name(&kind)),
        });
        Ok(groups.collect())
    }
}
