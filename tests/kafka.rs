//! The scenarios on Apache Kafka. `KAFKIO_KAFKA` says on which: see `CONTRIBUTING.md`. Without it
//! all of them are ignored.

#![allow(unreachable_pub, reason = "the modules are shared between test programs")]
#![allow(
    clippy::pedantic,
    clippy::cast_possible_truncation,
    clippy::future_not_send,
    clippy::indexing_slicing,
    clippy::type_complexity,
    clippy::unwrap_used,
    reason = "these are tests"
)]

#[path = "support/kafka/mod.rs"]
mod kafka;
#[path = "support/runner.rs"]
mod runner;
mod scenarios;
mod support;

use std::process::ExitCode;

use runner::Scenario;

macro_rules! list {
    ($($module:ident: $($name:ident),+;)*) => {
        vec![$($(Scenario {
            name: concat!(stringify!($module), "::", stringify!($name)),
            run: |cluster| Box::pin(scenarios::$module::$name(cluster)),
        }),+),*]
    };
}

#[tokio::main]
async fn main() -> ExitCode {
    let all = runner::run(scenarios::scenarios!(list));
    tokio::select! {
        code = all => code,
        // Returning ends the brokers.
        _ = tokio::signal::ctrl_c() => ExitCode::FAILURE,
    }
}
