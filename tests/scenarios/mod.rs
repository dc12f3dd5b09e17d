//! What clients do, written once and run on the in-process cluster (`tests/fake.rs`) and on Apache
//! Kafka (`tests/kafka.rs`).
//!
//! A scenario is a function in one of these files and a line in the list below.

pub mod codecs;
pub mod conn;
pub mod errors;
pub mod failover;
pub mod order;
pub mod positions;
pub mod streams;
pub mod topics;

/// Gives the list of all scenarios to a macro.
macro_rules! scenarios {
    ($apply:ident) => {
        $apply! {
            codecs: every_codec, keys_and_nulls, headers, sizes, timestamps, old_formats;
            conn: topics, looking_creates_nothing, batch_by_batch, message_by_message,
                short_timeouts, waiting_fetch, offsets, acks, wrong_broker;
            order: per_partition, idle_partitions, ticks, idle_broker, idle_readers,
                fetched_once;
            positions: earliest_and_latest, offset, timestamp, seek, position_and_lag,
                log_append_time, out_of_range, chosen_partitions;
            streams: take_until, forward, ready_chunks, for_each_concurrent, batches,
                isolation, many_writers, sink;
            topics: created_late, deleted, recreated, new_partitions, as_futures, as_services,
                offsets_by_time;
            errors: too_large_for_the_writer, too_large_for_the_broker, unknown_topic,
                unknown_partition, nobody_listens, http_answers, tls_answers, peer_closes,
                peer_is_silent;
            failover: leader_killed, broker_restarted, bootstrap_with_dead_brokers;
        }
    };
}
pub(crate) use scenarios;
