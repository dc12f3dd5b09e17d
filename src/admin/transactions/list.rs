//! Lists the transactional ids of all brokers.

use std::time::Duration;

use super::TransactionState;
use crate::admin::sealed::{Context, Run};
use crate::admin::{Listing, Running, millis, setters};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::ErrorCode;
use crate::protocol::messages::list_transactions::{
    self, ListTransactionsRequest, ListTransactionsResponse,
};

/// Lists transactional ids: see
/// [`Client::list_transactions`](crate::Client::list_transactions).
#[derive(Clone, Debug, Default)]
#[must_use = "an operation does nothing until it is run"]
pub struct ListTransactions {
    states: Vec<TransactionState>,
    producer_ids: Vec<i64>,
    longer_than: Option<Duration>,
    id_pattern: Option<String>,
}

impl ListTransactions {
    /// Lists all transactional ids.
    pub fn new() -> Self {
        Self::default()
    }
}

setters!(ListTransactions {
    /// Only those in one of these states. Default: all.
    states: Vec<TransactionState> => |this, value| this.states = value;
    /// Only those of one of these producer ids. Default: all.
    producer_ids: Vec<i64> => |this, value| this.producer_ids = value;
    /// Only transactions that have been open for longer (KIP-994). Default: all. Needs Kafka 3.8.
    longer_than: Duration => |this, value| this.longer_than = Some(value);
    /// Only transactional ids that this expression matches as a whole, in the syntax of RE2
    /// (KIP-1152). Default: all. Needs Kafka 4.1.
    id_pattern: String => |this, value| this.id_pattern = Some(value);
});

/// One transactional id.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransactionListing {
    /// The id.
    pub transactional_id: String,
    /// The id of its latest producer.
    pub producer_id: i64,
    /// What it is doing.
    pub state: TransactionState,
    /// The broker that coordinates it.
    pub coordinator: i32,
}

impl Run for ListTransactions {
    type Output = Listing<TransactionListing>;

    fn check(&self) -> Result<()> {
        millis("longer_than", self.longer_than).map(|_| ())
    }

    #[inline]
    fn run(self, Context { cluster, deadline }: Context) -> Running<Self::Output> {
        Box::pin(async move {
            let request = |_: &_| self.request();
            let brokers = cluster.ask_every(deadline, "list transactions", request, read).await?;
            let brokers = brokers.into_iter().map(|(coordinator, listed)| {
                let listing = |it: list_transactions::TransactionState| TransactionListing {
                    transactional_id: it.transactional_id,
                    producer_id: it.producer_id,
                    state: TransactionState::from_name(&it.transaction_state),
                    coordinator,
                };
                (coordinator, listed.map(|listed| listed.into_iter().map(listing).collect()))
            });
            Ok(Listing::new(brokers.collect()))
        })
    }
}

impl ListTransactions {
    #[inline]
    fn request(&self) -> Result<ListTransactionsRequest> {
        Ok(ListTransactionsRequest {
            state_filters: self.states.iter().map(|state| state.name().to_owned()).collect(),
            producer_id_filters: self.producer_ids.clone(),
            duration_filter: millis("longer_than", self.longer_than)?,
            transactional_id_pattern: self.id_pattern.clone(),
            ..Default::default()
        })
    }
}

fn read(response: ListTransactionsResponse) -> Result<Vec<list_transactions::TransactionState>> {
    let failed = |code| Error::broker(code, "the answer");
    ErrorCode(response.error_code).check().map_err(failed)?;
    // The broker has let through what the filter was to hold back.
    if !response.unknown_state_filters.is_empty() {
        let states = response.unknown_state_filters.join(", ");
        let text = format!("states: the broker does not know {states}");
        return Err(Error::new(ErrorKind::Unsupported, text));
    }
    Ok(response.transaction_states)
}
