//! The backlogs' sum over the shards of all processes, where shard 0 is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::codec::OutputRecord;
use crate::domain::{Exception, Kind, Millis, Str, Timestamp};
use crate::engine::backlog::RecordError;
use crate::engine::{BacklogSum, Ends, PartialsRecord, Transition};
use crate::kafka::InputPartition;
use crate::kafka::inventory::Found;
use crate::policy::Settings;
use crate::telemetry::events::{BacklogsSkipped, BacklogsWait, KeptBack, StockUnknown};
use crate::telemetry::{BacklogStatus, Health, OpenCount, emit};

use super::inventory::Inventory;
use super::report::open_counts;
use super::task::Task;
use super::wire::Wire;

/// The shard whose partition of `exceptions-current` the backlogs share, and whose offsets go with what they say.
pub const OWNER: i32 = 0;
/// What the sum remembers is written with what it publishes, and else as often as this.
const REMEMBER_EVERY: Duration = Duration::from_secs(60);

/// A takeover lasts as long; shards that are waited for longer are said.
const SAID_AFTER: Duration = Duration::from_secs(30);

/// An inventory that is behind the shards by more is said.
const LAGS: Millis = Millis::from_secs(10);

/// What a restart finds of the backlogs.
#[derive(Debug, Default)]
pub struct Remembered {
    /// Values of the control topic's records, the newest of each key.
    pub memory: Vec<Vec<u8>>,
    /// What was published, the last state of each.
    pub published: Vec<Exception>,
}

/// The sum, while its owner is here.
#[derive(Debug)]
pub struct Backlogs {
    settings: Arc<Settings>,
    control: Str,
    shards: usize,
    /// The stock that `oversold` holds demand against.
    inventory: Inventory,
    state: State,
    /// Of the owner's state that it sums beside.
    owner: Option<u64>,
    epoch: u64,
    skipped: u64,
    /// Since when not all shards have told.
    waits_since: Option<Instant>,
    said_waiting: bool,
    remembered_at: Instant,
    kept_back: u64,
}

#[derive(Debug)]
enum State {
    /// Another process sums, or will.
    Away,
    /// What is remembered is being read back.
    Asked,
    /// It judges.
    Summing(Box<BacklogSum>),
}

/// What was drained for the batch in hand.
#[derive(Debug, Default)]
pub struct Drained {
    /// States of backlogs.
    pub transitions: Vec<Transition>,
    /// Whether anything was drained.
    pub any: bool,
}

impl Backlogs {
    /// Nothing was read back yet; `shards` is how many the group has.
    pub fn new(settings: Arc<Settings>, control: Str, shards: usize) -> Self {
        Backlogs {
            settings,
            control,
            shards,
            inventory: Inventory::new(0, &[]),
            state: State::Away,
            owner: None,
            epoch: 0,
            skipped: 0,
            waits_since: None,
            said_waiting: false,
            remembered_at: Instant::now(),
            kept_back: 0,
        }
    }

    /// With the topics that tell of the stock.
    pub fn with_inventory(self, inventory: Inventory) -> Self {
        Backlogs { inventory, ..self }
    }

    /// Follows whether the owner is live here, and which of its states (`Task::epoch`): then nobody else judges, and what was
    /// remembered is read back; when it goes, another process may judge, and what is here is worth nothing. Gives the number
    /// under which it wants to be read back.
    pub fn follow(&mut self, owner: Option<u64>) -> Option<u64> {
        if self.owner != owner {
            self.owner = owner;
            self.state = State::Away;
        }
        if owner.is_some() && matches!(self.state, State::Away) {
            self.epoch += 1;
            self.state = State::Asked;
            return Some(self.epoch);
        }
        None
    }

    /// What was remembered is here. It is summed by the owner's document, from its frontier on, and goes on with what is in
    /// the partials' topic.
    ///
    /// # Errors
    /// A record of the control topic is not ours; it is left out, and its clocks start anew.
    pub fn restore(&mut self, epoch: u64, remembered: Remembered, owner: Option<&Task>) -> Result<(), String> {
        let Some(owner) = owner.filter(|_| epoch == self.epoch && matches!(self.state, State::Asked)) else {
            return Ok(());
        };
        let mut sum = BacklogSum::new(Arc::clone(owner.shard.policies()), Arc::clone(&self.settings));
        sum.set_shards(self.shards);
        let refused = remembered.memory.iter().filter_map(|value| sum.restore_memory(value).err()).last();
        remembered.published.into_iter().for_each(|exception| sum.restore_published(exception));
        sum.cancel_orphans(owner.shard.frontier());
        self.inventory.begin_anew();
        self.state = State::Summing(Box::new(sum));
        refused.map_or(Ok(()), |error| Err(error.to_string()))
    }

    /// Takes in states of backlogs that another process published (`at_least_once`).
    pub fn overhear(&mut self, published: &[Exception]) {
        if let State::Summing(sum) = &mut self.state {
            for exception in published.iter().filter(|exception| exception.is_summed()) {
                sum.overhear(exception.clone());
            }
        }
    }

