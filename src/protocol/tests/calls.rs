//! The table of calls in the docs of `protocol`, made from the schema.

use std::fmt::Write as _;
use std::{env, fs};

use super::super::{Route, first_release};
use super::calls;

/// `KAFKIO_BLESS=1 cargo test --lib calls` writes the table anew.
#[test]
fn the_table_in_the_docs_is_that_of_the_code() {
    let mut calls = calls();
    calls.sort_by_key(|call| call.key);
    let mut table = String::from("| key | call | versions | since Kafka | goes to |\n");
    table += "|---|---|---|---|---|\n";
    for call in calls {
        let (key, name) = (call.key.0, call.key.name().unwrap());
        let (request, module) = (&(call.request.kind)().text, snake(name));
        let (first, last) = (call.versions.start(), call.versions.end());
        let since = |version| first_release(call.key, version);
        // The last version of some calls is in no release yet but for trials.
        let since = match (since(*first).unwrap(), since(*last)) {
            (one, Some(other)) if one == other => one.to_string(),
            (one, Some(other)) => format!("{one} (version {last}: {other})"),
            (one, None) => format!("{one} (version {last}: not stable yet)"),
        };
        let versions = if first == last { first.to_string() } else { format!("{first}–{last}") };
        let place = match call.route {
            Route::Any => "any broker",
            Route::Broker => "the broker it is about, or any",
            Route::EveryBroker => "each broker",
            Route::Controller => "the controller",
            Route::Leader => "the leaders of the partitions",
            Route::Group => "the coordinator of the group",
            Route::Transaction => "the coordinator of the transactional id",
        };
        let link = format!("[{name}](messages::{module}::{request})");
        writeln!(table, "| {key} | {link} | {versions} | {since} | {place} |").unwrap();
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/protocol/calls.md");
    if env::var_os("KAFKIO_BLESS").is_some() {
        fs::write(path, &table).unwrap();
    }
    let written = fs::read_to_string(path).unwrap();
    assert!(written == table, "KAFKIO_BLESS=1 cargo test --lib calls: writes the table anew");
}

fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}
