//! What processes leave behind: their logs, which tell what the faults did to them, and their snapshots.

use std::path::{Path, PathBuf};

use super::random::Random;

/// Lines that tell of an effect, and what to call it.
const EFFECTS: [(&str, &str); 7] = [
    ("shard restored", "shards read back"),
    ("snapshot loaded", "from a snapshot"),
    ("transaction aborted", "batches aborted"),
    ("shards revoked", "revocations"),
    ("snapshot written", "snapshots written"),
    ("snapshot failed", "snapshots that failed"),
    ("SNAPSHOT SKIPPED", "damaged snapshots skipped"),
];

/// What the faults came to, as the processes tell it.
pub fn effects(logs: &[PathBuf]) -> String {
    let texts: Vec<String> = logs.iter().map(|log| read(log)).collect();
    let count = |line: &str| texts.iter().map(|text| text.lines().filter(|held| held.contains(line)).count()).sum();
    let told = EFFECTS.iter().map(|(line, name)| -> String {
        let count: usize = count(line);
        format!("{count} {name}")
    });
    told.collect::<Vec<_>>().join(", ")
}

/// A process may give up and be started again; it may never panic.
pub fn panics(logs: &[PathBuf]) -> Vec<String> {
    let panicked = logs.iter().filter(|log| read(log).contains("panicked at"));
    panicked.map(|log| format!("a process panicked: {}", log.display())).collect()
}

/// Why a process ended, as its log says it, without what differs from one time to the next.
pub fn last_words(log: &Path) -> String {
    let text = read(log);
    let said = text.lines().rev().find(|line| line.starts_with("error:") || line.contains("panicked at"));
    let words = said.or(text.lines().last()).unwrap_or("it said nothing").to_owned();
    words.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).collect()
}

/// How many of the broker's own tasks have died of an exception.
pub fn dead_tasks(broker_log: &Path) -> usize {
    read(broker_log).matches("Uncaught exception in scheduled task").count()
}

/// Turns a byte over in the newest snapshot of some shard.
pub fn damage_a_newest(snapshots: &Path, draw: &mut Random) -> Option<PathBuf> {
    let shards: Vec<PathBuf> = files(snapshots).into_iter().flat_map(|group| files(&group)).collect();
    let of_shard = files(draw.pick(&shards)?);
    let newest = of_shard.into_iter().rfind(|file| file.extension().is_some_and(|ending| ending == "snap"))?;
    // The next one may have taken its place.
    let mut bytes = std::fs::read(&newest).ok()?;
    let middle = bytes.len() / 2;
    *bytes.get_mut(middle)? ^= 0x55;
    std::fs::write(&newest, bytes).expect("a snapshot can be damaged");
    Some(newest)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    found.sort();
    found
}

fn read(log: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()).into_owned()
}
