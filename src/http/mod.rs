//! What the process answers over HTTP: whether it lives, whether it is ready, its metrics, and what it knows of an order.
//!
//! All but orders are read from [`Health`], which the loop fills, and from the metrics' recorder: no such request waits for
//! the loop. A question about an order is put to the loop, which answers between two turns (`orders`); the loop never waits
//! for a request.
//!
//! - `GET /healthz`: the loop turns
//! - `GET /readyz`: joined the group and the loop turns; what each shard does is in the body
//! - `GET /metrics`: Prometheus' text format
//! - `GET /api/v1/orders/{id}`: its timeline, and why each policy says what it says; beyond loopback only with a token
//! - `GET /api/v1/entities/{entity}/{id}`: the same of a checkout, a return, …
//!
//! Errors are RFC 9457 problem documents (`problem`).

mod orders;
mod problem;
mod server;
mod status;
#[cfg(test)]
mod tests;

pub use orders::{OrderQuestion, Orders};
pub use server::{BindError, Server};

pub use crate::telemetry::Health;
