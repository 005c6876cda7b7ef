//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

/// The pause between two looks at a condition: short against what the tests wait for, long against a look's cost.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// Looks until `condition` holds and gives back what it found. Panics after `timeout` with `what` and the last reason
/// that the condition gave.
#[track_caller]
pub fn eventually<T>(timeout: Duration, what: &str, condition: impl FnMut() -> Result<T, String>) -> T {
    match try_eventually(timeout, condition) {
        Ok(found) => found,
        Err(reason) => panic!("waited {timeout:?} for {what}: {reason}"),
    }
}

/// As [`eventually`], and leaves what to do after the time to the caller. The condition is looked at once at least.
pub fn try_eventually<T>(timeout: Duration, mut condition: impl FnMut() -> Result<T, String>) -> Result<T, String> {
    let deadline = Instant::now() + timeout;
    loop {
        match condition() {
            Ok(found) => return Ok(found),
            Err(reason) if Instant::now() >= deadline => return Err(reason),
            Err(_) => std::thread::sleep(BETWEEN_LOOKS),
        }
    }
}
