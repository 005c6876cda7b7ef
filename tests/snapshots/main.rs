//! Snapshots where things go wrong: a real S3 server behind a proxy that breaks what passes, a directory that is full,
//! gone or damaged. First the store by itself, then whole runs.

mod bucket;
mod proxy;
mod server;
#[path = "../support/mod.rs"]
mod support;
