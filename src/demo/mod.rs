//! `orderwatch demo`: a small shop, what is promised there, and what must come out of it.
//!
//! - [`shop`]: the stories of its orders, from a seed.
//! - [`log`]: the same as topics hold them, and as a dump.
//! - [`policies`]: its promises as policies.yaml, with the shop's minutes as long as one likes.
//! - [`truth`]: which exceptions the stories must give, computed without orderwatch. Tests and benchmarks hold the
//!   engine to it.

pub mod log;
pub mod policies;
pub mod shop;
pub mod truth;
