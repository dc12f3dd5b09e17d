#![doc = include_str!("../README.md")]

pub mod protocol;
mod wire;
