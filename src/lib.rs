//! orderwatch says which orders broke a promise, which queues back up and which records disagree.
//!
//! # The map
//!
//! Data flows one way: `kafka` -> `codec` -> `engine` -> transitions -> `codec` -> `kafka`; `run` turns that wheel.
//!
//! | module | what it is |
//! |---|---|
//! | [`domain`] | events, milestones, money, time, exceptions: the words. Pure, as are the next three |
//! | [`policy`] | SLAs, backlogs, checks, conditions, and what each says of one order's facts |
//! | [`engine`] | a shard: facts + frontier + policies -> transitions |
//! | [`codec`] | bytes to events, exceptions to bytes, dead letters |
//! | [`config`] | orderwatch.yaml and policies.yaml into types, every error with its place |
//! | [`kafka`] | consumer, transactions, end offsets, topics: the only one that knows rdkafka (with the demo's broker) |
//! | [`snapshot`] | the file of a shard's facts, and the store it lies in |
//! | [`run`] | the live loop: poll, apply, advance, commit; restore and snapshots around it |
//! | [`replay`] | a dump or a topic range through the same engine |
//! | [`demo`] | a small shop on a broker inside the process |
//! | [`telemetry`] | one typed event makes one log line and its metrics |
//! | [`http`] | /healthz, /readyz, /metrics |
//! | [`cli`] | one file a command |
//!
//! To follow one event, read `run::task` (`take_batch`, `advance`, `drain`), `engine::order` (`merge`), `engine::turn`,
//! `engine::judge`, `engine::reconcile`, `kafka::publisher`. ARCHITECTURE.md says what must hold, and why it is so.

pub mod cli;
pub mod codec;
pub mod config;
pub mod demo;
pub mod domain;
pub mod engine;
mod guard;
pub mod http;
pub mod kafka;
pub mod policy;
pub mod replay;
pub mod run;
pub mod scenario;
pub mod snapshot;
pub mod telemetry;

// Inside the crate, for it takes guards off; outside src, for it is no part of the product.
#[cfg(test)]
#[path = "../tests/simulation/mod.rs"]
mod simulation;
