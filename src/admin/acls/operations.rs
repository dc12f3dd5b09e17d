//! Adds, lists and removes access control entries.

use super::entries::ANY;
use super::{
    AclBinding, AclFilter, AclOperation, AclPermission, PatternType, ResourcePattern, ResourceType,
};
use crate::admin::sealed::{Context, Run};
use crate::admin::{PerItem, Results, Running, check_once};
use crate::cluster::{Answers, At, Split, Target, check_response};
use crate::error::{Error, Result};
use crate::protocol::messages::create_acls::{AclCreation, CreateAclsRequest, CreateAclsResponse};
use crate::protocol::messages::delete_acls::{
    DeleteAclsFilter, DeleteAclsMatchingAcl, DeleteAclsRequest, DeleteAclsResponse,
};
use crate::protocol::messages::describe_acls::{DescribeAclsRequest, DescribeAclsResponse};

/// Adds access control entries: see [`Client::create_acls`](crate::Client::create_acls).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct CreateAcls {
    acls: Vec<AclBinding>,
}

impl CreateAcls {
    /// Adds these entries.
    pub fn new(acls: impl IntoIterator<Item = AclBinding>) -> Self {
        Self { acls: acls.into_iter().collect() }
    }
}

impl PerItem for CreateAcls {
    fn items(&self) -> Vec<AclBinding> {
        self.acls.clone()
    }

    fn check(&self) -> Result<()> {
        for acl in &self.acls {
            if acl.resource.name.is_empty() || acl.principal.name.is_empty() || acl.host.is_empty()
            {
                let text = format!("{acl}: resource, principal and host of an ACL have names");
                return Err(Error::config(text));
            }
        }
        check_once("ACL", &self.acls)
    }
}

impl Split for CreateAcls {
    type Item = AclBinding;
    type Key = AclBinding;
    type Request = CreateAclsRequest;
    type Value = ();
    const WHAT: &'static str = "create ACL";

    fn key(&self, item: &AclBinding) -> AclBinding {
        item.clone()
    }

    fn target(&self, _: &AclBinding) -> Target {
        Target::Any
    }

    #[inline]
    fn request(&self, items: &[AclBinding], _: &At) -> Result<CreateAclsRequest> {
        let creation = |acl: &AclBinding| AclCreation {
            resource_type: acl.resource.resource.code(),
            resource_name: acl.resource.name.clone(),
            resource_pattern_type: acl.resource.pattern.code(),
            principal: acl.principal.to_string(),
            host: acl.host.clone(),
            operation: acl.operation.code(),
            permission_type: acl.permission.code(),
            ..Default::default()
        };
        let creations = items.iter().map(creation).collect();
        Ok(CreateAclsRequest { creations, ..Default::default() })
    }

    #[inline]
    fn answers(
        &self,
        items: &[AclBinding],
        response: CreateAclsResponse,
        answers: &mut Answers<AclBinding, ()>,
    ) {
        for (acl, result) in items.iter().zip(response.results) {
            answers.insert(acl.clone(), result.error_code, result.error_message, ());
        }
    }
}

/// Lists access control entries: see [`Client::describe_acls`](crate::Client::describe_acls).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct DescribeAcls {
    filter: AclFilter,
}

impl DescribeAcls {
    /// Lists those that match.
    pub fn new(filter: impl Into<AclFilter>) -> Self {
        Self { filter: filter.into() }
    }
}

impl Run for DescribeAcls {
    type Output = Vec<AclBinding>;

    #[inline]
    fn run(self, Context { cluster, deadline }: Context) -> Running<Self::Output> {
        Box::pin(async move {
            let filter = &self.filter;
            let request = |at: &At| {
                Ok(DescribeAclsRequest {
                    resource_type_filter: filter.resource.map_or(ANY, ResourceType::code),
                    resource_name_filter: filter.name.clone(),
                    pattern_type_filter: filter.pattern_code::<DescribeAclsRequest>(at)?,
                    principal_filter: filter.principal.as_ref().map(ToString::to_string),
                    host_filter: filter.host.clone(),
                    operation: filter.operation.map_or(ANY, AclOperation::code),
                    permission_type: filter.permission.map_or(ANY, AclPermission::code),
                    ..Default::default()
                })
            };
            cluster.ask(&Target::Any, deadline, "describe ACLs", request, described).await
        })
    }
}

