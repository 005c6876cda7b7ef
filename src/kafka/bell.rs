//! Waiting by monotonic time. librdkafka waits until a moment of the wall clock: where that is set back by an hour, a wait
//! that has begun takes an hour longer (its issue 2145).

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Wakes who waits; a ring that nobody waited for is kept for the next who does.
#[derive(Debug, Default)]
pub struct Bell {
    rung: Mutex<bool>,
    heard: Condvar,
}

impl Bell {
    /// Quick: called on librdkafka's threads.
    pub fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.heard.notify_one();
    }

    /// Waits until it is rung, and no longer than this.
    pub fn wait(&self, timeout: Duration) {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.heard.wait_timeout_while(rung, timeout, |rung| !*rung);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Instant;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_ring_ends_the_wait_and_one_before_it_too() {
        let bell = Arc::new(Bell::default());
        let began = Instant::now();
        bell.ring();
        bell.wait(LONG);
        let ringer = Arc::clone(&bell);
        let ringing = std::thread::spawn(move || ringer.ring());
        bell.wait(LONG);
        ringing.join().unwrap();
        assert!(began.elapsed() < LONG);
    }

    #[test]
    fn a_ring_counts_once_and_silence_ends_by_time() {
        let bell = Bell::default();
        bell.ring();
        bell.wait(LONG);
        let (began, short) = (Instant::now(), Duration::from_millis(5));
        bell.wait(short);
        assert!(began.elapsed() >= short);
    }
}
