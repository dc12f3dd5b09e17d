//! `DescribeAcls`: the access control entries that match a filter, if there is an authorizer.

use super::Context;
use crate::protocol::messages::describe_acls::{
    AclDescription, DescribeAclsRequest, DescribeAclsResource, DescribeAclsResponse,
};
use crate::testing::acls::Filter;
use crate::testing::state::{Refusal, State};

pub(super) fn handle(
    state: &mut State,
    context: &Context,
    request: DescribeAclsRequest,
) -> DescribeAclsResponse {
    let filter = Filter {
        resource_type: request.resource_type_filter,
        resource_name: request.resource_name_filter,
        pattern_type: request.pattern_type_filter,
        principal: request.principal_filter,
        host: request.host_filter,
        operation: request.operation,
        permission_type: request.permission_type,
    };
    let mut response =
        DescribeAclsResponse { throttle_time_ms: context.throttle_time_ms, ..Default::default() };
    match find(state, context, &filter) {
        Ok(resources) => response.resources = resources,
        Err((code, text)) => {
            response.error_code = code.0;
            response.error_message = Some(text);
        }
    }
    response
}

fn find(
    state: &mut State,
    context: &Context,
    filter: &Filter,
) -> Result<Vec<DescribeAclsResource>, Refusal> {
    let acls = state.acls(context.fail)?;
    filter.check()?;
    let mut resources: Vec<DescribeAclsResource> = Vec::new();
    // In order, so that those of one resource come one after the other.
    for acl in acls.iter().filter(|acl| filter.matches(acl)) {
        let entry = AclDescription {
            principal: acl.principal.clone(),
            host: acl.host.clone(),
            operation: acl.operation,
            permission_type: acl.permission_type,
            ..Default::default()
        };
        match resources.last_mut() {
            Some(last)
                if (last.resource_type, last.pattern_type)
                    == (acl.resource_type, acl.pattern_type)
                    && last.resource_name == acl.resource_name =>
            {
                last.acls.push(entry);
            }
            _ => resources.push(DescribeAclsResource {
                resource_type: acl.resource_type,
                resource_name: acl.resource_name.clone(),
                pattern_type: acl.pattern_type,
                acls: vec![entry],
                ..Default::default()
            }),
        }
    }
    Ok(resources)
}
