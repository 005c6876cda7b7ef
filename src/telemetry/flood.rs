//! Keeps a log line that repeats from filling the disk and slowing the partition: the first few of a kind are written,
//! then one summary every 10 s. Metrics count them all, always.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The dead letters' guard, by (stream, reason).
pub static DEAD_LETTERS: LazyLock<Flood> = LazyLock::new(|| Flood::new("dead letters", 5, Duration::from_secs(10)));

/// How many kinds are told apart; more than there are streams × reasons. Beyond it all share one.
const KINDS_MAX: usize = 1024;

type Kind = (Cow<'static, str>, Cow<'static, str>);

/// Counts lines of each kind within a window.
#[derive(Debug)]
pub struct Flood {
    what: &'static str,
    first: u64,
    window: Duration,
    kinds: Mutex<HashMap<Kind, Window>>,
}

#[derive(Debug)]
struct Window {
    began: Instant,
    seen: u64,
    unsaid: u64,
}

/// A summary to be logged: so many of a kind were not.
#[derive(Debug, PartialEq, Eq)]
pub struct Summary {
    what: &'static str,
    kind: Kind,
    unsaid: u64,
}

impl Flood {
    /// Writes `first` lines of a kind in each `window`, and then its summary.
    pub fn new(what: &'static str, first: u64, window: Duration) -> Self {
        Flood { what, first, window, kinds: Mutex::new(HashMap::new()) }
    }

    /// Counts one; true where its line should be written.
    pub fn admit(&self, stream: &str, reason: &str, now: Instant) -> bool {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let full = kinds.len() >= KINDS_MAX;
        let mut kind: Kind = (Cow::Owned(stream.to_owned()), Cow::Owned(reason.to_owned()));
        if full && !kinds.contains_key(&kind) {
            kind = (Cow::Borrowed("other"), Cow::Borrowed("other"));
        }
        let window = kinds.entry(kind).or_insert(Window { began: now, seen: 0, unsaid: 0 });
        // A quiet window that ran out begins anew; one with a summary due waits for it to be said.
        if window.unsaid == 0 && now.saturating_duration_since(window.began) >= self.window {
            (window.began, window.seen) = (now, 0);
        }
        window.seen += 1;
        let say = window.seen <= self.first;
        window.unsaid += u64::from(!say);
        say
    }

    /// The summaries whose window has run out by `now`. After its summary, a kind that goes on gets no more lines of its
    /// own until it was quiet for a window.
    pub fn due(&self, now: Instant) -> Vec<Summary> {
        self.take(|w| now.saturating_duration_since(w.began) >= self.window, now)
    }

    fn take(&self, is_due: impl Fn(&Window) -> bool, now: Instant) -> Vec<Summary> {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let mut summaries: Vec<Summary> = Vec::new();
        for (kind, window) in kinds.iter_mut().filter(|(_, w)| w.unsaid > 0 && is_due(w)) {
            summaries.push(Summary { what: self.what, kind: kind.clone(), unsaid: window.unsaid });
            (window.began, window.unsaid) = (now, 0);
        }
        summaries.sort_by(|a, b| a.kind.cmp(&b.kind));
        summaries
    }

    /// Writes the summaries that are due.
    pub fn report_due(&self, now: Instant) {
        self.due(now).iter().for_each(Summary::log);
    }

    /// Writes every summary, due or not: for the end of a run.
    pub fn report_all(&self) {
        self.take(|_| true, Instant::now()).iter().for_each(Summary::log);
    }
}

impl Summary {
    fn log(&self) {
        tracing::warn!(
            stream = %self.kind.0,
            reason = %self.kind.1,
            unsaid = self.unsaid,
            "{} more {} like these since the last line",
            self.unsaid,
            self.what
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_the_first_few_then_sums_up_and_loses_none() {
        let flood = Flood::new("dead letters", 5, Duration::from_secs(10));
        let start = Instant::now();
        let said = (0..1000).filter(|_| flood.admit("orders", "not_json", start)).count();
        assert_eq!(said, 5);
        assert_eq!(flood.due(start + Duration::from_secs(9)), vec![]);
        let summaries = flood.due(start + Duration::from_secs(10));
        assert_eq!(summaries.iter().map(|s| s.unsaid).collect::<Vec<_>>(), [995]);

        // It goes on: no more lines of its own, a summary each window.
        let later = start + Duration::from_secs(12);
        assert_eq!((0..50).filter(|_| flood.admit("orders", "not_json", later)).count(), 0);
        assert_eq!(flood.due(start + Duration::from_secs(20))[0].unsaid, 50);
        assert_eq!(flood.due(start + Duration::from_secs(40)), vec![], "nothing is said twice");
    }

    #[test]
    fn a_kind_that_was_quiet_is_said_again_and_kinds_do_not_share() {
        let flood = Flood::new("dead letters", 1, Duration::from_secs(10));
        let start = Instant::now();
        assert!(flood.admit("orders", "not_json", start));
        assert!(flood.admit("orders", "bad_time", start));
        assert!(!flood.admit("orders", "bad_time", start));
        assert!(flood.admit("orders", "not_json", start + Duration::from_secs(11)));
    }

    #[test]
    fn the_number_of_kinds_is_bounded() {
        let flood = Flood::new("dead letters", 1, Duration::from_secs(10));
        let start = Instant::now();
        for i in 0..10_000 {
            flood.admit("orders", &i.to_string(), start);
        }
        assert!(flood.kinds.lock().unwrap().len() <= KINDS_MAX + 1);
    }
}
