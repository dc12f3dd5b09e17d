//! Which broker keeps a group or a transaction: asked once, and cached until it is wrong.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Cluster, Target};
use crate::error::{Error, Result};
use crate::protocol::ErrorCode;
use crate::protocol::messages::find_coordinator::FindCoordinatorRequest;

/// The kinds of keys, as the protocol numbers them.
pub(super) const GROUP: i8 = 0;
pub(super) const TRANSACTION: i8 = 1;

#[derive(Debug, Default)]
pub(super) struct Coordinators(Mutex<HashMap<(i8, String), i32>>);

impl Coordinators {
    /// Drops the coordinator that the target led to, if it has one.
    pub(super) fn forget(&self, target: &Target) {
        match target {
            Target::Group(name) => self.known().remove(&(GROUP, name.clone())),
            Target::Transaction(name) => self.known().remove(&(TRANSACTION, name.clone())),
            _ => None,
        };
    }

    pub(super) async fn find(&self, cluster: &Cluster, kind: i8, name: &str) -> Result<i32> {
        let key = (kind, name.to_owned());
        if let Some(id) = self.known().get(&key) {
            return Ok(*id);
        }
        let id = ask(cluster, kind, name).await?;
        self.known().insert(key, id);
        Ok(id)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<(i8, String), i32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn ask(cluster: &Cluster, kind: i8, name: &str) -> Result<i32> {
    // From version 4 on names travel in a list (KIP-699).
    let request = |version| match version {
        ..4 => {
            FindCoordinatorRequest { key: name.to_owned(), key_type: kind, ..Default::default() }
        }
        4.. => FindCoordinatorRequest {
            key_type: kind,
            coordinator_keys: vec![name.to_owned()],
            ..Default::default()
        },
    };
    let response = Box::pin(cluster.attempt(&Target::Any, request)).await?;
    let (error, id) = match response.coordinators.first() {
        Some(found) => (found.error_code, found.node_id),
        None => (response.error_code, response.node_id),
    };
    match ErrorCode(error) {
        ErrorCode::NONE if id >= 0 => Ok(id),
        ErrorCode::NONE => Err(super::unavailable(&format!("the coordinator of {name}"))),
        error => Err(Error::broker(error, format!("find the coordinator of {name}"))),
    }
}
