//! Deletes groups.

use super::check_groups;
use crate::admin::PerItem;
use crate::cluster::{Answers, At, Split, Target};
use crate::error::Result;
use crate::protocol::messages::delete_groups::{DeleteGroupsRequest, DeleteGroupsResponse};

/// Deletes groups: see [`Client::delete_groups`](crate::Client::delete_groups).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct DeleteGroups {
    groups: Vec<String>,
}

impl DeleteGroups {
    /// Deletes these groups, of whatever type.
    pub fn new<S: Into<String>>(groups: impl IntoIterator<Item = S>) -> Self {
        Self { groups: groups.into_iter().map(Into::into).collect() }
    }
}

impl PerItem for DeleteGroups {
    fn items(&self) -> Vec<Self::Item> {
        self.groups.clone()
    }

    fn check(&self) -> Result<()> {
        check_groups(&self.groups)
    }
}

impl Split for DeleteGroups {
    type Item = String;
    type Key = String;
    type Request = DeleteGroupsRequest;
    type Value = ();
    const WHAT: &'static str = "delete group";

    fn key(&self, group: &String) -> String {
        group.clone()
    }

    fn target(&self, group: &String) -> Target {
        Target::Group(group.clone())
    }

    #[inline]
    fn request(&self, groups: &[String], _: &At) -> Result<DeleteGroupsRequest> {
        Ok(DeleteGroupsRequest { groups_names: groups.to_vec(), ..Default::default() })
    }

    #[inline]
    fn answers(
        &self,
        _: &[String],
        response: DeleteGroupsResponse,
        answers: &mut Answers<String, ()>,
    ) {
        for result in response.results {
            answers.insert(result.group_id, result.error_code, None, ());
        }
    }
}