    /// From which offset on the partials' topic is wanted; `None` where nobody sums here, or nothing.
    pub fn reads_from(&self) -> Option<i64> {
        self.sum().filter(|sum| sum.has_policies()).map(BacklogSum::reads_from)
    }

    /// Takes in a record of the partials' topic.
    ///
    /// # Errors
    /// It is not one of ours, and is left out.
    pub fn hear(&mut self, offset: i64, value: &[u8]) -> Result<(), RecordError> {
        if let State::Summing(sum) = &mut self.state {
            sum.hear(PartialsRecord::parse(value)?, offset);
        }
        Ok(())
    }

    /// The partitions that tell of the stock, where it is wanted here.
    pub fn inventory_inputs(&self) -> Option<Vec<(InputPartition, Str)>> {
        let is_wanted = self.sum().is_some_and(BacklogSum::wants_stock) && !self.inventory.is_empty();
        is_wanted.then(|| self.inventory.inputs())
    }

    /// The same, each with the next offset to read.
    pub fn inventory_positions(&self) -> Vec<(InputPartition, i64)> {
        self.inventory_inputs().map_or(Vec::new(), |_| self.inventory.positions())
    }

    /// Whether more of the inventory may be taken in.
    pub fn has_room_for_stock(&self) -> bool {
        self.inventory.has_room() && !self.sum().is_some_and(BacklogSum::is_full_of_stock)
    }

    /// Takes in what was found in the inventory.
    pub fn take_stock(&mut self, found: Found, wire: &Wire, clock: Timestamp) {
        if let State::Summing(sum) = &mut self.state {
            self.inventory.take(found, sum, wire, clock);
        }
    }

    /// Judges what all partitions of the inventory have passed.
    pub fn advance_stock(&mut self, wire: &Wire) {
        if let State::Summing(sum) = &mut self.state {
            self.inventory.advance(sum, wire);
        }
    }

    /// A question for the end of an input was answered.
    pub fn ends_of_inventory(&mut self, input: InputPartition, ends: Ends, asked_at: Option<Timestamp>) {
        self.inventory.ends(input, ends, asked_at);
    }

    /// It was not.
    pub fn inventory_unreachable(&mut self) {
        self.inventory.unreachable();
    }

    /// Whether records of the inventory wait to be read.
    pub fn is_behind_in_stock(&self) -> bool {
        self.inventory_inputs().is_some() && self.inventory.is_behind()
    }

    /// What holds now and was not published, with what must be remembered, into `records`.
    pub fn drain(&mut self, wire: &Wire, clock: Timestamp, records: &mut Vec<OutputRecord>) -> Drained {
        let State::Summing(sum) = &mut self.state else { return Drained::default() };
        let transitions = sum.drain_transitions(Some(clock));
        let has_letters = self.inventory.has_letters();
        let remembers = sum.has_policies() && self.remembered_at.elapsed() >= REMEMBER_EVERY;
        if transitions.is_empty() && !has_letters && !remembers {
            return Drained::default();
        }
        self.remembered_at = Instant::now();
        let before = records.len();
        for transition in &transitions {
            records.extend(wire.outputs.transition(transition, OWNER));
        }
        records.extend_from_slice(self.inventory.letters());
        records.extend(sum.drain_memory().into_iter().map(|memory| OutputRecord {
            topic: self.control.clone(),
            partition: Some(0),
            key: Some(Bytes::from(memory.key)),
            value: memory.value.map(Bytes::from),
            headers: Vec::new(),
        }));
        Drained { transitions, any: records.len() > before }
    }

    /// What was drained stands.
    pub fn committed(&mut self) {
        if let State::Summing(sum) = &mut self.state {
            sum.committed();
            self.inventory.committed();
        }
    }

    /// It does not.
    pub fn aborted(&mut self) {
        if let State::Summing(sum) = &mut self.state {
            sum.aborted();
            self.inventory.aborted();
        }
    }

    /// Tells of every queue, beside what is told of the owner, which is here, and whom the sum waits for.
    pub fn report(&mut self, health: &Health, monotonic: Instant) {
        self.report_waiting(health, monotonic);
        let summed = self.sum().map(BacklogSum::oversold_policies).unwrap_or_default();
        let judged = |sum: &&BacklogSum| sum.has_policies() && sum.frontier().is_some();
        let Some(sum) = self.sum().filter(judged) else {
            // Figures without every shard's are none.
            return health.update_shard(OWNER, |status| {
                status.backlogs.clear();
                status.open.retain(|count| !is_summed(count, &summed));
            });
        };
        let queues = sum.standing().map(|queue| BacklogStatus {
            group: Str::new(queue.group.key("").to_string().trim_start_matches('?')),
            policy: queue.policy,
            depth: queue.figures.depth,
            oldest_since: queue.figures.oldest_age_ms.map(|age| queue.at - Millis::new(age)),
            at: queue.at,
        });
        let queues = queues.collect();
        let open = open_counts(|visit| sum.visit_standing(visit));
        health.update_shard(OWNER, |status| {
            status.backlogs = queues;
            status.open.retain(|count| !is_summed(count, &summed));
            status.open.extend(open);
        });
        let kept_back = sum.kept_back();
        if kept_back > self.kept_back {
            emit(KeptBack { shard: OWNER, count: kept_back - self.kept_back });
        }
        self.kept_back = kept_back;
    }

