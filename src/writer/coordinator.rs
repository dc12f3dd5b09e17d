//! Asks brokers who the writer is, and coordinators for what its transactions need. What to ask when is
//! decided in `accumulator/transaction.rs`.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::accumulator::{End, Errand, Heard};
use super::batch::At;
use super::sequence::Identity;
use super::{Shared, Transactional};
use crate::cluster::{self, Target, check_response};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::ErrorCode;
use crate::protocol::messages::add_partitions_to_txn::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnTopic,
};
use crate::protocol::messages::api_versions::ApiVersionsResponse;
use crate::protocol::messages::end_txn::EndTxnRequest;
use crate::protocol::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use crate::transport::api_versions_request;
use crate::types::TopicPartition;

/// The newest versions where transactions need calls of their own to add to them. Newer ones are for
/// transactions of which each has an epoch (KIP-890), and whose feature may be switched off.
const LAST_END_V1: i16 = 4;
const LAST_ADD_PARTITIONS: i16 = 3;
/// From here on, a producer that goes on says who it was (KIP-360).
const FIRST_TO_GO_ON: i16 = 3;

/// How often an abort is tried that looks as if the writer were fenced, for a second in all.
const FEW: usize = 50;

/// Asks for what the accumulator wants, and tells it the answer.
pub(super) async fn run(shared: &Shared, errand: Errand) {
    match (errand, &shared.config.transactional) {
        (Errand::Renew(before), Some(own)) => renew(shared, own, before).await,
        (Errand::Join(identity, partitions), Some(own)) => {
            join(shared, own, identity, &partitions).await;
        }
        (Errand::End(how), Some(own)) => {
            if how.heard == Heard::Nothing {
                let told = shared.accumulator().ended(how.identity, false);
                told.tell();
            } else {
                end(shared, own, how).await;
            }
        }
        (_, _) => identify(shared).await,
    }
}

/// Asks for the id of a producer. What is written waits for it, and its deadlines do not wait.
async fn identify(shared: &Shared) {
    let request = InitProducerIdRequest { transaction_timeout_ms: i32::MAX, ..Default::default() };
    let asked = shared.cluster.ask(
        &Target::Any,
        shared.cluster.deadline(),
        "init producer id",
        |_| Ok(request.clone()),
        |response| read_identity(&response, false),
    );
    let identity = match asked.await {
        Ok(identity) => Some(identity),
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            tracing::debug!(%error, "the brokers do not know idempotent writers");
            None
        }
        Err(error) if error.is_retriable() => {
            tracing::debug!(%error, "no producer id");
            tokio::time::sleep(shared.cluster.config().backoff.after(1)).await;
            return shared.accumulator().not_identified(error);
        }
        Err(error) => {
            return shared.fail_all(&error.context("idempotent: there is no producer id"));
        }
    };
    let wakes = shared.accumulator().identify(identity);
    wakes.wake();
}

/// Asks for the id and the next epoch of the transactional id. This fences whoever had it before, and
/// aborts what that one has left open.
async fn renew(shared: &Shared, own: &Transactional, before: Option<Identity>) {
    let asked = async {
        let (cluster, target) = (&shared.cluster, own.target());
        let deadline = cluster.deadline();
        let is_implicit = cluster.ask(
            &target,
            deadline,
            "transaction.version",
            |_| Ok(api_versions_request()),
            |response: ApiVersionsResponse| {
                check_response(response.error_code, None)?;
                let mut features = response.finalized_features.iter();
                Ok(features.any(|it| it.name == "transaction.version" && it.max_version_level >= 2))
            },
        );
        let is_implicit = is_implicit.await?;
        let request = |at: &cluster::At| {
            let before = before.filter(|_| at.version >= FIRST_TO_GO_ON);
            Ok(InitProducerIdRequest {
                transactional_id: Some(own.id.clone()),
                transaction_timeout_ms: i32::try_from(own.timeout.as_millis()).unwrap_or(i32::MAX),
                producer_id: before.map_or(-1, |it| it.id),
                producer_epoch: before.map_or(-1, |it| it.epoch),
                ..Default::default()
            })
        };
        let read = |response: InitProducerIdResponse| read_identity(&response, true);
        let identity = cluster.ask(&target, deadline, "init transactions", request, read).await?;
        Ok::<_, Error>((identity, is_implicit))
    };
    match asked.await {
        Ok((identity, is_implicit)) => {
            let (told, wakes) = {
                let mut accumulator = shared.accumulator();
                let wakes = accumulator.identify(Some(identity));
                (accumulator.renewed(identity, is_implicit), wakes)
            };
            wakes.wake();
            told.tell();
        }
        Err(error) if error.is_retriable() => {
            let told = shared.accumulator().stalled(error);
            told.tell();
        }
        Err(error) => shared.fail_all(&own.fatal(error)),
    }
}

