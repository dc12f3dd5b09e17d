//! `DeleteTopics`: by name, or by id.

use super::Context;
use crate::protocol::ErrorCode;
use crate::protocol::messages::delete_topics::{
    DeletableTopicResult, DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse,
};
use crate::testing::state::{State, TopicRef};

pub(super) fn handle(
    state: &mut State,
    context: &Context,
    request: DeleteTopicsRequest,
) -> DeleteTopicsResponse {
    let by_name = request.topic_names.into_iter();
    let by_name = by_name.map(|name| DeleteTopicState { name: Some(name), ..Default::default() });
    let responses = by_name.chain(request.topics).map(|asked| {
        let (error, text) = match delete(state, context, &asked) {
            Ok(()) => (ErrorCode::NONE, None),
            Err(code) => (code, Some(code.text().to_owned()).filter(|text| !text.is_empty())),
        };
        DeletableTopicResult {
            name: asked.name,
            topic_id: asked.topic_id,
            error_code: error.0,
            error_message: text,
            ..Default::default()
        }
    });
    DeleteTopicsResponse {
        responses: responses.collect(),
        throttle_time_ms: context.throttle_time_ms,
        ..Default::default()
    }
}

fn delete(state: &mut State, context: &Context, asked: &DeleteTopicState) -> Result<(), ErrorCode> {
    if let Some(code) = context.fail {
        return Err(code);
    }
    if state.controller != context.broker {
        return Err(ErrorCode::NOT_CONTROLLER);
    }
    let by = match &asked.name {
        Some(name) if asked.topic_id.is_nil() => TopicRef::Name(name),
        None if !asked.topic_id.is_nil() => TopicRef::Id(asked.topic_id),
        _ => return Err(ErrorCode::INVALID_REQUEST),
    };
    let name = state.topics.find(by)?.name.clone();
    state.delete_topic(&name);
    Ok(())
}
