//! One drain by `orderwatch run`: from nothing until its group has committed the end of every input.

use std::path::Path;
use std::time::{Duration, Instant};

use super::Measured;
use super::backlog::{Backlog, PARTITIONS, policies};
use crate::live::group::Group;
use crate::live::{RUN, Service, cpu};
use crate::support::{Broker, Process, Record, Workdir, eventually, unique};

const STARTS_WITHIN: Duration = Duration::from_secs(60);
const DRAINS_WITHIN: Duration = Duration::from_secs(600);
const LEAVES_WITHIN: Duration = Duration::from_secs(60);
/// For what was due when the inputs ended.
const TELLS_WITHIN: Duration = Duration::from_secs(30);

/// The time runs from when the process has joined its group: how long a process and its topics take to come about is
/// not what is measured. The CPU time is all that it used.
pub fn drain(binary: &Path, broker: &Broker, backlog: &Backlog) -> Measured {
    let (workdir, policies) = (Workdir::new(), policies());
    let snapshots = workdir.path().join("snapshots");
    let service =
        Service { broker, group: unique("drain"), properties: "", snapshots: &snapshots, policies: &policies };
    service.write(&workdir);
    let group = Group::of(broker, &service.group, PARTITIONS);
    let mut process = Process::spawn_other(binary, &workdir, &RUN);
    process.wait_ready(STARTS_WITHIN);
    let began = Instant::now();
    eventually(DRAINS_WITHIN, "the end of every input to be committed", || {
        if let Some(status) = process.exited() {
            panic!("it ended ({status}):\n{}", process.stderr());
        }
        group.is_at(backlog.events)
    });
    let measured = Measured { took: began.elapsed(), cpu: cpu::time(&process.pid().to_string()) };
    check(&service, backlog);
    // With many orders its last snapshots may take longer than it gives them, and it says so by its status.
    process.terminate(LEAVES_WITHIN);
    measured
}

/// Nothing is missing, nothing was told twice and nothing had to be taken back, order by order.
fn check(service: &Service<'_>, backlog: &Backlog) {
    eventually(TELLS_WITHIN, "the truth", || {
        let published = service.broker.read_committed(&service.output("sla"));
        let mut told: Vec<(String, String, String)> = published.iter().map(transition).collect();
        // Of a cancellation the truth says nothing that does not depend on warnings.
        told.retain(|(.., status)| status != "cancelled");
        told.sort();
        if told == backlog.truth {
            return Ok(());
        }
        let first = told.iter().zip(&backlog.truth).find(|(told, truth)| told != truth);
        Err(format!("{} told, {} true, (told, true) first differ in {first:?}", told.len(), backlog.truth.len()))
    });
}

/// Of which order, of which promise, what it came to.
fn transition(record: &Record) -> (String, String, String) {
    let exception = record.json();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    (record.key(), text(&exception["policy"]["id"]), text(&exception["status"]))
}