    fn report_waiting(&mut self, health: &Health, monotonic: Instant) {
        let waiting = self.sum().map(BacklogSum::waiting_for).unwrap_or_default();
        let skipped = self.sum().map_or(0, BacklogSum::skipped);
        if skipped > std::mem::replace(&mut self.skipped, skipped) {
            emit(BacklogsSkipped { shards: &waiting });
        }
        let stock = self.waits_for_stock();
        if waiting.is_empty() && stock.is_none() {
            (self.waits_since, self.said_waiting) = (None, false);
            return health.set_note("backlogs", None);
        }
        let since = *self.waits_since.get_or_insert(monotonic);
        if monotonic.saturating_duration_since(since) < SAID_AFTER {
            return;
        }
        let of_shards = (!waiting.is_empty()).then(|| {
            format!(
                "not judged: shards {waiting:?} have not told their figures by the policies in force (on their way, held, or in a \
                 process with another document)"
            )
        });
        let of_stock = stock.as_ref().map(|stock| format!("oversold is not judged: {stock}"));
        let notes: Vec<String> = of_shards.into_iter().chain(of_stock).collect();
        health.set_note("backlogs", Some(notes.join("; ")));
        if !std::mem::replace(&mut self.said_waiting, true) {
            if !waiting.is_empty() {
                emit(BacklogsWait { shards: &waiting });
            }
            if let Some(why) = &stock {
                emit(StockUnknown { why });
            }
        }
    }

    /// What keeps the stock from being known.
    fn waits_for_stock(&self) -> Option<String> {
        let sum = self.sum().filter(|sum| sum.wants_stock())?;
        let left_out = sum.skus_left_out();
        if self.inventory.is_empty() {
            return Some("no stream of this process tells of the stock".to_owned());
        }
        if left_out > 0 {
            return Some(format!("{left_out} skus are beyond the bound, and not looked at"));
        }
        let lags = match (self.inventory.frontier(), sum.frontier()) {
            (None, _) => true,
            (Some(stock), Some(shards)) => shards - stock > LAGS,
            (Some(_), None) => false,
        };
        let held = || self.inventory.held().unwrap_or_else(|| "it".to_owned());
        lags.then(|| format!("the inventory has not been read up to where the shards are; the slowest is {}", held()))
    }

    fn sum(&self) -> Option<&BacklogSum> {
        match &self.state {
            State::Summing(sum) => Some(sum),
            State::Away | State::Asked => None,
        }
    }
}

/// Whether the count is of what is summed, by its kind or by one of these checks.
fn is_summed(count: &OpenCount, oversold: &[Str]) -> bool {
    count.kind == Kind::Backlog || oversold.contains(&count.policy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    /// Whether a sum under these policies wants a commit, though nothing has come for longer than it is to be remembered.
    fn wants_a_commit(policies: &str) -> bool {
        let dir = tempfile::tempdir().unwrap();
        let text = "kafka: {brokers: b}\nstreams: [{topic: orders}]\npolicies: policies.yaml\n";
        std::fs::write(dir.path().join("orderwatch.yaml"), text).unwrap();
        std::fs::write(dir.path().join("policies.yaml"), policies).unwrap();
        let (config, _) = Config::load(&dir.path().join("orderwatch.yaml")).unwrap();
        let settings = Arc::new(config.settings());
        let sum = BacklogSum::new(Arc::clone(&config.policies), Arc::clone(&settings));
        let mut backlogs = Backlogs::new(settings, "control".into(), 1);
        backlogs.state = State::Summing(Box::new(sum));
        backlogs.remembered_at = Instant::now().checked_sub(2 * REMEMBER_EVERY).unwrap();
        backlogs.drain(&Wire::new(&config, 1 << 20), Timestamp::MIN, &mut Vec::new()).any
    }

    #[test]
    fn a_quiet_topic_without_backlogs_needs_no_transaction() {
        let common = "severity: info, owner: a, route: b, expected_outcome: c";
        let sla = format!("slas: [{{id: s, start: order.placed, stop: order.completed, target: 1h, {common}}}]\n");
        let backlog = format!(
            "backlogs: [{{id: q, from: order.placed, until: order.completed, open_when: {{depth: 1}}, \
             clear_when: {{depth: 0}}, {common}}}]\n"
        );
        assert!(!wants_a_commit(&sla));
        assert!(wants_a_commit(&backlog), "how far it was judged is remembered");
    }
}
