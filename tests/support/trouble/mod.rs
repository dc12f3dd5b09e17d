//! Makes trouble for clients, and tells whether they have coped.

pub mod ledger;
pub mod nemesis;
pub mod proxy;
