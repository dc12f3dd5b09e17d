//! `CreateAcls`: keeps access control entries, if there is an authorizer.

use super::Context;
use crate::protocol::ErrorCode;
use crate::protocol::messages::create_acls::{
    AclCreationResult, CreateAclsRequest, CreateAclsResponse,
};
use crate::testing::acls::Acl;
use crate::testing::state::{Refusal, State};

pub(super) fn handle(
    state: &mut State,
    context: &Context,
    request: CreateAclsRequest,
) -> CreateAclsResponse {
    let results = request.creations.into_iter().map(|asked| {
        let acl = Acl {
            resource_type: asked.resource_type,
            resource_name: asked.resource_name,
            pattern_type: asked.resource_pattern_type,
            principal: asked.principal,
            host: asked.host,
            operation: asked.operation,
            permission_type: asked.permission_type,
        };
        let (code, error_message) = match create(state, context, acl) {
            Ok(()) => (ErrorCode::NONE, None),
            Err((code, text)) => (code, Some(text)),
        };
        AclCreationResult { error_code: code.0, error_message, ..Default::default() }
    });
    CreateAclsResponse {
        throttle_time_ms: context.throttle_time_ms,
        results: results.collect(),
        ..Default::default()
    }
}

fn create(state: &mut State, context: &Context, acl: Acl) -> Result<(), Refusal> {
    let acls = state.acls(context.fail)?;
    acl.check()?;
    acls.insert(acl);
    Ok(())
}
