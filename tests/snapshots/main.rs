//! Snapshots where things go wrong: a real S3 server behind a proxy that breaks what passes, a directory that is full,
//! gone or damaged. First the store by itself, then whole runs.

mod bucket;
mod disk;
mod proxy;
mod run;
mod server;
#[path = "../support/shard.rs"]
mod shard;
#[path = "../shop/mod.rs"]
mod shop;
#[path = "../support/mod.rs"]
mod support;
