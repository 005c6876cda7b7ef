//! `orderwatch snapshot inspect TARGET`: what snapshots say of themselves, and whether they are whole.

use std::fmt::{self, Write};

use serde_json::{Value, json};

use super::{ConfigFile, Failure};
use crate::domain::Entity;
use crate::snapshot::{SnapshotHeader, SnapshotInput, SnapshotName, SnapshotStore, SnapshotTotals, StoreError};

/// Look into snapshots
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Say what snapshots hold, and check every byte of them
    Inspect(Inspect),
}

#[derive(Debug, clap::Args)]
struct Inspect {
    /// A snapshot (`….snap`), or a directory or URL (`s3://bucket/prefix`) with snapshots in it; without it, the place
    /// that the configuration names
    target: Option<String>,
    #[command(flatten)]
    config: ConfigFile,
    /// Write one JSON object a line, with the policy document's text
    #[arg(long)]
    json: bool,
}

/// Some of what was asked for is not whole.
#[derive(Debug, thiserror::Error)]
#[error("{damaged} of {all} snapshots cannot be used")]
struct Damaged {
    damaged: usize,
    all: usize,
}

/// Runs it.
///
/// # Errors
/// The place cannot be read, or a snapshot in it is not whole.
pub fn run(args: Args) -> Result<(), Failure> {
    let Command::Inspect(inspect) = args.command;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(inspect.run())
}

impl Inspect {
    async fn run(self) -> Result<(), Failure> {
        let target = match self.target {
            Some(target) => target,
            None => self.config.load(None)?.0.snapshots.url,
        };
        let (store, names) = SnapshotStore::find(&target).await?;
        if names.is_empty() {
            return Err(Failure::Failed(format!("there are no snapshots in {target}").into()));
        }
        let (all, mut damaged) = (names.len(), 0);
        for name in names {
            let found = store.verify(&name.path).await;
            damaged += usize::from(found.is_err());
            let report = Report { location: store.locate(&name.path), name, found };
            match self.json {
                true => super::print(format!("{}\n", report.json()))?,
                false => super::print(report)?,
            }
        }
        if damaged > 0 { Err(Damaged { damaged, all }.into()) } else { Ok(()) }
    }
}

/// One snapshot, as it was found.
struct Report {
    location: String,
    name: SnapshotName,
    found: Result<(SnapshotHeader, SnapshotTotals), StoreError>,
}

impl Report {
    fn json(&self) -> Value {
        let (header, totals) = match &self.found {
            Ok(found) => found,
            Err(e) => return json!({"location": self.location, "bytes": self.name.bytes, "error": e.to_string()}),
        };
        let input = |i: &SnapshotInput| {
            let (topic, entity, next_offset) = (&i.topic, &i.entity, i.next_offset);
            json!({"topic": topic, "entity": entity, "next_offset": next_offset, "effective_max": i.effective_max})
        };
        let inputs = header.inputs.iter().map(input);
        json!({
            "location": self.location, "bytes": self.name.bytes, "shard": header.shard,
            "group_id": header.group_id, "cluster_id": header.cluster_id, "taken_at": header.taken_at,
            "frontier": header.frontier, "complete_since": header.complete_since, "written_by": header.written_by,
            "policies": {
                "version": header.policies.version, "revision": header.policies.revision, "text": header.policies.text,
            },
            "inputs": inputs.collect::<Vec<_>>(),
            "orders": totals.orders, "events": totals.events, "remembered": totals.tombstones,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.location)?;
        let mut line = |name: &str, text: String| writeln!(f, "  {name:<11}{text}");
        let (h, totals) = match &self.found {
            Ok(found) => found,
            Err(StoreError::Format { source, .. }) => {
                return line("DAMAGED", format!("{source} ({} bytes)", self.name.bytes));
            }
            Err(error) => return line("UNREAD", error.to_string()),
        };
        line("state", format!("whole, {} bytes, every checksum right", self.name.bytes))?;
        let cluster = if h.cluster_id.is_empty() { String::new() } else { format!(" on cluster {}", h.cluster_id) };
        line("shard", format!("{} of group {}{cluster}", h.shard, h.group_id))?;
        line("taken at", format!("{} by orderwatch {}", h.taken_at, h.written_by))?;
        line("frontier", h.frontier.map_or_else(|| "none yet".to_owned(), |t| t.to_string()))?;
        h.complete_since.map_or(Ok(()), |since| line("whole from", since.to_string()))?;
        let revision = h.policies.revision.map_or_else(String::new, |r| format!(" (revision {r})"));
        line("policies", format!("{}{revision}", h.policies.version))?;
        let SnapshotTotals { orders, tombstones, events } = totals;
        line("holds", format!("{orders} orders with {events} events, and {tombstones} closed ones by hash"))?;
        for input in &h.inputs {
            let about = if input.entity == Entity::ORDER_NAME { "" } else { &format!(" ({})", input.entity) };
            let mut text = format!("{}{about} from offset {}", input.topic, input.next_offset);
            if let Some(at) = input.effective_max {
                write!(text, ", read up to {at}")?;
            }
            line("input", text)?;
        }
        Ok(())
    }
}