fn read_identity(response: &InitProducerIdResponse, transactional: bool) -> Result<Identity> {
    check_response(response.error_code, None)?;
    Ok(Identity { id: response.producer_id, epoch: response.producer_epoch, transactional })
}

/// Makes partitions part of the transaction.
async fn join(
    shared: &Shared,
    own: &Transactional,
    identity: Identity,
    partitions: &[(At, TopicPartition)],
) {
    let mut topics: Vec<AddPartitionsToTxnTopic> = Vec::new();
    for (_, at) in partitions {
        if topics.last().is_none_or(|last| last.name != *at.topic) {
            let name = at.topic.to_string();
            topics.push(AddPartitionsToTxnTopic { name, ..Default::default() });
        }
        topics.iter_mut().next_back().into_iter().for_each(|it| it.partitions.push(at.partition));
    }
    let (lost, target) = (Lost::default(), own.target());
    let joined = shared.cluster.ask_up_to(
        LAST_ADD_PARTITIONS,
        &target,
        shared.cluster.deadline(),
        "add partitions to the transaction",
        |_| {
            shared.accumulator().joins()?;
            lost.asks();
            Ok(AddPartitionsToTxnRequest {
                v3_and_below_transactional_id: own.id.clone(),
                v3_and_below_producer_id: identity.id,
                v3_and_below_producer_epoch: identity.epoch,
                v3_and_below_topics: topics.clone(),
                ..Default::default()
            })
        },
        |response| {
            lost.answers();
            let topics = response.results_by_topic_v3_and_below.iter();
            let each = topics.flat_map(|topic| {
                topic.results_by_partition.iter().map(move |it| (&topic.name, it))
            });
            let mut failed = each.clone().filter(|(_, it)| it.partition_error_code != 0);
            // It is all or none of them: the others have not been tried.
            let is_cause = |code| ErrorCode(code) != ErrorCode::OPERATION_NOT_ATTEMPTED;
            let cause = failed.clone().find(|(_, it)| is_cause(it.partition_error_code));
            match cause.or_else(|| failed.next()) {
                Some((topic, it)) => {
                    let code = ErrorCode(it.partition_error_code);
                    Err(Error::broker(code, format!("{topic}[{}]", it.partition_index)))
                }
                None if each.count() < partitions.len() => {
                    let error = Error::new(ErrorKind::Protocol, "not all are in the answer");
                    Err(error.retriable(true))
                }
                None => Ok(()),
            }
        },
    );
    match joined.await {
        Ok(()) => {
            let wakes = {
                let mut accumulator = shared.accumulator();
                if lost.any() {
                    accumulator.spoil();
                }
                accumulator.joined(partitions)
            };
            wakes.wake();
        }
        Err(error) if is_fatal(&error) => shared.fail_all(&own.fatal(error)),
        Err(error) => {
            let mut accumulator = shared.accumulator();
            accumulator.spoil();
            accumulator.fail_transaction(&error);
        }
    }
}

