//! `DeleteAcls`: forgets access control entries, if there is an authorizer.

use super::Context;
use crate::protocol::messages::delete_acls::{
    DeleteAclsFilterResult, DeleteAclsMatchingAcl, DeleteAclsRequest, DeleteAclsResponse,
};
use crate::testing::acls::{Acl, Filter};
use crate::testing::state::{Refusal, State};

pub(super) fn handle(
    state: &mut State,
    context: &Context,
    request: DeleteAclsRequest,
) -> DeleteAclsResponse {
    let filters = request.filters.into_iter().map(|asked| Filter {
        resource_type: asked.resource_type_filter,
        resource_name: asked.resource_name_filter,
        pattern_type: asked.pattern_type_filter,
        principal: asked.principal_filter,
        host: asked.host_filter,
        operation: asked.operation,
        permission_type: asked.permission_type,
    });
    // All are looked up before any is deleted.
    let found: Vec<_> = filters.map(|filter| find(state, context, &filter)).collect();
    let results = found.into_iter().map(|found| match found {
        Ok(acls) => DeleteAclsFilterResult {
            matching_acls: acls.into_iter().map(|acl| delete(state, acl)).collect(),
            ..Default::default()
        },
        Err((code, text)) => DeleteAclsFilterResult {
            error_code: code.0,
            error_message: Some(text),
            ..Default::default()
        },
    });
    DeleteAclsResponse {
        throttle_time_ms: context.throttle_time_ms,
        filter_results: results.collect(),
        ..Default::default()
    }
}

fn find(state: &mut State, context: &Context, filter: &Filter) -> Result<Vec<Acl>, Refusal> {
    let acls = state.acls(context.fail)?;
    filter.check()?;
    Ok(acls.iter().filter(|acl| filter.matches(acl)).cloned().collect())
}

fn delete(state: &mut State, acl: Acl) -> DeleteAclsMatchingAcl {
    if let Ok(acls) = state.acls(None) {
        acls.remove(&acl);
    }
    DeleteAclsMatchingAcl {
        resource_type: acl.resource_type,
        resource_name: acl.resource_name,
        pattern_type: acl.pattern_type,
        principal: acl.principal,
        host: acl.host,
        operation: acl.operation,
        permission_type: acl.permission_type,
        ..Default::default()
    }
}
