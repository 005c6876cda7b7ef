//! Replays of random dumps, and what reads their lines.

mod one_by_one;
pub mod random;
mod side_by_side;