/// Commits or aborts.
async fn end(shared: &Shared, own: &Transactional, how: End) {
    let End { identity, commit, is_implicit, heard, is_repeated } = how;
    let (lost, target) = (Lost::default(), own.target());
    let what = if commit { "commit the transaction" } else { "abort the transaction" };
    let ended = shared.cluster.ask_up_to(
        if is_implicit { i16::MAX } else { LAST_END_V1 },
        &target,
        shared.cluster.deadline(),
        what,
        |at| {
            if is_implicit {
                at.needs::<EndTxnRequest>(LAST_END_V1 + 1, "ending such a transaction")?;
            }
            lost.asks();
            Ok(EndTxnRequest {
                transactional_id: own.id.clone(),
                producer_id: identity.id,
                producer_epoch: identity.epoch,
                committed: commit,
                ..Default::default()
            })
        },
        |response| {
            let code = ErrorCode(response.error_code);
            // A coordinator that moves says so also of what it has done.
            if !code.is_coordinator_moved() {
                lost.answers();
            }
            let is_stranger = code == ErrorCode::PRODUCER_FENCED
                || code == ErrorCode::INVALID_PRODUCER_ID_MAPPING;
            if is_stranger && is_implicit && heard < Heard::Surely && lost.asked() < FEW {
                // A coordinator that has not heard of this transaction says the same while it still
                // ends the one before.
                let text = "perhaps the transaction before is not over";
                return Err(Error::broker(ErrorCode::CONCURRENT_TRANSACTIONS, text));
            }
            check_response(code.0, None)?;
            let next =
                Identity { id: response.producer_id, epoch: response.producer_epoch, ..identity };
            Ok(if is_implicit && next.id >= 0 { next } else { identity })
        },
    );
    let ended = ended.await;
    let may_have_committed = commit && (is_repeated || lost.any());
    let code = ended.as_ref().err().and_then(Error::code);
    let is_forgotten = code == Some(ErrorCode::INVALID_PRODUCER_ID_MAPPING);
    let told = match ended {
        Ok(next) => shared.accumulator().ended(next, lost.any() && !is_implicit),
        // The coordinator does not know this producer any more, nor its transaction.
        Err(error) if is_forgotten && !may_have_committed => {
            let mut accumulator = shared.accumulator();
            accumulator.is_refused(&error);
            accumulator.ended(identity, true)
        }
        // It has none to abort.
        Err(_)
            if !commit && code == Some(ErrorCode::INVALID_TXN_STATE) && heard < Heard::Surely =>
        {
            shared.accumulator().ended(identity, true)
        }
        Err(error) if code == Some(ErrorCode::TRANSACTION_ABORTABLE) && commit => {
            return shared.accumulator().is_refused(&error);
        }
        Err(error) => {
            let is_unknown = commit && !is_fatal(&error);
            let error = if may_have_committed || is_unknown { error.ambiguous() } else { error };
            if is_fatal(&error) || is_forgotten {
                if !may_have_committed {
                    shared.accumulator().is_refused(&error);
                }
                return shared.fail_all(&own.fatal(error));
            }
            shared.accumulator().stalled(error)
        }
    };
    told.tell();
}

/// Whether the coordinator has said that this producer will get no further.
pub(super) fn is_fatal(error: &Error) -> bool {
    error.kind() == ErrorKind::Unsupported
        || matches!(
            error.code(),
            Some(
                ErrorCode::PRODUCER_FENCED
                    | ErrorCode::INVALID_PRODUCER_EPOCH
                    | ErrorCode::INVALID_TXN_STATE
                    | ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
            )
        )
}

/// Counts the attempts of a call of which no answer has come: they may arrive at any time.
#[derive(Debug, Default)]
pub(super) struct Lost {
    asked: AtomicUsize,
    answered: AtomicUsize,
}

impl Lost {
    pub(super) fn asks(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn answers(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    pub(super) fn any(&self) -> bool {
        self.asked() > self.answered.load(Ordering::Relaxed)
    }
}

impl Transactional {
    /// The coordinator.
    pub(super) fn target(&self) -> Target {
        Target::Transaction(self.id.clone())
    }

    /// The end of the writer.
    pub(super) fn fatal(&self, error: Error) -> Error {
        let why = match error.code() {
            Some(
                ErrorCode::PRODUCER_FENCED
                | ErrorCode::INVALID_PRODUCER_EPOCH
                | ErrorCode::INVALID_TXN_STATE,
            ) => {
                ": another writer has taken it, or a transaction took longer than \
                 transaction_timeout"
            }
            _ => "",
        };
        let text = format!("transactional id {}{why}", self.id);
        error.context(text).fatal()
    }
}
