//! The ledger at the end of a run, and what happened to an order that came out wrong.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use orderwatch::domain::Timestamp;

use super::book::{Book, Order};
use super::check::{Verdict, Wrong};
use super::said::{Output, Said};
use super::settings::{Args, PARTITIONS, PROCESSES};
use super::storm::Storm;

/// So many wrong orders are told in full.
const TOLD_IN_FULL: usize = 12;

/// How each settled phase went: how long it took until all was there, if it was.
pub type Settled = Vec<Option<Duration>>;

pub fn ledger(
    args: &Args,
    storm: &Storm,
    book: &Book,
    verdict: &Verdict,
    settled: &Settled,
    notes: &[String],
    effects: &str,
) -> String {
    let mut text = String::from("\nLEDGER\n");
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "  {name:12} {value}");
    };
    let (orders, events, aborted) = book.figures();
    line(
        "run",
        format!(
            "seed {}, {} minutes, {}, {PROCESSES} processes, {PARTITIONS} shards",
            args.seed,
            args.minutes,
            args.delivery.as_str()
        ),
    );
    let faults: u32 = storm.done.values().sum();
    line("faults", format!("{faults}"));
    storm.done.iter().for_each(|(fault, count)| line("", format!("{count:4}  {}", fault.as_str())));
    line("effects", effects.to_owned());
    let exits: u32 = storm.exits.values().sum();
    line("exits", format!("{exits} by themselves, each restarted at once"));
    storm.exits.iter().for_each(|(why, count)| line("", format!("{count:4}  {why}")));
    line("orders", format!("{orders}"));
    line("events in", format!("{events} in the log for good, {aborted} in aborted transactions"));
    let times: Vec<String> = settled
        .iter()
        .map(|took| took.map_or("NOT in time".to_owned(), |took| format!("{:.1} s", took.as_secs_f64())))
        .collect();
    line("settled", format!("{} times, after {} (bound {} s)", settled.len(), times.join(", "), args.bound));
    let published: Vec<String> = verdict.published.iter().map(|(status, count)| format!("{status} {count}")).collect();
    line("published", published.join(", "));
    let again = verdict.repeated + verdict.reworded + verdict.of_other_facts;
    if again + verdict.overtaken > 0 {
        line(
            "repeats",
            format!(
                "{} states told again alike, {} by another policy document, {} with a late event read or not; {} exceptions whose last record is an older state",
                verdict.repeated, verdict.reworded, verdict.of_other_facts, verdict.overtaken
            ),
        );
    }
    line("transitions", format!("expected {}, seen {}", verdict.expected, verdict.seen));
    notes.iter().for_each(|note| line("note", note.clone()));
    line("lost", verdict.lost.len().to_string());
    line("doubled", verdict.doubled.len().to_string());
    line("false", verdict.falses.len().to_string());
    text
}

/// Every wrong order's timeline, up to a number of orders.
pub fn wrongs(verdict: &Verdict, orders: &[Order], output: &Output, logs: &[(String, Vec<PathBuf>)]) -> String {
    let mut by_order: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (kind, wrongs) in [("LOST", &verdict.lost), ("DOUBLED", &verdict.doubled), ("FALSE", &verdict.falses)] {
        for Wrong { order, what } in wrongs {
            by_order.entry(order).or_default().push(format!("{kind}  {what}"));
        }
    }
    let lines = read_logs(logs);
    let mut text = String::new();
    for (id, whats) in by_order.iter().take(TOLD_IN_FULL) {
        let _ = writeln!(text, "\norder {id}");
        for what in whats {
            let _ = writeln!(text, "  {what}");
        }
        if let Some(order) = orders.iter().find(|order| order.id == **id) {
            text.push_str(&timeline(order, output, &lines));
        }
    }
    if by_order.len() > TOLD_IN_FULL {
        let _ = writeln!(
            text,
            "\nand {} more orders: {:?}",
            by_order.len() - TOLD_IN_FULL,
            by_order.keys().skip(TOLD_IN_FULL).take(200).collect::<Vec<_>>()
        );
    }
    text
}

/// An order's events and states by time; who published, as the processes' logs say it.
fn timeline(order: &Order, output: &Output, lines: &[(String, String)]) -> String {
    let mut entries: Vec<(i64, String)> = Vec::new();
    for told in &order.told {
        let planned = told.planned;
        let known = told.known_ms.map_or("never".to_owned(), time);
        let place = told.place.map_or("-".to_owned(), |(partition, offset)| format!("{partition}@{offset}"));
        let line = format!(
            "event {} of {} at {place} known {known} {:?}",
            planned.kind,
            time(order.born_ms + planned.at),
            planned.way
        );
        entries.push((told.sent_ms.unwrap_or(i64::MAX), line));
    }
    for (topic, states) in [("history", &output.history), ("current", &output.current)] {
        let of_order = states.iter().filter(|state| state.body.order_id == order.id);
        entries.extend(of_order.map(|state| (state.written_ms, state_line(topic, state))));
    }
    entries.sort_by_key(|(at, _)| *at);
    let mut text = format!("  fate: {}; born {}\n", order.fate, time(order.born_ms));
    for (at, entry) in entries {
        let _ = writeln!(text, "    {}  {entry}", time(at));
    }
    let quoted = format!("order_id=\"{}\"", order.id);
    for (process, line) in lines.iter().filter(|(_, line)| line.contains(&quoted)) {
        let _ = writeln!(text, "    {process} logged: {line}");
    }
    text
}

fn state_line(topic: &str, state: &Said) -> String {
    let body = &state.body;
    format!(
        "{topic} {}@{} {} {} level {} incarnation {} sequence {} deadline {} frontier {}",
        state.partition,
        state.offset,
        body.policy.id,
        body.status,
        body.escalation_level,
        body.incarnation,
        body.sequence,
        time(state.deadline_ms()),
        time(state.frontier_ms())
    )
}

/// Each line with the process that wrote it.
fn read_logs(logs: &[(String, Vec<PathBuf>)]) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    for (process, paths) in logs {
        for path in paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let text = std::fs::read_to_string(path).unwrap_or_default();
            let published = text.lines().filter(|line| line.contains("exception published"));
            lines.extend(published.map(|line| (format!("{process} {name}"), line.to_owned())));
        }
    }
    lines
}

/// The time of day.
fn time(at_ms: i64) -> String {
    let text = Timestamp::from_millis(at_ms).to_string();
    text.split_once('T').map_or(text.clone(), |(_, time)| time.trim_end_matches('Z').to_owned())
}
