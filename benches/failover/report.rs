//! What a takeover took, part by part.

use super::log::Line;
use super::takeover::Takeover;
use super::{SESSION_MS, SHARDS};

/// When a moved shard's restore had come how far, in milliseconds since the epoch.
struct Restore {
    shard: i32,
    checking: i64,
    reading: i64,
    loaded: i64,
    read_back: i64,
    restored: i64,
    records: i64,
    first: i64,
}

pub fn of(takeover: &Takeover) -> String {
    let after = |ms: i64| seconds(ms - takeover.killed_ms);
    let line = |message: &str| takeover.log.iter().find(|line| line.says(message)).expect("the survivor says so");
    let (revoked, assigned) = (line("shards revoked").at_ms, line("shards assigned").at_ms);
    let mut restores: Vec<Restore> =
        takeover.moved.iter().map(|shard| Restore::of(takeover, *shard, assigned)).collect();
    restores.sort_by_key(|restore| restore.restored);
    let firsts = || restores.iter().map(|restore| restore.first);
    let (first, last) = (firsts().min().expect("shards"), firsts().max().expect("shards"));
    let restored = restores.iter().map(|restore| restore.restored).max().expect("shards");
    let row = |ms: i64, what: &str| format!("  {:>6.2} s  {what}", after(ms));
    let mut out = vec![
        format!("SIGKILL to a process with shards {:?} and {} orders", takeover.moved, takeover.orders),
        row(revoked, &format!("the survivor is told (session time-out of {SESSION_MS} ms, then its next heartbeat)")),
        row(assigned, "the shards are assigned to it"),
        row(restored, "the last of them is restored"),
        row(first, "the first exception of a moved shard is read, read_committed"),
        row(last, "of the last moved shard too"),
        format!("  each restore's parts, in seconds:\n  {}", Restore::HEADER),
    ];
    out.extend(restores.iter().map(|restore| format!("  {}", restore.row(assigned))));
    out.push(format!("  shards that stayed: at most {:.2} s without an exception", longest_silence(takeover)));
    if takeover.left_a_transaction {
        out.push(
            "  it was killed amid a transaction: nobody reads past it, where it had written, until the broker aborts it".to_owned(),
        );
    }
    out.join("\n")
}

impl Restore {
    const HEADER: &str = "shard  its turn, commits, documents  snapshot checked  and read  exceptions-current  \
                          replay (records)  first exception";

    fn of(takeover: &Takeover, shard: i32, assigned: i64) -> Restore {
        let line = |message: &str| -> &Line {
            let found = takeover.log.iter().find(|line| line.says(message) && line.is_of(shard));
            found.unwrap_or_else(|| panic!("shard {shard}: no `{message}` in the survivor's log"))
        };
        let (loaded, read_back, restored) = (line("snapshot loaded"), line("restoring shard"), line("shard restored"));
        let number = |line: &Line, field: &str| line.number(field).unwrap_or(0);
        let reading = loaded.at_ms - number(loaded, "took_ms");
        let first = takeover.seen.iter().find(|seen| seen.shard == shard && seen.at_ms >= assigned);
        Restore {
            shard,
            checking: reading - number(loaded, "checked_ms"),
            reading,
            loaded: loaded.at_ms,
            read_back: read_back.at_ms,
            restored: restored.at_ms,
            records: number(restored, "records"),
            first: first.expect("an exception of each shard").at_ms,
        }
    }

    fn row(&self, assigned: i64) -> String {
        let part = |from: i64, to: i64| seconds(to - from);
        format!(
            "{:5} {:29.2} {:17.2} {:9.2} {:19.2} {:>17} {:16.2}",
            self.shard,
            part(assigned, self.checking),
            part(self.checking, self.reading),
            part(self.reading, self.loaded),
            part(self.loaded, self.read_back),
            format!("{:.2} ({})", part(self.read_back, self.restored), self.records),
            part(self.restored, self.first),
        )
    }
}

/// The longest time between two exceptions of a shard that the survivor held all along.
fn longest_silence(takeover: &Takeover) -> f64 {
    let gaps = (0..SHARDS).filter(|shard| !takeover.moved.contains(shard)).flat_map(|shard| {
        let times: Vec<i64> = takeover.seen.iter().filter(|seen| seen.shard == shard).map(|seen| seen.at_ms).collect();
        times.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>()
    });
    seconds(gaps.max().unwrap_or(0))
}

fn seconds(ms: i64) -> f64 {
    ms as f64 / 1_000.0
}
