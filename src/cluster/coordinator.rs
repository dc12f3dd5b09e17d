//! Which broker keeps a group or a transaction: asked once, and cached until it is wrong.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::future::join_all;
use tokio::time::Instant;

use super::refresh::first;
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

    pub(super) fn has(&self, kind: i8, name: &str) -> bool {
        self.known().contains_key(&(kind, name.to_owned()))
    }

    /// The coordinators of these names; those that are not known yet are asked for at once.
    pub(super) async fn find(
        &self,
        cluster: &Cluster,
        kind: i8,
        names: BTreeSet<&str>,
    ) -> HashMap<String, Result<i32>> {
        let known = |name: &str| self.known().get(&(kind, name.to_owned())).copied();
        let mut found = HashMap::new();
        let mut wanted = Vec::new();
        for name in names {
            match known(name) {
                Some(id) => drop(found.insert(name.to_owned(), Ok(id))),
                None => wanted.push(name.to_owned()),
            }
        }
        if !wanted.is_empty() {
            let answers = ask(cluster, kind, &wanted).await;
            for name in wanted {
                let answer = answers.get(&name).cloned();
                let answer = answer.unwrap_or_else(|| Err(not_found(ErrorCode::NONE, &name)));
                if let Ok(id) = answer {
                    self.known().insert((kind, name.clone()), id);
                }
                found.insert(name, answer);
            }
        }
        found
    }

    fn known(&self) -> MutexGuard<'_, HashMap<(i8, String), i32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks one broker after the other until one answers; a silent one does not hold up the rest.
async fn ask(cluster: &Cluster, kind: i8, names: &[String]) -> HashMap<String, Result<i32>> {
    let mut brokers: Vec<_> = cluster.metadata().brokers.keys().copied().collect();
    fastrand::shuffle(&mut brokers);
    let asked = brokers.into_iter().map(|broker| ask_broker(cluster, broker, kind, names));
    let deadline = Instant::now() + cluster.config().api_timeout;
    first(asked, deadline).await.unwrap_or_else(|failures| {
        let error = failures.into_iter().next();
        let error = error.unwrap_or_else(|| super::unavailable("any broker"));
        let error = error.context(format!("find the coordinator of {}", names.join(", ")));
        names.iter().map(|name| (name.clone(), Err(error.clone()))).collect()
    })
}

async fn ask_broker(
    cluster: &Cluster,
    broker: i32,
    kind: i8,
    names: &[String],
) -> Result<HashMap<String, Result<i32>>> {
    let connection = cluster.connection(broker).await?;
    let version = connection.version::<FindCoordinatorRequest>()?;
    // From version 4 on names travel in a list (KIP-699).
    let requests: Vec<_> = if version < 4 {
        let one = |name: &String| FindCoordinatorRequest {
            key: name.clone(),
            key_type: kind,
            ..Default::default()
        };
        names.iter().map(one).collect()
    } else {
        let coordinator_keys = names.to_vec();
        vec![FindCoordinatorRequest { key_type: kind, coordinator_keys, ..Default::default() }]
    };
    let timeout = cluster.config().request_timeout;
    let responses = join_all(requests.iter().map(|request| connection.call(request, timeout)));
    let mut found = HashMap::new();
    for (response, request) in responses.await.into_iter().zip(requests) {
        let response = response?;
        if version < 4 {
            let answer = read(response.error_code, response.node_id, &request.key);
            found.insert(request.key, answer);
        }
        found.extend(response.coordinators.into_iter().map(|it| {
            let answer = read(it.error_code, it.node_id, &it.key);
            (it.key, answer)
        }));
    }
    Ok(found)
}

fn read(code: i16, id: i32, name: &str) -> Result<i32> {
    match ErrorCode(code) {
        ErrorCode::NONE if id >= 0 => Ok(id),
        code => Err(not_found(code, name)),
    }
}

/// Without a code the broker has named nobody.
fn not_found(code: ErrorCode, name: &str) -> Error {
    match code {
        ErrorCode::NONE => super::unavailable(&format!("the coordinator of {name}")),
        code => Error::broker(code, format!("find the coordinator of {name}")),
    }
}
