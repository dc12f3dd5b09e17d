//! The shared connections, one per broker: dialled when needed, by one caller at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use super::ClusterConfig;
use crate::error::{Error, Result};
use crate::transport::{Connect, Connection, ConnectionConfig};

/// Keeps the connections of one cluster.
#[derive(Debug)]
pub(super) struct Pool {
    connector: Arc<dyn Connect>,
    slots: Mutex<HashMap<i32, Arc<Slot>>>,
}

/// The async lock is held while dialling, so that all who want this connection share one attempt.
type Slot = tokio::sync::Mutex<State>;

#[derive(Debug, Default)]
struct State {
    open: Option<Open>,
    failures: u32,
    /// Until then, callers get the last failure at once instead of dialling again.
    closed_until: Option<(Instant, Error)>,
}

#[derive(Debug)]
struct Open {
    address: (String, u16),
    connection: Connection,
}

impl Pool {
    pub(super) fn new(connector: Arc<dyn Connect>) -> Self {
        Self { connector, slots: Mutex::default() }
    }

    /// The connection to a broker, dialled if there is none or the broker has moved.
    pub(super) async fn get(
        &self,
        broker: i32,
        (host, port): (&str, u16),
        config: &ClusterConfig,
    ) -> Result<Connection> {
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            slots.entry(broker).or_default().clone()
        };
        let mut state = slot.lock().await;
        if let Some(open) = &state.open {
            let (known, known_port) = &open.address;
            if !open.connection.is_closed() && known == host && *known_port == port {
                return Ok(open.connection.clone());
            }
            state.open = None;
        }
        if let Some((until, error)) = &state.closed_until {
            if Instant::now() < *until {
                return Err(error.clone());
            }
        }
        match self.dial(host, port, config).await {
            Ok(connection) => {
                let address = (host.to_owned(), port);
                *state = State {
                    open: Some(Open { address, connection: connection.clone() }),
                    ..State::default()
                };
                Ok(connection)
            }
            Err(error) => {
                let error = error.context(format!("connect to broker {broker} at {host}:{port}"));
                state.failures += 1;
                let until = Instant::now() + config.backoff.after(state.failures);
                state.closed_until = Some((until, error.clone()));
                Err(error)
            }
        }
    }

    /// A connection outside of the pool: for one caller alone, or to a bootstrap address, whose id
    /// is not known yet.
    pub(super) async fn dial(
        &self,
        host: &str,
        port: u16,
        config: &ClusterConfig,
    ) -> Result<Connection> {
        let settings = ConnectionConfig {
            client_id: config.client_id.clone(),
            connect_timeout: config.connect_timeout,
            request_timeout: config.request_timeout,
            max_frame_size: config.max_frame_size,
            ..ConnectionConfig::default()
        };
        Ok(Connection::open(self.connector.as_ref(), host, port, &settings).await?)
    }
}
