//! What the process answers over HTTP: whether it lives, whether it is ready, and its metrics.
//!
//! Everything is read from [`Health`], which the loop fills, and from the metrics' recorder: a request never waits for
//! the loop, and the loop never waits for a request.
//!
//! - `GET /healthz`: the loop turns
//! - `GET /readyz`: joined the group and the loop turns; what each shard does is in the body
//! - `GET /metrics`: Prometheus' text format
//!
//! Errors are RFC 9457 problem documents (`problem`).

mod problem;
mod server;
mod status;
#[cfg(test)]
mod tests;

pub use server::{BindError, Server};

pub use crate::telemetry::Health;
