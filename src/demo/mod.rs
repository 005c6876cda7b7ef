//! `orderwatch demo`: a small shop, what is promised there, and what must come out of it.
//!
//! - [`shop`]: the stories of its orders, from a seed.
//! - [`log`]: the same as topics hold them, and as a dump.
//! - [`policies`]: its promises as policies.yaml, with the shop's minutes as long as one likes.
//! - [`truth`]: which exceptions the stories must give, computed without orderwatch. Tests and benchmarks hold the
//!   engine to it.
//!
//! The demo itself, on a broker inside this process:
//! - [`office`]: the people in the shop, with a hold, a handoff, a desk that has hours and a checkout that is abandoned.
//! - [`scene`]: broker, topics, configuration; [`live`]: the shop at work.
//! - [`watch`]: a subscriber that reads what orderwatch publishes; [`render`]: how that looks; [`figures`]: the
//!   headline's figures, scraped from /metrics.

mod case;
pub mod figures;
pub mod live;
pub mod log;
pub mod office;
pub mod policies;
pub mod render;
pub mod scene;
pub mod shop;
pub mod truth;
pub mod watch;
