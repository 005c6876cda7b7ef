//! orderwatch says which orders broke a promise, which queues back up and which records disagree.
pub mod cli;
pub mod codec;
pub mod config;
pub mod demo;
pub mod domain;
pub mod engine;
pub mod http;
pub mod kafka;
pub mod policy;
pub mod replay;
pub mod run;
pub mod snapshot;
pub mod telemetry;
