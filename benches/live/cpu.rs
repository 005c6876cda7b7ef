//! The CPU time of a process, of all its threads, as Linux counts it.

use std::time::Duration;

/// What /proc counts in: 100 a second on every architecture that Linux still runs on.
const TICKS_PER_SECOND: u32 = 100;

/// In user and system mode together. `process`: its number, or `self`.
pub fn time(process: &str) -> Duration {
    let path = format!("/proc/{process}/stat");
    let stat = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    // The second field is a name in parentheses, which may hold spaces; utime and stime are the 14th and 15th.
    let after_name = stat.rsplit_once(')').expect("a name").1;
    let ticks = after_name.split_whitespace().skip(11).take(2);
    let ticks: u32 = ticks.map(|field| field.parse::<u32>().expect("a count of ticks")).sum();
    Duration::from_secs(1) * ticks / TICKS_PER_SECOND
}
