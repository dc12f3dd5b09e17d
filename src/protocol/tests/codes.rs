//! Error codes and API keys are Kafka's.

#![cfg(feature = "gzip")]

use std::fmt::Write as _;

use super::golden::{Part, entries};
use crate::protocol::{ApiKey, ErrorCode};

fn table(part: Part) -> &'static str {
    let entry = entries().iter().find(|entry| entry.part == part).expect("in the golden file");
    std::str::from_utf8(&entry.bytes).expect("text")
}

#[test]
fn error_codes_are_kafkas() {
    let mut ours = String::new();
    for code in (-10..1000).map(ErrorCode) {
        if let Some(name) = code.name() {
            writeln!(ours, "{} {name} {}", code.0, code.is_retriable()).expect("a string");
            assert!(code.text().len() > 5, "{name} has no text");
        }
    }
    assert_eq!(ours, table(Part::Errors));
}

#[test]
fn api_keys_are_kafkas() {
    let mut ours = String::new();
    for key in (-10..1000).map(ApiKey) {
        if let Some(name) = key.name() {
            writeln!(ours, "{} {name}", key.0).expect("a string");
        }
    }
    assert_eq!(ours, table(Part::ApiKeys));
}

#[test]
fn unknown_codes_and_keys_survive() {
    assert_eq!(ErrorCode(999).to_string(), "unknown error code 999");
    assert_eq!(format!("{:?}", ErrorCode(999)), "ErrorCode(999)");
    assert!(!ErrorCode(999).is_retriable());
    assert_eq!(ErrorCode(999).check(), Err(ErrorCode(999)));
    assert_eq!(ApiKey(999).to_string(), "ApiKey(999)");
    assert_eq!(ApiKey::LIST_OFFSETS.to_string(), "ListOffsets");
    assert_eq!(ErrorCode::NONE.to_string(), "NONE (0): no error");
}