fn described(response: DescribeAclsResponse) -> Result<Vec<AclBinding>> {
    check_response(response.error_code, response.error_message)?;
    let mut acls = Vec::new();
    for it in response.resources {
        let resource = pattern(it.resource_type, it.resource_name, it.pattern_type);
        acls.extend(it.acls.into_iter().map(|acl| AclBinding {
            resource: resource.clone(),
            principal: acl.principal.into(),
            host: acl.host,
            operation: AclOperation::from_code(acl.operation),
            permission: AclPermission::from_code(acl.permission_type),
        }));
    }
    Ok(acls)
}

/// Removes access control entries: see [`Client::delete_acls`](crate::Client::delete_acls).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct DeleteAcls {
    filters: Vec<AclFilter>,
}

impl DeleteAcls {
    /// Removes those that match one of these.
    pub fn new<F: Into<AclFilter>>(filters: impl IntoIterator<Item = F>) -> Self {
        Self { filters: filters.into_iter().map(Into::into).collect() }
    }
}

impl PerItem for DeleteAcls {
    fn items(&self) -> Vec<AclFilter> {
        self.filters.clone()
    }

    fn check(&self) -> Result<()> {
        check_once("ACL filter", &self.filters)
    }
}

impl Split for DeleteAcls {
    type Item = AclFilter;
    type Key = AclFilter;
    type Request = DeleteAclsRequest;
    /// The entries that matched the filter, each with whether it is gone.
    type Value = Results<AclBinding, ()>;
    const WHAT: &'static str = "delete ACLs";

    fn key(&self, item: &AclFilter) -> AclFilter {
        item.clone()
    }

    fn target(&self, _: &AclFilter) -> Target {
        Target::Any
    }

    #[inline]
    fn request(&self, items: &[AclFilter], at: &At) -> Result<DeleteAclsRequest> {
        let filter = |filter: &AclFilter| {
            Ok(DeleteAclsFilter {
                resource_type_filter: filter.resource.map_or(ANY, ResourceType::code),
                resource_name_filter: filter.name.clone(),
                pattern_type_filter: filter.pattern_code::<DeleteAclsRequest>(at)?,
                principal_filter: filter.principal.as_ref().map(ToString::to_string),
                host_filter: filter.host.clone(),
                operation: filter.operation.map_or(ANY, AclOperation::code),
                permission_type: filter.permission.map_or(ANY, AclPermission::code),
                ..Default::default()
            })
        };
        let filters = items.iter().map(filter).collect::<Result<_>>()?;
        Ok(DeleteAclsRequest { filters, ..Default::default() })
    }

    #[inline]
    fn answers(
        &self,
        items: &[AclFilter],
        response: DeleteAclsResponse,
        answers: &mut Answers<AclFilter, Results<AclBinding, ()>>,
    ) {
        for (filter, result) in items.iter().zip(response.filter_results) {
            let deleted = Results::new(result.matching_acls.into_iter().map(deleted).collect());
            answers.insert(filter.clone(), result.error_code, result.error_message, deleted);
        }
    }
}

fn deleted(acl: DeleteAclsMatchingAcl) -> (AclBinding, Result<()>) {
    let binding = AclBinding {
        resource: pattern(acl.resource_type, acl.resource_name, acl.pattern_type),
        principal: acl.principal.into(),
        host: acl.host,
        operation: AclOperation::from_code(acl.operation),
        permission: AclPermission::from_code(acl.permission_type),
    };
    let result = check_response(acl.error_code, acl.error_message);
    let result = result.map_err(|error| error.context(format!("delete ACL {binding}")));
    (binding, result)
}

fn pattern(resource: i8, name: String, pattern: i8) -> ResourcePattern {
    ResourcePattern {
        resource: ResourceType::from_code(resource),
        name,
        pattern: PatternType::from_code(pattern),
    }
}
